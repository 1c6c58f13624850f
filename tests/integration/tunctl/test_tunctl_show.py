"""tunctl list and inspect: tables, sheets, JSON, and what a terminal gets."""

import json
import os
import re
import signal
import time

import pytest
from fake import (
    CLOSE,
    HANG,
    INSPECTED,
    MANAGER,
    STATUS,
    Terminal,
    backoff,
    environment,
    error,
    failed,
    forward,
    plain,
    reply,
    tunctl,
    tunnel,
    until,
)


# -- list ------------------------------------------------------------------------------------------


def test_list_is_a_table_with_reasons_below(server):
    second = forward("127.0.0.1:6379", "cache:6379")
    server.answers(
        "List",
        reply(tunnels=[tunnel(forwards=[forward(), second])], more=True),
        reply(tunnels=[backoff()]),
    )
    out = tunctl(server, "list").stdout.splitlines()
    assert server.calls == [{"method": MANAGER + "List", "parameters": {}, "more": True}]
    assert out[0].split() == [
        "NAME",
        "STATE",
        "FOR",
        "HOST",
        "FORWARDS",
        "RTT",
        "IN",
        "OUT",
        "CONNS",
    ]
    assert out[1].split() == [
        "db-prod",
        "up",
        "1h01m",
        "deploy@internal",
        "127.0.0.1:5432",
        "→",
        "db:5432",
        "12",
        "ms",
        "1.2",
        "MiB",
        "4.0",
        "KiB",
        "2",
    ]
    assert out[2].split() == ["127.0.0.1:6379", "→", "cache:6379"]
    assert out[2].index("127") == out[1].index("127") == out[0].index("FORWARDS")
    assert out[3].split()[:2] == ["web", "backoff"]
    assert out[4] == "    retry in 4s (attempt 3): web.example.com:22 refused the connection [connection-refused]"
    assert all(line == line.rstrip() for line in out)


def test_list_in_a_locale_without_utf8_has_no_arrows(server):
    server.answers("List", reply(tunnels=[tunnel()]))
    out = tunctl(server, "list", env=environment(LC_ALL="C")).stdout
    assert "127.0.0.1:5432 -> db:5432" in out and out.isascii()


def test_list_of_names(server):
    server.answers("List", reply(tunnels=[tunnel("a"), tunnel("b")]))
    out = tunctl(server, "list", "a", "b").stdout
    assert server.parameters("List") == {"names": ["a", "b"]}
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "a", "b"]


def test_list_names_is_for_scripts_and_completion(server):
    server.answers("List", reply(tunnels=[tunnel("a")], more=True), reply(tunnels=[failed("b")]))
    assert tunctl(server, "list", "--names").stdout == "a\nb\n"


def test_list_of_nothing_says_how_to_add_one(server):
    server.answers("List", reply(tunnels=[]))
    assert "tunctl add" in tunctl(server, "list").stdout


def test_list_json_is_what_the_daemon_said(server):
    tunnels = [tunnel(), backoff(host="h\u009bx\x07")]
    server.answers("List", reply(tunnels=tunnels[:1], more=True), reply(tunnels=tunnels[1:]))
    assert json.loads(tunctl(server, "--json", "list").stdout) == tunnels
    assert json.loads(tunctl(server, "list", "--json").stdout) == tunnels


def test_list_of_no_such_tunnel(server):
    server.answers(
        "List",
        error("NoSuchTunnel", name="x", code="no-such-tunnel", message="no tunnel is called 'x'"),
    )
    result = tunctl(server, "list", "x", expect=3)
    assert result.stdout == "" and result.stderr == "tunctl: no tunnel is called 'x'\n"


def test_forwards_that_failed_say_why_once(server):
    reason = "127.0.0.1:5432 is in use by postgres (pid 812)"
    bad = forward(state="failed", error={"code": "port-in-use", "message": reason})
    server.answers(
        "List",
        reply(
            tunnels=[
                tunnel(
                    state="degraded",
                    forwards=[bad],
                    error={"code": "port-in-use", "message": reason},
                )
            ]
        ),
    )
    out = tunctl(server, "list").stdout
    assert out.count("postgres") == 1
    assert f"    {reason} [port-in-use]\n" in out


def test_many_forwards_are_summed_up(server):
    forwards = [forward(f"127.0.0.1:{port}") for port in range(7000, 7050)]
    server.answers("List", reply(tunnels=[tunnel(forwards=forwards)]))
    out = tunctl(server, "list").stdout.splitlines()
    assert len(out) == 5 and out[4].strip() == "and 47 more"


def test_what_the_daemon_says_cannot_steer_the_terminal(server):
    evil = "\x1b]0;pwned\x07\x1b[2J\u009b31m\nfake"
    server.answers(
        "List", reply(tunnels=[failed(evil, host=evil, error={"code": evil, "message": evil})])
    )
    server.answers(
        "Inspect",
        reply(
            tunnel=failed(evil, host=evil),
            events=[{"time": evil, "state": evil, "error": {"code": "x", "message": evil}}],
            session={"server_version": evil},
            settings={"user": evil, "identities": [evil]},
            worker=0,
        ),
    )
    server.answers("Drop", error("Failed", code="io", message=evil))
    for args in (["list"], ["inspect", "x"], ["drop", "x"]):
        result = tunctl(server, *args, expect=1 if args[0] == "drop" else 0)
        text = result.stdout + result.stderr
        assert "pwned" in text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), text
        assert "\nfake" not in text


