"""tunctl auth: questions of the daemon, answered on a terminal or by a script."""

import json
import os
import signal
import subprocess

import pytest
from fake import (
    CLOSE,
    HANG,
    HEARS_SIGNALS,
    TUNCTL,
    Terminal,
    backoff,
    environment,
    error,
    needs,
    plain,
    question,
    reply,
    tunctl,
    tunnel,
    until,
)

BUSY = tunnel(state="authenticating", rtt_ms=None)


def asks(server, *questions, end=None):
    """A daemon that asks one after the other, waiting for each answer, and then ends."""
    script = [reply(tunnel=BUSY, question=None, more=True)]
    for number, one in enumerate(questions, 1):
        script.append(reply(tunnel=BUSY, question=one, more=True))
        script.append(
            lambda n=number: reply(tunnel=BUSY, question=None, more=True)
            if server.has_come("Answer", n)
            else CLOSE
        )
    script.append(reply(tunnel=end or tunnel(), question=None))
    server.answers("Auth", *script)
    server.answers("Answer", reply())


def script(server, answers, *args, expect=0):
    result = subprocess.run(
        [str(TUNCTL), "-s", str(server.path), *args, "auth", "db-prod"],
        input=answers,
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
        check=False,
        start_new_session=True,
    )
    assert result.returncode == expect, result
    return result


# -- scripts ---------------------------------------------------------------------------------------


def test_nothing_is_asked(server):
    asks(server)
    assert tunctl(server, "auth", "db-prod").stdout == "db-prod: up (12 ms)\n"
    assert server.parameters("Auth") == {"name": "db-prod"} and server.calls[0]["more"] is True


def test_lines_of_standard_input_answer(server):
    two = [{"text": "Password: ", "echo": False}, {"text": "Code: ", "echo": True}]
    asks(server, question(7), question(8, "keyboard-interactive", prompts=two))
    result = script(server, "secret wörds\n first\r\nlast")
    assert result.stdout == "db-prod: up (12 ms)\n" and result.stderr == ""
    assert server.parameters_of("Answer") == [
        {"name": "db-prod", "question": 7, "answers": ["secret wörds"]},
        {"name": "db-prod", "question": 8, "answers": [" first\r", "last"]},
    ]


def test_an_empty_line_is_an_answer(server):
    asks(server, question(1))
    script(server, "\n")
    assert server.parameters("Answer")["answers"] == [""]


def test_a_prompt_without_answer_is_named(server):
    asks(server, question(1))
    result = script(server, "", expect=1)
    assert result.stderr == (
        "tunctl: 'Password of deploy@internal:22: ' was not answered: standard input has ended; "
        "run it on a terminal, or write one line for each prompt\n"
    )
    assert server.parameters_of("Answer") == []


@pytest.mark.parametrize("answers, words", [("x" * 1024 + "\n", "longer"), ("a\0b\n", "not text")])
def test_an_answer_that_is_none(server, answers, words):
    asks(server, question(1))
    result = script(server, answers, expect=1)
    assert words in result.stderr and "xxx" not in result.stderr


def test_the_longest_answer(server):
    asks(server, question(1))
    script(server, "x" * 1023)
    assert server.parameters("Answer")["answers"] == ["x" * 1023]


def test_json(server):
    asks(server, question(1))
    result = script(server, "a\n", "--json")
    assert [t["state"] for t in json.loads(result.stdout)] == ["up"]


def test_it_ends_failed(server):
    asks(server, question(1), end=needs())
    result = script(server, "wrong\n", expect=1)
    assert result.stderr == (
        "tunctl: db-prod: failed: deploy@internal:22 wants a password; give it: "
        "tunctl auth db-prod [needs-password]\n"
    )


def test_somebody_else_answers_already(server):
    server.answers("Auth", error("Attended", name="db-prod", code="attended-already", message="no"))
    assert script(server, "", expect=1).stderr == "tunctl: no\n"


def test_an_answer_that_comes_too_late_is_no_failure(server):
    asks(server, question(1))
    server.answers(
        "Answer", error("NoSuchQuestion", name="db-prod", code="no-such-question", message="late")
    )
    assert script(server, "a\n").stdout == "db-prod: up (12 ms)\n"


