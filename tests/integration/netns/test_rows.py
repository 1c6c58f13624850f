"""A server behind two others, in networks of their own: the client sees the first, the first the
second, and whatever link breaks, the message names the hop behind it."""

import errno
import getpass
import socket

import pytest
from hosts import Row, why_not

from harness import build, client, keys
from harness.lab import local
from harness.wait import until

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(why_not()), reason=why_not() or "")]

NAMES = ["client", "bastion", "middle", "server"]


class Way:
    """A tunnel from the client through bastion and middle to an echo server beside the server."""

    def __init__(self, lab, row):
        self.lab, self.row, self.port = lab, row, lab.port()
        self.sshds = []
        for i, host in enumerate(row.hosts[1:], 1):
            with host:
                self.sshds.append(lab.sshd(host=row.address(i)))
        with row.hosts[-1]:
            self.echo = lab.echo()
        self.known_hosts = lab.write("kh", f"* {keys.public(lab.keys.host)}\n")

    def start(self):
        user = getpass.getuser()
        *jumps, server = [f"{user}@{sshd.address}" for sshd in self.sshds]
        spec = {"host": server, "jump": jumps, "local": local(self.port, self.echo.port)}
        defaults = {
            "known_hosts": [str(self.known_hosts)],
            "keepalive": {"interval": "300ms", "count": 6},
            "connect_timeout": "4s",
            "reconnect": {"min": "100ms", "max": "500ms"},
            "hold": "30s",
        }
        self.daemon = self.lab.daemon(self.lab.config({"t": spec}, defaults))
        return self.daemon

    def up(self):
        self.start().wait_state("t", "up")
        assert client.exchange(self.port) == b"hello"
        return self.daemon

    def hop(self, link):
        """How a message about what is behind this link begins."""
        return f"hop {link + 1} of 3, {getpass.getuser()}@{self.sshds[link].address}: "

    def errors(self):
        return [e["error"] for e in self.daemon.inspect("t")["events"] if e["error"]]

    def wait_served(self):
        with client.connect(self.port, timeout=30) as held:
            client.ping(held)


@pytest.fixture
def way(lab):
    row = Row(*NAMES)
    lab.keep(row)
    with row.hosts[0]:
        yield Way(lab, row)


def test_the_server_is_out_of_sight_and_reached_all_the_same(way):
    daemon = way.up()
    for i in (2, 3):
        with pytest.raises(OSError) as seen, socket.socket() as sock:
            sock.settimeout(1)
            sock.connect((way.row.address(i), way.sshds[i - 1].port))
        assert seen.value.errno == errno.ENETUNREACH
    assert [h["state"] for h in daemon.tunnel("t")["hops"]] == ["up"] * 3
    payload = bytes(1 << 20)
    assert client.exchange(way.port, payload) == payload


@pytest.mark.parametrize("link", [0, 1, 2], ids=NAMES[1:])
@pytest.mark.parametrize("damage", ["black_hole", "cut"])
def test_a_link_that_breaks_under_a_session(way, damage, link):
    """Named is the first hop that cannot be heard, and the tunnel is back when the link is."""
    daemon = way.up()
    getattr(way.row, damage)(link)
    until(way.errors, build.limit(5), "it was noticed")
    first = way.errors()[0]
    assert first["message"].startswith(way.hop(link)), first
    assert first["code"] == "keepalive-timeout"
    daemon.wait_state("t", ("backoff", "connecting"), 5)
    {"black_hole": way.row.heal, "cut": way.row.mend}[damage](link)
    way.wait_served()
    daemon.wait_state("t", "up", 10)
    daemon.assert_no_stall()


@pytest.mark.parametrize("link", [0, 1, 2], ids=NAMES[1:])
def test_a_link_that_is_broken_from_the_start(way, link):
    way.row.black_hole(link)
    daemon = way.start()
    error = daemon.wait_state("t", "backoff", build.limit(5), code="timeout")["error"]
    assert error["message"].startswith(way.hop(link)), error
    assert "no answer within" in error["message"]
    way.row.heal(link)
    way.wait_served()
    daemon.wait_state("t", "up", 10)
    daemon.assert_no_stall()
