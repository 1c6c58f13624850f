"""Tunnels through other servers (ssh -J): what passes, who sees which key, and who shares what."""

import hashlib
import os
import re
import socket
import subprocess
import threading

import pytest

from harness import build, client, peers, socks
from harness.chain import Chain
from harness.lab import local, remote
from harness.wait import settled, until

MIB = 1 << 20


def logins(server):
    """How often somebody has logged in there."""
    return len(re.findall(r"Accepted publickey for", server.sshd.log))


def hops(daemon, name="t"):
    return [(h["host"], h["state"]) for h in daemon.tunnel(name)["hops"]]


# -- the way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_bytes_pass_through_so_many_servers(lab, count):
    chain = Chain(lab, count)
    port = lab.port()
    daemon = chain.up(t=chain.tunnel(port))
    payload = os.urandom(MIB)
    assert client.exchange(port, payload) == payload
    assert hops(daemon) == [(s.address, "up") for s in chain.servers]
    daemon.assert_no_stall()


def test_written_as_ssh_takes_them(lab):
    """One text with commas, users and ports; the keys come from defaults then."""
    first, second, target = lab.sshd(), lab.sshd(), lab.sshd()
    echo, port = lab.echo(), lab.port()
    user = os.environ.get("USER") or "root"
    jump = f"{user}@{first.address},{second.address}"
    daemon = lab.up(
        {"t": {"host": target.address, "jump": jump, "local": local(port, echo.port)}}
    )
    assert client.exchange(port) == b"hello"
    assert [h["host"] for h in daemon.tunnel("t")["hops"]] == [
        first.address,
        second.address,
        target.address,
    ]


def test_entries_with_jumps_of_their_own(lab):
    chain = Chain(lab, 3)
    chain.hosts["s1"]["jump"] = "s0"
    chain.hosts["s2"]["jump"] = "s1"
    port = lab.port()
    daemon = chain.up(t={"host": "s2", "local": local(port, chain.echo.port)})
    assert client.exchange(port) == b"hello"
    assert hops(daemon) == [(s.address, "up") for s in chain.servers]


def test_a_jump_in_defaults_is_for_servers(lab):
    chain = Chain(lab, 2)
    port, direct = lab.port(), lab.port()
    daemon = chain.up(
        defaults={"jump": "s0"},
        t={"host": "s1", "local": local(port, chain.echo.port)},
        bastion={"host": "s0", "local": local(direct, chain.echo.port)},
    )
    assert client.exchange(port) == client.exchange(direct) == b"hello"
    assert len(hops(daemon, "t")) == 2 and len(hops(daemon, "bastion")) == 1


def test_a_circle_is_refused_with_the_way_round(lab):
    chain = Chain(lab, 2)
    chain.hosts["s0"]["jump"], chain.hosts["s1"]["jump"] = "s1", "s0"
    daemon = lab.daemon(
        lab.config({"t": {"host": "s0", "local": "1:h:2"}}, hosts=chain.hosts), start=False
    )
    check = daemon.check()
    assert check.returncode == 1
    assert "jump: s0 → s1 → s0 goes round in a circle" in check.stderr
    assert check.stderr.count("circle") == 1


# -- every kind of forward -------------------------------------------------------------------------


def test_remote_dynamic_and_nc(lab):
    chain = Chain(lab, 3)
    back, proxy = lab.port(), lab.port()
    daemon = chain.up(
        t=chain.tunnel(remote=remote(back, chain.echo.port), dynamic=f"127.0.0.1:{proxy}")
    )
    assert client.exchange(back) == b"hello"
    sock, _ = socks.open5(proxy, "127.0.0.1", chain.echo.port)
    with sock:
        client.ping(sock)
    nc = [str(build.TUNCTL), "-s", str(daemon.socket), "nc", "t", f"127.0.0.1:{chain.echo.port}"]
    out = subprocess.run(nc, input=b"hello", capture_output=True, timeout=20, env=daemon.env)
    assert (out.returncode, out.stdout) == (0, b"hello"), out.stderr


# -- bytes -----------------------------------------------------------------------------------------


def test_the_halves_end_on_their_own(lab):
    chain = Chain(lab, 3)
    sink = peers.Sink(reply=b"a" * MIB)
    port = lab.port()
    chain.up(t=chain.tunnel(port, lab.server(sink).port))
    with client.connect(port) as sock:
        sock.sendall(b"request")
        sock.shutdown(socket.SHUT_WR)
        assert sink.results.get(timeout=30)[0] == 7
        assert client.read_all(sock) == b"a" * MIB


def test_64_mib_both_ways_with_a_slow_reader(lab):
    chain = Chain(lab, 3)
    port = lab.port()
    daemon = chain.up(t=chain.tunnel(port))
    payload = os.urandom(64 * MIB)
    got, worker = hashlib.sha256(), daemon.worker_of("t")
    with client.connect(port, timeout=60) as sock:
        sender = threading.Thread(target=sock.sendall, args=(payload,), daemon=True)
        sender.start()
        stuck = settled(lambda: daemon.tunnel("t")["bytes_out"], 1.5, 60, "the stream")
        assert 0 < stuck < len(payload), "it has filled every buffer"
        # What a sanitizer keeps of freed memory is not the stream's.
        assert build.SANITIZED or _resident_mib(worker) < 100
        size = 0
        while size < len(payload):
            part = sock.recv(65536)
            assert part, f"the stream ended after {size} bytes"
            got.update(part)
            size += len(part)
        sender.join(30)
    assert got.digest() == hashlib.sha256(payload).digest()
    daemon.assert_no_stall()


