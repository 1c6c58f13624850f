"""Remote forwards: the server listens, its clients reach what we can reach. Addresses, ports chosen
by the server and kept, many on one session, and a server that never hears of us twice."""

import hashlib
import os
import re
import signal
import socket

import pytest

from harness import build, client, peers, proc
from harness.lab import local, remote
from harness.ports import has_ipv6, own_address
from harness.wait import Stopwatch, until

MIB = 1 << 20


def tunnel_from(lab, server, sshd=None, **tunnel):
    """(sshd, port, daemon): port on the server leads to server, which is beside us."""
    sshd, port = sshd or lab.sshd(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "remote": remote(port, server.port), **tunnel}})
    return sshd, port, daemon


def bound_port(daemon, index=0):
    """Where the server listens, as the forward's `listen` says."""
    return int(daemon.forward("t", index)["listen"].rpartition(":")[2])


# -- data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 32768, 48 * MIB])
def test_download_arrives_whole(lab, size):
    payload = os.urandom(size)
    _, port, _ = tunnel_from(lab, lab.server(peers.source(payload)))
    with client.connect(port, timeout=30) as sock:
        assert client.read_all(sock) == payload


def test_upload_arrives_whole(lab):
    payload, sink = os.urandom(48 * MIB), peers.Sink(reply=b"thanks")
    _, port, _ = tunnel_from(lab, lab.server(sink))
    with client.connect(port, timeout=30) as sock:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        wanted = (len(payload), hashlib.sha256(payload).hexdigest(), "eof")
        assert sink.results.get(timeout=30) == wanted
        assert client.read_all(sock) == b"thanks"


def test_both_ways_at_once(lab):
    payload = os.urandom(16 * MIB)
    _, port, _ = tunnel_from(lab, lab.echo())
    assert client.exchange(port, payload, timeout=60) == payload


def test_target_ends_its_half_and_still_hears(lab):
    heard = peers.Sink()

    def greet_then_listen(sock):
        sock.sendall(b"greeting")
        sock.shutdown(socket.SHUT_WR)
        heard(sock)

    _, port, _ = tunnel_from(lab, lab.server(greet_then_listen))
    with client.connect(port) as sock:
        assert client.read_all(sock) == b"greeting"
        sock.sendall(b"x" * MIB)
        sock.shutdown(socket.SHUT_WR)
        assert heard.results.get(timeout=10)[::2] == (MIB, "eof")


def test_a_target_that_refuses_ends_the_visit_and_says_so(lab):
    """The server has accepted already; what is left is to end it, and to remember why."""
    sshd, port, free = lab.sshd(), lab.port(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "remote": remote(port, free)}})
    assert client.how_a_visit_ends(port) in ("eof", "reset")
    forward = until(lambda: (f := daemon.forward("t"))["error"] and f, 5, "the error is told")
    assert forward["error"]["code"] in ("connection-refused", "target-unreachable")
    assert str(free) in forward["error"]["message"]
    echo = lab.echo(port=free)
    client.wait_served(port, 5)
    assert echo.accepted
    assert until(lambda: not daemon.forward("t")["error"], 5, "the error is disproved")


def test_two_hundred_at_once_are_counted(lab):
    _, port, daemon = tunnel_from(lab, lab.echo())
    worker = daemon.workers()[0]
    before = len(proc.sockets(worker))
    socks = [client.connect(port) for _ in range(200)]
    for sock in socks:
        client.ping(sock)
    until(lambda: daemon.forward("t")["connections"] == 200, 5, "all are counted")
    for sock in socks:
        sock.close()
    until(lambda: daemon.forward("t")["connections"] == 0, 10, "all are gone")
    until(lambda: len(proc.sockets(worker)) <= before, 5, "no descriptor is left")
    assert daemon.forward("t")["connections_total"] == 200


# -- addresses -------------------------------------------------------------------------------------

LOOPBACK, EVERYWHERE = ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]
BINDS = {
    "": EVERYWHERE,
    "*": EVERYWHERE,
    "0.0.0.0": EVERYWHERE,
    "localhost": LOOPBACK,
    "127.0.0.2": ["127.0.0.2"],
}


@pytest.mark.parametrize("bind", BINDS)
def test_bind_addresses(lab, bind):
    sshd, echo, port = lab.sshd(GatewayPorts="clientspecified"), lab.echo(), lab.port()
    lab.up({"t": {"host": sshd.address, "remote": remote(port, echo.port, bind)}})
    for address in EVERYWHERE:
        if address in BINDS[bind]:
            assert client.exchange(port, host=address) == b"hello"
        else:
            assert client.is_refused(port, address)


