"""Who the server is: our own verdict over known_hosts files, strict, with words that help."""

import re
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


def test_check_notes_an_authority_nobody_can_ask(case, lab):
    """Once, however many tunnels there are; and not where the server's own key is known as well."""
    line = f"@cert-authority {case.name} {case.key}\n"
    known = lab.write("authority", "# one\n" + line)
    tunnels = {
        name: {"host": case.sshd.address, "local": local(lab.port(), 1)} for name in ("a", "b")
    }
    daemon = lab.daemon(lab.config(tunnels, {"known_hosts": [str(known)]}), start=False)
    result = daemon.check()
    assert result.returncode == 0
    assert result.stderr.count("note:") == 1 and f"{known}:2: @cert-authority" in result.stderr
    known.write_text(line + f"{case.name} {case.key}\n")
    assert daemon.check().stderr == ""


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


# -- new keys --------------------------------------------------------------------------------------


class New:
    """A server and tunnels with host_key: accept-new and one known_hosts file."""

    def __init__(self, lab, path, count=1, **sshd_options):
        self.lab, self.path = lab, path
        self.sshd, self.echo = lab.sshd(**sshd_options), lab.echo()
        self.ports = [lab.port() for _ in range(count)]
        self.line = f"[127.0.0.1]:{self.sshd.port} {keys.public(lab.keys.host)}"
        self.daemon = None

    def start(self, **defaults):
        tunnels = {
            f"t{i}": {"host": self.sshd.address, "local": local(port, self.echo.port)}
            for i, port in enumerate(self.ports)
        }
        self.daemon = self.lab.daemon(
            self.lab.config(
                tunnels,
                {"known_hosts": [str(self.path)], "host_key": "accept-new", **defaults},
            )
        )
        return self.daemon

    def lines(self):
        return self.path.read_text().splitlines()


def mode_of(path):
    return path.stat().st_mode & 0o777


def test_a_new_key_is_written_down_once_and_for_its_owner(lab):
    new = New(lab, lab.path("dot-ssh") / "known_hosts")
    daemon = new.start()
    daemon.wait_state("t0", "up")
    assert client.exchange(new.ports[0]) == b"hello"
    assert new.lines() == [new.line]
    assert mode_of(new.path) == 0o600 and mode_of(new.path.parent) == 0o700
    daemon.wait_log(rf"t0: accepted the new .*{re.escape(keys.fingerprint(lab.keys.host))}")
    daemon.ctl("restart", "t0")
    assert new.lines() == [new.line]


def test_forty_tunnels_meet_a_new_server_at_once(lab):
    new = New(lab, lab.path("kh"), 40)
    new.start().wait_all("up", 60)
    assert new.lines() == [new.line]
    assert new.daemon.log.count("accepted the new host key") == 1


def test_a_new_key_behind_a_line_without_an_end(lab):
    new = New(lab, lab.write("kh", "# mine\nother " + keys.public(lab.key("other")), 0o640))
    before = new.lines()
    new.start().wait_state("t0", "up")
    assert new.lines() == [*before, new.line]
    assert mode_of(new.path) == 0o640


def test_a_new_key_through_a_symbolic_link(lab):
    lab.path("real").mkdir()
    real = lab.path("real") / "kh"
    real.write_text("# mine\n")
    lab.path("kh").symlink_to(real)
    new = New(lab, lab.path("kh"))
    new.start().wait_state("t0", "up")
    assert new.lines() == ["# mine", new.line]
    assert lab.path("kh").is_symlink() and not real.is_symlink()


def test_a_new_key_that_cannot_be_written_is_not_accepted(lab):
    """The directory of the directory is missing, too; root may write everywhere else."""
    new = New(lab, lab.path("no") / "such" / "known_hosts")
    row = new.start().wait_state("t0", "failed", code="known-hosts-unwritable")
    assert str(new.path.parent) in row["error"]["message"]
    assert "Accepted" not in new.sshd.log


def test_a_new_key_goes_where_we_may_write(lab):
    """The system service may not write below /etc. Nobody, not even root, makes files in /sys."""
    new = New(lab, lab.path("kh"))
    new.start(known_hosts=["/sys/known_hosts", str(new.path)]).wait_state("t0", "up")
    assert new.lines() == [new.line]


def test_of_several_files_that_cannot_be_written_the_first_is_named(lab):
    new = New(lab, lab.path("kh"))
    daemon = new.start(known_hosts=["/sys/known_hosts", "/sys/other"])
    row = daemon.wait_state("t0", "failed", code="known-hosts-unwritable")
    assert "/sys/known_hosts: Permission denied" in row["error"]["message"]


