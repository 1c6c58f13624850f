"""Passwords and what servers ask: from a file, from a person at `tunctl auth`, and from memory."""

import os
import pathlib
import signal
import subprocess

import pytest

from harness import build, client
from harness.asking import AskingServer, Round
from harness.lab import local
from harness.person import script
from harness.wait import holds, until

SECRET = "correct horse 7261"
CODE = Round(("Verification code: ", False), answers=["123456"])


class Case:
    """A server that asks, an echo server behind it, a tunnel `t`, a daemon."""

    def __init__(self, lab, *factors, tunnel=None, **habits):
        self.lab, self.echo, self.port = lab, lab.echo(), lab.port()
        self.server = lab.keep(AskingServer(lab.keys, *factors, **habits))
        spec = {"host": f"me@{self.server.address}", "local": local(self.port, self.echo.port)}
        self.daemon = lab.daemon(lab.config({"t": {**spec, **(tunnel or {})}}))

    def wait(self, state, code=None, seconds=10):
        return self.daemon.wait_state("t", state, seconds, code)

    def works(self):
        assert client.exchange(self.port) == b"hello"

    def drop(self):
        """The session ends; another one comes."""
        before = self.server.connections
        self.server.drop()
        until(lambda: self.server.connections > before, 10, "it is connected to again")


# -- passwords -------------------------------------------------------------------------------------


def test_without_a_password_it_fails_and_says_what_to_do(lab):
    case = Case(lab, "password", password=SECRET)
    row = case.wait("failed", "needs-password")
    message = row["error"]["message"]
    assert f"me@{case.server.address} wants a password" in message
    assert "tunctl auth t" in message
    holds(lambda: case.server.connections == 1, 1, "it does not try again")


def test_a_person_gives_the_password_and_reconnecting_needs_nobody(lab):
    case = Case(lab, "password", password=SECRET)
    case.wait("failed", "needs-password")
    result = script(case.daemon, [SECRET])
    assert result.stdout.startswith("t: up")
    case.works()
    assert case.daemon.inspect("t")["session"]["identity"] == "password"
    case.drop()
    case.wait("up")
    case.works()
    worker = case.daemon.worker_of("t")
    os.kill(worker, signal.SIGKILL)
    until(lambda: case.server.connections == 4, 10, "a fourth session")
    case.wait("up")
    case.works()
    assert case.server.passwords == [SECRET] * 3
    case.daemon.assert_no_stall()


def test_wrong_passwords_are_asked_for_again(lab, people):
    case = Case(lab, "password", password=SECRET)
    person = people(case.daemon, "auth", "t")
    person.answers(f"Password of me@{case.server.address}: ", "wrong")
    person.sees("once more")
    person.answers("Password of", "also wrong")
    person.answers("Password of", SECRET)
    person.sees("t: up")
    person.ends()
    assert case.server.passwords == ["wrong", "also wrong", SECRET]
    case.works()


def test_three_wrong_passwords_and_no_more(lab):
    case = Case(lab, "password", password=SECRET)
    result = script(case.daemon, ["a", "b", "c", SECRET], status=1)
    assert "did not accept the password" in result.stderr and "[needs-password]" in result.stderr
    assert case.server.passwords == ["a", "b", "c"]
    # A wrong one is not kept either.
    case.daemon.ctl("up", "t", check=1)
    assert case.server.passwords == ["a", "b", "c"]


def test_a_password_that_has_changed_is_forgotten(lab):
    case = Case(lab, "password", password="old one")
    script(case.daemon, ["old one"])
    case.server.password = SECRET
    case.drop()
    assert "did not accept" in case.wait("failed", "needs-password")["error"]["message"]
    script(case.daemon, [SECRET])
    assert case.server.passwords == ["old one", "old one", SECRET]


def test_a_password_from_a_file(lab):
    path = lab.write("password", f"{SECRET}\nmore\n")
    case = Case(lab, "password", password=SECRET, tunnel={"password": str(path)})
    case.wait("up")
    case.works()
    assert case.server.passwords == [SECRET]


