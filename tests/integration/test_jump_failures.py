"""What goes wrong on the way through other servers is said of the server where it went wrong, in
time, and mends itself when that does."""

import pathlib
import re
import signal

import pytest

from harness import client, hostile, proc
from harness.chain import Chain
from harness.lab import local
from harness.wait import holds, until

QUICK = {"connect_timeout": "4s", "reconnect": {"min": "100ms", "max": "300ms"}}


def hop(chain, index):
    """How messages begin that are about a server of the chain."""
    return f"hop {index + 1} of {len(chain.servers)}, {chain.servers[index].label}"


def states(daemon, name="t"):
    return [h["state"] for h in daemon.tunnel(name)["hops"]]


# -- a middle server that does not work --------------------------------------------------------------


def freeze(lab, chain):
    chain.servers[1].sshd.freeze()


def stop(lab, chain):
    chain.servers[1].sshd.kill9()


def not_ssh(lab, chain):
    chain.servers[1].sshd.kill9()
    lab.server(hostile.http, port=chain.servers[1].sshd.port)


def silent(lab, chain):
    chain.servers[1].sshd.kill9()
    lab.server(hostile.silent, port=chain.servers[1].sshd.port)


def another_key(lab, chain):
    chain.servers[1].sshd.set_options(
        HostKey=lab.key("another"), AuthorizedKeysFile=lab.path("authorized_s1")
    )
    chain.servers[1].sshd.restart()


def refuse_the_key(lab, chain):
    lab.write("authorized_s1", pathlib.Path(f"{lab.key('stranger')}.pub").read_text())


def forbid_forwarding(lab, chain):
    """The second server lets us in, and no further: what fails is the way to the third."""
    chain.servers[1].sshd.set_options(
        AllowTcpForwarding="no", AuthorizedKeysFile=lab.path("authorized_s1")
    )
    chain.servers[1].sshd.restart()


FAILURES = [
    (freeze, "backoff", "timeout", 1, "no answer within"),
    (stop, "backoff", "connection-refused", 1, "cannot be reached from"),
    (not_ssh, "backoff", "not-ssh", 1, "not an SSH server"),
    (silent, "backoff", "timeout", 1, "no answer within"),
    (another_key, "failed", "host-key-changed", 1, "key"),
    (refuse_the_key, "failed", "auth-refused", 1, "key"),
    (forbid_forwarding, "backoff", "forward-prohibited", 2, "does not allow forwarding"),
]


@pytest.mark.parametrize(
    "spoil, state, code, where, says", FAILURES, ids=[f[0].__name__ for f in FAILURES]
)
def test_the_server_that_is_wrong_is_named(lab, spoil, state, code, where, says):
    chain = Chain(lab, 3)
    spoil(lab, chain)
    daemon = chain.daemon(defaults=QUICK, t=chain.tunnel(lab.port()))
    tunnel = daemon.wait_state("t", state, 15, code)
    assert tunnel["error"]["message"].startswith(hop(chain, where)), tunnel["error"]
    assert says in tunnel["error"]["message"]
    assert tunnel["hops"][where]["error"]["code"] == code
    assert [h["error"] for i, h in enumerate(tunnel["hops"]) if i != where] == [None, None]
    daemon.assert_no_stall()
    chain.servers[1].sshd.thaw()


def test_it_comes_up_when_the_middle_server_does(lab):
    chain = Chain(lab, 3)
    port = lab.port()
    chain.servers[1].sshd.kill9()
    daemon = chain.daemon(defaults=QUICK, t=chain.tunnel(port))
    daemon.wait_state("t", "backoff", 10, "connection-refused")
    chain.servers[1].sshd.start()
    daemon.wait_state("t", "up")
    assert client.exchange(port) == b"hello"


def test_the_jumps_that_work_stay_while_it_is_tried_again(lab):
    chain = Chain(lab, 3)
    chain.target.sshd.kill9()
    daemon = chain.daemon(defaults=QUICK, t=chain.tunnel(lab.port()))
    until(lambda: daemon.tunnel("t")["attempt"] >= 3, 20, "three attempts have failed")
    for server in chain.jumps:
        assert len(re.findall("Accepted publickey for", server.sshd.log)) == 1
    tunnel = daemon.wait_state("t", "backoff")
    assert [h["state"] for h in tunnel["hops"]] == ["up", "up", "backoff"]


