"""At the edges: thousands of tunnels, no descriptors left, storms of signals and of clients."""

import contextlib
import socket
import time

import pytest

from harness import build, client, proc
from harness.daemon import to_yaml
from harness.lab import Simple, local
from harness.wait import Stopwatch, settled, until


@pytest.fixture(scope="module")
def thousands():
    return {
        f"t{i:04}": {"host": "127.0.0.1:9", "start": "manual", "local": f"127.0.0.1:{i + 1}:h:1"}
        for i in range(3000)
    }


def test_thousands_of_tunnels_are_read_listed_and_reloaded(lab, thousands):
    """More than fits into one message of the control protocol; nothing of it holds up the loop."""
    daemon = lab.daemon(lab.config(thousands), start=False)
    with Stopwatch() as watch:
        daemon.start()
        assert len(daemon.ctl_json("list")) == 3000
    assert watch.seconds < build.limit(5)
    assert len(daemon.ctl("list", check=0).stdout.splitlines()) >= 3000
    changed = {**thousands, "t0001": {**thousands["t0001"], "tags": ["new"]}}
    daemon.write(to_yaml(lab.config(changed)))
    report = daemon.ctl_json("reload")
    assert report["changed"] == ["t0001"] and report["unchanged"] == 2999
    daemon.assert_no_stall()


def test_no_descriptors_left(lab):
    """accept() fails: the loop does not spin, nothing breaks, and it goes on when there is room."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    config = lab.config({"t": {"host": sshd.address, "local": local(port, echo.port)}})
    daemon = lab.daemon(config, start=False)
    daemon.prefix = ["prlimit", "--nofile=48:48"]
    daemon.start()
    daemon.wait_state("t", "up")
    worker = daemon.workers()[0]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(client.connect(port)) for _ in range(80)]
        client.ping(socks[0])
        until(lambda: proc.fd_count(worker) >= 40, 5, "the worker's descriptors are used up")
        before = proc.cpu_seconds(worker)
        with Stopwatch() as watch:
            while watch.elapsed() < 1.5:
                client.ping(socks[0])
                time.sleep(0.05)
        assert proc.cpu_seconds(worker) - before < 0.5
        assert daemon.tunnel("t")["state"] == "up"
        assert daemon.log.count("cannot accept") == 1
    client.wait_served(port, 5)


def test_no_descriptors_left_for_tunctl(lab):
    """The supervisor's loop does not spin for a client that it cannot accept."""
    daemon = lab.daemon(lab.config({}), start=False)
    daemon.prefix = ["prlimit", "--nofile=32:32"]
    daemon.start()
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(daemon.socket))
        daemon.wait_log("control: cannot accept")
        before = proc.cpu_seconds(daemon.pid)
        time.sleep(1)
        assert proc.cpu_seconds(daemon.pid) - before < 0.2
        assert daemon.log.count("cannot accept") == 1
    daemon.ctl("list", check=0)


@contextlib.contextmanager
def deaf_port():
    """Whoever connects there hears nothing, not even a refusal: the backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_hundreds_that_wait_for_the_server_cost_no_cpu(lab):
    """More channels than a turn serves: they are asked again when something happens, not for ever."""
    sshd, ports = lab.sshd(), [lab.port(), lab.port()]
    with deaf_port() as deaf, contextlib.ExitStack() as stack:
        forwards = [local(port, deaf) for port in ports]
        daemon = lab.up({"t": {"host": sshd.address, "local": forwards}})
        for i in range(360):
            stack.enter_context(client.connect(ports[i % 2]))
        until(lambda: daemon.tunnel("t")["connections"] == 360, 10, "all are accepted")
        worker = daemon.workers()[0]
        settled(lambda: proc.cpu_seconds(worker), 0.3, 10, "the worker is at rest")
        before = proc.cpu_seconds(worker)
        time.sleep(1)
        assert proc.cpu_seconds(worker) - before < 0.3


def test_a_storm_of_reload_signals(simple):
    with simple.connect() as sock:
        for _ in range(200):
            simple.daemon.reload_by_signal()
        client.ping(sock)
        simple.daemon.ctl("reload", check=0)
        client.ping(sock)


def test_a_storm_of_clients_at_a_dead_server(lab):
    """An arrival shortens the wait to a second, never more: the server is not hammered."""
    closer, port = lab.server(lambda sock: None), lab.port()
    spec = {
        "host": f"127.0.0.1:{closer.port}",
        "local": local(port, 1),
        "hold": "1s",
        "reconnect": {"min": "20s", "max": "30s"},
    }
    daemon = lab.daemon(lab.config({"t": spec}))
    daemon.wait_state("t", "backoff")
    with contextlib.ExitStack() as stack, Stopwatch() as watch:
        while watch.elapsed() < 4:
            stack.enter_context(client.connect(port))
            time.sleep(0.02)
        assert 2 <= closer.accepted <= 2 + watch.elapsed()


def test_restarts_without_pause(lab):
    """`tunctl restart` in a loop: each ends with a tunnel that works."""
    one = Simple(lab)
    with Stopwatch() as watch:
        for _ in range(10):
            one.daemon.ctl("restart", "t", check=0)
            assert client.exchange(one.port) == b"hello"
    assert watch.seconds < build.limit(15)


def test_a_state_directory_that_cannot_be_written(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    config = lab.config({"t": {"host": sshd.address, "local": local(port, echo.port)}})
    daemon = lab.daemon(config, start=False)
    daemon.state_dir.write_text("a file, not a directory")
    daemon.start()
    daemon.wait_state("t", "up")
    result = daemon.ctl("add", "mine", "-L", local(lab.port(), 1), "127.0.0.1", check=1)
    assert str(daemon.state_dir) in result.stderr
    assert list(daemon.tunnels()) == ["t"]


def test_many_forwards_of_one_tunnel(lab):
    sshd, echo = lab.sshd(), lab.echo()
    ports = [lab.port() for _ in range(200)]
    daemon = lab.up({"t": {"host": sshd.address, "local": [local(p, echo.port) for p in ports]}})
    assert all(client.exchange(p) == b"hello" for p in ports[::20])
    assert len(daemon.tunnel("t")["forwards"]) == 200
    daemon.ctl("down", "t", check=0)
    assert all(map(client.is_refused, ports))
