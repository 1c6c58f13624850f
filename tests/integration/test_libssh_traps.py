"""What libssh does that its documentation does not say; each trap the worker steers around, seen
from outside. (Others: 1 and 15-18 in test_hostile, test_hostkeys and test_failures; 4 and 24 are
what the sanitizer build of this whole suite watches for.)"""

import concurrent.futures
import contextlib
import os
import socket
import threading

from harness import build, client, hostile, peers, proc
from harness.lab import Simple, local
from harness.wait import holds, until

MIB = 1 << 20


def test_2_3_hundreds_of_failed_connects_leak_nothing(lab):
    """The first send fails, the descriptor is closed on some paths only: none may leak or be
    closed twice."""
    habits = (
        hostile.close_at_once,
        hostile.reset_at_once,
        hostile.close_after_banner,
        hostile.http,
    )
    servers = [lab.server(h) for h in habits]
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    tunnels = {
        f"bad{i}": {
            "host": f"127.0.0.1:{s.port}",
            "local": local(lab.port(), 1),
            "reconnect": {"min": "10ms", "max": "10ms"},
        }
        for i, s in enumerate(servers)
    }
    tunnels["good"] = {"host": sshd.address, "local": local(port, echo.port)}
    daemon = lab.daemon(lab.config(tunnels, daemon={"workers": 1}))
    daemon.wait_state("good", "up")
    with client.connect(port) as held:
        client.ping(held)
        until(lambda: min(s.accepted for s in servers) > 100, 30, "a hundred failures each")
        client.ping(held)  # whose descriptor would have been hit by a double close
        daemon.ctl("down", *[f"bad{i}" for i in range(len(servers))], check=0)
    worker = daemon.workers()[0]
    until(lambda: proc.fd_count(worker) < 30, 5, "descriptors are closed")
    assert daemon.status()["workers"][0]["restarts"] == 0


def test_3_reconnects_to_a_real_server_leak_nothing(simple):
    worker = simple.daemon.workers()[0]
    simple.daemon.ctl("restart", "t", check=0)
    before = proc.fd_count(worker)
    for _ in range(30):
        simple.daemon.ctl("restart", "t", check=0)
    until(lambda: proc.fd_count(worker) <= before, 5, "none is left")


def slow_to_open(lab):
    """A target whose SYN is never answered: its backlog is full. The channel stays opening."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    return listener, fillers


def accept_and_hold(listener):
    """Late, but now: every connection is accepted, and closed when its peer closes."""
    listener.listen(64)
    listener.settimeout(10)
    with contextlib.suppress(OSError):
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=lambda s=sock: (peers.hold(s), s.close()), daemon=True).start()


def test_5_clients_that_leave_while_their_channel_opens(lab):
    """The late confirmation must find its channel, or the server keeps the connection for ever."""
    listener, fillers = slow_to_open(lab)
    sshd, port = lab.sshd(LogLevel="DEBUG2"), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, listener.getsockname()[1])}})
    for _ in range(10):
        client.connect(port).close()
    until(lambda: sshd.log.count("direct-tcpip") >= 10, 5, "the server was asked ten times")
    for filler in fillers:
        filler.close()
    threading.Thread(target=accept_and_hold, args=(listener,), daemon=True).start()
    until(lambda: count_closed(sshd.log) >= 10, 15, "the server freed all ten channels")
    assert daemon.tunnel("t")["state"] == "up"
    until(lambda: daemon.forward("t")["connections"] == 0, 5, "all are forgotten")
    listener.close()


def count_closed(log):
    return log.count("free: direct-tcpip")


def test_6_close_is_really_sent(lab):
    """Without the EOF first, libssh never sends CLOSE and the server keeps every channel."""
    echo, port, sshd = lab.echo(), lab.port(), lab.sshd(LogLevel="DEBUG2")
    lab.up({"t": {"host": sshd.address, "local": local(port, echo.port)}})
    for i in range(50):
        sock = client.connect(port)
        client.ping(sock)
        if i % 2:
            peers.reset(sock)
        else:
            sock.close()
    until(lambda: count_closed(sshd.log) == 50, 10, "the server freed fifty channels")
    until(lambda: echo.open_count() == 0, 5, "no connection is left at the target")


def test_7_8_reads_in_small_sips_lose_nothing(lab):
    """What the callback leaves behind is not offered again; small reads grow the window."""
    payload = os.urandom(48 * MIB)
    server, sshd, port = lab.server(peers.source(payload)), lab.sshd(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, server.port)}})
    before = proc.memory_kib(daemon.workers()[0])
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", port))
        received = bytearray()
        while len(received) < 8 * MIB:
            received += sock.recv(1500)
        if not build.SANITIZED:
            assert proc.memory_kib(daemon.workers()[0]) - before < 12 * 1024
        while data := sock.recv(MIB):
            received += data
    assert received == payload


def test_9_10_keepalive_goes_on_for_long(lab):
    """ssh_send_keepalive() does nothing every second time; ours is answered every time."""
    one = Simple(lab, keepalive={"interval": "100ms", "count": 20})
    one.sshd.wait_log("Accepted publickey")
    values = set()

    def measured():
        values.add(one.daemon.tunnel("t")["rtt_ms"])
        return one.daemon.tunnel("t")["state"] == "up"

    holds(measured, 4, "the tunnel is up through forty keepalives")
    assert len(values - {None}) >= 3, "the round trip was measured again and again"
    assert one.sshd.log.count("Accepted publickey") == 1


def test_12_13_sessions_do_not_run_each_others_callbacks(lab):
    """Many sessions busy in one loop, some of them ending all the time."""
    sshd, echo = lab.sshd(), lab.echo()
    ports = [lab.port() for _ in range(6)]
    daemon = lab.up(
        {
            f"t{i}": {"host": sshd.address, "local": local(p, echo.port)}
            for i, p in enumerate(ports)
        },
        daemon={"workers": 1},
    )

    def transfer(port):
        payload = os.urandom(2 * MIB)
        return all(client.exchange(port, payload, timeout=60) == payload for _ in range(3))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        steady = [pool.submit(transfer, p) for p in ports[:4]]
        while not all(f.done() for f in steady):
            daemon.ctl("restart", "t4", "t5", check=0)
        assert all(f.result() for f in steady)
    assert daemon.status()["workers"][0]["restarts"] == 0


def test_17_no_ssh_config_is_read_and_nothing_is_run(lab):
    """PROCESS_CONFIG=0: otherwise libssh reads ~/.ssh/config and runs `Match exec`."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.daemon(
        lab.config({"t": {"host": sshd.address, "local": local(port, echo.port)}}), start=False
    )
    ssh_dir = daemon.directory / ".ssh"
    ssh_dir.mkdir()
    proof = lab.path("was-run")
    (ssh_dir / "config").write_text(
        f'Match exec "touch {proof}"\n  User intruder\n'
        f"Host *\n  User intruder\n  ProxyCommand touch {proof}\n"
    )
    daemon.start()
    daemon.wait_state("t", "up")
    assert not proof.exists()
    assert "intruder" not in sshd.log


