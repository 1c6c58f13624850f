"""Tunnels with a dynamic forward, and what their clients do and expect."""

import os
import subprocess

from . import client, socks

OPEN = {"socks5": socks.open5, "socks4": socks.open4, "http": socks.open_connect}
GRANTED = {"socks5": socks.GRANTED5, "socks4": socks.GRANTED4, "http": 200}


class Dynamic:
    """A tunnel `t` with one dynamic forward, on a loopback port of its own."""

    def __init__(self, lab, sshd=None, private=False, **forward):
        self.lab, self.sshd, self.port = lab, sshd or lab.sshd(), lab.port()
        listen = f"127.0.0.1:{self.port}"
        spec = {"host": self.sshd.address, "dynamic": {"listen": listen, **forward}}
        self.daemon = lab.daemon(lab.config({"t": spec}), start=False)
        if private:  # what holds a password is for nobody else to read
            self.daemon.config_path.chmod(0o600)
        self.daemon.start()
        self.daemon.wait_state("t", "up")

    @property
    def worker(self):
        return self.daemon.workers()[0]

    def connect(self):
        return client.connect(self.port)


class RemoteDynamic(Dynamic):
    """The server's clients use our side as a proxy."""

    def __init__(self, lab, **forward):
        self.lab, self.sshd, self.port = lab, lab.sshd(), lab.port()
        spec = {"host": self.sshd.address, "remote": {"listen": self.port, **forward}}
        self.daemon = lab.up({"t": spec})


# What curl calls them.
FLAGS = {
    "socks5": ["-4", "--socks5"],  # curl looks the name up itself, and newer ones prefer ::1
    "socks5-hostname": ["--socks5-hostname"],
    "socks4": ["--socks4"],
    "socks4a": ["--socks4a"],
    "connect": ["-p", "-x"],
    "plain": ["-x"],
}


def curl(*args, status=0):
    """What curl prints; no proxy from the environment, no patience."""
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    result = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--noproxy", "", *map(str, args)],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert result.returncode == status, result
    return result.stdout


def handshake(kind, port):
    """(the bytes of a whole handshake, as if the client knew the answers; how long these are)"""
    return {
        "socks5": (socks.greeting5(0) + socks.request5("127.0.0.1", port), 12),
        "socks4": (socks.request4("127.0.0.1", port), 8),
        "socks4a": (socks.request4("localhost", port), 8),
        "http": (socks.connect_request("localhost", port), None),
    }[kind]


def skip_answers(sock, size):
    return client.read_exactly(sock, size) if size else socks.read_head(sock)


# What each protocol has for a no.
REFUSED = {"socks5": (socks.REFUSED5,), "socks4": (socks.REFUSED4,), "http": (502,)}
UNKNOWN = {"socks5": (socks.HOST5,), "socks4": (socks.REFUSED4,), "http": (502, 504)}
FORBIDDEN = {"socks5": (socks.PROHIBITED5,), "socks4": (socks.REFUSED4,), "http": (403,)}


def assert_answer(port, kind, host, target_port, wanted):
    sock, answer = OPEN[kind](port, host, target_port)
    with sock:
        assert answer in wanted
        assert client.how_it_ends(sock) == "eof"


GARBAGE = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(1000),
    "random": os.urandom(5000),
    "endless header": b"GET http://x/ HTTP/1.1\r\n" + b"X: y\r\n" * 50000,
    "endless line": b"CONNECT " + b"x" * 200000,
    "endless user": b"\4\1\0\x50\x7f\0\0\1" + b"u" * 200000,
    "bad name": b"\5\1\0\5\1\0\3\5a\0b\nc\0\x50",
    "empty name": b"\5\1\0\5\1\0\3\0\0\x50",
    "port 0": b"\5\1\0\5\1\0\1\x7f\0\0\1\0\0",
    "no methods": b"\5\0",
    "bad address type": b"\5\1\0\5\1\0\7\x7f\0\0\1\0\x50",
}
