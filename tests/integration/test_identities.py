"""Who we are: key files, their permissions, and what is said when one cannot be used."""

import os
import shutil
import subprocess

import pytest

from harness import client, keys
from harness.asking import AskingServer
from harness.lab import local


class Case:
    def __init__(self, lab):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()

    def run(self, identity, states=("up", "failed"), env=None, **settings):
        identity = [str(i) for i in identity] if isinstance(identity, list) else str(identity)
        daemon = self.lab.daemon(
            self.lab.config(
                {
                    "t": {
                        "host": self.sshd.address,
                        "local": local(self.port, self.echo.port),
                        "identity": identity,
                        **settings,
                    }
                }
            ),
            env=env,
        )
        return daemon, daemon.wait_state("t", states)

    def works(self, identity, **settings):
        daemon, row = self.run(identity, **settings)
        assert row["state"] == "up", row["error"]
        assert client.exchange(self.port) == b"hello"
        return daemon

    def refused(self, code, identity, **settings):
        daemon, row = self.run(identity, **settings)
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


def authorize(case, *paths):
    text = "".join(keys.public(path) + "\n" for path in paths)
    case.sshd.set_options(AuthorizedKeysFile=case.lab.write("authorized", text))
    case.sshd.restart()


def pem(lab, name, passphrase, kind="rsa"):
    path = lab.path(name)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-m", "PEM", "-N", passphrase, "-f", str(path)], check=True
    )
    return path


def test_encrypted(case, lab):
    path = lab.key("locked", passphrase="secret words")
    authorize(case, path)
    message = case.refused("needs-passphrase", path)
    assert str(path) in message and case.sshd.address in message


@pytest.mark.parametrize("has_public_half", [True, False])
def test_encrypted_in_the_old_format(case, lab, has_public_half):
    path = pem(lab, "locked", "secret words")
    authorize(case, path)
    if not has_public_half:
        os.unlink(f"{path}.pub")
    assert str(path) in case.refused("needs-passphrase", path)


def test_an_encrypted_key_that_the_server_does_not_want(case, lab):
    """Nobody has to unlock it to find out."""
    path = lab.key("locked", passphrase="secret words")
    assert str(path) in case.refused("auth-refused", path)


def test_an_encrypted_key_and_another(case, lab):
    """What needs a person comes last."""
    path = lab.key("locked", passphrase="secret words")
    authorize(case, path, lab.keys.client)
    daemon = case.works([path, lab.keys.client])
    assert daemon.inspect("t")["session"]["identity"] == str(lab.keys.client)
    assert "Failed" not in case.sshd.log


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
    message = case.refused("identity-unreadable", path)
    assert str(path) in message and "leave out .pub" in message


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
    authorize(case, path)
    case.works(path)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_an_old_pem_key(case, lab, kind):
    path = pem(lab, "pem", "", kind)
    authorize(case, path)
    case.works(path)


@pytest.mark.parametrize(
    "algorithm",
    [
        ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ],
    ids=lambda algorithm: algorithm[-1].rpartition(":")[2],
)
def test_a_pkcs8_key(case, lab, algorithm):
    path = lab.path("pkcs8")
    subprocess.run(["openssl", "genpkey", "-algorithm", *algorithm, "-out", path], check=True)
    path.chmod(0o600)
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", path], check=True, capture_output=True, text=True
    ).stdout
    case.sshd.set_options(AuthorizedKeysFile=lab.write("authorized", public))
    case.sshd.restart()
    case.works(path)


def test_a_symbolic_link(case, lab):
    """As ssh does: people keep their keys elsewhere."""
    link = lab.path("link")
    link.symlink_to(case.good_key())
    case.works(link)


def test_a_symbolic_link_to_itself(case, lab):
    link = lab.path("link")
    link.symlink_to("link")
    assert str(link) in case.refused("identity-unreadable", link)


# -- credentials of systemd ------------------------------------------------------------------------


def test_a_credential(case, lab):
    directory = lab.path("credentials")
    directory.mkdir(mode=0o700)
    shutil.copy(case.good_key(), directory / "tunnel-key")
    daemon, row = case.run(
        "credential:tunnel-key", env={"CREDENTIALS_DIRECTORY": str(directory)}
    )
    assert row["state"] == "up", row["error"]
    assert daemon.inspect("t")["session"]["identity"] == f"{directory}/tunnel-key"


def test_a_credential_that_is_missing(case, lab):
    daemon, row = case.run("credential:tunnel-key", env={"CREDENTIALS_DIRECTORY": "/nonexistent"})
    assert row["error"]["code"] == "identity-missing", row
    assert "/nonexistent/tunnel-key does not exist" in row["error"]["message"]
    assert row["error"]["message"].endswith("LoadCredential=tunnel-key:/path")


def test_no_credentials_at_all(case):
    message = case.refused("no-credential", "credential:tunnel-key")
    assert "LoadCredential=tunnel-key:" in message


# -- certificates ----------------------------------------------------------------------------------


