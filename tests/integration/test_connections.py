"""Single connections: listed, ended, limited, and what of TCP is passed on."""

import contextlib
import datetime
import subprocess
import time

import asyncssh
import pytest

from harness import build, client, peers, proc, socks
from harness.lab import local, remote
from harness.wait import Stopwatch, holds, settled, until


def connections(daemon, *names):
    return daemon.call("Connections", **({"names": list(names)} if names else {}))["connections"]


def only(daemon):
    (one,) = until(lambda: connections(daemon), 5, "a connection")
    return one


# -- listed ----------------------------------------------------------------------------------------


def test_what_is_said_of_a_connection(simple):
    with simple.connect() as sock:
        client.ping(sock, b"x" * 1000)
        one = until(lambda: (c := only(simple.daemon))["bytes_in"] == 1000 and c, 5, "counted")
        assert one["tunnel"] == "t" and one["state"] == "open"
        assert one["forward"] == f"local:127.0.0.1:{simple.port}"
        assert one["from"] == "127.0.0.1:%d" % sock.getsockname()[1]
        assert one["to"] == f"127.0.0.1:{simple.echo.port}"
        assert one["bytes_out"] == 1000
        since = datetime.datetime.fromisoformat(one["since"].replace("Z", "+00:00"))
        age = datetime.datetime.now(datetime.timezone.utc) - since
        assert datetime.timedelta(0) <= age < datetime.timedelta(seconds=30)
        generation, _, number = one["id"].partition("-")
        assert generation.isdigit() and number.isdigit()
        before = one["idle_ms"]
        until(lambda: only(simple.daemon)["idle_ms"] > before + 300, 5, "idle time grows")

        def starts_again():
            client.ping(sock)
            return only(simple.daemon)["idle_ms"] < before + 300

        until(starts_again, 5, "it starts again")
    until(lambda: not connections(simple.daemon), 5, "it is gone")


def test_a_table_for_people_and_json_for_programs(simple):
    with simple.connect() as sock:
        client.ping(sock)
        (one,) = simple.daemon.ctl_json("connections")
        text = simple.daemon.ctl("connections", "t", check=0).stdout
        for word in (one["id"], one["from"], one["to"]):
            assert word in text
        simple.daemon.ctl("connections", "nobody", check=3)


def test_each_kind_says_where_it_comes_from_and_goes(lab):
    sshd, echo = lab.sshd(), lab.echo()
    far, proxy, back = lab.port(), lab.port(), lab.port()
    spec = {
        "host": sshd.address,
        "remote": [remote(far, echo.port), {"listen": back, "allow": "any", "name": "back"}],
        "dynamic": {"listen": proxy, "name": "proxy"},
    }
    daemon = lab.up({"t": spec})
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(client.connect(far))
        client.ping(plain)
        for port in (proxy, back):
            sock, _ = socks.open5(port, "localhost", echo.port)
            client.ping(stack.enter_context(sock))
        stack.enter_context(client.connect(proxy))  # says nothing yet
        until(lambda: len(connections(daemon)) == 4, 5, "all are listed")
        found = {(c["forward"], c["state"]): c for c in connections(daemon)}
        assert found["back", "open"]["to"] == f"localhost:{echo.port}"
        assert found["proxy", "open"]["to"] == f"localhost:{echo.port}"
        assert found["proxy", "handshake"]["to"] == ""
        one = found[f"remote:127.0.0.1:{far}", "open"]
        assert one["from"] == "127.0.0.1:%d" % plain.getsockname()[1]
        assert one["to"] == f"127.0.0.1:{echo.port}"


def test_a_thousand_are_listed(lab):
    """More than fits into one packet of the worker or one answer; each once, by name."""
    sshd, echo, one, two = lab.sshd(), lab.echo(), lab.port(), lab.port()
    spec = {"host": sshd.address}
    daemon = lab.up(
        {
            "a": {**spec, "local": local(one, echo.port)},
            "b": {**spec, "local": local(two, echo.port)},
        }
    )
    with contextlib.ExitStack() as stack:
        for i in range(300):
            client.ping(stack.enter_context(client.connect(one if i % 3 else two)))
        ids = [c["id"] for c in connections(daemon)]
        assert len(ids) == len(set(ids)) == 300
        assert len(connections(daemon, "a")) == 200 and len(connections(daemon, "b")) == 100
        assert len(daemon.ctl_json("connections", "a")) == 200
        daemon.assert_no_stall()