# -- a bastion that many go through ------------------------------------------------------------------


def many(chain, count):
    ports = chain.lab.ports(count)
    return ports, {f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)}


def test_a_lost_bastion_is_named_by_all_and_all_come_back(lab):
    chain = Chain(lab, 2)
    ports, tunnels = many(chain, 10)
    daemon = chain.up(defaults=QUICK, **tunnels)
    bastion = chain.jumps[0].sshd
    bastion.kill9()  # its listener too, so that they cannot be back before somebody has looked
    for name in tunnels:
        tunnel = daemon.wait_state(name, "backoff", 10)
        assert tunnel["error"]["message"].startswith(hop(chain, 0)), tunnel["error"]
    bastion.start()
    daemon.wait_all("up", 20)
    for port in ports:
        assert client.exchange(port) == b"hello"
    assert bastion.session_count() == 1


def test_a_frozen_bastion_is_blamed_not_what_is_behind_it(lab):
    chain = Chain(lab, 2)
    ports, tunnels = many(chain, 3)
    defaults = {**QUICK, "keepalive": {"interval": "300ms", "count": 6}}
    daemon = chain.up(defaults=defaults, **tunnels)
    chain.jumps[0].sshd.freeze()
    for name in tunnels:
        tunnel = daemon.wait_state(name, ("backoff", "connecting"), 10)
        history = daemon.inspect(name)["events"]
        lost = next(e for e in history if e["state"] == "backoff")
        assert lost["error"]["code"] == "keepalive-timeout", lost
        assert lost["error"]["message"].startswith(hop(chain, 0)), tunnel["error"]
    chain.jumps[0].sshd.thaw()
    daemon.wait_all("up", 20)
    assert client.exchange(ports[0]) == b"hello"


def test_a_bastion_that_answered_once_more_before_it_froze(lab):
    """The server has missed an answer when the bastion freezes, and its time would be over first."""
    chain = Chain(lab, 2)
    defaults = {**QUICK, "keepalive": {"interval": "300ms", "count": 20}}
    daemon = chain.up(defaults=defaults, t=chain.tunnel(lab.port()))
    chain.target.sshd.freeze()
    holds(lambda: daemon.tunnel("t")["state"] == "up", 1.5, "its time is not over")
    chain.jumps[0].sshd.freeze()
    daemon.wait_log(r"t: .*nothing heard", 30)
    lost = next(e for e in daemon.inspect("t")["events"] if e["state"] == "backoff")
    assert lost["error"]["message"].startswith(hop(chain, 0) + ": nothing heard"), lost
    chain.target.sshd.thaw()
    chain.jumps[0].sshd.thaw()
    daemon.wait_state("t", "up", 10)


def test_a_bastion_without_keepalive_is_blamed_as_well(lab):
    """Its own entry asks nothing of it: the tunnel does, when it misses an answer."""
    chain = Chain(lab, 2, keepalive={"interval": "off"})
    tunnel = chain.tunnel(lab.port(), keepalive={"interval": "300ms", "count": 6})
    daemon = chain.up(defaults=QUICK, t=tunnel)
    chain.jumps[0].sshd.freeze()
    daemon.wait_log(re.escape(hop(chain, 0)) + ": nothing heard", 10)
    chain.jumps[0].sshd.thaw()


def test_a_frozen_server_behind_a_living_bastion_is_named(lab):
    chain = Chain(lab, 2)
    daemon = chain.up(
        defaults={**QUICK, "keepalive": {"interval": "300ms", "count": 6}},
        t=chain.tunnel(lab.port()),
    )
    chain.target.sshd.freeze()
    daemon.wait_log(re.escape(hop(chain, 1)) + ": nothing heard", 10)
    assert states(daemon)[0] == "up"
    chain.target.sshd.thaw()


