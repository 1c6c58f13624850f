"""Keys that an agent has: a real one, and ones that hang, are slow, lie, or say no."""

import os
import shutil
import threading

import pytest

from harness import agent as agents
from harness import client, keys
from harness.asking import AskingServer
from harness.lab import local
from harness.wait import Stopwatch, until


class Case:
    def __init__(self, lab):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()
        self.daemon = None

    def real(self, *paths):
        agent = self.lab.keep(agents.Agent(self.lab.path("agent")))
        for path in paths or [self.lab.keys.client]:
            agent.add(path)
        return agent

    def odd(self, real=None, **habits):
        return self.lab.keep(agents.OddAgent(self.lab.path("odd"), real, **habits))

    def run(self, agent, states=("up", "failed", "backoff"), env=None, seconds=20, **settings):
        tunnel = {
            "host": self.sshd.address,
            "local": local(self.port, self.echo.port),
            "identity": "agent",
            **({"identity_agent": agent.path} if agent else {}),
            **settings,
        }
        self.daemon = self.lab.daemon(self.lab.config({"t": tunnel}), env=env)
        return self.daemon.wait_state("t", states, seconds)

    def works(self, agent, **settings):
        row = self.run(agent, **settings)
        assert row["state"] == "up", row["error"]
        assert client.exchange(self.port) == b"hello"
        self.daemon.assert_no_worker_stall()
        return self.daemon.inspect("t")["session"]["identity"]

    def fails(self, agent, code, **settings):
        row = self.run(agent, **settings)
        assert row["state"] != "up" and row["error"]["code"] == code, row
        assert "\n" not in row["error"]["message"]
        self.daemon.assert_no_worker_stall()
        return row["error"]["message"]


@pytest.fixture
def case(lab):
    return Case(lab)


def authorize(case, *paths):
    text = "".join(keys.public(path) + "\n" for path in paths)
    case.sshd.set_options(AuthorizedKeysFile=case.lab.write("authorized", text))
    case.sshd.restart()


# -- a real one ------------------------------------------------------------------------------------


def test_a_key_of_the_agent(case, lab):
    identity = case.works(case.real())
    assert identity.startswith(f"agent: {keys.fingerprint(lab.keys.client)}")


@pytest.mark.parametrize("kind, bits", [("rsa", 3072), ("ecdsa", 384), ("ecdsa", 521)])
def test_every_kind_of_key(case, lab, kind, bits):
    path = lab.key("mine", kind=kind, bits=bits)
    authorize(case, path)
    assert keys.fingerprint(path) in case.works(case.real(path))


def test_the_comment_is_shown(case, lab):
    path = lab.key("mine")
    os.unlink(f"{path}.pub")
    agent = case.real(path)  # ssh-add takes the path for a comment
    authorize(case, lab.keys.client)
    odd = case.odd(agent.add(lab.keys.client), on_list=lambda k: [(b, b"a\x1b[2J") for b, _ in k])
    identity = case.works(odd)
    assert identity.endswith("a\\x1b[2J")


def test_by_the_environment(case, lab):
    """No identity is named: the agent comes first."""
    agent = case.real()
    config = lab.config({"t": {"host": case.sshd.address, "local": local(case.port, 1)}})
    del config["defaults"]["identity"]
    daemon = lab.daemon(config, args=["--user"], env={"SSH_AUTH_SOCK": agent.path})
    daemon.wait_state("t", "up")
    assert daemon.inspect("t")["session"]["identity"].startswith("agent: SHA256:")


def test_no_agent_is_wanted(case, lab):
    agent = case.odd(case.real())
    config = lab.config(
        {"t": {"host": case.sshd.address, "local": local(case.port, 1), "identity_agent": "none"}}
    )
    del config["defaults"]["identity"]
    daemon = lab.daemon(config, args=["--user"], env={"SSH_AUTH_SOCK": agent.path})
    row = daemon.wait_state("t", "failed", code="no-identity")
    assert "id_ed25519" in row["error"]["message"]
    assert agent.accepted == 0