def test_missing_and_unknown_fields_do_no_harm(server):
    server.answers(
        "List",
        reply(
            tunnels=[
                {},
                {"name": 5, "state": "new-state", "forwards": [{}]},
                tunnel(since="yesterday", rtt_ms="fast", future=1),
            ]
        ),
    )
    assert "new-state" in tunctl(server, "list").stdout
    server.answers("Inspect", reply(tunnel={}))
    tunctl(server, "inspect", "x")


# -- terminals -------------------------------------------------------------------------------------


def test_colours_on_a_terminal(server):
    server.answers("List", reply(tunnels=[tunnel(), backoff(), failed()]))
    terminal = Terminal(server, "list")
    assert terminal.finish() == 0
    assert "\x1b[32mup\x1b[0m" in terminal.text
    assert "\x1b[33mbackoff\x1b[0m" in terminal.text
    assert "\x1b[31mfailed\x1b[0m" in terminal.text


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(server, env):
    server.answers("List", reply(tunnels=[tunnel(), backoff()]))
    terminal = Terminal(server, "list", **env)
    assert terminal.finish() == 0
    assert "backoff" in terminal.text and "\x1b" not in terminal.text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_no_row_is_wider_than_the_terminal(server, width):
    long = forward("127.0.0.1:15432", "postgres-private.eu-central-1.internal.example.com:5432")
    server.answers(
        "List",
        reply(
            tunnels=[
                tunnel(
                    "a-rather-long-name-of-a-tunnel",
                    host="deploy@bastion.example.com:2222",
                    forwards=[long, forward()],
                ),
                backoff("ünïcode-näme", host="日本語.example.com"),
            ]
        ),
    )
    terminal = Terminal(server, "list", width=width)
    assert terminal.finish() == 0
    lines = plain(terminal.text).splitlines()
    wide = sum(c in "日本語" for line in lines for c in line)
    assert all(len(line) + (wide if "日" in line else 0) <= width for line in lines), lines
    text = " ".join(plain(terminal.text).split())
    assert "retry in 4s (attempt 3): web.example.com:22 refused the connection" in text
    assert "up" in text and "backoff" in text


def test_watch_redraws_and_survives_a_restart_of_the_daemon(server):
    server.answers("List", reply(tunnels=[backoff()]))
    terminal = Terminal(server, "list", "-w")
    terminal.read_until("retry in 4s")
    assert "1 tunnel: 1 backoff" in plain(terminal.text)
    server.answers("List", CLOSE)
    terminal.read_until("was lost")
    server.answers("List", reply(tunnels=[tunnel()]))
    terminal.read_until("1 tunnel: 1 up")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.finish() == 0
    assert terminal.text.endswith("\x1b[?1049l")


def test_watch_can_be_ended_while_the_daemon_hangs(server):
    server.answers("List", reply(tunnels=[backoff()]))
    terminal = Terminal(server, "list", "-w")
    terminal.read_until("retry in 4s")
    server.answers("List", HANG)
    calls = len(server.calls)
    until(lambda: len(server.calls) > calls)
    os.kill(terminal.process.pid, signal.SIGINT)
    start = time.monotonic()
    assert terminal.finish() == 0
    assert time.monotonic() - start < 5


def test_watch_of_no_such_tunnel_ends(server):
    server.answers("List", error("NoSuchTunnel", message="there is no tunnel 'x'"))
    terminal = Terminal(server, "list", "-w", "x")
    assert terminal.finish() == 3
    assert terminal.text == "tunctl: there is no tunnel 'x'\r\n"


def test_watch_needs_a_terminal(server):
    assert "terminal" in tunctl(server, "list", "-w", expect=2).stderr


# -- inspect ---------------------------------------------------------------------------------------


def test_inspect_is_a_sheet(server):
    fresh = INSPECTED["tunnel"] | {"since": tunnel()["since"]}
    server.answers("Inspect", reply(**INSPECTED | {"tunnel": fresh}))
    out = tunctl(server, "inspect", "db-prod").stdout
    assert server.parameters("Inspect") == {"name": "db-prod"}
    assert out.startswith("● db-prod  up for 1h01m\n")
    rows = {" ".join(line.split()) for line in out.splitlines()}
    assert {
        "host deploy@internal",
        "hops bastion:22 (up) → 10.0.0.50:22 (up)",
        "round trip 12 ms",
        "traffic 1.2 MiB in, 4.0 KiB out",
        "connections 2 open, 17 in all",
        "tags prod",
        "source /etc/tunneld/tunneld.yaml",
        "secrets kept in memory; tunctl auth --forget db-prod wipes them",
        "worker 1",
        "Hop 1",
        "server admin@bastion:22 (up)",
        "round trip 3.2 ms",
        "address 192.0.2.9:22",
        "host key ssh-ed25519 SHA256:jump",
        "identity /k/bastion",
        "Session",
        "address 10.0.0.50:22",
        "host key ssh-ed25519 SHA256:abc",
        "Forwards",
        "127.0.0.1:5432 → db:5432 open 2 17 1.2 MiB 4.0 KiB",
        "Settings",
        "identity /k/one, /k/two",
        "proxy command nc %h %p",
        "host key strict",
        "keepalive every 15s of silence, lost after 3 without an answer",
        "reconnect after 500ms to 1m, stable after 1m30s",
        "hold 0",
        "2025-11-20 13:03:20 backoff no route",
        "2025-11-20 14:03:22 up",
    } <= rows, out
    assert "ciphers" not in out


