"""What the daemon tells a service manager (sd_notify), heard on a socket of our own."""

import os
import socket
import subprocess
import time

import pytest

from harness import build, client
from harness.lab import local
from harness.wait import until


def is_built_with_systemd():
    out = subprocess.run(
        ["ldd", str(build.TUNNELD)], capture_output=True, text=True, check=False
    ).stdout
    return "libsystemd" in out


pytestmark = pytest.mark.skipif(not is_built_with_systemd(), reason="built without libsystemd")


class Manager:
    """The other end of NOTIFY_SOCKET. messages holds (time, {key: value}) as they come."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path)}
        self.messages = []

    def close(self):
        self.socket.close()

    def next(self, key, seconds=20):
        """Waits for a message that has the key; returns its value."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                text = self.socket.recv(65536).decode()
            except TimeoutError:
                raise AssertionError(
                    f"no {key}= within {seconds} s; heard {self.messages}"
                ) from None
            fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            self.messages.append((time.monotonic(), fields))
            if key in fields:
                return fields[key]


@pytest.fixture
def manager(lab):
    manager = Manager(lab.path("notify"))
    yield manager
    manager.close()


def start(lab, manager, tunnels, **env):
    daemon = lab.daemon(lab.config(tunnels), start=False, env={**manager.env, **env})
    return daemon.spawn()


def test_ready_means_that_everything_listens(lab, manager):
    """Not that servers answer: the port accepts and the control socket works at that moment."""
    port = lab.port()
    daemon = start(
        lab, manager, {"t": {"host": f"127.0.0.1:{lab.port()}", "local": local(port, 1)}}
    )
    assert manager.next("READY") == "1"
    client.connect(port).close()
    assert daemon.ctl_json("list")[0]["name"] == "t"


def test_status_counts_states(lab, manager):
    sshd, echo = lab.sshd(), lab.echo()
    daemon = start(
        lab,
        manager,
        {
            "good": {"host": sshd.address, "local": local(lab.port(), echo.port)},
            "bad": {"host": f"127.0.0.1:{lab.port()}", "local": local(lab.port(), 1)},
        },
    )
    manager.next("READY")
    until(lambda: manager.next("STATUS") == "1 up, 1 backoff", 10, "the status settles")
    assert daemon.status()["up"] == 1


def test_reloading_then_ready(lab, manager):
    daemon = start(lab, manager, {})
    manager.next("READY")
    daemon.reload_by_signal()
    assert manager.next("RELOADING") == "1"
    fields = manager.messages[-1][1]
    assert abs(int(fields["MONOTONIC_USEC"]) - time.monotonic_ns() // 1000) < 10_000_000
    assert manager.next("READY") == "1"


def test_ready_again_after_a_reload_that_failed(lab, manager):
    daemon = start(lab, manager, {})
    manager.next("READY")
    daemon.write("tunnels: [")
    daemon.reload_by_signal()
    manager.next("RELOADING")
    assert manager.next("READY") == "1"


def test_stopping(lab, manager):
    daemon = start(lab, manager, {})
    manager.next("READY")
    daemon.process.terminate()
    assert manager.next("STOPPING") == "1"
    daemon.expect_exit(0, 5)


def test_watchdog_is_fed_in_time(lab, manager):
    start(lab, manager, {}, WATCHDOG_USEC="600000")
    manager.next("READY")
    beats = []
    for _ in range(5):
        manager.next("WATCHDOG")
        beats.append(manager.messages[-1][0])
    gaps = [b - a for a, b in zip(beats, beats[1:])]
    assert max(gaps) < build.limit(0.6), gaps


def test_a_watchdog_for_another_process_is_not_fed(lab, manager):
    start(lab, manager, {}, WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    manager.next("READY")
    with pytest.raises(AssertionError):
        manager.next("WATCHDOG", 1)


def test_no_ready_from_a_broken_config(lab, manager):
    daemon = lab.daemon("tunnels: [", start=False, env=manager.env)
    daemon.spawn()
    daemon.expect_exit(1, 5)
    with pytest.raises(AssertionError):
        manager.next("READY", 0.2)


def test_workers_do_not_talk_to_the_manager(lab, manager):
    """NOTIFY_SOCKET is the supervisor's; a worker does not even have it in its environment."""
    sshd = lab.sshd()
    daemon = start(lab, manager, {"t": {"host": sshd.address, "local": local(lab.port(), 1)}})
    manager.next("READY")
    worker = until(daemon.workers, 5, "a worker")[0]
    with open(f"/proc/{worker}/environ", "rb") as environ:
        assert b"NOTIFY_SOCKET" not in environ.read()
