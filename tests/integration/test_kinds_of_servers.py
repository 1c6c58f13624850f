"""The same for every server people have: OpenSSH as it comes and locked down, dropbear, asyncssh."""

import hashlib
import os
import socket

import pytest

from harness import client, dropbear, peers, socks
from harness.lab import local, remote
from harness.sshd import version
from harness.wait import until

MIB = 1 << 20

# What guides to a secure sshd_config ask for, all of it at once.
HARDENED = {
    "HostKeyAlgorithms": "ssh-ed25519",
    "PubkeyAcceptedAlgorithms": "ssh-ed25519",
    "KexAlgorithms": "sntrup761x25519-sha512@openssh.com,curve25519-sha256",
    "Ciphers": "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
    "MACs": "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
    "MaxAuthTries": "2",
    "LoginGraceTime": "5",
    "MaxStartups": "3:30:10",
    "PerSourceMaxStartups": "2" if version() >= (8, 5) else None,
    "MaxSessions": "2",
    "AllowAgentForwarding": "no",
    "AllowStreamLocalForwarding": "no",
    "X11Forwarding": "no",
    "PermitTTY": "no",
    "PermitTunnel": "no",
    "ClientAliveInterval": "1",
    "Compression": "no",
}

# name → how to start it; a word of what it calls itself; MiB to send through it
KINDS = {
    "openssh": (lambda lab: lab.sshd(), "OpenSSH", 16),
    "openssh-hardened": (lambda lab: lab.sshd(**HARDENED), "OpenSSH", 16),
    "openssh-pam": (lambda lab: lab.sshd(UsePAM="yes"), "OpenSSH", 4),
    "openssh-etm": (
        lambda lab: lab.sshd(
            Ciphers="aes256-ctr", MACs="hmac-sha2-512-etm@openssh.com", RekeyLimit="1M"
        ),
        "OpenSSH",
        8,
    ),
    "dropbear": (lambda lab: lab.dropbear(), "dropbear", 8),
    "asyncssh": (lambda lab: lab.asyncssh(mends_cancel=False), "AsyncSSH", 2),
}


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param == "dropbear" and dropbear.why_not():
        pytest.skip(dropbear.why_not())
    if request.param == "openssh-pam" and os.geteuid() != 0:
        pytest.skip("sshd needs root for PAM")
    return request.param


class Site:
    """A tunnel with forwards of every kind through one server."""

    def __init__(self, lab, kind, target):
        start, self.name, self.mebibytes = KINDS[kind]
        self.server = start(lab)
        self.local, self.remote, self.dynamic = lab.port(), lab.port(), lab.port()
        self.target = target
        self.daemon = lab.up(
            {
                "t": {
                    "host": self.server.address,
                    "local": local(self.local, target.port),
                    "remote": remote(self.remote, target.port),
                    "dynamic": f"127.0.0.1:{self.dynamic}",
                    "keepalive": {"interval": "500ms", "count": 4},
                }
            }
        )

    def connect(self, way):
        if way == "dynamic":
            sock, answer = socks.open5(self.dynamic, "127.0.0.1", self.target.port)
            assert answer == socks.GRANTED5
        else:
            sock = client.connect(self.local if way == "local" else self.remote)
        sock.settimeout(30)
        return sock


@pytest.mark.parametrize("way", ["local", "remote", "dynamic"])
def test_transfers_and_half_closes(lab, kind, way):
    """All bytes, in order, and an answer that comes after the end of the question."""
    answer = os.urandom(MIB)
    sink = peers.Sink(reply=answer)
    site = Site(lab, kind, lab.server(sink))
    payload = os.urandom(site.mebibytes * MIB)
    with site.connect(way) as sock:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        result = sink.results.get(timeout=60)
        assert result == (len(payload), hashlib.sha256(payload).hexdigest(), "eof")
        assert client.read_all(sock) == answer
    site.daemon.assert_no_stall()


def test_it_is_what_it_says_and_answers(lab, kind):
    """Known by name; its signs of life are measured, which is how a dead one would be noticed."""
    site = Site(lab, kind, lab.echo())
    assert site.name in site.daemon.inspect("t")["session"]["server_version"]
    until(lambda: site.daemon.tunnel("t")["rtt_ms"] is not None, 5, "it answered")
    with client.connect(site.local) as sock:
        client.ping(sock)


def test_it_dies_and_comes_back(lab, kind):
    site = Site(lab, kind, lab.echo())
    site.server.restart()
    for port in (site.local, site.remote):
        client.wait_served(port, 20)
    with site.connect("dynamic") as sock:
        client.ping(sock)
    site.daemon.wait_state("t", "up")
