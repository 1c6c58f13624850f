"""Links that fail the way real ones do: silently, by carrier loss, by a firewall that forgot.
Every tunnel leads from the host `near` to the host `far`; the test itself is a user on `near`."""

import pytest
from hosts import Cable, why_not

from harness import build, client, keys
from harness.lab import local
from harness.wait import Stopwatch, holds, until

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(why_not()), reason=why_not() or "")]

KEEPALIVE = {"interval": "500ms", "count": 3}
NOTICED = 0.5 * 3 + 3


class Field:
    def __init__(self, lab, cable):
        self.lab, self.cable = lab, cable
        with cable.far:
            self.sshd = lab.sshd(host=cable.far.address)
            self.echo = lab.echo()
        self.port = lab.port()
        self.known_hosts = lab.write("kh", f"* {keys.public(lab.keys.host)}\n")

    def config(self, **tunnel):
        return self.lab.config(
            {"t": {"host": self.sshd.address, "local": local(self.port, self.echo.port), **tunnel}},
            {
                "known_hosts": [str(self.known_hosts)],
                "keepalive": KEEPALIVE,
                "connect_timeout": "3s",
            },
        )

    def up(self, **tunnel):
        daemon = self.lab.daemon(self.config(**tunnel))
        daemon.wait_state("t", "up")
        assert client.exchange(self.port) == b"hello"
        return daemon


@pytest.fixture
def field(lab):
    cable = Cable()
    lab.keep(cable)
    with cable.near:
        yield Field(lab, cable)


def codes(daemon):
    return [e["error"]["code"] for e in daemon.inspect("t")["events"] if e["error"]]


def test_a_black_hole_is_noticed_and_clients_are_served_after_it(field):
    daemon = field.up(hold="30s")
    field.cable.black_hole()
    with Stopwatch() as watch:
        daemon.wait_state("t", ("backoff", "connecting"), build.limit(NOTICED + 1))
    assert watch.seconds < build.limit(NOTICED)
    assert codes(daemon)[-1] == "keepalive-timeout"
    until(lambda: "timeout" in codes(daemon), 10, "connecting into the hole times out by name")
    with client.connect(field.port, timeout=20) as held:
        field.cable.heal()
        client.ping(held)
    daemon.assert_no_stall()


def test_a_short_black_hole_is_survived(field):
    """Shorter than interval x count: TCP repairs it, and no connection is lost."""
    daemon = field.up(keepalive={"interval": "1s", "count": 5})
    with client.connect(field.port, timeout=20) as sock:
        client.ping(sock)
        field.cable.black_hole()
        sock.sendall(b"over the gap")
        holds(lambda: daemon.tunnel("t")["state"] == "up", 1.5, "the tunnel stays up")
        field.cable.heal()
        assert client.read_exactly(sock, 12) == b"over the gap"


def test_a_cut_and_mended_cable(field):
    daemon = field.up()
    field.cable.cut()
    with Stopwatch() as watch:
        daemon.wait_state("t", ("backoff", "connecting"), build.limit(NOTICED + 1))
    assert watch.seconds < build.limit(NOTICED)
    with client.connect(field.port, timeout=20) as held:
        field.cable.mend()
        client.ping(held)


def test_a_firewall_that_answers_with_reset(field):
    daemon = field.up()
    field.cable.answer_with_reset(field.sshd.port)
    daemon.wait_state("t", "backoff", 5)
    until(lambda: "connection-lost" in codes(daemon), 3, "the loss is named")
    until(lambda: "connection-refused" in codes(daemon), 5, "the refusals are named")
    field.cable.heal()
    daemon.ctl("up", "t", check=0)
    assert client.exchange(field.port) == b"hello"


def test_no_route(field):
    field.cable.near.ip("route", "add", "unreachable", "10.88.0.0/24")
    daemon = field.lab.daemon(field.config(host="10.88.0.1"))
    row = daemon.wait_state("t", "backoff", 5, code="host-unreachable")
    assert "10.88.0.1:22" in row["error"]["message"]