def test_a_dead_bastion_is_not_asked_by_each_of_them(lab):
    chain = Chain(lab, 2)
    _, tunnels = many(chain, 20)
    chain.jumps[0].sshd.kill9()
    knocks = lab.server(hostile.close_at_once, port=chain.jumps[0].sshd.port)
    daemon = chain.daemon(
        defaults={"reconnect": {"min": "60s", "max": "60s"}, "connect_timeout": "5s"}, **tunnels
    )
    for name in tunnels:
        message = daemon.wait_state(name, "backoff")["error"]["message"]
        assert message.startswith(hop(chain, 0))
    assert knocks.accepted <= 4
    before = knocks.accepted
    daemon.ctl("up", "t0", "--no-wait", check=0)  # a person is not told old news
    until(lambda: knocks.accepted > before, 5, "the bastion has been asked again")


# -- changes -----------------------------------------------------------------------------------------


def test_a_reload_sends_it_another_way(lab):
    chain = Chain(lab, 3)
    port = lab.port()
    first, second = chain.servers[0], chain.servers[1]
    tunnel = {"host": "s2", "local": local(port, chain.echo.port)}
    daemon = chain.up(t={**tunnel, "jump": "s0"}, other=chain.tunnel(lab.port()))
    daemon.write(
        lab.config(
            {"t": {**tunnel, "jump": "s1"}, "other": chain.tunnel(lab.port())}, hosts=chain.hosts
        )
    )
    daemon.ctl("reload", check=0)
    until(lambda: daemon.tunnel("t")["hops"][0]["host"] == second.address, 5, "it is on its way")
    daemon.wait_all("up", 10)
    assert client.exchange(port) == b"hello"
    assert first.sshd.session_count() == 1  # the other's


def test_a_reload_of_the_server_keeps_the_jump(lab):
    chain = Chain(lab, 2)
    port = lab.port()
    daemon = chain.up(t=chain.tunnel(port))
    other = lab.sshd(AuthorizedKeysFile=lab.path("authorized_s1"))
    chain.hosts["s1"]["address"] = other.address
    daemon.write(lab.config({"t": chain.tunnel(port)}, hosts=chain.hosts))
    daemon.ctl("reload", check=0)
    until(lambda: other.session_count() == 1, 10, "it goes to the other server")
    daemon.wait_state("t", "up")
    assert client.exchange(port) == b"hello"
    assert len(re.findall("Accepted publickey for", chain.jumps[0].sshd.log)) == 1


def test_tunnels_that_are_sent_through_one_bastion_meet_there(lab):
    """They were spread over the workers before; a session is in one of them."""
    chain = Chain(lab, 2)
    ports = lab.ports(6)
    direct = {
        f"t{i}": {"host": "s1", "local": local(port, chain.echo.port)}
        for i, port in enumerate(ports)
    }
    config = lab.config(direct, hosts=chain.hosts, daemon={"workers": 3})
    daemon = lab.daemon(config)
    daemon.wait_all("up", 20)
    assert len({daemon.inspect(name)["worker"] for name in direct}) == 3
    daemon.write(
        lab.config(
            {name: {**tunnel, "jump": "s0"} for name, tunnel in direct.items()},
            hosts=chain.hosts,
            daemon={"workers": 3},
        )
    )
    daemon.ctl("reload", check=0)
    until(lambda: all(len(t["hops"]) == 2 for t in daemon.tunnels().values()), 5, "they know")
    daemon.wait_all("up", 20)
    for port in ports:
        assert client.exchange(port) == b"hello"
    assert len({daemon.inspect(name)["worker"] for name in direct}) == 1
    assert chain.jumps[0].sshd.session_count() == 1


def test_the_death_of_the_worker(lab):
    chain = Chain(lab, 3)
    ports, tunnels = many(chain, 3)
    daemon = chain.up(**tunnels)
    pid = daemon.worker_of("t0")
    before = daemon.inspect("t0")["worker"]
    proc.send(pid, signal.SIGKILL)
    until(lambda: daemon.status()["workers"][0]["pid"] != pid, 10, "there is another worker")
    daemon.wait_all("up", 20)
    assert daemon.inspect("t0")["worker"] == before
    for port in ports:
        assert client.exchange(port) == b"hello"
    for server in chain.jumps:
        until(lambda s=server: s.sshd.session_count() == 1, 10, "the old sessions are gone")