def test_a_question_that_goes_away_needs_no_answer(server):
    """The server hangs up while somebody looks for the token: standard input stays open."""
    server.answers(
        "Auth",
        reply(tunnel=BUSY, question=question(1), more=True),
        reply(tunnel=backoff("db-prod"), question=None, more=True),
        reply(tunnel=tunnel(), question=None),
    )
    process = subprocess.Popen(
        [str(TUNCTL), "-s", str(server.path), "auth", "db-prod"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert process.wait(10) == 0
    assert process.stdout.read() == "db-prod: up (12 ms)\n"
    process.stdin.close()
    process.stdout.close()


def notice(**changes):
    words = {"server": "deploy@internal:22", "hop": None, "name": "", "instruction": "Look up"}
    return words | changes


def test_what_a_server_only_says(server):
    some = [notice(), notice(hop="hop 1 of 2", name="A\x1b[m", instruction="b\nc")]
    server.answers(
        "Auth",
        reply(tunnel=BUSY, question=None, notices=some, more=True),
        reply(tunnel=tunnel(), question=None, notices=[notice(instruction="last")]),
    )
    result = script(server, "")
    assert result.stdout == "db-prod: up (12 ms)\n"
    assert result.stderr == (
        "db-prod: deploy@internal:22 says\n  Look up\n"
        "db-prod: hop 1 of 2, deploy@internal:22 says\n  A\\x1b[m\n  b\n  c\n"
        "db-prod: deploy@internal:22 says\n  last\n"
    )
    assert script(server, "", "--json").stderr == ""


def test_time_runs_out(server):
    server.answers("Auth", reply(tunnel=backoff("db-prod"), question=None, more=True), HANG)
    result = tunctl(server, "auth", "db-prod", "--timeout", "2s", expect=5)
    assert "not up after 2s: backoff: retry in" in result.stderr


# -- terminals -------------------------------------------------------------------------------------


def test_a_secret_is_not_seen(server):
    asks(server, question(1, "passphrase"))
    terminal = Terminal(server, "auth", "db-prod")
    terminal.read_until("Passphrase for key /k/id_ed25519: ")
    assert not terminal.echoes()
    terminal.type("open sesame\n")
    text = plain(terminal.read_until("up (12 ms)"))
    assert terminal.echoes()
    assert terminal.finish() == 0
    assert text.strip() == "Passphrase for key /k/id_ed25519: \ndb-prod: up (12 ms)"
    assert server.parameters("Answer")["answers"] == ["open sesame"]


def test_a_prompt_with_echo_shows_what_is_typed(server):
    asks(server, question(1, "keyboard-interactive", prompts=[{"text": "Token: ", "echo": True}]))
    terminal = Terminal(server, "auth", "db-prod")
    terminal.read_until("Token: ")
    assert terminal.echoes()
    terminal.type("123456\n")
    assert "Token: 123456" in terminal.read_until("up (12 ms)")
    assert terminal.finish() == 0


def test_who_asks_is_said_and_its_words_are_set_apart(server):
    one = question(
        1,
        "keyboard-interactive",
        hop="hop 1 of 2",
        name="Two \x1b[31mfactors",
        instruction="Choose:\n 1. Push",
        prompts=[{"text": "deploy's\npassword: ", "echo": False}],
    )
    asks(server, one)
    terminal = Terminal(server, "auth", "db-prod")
    terminal.read_until("password: ")
    terminal.type("1\n")
    terminal.read_until("up (")
    text = plain(terminal.text)
    assert terminal.finish() == 0
    assert text.startswith(
        "db-prod: hop 1 of 2, deploy@internal:22 asks\n"
        "  Two \\x1b[31mfactors\n"
        "  Choose:\n   1. Push\n"
        "  deploy's\n  password: "
    )


def test_a_wrong_answer_is_said(server):
    asks(server, question(1), question(2, again=True))
    terminal = Terminal(server, "auth", "db-prod")
    terminal.read_until("internal:22: ")
    terminal.type("wrong\n")
    terminal.read_until("once more")
    terminal.read_until("internal:22: ", after="once more")
    terminal.type("right\n")
    terminal.read_until("up (12 ms)")
    assert terminal.finish() == 0
    assert [p["answers"] for p in server.parameters_of("Answer")] == [["wrong"], ["right"]]


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(server, signo):
    asks(server, question(1))
    terminal = Terminal(server, "auth", "db-prod", under=HEARS_SIGNALS)
    terminal.read_until("internal:22: ")
    assert not terminal.echoes()
    terminal.process.send_signal(signo)
    assert terminal.process.wait(10) == -signo
    assert terminal.echoes()
    os.close(terminal.main)


# A shell with jobs, which is told to go on with the one that was stopped.
SHELL = ["setsid", "--ctty", "--wait", "bash", "-mc", '"$@"; echo stopped; read -r; fg', "-"]


def test_a_stop_gives_the_terminal_back_until_it_goes_on(server):
    asks(server, question(1))
    terminal = Terminal(server, "auth", "db-prod", under=SHELL)
    terminal.read_until("internal:22: ")
    terminal.type("half\x1a")
    terminal.read_until("stopped")
    assert terminal.echoes()
    terminal.type("\n")
    terminal.read_until("internal:22: ", after="stopped")
    assert not terminal.echoes()
    terminal.type("whole\n")
    terminal.read_until("up (12 ms)")
    assert terminal.finish() == 0
    assert server.parameters("Answer")["answers"] == ["whole"]


def test_the_prompt_goes_when_nobody_waits_any_more(server):
    go = []
    server.answers(
        "Auth",
        reply(tunnel=BUSY, question=question(1), more=True),
        lambda: until(lambda: go) or reply(tunnel=needs(), question=None),
    )
    terminal = Terminal(server, "auth", "db-prod")
    terminal.read_until("internal:22: ")
    terminal.type("half an ans")
    go.append(True)
    terminal.read_until("[needs-password]")
    assert terminal.echoes()
    assert terminal.finish() == 1
    assert server.parameters_of("Answer") == []


def test_the_end_of_the_terminal_is_no_answer(server):
    asks(server, question(1))
    terminal = Terminal(server, "auth", "db-prod")
    terminal.read_until("internal:22: ")
    terminal.type("\x04")
    terminal.read_until("no answer was given")
    assert terminal.finish() == 1


def test_json_does_not_ask_on_a_terminal(server):
    terminal = Terminal(server, "--json", "auth", "db-prod")
    terminal.read_until("for programs")
    assert terminal.finish() == 2


def test_up_asks_on_a_terminal(server):
    server.answers("Up", reply(tunnels=[needs(), tunnel("web")]))
    asks(server, question(1))
    terminal = Terminal(server, "up", "db-prod", "web")
    terminal.read_until("internal:22: ")
    terminal.type("secret\n")
    text = plain(terminal.read_until("web: up (12 ms)"))
    assert terminal.finish() == 0
    assert text.strip().endswith("db-prod: up (12 ms)\nweb: up (12 ms)")
    assert server.parameters("Auth") == {"name": "db-prod"}


def test_up_asks_nobody_without_a_terminal(server):
    server.answers("Up", reply(tunnels=[needs()]))
    assert "tunctl auth db-prod" in tunctl(server, "up", "db-prod", expect=1).stderr
    assert server.parameters_of("Auth") == []


# -- forgetting ------------------------------------------------------------------------------------


def secret(kind="password", subject="deploy@internal:22", tunnels=1):
    return {"kind": kind, "subject": subject, "tunnels": tunnels}


def test_what_was_forgotten_is_said(server):
    some = [secret(tunnels=3), secret("passphrase", "/k/\x1bid", 1)]
    server.answers("Forget", reply(forgotten=some))
    assert tunctl(server, "auth", "--forget", "db-prod").stdout == (
        "db-prod: forgot the password of deploy@internal:22, which 3 tunnels use\n"
        "db-prod: forgot the passphrase of key /k/\\x1bid\n"
    )
    assert server.parameters("Forget") == {"names": ["db-prod"]}
    assert server.parameters_of("Auth") == []


def test_all_is_forgotten(server):
    server.answers("Forget", reply(forgotten=[secret()]), reply(forgotten=[]))
    result = tunctl(server, "auth", "--forget", "--all")
    assert result.stdout == "forgot the password of deploy@internal:22\n"
    assert server.parameters("Forget") == {"names": []}


def test_nothing_was_kept(server):
    server.answers("Forget", reply(forgotten=[]))
    assert tunctl(server, "auth", "--forget", "db-prod").stdout == "db-prod: nothing was kept\n"


def test_what_was_forgotten_in_json(server):
    server.answers("Forget", reply(forgotten=[secret()]))
    assert json.loads(tunctl(server, "--json", "auth", "--forget", "x").stdout) == [secret()]


@pytest.mark.parametrize("args", [["--all"], ["--forget"], ["--forget", "--all", "x"], ["a", "b"]])
def test_one_tunnel_or_all_are_named(server, args):
    tunctl(server, "auth", *args, expect=2)
    assert server.calls == []