def _resident_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


# -- who sees what ---------------------------------------------------------------------------------


def test_each_server_sees_its_own_key_only(lab):
    """At VERBOSE sshd logs every key that is offered, at DEBUG1 even those it is only asked about."""
    chain = Chain(lab, 3, options={i: {"LogLevel": "DEBUG1"} for i in range(3)})
    port = lab.port()
    chain.up(t=chain.tunnel(port))
    assert client.exchange(port) == b"hello"
    for server in chain.servers:
        seen = set(re.findall(r"SHA256:[A-Za-z0-9+/]{43}", server.sshd.log))
        assert server.fingerprint in seen
        assert not seen & {s.fingerprint for s in chain.servers if s is not server}


def test_settings_of_the_tunnel_are_for_its_server(lab):
    """An inline jump takes what defaults say, never the tunnel's identity or user."""
    chain = Chain(lab, 1, options={0: {"LogLevel": "DEBUG1"}})
    jump = lab.sshd(LogLevel="DEBUG1")
    port = lab.port()
    tunnel = {
        "host": chain.target.address,
        "identity": str(chain.target.key),
        "jump": jump.address,
        "local": local(port, chain.echo.port),
    }
    lab.up({"t": tunnel})
    assert client.exchange(port) == b"hello"
    assert chain.target.fingerprint not in jump.log


# -- sharing ---------------------------------------------------------------------------------------


def test_fifty_tunnels_are_one_session_at_the_bastion(lab):
    chain = Chain(lab, 2)
    ports = lab.ports(50)
    daemon = chain.up(**{f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)})
    assert logins(chain.jumps[0]) == chain.jumps[0].sshd.session_count() == 1
    until(lambda: logins(chain.target) >= 50, 5, "all are in the log")  # told after they are told
    assert logins(chain.target) == 50
    for port in ports:
        assert client.exchange(port) == b"hello"
    assert len({daemon.inspect(f"t{i}")["worker"] for i in range(50)}) == 1
    daemon.assert_no_stall()


def test_share_no_gets_sessions_of_its_own(lab):
    chain = Chain(lab, 2, share=False)
    ports = lab.ports(5)
    chain.up(**{f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)})
    assert logins(chain.jumps[0]) == 5


def test_a_tunnel_may_opt_out(lab):
    chain = Chain(lab, 2)
    ports = lab.ports(3)
    tunnels = {f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)}
    tunnels["t2"]["share"] = False
    chain.up(**tunnels)
    assert logins(chain.jumps[0]) == 2


def test_the_last_tunnel_closes_it(lab):
    chain = Chain(lab, 2)
    ports = lab.ports(2)
    daemon = chain.up(**{f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)})
    bastion = chain.jumps[0].sshd
    # An answer on its way to a session that is closed would come back to the server as a reset, which
    # takes our good-bye with it.
    until(lambda: all(t["rtt_ms"] for t in daemon.tunnels().values()), 5, "the first answers came")
    daemon.ctl("down", "t0", check=0)
    assert client.exchange(ports[1]) == b"hello"
    assert bastion.session_count() == 1
    daemon.ctl("down", "t1", check=0)
    until(lambda: bastion.session_count() == 0, 5, "nobody is logged in any more")
    said = "their good-byes got through the jump"
    until(lambda: chain.target.sshd.log.count("Received disconnect from") == 2, 5, said)
    assert [state for _, state in hops(daemon, "t0")] == ["stopped", "stopped"]


def test_a_restart_of_one_leaves_the_jump(lab):
    chain = Chain(lab, 2)
    ports = lab.ports(2)
    daemon = chain.up(**{f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)})
    with client.connect(ports[1]) as sock:
        client.ping(sock)
        daemon.ctl("restart", "t0", check=0)
        daemon.wait_state("t0", "up")
        client.ping(sock)
    assert logins(chain.jumps[0]) == 1
    assert client.exchange(ports[0]) == b"hello"


def test_inspect_shows_the_session_of_each_jump(lab):
    chain = Chain(lab, 3)
    daemon = chain.up(t=chain.tunnel(lab.port()))
    until(
        lambda: all(j["rtt_ms"] is not None for j in daemon.inspect("t")["jumps"]),
        5,
        "each jump has been asked",
    )
    jumps = daemon.inspect("t")["jumps"]
    assert [j["host"] for j in jumps] == [s.address for s in chain.jumps]
    for jump, server in zip(jumps, chain.jumps):
        assert jump["state"] == "up" and jump["error"] is None
        assert jump["session"]["identity"] == str(server.key)
        assert jump["session"]["host_key"].startswith("ssh-ed25519 SHA256:")
    text = daemon.ctl("inspect", "t", check=0).stdout
    assert " → ".join(f"{s.address} (up)" for s in chain.servers) in re.sub(r"\s+", " ", text)
