"""Servers that are broken or malicious: each ends in a named state within its deadline, and the
tunnel beside it, in the same worker, never notices."""

import threading

import pytest

from harness import build, client, hostile, peers, proc
from harness.beside import DEADLINE
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, holds, settled, until

# Name of the habit → the slugs that say truthfully what it is, and a word for people.
HABITS = {
    "silent": (["timeout"], "banner"),
    "endless_banner": (["not-ssh", "timeout", "protocol"], ""),
    "endless_line": (["not-ssh", "protocol"], ""),
    "garbage": (["not-ssh", "protocol"], ""),
    "http": (["not-ssh"], "HTTP"),
    "close_at_once": (["connection-lost", "not-ssh"], "banner"),
    "reset_at_once": (["connection-lost"], ""),
    "close_after_banner": (["connection-lost", "protocol"], "key exchange"),
    "silent_after_banner": (["timeout"], "key exchange"),
    "garbage_after_banner": (["protocol", "connection-lost"], "key exchange"),
    "huge_packet": (["protocol", "connection-lost", "timeout"], "key exchange"),
    "old_protocol": (["not-ssh", "protocol", "timeout"], ""),
}


@pytest.mark.parametrize("habit", HABITS)
def test_before_the_key_exchange(lab, beside, habit):
    server = lab.server(getattr(hostile, habit))
    # What ends by itself does so sooner, and is not called a timeout on a busy machine.
    patience = {} if "timeout" in HABITS[habit][0] else {"connect_timeout": "20s"}
    daemon = beside.run(f"127.0.0.1:{server.port}", **patience)
    with Stopwatch() as watch:
        row = daemon.wait_state("bad0", "backoff", build.limit(DEADLINE + 1))
        row = until(
            lambda: (r := daemon.tunnel("bad0"))["retry_in_ms"] is not None and r, 3, "waits"
        )
    assert watch.seconds < build.limit(DEADLINE * 2 + 1)
    slugs, word = HABITS[habit]
    assert row["error"]["code"] in slugs, row["error"]
    message = row["error"]["message"]
    assert word in message
    assert f"127.0.0.1:{server.port}" in message and is_one_harmless_line(message)
    beside.assert_untouched()


def test_silent_for_longer_than_we_wait_with_ours(lab):
    address = f"127.0.0.1:{lab.server(hostile.silent).port}"
    spec = {"host": address, "local": local(lab.port(), 1), "connect_timeout": "5s"}
    daemon = lab.daemon(lab.config({"t": spec}))
    row = daemon.wait_state("t", "backoff", build.limit(7), code="timeout")
    says = f"{address}, which has sent no SSH banner: is that an SSH port?"
    assert row["error"]["message"].endswith(says)


def test_one_byte_a_second(lab, beside):
    stop = threading.Event()
    server = lab.server(hostile.drip(stop))
    daemon = beside.run(f"127.0.0.1:{server.port}")
    row = daemon.wait_state("bad0", "backoff", build.limit(DEADLINE + 1), code="timeout")
    assert "banner" in row["error"]["message"] or "version" in row["error"]["message"]
    beside.assert_untouched()
    stop.set()


def test_all_of_them_at_once_many_times(lab, beside):
    """Forty hostile servers in one worker, retried quickly: nothing leaks and the loop keeps its
    pace."""
    servers = [
        lab.server(getattr(hostile, h)) for h in HABITS if not h.startswith(("endless", "garbage"))
    ]
    addresses = [f"127.0.0.1:{s.port}" for s in servers for _ in range(5)]
    daemon = beside.run(
        *addresses, connect_timeout="300ms", reconnect={"min": "50ms", "max": "100ms"}
    )
    worker = daemon.workers()[0]
    until(lambda: min(s.accepted for s in servers) > 20, 20, "each was tried twenty times")
    low = proc.fd_count(worker)
    until(lambda: min(s.accepted for s in servers) > 60, 30, "each was tried sixty times")
    assert proc.fd_count(worker) < low + 2 * len(addresses)  # at most what is under way
    beside.assert_untouched()
    daemon.ctl("down", *[f"bad{i}" for i in range(len(addresses))], check=0)
    until(lambda: proc.fd_count(worker) < 40, 5, "all descriptors are closed")


def test_floods_do_not_take_the_loop(lab, beside):
    """Endless streams as fast as loopback carries them."""
    habits = (
        hostile.endless_banner,
        hostile.endless_line,
        hostile.garbage,
        hostile.garbage_after_banner,
    )
    servers = [lab.server(h) for h in habits]
    daemon = beside.run(
        *(f"127.0.0.1:{s.port}" for s in servers), reconnect={"min": "50ms", "max": "100ms"}
    )
    memory = proc.memory_kib(daemon.workers()[0])
    until(lambda: min(s.accepted for s in servers) >= 3, 20, "each was tried three times")
    if not build.SANITIZED:
        assert proc.memory_kib(daemon.workers()[0]) - memory < 8192
    beside.assert_untouched()