def test_nobody_at_that_address(field):
    """No answer to ARP: the kernel says so after a few seconds."""
    daemon = field.lab.daemon(field.config(host="10.77.0.9", connect_timeout="15s"))
    daemon.wait_state("t", "backoff", 12, code="host-unreachable")


def test_a_dead_ipv6_does_not_delay_a_living_ipv4(field):
    """Happy eyeballs: the AAAA address leads into a black hole."""
    field.cable.black_hole("ip6")
    field.lab.write(
        "hosts",
        f"{field.cable.far.address6} dual.test\n{field.cable.far.address} dual.test\n",
        0o644,
    )
    config = field.config(host=f"dual.test:{field.sshd.port}", connect_timeout="20s")
    daemon = field.lab.daemon(config, start=False)
    daemon.prefix = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f"mount --bind {field.lab.path('hosts')} /etc/hosts && exec \"$@\"",
        "sh",
    ]
    with Stopwatch() as watch:
        daemon.start()
        daemon.wait_state("t", "up")
    assert watch.seconds < build.limit(4)
    assert client.exchange(field.port) == b"hello"
    assert daemon.inspect("t")["session"]["address"] == field.sshd.address


def test_a_slow_full_link_is_not_a_dead_one(field):
    """An upload fills 8 Mbit/s and its queues; keepalives are late, but bytes arrive."""
    daemon = field.up(keepalive={"interval": "1s", "count": 3})
    field.cable.narrow(8000)
    with client.connect(field.port) as sock:
        sock.settimeout(0.05)

        def busy():
            for action in (lambda: sock.send(b"x" * 65536), lambda: sock.recv(65536)):
                try:
                    action()
                except TimeoutError:
                    pass
            return daemon.tunnel("t")["state"] == "up"

        holds(busy, 6, "the tunnel is up", 0.001)


def test_an_address_that_goes_and_comes_back(field):
    """The far host loses its address and gets it back, as by a DHCP server that was away."""
    daemon = field.up()
    field.cable.far.ip("addr", "del", f"{field.cable.far.address}/24", "dev", "eth0")
    daemon.wait_state("t", ("backoff", "connecting"), build.limit(NOTICED + 1))
    field.cable.far.ip("addr", "add", f"{field.cable.far.address}/24", "dev", "eth0")
    client.wait_served(field.port, 10)


def test_a_new_network_ends_a_long_wait(field):
    """The cable is plugged in again: no need to wait out what was chosen for the dead network."""
    field.cable.near.ip("link", "set", "eth0", "down")
    daemon = field.lab.daemon(field.config(reconnect={"min": "50s", "max": "60s"}))
    until(lambda: (daemon.tunnel("t")["retry_in_ms"] or 0) > 10000, 10, "a long wait")
    field.cable.near.ip("link", "set", "eth0", "up")
    with Stopwatch() as watch:
        daemon.wait_state("t", "up", 15)
    assert watch.seconds < build.limit(8)
    assert client.exchange(field.port) == b"hello"


def test_a_prolonged_address_is_no_new_network(field):
    """Routers prolong addresses every few seconds; only a new one ends the wait."""
    near = field.cable.near
    nobody = f"{field.cable.far.address}:1"
    until(lambda: not near.is_checking_addresses(), 10, "the addresses are there to stay")
    daemon = field.lab.daemon(field.config(host=nobody, reconnect={"min": "50s", "max": "60s"}))

    def waits(ms):
        return (daemon.tunnel("t")["retry_in_ms"] or 0) > ms

    until(lambda: waits(10000), 10, "a long wait")
    for address in (f"{near.address}/24", f"{near.address6}/64"):
        lifetimes = ("valid_lft", "1000", "preferred_lft", "500")
        near.ip("addr", "change", address, "dev", "eth0", *lifetimes)
    holds(lambda: waits(5000), 2.5, "it waits")

    def tries():
        return [e["state"] for e in daemon.inspect("t")["events"]].count("connecting")

    before = tries()
    near.ip("addr", "add", "10.77.1.1/24", "dev", "eth0")
    until(lambda: tries() > before, 5, "the wait has ended")  # and the next one may have begun