def test_bind_to_a_name(lab):
    """The server resolves it."""
    sshd, echo, port = lab.sshd(GatewayPorts="clientspecified"), lab.echo(), lab.port()
    name = socket.gethostname()
    address = socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    lab.up({"t": {"host": sshd.address, "remote": remote(port, echo.port, name)}})
    assert client.exchange(port, host=address) == b"hello"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
@pytest.mark.parametrize("bind", ["[::1]", "localhost", "*", ""])
def test_bind_ipv6(lab, bind):
    sshd, echo, port = lab.sshd(GatewayPorts="clientspecified"), lab.echo(), lab.port()
    lab.up({"t": {"host": sshd.address, "remote": remote(port, echo.port, bind)}})
    assert client.exchange(port, host="::1") == b"hello"


def test_no_bind_address_is_localhost(lab):
    sshd, echo, port = lab.sshd(GatewayPorts="clientspecified"), lab.echo(), lab.port()
    spec = {"host": sshd.address, "remote": f"{port}:localhost:{echo.port}"}
    daemon = lab.up({"t": spec})
    assert client.exchange(port) == b"hello"
    assert client.is_refused(port, "127.0.0.2")
    forward = daemon.forward("t")
    assert forward["name"] == f"remote:localhost:{port}"
    assert (forward["listen"], forward["target"]) == (f"localhost:{port}", f"localhost:{echo.port}")
    assert forward["type"] == "remote" and forward["note"] is None


