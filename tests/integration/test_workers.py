"""Workers are killed, stopped, killed again: their tunnels come back, nobody is refused, and the
other workers' connections go on."""

import os
import pathlib
import platform
import re
import signal

import pytest

from harness import build, client, proc
from harness.lab import Simple, local
from harness.wait import Stopwatch, holds, until


@pytest.fixture
def two(lab):
    """Ten tunnels on two workers; (daemon, {name: port}, sshd)"""
    sshd, echo = lab.sshd(), lab.echo()
    ports = {f"t{i}": lab.port() for i in range(10)}
    daemon = lab.up(
        {n: {"host": sshd.address, "local": local(p, echo.port)} for n, p in ports.items()},
        daemon={"workers": 2},
    )
    assert len(daemon.workers()) == 2
    return daemon, ports, sshd


def split(daemon, ports, pid):
    """Names of the tunnels the worker carries, and the others."""
    mine = [n for n in ports if daemon.worker_of(n) == pid]
    return mine, [n for n in ports if n not in mine]


def test_tunnels_are_spread_over_the_workers(two):
    daemon, ports, _ = two
    counts = [w["tunnels"] for w in daemon.status()["workers"]]
    assert sum(counts) == len(ports) and max(counts) - min(counts) <= 1


def test_never_more_workers_than_tunnels(lab):
    sshd = lab.sshd()
    daemon = lab.up(
        {"t": {"host": sshd.address, "local": local(lab.port(), 1)}}, daemon={"workers": 4}
    )
    assert len(daemon.workers()) == 1


def test_a_worker_is_told_how_to_copy(lab):
    """On AMD's CPUs, where glibc would choose badly by itself."""
    sshd = lab.sshd()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(lab.port(), 1)}})
    vendor = re.search(r"vendor_id\s*: (\w+)", pathlib.Path("/proc/cpuinfo").read_text())
    is_amd = platform.machine() == "x86_64" and vendor and vendor[1] == "AuthenticAMD"
    told = proc.environment(daemon.workers()[0]).get("GLIBC_TUNABLES")
    assert told == ("glibc.cpu.x86_rep_movsb_threshold=1073741824" if is_amd else None)


def test_kill_9_of_a_worker(two):
    """Up to 10 tunnels are back within 2 s, no client was refused, the other worker's go on."""
    daemon, ports, _ = two
    victim = daemon.workers()[0]
    mine, others = split(daemon, ports, victim)
    kept = [client.connect(ports[n]) for n in others]
    for sock in kept:
        client.ping(sock)
    with client.Visitors(ports[mine[0]], threads=2) as visitors:
        visitors.wait_served(3, 5)
        proc.send(victim, signal.SIGKILL)
        with Stopwatch() as watch:
            for name in mine:
                assert client.exchange(ports[name]) == b"hello"
        assert watch.seconds < build.limit(2)
        visitors.wait_served(5, 5)
    assert visitors.refused == 0 and visitors.cut <= 2
    for sock in kept:
        client.ping(sock)
        sock.close()
    daemon.wait_all("up", 5)
    worker = next(w for w in daemon.status()["workers"] if w["restarts"])
    assert worker["restarts"] == 1 and worker["pid"] != victim


def test_both_workers_die_at_once(two):
    daemon, ports, _ = two
    for pid in daemon.workers():
        proc.send(pid, signal.SIGKILL)
    with Stopwatch() as watch:
        for port in ports.values():
            assert client.exchange(port) == b"hello"
    assert watch.seconds < build.limit(3)


def test_the_death_is_told(two):
    daemon, ports, _ = two
    victim = daemon.workers()[0]
    mine, _ = split(daemon, ports, victim)
    proc.send(victim, signal.SIGKILL)
    daemon.wait_log(rf"worker.*{victim}", 5)
    errors = until(
        lambda: [e["error"] for e in daemon.inspect(mine[0])["events"] if e["error"]], 5, "told"
    )
    assert errors[-1]["code"] == "worker-died"


def test_a_stopped_worker_is_replaced(two):
    """SIGSTOP: it does not answer its heartbeat."""
    daemon, ports, _ = two
    victim = daemon.workers()[0]
    mine, others = split(daemon, ports, victim)
    proc.send(victim, signal.SIGSTOP)
    with client.connect(ports[others[0]]) as sock:
        client.ping(sock)
    until(lambda: not proc.is_alive(victim), 30, "the hung worker is ended")
    for name in mine:
        assert client.exchange(ports[name]) == b"hello"
    daemon.wait_all("up", 5)