def test_the_second_key_is_accepted(case, lab):
    real = case.real(lab.key("s1"), lab.key("s2"), lab.keys.client)
    assert keys.fingerprint(lab.keys.client) in case.works(real)


def test_no_key(case):
    agent = case.real()
    agent.remove_all()
    message = case.fails(agent, "agent-lacks-key", states="backoff")
    assert agent.path in message and "ssh-add" in message and "is locked" in message


@pytest.mark.parametrize(
    "settings, says",
    [({"identity_agent": "none"}, "'identity_agent' is none"), ({}, "SSH_AUTH_SOCK is not set")],
)
def test_there_is_no_agent(case, settings, says):
    settings = {"identity_agent": "SSH_AUTH_SOCK", **settings}
    assert says in case.fails(None, "no-identity", **settings)


def test_nobody_accepts_it(case, lab):
    message = case.fails(case.real(lab.key("stranger")), "auth-refused")
    assert "agent: SHA256:" in message and case.sshd.address in message


def test_identities_only(case, lab):
    """Of the agent's keys only the one that a public key file names."""
    strangers = [lab.key(f"s{i}") for i in range(7)]
    agent = case.odd(case.real(*strangers, lab.keys.client))
    public = f"{lab.keys.client}.pub"
    identity = case.works(agent, identity=["agent", public], identities_only=True)
    assert keys.fingerprint(lab.keys.client) in identity
    assert agent.signed_for == [agents.blob(lab.keys.client)]
    assert case.sshd.log.count("Failed publickey") == 0


def test_named_keys_come_first(case, lab):
    """... also without identities_only, so that MaxAuthTries is not used up by others."""
    strangers = [lab.key(f"s{i}") for i in range(7)]
    agent = case.real(*strangers, lab.keys.client)
    case.works(agent, identity=["agent", f"{lab.keys.client}.pub"])
    assert case.sshd.log.count("Failed publickey") == 0


def test_only_a_public_key_is_named(case, lab):
    case.works(case.real(), identity=f"{lab.keys.client}.pub")


def test_an_encrypted_key_that_the_agent_has(case, lab):
    path = lab.key("locked")
    authorize(case, path)
    agent = case.real(path)
    keys.change_passphrase(path, "", "secret words")
    identity = case.works(agent, identity=str(path))
    assert identity.startswith("agent: ")


def test_an_agent_that_is_restarted(case, lab):
    agent = case.real()
    case.works(agent)
    agent.close()
    case.sshd.kill_sessions()
    case.daemon.wait_state("t", "backoff", code="agent-unavailable")
    again = lab.keep(agents.Agent(agent.path))
    again.add(lab.keys.client)
    case.daemon.ctl("up", "t", check=0)
    assert client.exchange(case.port) == b"hello"


def test_a_hardware_key(case, lab):
    agent = lab.keep(agents.HardwareAgent(lab.path("odd")))
    case.sshd.set_options(AuthorizedKeysFile=lab.write("authorized", agent.public + "\n"))
    case.sshd.restart()
    assert case.works(agent).endswith(" touch me")


def test_a_password_is_kept_for_after_some_keys(case, lab):
    """The keys that are refused must not use up what the server allows."""
    server = AskingServer(lab.keys, ["publickey", "password"], password="open sesame")
    lab.keep(server)
    strangers = [lab.key(f"s{i}") for i in range(7)]
    password = lab.write("password", "open sesame")
    case.sshd = server
    case.works(case.real(*strangers), password=str(password))
    assert len(server.keys_refused) == 4


# -- before somebody has logged in -----------------------------------------------------------------


def comes_up_by_itself(case):
    """... when the agent has what it lacked, and not because time has passed."""
    case.daemon.wait_state("t", "up", 25)
    assert client.exchange(case.port) == b"hello"
    case.daemon.assert_no_worker_stall()


