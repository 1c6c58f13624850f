"""Passwords and second factors against Debian's PAM: sshd with UsePAM, pam_unix and pam_oath. The
configuration of PAM and the accounts are seen by this sshd alone, in a mount namespace of its own."""

import hashlib
import hmac
import pathlib
import struct
import subprocess
import time

import pytest

from harness import client
from harness.lab import local
from harness.person import script

SECRET = "correct horse 7261"
STEP = 30  # seconds a code is for
WINDOW = 20  # steps a code may be early or late
MODULES = sorted(pathlib.Path("/").glob("usr/lib/*/security/pam_oath.so"))

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not MODULES, reason="no pam_oath.so; install libpam-oath"),
    pytest.mark.skipif(
        not pathlib.Path("/etc/pam.d/sshd").exists(), reason="no /etc/pam.d/sshd to mount over"
    ),
]

PASSWORD = "auth requisite pam_unix.so nodelay"
REST = "account required pam_unix.so\nsession required pam_permit.so\n"


class Token:
    """Shows codes (RFC 6238), each of them once, as pam_oath wants it."""

    key = bytes(range(20))

    def __init__(self):
        self.last = 0

    def code(self, step):
        digest = hmac.digest(self.key, struct.pack(">Q", step), hashlib.sha1)
        at = digest[-1] & 15
        number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
        return f"{number % 1000000:06}"

    def next(self):
        self.last = max(int(time.time()) // STEP, self.last + 1)
        return self.code(self.last)

    def wrong(self):
        now = int(time.time()) // STEP
        right = {self.code(now + i) for i in range(-2 * WINDOW, 2 * WINDOW)}
        return next(c for c in map("{:06}".format, range(100)) if c not in right)


class Case:
    """A server with these lines of PAM and these ways to log in, and a tunnel `t`."""

    def __init__(self, lab, methods, *auth, expires=""):
        self.token = Token()
        users = lab.write("users.oath", f"HOTP/T{STEP}/6 root - {self.token.key.hex()}\n")
        self.oath = f"auth required pam_oath.so usersfile={users} window={WINDOW} digits=6"
        lab.write("pam", "\n".join(line or self.oath for line in auth) + f"\n{REST}", 0o644)
        words = ["openssl", "passwd", "-6", SECRET]
        secret = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        lab.write("shadow", f"root:{secret}:{int(time.time()) // 86400}:::::{expires}:\n")
        binds = ["mount --bind %s /etc/pam.d/sshd", "mount --bind %s /etc/shadow"]
        binds = [b % lab.path(name) for b, name in zip(binds, ["pam", "shadow"])]
        self.sshd = lab.sshd(
            start=False,
            UsePAM="yes",
            KbdInteractiveAuthentication="yes",
            AuthenticationMethods=methods,
        )
        self.sshd.prefix = ["unshare", "--mount", "sh", "-c", " && ".join([*binds, 'exec "$@"']), "-"]
        self.sshd.start()
        echo, self.port = lab.echo(), lab.port()
        spec = {"host": f"root@{self.sshd.address}", "local": local(self.port, echo.port)}
        self.daemon = lab.daemon(lab.config({"t": spec}))

    def fails(self, code):
        return self.daemon.wait_state("t", "failed", code=code)["error"]["message"]

    def works(self):
        assert client.exchange(self.port) == b"hello"

    def comes_up(self, person):
        person.sees("t: up")
        person.ends()
        self.works()


def test_a_key_and_a_code(lab, people):
    case = Case(lab, "publickey,keyboard-interactive:pam", None)
    assert "asks for 'One-time password (OATH) for `root': '" in case.fails("needs-answer")
    person = people(case.daemon, "auth", "t")
    person.sees(f"t: root@{case.sshd.address} asks\n")
    person.answers("One-time password (OATH) for `root': ", case.token.wrong())
    person.sees("once more")
    person.answers("One-time password (OATH) for `root': ", case.token.next())
    case.comes_up(person)
    # A code is no password, whatever it is called, and not remembered.
    assert case.daemon.inspect("t")["secret_kept"] is False
    case.sshd.kill_sessions()
    case.fails("needs-answer")
    script(case.daemon, [case.token.next()])
    case.works()
    case.daemon.assert_no_stall()


def test_a_password_and_a_code(lab, people):
    """The password is kept, whatever becomes of the codes."""
    case = Case(lab, "keyboard-interactive:pam", PASSWORD, None)
    assert "asks for 'Password: '" in case.fails("needs-password")
    person = people(case.daemon, "auth", "t")
    person.answers(f"Password of root@{case.sshd.address}: ", SECRET)
    person.answers("One-time password (OATH) for `root': ", case.token.wrong())
    person.sees("once more\n")
    asks = f"t: root@{case.sshd.address} asks\n  One-time password (OATH) for `root': "
    person.answers(asks, case.token.next())
    case.comes_up(person)
    case.sshd.kill_sessions()
    assert "One-time password" in case.fails("needs-answer")
    script(case.daemon, [case.token.wrong(), case.token.next()])
    case.works()


def test_a_wrong_password_is_asked_for_again(lab, people):
    """pam_unix as requisite says no before there is talk of a code."""
    case = Case(lab, "keyboard-interactive:pam", PASSWORD, None)
    person = people(case.daemon, "auth", "t")
    person.answers("Password of", "wrong")
    person.sees("once more\n")
    person.answers("Password of", SECRET)
    person.answers("One-time password (OATH) for `root': ", case.token.next())
    case.comes_up(person)


def test_nobody_learns_which_was_wrong(lab, people):
    """With `required` the code is asked for whatever the password was: after two failures so is the
    password."""
    case = Case(lab, "keyboard-interactive:pam", PASSWORD.replace("requisite", "required"), None)
    person = people(case.daemon, "auth", "t")
    person.answers("Password of", "wrong")
    for _ in range(2):
        person.answers("One-time password (OATH) for `root': ", case.token.next())
        person.sees("once more\n")
    person.answers("Password of", SECRET)
    person.answers("One-time password (OATH) for `root': ", case.token.next())
    case.comes_up(person)


def test_the_password_alone_is_kept(lab):
    case = Case(lab, "keyboard-interactive:pam", PASSWORD)
    case.fails("needs-password")
    script(case.daemon, [SECRET])
    case.sshd.lose_sessions()
    case.daemon.wait_state("t", "up")
    case.works()


def test_a_key_a_password_and_a_code(lab, people):
    case = Case(lab, "publickey,keyboard-interactive:pam", PASSWORD, None)
    person = people(case.daemon, "auth", "t")
    person.answers("Password of", SECRET)
    person.answers("One-time password (OATH) for `root': ", case.token.next())
    case.comes_up(person)
    assert "Accepted publickey for root" in case.sshd.log or "Partial publickey" in case.sshd.log
    assert case.daemon.inspect("t")["secret_kept"] is True


def test_an_account_that_has_expired(lab):
    """PAM is content with the password, which is kept, and tells why nobody may come in. It says so in a
    round without prompts."""
    case = Case(lab, "keyboard-interactive:pam", PASSWORD, expires="1")
    case.fails("needs-password")
    result = script(case.daemon, [SECRET], status=1)
    expired = "Your account has expired; please contact your system administrator."
    assert f"t: root@{case.sshd.address} says\n  {expired}\n" in result.stderr
    assert f"root@{case.sshd.address} does not let us in; it said: {expired} [auth-refused]" in result.stderr
    assert case.daemon.inspect("t")["secret_kept"] is True
    case.sshd.wait_log("Failed keyboard-interactive")
    assert case.sshd.log.count("Failed keyboard-interactive") == 1
