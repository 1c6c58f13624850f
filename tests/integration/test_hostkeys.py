"""Who the server is: our own verdict over known_hosts files, strict, with words that help."""

import subprocess

import pytest

from harness import client, keys
from harness.lab import local

UNKNOWN, CHANGED, REVOKED = "host-key-unknown", "host-key-changed", "host-key-revoked"


class Case:
    """One server and one tunnel whose known_hosts files are ours to write."""

    def __init__(self, lab, **sshd_options):
        self.lab = lab
        self.sshd, self.echo, self.port = lab.sshd(**sshd_options), lab.echo(), lab.port()
        self.name = f"[127.0.0.1]:{self.sshd.port}"
        self.key = keys.public(lab.keys.host)
        self.other = keys.public(lab.key("other"))
        self.daemon = None

    def run(self, *texts, ready=None):
        """Starts a daemon with these known_hosts files; returns the tunnel once settled."""
        files = [str(self.lab.write(f"kh{i}", t)) for i, t in enumerate(texts)]
        self.daemon = self.lab.daemon(
            self.lab.config(
                {"t": {"host": self.sshd.address, "local": local(self.port, self.echo.port)}},
                {"known_hosts": files},
            )
        )
        return self.daemon.wait_state("t", ("up", "failed"))

    def trusted(self, *texts):
        row = self.run(*texts)
        assert row["state"] == "up", row["error"]
        assert client.exchange(self.port) == b"hello"

    def refused(self, code, *texts):
        row = self.run(*texts)
        assert row["state"] == "failed" and row["error"]["code"] == code, row
        assert "Accepted" not in self.sshd.log, "we proved who we are to a stranger"
        assert self.name in row["error"]["message"]
        self.daemon.wait_log(rf"\bt: .*{code}")
        return row["error"]["message"]


@pytest.fixture
def case(lab):
    return Case(lab)


def test_unknown_says_fingerprint_and_the_line_to_add(case, lab):
    message = case.refused(UNKNOWN, "")
    assert keys.fingerprint(f"{lab.keys.host}.pub") in message
    line = f"{case.name} {case.key}"
    assert line in message
    lab.write("kh0", line + "\n")  # what the message said to do
    case.daemon.ctl("up", "t", check=0)
    assert client.exchange(case.port) == b"hello"


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_unknown_with_longer_keys_has_the_whole_line_too(lab, kind):
    host_key = lab.key(f"host_{kind}", kind=kind)
    case = Case(lab, HostKey=host_key)
    message = case.refused(UNKNOWN, "")
    assert keys.fingerprint(f"{host_key}.pub") in message
    assert f"{case.name} {keys.public(host_key)}" in message


def test_the_file_need_not_exist(case, lab):
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": case.sshd.address, "local": local(case.port, 1)}},
            {"known_hosts": [str(lab.path("nowhere"))]},
        )
    )
    daemon.wait_state("t", "failed", code=UNKNOWN)


def test_plain(case):
    case.trusted(f"{case.name} {case.key}\n")