def test_a_device_is_no_place_for_a_new_key(lab):
    new = New(lab, lab.path("kh"))
    new.path.symlink_to("/dev/null")
    row = new.start().wait_state("t0", "failed", code="known-hosts-unwritable")
    assert "not a regular file" in row["error"]["message"]


def test_accept_new_does_not_accept_a_change(lab):
    new = New(lab, lab.path("kh"))
    new.path.write_text(f"[127.0.0.1]:{new.sshd.port} {keys.public(lab.key('other'))}\n")
    before = new.lines()
    row = new.start().wait_state("t0", "failed", code=CHANGED)
    assert keys.fingerprint(lab.keys.host) in row["error"]["message"]
    assert keys.fingerprint(lab.path("other")) in row["error"]["message"]
    assert new.lines() == before


def test_accept_new_does_not_accept_what_is_revoked(lab):
    new = New(lab, lab.write("kh", f"@revoked * {keys.public(lab.keys.host)}\n"))
    new.start().wait_state("t0", "failed", code=REVOKED)
    assert len(new.lines()) == 1


def test_somebody_else_holds_the_lock(lab):
    """The daemon waits for whoever writes the file, and stays responsive."""
    path = lab.write("kh", "")
    holder = subprocess.Popen(
        ["flock", str(path), "sh", "-c", "echo held; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        new = New(lab, path)
        daemon = new.start()
        daemon.wait_state("t0", "verifying")
        assert new.lines() == []
        holder.stdin.write("\n")
        holder.stdin.flush()
        daemon.wait_state("t0", "up")
        assert new.lines() == [new.line]
    finally:
        holder.communicate()


def test_reload_from_strict_to_accept_new_and_back(lab):
    new = New(lab, lab.path("kh"))
    daemon = new.start(host_key="strict")
    daemon.wait_state("t0", "failed", code=UNKNOWN)
    daemon.config["defaults"]["host_key"] = "accept-new"
    daemon.write(daemon.config)
    daemon.ctl("reload")
    daemon.wait_state("t0", "up")
    new.path.write_text("")
    daemon.config["defaults"]["host_key"] = "strict"
    daemon.write(daemon.config)
    daemon.ctl("reload")
    daemon.wait_state("t0", "failed", code=UNKNOWN)
    assert new.lines() == []


# -- pins ------------------------------------------------------------------------------------------


def pinned(case, lab, pins, known=None, **tunnel):
    case.daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": case.sshd.address,
                    "local": local(case.port, case.echo.port),
                    "host_key": pins,
                    **tunnel,
                }
            },
            {"known_hosts": [str(lab.write("kh", known or ""))]},
        )
    )
    return case.daemon.wait_state("t", ("up", "failed"))


def test_a_pinned_fingerprint_needs_no_known_hosts(case, lab):
    row = pinned(case, lab, {"pin": keys.fingerprint(lab.keys.host)})
    assert row["state"] == "up", row["error"]
    assert client.exchange(case.port) == b"hello"


def test_one_of_several_pins_is_enough(case, lab):
    row = pinned(case, lab, [case.other + " old", case.key])
    assert row["state"] == "up", row["error"]


def test_known_hosts_does_not_help_against_a_pin(case, lab):
    row = pinned(case, lab, case.other, known=f"{case.name} {case.key}\n")
    assert row["error"]["code"] == CHANGED, row
    assert "pin" in row["error"]["message"]
    assert keys.fingerprint(lab.keys.host) in row["error"]["message"]
    assert "Accepted" not in case.sshd.log


def test_a_pinned_key_that_is_revoked(case, lab):
    row = pinned(case, lab, case.key, known=f"@revoked * {case.key}\n")
    assert row["error"]["code"] == REVOKED, row


def test_a_server_with_several_keys_is_asked_for_the_pinned_one(lab):
    ecdsa = lab.key("host_ecdsa", kind="ecdsa")
    case = Case(lab, HostKey=[lab.keys.host, ecdsa])
    row = pinned(case, lab, keys.public(ecdsa))
    assert row["state"] == "up", row["error"]


def test_a_fingerprint_does_not_say_which_key_to_ask_for(lab):
    ecdsa = lab.key("host_ecdsa", kind="ecdsa")
    case = Case(lab, HostKey=[lab.keys.host, ecdsa])
    pin = {"pin": keys.fingerprint(ecdsa)}
    row = pinned(case, lab, pin)
    assert "several host keys" in row["error"]["message"], row
    case.daemon.config["tunnels"]["t"]["host_key_algorithms"] = "ecdsa-sha2-nistp256"
    case.daemon.write(case.daemon.config)
    case.daemon.ctl("reload")
    case.daemon.wait_state("t", "up")


