"""SOCKS and HTTP CONNECT as bytes, for tests that look at each of them."""

import ipaddress
import struct

from . import client

GRANTED5, FAILED5, PROHIBITED5, NET5, HOST5, REFUSED5 = 0, 1, 2, 3, 4, 5
UNSUPPORTED5 = 7
GRANTED4, REFUSED4 = 90, 91
NO_AUTH, PASSWORD, NO_METHOD = 0, 2, 0xFF


def greeting5(*methods):
    return bytes([5, len(methods), *methods])


def login5(user, password):
    return bytes([1, len(user)]) + user.encode() + bytes([len(password)]) + password.encode()


def request5(host, port, command=1):
    """An address as such, everything else as a name."""
    try:
        address = ipaddress.ip_address(host)
        where = bytes([1 if address.version == 4 else 4]) + address.packed
    except ValueError:
        where = bytes([3, len(host)]) + host.encode()
    return bytes([5, command, 0]) + where + struct.pack("!H", port)


def request4(host, port, user=b"me", command=1):
    """SOCKS 4 for an address, 4a for a name."""
    try:
        packed, name = ipaddress.IPv4Address(host).packed, b""
    except ValueError:
        packed, name = bytes([0, 0, 0, 1]), host.encode() + b"\0"
    return struct.pack("!BBH", 4, command, port) + packed + user + b"\0" + name


def connect_request(host, port, *headers):
    host = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def read_reply5(sock):
    """The code; the address after it is read as well."""
    version, code, _, kind = client.read_exactly(sock, 4)
    assert version == 5 and kind in (1, 4)
    client.read_exactly(sock, {1: 4, 4: 16}[kind] + 2)
    return code


def read_reply4(sock):
    reply = client.read_exactly(sock, 8)
    assert reply[0] == 0, "the version of a SOCKS 4 reply is 0"
    return reply[1]


def read_head(sock):
    """(status, head) of an HTTP answer, byte by byte so that nothing after it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.read_exactly(sock, 1)
    assert head.startswith(b"HTTP/1."), head
    return int(head.split()[1]), head.decode()


# Each opens a connection through the proxy at port: (socket, what it answered).


def open5(port, host, target_port, at="127.0.0.1"):
    sock = client.connect(port, at)
    sock.sendall(greeting5(NO_AUTH))
    assert client.read_exactly(sock, 2) == bytes([5, NO_AUTH])
    sock.sendall(request5(host, target_port))
    return sock, read_reply5(sock)


def open4(port, host, target_port, at="127.0.0.1"):
    sock = client.connect(port, at)
    sock.sendall(request4(host, target_port))
    return sock, read_reply4(sock)


def open_connect(port, host, target_port, *headers, at="127.0.0.1"):
    sock = client.connect(port, at)
    sock.sendall(connect_request(host, target_port, *headers))
    return sock, read_head(sock)[0]
