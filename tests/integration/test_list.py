"""tunctl list and inspect: every field, for programs and for people."""

import datetime
import os
import pty
import re
import subprocess

from harness import build, client
from harness.lab import local
from harness.wait import until

FIELDS = {
    "name",
    "state",
    "since",
    "host",
    "hops",
    "attempt",
    "retry_in_ms",
    "rtt_ms",
    "error",
    "bytes_in",
    "bytes_out",
    "connections",
    "connections_total",
    "forwards",
    "tags",
    "source",
}
FORWARD_FIELDS = {
    "name",
    "type",
    "listen",
    "addresses",
    "target",
    "state",
    "error",
    "connections",
    "connections_total",
    "bytes_in",
    "bytes_out",
}


def on_a_terminal(daemon, *args):
    """What tunctl prints to a terminal of 120 columns."""
    main, side = pty.openpty()
    env = {**daemon.env, "TERM": "xterm-256color", "COLUMNS": "120"}
    subprocess.run(
        [str(build.TUNCTL), "-s", str(daemon.socket), *args],
        stdin=side,
        stdout=side,
        stderr=side,
        env=env,
        timeout=20,
        check=False,
    )
    os.close(side)
    text = b""
    try:
        while data := os.read(main, 65536):
            text += data
    except OSError:  # the end of a pty
        pass
    os.close(main)
    return text.decode()


def test_every_field_of_a_tunnel_that_is_up(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.up(
        {"db": {"host": sshd.address, "local": local(port, echo.port), "tags": ["prod", "web"]}}
    )
    assert client.exchange(port, b"x" * 1000) == b"x" * 1000
    until(lambda: daemon.tunnel("db")["bytes_in"] == 1000, 5, "the bytes are counted")
    rows = daemon.ctl_json("list")
    assert isinstance(rows, list) and len(rows) == 1
    row = rows[0]
    assert FIELDS <= set(row)
    assert row["name"] == "db" and row["state"] == "up" and row["host"] == sshd.address
    assert row["tags"] == ["prod", "web"]
    assert row["source"] == str(daemon.config_path)
    assert row["error"] is None and row["retry_in_ms"] is None
    assert [h["host"] for h in row["hops"]] and all(h["state"] for h in row["hops"])
    assert row["bytes_in"] == 1000 and row["bytes_out"] == 1000
    assert row["connections"] == 0 and row["connections_total"] == 1
    forward = row["forwards"][0]
    assert FORWARD_FIELDS <= set(forward)
    assert forward["type"] == "local" and forward["state"] == "open" and forward["error"] is None
    assert forward["listen"] == f"127.0.0.1:{port}" and forward["addresses"] == [
        f"127.0.0.1:{port}"
    ]
    assert forward["target"] == f"127.0.0.1:{echo.port}"
    assert forward["connections_total"] == 1 and forward["bytes_in"] == 1000


def test_since_is_rfc_3339_and_now(simple):
    since = datetime.datetime.fromisoformat(
        simple.daemon.tunnel("t")["since"].replace("Z", "+00:00")
    )
    age = datetime.datetime.now(datetime.timezone.utc) - since
    assert abs(age.total_seconds()) < 60


def test_open_connections_are_counted(simple):
    with simple.connect() as one, simple.connect() as two:
        client.ping(one)
        client.ping(two)
        until(
            lambda: simple.daemon.forward("t")["connections"] == 2, 5, "two connections are shown"
        )
    until(lambda: simple.daemon.forward("t")["connections"] == 0, 5, "none is left")
    assert simple.daemon.tunnel("t")["connections_total"] == 2


def test_a_tunnel_in_backoff_says_when_it_tries_again_and_why(lab):
    closed = lab.port()
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": f"127.0.0.1:{closed}",
                    "local": local(lab.port(), 1),
                    "reconnect": {"min": "20s", "max": "60s"},
                }
            }
        )
    )
    row = daemon.wait_state("t", "backoff")
    assert row["attempt"] == 1
    assert row["error"]["code"] == "connection-refused"
    assert f"127.0.0.1:{closed}" in row["error"]["message"]
    assert 10000 < row["retry_in_ms"] <= 60000
    text = daemon.ctl("list", check=0).stdout
    line = next(line for line in text.splitlines() if line.split()[:1] == ["t"])
    assert "backoff" in line and "refused" in text


