"""The supervisor alone: its workers are fake_worker.py, which do as they are told, or as no real
worker would."""

import os
import pathlib
import re
import signal
import socket

import pytest

from harness import build, client, proc
from harness.varlink import MANAGER, Client
from harness.wait import Stopwatch, holds, until

FAKE = pathlib.Path(__file__).with_name("fake_worker.py")


class House:
    """A daemon whose workers are fakes that follow a plan."""

    def __init__(self, lab, tunnels, *plan, start=True, **top):
        self.lab = lab
        self.plan = lab.write("plan", "\n".join(plan or ["good"]) + "\n")
        self.top = {"daemon": {"workers": 1}, **top}
        self.daemon = lab.daemon(
            self.config(tunnels),
            start=start,
            env={"TUNNELD_WORKER": str(FAKE), "FAKE_WORKER_PLAN": str(self.plan)},
        )

    def config(self, tunnels):
        return self.lab.config(tunnels, **self.top)

    def reload(self, tunnels):
        self.daemon.write(self.config(tunnels))
        return self.daemon.call("Reload")

    def workers(self):
        """pids"""
        return [w["pid"] for w in self.daemon.status()["workers"] if w["pid"]]

    def release(self):
        self.lab.write("plan.release", "")


def at(port, target=1):
    return {"host": "127.0.0.1:1", "local": f"127.0.0.1:{port}:127.0.0.1:{target}"}