def test_inspect_shows_what_is_not_as_usual(server):
    def rows(**more):
        settings = INSPECTED["settings"] | more
        server.answers("Inspect", reply(**INSPECTED | {"settings": settings}))
        return {" ".join(line.split()) for line in tunctl(server, "inspect", "x").stdout.splitlines()}

    usual = {
        "identities_only": False,
        "compression": False,
        "tcp_keepalive": True,
        "share": True,
        "address_family": "any",
        "ip_qos": None,
        "rekey_kib": 0,
        "rekey_ms": 0,
    }
    unusual = {
        "identities_only": True,
        "compression": True,
        "tcp_keepalive": False,
        "share": False,
        "address_family": "inet6",
        "ip_qos": 0,
        "rekey_kib": 1024,
        "rekey_ms": 3600000,
    }
    assert rows(**unusual) - rows(**usual) == {
        "identities only yes",
        "compression yes",
        "tcp keepalive no",
        "share no",
        "address family inet6",
        "ip qos 0",
        "new keys after 1.0 MiB or 1h",
    }
    assert "new keys after 1h" in rows(rekey_ms=3600000)
    assert "new keys after 1.0 MiB" in rows(rekey_kib=1024)


def test_inspect_shows_several_servers(server):
    since = tunnel()["since"]
    servers = [
        {
            "host": "me@one.example",
            "state": "failed",
            "error": {"code": "host-key-changed", "message": "one.example:22: another key"},
            "since": since,
        },
        {"host": "two.example:2222", "state": "up", "error": None, "since": since},
        {"host": "three.example", "state": "idle", "error": None, "since": None},
        {"host": "four.example", "state": "of-tomorrow", "error": None, "since": since},
    ]
    server.answers("Inspect", reply(**INSPECTED | {"servers": servers}))
    out = tunctl(server, "inspect", "db-prod").stdout
    rows = [" ".join(line.split()) for line in out.splitlines()]
    first = rows.index("Servers")
    assert rows[first + 1 : first + 7] == [
        "SERVER STATE FOR",
        "me@one.example failed 1h01m",
        "one.example:22: another key",
        "two.example:2222 up 1h01m",
        "three.example idle -",
        "four.example of-tomorrow 1h01m",
    ]
    assert "prefer the first server, better ones tried after 5m" in rows
    settings = INSPECTED["settings"] | {"prefer": "any"}
    server.answers("Inspect", reply(**INSPECTED | {"servers": servers, "settings": settings}))
    assert re.search(r"prefer +any server$", tunctl(server, "inspect", "a").stdout, re.MULTILINE)


def test_list_shows_the_server_in_use_of_several(server):
    shown = tunnel(host="one.example, two.example", server="two.example")
    server.answers("List", reply(tunnels=[shown]))
    assert tunctl(server, "list").stdout.splitlines()[1].split()[3] == "two.example"
    del shown["server"]  # a daemon of yesterday
    assert "one.example, two.example" in tunctl(server, "list").stdout


def test_inspect_json_is_the_reply(server):
    server.answers("Inspect", reply(**INSPECTED))
    assert json.loads(tunctl(server, "--json", "inspect", "a").stdout) == INSPECTED
    assert json.loads(tunctl(server, "--json", "inspect", "a", "b").stdout) == [INSPECTED] * 2


def test_inspect_prints_nothing_when_one_name_is_wrong(server):
    answers = iter([reply(**INSPECTED), error("NoSuchTunnel", message="no tunnel 'b'")])
    server.answers("Inspect", lambda: next(answers))
    assert tunctl(server, "inspect", "a", "b", expect=3).stdout == ""


def test_inspect_of_the_daemon(server):
    server.answers("Status", reply(**STATUS))
    out = tunctl(server, "inspect", "--daemon").stdout
    rows = {" ".join(line.split()) for line in out.splitlines()}
    assert {
        "tunneld 9.9.9",
        "pid 4711",
        "configuration /x/tunneld.yaml",
        "tunnels 3, 2 up",
        f"socket {server.path}",
        "worst stall 1.5 ms",
        "0 running 4712 3 2 1 0.9 ms 0.11.2",
        "1 dead - 0 0 7 0.0 ms",
    } <= rows, out
    assert json.loads(tunctl(server, "--json", "inspect", "--daemon").stdout) == STATUS
