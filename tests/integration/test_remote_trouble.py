"""Remote forwards that a server refuses, ignores or has already given away: the reason is told apart,
the session stays, that forward alone is tried again."""

import asyncio
import signal
import threading

import asyncssh
import pytest

from harness import build, client, peers, proc
from harness.lab import local, remote
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, holds, until


class Pair:
    """A tunnel with one local forward, which must always work, and one remote."""

    def __init__(self, lab, host, port=None, **tunnel):
        self.lab, self.echo = lab, lab.echo()
        self.local, self.remote = lab.port(), port or lab.port()
        spec = {
            "host": host,
            "local": local(self.local, self.echo.port),
            "remote": remote(self.remote, self.echo.port),
            **tunnel,
        }
        self.daemon = lab.daemon(lab.config({"t": spec}))

    def forward(self):
        return next(f for f in self.daemon.tunnel("t")["forwards"] if f["type"] == "remote")

    def wait_failed(self, code, seconds=10):
        """The remote one has failed with this slug; the local one carries. Returns the message."""

        def check():
            found = self.forward()
            assert found["state"] == "failed" and found["error"]["code"] == code, found
            return found["error"]["message"]

        message = until(check, seconds, f"the remote forward has failed with {code}")
        self.daemon.wait_state("t", "degraded", 5)
        assert client.exchange(self.local) == b"hello"
        assert is_one_harmless_line(message) and str(self.remote) in message
        return message

    def wait_open(self, seconds):
        until(lambda: self.forward()["state"] == "open", seconds, "the remote forward is open")
        assert client.exchange(self.remote) == b"hello"
        assert not self.forward()["error"]
        self.daemon.wait_state("t", "up", 5)


# -- why -------------------------------------------------------------------------------------------

NOT_PERMITTED = [
    {"AllowTcpForwarding": "local"},
    {"PermitListen": "127.0.0.1:1"},
    {"PermitListen": "none"},
]


@pytest.mark.parametrize("options", NOT_PERMITTED, ids=lambda o: " ".join([*o, *o.values()]))
def test_not_permitted(lab, options):
    sshd = lab.sshd(**options)
    pair = Pair(lab, sshd.address)
    message = pair.wait_failed("forward-refused")
    assert "AllowTcpForwarding" in message and "PermitListen" in message
    assert len(sshd.sessions()) == 1


def test_not_permitted_at_all(lab):
    sshd, echo, port = lab.sshd(AllowTcpForwarding="no"), lab.echo(), lab.port()
    daemon = lab.daemon(
        lab.config({"t": {"host": sshd.address, "remote": remote(port, echo.port)}})
    )
    row = daemon.wait_state("t", "degraded")
    assert row["forwards"][0]["error"]["code"] == "forward-refused"
    assert "AllowTcpForwarding" in row["forwards"][0]["error"]["message"]
    result = daemon.ctl("up", "t", check=1)
    assert "AllowTcpForwarding" in result.stdout + result.stderr


def test_in_use_by_someone_else(lab):
    sshd, port = lab.sshd(), lab.port()
    taken = lab.server(peers.hold, port=port)
    pair = Pair(lab, sshd.address, port)
    message = pair.wait_failed("forward-in-use")
    assert "choose another" in message or "stop" in message
    before = sshd.sessions()
    taken.close()
    pair.wait_open(build.limit(8))  # tried again after 2 to 5 s at first
    assert sshd.sessions() == before, "the session was given up for one forward"


def test_only_the_refused_one_is_tried_again(lab):
    """Open connections of the others go on."""
    sshd, port = lab.sshd(), lab.port()
    taken = lab.server(peers.hold, port=port)
    pair = Pair(lab, sshd.address, port)
    pair.wait_failed("forward-in-use")
    with client.connect(pair.local) as held:
        client.ping(held)
        accepted = sshd.log.count("cannot listen")
        until(lambda: sshd.log.count("cannot listen") > accepted, 15, "it is tried again")
        client.ping(held)
        taken.close()
        pair.wait_open(build.limit(15))
        client.ping(held)


