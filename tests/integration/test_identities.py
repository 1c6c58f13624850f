"""Who we are: key files, their permissions, and what is said when one cannot be used."""

import os
import shutil
import subprocess

import pytest

from harness import client, keys
from harness.lab import local


class Case:
    def __init__(self, lab):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()

    def run(self, identity, states=("up", "failed")):
        identity = [str(i) for i in identity] if isinstance(identity, list) else str(identity)
        daemon = self.lab.daemon(
            self.lab.config(
                {
                    "t": {
                        "host": self.sshd.address,
                        "local": local(self.port, self.echo.port),
                        "identity": identity,
                    }
                }
            )
        )
        return daemon, daemon.wait_state("t", states)

    def works(self, identity):
        daemon, row = self.run(identity)
        assert row["state"] == "up", row["error"]
        assert client.exchange(self.port) == b"hello"
        return daemon

    def refused(self, code, identity):
        daemon, row = self.run(identity)
        assert row["state"] == "failed" and row["error"]["code"] == code, row
        message = row["error"]["message"]
        assert "\n" not in message
        daemon.wait_log(rf"\bt: .*{code}")
        text = daemon.ctl("list", check=0).stdout
        assert "failed" in text and code in text
        return message

    def good_key(self, name="mine", mode=0o600):
        path = self.lab.path(name)
        shutil.copy(self.lab.keys.client, path)
        path.chmod(mode)
        return path


@pytest.fixture
def case(lab):
    return Case(lab)


def test_missing(case, lab):
    path = lab.path("nowhere")
    assert str(path) in case.refused("identity-missing", path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_readable_by_others(case, mode):
    path = case.good_key(mode=mode)
    message = case.refused("identity-permissions", path)
    assert str(path) in message and "chmod 600" in message
    assert "Accepted" not in case.sshd.log


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_readable_by_the_owner_only(case, mode):
    case.works(case.good_key(mode=mode))


def test_encrypted(case, lab):
    path = lab.key("locked", passphrase="secret words")
    assert str(path) in case.refused("identity-encrypted", path)


def test_encrypted_in_the_old_format(case, lab):
    path = lab.path("locked")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "secret words", "-f", str(path)],
        check=True,
    )
    assert str(path) in case.refused("identity-encrypted", path)


JUNK = {
    "empty": "",
    "text": "not a key\n",
    "cut": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
    "zeros": "\0" * 4096,
    "huge": "x" * (3 << 20),
}


@pytest.mark.parametrize("kind", JUNK)
def test_not_a_key(case, lab, kind):
    path = lab.write("junk", JUNK[kind])
    assert str(path) in case.refused("identity-unreadable", path)


def test_a_public_key_by_mistake(case, lab):
    path = lab.write("key.pub", lab.keys.client.with_suffix(".pub").read_text())
    assert str(path) in case.refused("identity-unreadable", path)


def test_a_directory(case, lab):
    lab.path("dir").mkdir(mode=0o700)
    assert str(lab.path("dir")) in case.refused("identity-unreadable", lab.path("dir"))


def test_refused_by_the_server(case, lab):
    message = case.refused("auth-refused", lab.key("stranger"))
    assert case.sshd.address in message and "stranger" in message


def test_refused_names_the_user(case, lab):
    daemon = lab.daemon(
        lab.config({"t": {"host": f"nosuchuser@{case.sshd.address}", "local": local(case.port, 1)}})
    )
    row = daemon.wait_state("t", "failed", code="auth-refused")
    assert "nosuchuser" in row["error"]["message"]


def test_the_second_of_several_is_accepted(case, lab):
    daemon = case.works([lab.key("stranger"), lab.keys.client])
    assert daemon.inspect("t")["session"]["identity"] == str(lab.keys.client)


@pytest.mark.parametrize(
    "kind, bits", [("rsa", 2048), ("ecdsa", 256), ("ecdsa", 521), ("ed25519", None)]
)
def test_every_kind_of_key(case, lab, kind, bits):
    path = lab.key(f"{kind}{bits}", kind=kind, bits=bits)
    authorized = lab.write("authorized", keys.public(path) + "\n")
    case.sshd.set_options(AuthorizedKeysFile=authorized)
    case.sshd.restart()
    case.works(path)


def test_an_old_pem_key(case, lab):
    path = lab.path("pem")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", str(path)],
        check=True,
    )
    case.sshd.set_options(AuthorizedKeysFile=lab.write("authorized", keys.public(path) + "\n"))
    case.sshd.restart()
    case.works(path)


def test_no_public_half_is_written_beside_it(case, lab):
    """libssh's automatic authentication would."""
    path = case.good_key()
    case.works(path)
    assert not os.path.exists(f"{path}.pub")


def test_a_key_mended_later(case, lab):
    path = case.good_key(mode=0o644)
    daemon, row = case.run(path)
    assert row["error"]["code"] == "identity-permissions"
    path.chmod(0o600)
    daemon.ctl("up", "t", check=0)
    assert client.exchange(case.port) == b"hello"


def test_a_refusal_is_not_repeated_forever(case, lab):
    """failed means that a person must act: the server's log does not fill."""
    case.refused("auth-refused", lab.key("stranger"))
    assert client.how_a_visit_ends(case.port) == "reset"
    assert case.sshd.log.count("Connection from") == 1


def test_more_keys_than_the_server_allows(case, lab):
    case.sshd.set_options(MaxAuthTries=2)
    case.sshd.restart()
    strangers = [lab.key(f"s{i}") for i in range(4)]
    daemon, row = case.run([*strangers, lab.keys.client], ("up", "failed", "backoff"))
    assert row["state"] == "failed" and row["error"]["code"] == "auth-refused", row
