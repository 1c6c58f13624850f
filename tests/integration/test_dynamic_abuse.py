"""Who misbehaves at a dynamic forward gets an end, soon, and leaves no descriptor behind."""

import concurrent.futures
import contextlib
import socket

import pytest

from harness import build, client, peers, proc, socks
from harness.dynamic import Dynamic, GARBAGE, RemoteDynamic, handshake
from harness.wait import Stopwatch, until


@pytest.fixture
def dynamic(lab):
    return Dynamic(lab)


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_and_leaves_nothing(dynamic, kind):
    """Whatever comes is over at once, without waiting for the deadline."""
    before = proc.fd_count(dynamic.worker)
    with Stopwatch() as watch:
        for _ in range(10):
            with dynamic.connect() as sock, contextlib.suppress(ConnectionError):
                sock.sendall(GARBAGE[kind])
                assert client.how_it_ends(sock) in ("eof", "reset")
    assert watch.seconds < build.limit(5)
    until(lambda: proc.fd_count(dynamic.worker) <= before, 5, "no descriptor is left")
    assert dynamic.daemon.tunnel("t")["state"] == "up"


def test_slow_handshakes_end_and_leave_nothing(lab, dynamic):
    """Two hundred that say nothing, or half of it: the oldest make room, the deadline ends the rest,
    and meanwhile others are served."""
    echo = lab.echo()
    before = proc.fd_count(dynamic.worker)
    beginnings = [
        b"",
        b"\5",
        b"\5\1\0\5\1",
        b"\4\1",
        b"CONNECT local",
        b"GET http://a/ HTTP/1.1\r\n",
    ]
    with contextlib.ExitStack() as stack:
        socks_ = [stack.enter_context(dynamic.connect()) for _ in range(200)]
        for i, sock in enumerate(socks_):
            with contextlib.suppress(ConnectionError):  # one that has had to make room
                sock.sendall(beginnings[i % len(beginnings)])
        sock, answer = socks.open5(dynamic.port, "127.0.0.1", echo.port)
        assert answer == socks.GRANTED5
        sock.close()
        with Stopwatch() as watch:
            until(lambda: proc.fd_count(dynamic.worker) <= before, 30, "the deadline ends them")
        assert watch.seconds < build.limit(25)
        for sock in socks_:
            assert client.how_it_ends(sock) in ("eof", "reset")


def test_a_byte_a_second_does_not_prolong_the_handshake(dynamic):
    """Slow loris: the deadline is for the whole of it."""
    with dynamic.connect() as sock, Stopwatch() as watch:
        sock.settimeout(0.5)
        with contextlib.suppress(ConnectionError):
            for byte in socks.connect_request("localhost", 1, "X-Slow: " + "y" * 200):
                sock.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(4096):
                        break
                assert watch.elapsed() < build.limit(30)  # all of it takes two minutes


def test_aborted_handshakes_leave_nothing(lab, dynamic):
    """Reset at every point of the way, also while the channel is being opened."""
    echo = lab.echo()
    data, _ = handshake("socks5", echo.port)
    requests = [data, handshake("socks4a", echo.port)[0], handshake("http", echo.port)[0]]
    before = proc.fd_count(dynamic.worker)

    def visit(number):
        whole = requests[number % 3]
        sock = dynamic.connect()
        with contextlib.suppress(OSError):
            sock.sendall(whole[: number % (len(whole) + 1)])
        (peers.reset if number % 2 else socket.socket.close)(sock)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(600)))
    until(lambda: proc.fd_count(dynamic.worker) <= before, 15, "no descriptor is left")
    until(lambda: dynamic.daemon.forward("t")["connections"] == 0, 5, "none is counted")
    sock, answer = socks.open5(dynamic.port, "127.0.0.1", echo.port)
    sock.close()
    assert answer == socks.GRANTED5


def test_silent_clients_of_a_remote_one_make_room(lab):
    """At the server's side too, whoever keeps silent does not keep others out: the oldest goes."""
    echo, one = lab.echo(), RemoteDynamic(lab, allow="any")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(one.connect()) for _ in range(300)]
        sock, answer = socks.open5(one.port, "127.0.0.1", echo.port)
        with sock:
            assert answer == socks.GRANTED5
            client.ping(sock)
        assert client.how_it_ends(silent[0]) in ("eof", "reset")
        silent[-1].settimeout(0.05)
        assert client.how_it_ends(silent[-1]) == "open"
    until(lambda: one.daemon.forward("t")["connections"] == 0, 5, "none is counted")
