"""Bytes through a tunnel: all of them, in order, both ways, with each half closed on its own."""

import concurrent.futures
import contextlib
import hashlib
import os
import socket
import threading

import pytest

from harness import build, client, peers, proc
from harness.lab import Simple, local
from harness.ports import has_ipv6
from harness.wait import settled, until

MIB = 1 << 20


def tunnel_to(lab, server, **tunnel):
    """(sshd, port, daemon) with one tunnel to server that is up."""
    sshd, port = lab.sshd(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, server.port), **tunnel}})
    return sshd, port, daemon


@pytest.mark.parametrize("size", [0, 1, 32768, 64 * MIB])
def test_download_arrives_whole(lab, size):
    payload = os.urandom(size)
    _, port, _ = tunnel_to(lab, lab.server(peers.source(payload)))
    with client.connect(port, timeout=30) as sock:
        assert client.read_all(sock) == payload


@pytest.mark.parametrize("size", [1, 32768, 64 * MIB])
def test_upload_arrives_whole(lab, size):
    payload = os.urandom(size)
    sink = peers.Sink()
    _, port, _ = tunnel_to(lab, lab.server(sink))
    with client.connect(port, timeout=30) as sock:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        assert sink.results.get(timeout=30) == (size, hashlib.sha256(payload).hexdigest(), "eof")
        assert client.how_it_ends(sock) == "eof"


def test_both_ways_at_once(simple):
    payload = os.urandom(24 * MIB)
    assert client.exchange(simple.port, payload, timeout=30) == payload


def test_client_ends_its_half_and_the_answer_still_comes(lab):
    """A server that answers only after the end of the request (as `tar | ssh` does)."""
    sink = peers.Sink(reply=b"a" * MIB)
    _, port, _ = tunnel_to(lab, lab.server(sink))
    with client.connect(port) as sock:
        sock.sendall(b"request")
        sock.shutdown(socket.SHUT_WR)
        assert sink.results.get(timeout=30)[0] == 7
        assert client.read_all(sock) == b"a" * MIB


def test_server_ends_its_half_and_still_hears(lab):
    heard = peers.Sink()

    def greet_then_listen(sock):
        sock.sendall(b"greeting")
        sock.shutdown(socket.SHUT_WR)
        heard(sock)

    _, port, _ = tunnel_to(lab, lab.server(greet_then_listen))
    with client.connect(port) as sock:
        assert client.read_all(sock) == b"greeting"  # ends: the server's half is closed
        payload = os.urandom(4 * MIB)
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        assert heard.results.get(timeout=10) == (
            len(payload),
            hashlib.sha256(payload).hexdigest(),
            "eof",
        )


def test_a_half_open_connection_is_not_ended_by_silence(lab):
    sink = peers.Sink(reply=b"late")
    _, port, daemon = tunnel_to(lab, lab.server(sink), keepalive={"interval": "200ms", "count": 20})
    with client.connect(port) as sock:
        sock.sendall(b"x")
        until(lambda: daemon.tunnel("t")["bytes_out"] == 1, 5, "the byte is through")
        until(lambda: daemon.tunnel("t")["rtt_ms"] is not None, 5, "keepalives went by")
        sock.shutdown(socket.SHUT_WR)
        assert client.read_all(sock) == b"late"


def test_a_reset_by_the_client_reaches_the_server(lab):
    sink = peers.Sink()
    sshd, port, daemon = tunnel_to(lab, lab.server(sink))
    sock = client.connect(port)
    sock.sendall(b"x")
    until(lambda: daemon.tunnel("t")["bytes_out"] == 1, 5, "the byte is through")
    peers.reset(sock)
    assert sink.results.get(timeout=30)[0] == 1
    until(lambda: daemon.forward("t")["connections"] == 0, 5, "the connection is forgotten")


def test_a_reset_by_the_server_reaches_the_client(lab):
    def say_and_reset(sock):
        sock.recv(1)
        peers.reset(sock)

    _, port, daemon = tunnel_to(lab, lab.server(say_and_reset))
    with client.connect(port) as sock:
        sock.sendall(b"x")
        assert client.how_it_ends(sock) in ("eof", "reset")
    until(lambda: daemon.forward("t")["connections"] == 0, 5, "the connection is forgotten")


def test_two_hundred_connections_at_once(simple):
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(simple.connect()) for _ in range(200)]
        for i, sock in enumerate(socks):
            sock.sendall(b"%04d" % i)
        for i, sock in enumerate(socks):
            assert client.read_exactly(sock, 4) == b"%04d" % i
        until(lambda: simple.daemon.forward("t")["connections"] == 200, 5, "all are counted")
    until(lambda: simple.daemon.forward("t")["connections"] == 0, 10, "all are gone")


def test_many_short_connections_leave_nothing_behind(simple):
    worker = simple.daemon.workers()[0]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: client.exchange(simple.port) == b"hello", range(100)))
        until(lambda: simple.daemon.forward("t")["connections"] == 0, 5, "all are gone")
        before = proc.fd_count(worker)
        assert all(pool.map(lambda _: client.exchange(simple.port) == b"hello", range(500)))
    until(lambda: simple.daemon.forward("t")["connections"] == 0, 5, "all are gone")
    until(lambda: proc.fd_count(worker) <= before, 5, "no descriptor is left")


