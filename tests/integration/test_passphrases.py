"""Private keys with a passphrase: from a file, a credential, or a person; decrypted on a thread, and
only for a server that would take them."""

import subprocess

import pytest

from harness import client, keys
from harness.lab import local
from harness.person import Person, script
from harness.wait import until

SECRET = "secret words"


class Case:
    def __init__(self, lab):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()

    def locked(self, name="locked", authorized=True, rounds=None):
        path = self.lab.key(name, passphrase=SECRET)
        if rounds:
            subprocess.run(
                ["ssh-keygen", "-q", "-p", "-P", SECRET, "-N", SECRET, "-a", str(rounds), "-f", path],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        if authorized:
            self.sshd.set_options(
                AuthorizedKeysFile=self.lab.write("authorized", keys.public(path) + "\n")
            )
            self.sshd.restart()
        return path

    def secret(self, text=SECRET, mode=0o600):
        return str(self.lab.write("passphrase", text + "\n", mode))

    def run(self, identity, env=None, **settings):
        identity = [str(i) for i in identity] if isinstance(identity, list) else str(identity)
        tunnel = {
            "host": self.sshd.address,
            "local": local(self.port, self.echo.port),
            "identity": identity,
            **settings,
        }
        return self.lab.daemon(self.lab.config({"t": tunnel}), env=env)

    def works(self, daemon):
        row = daemon.wait_state("t", ("up", "failed"), 60)
        assert row["state"] == "up", row["error"]
        assert client.exchange(self.port) == b"hello"


@pytest.fixture
def case(lab):
    return Case(lab)


def test_from_a_file(case):
    path = case.locked()
    daemon = case.run(path, passphrase=case.secret())
    case.works(daemon)
    assert daemon.inspect("t")["session"]["identity"] == str(path)


def test_from_a_credential(case, lab):
    directory = lab.path("credentials")
    directory.mkdir(mode=0o700)
    (directory / "phrase").write_text(SECRET)
    (directory / "phrase").chmod(0o400)
    daemon = case.run(
        case.locked(),
        passphrase="credential:phrase",
        env={"CREDENTIALS_DIRECTORY": str(directory)},
    )
    case.works(daemon)


def test_a_wrong_one_in_a_file(case):
    path, phrase = case.locked(), case.secret("wrong")
    row = case.run(path, passphrase=phrase).wait_state("t", "failed", code="identity-encrypted")
    assert phrase in row["error"]["message"] and str(path) in row["error"]["message"]


def test_a_file_that_is_missing(case, lab):
    daemon = case.run(case.locked(), passphrase=str(lab.path("none")))
    row = daemon.wait_state("t", "failed", code="secret-unreadable")
    assert str(lab.path("none")) in row["error"]["message"]


def test_a_hundred_rounds_do_not_stall(case):
    daemon = case.run(case.locked(rounds=100), passphrase=case.secret(), connect_timeout="60s")
    case.works(daemon)
    daemon.assert_no_worker_stall()


def test_decryption_that_takes_too_long(case):
    path = case.locked(rounds=250)
    daemon = case.run(path, passphrase=case.secret(), connect_timeout="1s")

    def is_named():
        """At the first attempt, if that was not over before it came to the key."""
        errors = [e["error"] for e in daemon.inspect("t")["events"] if e["error"]]
        assert {e["code"] for e in errors} <= {"timeout"}, errors
        return any(f"the decryption of {path}" in e["message"] for e in errors)

    until(is_named, 20, "the decryption takes too long")
    daemon.assert_no_worker_stall()


def test_not_decrypted_for_a_server_that_does_not_want_it(case):
    path = case.locked(authorized=False, rounds=250)
    daemon = case.run(path, passphrase=case.secret(), connect_timeout="2s")
    daemon.wait_state("t", "failed", code="auth-refused")


@pytest.mark.parametrize("is_shown", [True, False])
def test_what_is_said_where_nobody_answers(case, is_shown):
    """A server can only be asked about a key whose public half is there: a PEM file does not show it."""
    path = case.lab.path("pem")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", SECRET, "-f", str(path)], check=True
    )
    authorized = case.lab.write("authorized", keys.public(path) + "\n")
    case.sshd.set_options(AuthorizedKeysFile=authorized)
    case.sshd.restart()
    if not is_shown:
        path.with_suffix(".pub").unlink()
    row = case.run(path).wait_state("t", "failed", code="needs-passphrase")
    assert ("would take it" in row["error"]["message"]) == is_shown


def test_it_goes_with_a_certificate(case, lab):
    authority, path = lab.key("ca"), case.locked(authorized=False)
    keys.certify(authority, path)
    case.sshd.set_options(AuthorizedKeysFile="none", TrustedUserCAKeys=f"{authority}.pub")
    case.sshd.restart()
    daemon = case.run(path, passphrase=case.secret())
    case.works(daemon)
    assert daemon.inspect("t")["session"]["identity"] == f"{path} with {path}-cert.pub"


@pytest.mark.parametrize("has_public_half", [True, False])
def test_an_old_pem_key(case, lab, has_public_half):
    path = lab.path("pem")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", SECRET, "-f", path], check=True
    )
    case.sshd.set_options(AuthorizedKeysFile=lab.write("authorized", keys.public(path) + "\n"))
    case.sshd.restart()
    if not has_public_half:
        lab.path("pem.pub").unlink()
    case.works(case.run(path, passphrase=case.secret()))


def test_an_encrypted_pkcs8_key(case, lab):
    path = lab.path("pkcs8")
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-aes256", "-pass", f"pass:{SECRET}", "-out", path],
        check=True,
    )
    path.chmod(0o600)
    public = subprocess.run(
        ["ssh-keygen", "-y", "-P", SECRET, "-f", path], check=True, capture_output=True, text=True
    ).stdout
    case.sshd.set_options(AuthorizedKeysFile=lab.write("authorized", public))
    case.sshd.restart()
    case.works(case.run(path, passphrase=case.secret()))


def test_a_person_is_asked(case, lab):
    daemon = case.run(case.locked())
    daemon.wait_state("t", "failed", code="needs-passphrase")
    person = lab.keep(Person(daemon, "auth", "t"))
    person.answers("Passphrase for key", "wrong")
    person.sees("once more")
    person.answers("Passphrase for key", SECRET)
    person.ends()
    case.works(daemon)
    case.sshd.lose_sessions()  # it is remembered
    daemon.wait_state("t", "up", 20)


def test_a_script_answers(case):
    daemon = case.run(case.locked())
    daemon.wait_state("t", "failed", code="needs-passphrase")
    script(daemon, [SECRET])
    case.works(daemon)


def test_nobody_is_asked_when_another_key_will_do(case, lab):
    locked = case.locked()
    text = keys.public(locked) + "\n" + keys.public(lab.keys.client) + "\n"
    case.sshd.set_options(AuthorizedKeysFile=lab.write("authorized", text))
    case.sshd.restart()
    daemon = case.run([locked, lab.keys.client])
    case.works(daemon)
    assert daemon.inspect("t")["session"]["identity"] == str(lab.keys.client)