@pytest.mark.parametrize("bind", ["*", "0.0.0.0", "192.0.2.1"])
def test_the_server_may_have_bound_loopback_only(lab, bind):
    """GatewayPorts is no: the server says yes all the same, so status says what may be."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "remote": remote(port, echo.port, bind)}})
    assert client.exchange(port) == b"hello"
    note = daemon.forward("t")["note"]
    assert "GatewayPorts" in note and "\n" not in note
    assert "GatewayPorts" in daemon.ctl("inspect", "t", check=0).stdout


def test_one_port_on_two_addresses(lab):
    """The server says on which a client came; each leads to its own."""
    sshd, port = lab.sshd(GatewayPorts="clientspecified"), lab.port()
    sites = [lab.server(peers.source(name)) for name in (b"one", b"two")]
    hosts = ["127.0.0.1", "127.0.0.2"]
    forwards = [remote(port, site.port, host) for host, site in zip(hosts, sites)]
    lab.up({"t": {"host": sshd.address, "remote": forwards}})
    for host, name in zip(hosts, (b"one", b"two")):
        with client.connect(port, host) as sock:
            assert client.read_all(sock) == name


# -- ports the server chooses ----------------------------------------------------------------------


HERE = own_address()


def exact_sshd(lab):
    """It listens where it was told. For "localhost" it would choose a port on ::1 and shrug when that
    is taken on 127.0.0.1, by a server of these tests for example."""
    return lab.sshd(GatewayPorts="clientspecified")


def test_port_0_is_reported_and_kept_over_reconnects(lab):
    sshd, echo = exact_sshd(lab), lab.echo()
    daemon = lab.up({"t": {"host": sshd.address, "remote": f"{HERE}:0:127.0.0.1:{echo.port}"}})
    port = bound_port(daemon)
    assert port and client.exchange(port, host=HERE) == b"hello"
    for _ in range(3):
        sshd.lose_sessions()
        daemon.wait_state("t", "up")
        assert bound_port(daemon) == port
        client.wait_served(port, 5, host=HERE)


def test_port_0_is_kept_when_the_worker_dies(lab):
    sshd, echo = exact_sshd(lab), lab.echo()
    daemon = lab.up({"t": {"host": sshd.address, "remote": f"{HERE}:0:127.0.0.1:{echo.port}"}})
    port, worker = bound_port(daemon), daemon.workers()[0]
    proc.send(worker, signal.SIGKILL)
    until(lambda: daemon.workers() not in ([], [worker]), 5, "another worker")
    client.wait_served(port, 10, host=HERE)
    daemon.wait_state("t", "up")
    assert bound_port(daemon) == port


def test_several_ports_0_each_lead_to_their_own(lab):
    sshd = exact_sshd(lab)
    sites = [lab.server(peers.source(b"site %d" % i)) for i in range(8)]
    spec = {"host": sshd.address, "remote": [f"{HERE}:0:127.0.0.1:{s.port}" for s in sites]}
    daemon = lab.up({"t": spec})
    ports = [bound_port(daemon, i) for i in range(8)]
    assert len(set(ports)) == 8
    for _ in range(2):
        for i, port in enumerate(ports):
            with client.connect(port, HERE) as sock:
                assert client.read_all(sock) == b"site %d" % i
        sshd.lose_sessions()
        daemon.wait_state("t", "up")
        assert [bound_port(daemon, i) for i in range(8)] == ports


def test_port_0_that_was_taken_meanwhile_is_another(lab):
    """Kept when the server allows; when somebody else has it, a new one is better than none."""
    sshd, echo = exact_sshd(lab), lab.echo()
    daemon = lab.up({"t": {"host": sshd.address, "remote": f"{HERE}:0:127.0.0.1:{echo.port}"}})
    port = bound_port(daemon)
    daemon.ctl("down", "t", check=0)
    until(lambda: client.is_refused(port, HERE), 5, "the server has let go")
    lab.server(peers.hold, host=HERE, port=port)
    daemon.ctl("up", "t")
    until(lambda: daemon.forward("t")["state"] == "open", 15, "it listens somewhere")
    assert bound_port(daemon) != port
    assert client.exchange(bound_port(daemon), host=HERE) == b"hello"


def test_port_0_whose_target_a_reload_changes(lab):
    """Another forward, so perhaps another port; in the same session, and the old one is closed."""
    sshd, one, two = exact_sshd(lab), lab.echo(), lab.server(peers.source(b"two"))
    spec = {"name": "web", "listen": f"{HERE}:0", "target": f"127.0.0.1:{one.port}"}
    daemon = lab.up({"t": {"host": sshd.address, "remote": spec}})
    port, before = bound_port(daemon), sshd.sessions()
    spec["target"] = f"127.0.0.1:{two.port}"
    daemon.write(lab.config({"t": {"host": sshd.address, "remote": spec}}))
    daemon.ctl("reload", check=0)
    until(lambda: daemon.forward("t")["state"] == "open" and bound_port(daemon), 5, "it listens")
    with client.connect(bound_port(daemon), HERE) as sock:
        assert client.read_all(sock) == b"two"
    assert sshd.sessions() == before
    assert bound_port(daemon) == port or client.is_refused(port, HERE)


def test_ports_0_stay_with_their_forwards_when_one_goes(lab):
    """A port that people know must not lead to another service after a reload."""
    sshd = exact_sshd(lab)
    sites = [lab.server(peers.source(b"site %d" % i)) for i in range(3)]
    remotes = [f"{HERE}:0:127.0.0.1:{s.port}" for s in sites]
    daemon = lab.up({"t": {"host": sshd.address, "remote": remotes}})
    ports = [bound_port(daemon, i) for i in range(3)]
    daemon.write(lab.config({"t": {"host": sshd.address, "remote": remotes[1:]}}))
    daemon.ctl("reload")
    assert [bound_port(daemon, i) for i in range(2)] == ports[1:]
    for number, port in list(enumerate(ports))[1:]:
        with client.connect(port, HERE) as sock:
            assert client.read_all(sock) == b"site %d" % number
    assert client.is_refused(ports[0], HERE)


# -- several and mixed -----------------------------------------------------------------------------


def test_all_kinds_on_one_session(lab):
    sshd, echo = lab.sshd(), lab.echo()
    one, two, three, four = (lab.port() for _ in range(4))
    spec = {
        "host": sshd.address,
        "local": [local(one, echo.port)],
        "remote": [remote(two, echo.port), {"listen": three, "allow": "any", "name": "back"}],
        "dynamic": f"127.0.0.1:{four}",
    }
    daemon = lab.up({"t": spec})
    assert len(sshd.sessions()) == 1
    names = {f["name"]: f for f in daemon.tunnel("t")["forwards"]}
    assert set(names) == {
        f"local:127.0.0.1:{one}",
        f"remote:127.0.0.1:{two}",
        "back",
        f"dynamic:127.0.0.1:{four}",
    }
    assert names["back"]["target"] == names[f"dynamic:127.0.0.1:{four}"]["target"] == "any"
    assert client.exchange(one) == client.exchange(two) == b"hello"
    counters = {n: f["connections_total"] for n, f in names.items()}
    assert set(counters.values()) == {0}
    until(
        lambda: [f["connections_total"] for f in daemon.tunnel("t")["forwards"]].count(1) == 2,
        5,
        "each counts its own",
    )


def test_fifty_remotes_come_back_together(lab):
    sshd, echo = lab.sshd(), lab.echo()
    ports = [lab.port() for _ in range(50)]
    spec = {"host": sshd.address, "remote": [remote(p, echo.port) for p in ports]}
    daemon = lab.up({"t": spec})
    assert all(client.exchange(p) == b"hello" for p in ports)
    sshd.lose_sessions()
    with Stopwatch() as watch:
        for port in ports:
            client.wait_served(port, 10)
    assert watch.seconds < build.limit(10)  # one after the other: 2 s and more for each
    daemon.wait_state("t", "up")


# -- no ghosts of our own --------------------------------------------------------------------------

CANNOT_LISTEN = re.compile(r"cannot listen to port|Address already in use")


def test_twenty_restarts_never_meet_their_own_ghost(lab):
    sshd, port, daemon = tunnel_from(lab, lab.echo())
    for _ in range(20):
        daemon.ctl("restart", "t", check=0)
        assert client.exchange(port) == b"hello"
    assert not CANNOT_LISTEN.search(sshd.log)
    assert not any(e["state"] == "degraded" for e in daemon.inspect("t")["events"])


def cancelled_before_the_end(sshd, port, offset):
    """The server was told to stop listening, and only then left."""
    sshd.wait_log(r"Disconnected from|Connection closed by", 5, offset)
    log = sshd.log[offset:]
    cancel = re.search(rf"cancel-tcpip-forward addr \S+ port {port}\b", log)
    leave = re.search(r"Received disconnect|Disconnected from|Connection closed by", log)
    return bool(cancel) and cancel.start() < leave.start()


@pytest.mark.parametrize("way", ["down", "restart", "SIGTERM", "reload"])
def test_the_server_stops_listening_before_the_session_goes(lab, way):
    sshd = lab.sshd(LogLevel="DEBUG1")
    _, port, daemon = tunnel_from(lab, lab.echo(), sshd)
    offset = len(sshd.log)
    if way == "SIGTERM":
        daemon.stop()
    elif way == "reload":
        daemon.write({**daemon.config, "tunnels": {}})
        daemon.ctl("reload", check=0)
    else:
        daemon.ctl(way, "t", check=0)
    assert cancelled_before_the_end(sshd, port, offset), sshd.log[offset:]
    if way != "restart":
        assert client.is_refused(port)


def test_the_daemon_restarted_ten_times(lab):
    sshd, port, daemon = tunnel_from(lab, lab.echo())
    for _ in range(10):
        daemon.stop()
        assert client.is_refused(port)
        daemon.start()
        daemon.wait_state("t", ("up", "degraded"))
        assert client.exchange(port) == b"hello"
    assert not CANNOT_LISTEN.search(sshd.log)


def test_reload_swaps_forwards_inside_the_session(lab):
    sshd, echo = lab.sshd(), lab.echo()
    kept, old, new = lab.port(), lab.port(), lab.port()

    def config(*ports):
        forwards = [remote(p, echo.port) for p in ports]
        return lab.config({"t": {"host": sshd.address, "remote": forwards}})

    daemon = lab.daemon(config(kept, old))
    daemon.wait_state("t", "up")
    before = sshd.sessions()
    with client.connect(kept) as held:
        client.ping(held)
        daemon.write(config(kept, new))
        daemon.ctl("reload", check=0)
        assert client.is_refused(old)
        client.wait_served(new, 5)
        client.ping(held)
    assert sshd.sessions() == before


def test_a_target_changed_by_reload_reuses_the_port(lab):
    sshd, port = lab.sshd(), lab.port()
    sites = [lab.server(peers.source(b"one")), lab.server(peers.source(b"two"))]

    def config(site):
        return lab.config({"t": {"host": sshd.address, "remote": remote(port, site.port)}})

    daemon = lab.daemon(config(sites[0]))
    daemon.wait_state("t", "up")
    with client.connect(port) as sock:
        assert client.read_all(sock) == b"one"
    daemon.write(config(sites[1]))
    daemon.ctl("reload", check=0)

    def is_two():
        with client.connect(port) as sock:
            return client.read_all(sock) == b"two"

    until(lambda: daemon.forward("t")["state"] == "open" and is_two(), 5, "it leads to the other")
    assert not CANNOT_LISTEN.search(sshd.log)


@pytest.mark.parametrize("way", ["down", "restart", "SIGTERM", "reload"])
def test_a_server_that_is_frozen_does_not_keep_us(lab, way):
    """The cancels are asked for, their answers not waited for for ever."""
    sshd, port, daemon = tunnel_from(lab, lab.echo())
    sshd.freeze()
    with Stopwatch() as watch:
        if way == "SIGTERM":
            daemon.stop()
        elif way == "reload":
            daemon.write({**daemon.config, "tunnels": {}})
            daemon.ctl("reload", check=0)
        elif way == "down":
            daemon.ctl("down", "t", check=0)
        else:
            daemon.call("Restart", names=["t"])
            daemon.wait_state("t", ("connecting", "verifying", "backoff"), 10)
    assert watch.seconds < build.limit(5)
    sshd.thaw()
    if way == "restart":
        daemon.wait_state("t", "up", 30)
        client.wait_served(port, build.limit(10))
