"""TCP servers at the far end of a tunnel, and a proxy that can be a bad link."""

import contextlib
import hashlib
import queue
import select
import socket
import struct
import threading
import time


_RESET = struct.pack("ii", 1, 0)


def reset(sock):
    """Closes with RST instead of FIN."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


def _doom(sock):
    """Makes the close that is to come a reset, and wakes the thread that reads sock."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.shutdown(socket.SHUT_RD)


def _is_doomed(sock):
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_RESET)) == _RESET
    except OSError:
        return True


class Server:
    """Runs handler(sock) in a thread of its own for each connection to listener."""

    def __init__(self, handler, listener):
        self.handler = handler
        self.listener = listener
        self.listener.listen(1024)
        self.accepted = 0
        self._lock = threading.Lock()
        self._open = set()
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closing:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.handler(sock)
        except OSError:
            pass  # the tests look at what arrives at the other end
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def open_count(self):
        with self._lock:
            return len(self._open)

    def close(self):
        self._closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


class TcpServer(Server):
    """Listens on loopback."""

    def __init__(self, handler, host="127.0.0.1", port=0, rcvbuf=None):
        listener = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
        )
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if rcvbuf:  # before listen(), so that accepted sockets have it from the first segment on
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        listener.bind((host, port))
        self.port = listener.getsockname()[1]
        super().__init__(handler, listener)


class UnixServer(Server):
    """Listens on a path, which it leaves behind."""

    def __init__(self, handler, path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        self.path = str(path)
        super().__init__(handler, listener)


def echo(sock):
    while data := sock.recv(1 << 16):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def hold(sock):
    """Keeps the connection and says nothing, until the peer ends it."""
    while sock.recv(1 << 16):
        pass


def source(payload):
    """A handler that sends payload and closes."""

    def handler(sock):
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        hold(sock)

    return handler


class Sink:
    """A handler that reads to the end; results holds (bytes, sha256, 'eof' or 'reset') of each."""

    def __init__(self, reply=b""):
        self.results = queue.Queue()
        self.reply = reply

    def __call__(self, sock):
        digest, count, end = hashlib.sha256(), 0, "eof"
        try:
            while data := sock.recv(1 << 18):
                digest.update(data)
                count += len(data)
        except ConnectionError:
            end = "reset"
        self.results.put((count, digest.hexdigest(), end))
        if end == "eof" and self.reply:
            sock.sendall(self.reply)
            sock.shutdown(socket.SHUT_WR)


class Proxy(TcpServer):
    """A TCP link between a client and target that can be slow, dead, narrow or cut.

    delay is in seconds each way; while `blocked` nothing moves and nobody is told. What is stranded
    stays so, each end believing in the other, while new connections get through."""

    def __init__(self, target, port=0, delay=0.0, rcvbuf=None):
        self.target = target
        self.delay = delay
        self._flowing = threading.Event()
        self._flowing.set()
        self._links, self._stranded = [], []
        super().__init__(self._link, port=port, rcvbuf=rcvbuf)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def block(self):
        self._flowing.clear()

    def unblock(self):
        self._flowing.set()

    def cut(self):
        """Resets every connection through it."""
        with self._lock:
            links, self._links = self._links, []
        for client, server in links:
            _doom(client)
            _doom(server)

    def strand(self):
        """A black hole for the connections there are."""
        with self._lock:
            self._stranded += self._links
            self._links = []
            self._flowing.clear()
            self._flowing = threading.Event()
            self._flowing.set()

    def give_up_stranded(self):
        """The server's system finds out and drops them: a reset, to the server alone."""
        with self._lock:
            links, self._stranded = self._stranded, []
        for _, server in links:
            _doom(server)
            server.close()

    def _link(self, client):
        server = socket.create_connection(self.target)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._links.append((client, server))
            flowing = self._flowing
        back = threading.Thread(target=self._pump, args=(server, client, flowing), daemon=True)
        back.start()
        self._pump(client, server, flowing)
        back.join()
        server.close()

    def _pump(self, source_socket, target_socket, flowing):
        try:
            while self._may_read(source_socket, flowing):
                data = source_socket.recv(1 << 16)
                if not data:
                    break
                if self.delay:
                    time.sleep(self.delay)
                flowing.wait()
                target_socket.sendall(data)
        except OSError:
            _doom(source_socket)
            _doom(target_socket)
        if not _is_doomed(target_socket):
            with contextlib.suppress(OSError):
                target_socket.shutdown(socket.SHUT_WR)

    @staticmethod
    def _may_read(sock, flowing):
        """Waits until there is something and the link is not blocked: a blocked link reads nothing,
        so that its receive window fills."""
        while True:
            poll = select.poll()  # select() cannot watch descriptors above 1023
            poll.register(sock, select.POLLIN)
            poll.poll()
            if flowing.wait(0):
                return True
            flowing.wait()