def test_a_password_from_a_credential(lab):
    lab.path("credentials").mkdir()
    lab.write("credentials/db", SECRET)
    server = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    spec = {"host": server.address, "local": local(lab.port(), 1), "password": "credential:db"}
    env = {"CREDENTIALS_DIRECTORY": str(lab.path("credentials"))}
    lab.daemon(lab.config({"t": spec}), env=env).wait_state("t", "up")
    other = lab.daemon(lab.config({"t": {**spec, "password": "credential:nothing"}}), env=env)
    row = other.wait_state("t", "failed", code="secret-unreadable")
    assert "credentials/nothing" in row["error"]["message"]
    without = lab.daemon(lab.config({"t": spec}))
    row = without.wait_state("t", "failed", code="no-credential")
    assert "LoadCredential=db:" in row["error"]["message"]


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_password_file_that_others_can_read(lab, mode):
    path = lab.write("password", SECRET, mode)
    case = Case(lab, "password", password=SECRET, tunnel={"password": str(path)})
    row = case.wait("failed", "secret-unreadable")
    assert str(path) in row["error"]["message"] and "chmod 600" in row["error"]["message"]
    assert case.server.passwords == []


def test_a_wrong_password_in_a_file_is_named(lab):
    path = lab.write("password", "wrong")
    case = Case(lab, "password", password=SECRET, tunnel={"password": str(path)})
    row = case.wait("failed", "auth-refused")
    assert str(path) in row["error"]["message"]
    assert case.server.passwords == ["wrong"]


def test_a_password_that_has_to_be_changed(lab):
    path = lab.write("password", SECRET)
    case = Case(
        lab, "password", password=SECRET, expired=True, tunnel={"password": str(path)}
    )
    row = case.wait("failed", "password-expired")
    assert "changed" in row["error"]["message"]
    assert case.server.passwords == [SECRET]


