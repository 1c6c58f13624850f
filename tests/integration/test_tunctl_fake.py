"""tunctl against a scripted daemon: what it sends, what it prints, how it exits.

Here a fake Varlink server says things a real tunneld says only when something is broken, or says
nothing at all. The file stands alone: it needs the built tunctl and nothing of the harness.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TUNCTL = pathlib.Path(os.environ.get("TUNNELD_BUILD", TOP / "build")) / "ctl" / "tunctl"
MANAGER = "io.tunneld.Manager."

HANG = object()  # the server says nothing and waits for the client to go
CLOSE = object()  # the server closes the connection


def forward(listen="127.0.0.1:5432", target="db:5432", **changes):
    return {
        "name": f"local:{listen}",
        "type": "local",
        "listen": listen,
        "addresses": [listen],
        "target": target,
        "state": "open",
        "error": None,
        "connections": 2,
        "connections_total": 17,
        "bytes_in": 1234567,
        "bytes_out": 4096,
    } | changes


def tunnel(name="db-prod", state="up", **changes):
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3700))
    return {
        "name": name,
        "state": state,
        "since": since,
        "host": "deploy@internal",
        "hops": [{"host": "10.0.0.50:22", "state": state}],
        "attempt": 1,
        "retry_in_ms": None,
        "rtt_ms": 12.3,
        "error": None,
        "bytes_in": 1234567,
        "bytes_out": 4096,
        "connections": 2,
        "connections_total": 17,
        "forwards": [forward()],
        "tags": ["prod"],
        "source": "/etc/tunneld/tunneld.yaml",
    } | changes


def backoff(name="web", **changes):
    return (
        tunnel(
            name,
            "backoff",
            attempt=3,
            retry_in_ms=3200,
            rtt_ms=None,
            error={
                "code": "connection-refused",
                "message": "web.example.com:22 refused the connection",
            },
            forwards=[forward("127.0.0.1:8080", "localhost:80", state="closed")],
        )
        | changes
    )


def failed(name="old", **changes):
    return (
        tunnel(
            name,
            "failed",
            rtt_ms=None,
            error={"code": "host-key-changed", "message": "the host key of old:22 has changed"},
        )
        | changes
    )


def error(error_name, **parameters):
    return {
        "error": error_name if "." in error_name else MANAGER + error_name,
        "parameters": parameters,
    }


def reply(more=False, **parameters):
    return {"parameters": parameters} | ({"continues": True} if more else {})


class Server:
    """Answers each method with its script: replies, bytes, functions that return one of them, HANG
    or CLOSE."""

    def __init__(self, path):
        self.path = path
        self.script = {}
        self.calls = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def answers(self, method, *replies):
        self.script[MANAGER + method] = replies

    def parameters(self, method):
        """What the only call of method carried."""
        (call,) = [c for c in self.calls if c["method"] == MANAGER + method]
        return call.get("parameters")

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        pending = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                pending += data
                while b"\0" in pending:
                    message, pending = pending.split(b"\0", 1)
                    self.calls.append(json.loads(message))
                    if not self._answer(connection, self.calls[-1]["method"]):
                        return

    def _answer(self, connection, method):
        for answer in self.script.get(
            method, [error("org.varlink.service.MethodNotFound", method=method)]
        ):
            if answer is CLOSE:
                return False
            if answer is HANG:
                connection.recv(1)
                return False
            if callable(answer):
                answer = answer()
            if not isinstance(answer, bytes):
                answer = json.dumps(answer).encode() + b"\0"
            connection.sendall(answer)
        return True

    def close(self):
        # Ends accept() first: closed alone, the number of the descriptor could be the next server's
        # while this thread still waits at it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()


@pytest.fixture(name="server")
def _server(tmp_path):
    server = Server(tmp_path / "control.sock")
    yield server
    server.close()


def environment(**changes):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/nobody-at-all",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    env |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return env | changes


def tunctl(server, *args, expect=0, env=None, **options):
    where = ["-s", str(server.path)] if server else []
    result = subprocess.run(
        [str(TUNCTL), *where, *args],
        capture_output=True,
        text=True,
        timeout=30,
        env=env or environment(),
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert result.returncode == expect, result
    return result


class Terminal:
    """tunctl on a terminal of its own."""

    def __init__(self, server, *args, width=100, height=24, **env):
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            [str(TUNCTL), "-s", str(server.path), *args],
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment(**{"TERM": "xterm-256color"} | env),
            start_new_session=True,
        )
        os.close(side)
        self.text = ""

    def read_until(self, wanted, seconds=10):
        """Reads until wanted was shown; None: until the end."""
        end = time.monotonic() + seconds
        while wanted is None or wanted not in self.text:
            assert select.select([self.main], [], [], max(0, end - time.monotonic()))[0], self.text
            try:
                data = os.read(self.main, 65536)
            except OSError:  # the end of a pty
                data = b""
            if not data:
                assert wanted is None, self.text
                break
            self.text += data.decode()
        return self.text

    def finish(self):
        self.read_until(None)
        os.close(self.main)
        return self.process.wait(10)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")


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
    assert out[4] == "    retry in 4s (attempt 3): web.example.com:22 refused the connection"
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
    assert f"    {reason}\n" in out


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


def test_watch_needs_a_terminal(server):
    assert "terminal" in tunctl(server, "list", "-w", expect=2).stderr


# -- inspect ---------------------------------------------------------------------------------------

INSPECTED = {
    "tunnel": tunnel(
        hops=[{"host": "bastion:22", "state": "up"}, {"host": "10.0.0.50:22", "state": "up"}]
    ),
    "settings": {
        "user": "deploy",
        "identities": ["/k/one", "/k/two"],
        "known_hosts": ["/k/known_hosts"],
        "ciphers": None,
        "keepalive_interval_ms": 15000,
        "keepalive_count": 3,
        "reconnect_min_ms": 500,
        "reconnect_max_ms": 60000,
        "reconnect_stable_ms": 90000,
        "connect_timeout_ms": 20000,
        "hold_ms": 0,
        "start": "always",
    },
    "session": {
        "address": "10.0.0.50:22",
        "server_version": "SSH-2.0-OpenSSH_9.2p1",
        "cipher": "aes256-gcm@openssh.com",
        "kex": "curve25519-sha256",
        "host_key": "ssh-ed25519 SHA256:abc",
        "identity": "/k/one",
    },
    "events": [
        {
            "time": "2025-11-20T13:03:20.100Z",
            "state": "backoff",
            "error": {"code": "network", "message": "no route"},
        },
        {"time": "2025-11-20T15:03:22+01:00", "state": "up", "error": None},
    ],
    "worker": 1,
}


def test_inspect_is_a_sheet(server):
    server.answers("Inspect", reply(**INSPECTED))
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
        "worker 1",
        "Session",
        "address 10.0.0.50:22",
        "host key ssh-ed25519 SHA256:abc",
        "Forwards",
        "127.0.0.1:5432 → db:5432 open 2 17 1.2 MiB 4.0 KiB",
        "Settings",
        "identity /k/one, /k/two",
        "keepalive every 15s of silence, lost after 3 without an answer",
        "reconnect after 500ms to 1m, stable after 1m30s",
        "hold 0",
        "2025-11-20 13:03:20 backoff no route",
        "2025-11-20 14:03:22 up",
    } <= rows, out
    assert "ciphers" not in out


def test_inspect_json_is_the_reply(server):
    server.answers("Inspect", reply(**INSPECTED))
    assert json.loads(tunctl(server, "--json", "inspect", "a").stdout) == INSPECTED
    assert json.loads(tunctl(server, "--json", "inspect", "a", "b").stdout) == [INSPECTED] * 2


def test_inspect_prints_nothing_when_one_name_is_wrong(server):
    answers = iter([reply(**INSPECTED), error("NoSuchTunnel", message="no tunnel 'b'")])
    server.answers("Inspect", lambda: next(answers))
    assert tunctl(server, "inspect", "a", "b", expect=3).stdout == ""


STATUS = {
    "version": "9.9.9",
    "pid": 4711,
    "since": "2025-11-20T13:00:00Z",
    "config": "/x/tunneld.yaml",
    "tunnels": 3,
    "up": 2,
    "worst_stall_us": 1500,
    "workers": [
        {
            "index": 0,
            "pid": 4712,
            "state": "running",
            "tunnels": 3,
            "sessions": 2,
            "restarts": 1,
            "worst_stall_us": 900,
            "libssh": "0.11.2",
        },
        {
            "index": 1,
            "pid": None,
            "state": "dead",
            "tunnels": 0,
            "sessions": 0,
            "restarts": 7,
            "worst_stall_us": 0,
            "libssh": None,
        },
    ],
}


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
        "tunctl: b: failed: the host key of old:22 has changed\n"
        "tunctl: c: degraded: 127.0.0.1:5432: in use\n"
    )


def test_up_that_somebody_else_stops_exits_1(server):
    server.answers("Up", reply(tunnels=[tunnel(state="stopped")]))
    assert tunctl(server, "up", "db-prod", expect=1).stderr == "tunctl: db-prod: stopped\n"


def test_up_that_takes_too_long_exits_5_with_the_reason(server):
    server.answers(
        "Up", reply(tunnels=[tunnel("a")], more=True), reply(tunnels=[backoff()], more=True), HANG
    )
    start = time.monotonic()
    result = tunctl(server, "up", "a", "web", "--timeout", "300ms", expect=5)
    assert 0.25 < time.monotonic() - start < 5
    assert result.stdout == "a: up (12 ms)\n"
    assert result.stderr == (
        "tunctl: not up after 300ms: web: backoff: retry in 4s (attempt 3): "
        "web.example.com:22 refused the connection\n"
    )


def test_a_failure_outweighs_a_timeout(server):
    server.answers("Up", reply(tunnels=[failed("a"), backoff("b")], more=True), HANG)
    tunctl(server, "up", "a", "b", "--timeout", "100ms", expect=1)


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
        reply(tunnels=[tunnel(state="connecting")], more=True),
        reply(tunnels=[backoff("db-prod")], more=True),
        lambda: shown.wait(10) and reply(tunnels=[tunnel()]),
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


# -- down, drop, reload, version -------------------------------------------------------------------


def test_down(server):
    server.answers("Down", reply(tunnels=[tunnel("a", "stopped"), tunnel("b", "stopped")]))
    assert tunctl(server, "down", "a", "b").stdout == "a: stopped\nb: stopped\n"
    assert server.parameters("Down") == {"names": ["a", "b"]}


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


BROKEN = error(
    "InvalidConfig",
    code="config",
    message="2 mistakes",
    problems=[
        {"file": "/e/t.yaml", "line": 3, "column": 5, "message": "unknown key 'hots'"},
        {"file": None, "line": None, "column": None, "message": "no host"},
    ],
)


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


# -- add -------------------------------------------------------------------------------------------


def added(server, *args, expect=0, **options):
    """What `tunctl add` sent."""
    server.calls.clear()
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")]))
    server.answers("Up", reply(tunnels=[tunnel("x")]))
    result = tunctl(server, "add", "x", *args, expect=expect, **options)
    if expect == 0:
        assert result.stdout == "x: added\nx: up (12 ms)\n"
        assert server.parameters("Up") == {"names": ["x"]}
        assert server.parameters("Add")["name"] == "x"
        return server.parameters("Add")["tunnel"]
    assert server.calls == []
    return result.stderr


def test_add_reads_ssh_letters(server, tmp_path):
    assert added(
        server,
        "-L",
        "5432:db:5432",
        "-NT",
        "-fL8080:web:80",
        "-i",
        "key",
        "-i",
        "/k",
        "-p2222",
        "me@host",
        cwd=tmp_path,
    ) == {
        "local": ["5432:db:5432", "8080:web:80"],
        "identity": [f"{tmp_path}/key", "/k"],
        "host": "me@host:2222",
    }
    assert added(server, "-L", "1:a:1", "bastion") == {"local": "1:a:1", "host": "bastion"}
    assert added(server, "-l", "me", "-p", "22", "::1")["host"] == "me@[::1]:22"
    assert added(server, "ssh://me@host:2222")["host"] == "me@host:2222"


def test_add_takes_an_autossh_line(server):
    assert added(
        server,
        "-M",
        "0",
        "-f",
        "-N",
        "-o",
        "ServerAliveInterval=30",
        "-o",
        "ServerAliveCountMax 2",
        "-oExitOnForwardFailure=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "Port=2222",
        "-o",
        "User=me",
        "-L",
        "1:a:1",
        "host",
    ) == {"keepalive": {"interval": "30", "count": "2"}, "local": "1:a:1", "host": "me@host:2222"}


def test_add_takes_keys_of_the_configuration(server):
    assert added(
        server,
        "-o",
        "keepalive.interval=5s",
        "-o",
        "tags=a",
        "-o",
        "tags=b",
        "-o",
        "tags=c",
        "-o",
        "identity=~/.ssh/k",
        "-c",
        "aes256-ctr",
        "h",
    ) == {
        "keepalive": {"interval": "5s"},
        "tags": ["a", "b", "c"],
        "identity": "/home/nobody-at-all/.ssh/k",
        "ciphers": "aes256-ctr",
        "host": "h",
    }


@pytest.mark.parametrize(
    "args, words",
    [
        (["-R", "1:a:1", "h"], "-R is not supported by this version"),
        (["-D1080", "h"], "-D is not supported"),
        (["-J", "a", "h"], "-J is not supported"),
        (["-Nw0", "h"], "-w is not supported"),
        (["-Z", "h"], "unknown option -Z"),
        (["-L"], "-L needs a value"),
        (["h", "uptime"], "'uptime' is one word too many"),
        (["-p", "0", "h"], "port"),
        (["-p", "22", "h:23"], "the port is given twice"),
        (["-l", "a", "b@h"], "the user is given twice"),
        (["-o", "hold", "h"], "KEY=VALUE"),
        (["-o", "StrictHostKeyChecking=no", "h"], "always checks host keys"),
        (["-o", "keepalive=off", "-o", "keepalive.count=3", "h"], "exclude each other"),
        ([], "add needs more"),
    ],
)
def test_add_refuses(server, args, words):
    assert words in added(server, *args, expect=2)


def test_add_without_waiting(server):
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")]))
    assert tunctl(server, "add", "x", "h", "--no-wait").stdout == "x: added\n"
    assert (
        json.loads(tunctl(server, "--json", "add", "x", "h", "--no-wait").stdout)[0]["name"] == "x"
    )


def test_add_that_is_refused(server):
    server.answers("Add", BROKEN)
    assert "tunctl: no host\n" in tunctl(server, "add", "x", "h", expect=1).stderr
    server.answers(
        "Add",
        error(
            "TunnelExists", name="x", code="tunnel-exists", message="there is a tunnel 'x' already"
        ),
    )
    result = tunctl(server, "--json", "add", "x", "h", expect=1)
    assert json.loads(result.stderr) == {
        "error": {"code": "tunnel-exists", "message": "there is a tunnel 'x' already"}
    }


def test_add_that_does_not_come_up(server):
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")]))
    server.answers("Up", reply(tunnels=[failed("x")]))
    result = tunctl(server, "add", "x", "h", expect=1)
    assert result.stdout == "x: added\n" and "host key" in result.stderr


# -- the command line ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["frobnicate"],
        ["--nonsense"],
        ["list", "--all"],
        ["up"],
        ["up", "--all", "x"],
        ["down"],
        ["inspect"],
        ["inspect", "--daemon", "x"],
        ["reload", "x"],
        ["--socket"],
        ["list", "--json=yes"],
        ["drop"],
        ["add", "x"],
        ["-w", "list"],
    ],
)
def test_usage_errors(args):
    result = tunctl(None, *args, expect=2)
    assert result.stdout == "" and result.stderr


def test_suggestions():
    assert "did you mean 'restart'?" in tunctl(None, "restrat", expect=2).stderr
    assert "did you mean --timeout?" in tunctl(None, "up", "--timout", expect=2).stderr


@pytest.mark.parametrize(
    "verb", [None, "list", "inspect", "up", "down", "restart", "add", "drop", "reload", "version"]
)
def test_help_of_every_verb(verb):
    args = [verb] if verb else []
    out = tunctl(None, *args, "--help").stdout
    assert out == tunctl(None, "-h", *args).stdout
    assert out.startswith(f"usage: tunctl {verb or '['}")
    assert max(map(len, out.splitlines())) <= 100


def test_options_end_at_two_dashes(server):
    server.answers("List", reply(tunnels=[tunnel("-x")]))
    tunctl(server, "list", "--", "-x")
    assert server.parameters("List") == {"names": ["-x"]}


# -- which daemon ----------------------------------------------------------------------------------


def test_the_socket_from_the_environment(server):
    server.answers("List", reply(tunnels=[]))
    tunctl(None, "list", env=environment(TUNNELD_SOCKET=str(server.path)))
    # -s wins.
    tunctl(server, "list", env=environment(TUNNELD_SOCKET="/nowhere"))
    tunctl(None, "list", "-s", str(server.path), env=environment(TUNNELD_SOCKET="/nowhere"))


def test_the_users_own_daemon_is_found(tmp_path):
    (tmp_path / "tunneld").mkdir()
    server = Server(tmp_path / "tunneld" / "control.sock")
    server.answers("List", reply(tunnels=[tunnel()]))
    env = environment(XDG_RUNTIME_DIR=str(tmp_path))
    assert "db-prod" in tunctl(None, "list", env=env).stdout
    server.close()


def test_no_daemon_names_every_place(tmp_path):
    dead = tmp_path / "tunneld"
    dead.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(dead / "control.sock"))
    if pathlib.Path("/run/tunneld/control.sock").exists():
        pytest.skip("a system instance of tunneld runs here")
    result = tunctl(None, "list", env=environment(XDG_RUNTIME_DIR=str(tmp_path)), expect=4)
    (line,) = result.stderr.splitlines()
    assert f"{dead}/control.sock (nobody listens there)" in line
    assert "/run/tunneld/control.sock (no such socket)" in line and "systemctl start" in line
    problem = tunctl(None, "--json", "list", "-s", "/nowhere", expect=4)
    assert json.loads(problem.stderr)["error"]["code"] == "daemon-not-reachable"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is denied to root")
def test_permission_denied_says_which_group(server):
    os.chmod(server.path, 0)
    assert "group 'tunctl'" in tunctl(server, "list", expect=4).stderr


# -- a daemon that misbehaves ----------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"hello\0",
        b"[]\0",
        b"{}{}\0",
        b'{"error":5}\0',
        b'{"parameters":[]}\0',
        b'{"parameters":{"tunnels":5}}\0',
        b"{" * 100 + b"\0",
        b" " * (1 << 20) + b"\0",
        b'{"parameters":{"x":"\xff"}}\0',
    ],
)
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
