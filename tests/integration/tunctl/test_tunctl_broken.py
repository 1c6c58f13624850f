"""A daemon that misbehaves, and outputs that cannot be written."""

import os
import subprocess
import time

import pytest
from fake import CLOSE, HANG, TUNCTL, backoff, environment, error, reply, tunctl, tunnel


def test_a_connection_lost_in_the_middle_exits_4(server):
    server.answers("List", reply(tunnels=[tunnel()], more=True), CLOSE)
    result = tunctl(server, "list", expect=4)
    assert result.stdout == "" and "was lost" in result.stderr
    server.answers("Up", reply(tunnels=[backoff()], more=True), CLOSE)
    assert "was lost" in tunctl(server, "up", "web", expect=4).stderr


def test_a_daemon_that_never_answers_exits_5(server):
    server.answers("List", HANG)
    start = time.monotonic()
    result = tunctl(server, "list", expect=5)
    assert 9 < time.monotonic() - start < 20
    assert "did not answer within 10s" in result.stderr
    server.answers("Up", HANG)
    assert (
        "did not answer within 200ms"
        in tunctl(server, "up", "x", "--timeout", "200ms", expect=5).stderr
    )


NONSENSE = {
    "empty": b"\0",
    "no-json": b"hello\0",
    "array": b"[]\0",
    "two-objects": b"{}{}\0",
    "error-is-a-number": b'{"error":5}\0',
    "parameters-is-an-array": b'{"parameters":[]}\0',
    "tunnels-is-a-number": b'{"parameters":{"tunnels":5}}\0',
    "deep": b"{" * 100 + b"\0",
    "long": b" " * (1 << 20) + b"\0",
    "no-utf8": b'{"parameters":{"x":"\xff"}}\0',
}


@pytest.mark.parametrize("garbage", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_from_the_daemon_is_an_error(server, garbage):
    server.answers("List", garbage)
    result = tunctl(server, "list", expect=1)
    assert result.stdout == "" and result.stderr.startswith("tunctl: tunneld's answer")


@pytest.mark.parametrize(
    "name, words",
    [
        ("org.varlink.service.MethodNotFound", "does not know the method"),
        ("org.varlink.service.InvalidParameter", "refused the parameter 'names'"),
        ("org.example.Strange", "org.example.Strange"),
    ],
)
def test_errors_of_varlink_itself(server, name, words):
    server.answers("List", error(name, method="io.x.Y", parameter="names"))
    assert words in tunctl(server, "list", expect=1).stderr


def test_access_denied(server):
    server.answers("Down", error("AccessDenied", code="access-denied", message="only root may"))
    assert tunctl(server, "down", "x", expect=1).stderr == "tunctl: only root may\n"


def test_output_that_cannot_be_written_is_a_failure(server):
    server.answers("List", reply(tunnels=[tunnel()]))
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run(
            [str(TUNCTL), "-s", str(server.path), "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=10,
            check=False,
        )
    assert result.returncode == 1 and "No space left" in result.stderr


def test_a_reader_that_went_away_is_no_crash(server):
    server.answers("List", reply(tunnels=[tunnel(f"t{i}") for i in range(500)]))
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [str(TUNCTL), "-s", str(server.path), "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=10,
        check=False,
    )
    os.close(writer)
    assert result.returncode == 1 and "Broken pipe" in result.stderr


def test_a_thousand_tunnels(server):
    server.answers(
        "List", *(reply(tunnels=[tunnel(f"t{i:04}")], more=i < 999) for i in range(1000))
    )
    assert len(tunctl(server, "list").stdout.splitlines()) == 1001