# -- ended -----------------------------------------------------------------------------------------


def test_kill(simple):
    """Both ends hear a reset or an end at once; the others go on; a second time it is not there."""
    with simple.connect() as victim, simple.connect() as other:
        client.ping(victim)
        client.ping(other)
        name = "127.0.0.1:%d" % victim.getsockname()[1]
        one = next(c for c in connections(simple.daemon) if c["from"] == name)
        simple.daemon.ctl("kill", one["id"], check=0)
        assert client.how_it_ends(victim) == "reset"
        client.ping(other)
        until(lambda: simple.echo.open_count() == 1, 5, "the far end has heard")
        until(lambda: len(connections(simple.daemon)) == 1, 5, "it is listed no more")
        result = simple.daemon.ctl("kill", one["id"], check=1)
        assert one["id"] in result.stderr


def test_kill_several(simple):
    with contextlib.ExitStack() as stack:
        socks_ = [stack.enter_context(simple.connect()) for _ in range(3)]
        for sock in socks_:
            client.ping(sock)
        simple.daemon.ctl("kill", *[c["id"] for c in connections(simple.daemon)], check=0)
        assert [client.how_it_ends(sock) for sock in socks_] == ["reset"] * 3


@pytest.mark.parametrize(
    "name", ["", "x", "1", "1-", "-1", "1-2-3", "9" * 30 + "-1", "0-0", "999-1"]
)
def test_kill_of_what_is_not_there(simple, name):
    result = simple.daemon.ctl("kill", "--", name)
    assert result.returncode in (1, 2) and result.stderr


def test_an_id_is_not_given_again_after_the_worker_died(simple):
    with simple.connect() as sock:
        client.ping(sock)
        old = only(simple.daemon)["id"]
        proc.send(simple.daemon.workers()[0], 9)
        client.wait_served(simple.port, 10)
    with simple.connect() as sock:
        client.ping(sock)
        assert old not in [c["id"] for c in connections(simple.daemon)]
        simple.daemon.ctl("kill", old, check=1)
        client.ping(sock)


# -- limited ---------------------------------------------------------------------------------------


