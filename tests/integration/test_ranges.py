"""Ports: ranges as one forward, both families of an address, ports somebody else has."""

import contextlib
import os
import socket
import subprocess

import pytest

from harness import build, client, peers, proc
from harness.lab import local
from harness.ports import has_ipv6
from harness.wait import Stopwatch, until


def sites(lab, ports):
    """A server on each that says which it is."""
    return [lab.server(peers.source(b"%d" % i), port=p) for i, p in enumerate(ports)]


def who_answers(port, host="127.0.0.1"):
    with client.connect(port, host) as sock:
        return int(client.read_all(sock))


def span(ports):
    return f"{ports[0]}-{ports[-1]}"


# -- ranges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["local", "remote"])
@pytest.mark.parametrize("is_mapping", [False, True])
def test_a_range_is_one_forward(lab, kind, is_mapping):
    sshd, here, there = lab.sshd(), lab.ports(11), lab.ports(11)
    sites(lab, there)
    text = f"{span(here)}:127.0.0.1:{span(there)}"
    spec = {"listen": span(here), "target": f"127.0.0.1:{span(there)}"} if is_mapping else text
    daemon = lab.up({"t": {"host": sshd.address, kind: spec}})
    assert [who_answers(port) for port in here] == list(range(11))
    (forward,) = daemon.tunnel("t")["forwards"]
    assert forward["name"] == f"{kind}:localhost:{span(here)}"
    assert forward["listen"] == f"localhost:{span(here)}"
    assert forward["target"] == f"127.0.0.1:{span(there)}"
    until(lambda: daemon.forward("t")["connections_total"] == 11, 5, "each is counted")
    if kind == "local":
        assert f"127.0.0.1:{span(here)}" in forward["addresses"]


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_a_range_with_a_hole(lab, kind):
    """One port of it is taken: which one is said, and taken when it is free. The session stays."""
    sshd, here, there = lab.sshd(), lab.ports(5), lab.ports(5)
    sites(lab, there)
    taken = lab.server(peers.hold, port=here[3])
    spec = f"127.0.0.1:{span(here)}:127.0.0.1:{span(there)}"
    daemon = lab.daemon(lab.config({"t": {"host": sshd.address, kind: spec}}))
    row = daemon.wait_state("t", "degraded")
    error = row["forwards"][0]["error"]
    assert error["code"] == {"local": "port-in-use", "remote": "forward-in-use"}[kind]
    assert str(here[3]) in error["message"]
    before = sshd.sessions()
    taken.close()
    daemon.wait_state("t", "up", build.limit(10))
    assert [who_answers(port) for port in here] == list(range(5))
    assert sshd.sessions() == before


def test_a_remote_range_comes_back_and_goes(lab):
    sshd, here, there = lab.sshd(), lab.ports(20), lab.ports(20)
    sites(lab, there)
    spec = f"127.0.0.1:{span(here)}:127.0.0.1:{span(there)}"
    daemon = lab.up({"t": {"host": sshd.address, "remote": spec}})
    sshd.lose_sessions()
    daemon.wait_state("t", "up")
    assert [who_answers(port) for port in here] == list(range(20))
    daemon.ctl("down", "t", check=0)
    assert all(map(client.is_refused, here))


def test_hundreds_of_ports(lab):
    """More sockets than fit into one packet between supervisor and worker."""
    sshd, here, nobody = lab.sshd(), lab.ports(400), lab.ports(400)
    spec = f"127.0.0.1:{span(here)}:127.0.0.1:{span(nobody)}"
    daemon = lab.up({"t": {"host": sshd.address, "local": spec}})
    assert daemon.forward("t")["addresses"] == [f"127.0.0.1:{span(here)}"]
    until(lambda: not any(map(client.is_refused, (here[0], here[399]))), 5, "all listen")
    daemon.assert_no_stall()
    worker = daemon.workers()[0]
    daemon.ctl("down", "t", check=0)
    assert client.is_refused(here[399])
    until(lambda: proc.fd_count(worker) < 60, 5, "the worker has closed its copies")


