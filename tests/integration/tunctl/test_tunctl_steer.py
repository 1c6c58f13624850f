"""tunctl up, down, restart, drop, reload, version."""

import json
import re
import threading
import time

import pytest
from fake import (
    BROKEN,
    HANG,
    MANAGER,
    STATUS,
    Terminal,
    at_once,
    backoff,
    error,
    failed,
    forward,
    reply,
    tunctl,
    tunnel,
)


# -- up, restart -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["up", "restart"])
def test_up_waits_until_it_is_up(server, verb):
    method = verb.capitalize()
    server.answers(
        method,
        reply(tunnels=[tunnel(state="connecting", rtt_ms=None)], more=True),
        reply(tunnels=[tunnel(state="authenticating", rtt_ms=None)], more=True),
        reply(tunnels=[tunnel()]),
    )
    result = tunctl(server, verb, "db-prod")
    assert server.calls == [
        {"method": MANAGER + method, "parameters": {"names": ["db-prod"]}, "more": True}
    ]
    assert result.stdout == "db-prod: up (12 ms)\n" and result.stderr == ""


def test_up_of_all(server):
    server.answers("Up", reply(tunnels=[tunnel("a"), tunnel("b", rtt_ms=None)]))
    assert tunctl(server, "up", "--all").stdout == "a: up (12 ms)\nb: up\n"
    assert server.parameters("Up") == {"names": []}


def test_up_of_all_where_there_is_none(server):
    server.answers("Up", reply(tunnels=[]))
    assert tunctl(server, "up", "--all").stdout == "no tunnels\n"


def test_up_that_ends_failed_or_degraded_exits_1(server):
    bad = forward(state="failed", error={"code": "port-in-use", "message": "in use"})
    server.answers(
        "Up",
        reply(
            tunnels=[tunnel("a"), failed("b"), tunnel("c", "degraded", forwards=[bad, forward()])]
        ),
    )
    result = tunctl(server, "up", "a", "b", "c", expect=1)
    assert result.stdout == "a: up (12 ms)\n"
    assert result.stderr == (
        "tunctl: b: failed: the host key of old:22 has changed [host-key-changed]\n"
        "tunctl: c: degraded: 127.0.0.1:5432: in use [port-in-use]\n"
    )


def test_up_that_somebody_else_stops_exits_1(server):
    server.answers("Up", reply(tunnels=[tunnel(state="stopped")]))
    assert tunctl(server, "up", "db-prod", expect=1).stderr == "tunctl: db-prod: stopped\n"


def test_up_that_takes_too_long_exits_5_with_the_reason(server):
    server.answers(
        "Up", reply(tunnels=[tunnel("a")], more=True), reply(tunnels=[backoff()], more=True), HANG
    )
    start = time.monotonic()
    result = tunctl(server, "up", "a", "web", "--timeout", "2s", expect=5)
    assert 1.9 < time.monotonic() - start < 20
    assert result.stdout == "a: up (12 ms)\n"
    assert result.stderr == (
        "tunctl: not up after 2s: web: backoff: retry in 4s (attempt 3): "
        "web.example.com:22 refused the connection [connection-refused]\n"
    )


def test_a_failure_outweighs_a_timeout(server):
    server.answers("Up", reply(tunnels=[failed("a"), backoff("b")], more=True), HANG)
    tunctl(server, "up", "a", "b", "--timeout", "2s", expect=1)


def test_up_without_waiting(server):
    server.answers("Up", reply(tunnels=[tunnel(state="connecting")]))
    assert tunctl(server, "up", "--no-wait", "db-prod").stdout == "db-prod: connecting\n"
    assert "more" not in server.calls[0]


def test_up_json(server):
    server.answers(
        "Up",
        reply(tunnels=[tunnel("a", "connecting"), failed("b")], more=True),
        reply(tunnels=[tunnel("a")]),
    )
    result = tunctl(server, "--json", "up", "a", "b", expect=1)
    assert [(t["name"], t["state"]) for t in json.loads(result.stdout)] == [
        ("a", "up"),
        ("b", "failed"),
    ]
    assert result.stderr == ""


def test_up_on_a_terminal_tells_what_takes_its_time(server):
    shown = threading.Event()
    server.answers(
        "Up",
        at_once(
            reply(tunnels=[tunnel(state="connecting")], more=True),
            reply(tunnels=[backoff("db-prod")], more=True),
        ),
        lambda: shown.wait(30) and reply(tunnels=[tunnel()]),
    )
    terminal = Terminal(server, "up", "db-prod")
    terminal.read_until("db-prod: backoff: retry in 4s (attempt 3): web.example.com:22 refused")
    assert "connecting" not in terminal.text
    shown.set()
    assert terminal.finish() == 0
    assert "db-prod: up (12 ms)" in terminal.text