def test_a_key_is_added_later(case, lab):
    agent = case.real()
    agent.remove_all()
    case.fails(agent, "agent-lacks-key", states="backoff")
    assert case.daemon.tunnel("t")["retry_in_ms"] > 25000
    agent.add(lab.keys.client)
    comes_up_by_itself(case)


def test_the_server_is_not_asked_meanwhile(case, lab):
    agent = case.odd(case.real(), on_list=lambda listed: [])
    case.fails(agent, "agent-lacks-key", states="backoff")
    asked = case.sshd.log.count("Connection from")
    until(lambda: len(agent.requests) >= 3, 20, "the agent is asked now and then")
    assert asked == case.sshd.log.count("Connection from") == 1


def test_a_locked_agent(case):
    agent = case.real()
    agent.lock(b"word")
    assert "ssh-add -X" in case.fails(agent, "agent-lacks-key", states="backoff")
    agent.unlock(b"word")
    comes_up_by_itself(case)


def test_the_agent_starts_later(case, lab):
    class Later:
        path = str(lab.path("later"))

    message = case.fails(Later, "agent-unavailable", states="backoff")
    assert "ssh-add" in message
    lab.keep(agents.Agent(Later.path)).add(lab.keys.client)
    comes_up_by_itself(case)


def test_a_stale_socket(case, lab):
    """Nobody listens there any more."""
    agent = case.real()
    agent.process.kill()
    agent.process.wait()
    assert "is not there" in case.fails(agent, "agent-unavailable", states="backoff")
    agent.close()
    lab.keep(agents.Agent(agent.path)).add(lab.keys.client)
    comes_up_by_itself(case)


def test_an_encrypted_key_is_added_later(case, lab):
    """Nobody types the passphrase to us; ssh-add gets it."""
    path, copy = lab.key("locked"), lab.path("copy")
    authorize(case, path)
    shutil.copy(path, copy)
    keys.change_passphrase(path, "", "secret words")
    agent = case.real(lab.key("stranger"))
    message = case.fails(agent, "needs-passphrase", states="failed", identity=str(path))
    assert "ssh-add" in message and "tunctl auth" in message
    agent.add(copy)
    comes_up_by_itself(case)


def test_a_public_key_whose_other_half_is_added_later(case, lab):
    agent = case.real(lab.key("stranger"))
    public = f"{lab.keys.client}.pub"
    assert public in case.fails(agent, "agent-lacks-key", states="backoff", identity=public)
    agent.add(lab.keys.client)
    comes_up_by_itself(case)


def test_another_key_was_added_first(case, lab):
    """A server that refused what the agent had hears of what it gets."""
    agent = case.real(lab.key("stranger"))
    case.fails(agent, "auth-refused", states="failed")
    agent.add(lab.keys.client)
    comes_up_by_itself(case)


def test_a_file_was_refused_and_a_public_key_has_no_agent(case, lab):
    """The agent is in no list, and could have helped all the same."""
    agent = case.real(lab.key("other"))
    identities = [str(lab.key("stranger")), f"{lab.keys.client}.pub"]
    case.fails(agent, "auth-refused", states="failed", identity=identities)
    agent.add(lab.keys.client)
    comes_up_by_itself(case)


def test_the_passphrase_in_a_file_is_wrong(case, lab):
    path, copy = lab.key("locked"), lab.path("copy")
    authorize(case, path)
    shutil.copy(path, copy)
    keys.change_passphrase(path, "", "secret words")
    wrong = lab.write("passphrase", "other words")
    agent = case.real(lab.key("stranger"))
    case.fails(
        agent, "identity-encrypted", states="failed", identity=str(path), passphrase=str(wrong)
    )
    agent.add(copy)
    comes_up_by_itself(case)


def test_a_certificate_is_added_later(case, lab):
    """To the agent that has had the key all the time."""
    path = certified(case)
    real = case.lab.keep(agents.Agent(case.lab.path("agent"))).add_key_only(path)
    public = lab.write("bare.pub", keys.public(path) + "\n")
    case.fails(real, "auth-refused", states="failed", identity=str(public))
    real.add(path)
    comes_up_by_itself(case)