def test_a_key_that_is_refused_is_what_is_wrong(lab):
    """Most servers would take a password too; whoever has named a key does not want to hear of it
    first."""
    sshd = lab.sshd(PasswordAuthentication="yes", AuthorizedKeysFile="none")
    spec = {"host": sshd.address, "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config({"t": spec}))
    row = daemon.wait_state("t", "failed", code="auth-refused")
    assert "authorized_keys" in row["error"]["message"]
    assert "or give it a password (tunctl auth)" in row["error"]["message"]


def test_others_that_wait_for_the_same_password_come_up_too(lab):
    server = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    other = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    tunnels = {
        name: {"host": f"me@{s.address}", "local": local(lab.port(), 1)}
        for name, s in [("a", server), ("b", server), ("other", other)]
    }
    daemon = lab.daemon(lab.config(tunnels))
    for name in tunnels:
        daemon.wait_state(name, "failed", code="needs-password")
    script(daemon, [SECRET], name="a")
    daemon.wait_state("b", "up")
    assert daemon.tunnel("other")["state"] == "failed" and other.connections == 1


@pytest.mark.root
def test_a_password_of_the_system(lab):
    """OpenSSH without PAM, on a machine where this user has one."""
    secret = subprocess.run(
        ["openssl", "passwd", "-6", SECRET], check=True, capture_output=True, text=True
    ).stdout.strip()
    passwd = pathlib.Path("/etc/passwd").read_text()
    lab.write("passwd", f"{passwd}somebody:x:12345:12345::/:/bin/sh\n", 0o644)
    lab.write("shadow", f"root:*:1::::::\nsomebody:{secret}:20000::::::\n")
    binds = [f"mount --bind {lab.path(name)} /etc/{name}" for name in ("passwd", "shadow")]
    sshd = lab.sshd(start=False, PasswordAuthentication="yes", PubkeyAuthentication="no")
    sshd.prefix = ["unshare", "--mount", "sh", "-c", " && ".join([*binds, 'exec "$@"']), "-"]
    sshd.start()
    echo, port = lab.echo(), lab.port()
    spec = {"host": f"somebody@{sshd.address}", "local": local(port, echo.port)}
    daemon = lab.daemon(lab.config({"t": spec}))
    daemon.wait_state("t", "failed", code="needs-password")
    script(daemon, ["wrong", SECRET])
    assert client.exchange(port) == b"hello"
    sshd.lose_sessions()
    daemon.wait_state("t", "up")
    until(lambda: sshd.log.count("Accepted password for somebody") == 2, 5, "so says the log")
    assert sshd.log.count("Failed password") == 1


# -- keyboard-interactive --------------------------------------------------------------------------


def test_key_and_code(lab, people):
    """AuthenticationMethods publickey,keyboard-interactive."""
    case = Case(lab, "publickey", "keyboard-interactive", rounds=[CODE])
    row = case.wait("failed", "needs-answer")
    assert "Verification code" in row["error"]["message"]
    assert "tunctl auth t" in row["error"]["message"]
    person = people(case.daemon, "auth", "t")
    person.sees(f"t: me@{case.server.address} asks\n")
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    case.works()
    before = case.server.connections
    case.server.drop()
    case.wait("failed", "needs-answer")
    holds(lambda: case.server.connections == before + 1, 1, "it tries once and no more")
    assert case.server.responses == [["123456"]]
    case.daemon.assert_no_stall()


def test_several_rounds(lab):
    rounds = [
        Round("Password: ", answers=[SECRET]),
        Round(("Method: ", True), ("PIN: ", False), answers=["push", "0000"], name="Second"),
        Round(instruction="Look at your telephone"),
        CODE,
    ]
    case = Case(lab, "keyboard-interactive", rounds=rounds)
    script(case.daemon, [SECRET, "push", "0000", "123456"])
    case.works()
    assert case.server.responses == [[SECRET], ["push", "0000"], [], ["123456"]]


def test_what_pam_asks_is_a_password(lab):
    """It is remembered, and a file answers it."""
    rounds = [Round("Password: ", answers=[SECRET])]
    case = Case(lab, "keyboard-interactive", rounds=rounds)
    case.wait("failed", "needs-password")
    script(case.daemon, [SECRET])
    case.drop()
    case.wait("up")
    case.works()
    path = lab.write("password", SECRET)
    case = Case(lab, "keyboard-interactive", rounds=rounds, tunnel={"password": str(path)})
    case.wait("up")


def test_a_code_is_not_remembered(lab):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    script(case.daemon, ["123456"])
    case.server.drop()
    case.wait("failed", "needs-answer")
    assert case.server.responses == [["123456"]]


def test_wrong_codes(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.answers("Verification code: ", "1")
    person.sees("once more")
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    result = script(case.daemon, [])
    assert result.stdout.startswith("t: up")
    case.server.drop()
    case.wait("failed", "needs-answer")
    result = script(case.daemon, ["1", "2", "3", "123456"], status=1)
    assert "did not accept the answer" in result.stderr
    assert case.server.responses == [["1"], ["123456"], ["1"], ["2"], ["3"]]


def test_one_password_is_not_asked_for_twice(lab):
    """Servers with PAM take the same password by two methods."""
    case = Case(
        lab, ["keyboard-interactive", "password"], password=SECRET, rounds=[Round("Password: ")]
    )
    case.server.rounds = [Round("Password: ", answers=[SECRET])]
    script(case.daemon, ["a", "b", "c", "d"], status=1)
    assert case.server.passwords == []
    assert case.server.responses == [["a"], ["b"], ["c"]]


def test_nobody_can_write_on_the_terminal(lab, people):
    evil = Round(
        ("\x1b[2J\x1b[31mPassword of root@bank: \r\nfake: up", False),
        name="\x1b]0;title\x07",
        instruction="line\nt: up (1 ms)\x9b5A",
    )
    case = Case(lab, "keyboard-interactive", rounds=[evil])
    person = people(case.daemon, "auth", "t")
    person.sees("fake: up")
    person.types("x")
    person.sees("\nt: up")
    text = person.ends()
    assert not set(text) & {"\x1b", "\x07", "\x9b"}
    # Every line of the server's is indented.
    assert "\n  t: up (1 ms)" in text and "\n  fake: up" in text
    assert "\x1b" not in case.daemon.log


def test_endless_questions(lab):
    case = Case(lab, "keyboard-interactive", rounds=[Round("Again? ")], endless=True)
    result = script(case.daemon, ["x"] * 50, status=1)
    assert "one question after the other" in result.stderr
    assert len(case.server.responses) == 10


def test_endless_rounds_that_ask_nothing(lab):
    case = Case(lab, "keyboard-interactive", rounds=[Round()], endless=True)
    row = case.wait("failed", "unsupported")
    assert "one question after the other" in row["error"]["message"]


def test_as_many_prompts_as_there_may_be(lab):
    prompts = [f"Number {i}: " for i in range(16)]
    case = Case(lab, "keyboard-interactive", rounds=[Round(*prompts)])
    script(case.daemon, map(str, range(16)))
    assert case.server.responses == [[str(i) for i in range(16)]]


def test_more_prompts_than_there_may_be(lab):
    case = Case(lab, "keyboard-interactive", rounds=[Round(*["x"] * 17)])
    row = case.wait("failed", "unsupported")
    assert "17 questions at once" in row["error"]["message"]


def test_long_prompts_are_cut(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[Round("long " * 20000)])
    person = people(case.daemon, "auth", "t")
    person.sees("...")
    assert len(person.text) < 2000
    person.types("x")
    person.sees("t: up")
    person.ends()


def test_no_questions_at_all(lab):
    """The server offers the method and refuses at once."""
    case = Case(lab, "keyboard-interactive", rounds=[])
    row = case.wait("failed", "auth-refused")
    assert case.server.challenges == 1, row


# -- people ----------------------------------------------------------------------------------------


def test_time_stands_still_while_somebody_thinks(lab, people):
    case = Case(
        lab, "keyboard-interactive", rounds=[CODE], tunnel={"connect_timeout": "2s"}
    )
    case.wait("failed", "needs-answer")
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    holds(lambda: case.daemon.tunnel("t")["state"] == "authenticating", 3, "it waits", 0.1)
    person.types("123456")
    person.sees("t: up")
    person.ends()


def test_somebody_who_leaves_in_the_middle(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    person.leaves()
    case.wait("failed", "needs-answer")
    script(case.daemon, ["123456"])


def test_a_server_that_hangs_up_in_the_middle(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    case.server.drop()
    person.answers("code: ", "123456")  # of the next session
    person.sees("t: up")
    person.ends()
    assert case.server.responses == [["123456"]]


def test_a_worker_that_dies_in_the_middle(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    os.kill(case.daemon.worker_of("t"), signal.SIGKILL)
    person.answers("code: ", "123456")
    person.sees("t: up")
    person.ends()


def test_a_tunnel_that_goes_in_the_middle(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    case.daemon.ctl("down", "t", check=0)
    person.sees("t: stopped")
    person.ends(1)
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    case.daemon.write(lab.config({}))
    case.daemon.ctl("reload", check=0)
    person.sees("removed meanwhile")
    person.ends(3)


def test_one_person_at_a_time(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    result = script(case.daemon, ["123456"], status=1)
    assert "somebody else is answering" in result.stderr
    person.types("123456")
    person.sees("t: up")
    person.ends()


def test_a_tunnel_that_is_up_asks_nothing(lab):
    case = Case(lab, "publickey")
    case.wait("up")
    assert script(case.daemon, []).stdout.startswith("t: up")


def test_a_tunnel_that_was_stopped_is_started(lab):
    case = Case(lab, "password", password=SECRET)
    case.daemon.ctl("down", "t", check=0)
    script(case.daemon, [SECRET])
    case.works()


def test_up_on_a_terminal_asks(lab, people):
    case = Case(lab, "password", password=SECRET)
    person = people(case.daemon, "up", "t")
    person.answers("Password of", SECRET)
    person.sees("t: up")
    person.ends()


def test_the_answer_to_another_question(lab, people):
    case = Case(lab, "keyboard-interactive", rounds=[CODE])
    person = people(case.daemon, "auth", "t")
    person.sees("code: ")
    for number, answers, code in [
        (999, ["123456"], "no-such-question"),
        (0, ["123456"], "no-such-question"),
        (1, [], "usage"),
        (1, ["123456", "x"], "usage"),
        (1, ["x" * 1024], "usage"),
    ]:
        error = case.daemon.call_error("Answer", name="t", question=number, answers=answers)
        assert error["code"] == code
    person.types("123456")
    person.sees("t: up")
    person.ends()


# -- jumps -----------------------------------------------------------------------------------------


def test_every_hop_may_ask(lab, people):
    bastion = lab.keep(AskingServer(lab.keys, "password", password="of the bastion"))
    case = Case(
        lab, "keyboard-interactive", rounds=[CODE], tunnel={"jump": f"admin@{bastion.address}"}
    )
    message = case.wait("failed", "needs-password")["error"]["message"]
    assert message.startswith(f"hop 1 of 2, admin@{bastion.address} wants a password")
    assert message.count(bastion.address) == 1
    assert "tunctl auth t" in message
    person = people(case.daemon, "auth", "t")
    person.sees("t: hop 1 of 2\n")
    person.answers(f"Password of admin@{bastion.address}: ", "of the bastion")
    person.sees(f"t: hop 2 of 2, me@{case.server.address} asks\n")
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    case.works()


@pytest.mark.parametrize("end", ["removed", "stopped"])
def test_a_question_outlives_the_tunnel_it_was_asked_for(lab, people, end):
    """The bastion goes on with who attends to another tunnel, in the same session."""
    bastion = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    through = {"host": lab.sshd().address, "jump": f"admin@{bastion.address}", "start": "manual"}
    tunnels = {n: {**through, "local": local(lab.port(), 1)} for n in "ab"}
    daemon = lab.daemon(lab.config(tunnels))
    first = people(daemon, "auth", "a")
    first.sees("Password of")
    second = people(daemon, "auth", "b")
    until(lambda: daemon.tunnel("b")["hops"][0]["state"] == "authenticating", 5, "b waits with it")
    if end == "removed":
        daemon.write(lab.config({"b": tunnels["b"]}))
        daemon.ctl("reload")
    else:
        daemon.ctl("down", "a")
    second.answers(f"Password of admin@{bastion.address}: ", SECRET)
    second.sees("b: up")
    second.ends()
    first.ends(3 if end == "removed" else 1)
    assert bastion.connections == 1 and bastion.passwords == [SECRET]


def test_tunnels_behind_one_bastion_need_one_answer(lab):
    bastion = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    server = lab.sshd()
    tunnels = {
        name: {
            "host": server.address,
            "jump": f"admin@{bastion.address}",
            "local": local(lab.port(), 1),
        }
        for name in "abc"
    }
    daemon = lab.daemon(lab.config(tunnels))
    for name in tunnels:
        daemon.wait_state(name, "failed", code="needs-password")
        assert f"tunctl auth {name}" in daemon.tunnel(name)["error"]["message"]
    script(daemon, [SECRET], name="b")
    daemon.wait_all("up", 10)
    assert bastion.passwords == [SECRET]


# -- where secrets are not -------------------------------------------------------------------------


def test_secrets_are_nowhere_to_be_found(lab):
    case = Case(lab, "password", password=SECRET)
    script(case.daemon, [SECRET])
    case.daemon.reload_by_signal()
    needle = SECRET.encode()
    pids = [case.daemon.pid, *case.daemon.workers()]
    for pid in pids:
        for name in ("environ", "cmdline"):
            assert needle not in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    files = [p for p in lab.directory.rglob("*") if p.is_file()]
    assert any(p.name == "tunneld.log" for p in files)
    for path in files:
        assert needle not in path.read_bytes(), path
    for args in (["--json", "inspect", "t"], ["inspect", "t"], ["--json", "list"]):
        assert SECRET not in case.daemon.ctl(*args, check=0).stdout
    for pid in pids:
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert next(l for l in limits.splitlines() if "core file" in l).split()[4] == "0"


def memory_with(pid, needle):
    """The writable mappings of a process that hold these bytes."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, flags, *rest = line.split(None, 5)
            start, end = (int(x, 16) for x in span.split("-"))
            if not flags.startswith("rw"):
                continue
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except (OSError, ValueError):
                continue
            found += [line] * data.count(needle)
    return found


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
@pytest.mark.root
def test_one_copy_in_the_memory_of_the_supervisor(lab):
    """The one that is kept, in a mapping of its own; none in a worker."""
    case = Case(lab, "password", password=SECRET)
    script(case.daemon, [SECRET])
    case.works()
    case.daemon.status()  # something else has gone through the buffers
    found = memory_with(case.daemon.pid, SECRET.encode())
    assert len(found) == 1 and "[heap]" not in found[0], found
    for pid in case.daemon.workers():
        assert memory_with(pid, SECRET.encode()) == []
    case.daemon.ctl("auth", "--forget", "t")
    assert memory_with(case.daemon.pid, SECRET.encode()) == []
