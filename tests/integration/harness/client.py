"""What a user of a forwarded port does: connect, talk, look how it ends."""

import contextlib
import socket
import threading
import time

from .wait import until


def connect(port, host="127.0.0.1", timeout=20):
    sock = socket.create_connection((host, port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_all(sock):
    parts = []
    while data := sock.recv(1 << 18):
        parts.append(data)
    return b"".join(parts)


def read_exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, f"the stream ended after {len(data)} of {size} bytes"
        data += part
    return bytes(data)


def ping(sock, text=b"ping"):
    """One round through an echo server on an open connection."""
    sock.sendall(text)
    assert read_exactly(sock, len(text)) == text


def exchange(port, payload=b"hello", timeout=20, host="127.0.0.1"):
    """Connects, sends, ends its half, returns all that comes back."""
    with connect(port, host, timeout) as sock:
        sender = threading.Thread(target=_send_and_end, args=(sock, payload), daemon=True)
        sender.start()
        answer = read_all(sock)
        sender.join(timeout)
        return answer


def _send_and_end(sock, payload):
    with contextlib.suppress(OSError):
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)


def is_served(port, payload=b"hello", timeout=4, host="127.0.0.1"):
    try:
        return exchange(port, payload, timeout, host) == payload
    except OSError:
        return False


def wait_served(port, seconds, payload=b"hello", host="127.0.0.1"):
    until(lambda: is_served(port, payload, host=host), seconds, f"port {port} is served")


def is_refused(port, host="127.0.0.1"):
    try:
        connect(port, host, 10).close()
        return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # by who took it, faster than connect() returned
        return False


def how_it_ends(sock):
    """'eof', 'reset' or 'open' (nothing within the socket's timeout). What comes before is
    dropped."""
    try:
        while sock.recv(1 << 16):
            pass
        return "eof"
    except TimeoutError:
        return "open"
    except ConnectionError:
        return "reset"


def how_a_visit_ends(port, timeout=20):
    """The same for a new connection. A reset may be faster than connect() returns."""
    try:
        with connect(port, timeout=timeout) as sock:
            return how_it_ends(sock)
    except ConnectionResetError:
        return "reset"


class Visitors:
    """Threads that connect to a port again and again, each time waiting for an echo, and keep
    count. A connect that is refused is what must never happen; a connection that was open when
    its server died may end early and is counted apart."""

    def __init__(self, port, threads=2, timeout=30, pause=0.0):
        self.port, self.timeout, self.pause = port, timeout, pause
        self.served, self.refused, self.cut = 0, 0, 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout)

    def _count(self, what):
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)

    def _run(self):
        while not self._stop.is_set():
            self._visit()
            if self.pause:
                time.sleep(self.pause)

    def _visit(self):
        try:
            sock = connect(self.port, timeout=self.timeout)
        except ConnectionRefusedError:
            return self._count("refused")
        except OSError:  # accepted and reset before connect() could say so
            return self._count("cut")
        with sock:
            try:
                ping(sock)
            except (OSError, AssertionError):
                return self._count("cut")
        return self._count("served")

    def wait_served(self, more, seconds):
        wanted = self.served + more
        until(lambda: self.served >= wanted, seconds, f"{more} more visitors of {self.port} served")