@pytest.mark.parametrize("alias", ["the-db", "[the-db]:2222"])
def test_an_alias_is_looked_up(case, lab, alias):
    row = pinned(case, lab, "strict", known=f"{alias} {case.key}\n", host_key_alias=alias)
    assert row["state"] == "up", row["error"]


def test_an_ecdsa_key_that_is_known_is_asked_for_at_once(lab):
    ecdsa = lab.key("host_ecdsa", kind="ecdsa")
    case = Case(lab, HostKey=[lab.keys.host, ecdsa])
    case.trusted(f"{case.name} {keys.public(ecdsa)}\n")
    assert "no-common-algorithm" not in case.daemon.log


# -- tunctl hostkey --------------------------------------------------------------------------------


def accept(case, fingerprint, check=0):
    return case.daemon.ctl("hostkey", "accept", "t", "--fingerprint", fingerprint, check=check)


def test_show_before_anything_was_shown(case, lab):
    daemon = lab.daemon(
        lab.config({"t": {"host": case.sshd.address, "local": local(case.port, 1),
                          "start": "manual"}})
    )
    assert "no server has shown a key yet" in daemon.ctl("hostkey", "show", "t", check=0).stdout
    assert daemon.ctl_json("hostkey", "show", "t") == []
    case.daemon = daemon
    assert "tunctl up t" in accept(case, keys.fingerprint(lab.keys.host), check=1).stderr


def test_show_a_known_key(case, lab):
    case.trusted(f"# one\n{case.name} {case.key}\n")
    (key,) = case.daemon.ctl_json("hostkey", "show", "t")
    assert key["host"] == case.name and key["standing"] == "known"
    assert (key["file"], key["line"]) == (str(lab.path("kh0")), 2)
    assert key["type"] == "ssh-ed25519" and key["key"] == case.key.split()[1]
    assert key["fingerprint"] == keys.fingerprint(lab.keys.host)


def test_a_changed_key_is_accepted_by_the_command_in_the_message(case, lab):
    before = f"# mine\nother,{case.name} {case.other} a comment\n\nother2 {case.other}\n"
    message = case.refused(CHANGED, before)
    (key,) = case.daemon.ctl_json("hostkey", "show", "t")
    assert key["standing"] == "changed" and key["line"] == 2
    assert key["known_fingerprint"] == keys.fingerprint(lab.path("other"))
    text = case.daemon.ctl("hostkey", "show", "t", check=0).stdout
    assert "CHANGED" in text and key["known_fingerprint"] in text
    command = re.search(r"tunctl (hostkey accept .*)", message)[1].split()
    out = case.daemon.ctl(*command, check=0).stdout
    assert str(lab.path("kh0")) in out and "up" in out
    assert client.exchange(case.port) == b"hello"
    assert lab.path("kh0").read_text() == (
        f"# mine\n{case.name} {case.key}\nother {case.other} a comment\n\nother2 {case.other}\n"
    )
    assert mode_of(lab.path("kh0")) == 0o600


def test_an_unknown_key_is_accepted_by_the_command_in_the_message(case, lab):
    message = case.refused(UNKNOWN, f"other {case.other}")
    command = re.search(r"tunctl (hostkey accept t --fingerprint \S+)", message)[1].split()
    case.daemon.ctl(*command, check=0)
    assert lab.path("kh0").read_text() == f"other {case.other}\n{case.name} {case.key}\n"
    case.daemon.wait_log(r"t: the host key of .* was accepted by hand")


