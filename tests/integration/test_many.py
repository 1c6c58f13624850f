"""Many tunnels to one server: up from cold without tripping its MaxStartups, cheap when idle."""

import pytest

from harness import build, client, proc
from harness.lab import local
from harness.wait import Stopwatch, settled, until


def many(lab, count, sshd, echo, start="always", **top):
    ports = {f"t{i:03}": lab.port() for i in range(count)}
    spec = {"host": sshd.address, "start": start}
    tunnels = {n: {**spec, "local": local(p, echo.port)} for n, p in ports.items()}
    return ports, lab.daemon(lab.config(tunnels, **top))


def test_200_tunnels_from_cold(lab):
    """Under 20 s with sshd's default MaxStartups (10:30:100), none of them dropped."""
    sshd, echo = lab.sshd(), lab.echo()
    with Stopwatch() as watch:
        ports, daemon = many(lab, 200, sshd, echo)
        daemon.wait_all("up", build.limit(20))
    assert watch.seconds < build.limit(20)
    assert "MaxStartups" not in sshd.log and "drop connection" not in sshd.log
    # Of the last ones sshd tells after it has told us.
    until(lambda: sshd.log.count("Accepted publickey") >= 200, 5, "all are in the log")
    assert sshd.log.count("Accepted publickey") == 200
    assert all(client.exchange(p) == b"hello" for p in list(ports.values())[::40])
    daemon.assert_no_stall()


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
def test_an_idle_tunnel_costs_at_most_60_kib(lab):
    """A further one, where there are some: what shaking hands took with many at a time, and reading the
    configuration, is not counted. What the supervisor knows of each, up or not, is in test_supervisor."""
    sshd, echo = lab.sshd(), lab.echo()
    ports, daemon = many(lab, 150, sshd, echo, start="manual", daemon={"workers": 1})
    names = list(ports)

    def private(count):
        daemon.call("Up", names=names[:count])
        until(lambda: daemon.status()["up"] == count, build.limit(30), f"{count} tunnels are up")
        pids = [daemon.pid] + daemon.workers()
        return settled(lambda: sum(map(proc.private_kib, pids)), 0.5, 20, "memory")

    few, lots = private(50), private(150)
    assert (lots - few) / 100 <= 60, f"{few} KiB with 50 tunnels, {lots} KiB with 150"


def test_100_tunnels_after_the_death_of_their_server(lab):
    sshd, echo = lab.sshd(), lab.echo()
    ports, daemon = many(lab, 100, sshd, echo)
    daemon.wait_all("up", build.limit(60))
    sshd.kill9()
    offset = len(sshd.log)
    sshd.start()
    daemon.wait_all("up", build.limit(60))
    assert "MaxStartups" not in sshd.log[offset:]
    assert client.exchange(ports["t050"]) == b"hello"


def test_tunnels_to_a_dead_server_do_not_delay_the_others(lab):
    """The limit of unfinished handshakes is one per server; a dead one holds a place for 20 s."""
    sshd, echo = lab.sshd(), lab.echo()
    silent = lab.server(lambda sock: sock.recv(1) and sock.recv(1 << 16))
    port = lab.port()
    tunnels = {
        f"dead{i:02}": {"host": f"127.0.0.1:{silent.port}", "local": local(lab.port(), 1)}
        for i in range(40)
    }
    tunnels["zz"] = {"host": sshd.address, "local": local(port, echo.port)}
    with Stopwatch() as watch:
        daemon = lab.daemon(lab.config(tunnels))
        daemon.wait_state("zz", "up")
    assert watch.seconds < build.limit(2)