def test_a_bad_timeout_is_a_usage_error_and_nothing_is_sent(server):
    for args in (["up", "x"], ["add", "x", "host"]):
        assert "--timeout" in tunctl(server, *args, "--timeout", "soon", expect=2).stderr
    assert server.calls == []


def test_every_name_that_is_wrong_is_told(server):
    server.answers("Up", error("NoSuchTunnel", name="x", message="there is no tunnel 'x'"))
    server.answers("List", reply(tunnels=[tunnel("a")], more=True), reply(tunnels=[tunnel("b")]))
    result = tunctl(server, "up", "a", "x", "b", "y", expect=3)
    assert result.stderr == "tunctl: there are no tunnels 'x', 'y'\n"
    assert tunctl(server, "up", "a", "x", expect=3).stderr == "tunctl: there is no tunnel 'x'\n"
    server.answers("List", error("AccessDenied", message="no"))
    result = tunctl(server, "up", "x", "y", expect=3)
    assert result.stderr == "tunctl: there is no tunnel 'x'\n"


# -- down, drop, reload, version -------------------------------------------------------------------


def test_down_waits_until_the_last_is_stopped(server):
    server.answers(
        "Down",
        reply(tunnels=[tunnel("a"), tunnel("b")], more=True),
        reply(tunnels=[tunnel("b", "stopped")], more=True),
        reply(tunnels=[tunnel("a", "stopped")]),
    )
    assert tunctl(server, "down", "a", "b").stdout == "a: stopped\nb: stopped\n"
    assert server.parameters("Down") == {"names": ["a", "b"]}
    assert server.calls[0]["more"]
    stopped = json.loads(tunctl(server, "--json", "down", "a", "b").stdout)
    assert [(t["name"], t["state"]) for t in stopped] == [("a", "stopped"), ("b", "stopped")]


def test_down_of_what_somebody_starts_again_fails(server):
    server.answers("Down", reply(tunnels=[tunnel("a", "connecting")]))
    assert tunctl(server, "down", "a", expect=1).stdout == "a: connecting\n"


def test_drop(server):
    server.answers("Drop", reply())
    assert tunctl(server, "drop", "a", "b").stdout == "a: dropped\nb: dropped\n"
    assert server.parameters("Drop") == {"names": ["a", "b"]}
    server.answers(
        "Drop",
        error(
            "NotAdded",
            name="a",
            code="not-added",
            message="'a' stands in /e/t.yaml:7; remove it there",
        ),
    )
    assert "/e/t.yaml:7" in tunctl(server, "drop", "a", expect=1).stderr


def test_reload(server):
    server.answers(
        "Reload",
        reply(
            added=["a", "b"],
            removed=[],
            changed=["c"],
            unchanged=40,
            warnings=["/k is readable by everyone"],
        ),
    )
    result = tunctl(server, "reload")
    assert result.stdout == "reloaded: 2 added (a, b), 1 changed (c), 40 unchanged\n"
    assert result.stderr == "tunctl: warning: /k is readable by everyone\n"
    server.answers("Reload", reply(added=[], removed=[], changed=[], unchanged=3, warnings=[]))
    assert tunctl(server, "reload").stdout == "reloaded: nothing changed (3 tunnels)\n"


def test_every_mistake_of_a_configuration_is_printed(server):
    server.answers("Reload", BROKEN)
    assert tunctl(server, "reload", expect=1).stderr == (
        "tunctl: /e/t.yaml:3:5: unknown key 'hots'\n"
        "tunctl: no host\n"
        "tunctl: nothing was changed; the tunnels go on as before\n"
    )
    problem = json.loads(tunctl(server, "--json", "reload", expect=1).stderr)["error"]
    assert problem["code"] == "config" and len(problem["problems"]) == 2


def test_version(server):
    server.answers("Status", reply(**STATUS))
    out = tunctl(server, "version").stdout.splitlines()
    assert re.fullmatch(r"tunctl \d+\.\d+\.\d+", out[0])
    assert out[1] == f"tunneld 9.9.9 (pid 4711, {server.path})"
    both = json.loads(tunctl(server, "--json", "version").stdout)
    assert both["tunneld"] == "9.9.9" and f"tunctl {both['tunctl']}" == out[0]


def test_version_without_a_daemon_still_says_our_own():
    result = tunctl(None, "version", "-s", "/nowhere/x.sock", expect=4)
    assert result.stdout.startswith("tunctl ")