def limited(lab, kind, **limit):
    """(daemon, port, echo): a forward of this kind with a limit."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = {"listen": f"127.0.0.1:{port}", "target": f"127.0.0.1:{echo.port}", **limit}
    return lab.up({"t": {"host": sshd.address, kind: spec}}), port, echo


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_max_connections(lab, kind):
    """Never more than two reach the target; whoever comes then waits or is turned away; there is
    room again when one leaves."""
    daemon, port, echo = limited(lab, kind, max_connections=2)
    with client.connect(port) as one, client.connect(port) as two:
        client.ping(one)
        client.ping(two)
        with client.connect(port) as three:
            three.settimeout(1)
            with contextlib.suppress(OSError):
                three.sendall(b"me too")
            assert client.how_it_ends(three) in ("open", "eof", "reset")
        assert echo.open_count() == 2 and daemon.forward("t")["connections"] <= 2
        client.ping(one)
        client.ping(two)
    client.wait_served(port, 5)
    assert daemon.tunnel("t")["state"] == "up"


def test_max_connections_of_a_dynamic_forward(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = {"listen": f"127.0.0.1:{port}", "max_connections": 2}
    daemon = lab.up({"t": {"host": sshd.address, "dynamic": spec}})
    held = [socks.open5(port, "127.0.0.1", echo.port)[0] for _ in range(2)]
    with client.connect(port) as late:
        late.settimeout(1)
        with contextlib.suppress(OSError):
            late.sendall(socks.greeting5(0) + socks.request5("127.0.0.1", echo.port))
        client.how_it_ends(late)
    assert echo.open_count() == 2 and daemon.forward("t")["connections"] <= 2
    for sock in held:
        client.ping(sock)
        sock.close()
    until(lambda: socks.open5(port, "127.0.0.1", echo.port)[1] == 0, 5, "there is room again")


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_idle_timeout(lab, kind):
    """Silence ends a connection, one that speaks in either direction lives."""
    daemon, port, echo = limited(lab, kind, idle_timeout="3s")
    with client.connect(port) as quiet, client.connect(port) as busy:
        client.ping(busy)
        with Stopwatch() as watch:
            client.ping(quiet)
            quiet.settimeout(0.2)
            while client.how_it_ends(quiet) == "open":
                client.ping(busy)
                assert watch.elapsed() < build.limit(8)
        assert watch.seconds > 2.9
        client.ping(busy)
    until(lambda: echo.open_count() == 0, 5, "the far ends have heard")
    until(lambda: daemon.forward("t")["connections"] == 0, 5, "none is counted")


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
@pytest.mark.parametrize("kind", ["local", "remote", "dynamic"])
def test_a_hundred_that_do_not_read(lab, kind):
    """What waits for them stays at the server, and others are not slower for it."""

    mebibyte = bytes(1 << 20)

    def pour(sock):
        while True:
            sock.sendall(mebibyte)

    sshd, echo, flood = lab.sshd(), lab.echo(), lab.server(pour)
    port, beside = lab.port(), lab.port()
    spec = {
        "local": [local(beside, echo.port), local(port, flood.port)],
        "remote": [remote(beside, echo.port), remote(port, flood.port)],
        "dynamic": f"127.0.0.1:{port}",
    }
    daemon = lab.up({"t": {"host": sshd.address, kind: spec[kind]}})
    before = proc.memory_kib(daemon.workers()[0])

    def visit(target):
        if kind == "dynamic":
            return socks.open5(port, "127.0.0.1", target.port)[0]
        return client.connect(beside if target is echo else port)

    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(visit(flood)).recv(1)
        settled(
            lambda: daemon.tunnel("t")["bytes_in" if kind != "remote" else "bytes_out"],
            1.5,
            60,
            "the flow",
        )
        with visit(echo) as sock, Stopwatch() as watch:
            for _ in range(20):
                client.ping(sock)
        assert watch.seconds < build.limit(1)
        assert proc.memory_kib(daemon.workers()[0]) - before < 100 * 4096


# -- descriptors -----------------------------------------------------------------------------------


def set_limit(pid, count):
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={count}:"], check=True)


@pytest.mark.parametrize("kind", ["local", "dynamic", "remote"])
def test_no_descriptor_left(lab, kind):
    """Accepting pauses without a busy loop, what is open goes on, and it recovers."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = {
        "local": local(port, echo.port),
        "remote": remote(port, echo.port),
        "dynamic": f"127.0.0.1:{port}",
    }
    daemon = lab.up({"t": {"host": sshd.address, kind: spec[kind]}})
    worker = daemon.workers()[0]
    first = (
        socks.open5(port, "127.0.0.1", echo.port)[0] if kind == "dynamic" else client.connect(port)
    )
    with contextlib.ExitStack() as stack, first:
        client.ping(first)
        set_limit(worker, proc.fd_count(worker) + 5)
        for _ in range(60):
            stack.enter_context(client.connect(port))
        time.sleep(0.3)
        before = proc.cpu_seconds(worker)
        with Stopwatch() as watch:
            while watch.elapsed() < 1.5:
                client.ping(first)
                time.sleep(0.05)
        assert proc.cpu_seconds(worker) - before < 0.5
        assert daemon.tunnel("t")["state"] == "up"
        assert daemon.log.count("cannot accept") <= 2
        set_limit(worker, 4096)
    if kind == "dynamic":
        until(lambda: socks.open5(port, "127.0.0.1", echo.port)[1] == 0, 10, "it recovers")
    else:
        client.wait_served(port, 10)


# -- what of TCP is passed on ----------------------------------------------------------------------


class Channel(asyncssh.SSHTCPSession):
    """The far end of a direct-tcpip channel: ends as it is told."""

    def connection_made(self, chan):
        self.chan = chan

    def data_received(self, data, datatype):
        self.chan.write(b"last words")
        (self.chan.abort if data == b"close" else self.chan.write_eof)()

    def eof_received(self):
        return True


@pytest.fixture
def channel(lab):
    server, port = lab.asyncssh(channel_session=Channel), lab.port()
    lab.up({"t": {"host": server.address, "local": local(port, 1)}})
    return port