def test_a_hashed_line_is_replaced(case, lab):
    path = lab.write("hashed", f"{case.name} {case.other}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    case.refused(CHANGED, "# none here\n", path.read_text())
    accept(case, keys.fingerprint(lab.keys.host))
    hidden = path.read_text().split()[0]
    assert hidden.startswith("|1|") and lab.path("kh1").read_text() == f"{hidden} {case.key}\n"
    assert lab.path("kh0").read_text() == "# none here\n"


def test_replacing_keeps_link_mode_and_owner(case, lab):
    lab.path("real").mkdir()
    real = lab.path("real") / "kh"
    real.write_text(f"{case.name} {case.other}\n")
    real.chmod(0o640)
    lab.path("link").symlink_to(real)
    owner = real.stat()
    case.daemon = lab.daemon(
        lab.config(
            {"t": {"host": case.sshd.address, "local": local(case.port, case.echo.port)}},
            {"known_hosts": [str(lab.path("link"))]},
        )
    )
    case.daemon.wait_state("t", "failed", code=CHANGED)
    accept(case, keys.fingerprint(lab.keys.host))
    assert lab.path("link").is_symlink() and real.read_text() == f"{case.name} {case.key}\n"
    assert mode_of(real) == 0o640
    assert (real.stat().st_uid, real.stat().st_gid) == (owner.st_uid, owner.st_gid)
    assert [p.name for p in real.parent.iterdir()] == ["kh"]


def test_another_fingerprint_is_not_accepted(case, lab):
    case.refused(CHANGED, f"{case.name} {case.other}\n")
    for wrong in (keys.fingerprint(lab.path("other")), "SHA256:" + "A" * 43, "SHA256:x"):
        out = accept(case, wrong, check=1)
        assert "has shown a key" in out.stderr
    assert case.daemon.ctl("hostkey", "accept", "t", check=2).stderr
    assert case.daemon.ctl("hostkey", "forget", "t", check=2).stderr
    assert lab.path("kh0").read_text() == f"{case.name} {case.other}\n"
    assert case.daemon.tunnel("t")["state"] == "failed"


def test_a_revoked_key_cannot_be_accepted(case, lab):
    case.refused(REVOKED, f"@revoked * {case.key}\n")
    assert "revoked" in accept(case, keys.fingerprint(lab.keys.host), check=1).stderr
    assert lab.path("kh0").read_text() == f"@revoked * {case.key}\n"


def test_a_key_against_a_pin_cannot_be_accepted(case, lab):
    pinned(case, lab, case.other)
    (key,) = case.daemon.ctl_json("hostkey", "show", "t")
    assert key["standing"] == "not-pinned"
    assert "change the pin" in accept(case, keys.fingerprint(lab.keys.host), check=1).stderr
    assert lab.path("kh").read_text() == ""


def test_accepting_what_is_known_changes_nothing(case, lab):
    text = f"{case.name} {case.key}\n"
    case.trusted(text)
    assert "known already" in accept(case, keys.fingerprint(lab.keys.host)).stdout
    assert lab.path("kh0").read_text() == text


def test_a_new_server_is_forgotten_with_its_settings(case, lab):
    case.trusted(f"{case.name} {case.key}\n")
    other = lab.sshd()
    other_config = case.daemon.config
    other_config["tunnels"]["t"]["host"] = f"127.0.0.2:{other.port}"
    case.daemon.write(other_config)
    case.daemon.ctl("reload")
    case.daemon.wait_state("t", ("backoff", "failed"))
    assert case.daemon.ctl_json("hostkey", "show", "t") == []


# -- jumps -----------------------------------------------------------------------------------------


def test_a_jump_has_a_verdict_of_its_own(lab):
    """Each hop is looked at by its own settings, and named; what is accepted is the hop's key."""
    bastion, server, echo, port = lab.sshd(), lab.sshd(), lab.echo(), lab.port()
    strict, new = lab.write("strict", ""), lab.path("new")
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": "inner", "local": local(port, echo.port)}},
            hosts={
                "bastion": {"address": bastion.address, "known_hosts": str(strict)},
                "inner": {"address": server.address, "jump": "bastion",
                          "host_key": "accept-new", "known_hosts": str(new)},
            },
        )
    )
    row = daemon.wait_state("t", "failed", code=UNKNOWN)
    assert "hop 1 of 2" in row["error"]["message"]
    command = re.search(r"tunctl (hostkey accept t --fingerprint \S+)", row["error"]["message"])
    daemon.ctl(*command[1].split(), check=0)
    assert client.exchange(port) == b"hello"
    name = "[127.0.0.1]:{} " + keys.public(lab.keys.host) + "\n"
    assert strict.read_text() == name.format(bastion.port)
    assert new.read_text() == name.format(server.port)
    shown = daemon.ctl_json("hostkey", "show", "t")
    assert [(key["hop"], key["standing"]) for key in shown] == [(0, "known"), (1, "known")]


def test_a_jump_that_tunnels_share_is_accepted_for_all(lab):
    """Whichever of them is named: the message of each has the command, and it works."""
    bastion, server, echo = lab.sshd(), lab.sshd(), lab.echo()
    ports = [lab.port() for _ in range(3)]
    tunnels = {
        f"t{i}": {"host": "inner", "local": local(port, echo.port)} for i, port in enumerate(ports)
    }
    hosts = {
        "bastion": {"address": bastion.address, "known_hosts": str(lab.path("empty"))},
        "inner": {"address": server.address, "jump": "bastion"},
    }
    daemon = lab.daemon(lab.config(tunnels, hosts=hosts))
    for name in tunnels:
        daemon.wait_state(name, "failed", code=UNKNOWN)
        assert [k["hop"] for k in daemon.ctl_json("hostkey", "show", name)] == [0]
    message = daemon.tunnel("t2")["error"]["message"]
    command = re.search(r"tunctl (hostkey accept t2 --fingerprint \S+)", message)
    daemon.ctl(*command[1].split(), check=0)
    daemon.wait_all("up", 15)
    for port in ports:
        assert client.exchange(port) == b"hello"