def test_a_worker_that_keeps_dying_is_not_restarted_in_a_frenzy(two):
    daemon, ports, _ = two
    index = daemon.inspect("t0")["worker"]

    def worker():
        return next(w for w in daemon.status()["workers"] if w["index"] == index)

    other = next(n for n in ports if daemon.inspect(n)["worker"] != index)
    with client.Visitors(ports[other], pause=0.01) as visitors, Stopwatch() as watch:
        for deaths in range(5):
            pid = until(lambda: worker()["pid"], 20, "the worker runs again")
            proc.send(pid, signal.SIGKILL)
            until(
                lambda: worker()["restarts"] > deaths or worker()["pid"] != pid,
                20,
                "noticed",
                0.005,
            )
        until(lambda: worker()["pid"], 20, "the worker runs again")
        assert watch.elapsed() > 0.5, "five restarts without a pause"
    assert visitors.refused == 0 and visitors.cut == 0
    daemon.wait_all("up", 30)


def test_a_client_waits_out_the_death_of_its_worker(two):
    daemon, ports, _ = two
    victim = daemon.worker_of("t0")
    proc.send(victim, signal.SIGSTOP)  # so that the client is surely in the backlog when it dies
    with client.connect(ports["t0"]) as sock:
        sock.sendall(b"patience")
        proc.send(victim, signal.SIGKILL)
        assert client.read_exactly(sock, 8) == b"patience"


def test_hundred_tunnels_come_back_in_turn_waiting_clients_first(lab):
    sshd, echo = lab.sshd(), lab.echo()
    ports = {f"t{i:02}": lab.port() for i in range(60)}
    daemon = lab.daemon(
        lab.config(
            {n: {"host": sshd.address, "local": local(p, echo.port)} for n, p in ports.items()},
            daemon={"workers": 1},
        )
    )
    daemon.wait_all("up", 30)
    proc.send(daemon.workers()[0], signal.SIGKILL)
    assert client.exchange(ports["t59"]) == b"hello"
    daemon.wait_all("up", build.limit(20))
    assert "MaxStartups" not in sshd.log
    back = {name: daemon.inspect(name)["events"][-1]["time"] for name in ports}
    before = sum(time < back["t59"] for time in back.values())
    assert before < 30, "by order of names it would be the last"


def test_workers_end_when_the_supervisor_is_killed(two):
    daemon, ports, sshd = two
    pids = daemon.kill9()
    assert len(pids) >= 2
    until(lambda: not any(map(proc.is_alive, pids)), 3, "the workers are gone")
    # A thread of theirs may still be on its way out, with the sockets in its hands.
    until(lambda: all(map(client.is_refused, ports.values())), 3, "nobody listens any more")
    until(lambda: sshd.session_count() == 0, 5, "no session is left at the server")
    daemon.start()
    daemon.wait_all("up", 10)


def test_there_is_room_for_descriptors_from_the_start(two):
    """The kernel's table grows by doubling, and a process with threads waits for that in whatever it does
    then: 10 to 100 ms, at 64, 256, 512 descriptors and so on."""
    daemon, _, _ = two
    for pid in [daemon.pid, *daemon.workers()]:
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        soft = int(re.search(r"Max open files +(\d+)", limits)[1])
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert int(re.search(r"FDSize:\s+(\d+)", status)[1]) >= min(soft, 8192)


def opened_for_writing(pid):
    """What its descriptors lead to that are not for reading alone; /dev/null and the log aside."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            flags = pathlib.Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:  # closed meanwhile
            continue
        if int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE and int(fd) > 2:
            found.append(target)
    return found


def listening_inodes():
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {f[9] for f in map(str.split, lines) if f[3] == "0A"}


def test_a_worker_runs_nothing_and_listens_nowhere_new(two):
    """What it holds open: no file for writing, no listening socket that the supervisor did not
    give."""
    daemon, ports, _ = two
    inodes = set()
    for pid in daemon.workers():
        assert proc.children(pid) == []
        assert [target for target in opened_for_writing(pid) if target.startswith("/")] == []
        inodes.update(sock.partition(" ")[2] for sock in proc.sockets(pid))
    given = [sock.partition(" ")[2] for sock in proc.sockets(daemon.pid)]
    listening = {f"socket:[{inode}]" for inode in listening_inodes()}
    assert len(inodes & listening) == len(ports)
    assert inodes & listening <= set(given)


def test_an_idle_daemon_uses_no_cpu(lab):
    one = Simple(lab)
    pids = [one.daemon.pid] + one.daemon.workers()
    before = sum(map(proc.cpu_seconds, pids))
    holds(lambda: True, 3, "idle", 0.5)
    assert sum(map(proc.cpu_seconds, pids)) - before <= 0.1
