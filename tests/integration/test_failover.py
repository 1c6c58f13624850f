"""A tunnel with several servers: which one it uses, how it gets to another one and back, and what is
said of each."""

import datetime
import os
import re
import signal

import pytest

from harness import build, chain, client, hostile, proc
from harness.lab import local, remote
from harness.wait import Stopwatch, holds, until


class Several:
    """Servers in the order they are preferred, one tunnel `t` over them."""

    def __init__(self, lab, count=2, down=(), options=(), wait="up", **tunnel):
        options = dict(options)
        self.lab = lab
        self.sshds = [
            lab.sshd(start=i not in down, **options.get(i, {})) for i in range(count)
        ]
        self.echo, self.port = lab.echo(), lab.port()
        self.spec = {"local": local(self.port, self.echo.port), "failback": "1s", **tunnel}
        self.daemon = lab.daemon(self.config(range(count)))
        if wait:
            self.daemon.wait_state("t", wait, 15)

    def config(self, indices, **tunnel):
        hosts = [self.sshds[i].address for i in indices]
        return self.lab.config({"t": {"host": hosts, **self.spec, **tunnel}})

    def reload(self, indices, **tunnel):
        self.daemon.write(self.config(indices, **tunnel))
        self.daemon.ctl("reload", check=0)

    @property
    def current(self):
        """The address of the server that is used or tried."""
        return self.daemon.tunnel("t")["server"]

    def wait_current(self, index, seconds=10):
        address = self.sshds[index].address

        def check():
            tunnel = self.daemon.tunnel("t")
            assert (tunnel["server"], tunnel["state"]) == (address, "up")
            return True

        until(check, build.limit(seconds), f"the tunnel is up with server {index}")

    def wait_stable(self):
        """Until the current session is older than reconnect.stable of 100 ms."""

        def age():
            since = self.daemon.tunnel("t")["since"].replace("Z", "+00:00")
            now = datetime.datetime.now(datetime.timezone.utc)
            return (now - datetime.datetime.fromisoformat(since)).total_seconds()

        until(lambda: age() > 0.2, 5, "the session is stable")

    def servers(self):
        """(state, code of its error) of each."""
        return [
            (s["state"], s["error"] and s["error"]["code"])
            for s in self.daemon.inspect("t")["servers"]
        ]

    def wait_servers(self, *wanted, seconds=10):
        def check():
            assert self.servers() == list(wanted)
            return True

        until(check, build.limit(seconds), f"the servers are {wanted}")

    def visits(self, index):
        """How often somebody has connected there."""
        return len(re.findall(r"Connection from 127.0.0.1", self.sshds[index].log))


def stranger(lab):
    """Options of a server with another host key than the known one."""
    return {"HostKey": lab.key("stranger")}


# --- on to the next -------------------------------------------------------------------------------


def test_the_first_is_used(lab):
    several = Several(lab)
    assert several.current == several.sshds[0].address
    assert several.servers() == [("up", None), ("idle", None)]
    assert several.visits(1) == 0
    client.wait_served(several.port, 5)


def test_the_first_is_down(lab):
    with Stopwatch() as watch:
        several = Several(lab, down=[0], failback="off")
    assert watch.seconds < build.limit(5)
    assert several.current == several.sshds[1].address
    assert several.servers() == [("down", "connection-refused"), ("up", None)]
    client.wait_served(several.port, 5)
    down, up = several.daemon.inspect("t")["servers"]
    assert (down["host"], up["host"]) == tuple(s.address for s in several.sshds)
    assert several.sshds[0].address in down["error"]["message"]
    assert down["since"] and up["since"]
    assert several.daemon.tunnel("t")["error"] is None


def test_events_tell_why_a_server_was_left(lab):
    several = Several(lab, down=[0], failback="off")
    events = several.daemon.inspect("t")["events"]
    left = next(e for e in events if e["error"])
    assert left["state"] == "connecting"
    assert left["error"]["code"] == "connection-refused"
    assert "backoff" not in [e["state"] for e in events]
    several.daemon.wait_log(
        rf"t: server '{several.sshds[0].address}' does not work: .*\[connection-refused\]"
    )