def test_table_for_a_pipe_has_a_header_and_no_colours(simple):
    text = simple.daemon.ctl("list", check=0).stdout
    head, row = text.splitlines()[:2]
    assert re.search(r"\bNAME\b.*\bSTATE\b", head.upper())
    assert re.match(r"t\s.*\bup\b", row)
    assert str(simple.port) in row
    assert "\x1b" not in text


def test_table_on_a_terminal_has_colours(simple):
    text = on_a_terminal(simple.daemon, "list")
    assert re.search(r"\x1b\[[0-9;]*m\s*up", text), text


def test_no_color_is_respected(simple):
    simple.daemon.env["NO_COLOR"] = "1"
    assert "\x1b[" not in on_a_terminal(simple.daemon, "list")


def test_an_empty_daemon_lists_nothing(lab):
    daemon = lab.daemon(lab.config({}))
    assert daemon.ctl_json("list") == []
    assert daemon.ctl("list", check=0).stdout.strip()  # says so in words


def test_inspect_for_programs(simple):
    sshd, daemon = simple.sshd, simple.daemon
    answer = daemon.ctl_json("inspect", "t")
    assert answer["tunnel"]["name"] == "t"
    session = answer["session"]
    assert session["address"] == sshd.address
    assert session["server_version"].startswith("SSH-2.0-OpenSSH")
    assert session["cipher"] and session["kex"]
    assert session["host_key"].startswith("ssh-ed25519 SHA256:")
    assert session["identity"].endswith("client_ed25519")
    assert answer["settings"]["keepalive_interval_ms"] == 15000
    assert answer["settings"]["keepalive_count"] == 3
    assert answer["settings"]["connect_timeout_ms"] == 20000
    assert answer["settings"]["hold_ms"] == 10000
    states = [e["state"] for e in answer["events"]]
    assert states[-1] == "up"
    order = ["connecting", "verifying", "authenticating", "opening", "up"]
    assert [s for s in states if s in order][-5:] == order


def test_inspect_for_people(simple):
    text = simple.daemon.ctl("inspect", "t", check=0).stdout
    for word in ("up", simple.sshd.address, "ssh-ed25519", "SHA256:", str(simple.port)):
        assert word in text, text


def test_the_history_is_a_ring_of_64(lab):
    port = lab.port()
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": f"127.0.0.1:{port}",
                    "local": local(lab.port(), 1),
                    "reconnect": {"min": "10ms", "max": "20ms"},
                }
            }
        )
    )
    until(lambda: daemon.tunnel("t")["attempt"] > 40, 20, "forty attempts")
    assert len(daemon.inspect("t")["events"]) == 64


def test_status_of_the_daemon_itself(simple):
    status = simple.daemon.status()
    assert status["pid"] == simple.daemon.pid
    assert status["config"] == str(simple.daemon.config_path)
    assert status["tunnels"] == 1 and status["up"] == 1
    assert [w["pid"] for w in status["workers"]] == simple.daemon.workers()
    assert status["workers"][0]["libssh"]
    until(
        lambda: simple.daemon.status()["workers"][0]["sessions"] == 1, 5, "the session is counted"
    )


def test_a_hundred_tunnels_are_listed_one_per_row(lab):
    tunnels = {
        f"t{i:03}": {"host": "127.0.0.1:1", "local": local(lab.port(), 1), "start": "manual"}
        for i in range(100)
    }
    daemon = lab.daemon(lab.config(tunnels))
    rows = daemon.ctl("list", check=0).stdout.splitlines()
    assert [r.split()[0] for r in rows if r.startswith("t0")] == sorted(tunnels)
    assert len(daemon.ctl_json("list")) == 100