def certified(case, trusts=True, **options):
    authority, path = case.lab.key("ca"), case.lab.key("mine")
    keys.certify(authority, path, **options)
    case.sshd.set_options(
        AuthorizedKeysFile="none", TrustedUserCAKeys=f"{authority}.pub" if trusts else None
    )
    case.sshd.restart()
    return path


def test_the_certificate_beside_a_key(case):
    path = certified(case)
    daemon = case.works(path)
    assert daemon.inspect("t")["session"]["identity"] == f"{path} with {path}-cert.pub"


def test_a_certificate_elsewhere(case, lab):
    path = certified(case)
    elsewhere = lab.path("elsewhere.pub")
    os.rename(f"{path}-cert.pub", elsewhere)
    daemon = case.works(path, certificate_file=str(elsewhere))
    assert daemon.inspect("t")["session"]["identity"] == f"{path} with {elsewhere}"


@pytest.mark.parametrize("kind, bits", [("rsa", 2048), ("ecdsa", 256), ("ecdsa", 521)])
def test_certificates_of_every_kind(case, lab, kind, bits):
    authority, path = lab.key("ca"), lab.key("mine", kind=kind, bits=bits)
    keys.certify(authority, path)
    case.sshd.set_options(AuthorizedKeysFile="none", TrustedUserCAKeys=f"{authority}.pub")
    case.sshd.restart()
    case.works(path)


BAD_CERTIFICATES = {
    "expired": (dict(validity="20200101:20210101"), "has expired at 2021-01-01"),
    "too early": (dict(validity="20990101:21000101"), "not valid before 2099-01-01"),
    "host": (dict(host=True), "for a host"),
}


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
def test_certificates_that_are_no_good(case, name):
    options, says = BAD_CERTIFICATES[name]
    path = certified(case, **options)
    message = case.refused("auth-refused", path)
    assert f"certificate {path}-cert.pub" in message and says in message


def test_a_certificate_for_somebody_else(case):
    path = certified(case, principals="nobody-here")
    message = case.refused("auth-refused", path)
    assert "-cert.pub is for a login as nobody-here" in message


def test_a_certificate_of_a_stranger(case):
    """The key itself is good all the same."""
    path = certified(case, trusts=False)
    authorize(case, path)
    daemon = case.works(path)
    assert daemon.inspect("t")["session"]["identity"] == str(path)


def test_a_certificate_for_another_key(case, lab):
    other = lab.key("other")
    path = certified(case)
    os.rename(f"{path}-cert.pub", lab.path("c.pub"))
    message = case.refused("auth-refused", other, certificate_file=str(lab.path("c.pub")))
    assert f"certificate {lab.path('c.pub')} is for a key that is not here" in message


def test_a_certificate_file_that_is_missing(case, lab):
    other = lab.key("other")
    message = case.refused("auth-refused", other, certificate_file=str(lab.path("none.pub")))
    assert f"certificate {lab.path('none.pub')} does not exist" in message


# -- how many --------------------------------------------------------------------------------------


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
    assert "after 2 keys" in row["error"]["message"] and "3 were not" in row["error"]["message"]


def test_the_last_of_as_many_keys_as_the_server_allows(case, lab):
    strangers = [lab.key(f"s{i}") for i in range(5)]
    case.works([*strangers, lab.keys.client])


def test_the_same_key_is_offered_once(case, lab):
    stranger = lab.key("stranger")
    shutil.copy(stranger, lab.path("copy"))
    case.works([stranger, lab.path("copy"), stranger, lab.keys.client])
    assert case.sshd.log.count("Failed publickey") == 1


def test_a_key_too_short_for_anybody(case, lab):
    """libssh does not even offer it; the server never hears of it."""
    path = lab.path("short")
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, "768"], check=True)
    path.chmod(0o600)
    message = case.refused("auth-refused", path)
    assert str(path) in message and "too short" in message


def test_a_server_that_takes_rsa_with_sha1_only(case, lab):
    """Nobody signs with SHA-1 any more; the server is not blamed for what it never heard of."""
    path = lab.key("old", kind="rsa", bits=2048)
    server = AskingServer(lab.keys, "publickey", key=path, signature_algs=["ssh-rsa"])
    case.sshd = lab.keep(server)
    message = case.refused("auth-refused", path)
    assert str(path) in message and "SHA-1" in message
    assert server.keys_refused == []


def test_two_keys_are_wanted(case, lab):
    """AuthenticationMethods publickey,publickey: never the same one twice."""
    second = lab.key("second")
    authorize(case, lab.keys.client, second)
    case.sshd.set_options(
        AuthorizedKeysFile=lab.path("authorized"), AuthenticationMethods="publickey,publickey"
    )
    case.sshd.restart()
    case.works([lab.keys.client, second])


def test_two_keys_are_wanted_and_there_is_one(case, lab):
    case.sshd.set_options(AuthenticationMethods="publickey,publickey")
    case.sshd.restart()
    message = case.refused("auth-refused", lab.keys.client)
    assert str(lab.keys.client) in message and "wants more" in message