def test_kill_9_of_the_current_one(lab):
    """Clients are held, not refused, and go on through the next server at once."""
    several = Several(lab, failback="off")
    with client.Visitors(several.port, threads=3) as visitors:
        visitors.wait_served(5, 5)
        several.sshds[0].kill9()
        several.wait_current(1)
        with Stopwatch() as watch:
            visitors.wait_served(5, 10)
        assert watch.seconds < build.limit(2)
    assert visitors.refused == 0
    assert visitors.cut <= 3  # at most the one in flight of each thread
    assert several.servers()[1] == ("up", None)
    assert several.servers()[0][0] == "down"


def test_down_the_list_and_up_again(lab):
    several = Several(lab, 3, failback="off")
    several.sshds[0].kill9()
    several.wait_current(1)
    several.sshds[1].kill9()
    several.wait_current(2)
    several.sshds[0].start()
    several.sshds[2].kill9()
    several.wait_current(0)
    client.wait_served(several.port, 5)


def test_all_are_down(lab):
    """A round without a pause between the servers, then a wait; clients wait meanwhile."""
    several = Several(lab, down=[0, 1], wait="backoff", hold="60s")
    tunnel = several.daemon.wait_state("t", "backoff", code="connection-refused")
    message = tunnel["error"]["message"]
    for sshd in several.sshds:
        assert f"{sshd.address}: Connection refused" in message
    assert "; " in message
    assert [s[0] for s in several.servers()] == ["down", "down"]
    with client.connect(several.port) as sock:
        several.sshds[1].start()
        client.ping(sock)
    several.wait_current(1)


def test_tunctl_up_waits_for_the_first_that_comes_up(lab):
    several = Several(lab, 3, down=[0, 1], start="manual", wait="stopped", failback="off")
    several.daemon.ctl("up", "t", check=0)
    assert several.current == several.sshds[2].address
    assert several.servers()[2] == ("up", None)


def test_each_server_has_the_whole_connect_timeout(lab):
    silent = lab.server(hostile.silent)
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = {
        "host": [f"127.0.0.1:{silent.port}"] * 2 + [sshd.address],
        "connect_timeout": "1500ms",
        "failback": "off",
        "local": local(port, echo.port),
    }
    with Stopwatch() as watch:
        daemon = lab.up({"t": spec})
    assert watch.seconds >= 2  # 75 % of 1.5 s for a banner, twice
    codes = [s["error"] and s["error"]["code"] for s in daemon.inspect("t")["servers"]]
    assert codes == ["timeout", "timeout", None]


# --- who needs a person ---------------------------------------------------------------------------


def test_a_changed_host_key_does_not_stop_the_others(lab):
    several = Several(lab, options={0: stranger(lab)})
    assert several.current == several.sshds[1].address
    assert several.servers() == [("failed", "host-key-changed"), ("up", None)]
    assert several.visits(0) == 1
    several.daemon.wait_log("is not tried again before 'tunctl up'")
    holds(lambda: several.visits(0) == 1, 2.5, "it is not knocked at again")
    client.wait_served(several.port, 5)


def test_up_tries_it_again_when_it_is_mended(lab):
    several = Several(lab, options={0: stranger(lab)})
    several.sshds[0].set_options()
    several.sshds[0].restart()
    several.daemon.ctl("up", "t", check=0)
    several.wait_current(0)
    assert several.servers() == [("up", None), ("idle", None)]


def test_it_is_left_alone_while_the_others_are_retried(lab):
    several = Several(
        lab, options={0: stranger(lab)}, down=[1], wait="backoff", reconnect={"max": "500ms"}
    )
    tunnel = several.daemon.wait_state("t", "backoff", code="connection-refused")
    said = tunnel["error"]["message"].split("; ")
    assert f":{several.sshds[0].port} changed" in said[0]
    assert said[-1].endswith(f"{several.sshds[1].address}: Connection refused")
    until(lambda: several.daemon.tunnel("t")["attempt"] >= 5, 10, "some rounds have passed")
    assert several.visits(0) == 1
    several.sshds[1].start()
    several.wait_current(1)