def test_tries_back_off(lab):
    sshd = lab.sshd(AllowTcpForwarding="local")
    pair = Pair(lab, sshd.address)
    pair.wait_failed("forward-refused")
    refused = sshd.log.count("tcpip-forward") + sshd.log.count("forwarding request")
    holds(lambda: pair.daemon.tunnel("t")["state"] == "degraded", 3, "it stays degraded", 0.2)
    assert sshd.log.count("tcpip-forward") + sshd.log.count("forwarding request") <= refused + 4


def test_two_tunnels_want_the_same_port(lab):
    """The one that is late says so, and takes over when the other is stopped."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = {"host": sshd.address, "remote": remote(port, echo.port)}
    daemon = lab.daemon(lab.config({"a": spec, "b": {**spec, "start": "manual"}}))
    daemon.wait_state("a", "up")
    daemon.ctl("up", "b", check=1)
    error = daemon.forward("b")["error"]
    assert error["code"] in ("forward-in-use", "forward-held-by-old-session")
    daemon.ctl("down", "a", check=0)
    daemon.wait_state("b", "up", build.limit(8))
    assert client.exchange(port) == b"hello"


def test_exit_on_forward_failure(lab):
    """ssh's behaviour: a forward that cannot be set up ends the attempt."""
    sshd, port = lab.sshd(), lab.port()
    taken = lab.server(peers.hold, port=port)
    pair = Pair(lab, sshd.address, port, exit_on_forward_failure="yes", hold=0)
    row = pair.daemon.wait_state("t", "backoff")
    assert row["error"]["code"] == "forward-in-use" and str(port) in row["error"]["message"]
    until(lambda: not sshd.sessions() or None, 10, "the session is given up")
    taken.close()
    pair.daemon.wait_state("t", "up", 30)
    assert client.exchange(port) == b"hello"


