"""Proxies as they stand between people and their servers: SOCKS 4, 4a, 5 and HTTP CONNECT, with and
without a login, that connect to where they are asked to; and some that misbehave."""

import base64
import itertools
import socket
import threading

from . import peers


def _exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise OSError("the client is gone")
        data += more
    return data


def _until(sock, end):
    data = b""
    while not data.endswith(end):
        data += _exactly(sock, 1)
    return data


def _join(a, b):
    """Carries bytes both ways until both have ended."""

    def carry(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=carry, args=(b, a), daemon=True)
    back.start()
    carry(a, b)
    back.join()
    b.close()


class Proxy(peers.TcpServer):
    """asked holds (host, port, login) of every request. names: what it resolves by itself."""

    def __init__(self, *, user=None, password=None, names=None, answers=None, host="127.0.0.1"):
        self.user, self.password = user, password
        self.names = names or {}
        self.answers = answers  # a status or reply instead of a connection
        self.asked = []
        super().__init__(self._converse, host=host)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _connect(self, host, port, login):
        self.asked.append((host, port, login))
        return socket.create_connection((self.names.get(host, host), port), 10)


class Socks4(Proxy):
    def _converse(self, sock):
        version, command, port, address = (
            (head := _exactly(sock, 8))[0],
            head[1],
            int.from_bytes(head[2:4], "big"),
            head[4:],
        )
        assert (version, command) == (4, 1)
        user = _until(sock, b"\0")[:-1].decode()
        host = socket.inet_ntoa(address)
        if address[:3] == b"\0\0\0" and address[3]:
            host = _until(sock, b"\0")[:-1].decode()
        if self.user is not None and user != self.user:
            sock.sendall(b"\0\x5d" + bytes(6))
            return
        if self.answers is not None:
            sock.sendall(bytes([0, self.answers]) + bytes(6))
            return
        server = self._connect(host, port, user)
        sock.sendall(b"\0\x5a" + bytes(6))
        _join(sock, server)


class Socks5(Proxy):
    def _login(self, sock):
        methods = _exactly(sock, _exactly(sock, 2)[1])
        if self.user is None:
            sock.sendall(b"\5\0")
            return None
        if 2 not in methods:
            sock.sendall(b"\5\xff")
            raise OSError("no login")
        sock.sendall(b"\5\2")
        assert _exactly(sock, 1) == b"\1"
        user = _exactly(sock, _exactly(sock, 1)[0]).decode()
        password = _exactly(sock, _exactly(sock, 1)[0]).decode()
        good = (user, password) == (self.user, self.password)
        sock.sendall(b"\1\0" if good else b"\1\1")
        if not good:
            raise OSError("wrong login")
        return user

    def _converse(self, sock):
        login = self._login(sock)
        _, command, _, kind = _exactly(sock, 4)
        assert command == 1
        if kind == 3:
            host = _exactly(sock, _exactly(sock, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _exactly(sock, size))
        port = int.from_bytes(_exactly(sock, 2), "big")
        if self.answers is not None:
            self.asked.append((host, port, login))
            sock.sendall(bytes([5, self.answers, 0, 1]) + bytes(6))
            return
        server = self._connect(host, port, login)
        sock.sendall(b"\5\0\0\1" + bytes(6))
        _join(sock, server)


class Http(Proxy):
    def _converse(self, sock):
        head = _until(sock, b"\r\n\r\n").decode()
        method, where, _ = head.split("\r\n")[0].split(" ")
        assert method == "CONNECT"
        login = None
        for line in head.split("\r\n"):
            if line.lower().startswith("proxy-authorization: basic "):
                login = base64.b64decode(line.split(" ")[2]).decode()
        if self.user is not None and login != f"{self.user}:{self.password}":
            sock.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )
            return
        host, _, port = where.rpartition(":")
        if self.answers is not None:
            sock.sendall(f"HTTP/1.1 {self.answers}\r\nContent-Length: 5\r\n\r\nsorry".encode())
            return
        server = self._connect(host.strip("[]"), int(port), login)
        # With the server's first words in the same segment.
        banner = server.recv(4096)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n" + banner)
        _join(sock, server)


def endless_head(sock):
    """An HTTP answer without an end."""
    _until(sock, b"\r\n\r\n")
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in itertools.count():
        sock.sendall(b"X-Field-%d: and so on\r\n" % i * 100)


def endless_interims(sock):
    _until(sock, b"\r\n\r\n")
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def drops_after_request(sock):
    sock.recv(4096)