def test_all_need_a_person(lab):
    other = lab.key("nobody")
    authorized = lab.write("authorized_nobody", other.with_suffix(".pub").read_text())
    several = Several(
        lab, options={0: stranger(lab), 1: {"AuthorizedKeysFile": authorized}}, wait="failed"
    )
    tunnel = several.daemon.tunnel("t")
    assert tunnel["error"]["code"] == "host-key-changed"
    assert all(str(s.port) in tunnel["error"]["message"] for s in several.sshds)
    assert several.servers() == [("failed", "host-key-changed"), ("failed", "auth-refused")]
    assert several.daemon.ctl("up", "t").returncode == 1
    assert client.how_a_visit_ends(several.port) == "reset"
    several.sshds[1].set_options()
    several.sshds[1].restart()
    several.daemon.ctl("up", "t", check=0)
    several.wait_current(1)


# --- back to a better one -------------------------------------------------------------------------


def test_back_to_the_first_when_it_works_again(lab):
    several = Several(lab, down=[0])
    before = several.sshds[1].sessions()
    with client.Visitors(several.port, threads=1) as visitors:
        visitors.wait_served(3, 5)
        several.sshds[0].start()
        several.wait_current(0)
        visitors.wait_served(3, 5)
    assert (visitors.refused, visitors.cut) == (0, 0)
    assert several.servers() == [("up", None), ("idle", None)]
    until(lambda: not several.sshds[1].sessions() & before, 5, "the old session is closed")


def test_a_move_cuts_nobody(lab):
    several = Several(lab, down=[0])
    with client.connect(several.port) as sock:
        client.ping(sock)
        several.sshds[0].start()
        several.wait_servers(("standby", None), ("up", None))
        client.ping(sock, b"still here")
        client.wait_served(several.port, 5)  # one that comes and goes meanwhile
        assert several.servers() == [("standby", None), ("up", None)]
        client.ping(sock, b"and here")
    several.wait_current(0)
    assert several.visits(0) == 1  # the session that stood by


def test_restart_forces_the_move(lab):
    several = Several(lab, down=[0])
    with client.connect(several.port) as sock:
        client.ping(sock)
        several.sshds[0].start()
        several.wait_servers(("standby", None), ("up", None))
        several.daemon.ctl("restart", "t", check=0)
        assert several.current == several.sshds[0].address
        assert client.how_it_ends(sock) in ("eof", "reset")


def test_the_session_that_stands_by_takes_over(lab):
    several = Several(lab, down=[0])
    with client.connect(several.port) as sock:
        client.ping(sock)
        several.sshds[0].start()
        several.wait_servers(("standby", None), ("up", None))
        several.sshds[1].kill9()
        assert client.how_it_ends(sock) in ("eof", "reset")
    several.wait_current(0)
    client.wait_served(several.port, 5)
    assert several.visits(0) == 1


def test_one_that_stands_by_is_lost(lab):
    several = Several(lab, down=[0])
    with client.connect(several.port) as sock:
        client.ping(sock)
        several.sshds[0].start()
        several.wait_servers(("standby", None), ("up", None))
        several.sshds[0].kill9()
        several.wait_servers(("down", "connection-refused"), ("up", None))  # tried once more
        client.ping(sock, b"what is that to me")
        several.sshds[0].start()
        several.wait_servers(("standby", None), ("up", None))
    several.wait_current(0)


def test_prefer_any_stays(lab):
    several = Several(lab, down=[0], prefer="any")
    several.sshds[0].start()
    holds(lambda: several.current == several.sshds[1].address, 2.5, "it stays")
    assert several.visits(0) == 0
    several.sshds[1].kill9()
    several.wait_current(0)
    several.sshds[1].start()
    holds(lambda: several.current == several.sshds[0].address, 1.5, "it stays there, too")