def test_exit_on_forward_failure_of_a_local_port(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    taken = lab.echo(port=port)
    spec = {"host": sshd.address, "local": local(port, echo.port), "exit_on_forward_failure": "yes"}
    daemon = lab.daemon(lab.config({"t": spec}))
    row = daemon.wait_state("t", "backoff")
    assert row["error"]["code"] == "port-in-use"
    taken.close()
    daemon.wait_state("t", "up", 30)


# -- servers that do not play by the rules ---------------------------------------------------------


def test_a_server_that_never_answers(lab):
    server = lab.asyncssh(never_opens_forwards=True)
    pair = Pair(lab, server.address, connect_timeout="5s")
    client.wait_served(pair.local, build.limit(10))
    message = pair.wait_failed("timeout", build.limit(10))
    assert "answer" in message
    assert server.connections == 1, "the session was given up"
    holds(lambda: client.is_served(pair.local), 2, "the local forward works", 0.1)
    pair.daemon.assert_no_stall()


def test_a_server_that_ignores_all_requests(lab):
    """No answer to anything, not even to the keepalive: dead, and said so."""
    server = lab.asyncssh(ignore_global_requests=True)
    pair = Pair(lab, server.address, keepalive={"interval": "500ms", "count": 3})

    def codes():
        return {e["error"]["code"] for e in pair.daemon.inspect("t")["events"] if e["error"]}

    until(lambda: codes() & {"keepalive-timeout", "timeout"}, build.limit(30), "noticed")
    pair.daemon.assert_no_stall()


def test_a_late_refusal_is_judged(lab):
    """After the time in which a server has to answer: what it says then counts."""
    may_answer = threading.Event()

    async def refuse():
        while not may_answer.is_set():
            await asyncio.sleep(0.02)
        return False

    server = lab.asyncssh(answers_forward=refuse)
    pair = Pair(lab, server.address)
    pair.wait_failed("timeout", build.limit(10))
    may_answer.set()
    pair.wait_failed("forward-refused", build.limit(5))
    assert server.connections == 1


def test_many_forwards_at_a_slow_server(lab):
    """Each is answered in time, all of them together take longer than one may: none has failed, and
    nobody reconnects for it."""

    async def grant_slowly():
        await asyncio.sleep(0.28)
        return True

    server, echo = lab.asyncssh(answers_forward=grant_slowly), lab.echo()
    tunnels = {"a": {}, "b": {"exit_on_forward_failure": "yes"}}
    for spec in tunnels.values():
        spec["host"] = server.address
        spec["remote"] = [remote(lab.port(), echo.port) for _ in range(20)]
    daemon = lab.daemon(lab.config(tunnels))
    with Stopwatch() as watch:
        daemon.wait_all("up", build.limit(20))
    assert watch.seconds > 5.2, "the server was not slow enough to prove anything"
    for name in tunnels:
        told = daemon.inspect(name)
        assert not any(e["error"] for e in told["events"]), told["events"]
        assert all(f["state"] == "open" for f in daemon.tunnel(name)["forwards"])
    assert server.connections == 2
    assert "degraded" not in daemon.log


ROGUE = {
    "another port": lambda c: c.open_connection("127.0.0.1", 1, "1.2.3.4", 5),
    "an agent": lambda c: c.open_agent_connection(),
    "a unix socket": lambda c: c.open_unix_connection("/run/x.sock"),
}


@pytest.mark.parametrize("kind", ROGUE)
@pytest.mark.parametrize("has_remote", [True, False])
def test_channels_nobody_asked_for_are_refused(lab, kind, has_remote):
    server, echo, port = lab.asyncssh(), lab.echo(), lab.port()
    spec = {"host": server.address, "local": local(port, echo.port)}
    if has_remote:
        spec["remote"] = remote(lab.port(), echo.port)
    daemon = lab.up({"t": spec})
    sockets = proc.sockets(daemon.workers()[0])
    for _ in range(20):
        with pytest.raises(asyncssh.ChannelOpenError):
            server.run(ROGUE[kind])
    assert client.exchange(port) == b"hello"
    assert server.connections == 1
    until(lambda: len(proc.sockets(daemon.workers()[0])) <= len(sockets), 5, "no descriptor left")
    assert echo.accepted == 1


def test_a_flood_of_incoming_channels_is_bounded(lab):
    """The server opens channels without end to a target that does not answer."""
    server, echo, port, far = lab.asyncssh(), lab.echo(), lab.port(), lab.port()
    spec = {
        "host": server.address,
        "local": local(port, echo.port),
        "remote": {"listen": f"127.0.0.1:{far}", "target": f"127.0.0.1:{echo.port}"},
    }
    spec["remote"]["max_connections"] = 10
    daemon = lab.up({"t": spec})

    async def flood(connection):
        opens = [connection.open_connection("127.0.0.1", far, "1.2.3.4", 5) for _ in range(100)]
        results = await asyncio.gather(*opens, return_exceptions=True)
        return sum(not isinstance(r, Exception) for r in results)

    assert server.run(flood, 30) <= 10
    assert client.exchange(port) == b"hello"
    assert daemon.tunnel("t")["state"] == "up"


# -- ghosts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("death", ["black hole", "worker killed", "daemon killed"])
def test_a_ghost_is_retaken_as_soon_as_the_server_drops_it(lab, death):
    """The session is black-holed and ours is gone: the server keeps its listener until it finds out.
    Then it is ours within 3 s, in the session that is waiting for it."""
    sshd = lab.sshd()
    link = lab.proxy(sshd.port)
    pair = Pair(lab, link.address, keepalive={"interval": "300ms", "count": 6})
    pair.wait_open(10)
    old = sshd.sessions()
    link.strand()
    if death == "worker killed":
        proc.send(pair.daemon.workers()[0], signal.SIGKILL)
    elif death == "daemon killed":
        for pid in pair.daemon.kill9():
            proc.send(pid, signal.SIGKILL)
        pair.daemon.start()
    if death == "daemon killed":  # the new one has not been here before
        until(lambda: pair.forward()["state"] == "failed", 20, "it is refused")
    else:
        message = pair.wait_failed("forward-held-by-old-session", build.limit(20))
        assert "ClientAliveInterval" in message
    new = sshd.sessions() - old
    assert len(new) == 1
    until(lambda: sshd.log.count("cannot listen") >= 2, 30, "it has been tried more than once")
    link.give_up_stranded()
    until(lambda: not sshd.sessions() & old or None, 5, "the server has dropped the old session")
    with Stopwatch() as watch:
        pair.wait_open(build.limit(4))
    assert watch.seconds < build.limit(3)
    assert sshd.sessions() == new, "there was a reconnect in between"