def test_parallel_transfers_do_not_mix(simple):
    def one(_):
        payload = os.urandom(MIB)
        return client.exchange(simple.port, payload, timeout=60) == payload

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(32)))


class Memory:
    """How much more a process holds than at the start, and the most of it."""

    def __init__(self, pid):
        self.pid, self.peak = pid, 0
        self.before = proc.memory_kib(pid)

    def sample(self):
        self.peak = max(self.peak, proc.memory_kib(self.pid) - self.before)


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
def test_a_slow_reader_costs_bounded_memory(lab):
    """300 MB wait in the server while the client does not read; then all of it arrives."""
    block, blocks = os.urandom(MIB), 300

    def pour(sock):
        for _ in range(blocks):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        peers.hold(sock)

    _, port, daemon = tunnel_to(lab, lab.server(pour))
    memory = Memory(daemon.workers()[0])
    with client.connect(port, timeout=30) as sock:
        stuck = settled(lambda: daemon.tunnel("t")["bytes_in"], 1.5, 20, "the flow")
        assert stuck < 32 * MIB, "nobody holds the server back"
        memory.sample()
        for number in range(blocks):
            assert client.read_exactly(sock, MIB) == block, f"block {number}"
            memory.sample()
        assert client.how_it_ends(sock) == "eof"
    assert memory.peak < 16 * 1024, f"{memory.peak} KiB more while a reader was slow"


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
def test_a_server_that_does_not_read_costs_bounded_memory(lab):
    """The other direction: the client pours into a server that has stopped reading."""
    awake = threading.Event()
    sink = peers.Sink()

    def asleep(sock):
        awake.wait()
        sink(sock)

    _, port, daemon = tunnel_to(lab, lab.server(asleep))
    memory = Memory(daemon.workers()[0])
    with client.connect(port, timeout=1) as sock:
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 300 * MIB:
                sent += sock.send(b"x" * MIB)
        assert sent < 64 * MIB, "the client was never told to wait"
        memory.sample()
        awake.set()
        sock.shutdown(socket.SHUT_WR)
        assert sink.results.get(timeout=20)[0] == sent
    assert memory.peak < 16 * 1024, f"{memory.peak} KiB more while a server was slow"


def test_a_stuck_connection_does_not_hold_up_the_others(lab):
    """Same session: one reader asleep with its window full, the others at full speed."""
    flood = lab.server(peers.source(os.urandom(16 * MIB)))
    sshd, echo, port, stuck = lab.sshd(), lab.echo(), lab.port(), lab.port()
    daemon = lab.up(
        {"t": {"host": sshd.address, "local": [local(port, echo.port), local(stuck, flood.port)]}}
    )
    with client.connect(stuck) as asleep:
        asleep.recv(1)
        for _ in range(20):
            assert client.exchange(port, b"y" * 100000) == b"y" * 100000
        assert daemon.tunnel("t")["state"] == "up"
        assert len(client.read_all(asleep)) == 16 * MIB - 1


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_ipv6_brackets_and_wildcard(lab):
    sshd, echo = lab.sshd(), lab.echo()
    six, star, slash, both = (lab.port() for _ in range(4))
    daemon = lab.up(
        {
            "t": {
                "host": sshd.address,
                "local": [
                    f"[::1]:{six}:127.0.0.1:{echo.port}",
                    f"*:{star}:localhost:{echo.port}",
                    f"::1/{slash}/127.0.0.1/{echo.port}",
                    f"{both}:127.0.0.1:{echo.port}",
                ],
            }
        }
    )
    assert client.exchange(six, host="::1") == b"hello"
    assert client.exchange(slash, host="::1") == b"hello"
    assert client.exchange(star, host="127.0.0.1") == b"hello"
    assert client.exchange(star, host="::1") == b"hello"
    assert client.exchange(both, host="127.0.0.1") == b"hello"  # no bind address: localhost,
    assert client.exchange(both, host="::1") == b"hello"  # which is both families
    addresses = daemon.tunnel("t")["forwards"][3]["addresses"]
    assert sorted(addresses) == [f"127.0.0.1:{both}", f"[::1]:{both}"]


def test_a_forward_written_as_a_mapping(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.up(
        {
            "t": {
                "host": sshd.address,
                "local": {
                    "name": "db",
                    "listen": f"127.0.0.1:{port}",
                    "target": f"127.0.0.1:{echo.port}",
                },
            }
        }
    )
    assert client.exchange(port) == b"hello"
    assert daemon.forward("t")["name"] == "db"


@pytest.mark.parametrize(
    "cipher", ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"]
)
def test_the_cipher_asked_for_is_used(lab, cipher):
    one = Simple(lab, ciphers=cipher)
    assert client.exchange(one.port, b"z" * MIB) == b"z" * MIB
    assert one.daemon.inspect("t")["session"]["cipher"] == cipher