# --- remote forwards ------------------------------------------------------------------------------


def test_a_remote_forward_moves_along(lab):
    """Both servers are one machine here: the old one has to give the port back before the new one can
    have it."""
    echo, far = lab.echo(), lab.port()
    several = Several(lab, down=[0], remote=remote(far, echo.port))
    client.wait_served(far, 5)
    assert several.daemon.forward("t", 1)["state"] == "open"
    several.sshds[0].start()
    several.wait_current(0)
    client.wait_served(far, 5)
    forward = several.daemon.forward("t", 1)
    assert (forward["state"], forward["error"]) == ("open", None)
    assert "degraded" not in [e["state"] for e in several.daemon.inspect("t")["events"]]
    several.sshds[0].kill9()
    several.wait_current(1)
    client.wait_served(far, 5)


def test_a_connection_from_the_server_is_not_cut(lab):
    echo, far = lab.echo(), lab.port()
    several = Several(lab, down=[0], remote=remote(far, echo.port))
    with client.connect(far) as sock:
        client.ping(sock)
        several.sshds[0].start()
        several.wait_servers(("standby", None), ("up", None))
        client.ping(sock, b"still here")
    several.wait_current(0)
    client.wait_served(far, 5)


def test_exit_on_forward_failure_goes_on_to_the_next(lab):
    """A port that this server does not give may be had at another."""
    echo, far = lab.echo(), lab.port()
    several = Several(
        lab,
        options={0: {"AllowTcpForwarding": "local"}},
        exit_on_forward_failure=True,
        failback="off",
        remote=remote(far, echo.port),
    )
    assert several.current == several.sshds[1].address
    client.wait_served(far, 5)
    state, code = several.servers()[0]
    assert state == "down" and code in ("forward-prohibited", "forward-refused")


# --- another list ---------------------------------------------------------------------------------


def test_a_longer_list_keeps_the_session(lab):
    several = Several(lab, 3, failback="off")
    several.reload([0, 1])
    session = several.sshds[0].sessions()
    with client.connect(several.port) as sock:
        client.ping(sock)
        several.reload([1, 0, 2])
        client.ping(sock, b"no matter")
        assert several.sshds[0].sessions() == session
        assert several.current == several.sshds[0].address
        several.wait_servers(("idle", None), ("up", None), ("idle", None))
        several.reload([1, 0, 2], failback="1s")
        several.wait_servers(("standby", None), ("up", None), ("idle", None))
        client.ping(sock, b"still")
    several.wait_current(1)


def test_the_server_in_use_leaves_the_list(lab):
    several = Several(lab)
    several.reload([1])
    several.wait_current(1)
    client.wait_served(several.port, 5)
    assert several.servers() == [("up", None)]


def test_prefer_and_failback_are_changed_in_place(lab):
    several = Several(lab, down=[0], prefer="any")
    session = several.sshds[1].sessions()
    several.sshds[0].start()
    several.reload([0, 1], failback="1s", prefer="first")
    several.wait_current(0)
    several.sshds[0].kill9()
    several.wait_current(1)
    assert several.sshds[1].sessions() != session


# --- what is shown --------------------------------------------------------------------------------


def test_list_shows_the_server_in_use(lab):
    several = Several(lab, down=[0], failback="off")
    first, second = (s.address for s in several.sshds)
    tunnel = several.daemon.list()["t"]
    assert tunnel["host"] == f"{first}, {second}"
    assert tunnel["server"] == second
    assert [h["host"] for h in tunnel["hops"]] == [second]
    row = several.daemon.ctl("list", check=0).stdout.splitlines()[1]
    assert second in row and first not in row


