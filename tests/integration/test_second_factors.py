"""A password and a code: which of the two is kept, and which is asked for again."""

import pytest

from harness.asking import Round
from harness.person import script
from harness.wait import until
from test_questions import CODE, SECRET, Case

PASSWORD = Round("Password: ", answers=[SECRET])


def test_a_wrong_code_costs_no_password(lab, people):
    """The server asked for the code after the password: it is likely to be right, and the code is asked
    for again alone. Sent again, it is the one that is kept."""
    case = Case(lab, "keyboard-interactive", rounds=[PASSWORD, CODE])
    person = people(case.daemon, "auth", "t")
    person.answers("Password of", SECRET)
    person.answers("Verification code: ", "1")
    person.sees("once more\n")
    person.answers(f"t: me@{case.server.address} asks\n  Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    assert case.server.responses == [[SECRET], ["1"], [SECRET], ["123456"]]
    # The next login needs a code, and no password.
    case.server.drop()
    case.wait("failed", "needs-answer")
    script(case.daemon, ["123456"])
    assert case.server.responses[4:] == [[SECRET], [SECRET], ["123456"]]


class SaysNoAtTheEnd(Round):
    """Goes on whatever the password was, as pam_unix does where it is `required`."""

    def accepts(self, given):
        self.was_right = super().accepts(given)
        return True


def test_after_two_failures_in_a_row_the_password_is_asked_for_too(lab, people):
    password = SaysNoAtTheEnd("Password: ", answers=[SECRET])
    code = Round(("Verification code: ", False))
    code.accepts = lambda given: given == ["123456"] and password.was_right
    case = Case(lab, "keyboard-interactive", rounds=[password, code])
    person = people(case.daemon, "auth", "t")
    person.answers("Password of", "old one")
    person.answers("Verification code: ", "123456")
    person.sees("once more\n")
    person.answers("Verification code: ", "123456")
    person.sees("once more\n")
    person.answers("Password of", SECRET)
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    given = [r[0] for r in case.server.responses]
    assert given == ["old one", "123456"] * 2 + [SECRET, "123456"]
    case.server.drop()
    case.wait("failed", "needs-answer")
    script(case.daemon, ["123456"])
    case.works()


# -- servers that end the session with each refusal --------------------------------------------------

HANGS_UP = pytest.mark.parametrize("hangs_up", ["says so", "says no", "silently"])


def hanging_up(lab, hangs_up):
    """What it thinks of a password shows only with the code."""
    password = SaysNoAtTheEnd("Password: ", answers=[SECRET])
    code = Round(("Verification code: ", False))
    code.accepts = lambda given: given == ["123456"] and password.was_right
    return Case(lab, "keyboard-interactive", rounds=[password, code], hangs_up=hangs_up)


def say(case, *tries):
    """A server that says why is not asked again before somebody runs tunctl once more."""
    if case.server.hangs_up == "says so":
        for answers in tries[:-1]:
            result = script(case.daemon, answers, status=1)
            assert "did not accept the answers" in result.stderr, result.stderr
        tries = tries[-1:]
    script(case.daemon, [line for answers in tries for line in answers])
    case.works()


@HANGS_UP
def test_a_wrong_password_and_a_server_that_hangs_up(lab, hangs_up):
    case = hanging_up(lab, hangs_up)
    say(case, ["old one", "123456"], ["123456"], [SECRET, "123456"])
    given = [r[0] for r in case.server.responses]
    assert given == ["old one", "123456"] * 2 + [SECRET, "123456"]


@HANGS_UP
def test_a_wrong_code_and_a_server_that_hangs_up(lab, hangs_up):
    """The password is kept, and what was in doubt once it was right is forgotten."""
    case = hanging_up(lab, hangs_up)
    say(case, [SECRET, "1"], ["123456"])
    case.server.drop()
    case.wait("failed", "needs-answer")
    say(case, ["1"], ["123456"])
    assert {r[0] for r in case.server.responses} == {SECRET, "1", "123456"}


def test_a_wrong_password_and_a_server_that_has_had_enough(lab):
    case = Case(lab, "password", password=SECRET, hangs_up="says so")
    result = script(case.daemon, ["old one"], status=1)
    assert "did not accept the password" in result.stderr and "[needs-password]" in result.stderr
    script(case.daemon, [SECRET])
    assert case.server.passwords == ["old one", SECRET]


def test_a_session_that_breaks_says_nothing_of_a_password(lab):
    """Nobody is there who could say it again."""
    case = Case(lab, "password", password=SECRET)
    script(case.daemon, [SECRET])
    case.server.password, case.server.hangs_up = "another", "silently"
    case.server.drop()
    until(lambda: len(case.server.passwords) >= 4, 30, "it has been tried some times")
    case.server.password = SECRET
    case.wait("up", seconds=30)
    assert set(case.server.passwords) == {SECRET}


# -- files, and other methods ------------------------------------------------------------------------


def test_answers_that_are_never_right(lab):
    case = Case(lab, "keyboard-interactive", rounds=[PASSWORD, CODE])
    result = script(case.daemon, [SECRET, "1", "2", SECRET, "3", "4"], status=1)
    assert "did not accept the answers" in result.stderr and "[needs-answer]" in result.stderr
    assert case.server.responses == [[SECRET], ["1"], [SECRET], ["2"], [SECRET], ["3"], [SECRET], ["4"]]


def test_a_password_that_was_enough_for_its_method_is_kept(lab, people):
    """AuthenticationMethods password,keyboard-interactive."""
    case = Case(lab, "password", "keyboard-interactive", password=SECRET, rounds=[CODE])
    script(case.daemon, [SECRET, "1", "2", "3"], status=1)
    person = people(case.daemon, "auth", "t")
    person.answers("Verification code: ", "123456")
    person.sees("t: up")
    person.ends()
    assert case.server.passwords == [SECRET, SECRET]


def test_a_code_that_is_called_a_password(lab, people):
    """What the method "password" took is no more in doubt because another answer is wrong."""
    token = Round("Password: ", answers=["123456"])
    case = Case(lab, "password", "keyboard-interactive", password=SECRET, rounds=[token])
    person = people(case.daemon, "auth", "t")
    person.answers("Password of", SECRET)
    person.sees("once more\n")
    person.answers(f"t: me@{case.server.address} asks\n  Password: ", "123456")
    person.sees("t: up")
    person.ends()
    case.server.drop()
    case.wait("failed", "needs-answer")
    assert case.server.passwords == [SECRET, SECRET]
    assert case.server.responses == [[SECRET], ["123456"], [SECRET]]


def test_a_password_of_a_file_and_codes(lab):
    """It is sent with each try, never in the place of a code, and not called wrong for a wrong code."""
    path = lab.write("password", SECRET)
    for factors, rounds, passwords, responses in [
        (["keyboard-interactive"], [PASSWORD, CODE], [], [[SECRET], ["1"], [SECRET], ["123456"]]),
        (["password", "keyboard-interactive"], [CODE], [SECRET], [["1"], ["123456"]]),
    ]:
        case = Case(
            lab, *factors, password=SECRET, rounds=rounds, tunnel={"password": str(path)}
        )
        case.wait("failed", "needs-answer")
        case.server.passwords.clear()
        case.server.responses.clear()
        script(case.daemon, ["1", "123456"])
        assert (case.server.passwords, case.server.responses) == (passwords, responses)
