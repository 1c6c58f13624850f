"""What servers only say while we log in: shown, logged, and given as the reason."""

import re
import threading

import pytest

from harness.asking import AskingServer, Round
from harness.person import script
from test_questions import CODE, SECRET, Case

SOON = "Your password will expire in 3 days"
LOCKED = "Account locked due to 3 failed logins"


def no(given):
    return False


def test_it_is_shown_and_logged(lab, people):
    soon = Round(instruction=f"{SOON}\nt: up\x1b[31m", name="Notice")
    case = Case(lab, "keyboard-interactive", rounds=[soon, CODE])
    person = people(case.daemon, "auth", "t")
    person.sees(f"t: me@{case.server.address} says\n  Notice\n  {SOON}\n  t: up\\x1b[31m\n")
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    case.daemon.wait_log(rf"t: me@\S+ says: Notice: {SOON}\\nt: up\\x1b\[31m")
    assert "\x1b" not in case.daemon.log


def test_the_last_words_before_it_is_up(lab):
    """A script reads them on standard error."""
    case = Case(lab, "keyboard-interactive", rounds=[CODE, Round(instruction=SOON)])
    result = script(case.daemon, ["123456"])
    assert result.stdout.startswith("t: up")
    assert result.stderr == f"t: me@{case.server.address} says\n  {SOON}\n"
    case.server.drop()
    case.wait("failed", "needs-answer")
    assert script(case.daemon, ["123456"], "--json").stderr == ""


def test_it_is_the_reason_when_nothing_else_is(lab):
    locked = Round(instruction=LOCKED)
    locked.accepts = no
    case = Case(lab, "keyboard-interactive", rounds=[locked])
    row = case.wait("failed")
    message = f"me@{case.server.address} does not let us in; it said: {LOCKED}"
    assert row["error"] == {"code": "auth-refused", "message": message}
    assert case.server.challenges == 1


def test_it_is_added_to_the_reason(lab):
    """Of the last try, and to what a person reads."""
    password, locked = Round("Password: "), Round(instruction=LOCKED)
    locked.accepts = no
    case = Case(lab, "keyboard-interactive", rounds=[password, locked])
    result = script(case.daemon, ["a", "b", "c"], status=1)
    assert result.stderr.count(f"says\n  {LOCKED}\n") == 3
    assert f"did not accept the answer; it said: {LOCKED}; to answer: tunctl auth t" in result.stderr


def test_a_server_that_says_it_and_hangs_up(lab):
    locked, is_known = Round(instruction=LOCKED), threading.Event()
    locked.accepts = lambda given: is_known.wait(10) and case.server.current.abort()
    case = Case(lab, "keyboard-interactive", rounds=[locked])
    is_known.set()
    row = case.wait("backoff")
    assert row["error"]["message"].endswith(f"; it said: {LOCKED}")


def test_it_is_not_the_reason_for_what_comes_after(lab):
    """The server was content with this method, and refuses the next one."""
    case = Case(
        lab,
        "keyboard-interactive",
        "password",
        password=SECRET,
        rounds=[Round(instruction="Welcome")],
    )
    row = case.wait("failed", "needs-password")
    assert "Welcome" not in row["error"]["message"]


def test_the_hop_that_says_it_is_named(lab, people):
    bastion = AskingServer(lab.keys, "keyboard-interactive", rounds=[Round(instruction=SOON), CODE])
    lab.keep(bastion)
    case = Case(lab, "publickey", tunnel={"jump": f"admin@{bastion.address}"})
    person = people(case.daemon, "auth", "t")
    person.sees(f"t: hop 1 of 2, admin@{bastion.address} says\n  {SOON}\n")
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()


@pytest.mark.parametrize("text", ["x" * 20000, "\xff\x00\x1b" * 1000], ids=["long", "strange"])
def test_it_is_bounded(lab, text):
    case = Case(lab, "keyboard-interactive", rounds=[Round(instruction=text)], endless=True)
    row = case.wait("failed", "unsupported")
    lines = re.findall(r"me@\S+ says: .*", case.daemon.log)
    assert len(lines) == 10 and all(len(line) < 700 for line in lines)
    assert len(row["error"]["message"]) < 600