def test_hashed(case, lab):
    path = lab.write("hashed", f"{case.name} {case.key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    text = path.read_text()
    assert text.startswith("|1|")
    case.trusted(text)


def test_hashed_of_another_host(case, lab):
    path = lab.write("hashed", f"[127.0.0.2]:{case.sshd.port} {case.key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    case.refused(UNKNOWN, path.read_text())


def test_wildcard(case):
    case.trusted(f"[127.0.0.*]:{case.sshd.port} {case.key}\n")


def test_several_names_comments_and_blank_lines(case):
    case.trusted(f"# a comment\n\nother,{case.name},third {case.key} a comment\n")


def test_several_files(case):
    case.trusted(f"other {case.other}\n", f"{case.name} {case.key}\n")


def test_entry_of_another_port_is_unknown(case):
    case.refused(UNKNOWN, f"[127.0.0.1]:{case.sshd.port + 1} {case.key}\n")


def test_changed_says_where_the_old_key_stands(case, lab):
    message = case.refused(CHANGED, f"# one\n{case.name} {case.other}\n")
    assert f"{lab.path('kh0')}:2" in message
    assert keys.fingerprint(f"{lab.keys.host}.pub") in message


def test_changed_but_listed_in_the_second_file(case):
    """OpenSSH accepts a key that stands in any of its files."""
    case.trusted(f"{case.name} {case.other}\n", f"{case.name} {case.key}\n")


def test_revoked(case):
    case.refused(REVOKED, f"@revoked {case.name} {case.key}\n")


def test_revoked_wins_over_plain_in_any_order_and_file(case):
    case.refused(REVOKED, f"{case.name} {case.key}\n", f"@revoked * {case.key}\n")


def test_another_key_revoked_is_no_matter(case):
    case.trusted(f"@revoked {case.name} {case.other}\n{case.name} {case.key}\n")


def test_negation(case):
    case.refused(UNKNOWN, f"*,!127.0.0.1,!{case.name} {case.key}\n")


def test_negation_of_another_host(case):
    case.trusted(f"*,!127.0.0.2 {case.key}\n")


def test_an_entry_without_port_is_trusted_as_by_openssh(case):
    case.trusted(f"127.0.0.1 {case.key}\n")


def test_another_key_without_port_does_not_mean_changed(case):
    case.refused(UNKNOWN, f"127.0.0.1 {case.other}\n")


def test_cert_authority_is_not_a_host_key(case):
    case.refused(UNKNOWN, f"@cert-authority {case.name} {case.key}\n")


CORRUPT = {
    "not-base64": "{name} ssh-ed25519 AAAA-not-base64",
    "unknown-type": "{name} ssh-nonsense AAAAC3NzaC1lZDI1NTE5",
    "name-only": "{name}",
    "no-key": "{name} ssh-ed25519",
    "unknown-marker": "@unknown-marker {name} {key}",
    "broken-hash": "|1|broken|hash= {key}",
    "binary": "\0\1\2",
    "long": "x" * 9000,
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_line_does_not_hide_the_good_one(case, kind):
    """libssh gives up the whole file at such a line."""
    bad = CORRUPT[kind].format(name=case.name, key=case.key)
    case.trusted(f"{bad}\n{case.name} {case.key}\n")


def test_no_newline_at_the_end(case):
    case.trusted(f"{case.name} {case.key}")


def test_carriage_returns(case):
    case.trusted(f"{case.name} {case.key}\r\n")


@pytest.mark.parametrize("files", [1, 2])
def test_the_server_is_asked_for_the_type_we_know(lab, files):
    """Two host keys, and known_hosts has only the one libssh would not ask for first."""
    rsa = lab.key("host_rsa", kind="rsa")
    case = Case(lab, HostKey=[lab.keys.host, rsa])
    known = f"{case.name} {keys.public(rsa)}\n"
    case.trusted(*["other " + case.other + "\n", known][2 - files :])


def test_a_file_that_may_not_be_read(case, lab):
    lab.path("dir").mkdir()
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": case.sshd.address, "local": local(case.port, 1)}},
            {"known_hosts": [str(lab.path("dir"))]},
        )
    )
    row = daemon.wait_state("t", "failed", code="known-hosts-unreadable")
    assert str(lab.path("dir")) in row["error"]["message"]


def test_a_key_learned_later_needs_no_restart_of_the_daemon(case, lab):
    case.refused(UNKNOWN, "")
    lab.write("kh0", f"{case.name} {case.key}\n")
    case.daemon.ctl("reload", check=0)
    case.daemon.ctl("up", "t", check=0)


def test_nothing_else_is_disturbed(case, lab):
    good, port = lab.sshd(), lab.port()
    line = f"[127.0.0.1]:{good.port} {case.key}\n"
    daemon = lab.daemon(
        lab.config(
            {
                "bad": {"host": case.sshd.address, "local": local(lab.port(), 1)},
                "good": {"host": good.address, "local": local(port, case.echo.port)},
            },
            {"known_hosts": [str(lab.write("kh", line))]},
        )
    )
    daemon.wait_state("bad", "failed", code=UNKNOWN)
    daemon.wait_state("good", "up")
    assert client.exchange(port) == b"hello"
    text = daemon.ctl("list", check=0).stdout
    assert UNKNOWN in text or "not known" in text or "unknown" in text