def test_closes_right_after_authentication(lab, beside):
    """It does not count as success: the waits grow."""
    server = lab.asyncssh(closes_after_auth=True)
    daemon = beside.run(
        server.address, connect_timeout="20s", reconnect={"min": "200ms", "max": "5s"}
    )
    until(lambda: daemon.tunnel("bad0")["attempt"] >= 4, 20, "four attempts")
    count = server.connections
    assert count < 12, "retried without growing waits"
    errors = [e["error"] for e in daemon.inspect("bad0")["events"] if e["error"]]
    assert {e["code"] for e in errors} <= {"connection-lost", "protocol"}
    beside.assert_untouched()


def test_never_finishes_authentication(lab, beside):
    server = lab.asyncssh(never_finishes_auth=True)
    daemon = beside.run(server.address, connect_timeout="4s")  # all before it is done by then
    row = daemon.wait_state("bad0", "backoff", code="timeout")
    assert "authenticating" in [e["state"] for e in daemon.inspect("bad0")["events"]]
    assert "authenticat" in row["error"]["message"]
    beside.assert_untouched()


def test_never_answers_global_requests(lab, beside):
    """The keepalive must notice, as there is no other sign of life."""
    server = lab.asyncssh(ignore_global_requests=True)
    daemon = beside.run(
        server.address, connect_timeout="20s", keepalive={"interval": "200ms", "count": 3}
    )
    until(
        lambda: any(
            (e["error"] or {}).get("code") == "keepalive-timeout"
            for e in daemon.inspect("bad0")["events"]
        ),
        build.limit(5),
        "noticed",
    )
    beside.assert_untouched()


def test_never_answers_channel_opens(lab):
    """Clients come and go, the session stays, nothing piles up."""
    server, port = lab.asyncssh(never_opens_channels=True), lab.port()
    daemon = lab.up({"t": {"host": server.address, "local": local(port, 1)}})
    worker = daemon.workers()[0]
    before = proc.fd_count(worker)
    for _ in range(20):
        peers.reset(client.connect(port))  # a close alone would only say that it sends no more
    until(lambda: proc.fd_count(worker) <= before, 5, "clients that left are forgotten")
    assert daemon.tunnel("t")["state"] == "up"


@pytest.mark.parametrize("as_it_is", [False, True])
def test_asyncssh_in_ordinary_use(lab, as_it_is):
    """Not only OpenSSH is spoken to."""
    server, echo, port = lab.asyncssh(mends_cancel=not as_it_is), lab.echo(), lab.port()
    daemon = lab.up({"t": {"host": server.address, "local": local(port, echo.port)}})
    payload = bytes(1 << 20)
    assert client.exchange(port, payload, timeout=30) == payload
    assert "AsyncSSH" in daemon.inspect("t")["session"]["server_version"]


def test_control_characters_from_a_server_are_escaped(lab, beside):
    """A banner with escape sequences reaches the log, tunctl and the terminal harmlessly."""

    def handler(sock):
        sock.sendall(b"\x1b[2J\x1b]0;owned\x07evil\x9b31m \xe2\x80\xae overridden\r\n")
        sock.sendall(b"SSH-2.0-\x1b[2J\x1b]0;owned\x07evil\x9b31m \xe2\x80\xae overridden\r\n")
        hostile.hold(sock)

    server = lab.server(handler)
    daemon = beside.run(f"127.0.0.1:{server.port}")
    daemon.wait_state("bad0", "backoff", build.limit(DEADLINE + 1))
    for text in (
        daemon.log,
        daemon.ctl("list").stdout,
        daemon.ctl("inspect", "bad0").stdout,
        daemon.ctl("--json", "inspect", "bad0").stdout,
    ):
        assert all(map(is_one_harmless_line, text.splitlines()))


def test_the_total_deadline_covers_all_phases(lab, beside):
    """A server that is slow everywhere, each phase within its own limit."""
    link = lab.proxy(lab.sshd().port, delay=0.4)
    daemon = beside.run(link.address)
    with Stopwatch() as watch:
        daemon.wait_state("bad0", "backoff", build.limit(DEADLINE + 2), code="timeout")
    assert watch.seconds < build.limit(DEADLINE + 1)
    beside.assert_untouched()


def test_a_stopped_server_with_small_buffers_does_not_stop_the_loop(lab, beside):
    """Trap 1: libssh makes the descriptor blocking; a full TCP buffer would then stop the
    worker."""
    sshd, sink = lab.sshd(), lab.server(hostile.hold)
    link = lab.proxy(sshd.port, rcvbuf=4096)
    port = lab.port()
    tunnels = {
        "good": {"host": beside.sshd.address, "local": local(beside.port, beside.echo.port)},
        "bad": {"host": link.address, "local": local(port, sink.port)},
    }
    daemon = beside.watch(lab.up(tunnels, daemon={"workers": 1}))
    uploads = [client.connect(port) for _ in range(8)]
    for sock in uploads:
        sock.sendall(b"x" * 100000)
    link.block()
    for sock in uploads:
        sock.setblocking(False)

    def pour():
        for sock in uploads:
            try:
                sock.send(b"x" * 65536)
            except BlockingIOError:
                pass
        return daemon.tunnel("bad")["bytes_out"]

    settled(pour, 1, 30, "what the tunnel takes")
    holds(lambda: client.exchange(beside.port) == b"hello", 1, "the neighbour is served")
    link.unblock()
    for sock in uploads:
        sock.close()
    beside.assert_untouched()