def test_19_rekey_under_load_both_ways(lab):
    """ssh_channel_write() takes nothing while keys are exchanged; opens are queued."""
    sshd, echo, port = lab.sshd(RekeyLimit="1M", LogLevel="DEBUG1"), lab.echo(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, echo.port)}})

    def transfer(_):
        payload = os.urandom(4 * MIB)
        return client.exchange(port, payload, timeout=60) == payload

    before = proc.cpu_seconds(daemon.workers()[0])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(transfer, range(8)))
        assert all(pool.map(lambda _: client.exchange(port) == b"hello", range(50)))
    assert sshd.log.count("SSH2_MSG_NEWKEYS received") > 10
    assert proc.cpu_seconds(daemon.workers()[0]) - before < build.limit(10)
    assert daemon.tunnel("t")["state"] == "up"


def test_22_a_fast_cipher_is_chosen_where_the_cpu_has_aes(simple):
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        has_aes = " aes " in cpuinfo.read()
    cipher = simple.daemon.inspect("t")["session"]["cipher"]
    assert cipher.startswith("aes128-gcm" if has_aes else "chacha20"), cipher


def test_21_a_cheap_key_exchange_is_chosen(simple):
    kex = simple.daemon.inspect("t")["session"]["kex"]
    assert "25519" in kex and "sntrup" not in kex


def test_24_sessions_end_while_they_are_busy(lab):
    """Order of freeing: a session is taken out of its event before it is freed."""
    one = Simple(lab)
    flood = lab.server(peers.source(bytes(64 * MIB)))
    port = lab.port()
    one.daemon.write(
        {
            **one.daemon.config,
            "tunnels": {
                "t": {
                    "host": one.sshd.address,
                    "local": [local(one.port, one.echo.port), local(port, flood.port)],
                }
            },
        }
    )
    one.daemon.ctl("reload", check=0)
    client.wait_served(one.port, 5)
    for how in ("kill_sessions", "restart", "restart"):
        with client.connect(port) as busy:
            assert busy.recv(1)
            if how == "kill_sessions":
                one.sshd.kill_sessions()
            else:
                one.daemon.ctl("restart", "t", check=0)
        client.wait_served(one.port, 10)
    assert one.daemon.status()["workers"][0]["restarts"] == 0