BAD = {
    "8000-8010:h:9000-9009": "one length",
    "8010-8000:h:9010-9000": "8010-8000",
    "1-2000:h:1-2000": "1024",
    "8000-8010:h:80": "one length",
    "65530-65540:h:1-11": "65540",
}


@pytest.mark.parametrize("spec", BAD)
def test_ranges_that_are_none(lab, spec):
    daemon = lab.daemon(lab.config({"t": {"host": "h", "local": spec}}), start=False)
    result = daemon.check()
    assert result.returncode == 1 and BAD[spec] in result.stderr


def test_a_range_of_ports_the_server_chooses_is_none(lab):
    daemon = lab.daemon(lab.config({"t": {"host": "h", "remote": "0-3:h:0-3"}}), start=False)
    assert daemon.check().returncode == 1


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
@pytest.mark.parametrize("bind", ["0.0.0.0", "[::]", "*", "localhost"])
def test_families(lab, bind):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    lab.up({"t": {"host": sshd.address, "local": f"{bind}:{port}:127.0.0.1:{echo.port}"}})
    assert client.is_served(port) == (bind != "[::]")
    with contextlib.suppress(ConnectionRefusedError):
        assert client.exchange(port, host="::1") == b"hello" and bind != "0.0.0.0"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_both_wildcards_side_by_side(lab):
    """`::` does not take IPv4 with it, so that another may have it."""
    sshd, port = lab.sshd(), lab.port()
    four, six = lab.server(peers.source(b"4")), lab.server(peers.source(b"6"))
    forwards = [f"0.0.0.0:{port}:127.0.0.1:{four.port}", f"[::]:{port}:127.0.0.1:{six.port}"]
    lab.up({"t": {"host": sshd.address, "local": forwards}})
    assert (who_answers(port), who_answers(port, "::1")) == (4, 6)


# -- busy ports ------------------------------------------------------------------------------------


@contextlib.contextmanager
def process_on(port):
    """Another program that holds the port."""
    code = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(); input()"
    command = ["/usr/bin/python3", "-c", code]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["local", "dynamic"])
def test_a_busy_port_is_named_and_taken_within_two_seconds(lab, kind):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = local(port, echo.port) if kind == "local" else f"127.0.0.1:{port}"
    with process_on(port) as holder:
        daemon = lab.daemon(lab.config({"t": {"host": sshd.address, kind: spec}}))
        row = daemon.wait_state("t", "degraded")
        error = row["forwards"][0]["error"]
        assert error["code"] == "port-in-use"
        assert f"pid {holder.pid}" in error["message"] and "python3" in error["message"]
        before = sshd.sessions()
    with Stopwatch() as watch:
        until(lambda: not client.is_refused(port), 10, "the port is ours")
        daemon.wait_state("t", "up", 5)
    assert watch.seconds < build.limit(2)
    assert sshd.sessions() == before


def test_a_port_of_somebody_who_may_not_be_named(lab):
    """No process of ours: the sentence is right all the same."""
    sshd, port = lab.sshd(), lab.port()
    spec = {"host": sshd.address, "local": local(port, 1)}
    daemon = lab.daemon(lab.config({"t": spec}), start=False)
    with socket.create_server(("127.0.0.1", port)):
        if os.geteuid() == 0:
            daemon.prefix = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
        daemon.start()
        error = daemon.wait_state("t", "degraded")["forwards"][0]["error"]
        assert error["code"] == "port-in-use" and f"127.0.0.1:{port}" in error["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may have any port")
def test_a_privileged_port(lab):
    sshd = lab.sshd()
    daemon = lab.daemon(lab.config({"t": {"host": sshd.address, "local": "127.0.0.1:80:h:80"}}))
    error = daemon.wait_state("t", "degraded")["forwards"][0]["error"]
    assert error["code"] == "bind-failed" and "80" in error["message"]


def test_tun_devices_are_refused_with_a_sentence(lab):
    for key in ("tunnel", "tunnel_device"):
        tunnel = {"host": "h", "local": "1:h:1", key: "point-to-point"}
        daemon = lab.daemon(lab.config({"t": tunnel}), start=False)
        result = daemon.check()
        assert result.returncode == 1 and "tun" in result.stderr.lower()
        assert len(result.stderr.splitlines()[0]) > 40
