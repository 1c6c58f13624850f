"""Passphrases of keys that people tell: how often they are asked, what is remembered, and where it is
not."""

import os
import pathlib
import signal

from harness import client, keys
from harness.lab import local
from harness.person import script
from harness.wait import holds, until

WORDS = "correct horse 7261"


class Case:
    """An sshd that takes one key, which is locked; a tunnel `t` through it."""

    def __init__(self, lab, key=None, **tunnel):
        self.lab = lab
        self.key = key or lab.key("locked", passphrase=WORDS)
        authorized = lab.write("authorized", keys.public(self.key) + "\n")
        self.sshd = lab.sshd(AuthorizedKeysFile=authorized)
        self.echo, self.port = lab.echo(), lab.port()
        spec = {
            "host": self.sshd.address,
            "local": local(self.port, self.echo.port),
            "identity": str(self.key),
        }
        self.daemon = lab.daemon(lab.config({"t": {**spec, **tunnel}}))

    def wait(self, state, code=None):
        return self.daemon.wait_state("t", state, code=code)

    def works(self):
        assert client.exchange(self.port) == b"hello"

    def logins(self):
        return self.sshd.log.count("Accepted publickey")


def test_without_a_passphrase_it_fails_and_says_what_to_do(lab):
    case = Case(lab)
    message = case.wait("failed", "needs-passphrase")["error"]["message"]
    assert str(case.key) in message and "tunctl auth t" in message
    connections = case.sshd.log.count("Connection from")
    holds(
        lambda: case.sshd.log.count("Connection from") == connections, 1, "it does not try again"
    )


def test_a_person_unlocks_it_and_reconnecting_needs_nobody(lab, people):
    case = Case(lab)
    case.wait("failed", "needs-passphrase")
    person = people(case.daemon, "auth", "t")
    person.answers(f"Passphrase for key {case.key}: ", WORDS)
    person.sees("t: up")
    person.ends()
    case.works()
    case.sshd.lose_sessions()
    until(lambda: case.logins() == 2, 10, "a second login")
    case.wait("up")
    os.kill(case.daemon.worker_of("t"), signal.SIGKILL)
    until(lambda: case.logins() == 3, 10, "a third login")
    case.wait("up")
    case.works()
    case.daemon.assert_no_stall()


def test_a_wrong_passphrase_may_be_given_again(lab, people):
    case = Case(lab)
    person = people(case.daemon, "auth", "t")
    person.answers("Passphrase", "wrong")
    person.sees("once more")
    person.answers("Passphrase", WORDS)
    person.sees("t: up")
    person.ends()
    assert "Failed" not in case.sshd.log  # nobody has guessed at the server


def test_three_wrong_passphrases_and_no_more(lab):
    case = Case(lab)
    result = script(case.daemon, ["a", "b", "c", WORDS], status=1)
    assert "[needs-passphrase]" in result.stderr and str(case.key) in result.stderr
    assert case.logins() == 0
    script(case.daemon, [WORDS])


def test_others_with_the_same_key_come_up_too(lab):
    case = Case(lab)
    config = dict(case.daemon.config)
    spec = config["tunnels"]["t"]
    config["tunnels"]["u"] = {**spec, "local": local(lab.port(), case.echo.port)}
    case.daemon.write(config)
    case.daemon.ctl("reload", check=0)
    for name in "tu":
        case.daemon.wait_state(name, "failed", code="needs-passphrase")
    script(case.daemon, [WORDS])
    case.daemon.wait_all("up", 10)


def test_the_passphrase_is_nowhere_to_be_found(lab):
    case = Case(lab)
    script(case.daemon, [WORDS])
    for path in lab.directory.rglob("*"):
        if path.is_file():
            assert WORDS.encode() not in path.read_bytes(), path
    for pid in [case.daemon.pid, *case.daemon.workers()]:
        assert WORDS.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