def test_a_key_for_the_jump_is_added_later(case, lab):
    agent = case.real(lab.key("stranger"))
    bastion = {
        "address": lab.sshd().address,
        "identity": "agent",
        "identity_agent": agent.path,
    }
    tunnel = {"host": case.sshd.address, "jump": "bastion", "local": local(case.port, case.echo.port)}
    case.daemon = lab.daemon(lab.config({"t": tunnel}, hosts={"bastion": bastion}))
    row = case.daemon.wait_state("t", "failed", code="auth-refused")
    assert row["error"]["message"].startswith("hop 1 of 2")
    agent.add(lab.keys.client)
    comes_up_by_itself(case)


# -- certificates ----------------------------------------------------------------------------------


def certified(case, name="mine", **options):
    """A key whose public half the server does not know, and a certificate it does."""
    authority = case.lab.key("ca")
    path = case.lab.key(name)
    keys.certify(authority, path, **options)
    case.sshd.set_options(AuthorizedKeysFile="none", TrustedUserCAKeys=f"{authority}.pub")
    case.sshd.restart()
    return path


def test_a_certificate_in_the_agent(case):
    path = certified(case)
    identity = case.works(case.real(path))
    assert keys.fingerprint(path) in identity


def test_a_certificate_beside_a_public_key(case):
    """The agent has only the key: it is asked to sign with that, the server is shown the other."""
    path = certified(case)
    real = case.lab.keep(agents.Agent(case.lab.path("agent"))).add_key_only(path)
    agent = case.odd(real)
    identity = case.works(agent, identity=f"{path}.pub")
    assert identity.endswith(f" with {path}-cert.pub")
    assert agent.signed_for == [agents.blob(path)]


# -- odd ones --------------------------------------------------------------------------------------


def test_a_confirmation_that_takes_three_seconds(case):
    wait = threading.Event()
    agent = case.odd(case.real(), on_sign=lambda key: wait.wait(3) or True)
    with Stopwatch() as watch:
        case.works(agent)
    assert watch.seconds > 3


def test_an_agent_that_hangs(case):
    """It has its own share of the time, and is named."""
    agent = case.odd(silent=[agents.REQUEST_IDENTITIES])
    message = case.fails(agent, "agent-unavailable")
    assert f"the agent at {agent.path} does not answer within 2.5 s" in message


def test_an_agent_that_hangs_and_a_file(case, lab):
    agent = case.odd(silent=[agents.REQUEST_IDENTITIES])
    assert case.works(agent, identity=["agent", str(lab.keys.client)]) == str(lab.keys.client)


def test_an_agent_that_hangs_when_it_should_sign(case, lab):
    """Nobody confirms: the file has its turn."""
    other = lab.key("other")
    authorize(case, other, lab.keys.client)
    agent = case.odd(case.real(other), silent=[agents.SIGN_REQUEST])
    identity = case.works(agent, identity=["agent", str(lab.keys.client)], seconds=25)
    assert identity == str(lab.keys.client)


def test_nobody_confirms_in_time(case):
    agent = case.odd(case.real(), silent=[agents.SIGN_REQUEST])
    message = case.fails(agent, "timeout", connect_timeout="4s")
    assert f"the agent at {agent.path}" in message


def test_other_tunnels_do_not_wait_for_it(case, lab):
    agent = case.odd(silent=[agents.REQUEST_IDENTITIES])
    host = {"host": case.sshd.address}
    daemon = lab.daemon(
        lab.config(
            {
                "hung": {
                    **host,
                    "local": local(lab.port(), 1),
                    "identity": "agent",
                    "identity_agent": agent.path,
                },
                "good": {**host, "local": local(case.port, case.echo.port)},
            },
            daemon={"workers": 1},
        )
    )
    daemon.wait_state("good", "up")
    assert client.exchange(case.port) == b"hello"
    daemon.wait_state("hung", "backoff", code="agent-unavailable")
    up = next(e["time"] for e in daemon.inspect("good")["events"] if e["state"] == "up")
    lost = next(e["time"] for e in daemon.inspect("hung")["events"] if e["state"] == "backoff")
    assert up < lost
    daemon.assert_no_worker_stall()