def test_a_channel_closed_without_an_end_is_an_end(channel):
    """As with ssh: servers written with Go's library close without a word after the last byte, and
    a reset might take that byte away."""
    with client.connect(channel) as sock:
        sock.sendall(b"close")
        assert client.read_all(sock) == b"last words"


def test_an_end_is_an_end_here(channel):
    with client.connect(channel) as sock:
        sock.sendall(b"end")
        assert client.read_all(sock) == b"last words"


def test_a_target_of_ours_that_resets(lab):
    """Remote forwards: what the server hears of it is the same as with ssh, an end without loss of
    others."""

    def handler(sock):
        sock.recv(5)
        peers.reset(sock)

    sshd, port = lab.sshd(), lab.port()
    server = lab.server(handler)
    daemon = lab.up({"t": {"host": sshd.address, "remote": remote(port, server.port)}})
    with client.connect(port) as sock:
        sock.sendall(b"hello")
        assert client.how_it_ends(sock) in ("eof", "reset")
    until(lambda: daemon.forward("t")["connections"] == 0, 5, "none is left")


@pytest.mark.parametrize("kind", ["local", "remote", "dynamic"])
def test_what_is_cut_is_no_clean_end(lab, kind):
    """The session is lost in the middle: a client must not take it for the end of the data."""
    sshd, port = lab.sshd(), lab.port()
    half = lab.server(lambda sock: (sock.sendall(b"half"), peers.hold(sock)))
    link = lab.proxy(sshd.port)
    spec = {
        "local": local(port, half.port),
        "remote": remote(port, half.port),
        "dynamic": f"127.0.0.1:{port}",
    }
    lab.up({"t": {"host": link.address, kind: spec[kind]}})
    if kind == "dynamic":
        sock, _ = socks.open5(port, "127.0.0.1", half.port)
    else:
        sock = client.connect(port)
    with sock:
        assert client.read_exactly(sock, 4) == b"half"
        link.cut()
        # what the server's sshd tells its own clients is not ours to say
        assert client.how_it_ends(sock) in (("eof", "reset") if kind == "remote" else ("reset",))


def tcp_options(pid, port):
    """`ss` about the sockets a process accepted on port: text with its timers."""

    out = subprocess.run(
        ["ss", "-Htnoip", f"sport = :{port}"], capture_output=True, text=True, check=True
    )
    return [line for line in out.stdout.splitlines() if f"pid={pid}," in line]


def test_keepalive_on_accepted_sockets(simple):
    """A client whose machine vanished is noticed one day."""
    with simple.connect() as sock:
        client.ping(sock)
        (line,) = tcp_options(simple.daemon.workers()[0], simple.port)
        assert "timer:(keepalive" in line


def seconds_of_asking_twice(port):
    with client.connect(port) as sock, Stopwatch() as watch:
        for _ in range(20):
            sock.sendall(b"a")
            sock.sendall(b"b")
            assert client.read_exactly(sock, 2) == b"ok"
    return watch.seconds


def test_small_messages_are_not_held_back(lab):
    """TCP_NODELAY on both sides: a write-write-read is not slowed by Nagle and delayed ACKs."""

    def answer_two(sock):
        with contextlib.suppress(AssertionError):  # the end
            while client.read_exactly(sock, 2):
                sock.sendall(b"ok")

    sshd, port, far = lab.sshd(), lab.port(), lab.port()
    server = lab.server(answer_two)
    spec = {"local": local(port, server.port), "remote": remote(far, server.port)}
    lab.up({"t": {"host": sshd.address, **spec}})
    for one in (port, far):
        # What is held back is held back every time; a busy machine is not always that slow.
        quickest = min(seconds_of_asking_twice(one) for _ in range(5))
        assert quickest < build.limit(0.6), "40 ms of a delayed ACK each time"


def test_max_connections_holds_for_many(lab):
    daemon, port, echo = limited(lab, "local", max_connections=5)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(client.connect(port)).sendall(b"x")
        until(lambda: echo.open_count() == 5, 5, "five are in")
        holds(lambda: echo.open_count() <= 5, 0.5, "no more than five")
    client.wait_served(port, 10)