def test_inspect_shows_all_of_them(lab):
    several = Several(lab, 3, down=[0], failback="off", options={1: stranger(lab)})
    out = several.daemon.ctl("inspect", "t", check=0).stdout
    section = out[out.index("Servers") : out.index("Session")]
    first, second, third = (s.address for s in several.sshds)
    assert re.search(rf"{first} +down ", section)
    assert re.search(rf"{first}: Connection refused", section)
    assert re.search(rf"{second} +failed ", section)
    assert re.search(rf"{third} +up ", section)
    assert re.search(r"prefer +the first server$", out, re.MULTILINE)
    shown = several.daemon.ctl_json("inspect", "t")
    assert [s["state"] for s in shown["servers"]] == ["down", "failed", "up"]
    assert (shown["settings"]["prefer"], shown["settings"]["failback_ms"]) == ("first", 0)


def test_one_server_alone(simple):
    shown = simple.daemon.inspect("t")
    [server] = shown["servers"]
    assert (server["state"], server["error"]) == ("up", None)
    assert server["host"] == simple.sshd.address == shown["tunnel"]["server"]
    assert "Servers" not in simple.daemon.ctl("inspect", "t", check=0).stdout
    simple.sshd.kill9()
    simple.daemon.wait_state("t", "backoff", code="connection-refused")
    [server] = simple.daemon.inspect("t")["servers"]
    assert server["state"] in ("down", "connecting")
    simple.daemon.ctl("down", "t", check=0)
    assert simple.daemon.inspect("t")["servers"][0]["state"] == "idle"


def test_a_stopped_tunnel_says_nothing_of_its_servers(lab):
    several = Several(lab, down=[0], failback="off")
    several.daemon.ctl("down", "t", check=0)
    assert several.servers() == [("idle", None), ("idle", None)]


def test_a_worker_dies(lab):
    several = Several(lab, down=[0], failback="off")
    [worker] = several.daemon.workers()
    several.sshds[0].start()
    with client.connect(several.port) as sock:
        client.ping(sock)
        os.kill(worker, signal.SIGKILL)
        assert client.how_it_ends(sock) in ("eof", "reset")
    several.wait_current(0)
    several.wait_servers(("up", None), ("idle", None))


# --- several ways to one server -------------------------------------------------------------------


def test_another_bastion_to_the_same_server(lab):
    """The same server twice, by two ways."""
    first, second = chain.Bastion(lab, "first"), chain.Bastion(lab, "second")
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    hosts = {b.name: b.entry() for b in (first, second)}
    for b in (first, second):
        hosts[f"via-{b.name}"] = {"address": sshd.address, "jump": b.name}
    spec = {"host": ["via-first", "via-second"], "local": local(port, echo.port)}
    daemon = lab.up({"t": {**spec, "failback": "1s"}}, hosts=hosts)
    assert daemon.tunnel("t")["server"] == "via-first"
    with client.Visitors(port, threads=2) as visitors:
        visitors.wait_served(3, 5)
        first.sshd.kill9()
        until(lambda: daemon.tunnel("t")["server"] == "via-second", 10, "the other way is taken")
        daemon.wait_state("t", "up")
        visitors.wait_served(3, 5)
    assert visitors.refused == 0
    down = daemon.inspect("t")["servers"][0]
    assert "hop 1 of 2" in down["error"]["message"]
    assert [h["host"] for h in daemon.tunnel("t")["hops"]] == [second.address, sshd.address]
    first.sshd.start()
    until(lambda: daemon.tunnel("t")["server"] == "via-first", 10, "the first way is taken again")
    daemon.wait_state("t", "up")
    client.wait_served(port, 5)


@pytest.mark.slow
def test_many_changes_leave_nothing_behind(lab):
    several = Several(lab, failback="1s", reconnect={"stable": "100ms"})
    [worker] = several.daemon.workers()
    before = proc.fd_count(worker)
    for _ in range(5):
        several.sshds[0].kill9()
        several.wait_current(1)
        several.sshds[0].start()
        several.wait_current(0, 15)
        several.wait_stable()
    until(lambda: proc.fd_count(worker) <= before, 5, "descriptors are closed")
    several.daemon.assert_no_stall()