@pytest.mark.parametrize(
    "answer, says",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is that an SSH agent?"),
        (b"\0\0\0\x05\x0c\xff\xff\xff\xff", "not well-formed"),
        (b"\0\0\0\x01\x05", "does not tell its keys"),
        (b"\xff\xff\xff\xff", "is that an SSH agent?"),
        (b"\0\0\0\x01\x06\0\0\0\x01\x06", "more than it was asked"),
        (b"", "closed the connection"),
    ],
)
def test_garbage(case, answer, says):
    agent = case.odd(on_bytes=lambda kind: answer)
    assert says in case.fails(agent, "agent-unavailable")


def test_garbage_for_a_signature(case, lab):
    agent = case.odd(
        case.real(),
        on_bytes=lambda kind: b"\0\0\0\x06\x0e\0\0\0\x01x" if kind == agents.SIGN_REQUEST else None,
    )
    message = case.fails(agent, "auth-refused")
    assert keys.fingerprint(lab.keys.client) in message


def test_a_key_of_an_unknown_kind_comes_first(case):
    """libssh would stop reading the list there."""
    agent = case.odd(case.real(), on_list=lambda k: [(agents.dsa_blob(), b"old"), (b"x", b"")] + k)
    case.works(agent)


def test_a_thousand_keys(case, lab):
    def many(listed):
        made = [agents.string(b"ssh-ed25519") + agents.string(os.urandom(32)) for _ in range(1000)]
        return [(key, b"") for key in made] + listed

    agent = case.odd(case.real(), on_list=many)
    public = f"{lab.keys.client}.pub"
    case.works(agent, identity=["agent", public])


def test_a_thousand_keys_and_none_is_named(case):
    def many(listed):
        made = [agents.string(b"ssh-ed25519") + agents.string(os.urandom(32)) for _ in range(1000)]
        return [(key, b"") for key in made]

    message = case.fails(case.odd(case.real(), on_list=many), "auth-refused")
    assert "MaxAuthTries" in message and "'identity'" in message


def test_it_refuses_to_sign(case):
    """A person said no, and is not asked again and again."""
    agent = case.odd(case.real(), on_sign=lambda key: False)
    message = case.fails(agent, "agent-refused", states="failed")
    assert "does not sign" in message and "agent: SHA256:" in message
    assert agent.requests.count(agents.SIGN_REQUEST) == 1


def test_it_refuses_to_sign_once_more(case):
    """A server that has let us in before is tried again when it refuses us; a person is not asked."""
    answers = [True, False]
    agent = case.odd(case.real(), on_sign=lambda key: answers.pop(0))
    case.works(agent)
    case.sshd.kill_sessions()
    row = case.daemon.wait_state("t", "failed", code="agent-refused")
    assert "does not sign" in row["error"]["message"]
    assert agent.requests.count(agents.SIGN_REQUEST) == 2


def test_it_refuses_one_and_signs_with_another(case, lab):
    other = lab.key("other")
    authorize(case, other, lab.keys.client)
    no = agents.blob(other)
    agent = case.odd(case.real(other, lab.keys.client), on_sign=lambda key: key != no)
    assert keys.fingerprint(lab.keys.client) in case.works(agent)


def test_nobody_is_there(case, lab):
    class Absent:
        path = str(lab.path("nowhere"))

    message = case.fails(Absent, "agent-unavailable")
    assert f"the agent at {Absent.path} is not there" in message


def test_nobody_is_there_but_a_file(case, lab):
    class Absent:
        path = str(lab.path("nowhere"))

    case.works(Absent, identity=["agent", str(lab.keys.client)])