def tunnel_at(port):
    """Which tunnel's worker answers."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(5)
        return sock.recv(32)


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


# -- workers that misbehave ------------------------------------------------------------------------


def deaths(daemon):
    return re.findall(r"worker 1 \(pid \d+\) (.*)", daemon.log)


def test_a_worker_that_dies_at_birth_is_started_less_and_less_often(lab):
    house = House(lab, {"t": at(lab.port())}, "die", "die", "die", "good")
    house.daemon.wait_state("t", "backoff", 5, "worker-died")
    tunnel = house.daemon.wait_state("t", "up", build.limit(5))
    assert tunnel["error"] is None
    ends = [line for line in deaths(house.daemon) if "exited with status 3" in line]
    assert len(ends) == 3
    assert [bool(re.search(r" in \d", line)) for line in ends] == [False, True, True]
    assert house.daemon.status()["workers"][0]["restarts"] == 3


def test_clients_wait_while_a_worker_is_dead(lab):
    port = lab.port()
    house = House(lab, {"t": at(port)}, "good", "die", "die", "good")
    house.daemon.wait_state("t", "up")
    proc.send(house.workers()[0], signal.SIGKILL)
    with Stopwatch() as watch:
        assert tunnel_at(port)
    assert watch.seconds < build.limit(3)
    house.daemon.wait_log(r"was killed by signal 9")


@pytest.mark.parametrize("habit", ["hang", "mute"])
def test_a_worker_without_a_heartbeat_is_replaced(lab, habit):
    house = House(lab, {"t": at(lab.port())}, habit, "good")
    house.daemon.wait_log(r"did not answer for 5 s", build.limit(20))
    house.daemon.wait_state("t", "up", 5)
    assert len(house.workers()) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        "not json",
        "[]",
        "{}",
        '{"type": 7}',
        '{"type": "unheard-of"}',
        '{"type": "state"}',
        '{"type": "state", "tunnel": 999999, "state": "up", "attempt": 1, "retry_at_ms": 0, "route": 0, "jumps": []}',
        '{"type": "state", "tunnel": -1, "state": "up", "attempt": 1, "retry_at_ms": 0, "route": 0, "jumps": []}',
        '{"type": "state", "tunnel": 1, "state": "dancing", "attempt": 1, "retry_at_ms": 0, "route": 0, "jumps": []}',
        '{"type": "route-state", "tunnel": 999999, "route": 0, "state": "up"}',
        '{"type": "route-state", "tunnel": 1, "route": 16, "state": "up"}',
        '{"type": "forward-state", "tunnel": 1, "forward": 999999, "state": "open"}',
        '{"type": "tunnel-removed", "tunnel": 0}',
        '{"type": "pong", "seq": 999999, "stall_us": 0, "worst_stall_us": 0, "sessions": 0}',
        '{"type": "stats", "tunnel": 1, "bytes_in": -5}',
    ],
)
def test_nonsense_costs_the_worker_not_the_daemon(lab, nonsense):
    port = lab.port()
    house = House(lab, {"t": at(port)}, f"say {nonsense}", "good")
    house.daemon.wait_log(r"spoke nonsense|worker 1 .*killing it", 5)
    house.daemon.wait_state("t", "up", 5)
    assert tunnel_at(port)
    assert house.daemon.status()["workers"][0]["restarts"] == 1


def test_acknowledgements_nobody_waits_for_are_harmless(lab):
    house = House(
        lab, {"t": at(lab.port())}, 'say {"type": "forward-removed", "tunnel": 1, "forward": 2}'
    )
    house.daemon.wait_state("t", "up", 5)
    assert house.daemon.status()["workers"][0]["restarts"] == 0


def test_a_server_that_is_not_in_the_list_is_harmless(lab):
    house = House(
        lab, {"t": at(lab.port())}, 'say {"type": "route-state", "tunnel": 1, "route": 15, "state": "up"}'
    )
    house.daemon.wait_state("t", "up", 5)
    assert house.daemon.status()["workers"][0]["restarts"] == 0
    assert len(house.daemon.inspect("t")["servers"]) == 1


def test_control_characters_of_a_worker_reach_no_terminal(lab):
    text = (
        '{"type": "state", "tunnel": 1, "state": "failed", "attempt": 1, "retry_at_ms": 0, "route": 0, "jumps": [], '
        '"error": {"code": "auth-refused", "message": "\\u001b[2J\\u0007bad\\nline"}}'
    )
    house = House(lab, {"t": at(lab.port())}, "say " + text)
    house.daemon.wait_log(r"t: failed: ", 5)
    assert "\x1b" not in house.daemon.log and "\x07" not in house.daemon.log
    assert "\x1b" not in house.daemon.ctl("list").stdout


def test_a_program_that_is_not_there(lab):
    house = House(lab, {"t": at(lab.port())}, start=False)
    house.daemon.env["TUNNELD_WORKER"] = "/nonexistent/worker"
    house.daemon.start()
    tunnel = house.daemon.wait_state("t", "backoff", 5, "worker-died")
    assert "/nonexistent/worker" in tunnel["error"]["message"]
    assert "No such file" in tunnel["error"]["message"]


def test_idle_workers_are_sent_home(lab):
    house = House(lab, {"t": at(lab.port())})
    house.daemon.wait_state("t", "up")
    assert len(house.workers()) == 1
    house.reload({})
    until(lambda: not house.workers(), build.limit(10), "no worker without a tunnel")
    assert "error" not in house.daemon.log
    house.reload({"t": at(lab.port())})
    house.daemon.wait_state("t", "up")


# -- listening sockets -----------------------------------------------------------------------------


def test_an_address_that_moves_waits_for_the_acknowledgement(lab):
    """The port stays taken until the old worker has closed its copy; nobody is refused."""
    port = lab.port()
    house = House(lab, {"old": at(port)}, "late-acks")
    house.daemon.wait_state("old", "up")
    house.daemon.write(house.config({"new": at(port)}))
    house.daemon.reload_by_signal()
    until(lambda: "new" in house.daemon.tunnels(), 5, "it is there")
    holds(lambda: house.daemon.tunnel("new")["state"] == "connecting", 0.3, "it waits")
    before = tunnel_at(port)
    house.release()
    house.daemon.wait_state("new", "up", 5)
    assert tunnel_at(port) != before
    assert house.daemon.forward("new")["addresses"] == [f"127.0.0.1:{port}"]


def test_down_is_complete_when_the_port_is_free(lab):
    port = lab.port()
    house = House(lab, {"t": at(port)}, "late-acks")
    house.daemon.wait_state("t", "up")
    with Client(house.daemon.socket) as wire:
        wire.send({"method": f"{MANAGER}.Down", "parameters": {"names": ["t"]}, "more": True})
        assert wire.receive()["continues"]
        house.daemon.wait_state("t", "stopped")
        assert not is_refused(port)
        house.release()
        while wire.receive().get("continues"):
            pass
    assert is_refused(port)


def test_a_tunnel_without_a_worker_keeps_its_port(lab):
    port = lab.port()
    house = House(lab, {"t": at(port)}, "mute")
    with client.connect(port):
        assert house.daemon.tunnel("t")["state"] == "connecting"


def test_moving_back_and_forth_refuses_nobody(lab):
    """The address goes from tunnel to tunnel and from target to target, under load."""
    port = lab.port()
    house = House(lab, {"a": at(port)})
    house.daemon.wait_state("a", "up")
    before = proc.fd_count(house.daemon.pid)
    for i in range(60):
        house.reload({"ab"[i % 2]: at(port, 1 + i // 7)})
        assert tunnel_at(port)
    assert proc.fd_count(house.daemon.pid) <= before + 2


def test_a_narrow_address_becomes_a_wide_one(lab):
    port = lab.port()
    house = House(lab, {"t": at(port)})
    house.daemon.wait_state("t", "up")
    house.reload({"t": {**at(port), "local": f"0.0.0.0:{port}:127.0.0.1:1"}})
    until(lambda: house.daemon.forward("t")["addresses"] == [f"0.0.0.0:{port}"], 5, "it is wide")
    assert tunnel_at(port)


# -- a thousand tunnels ----------------------------------------------------------------------------


@pytest.fixture
def thousand(lab):
    """Ports chosen by the kernel, so that none is ever in the way."""
    port = lab.port()
    return House(
        lab,
        {
            f"t{i:04}": {
                "host": "127.0.0.1:1",
                "local": f"127.0.{i // 250 + 1}.{i % 250 + 1}:{port}:h:1",
            }
            for i in range(1000)
        },
    )


def test_a_thousand_tunnels_never_stall_the_loop(thousand):
    daemon = thousand.daemon
    daemon.wait_all("up", build.limit(20))
    names = [f"t{i:04}" for i in range(1000)]
    assert list(daemon.tunnels()) == names
    daemon.call("Down", names=[])
    daemon.wait_all("stopped", build.limit(20))
    daemon.call("Up", names=[])
    daemon.wait_all("up", build.limit(20))
    tunnels = thousand.daemon.config["tunnels"]
    report = thousand.reload({n + "x": t for n, t in tunnels.items()})
    assert len(report["added"]) == len(report["removed"]) == 1000
    daemon.wait_all("up", build.limit(20))
    daemon.assert_no_stall(30)  # 20, and what starting a process takes on a busy machine


def test_waiting_for_a_thousand_tunnels(thousand):
    """The first snapshot of each, the changes, one end; a slow reader is waited for."""
    with Client(thousand.daemon.socket, timeout=60) as wire:
        wire.send({"method": f"{MANAGER}.Restart", "parameters": {"names": []}, "more": True})
        states = {}
        while True:
            reply = wire.receive()
            for tunnel in reply["parameters"]["tunnels"]:
                states[tunnel["name"]] = tunnel["state"]
            if not reply.get("continues"):
                break
    assert len(states) == 1000 and set(states.values()) == {"up"}


def test_a_list_with_more_waits_for_its_reader(thousand):
    with Client(thousand.daemon.socket, timeout=20) as lazy:
        lazy.send({"method": f"{MANAGER}.List", "more": True})
        first = lazy.receive()
        assert first["continues"] and len(first["parameters"]["tunnels"]) == 1
        thousand.daemon.call("Down", names=[])  # others are served meanwhile
        names = [first["parameters"]["tunnels"][0]["name"]]
        while True:
            reply = lazy.receive()
            names += [t["name"] for t in reply["parameters"]["tunnels"]]
            if not reply.get("continues"):
                break
    assert names == sorted(names) and len(names) == 1000


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
def test_a_tunnel_costs_the_supervisor_little(lab, thousand):
    thousand.daemon.wait_all("up", 20)
    few = House(lab, {"t": at(lab.port())})
    few.daemon.wait_all("up", 20)
    each = (proc.private_kib(thousand.daemon.pid) - proc.private_kib(few.daemon.pid)) / 999
    assert each < 6, f"{each:.1f} KiB a tunnel"


# -- changes ---------------------------------------------------------------------------------------


def test_reloads_that_wait_become_one(lab):
    house = House(lab, {"t": at(lab.port())})
    house.daemon.wait_state("t", "up")
    wires = [Client(house.daemon.socket) for _ in range(20)]
    for wire in wires:
        wire.send({"method": f"{MANAGER}.Reload"})
    assert all(wire.receive()["parameters"]["unchanged"] == 1 for wire in wires)
    house.daemon.wait_log("reloaded ")
    assert house.daemon.log.count("reloaded ") <= 20
    for wire in wires:
        wire.close()


def test_an_add_that_cannot_be_kept_is_not_made(lab):
    """Answered only when it is durable: a state directory that is a file is none."""
    house = House(lab, {}, start=False)
    house.daemon.state_dir.write_text("in the way")
    house.daemon.start()
    result = house.daemon.ctl(
        "add",
        "--no-wait",
        "x",
        "-L",
        f"{lab.port()}:h:1",
        "-i",
        str(lab.keys.client),
        "me@127.0.0.1",
        check=1,
    )
    assert str(house.daemon.state_dir) in result.stderr
    assert house.daemon.tunnels() == {}


def test_started_without_standard_descriptors(lab):
    """Their numbers would go to files and sockets of ours, and the log into one of them."""
    house = House(lab, {"t": at(lab.port())}, start=False)
    house.daemon.prefix = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-']
    house.daemon.start()
    house.daemon.wait_state("t", "up")
    for pid in [house.daemon.pid, *house.workers()]:
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}


def test_stopped_while_a_client_waits(lab):
    house = House(lab, {"t": at(lab.port())}, "mute")
    with Client(house.daemon.socket) as wire:
        wire.send({"method": f"{MANAGER}.Up", "parameters": {"names": ["t"]}, "more": True})
        assert wire.receive()["continues"]
        house.daemon.stop(6)
        assert wire.is_closed()
    assert not os.path.exists(house.daemon.socket)
