"""Reload by difference: what did not change goes on, what changed changes in place, a broken
configuration changes nothing and says why."""

import concurrent.futures
import copy
import itertools
import threading

import pytest

from harness import build, client, proc
from harness.lab import local, remote
from harness.wait import Stopwatch, holds, settled, until


class Two:
    """A daemon with tunnels a and b to one server."""

    def __init__(self, lab, **top):
        self.lab, self.sshd, self.echo = lab, lab.sshd(), lab.echo()
        self.a, self.b = lab.port(), lab.port()
        self.config = lab.config({"a": self.tunnel(self.a), "b": self.tunnel(self.b)}, **top)
        self.daemon = lab.daemon(self.config)
        self.daemon.wait_all("up", 10)

    def tunnel(self, *ports, **keys):
        forwards = [local(p, self.echo.port) for p in ports]
        return {"host": self.sshd.address, "local": forwards, **keys}

    def reload(self, **tunnels):
        """With other tunnels (None removes one); returns the report."""
        config = copy.deepcopy(self.config)
        config["tunnels"].update(tunnels)
        config["tunnels"] = {n: t for n, t in config["tunnels"].items() if t is not None}
        self.daemon.write(config)
        return self.daemon.ctl_json("reload")

    def logins(self):
        return self.sshd.log.count("Accepted publickey")


@pytest.fixture
def two(lab):
    return Two(lab)


def test_nothing_changed_nothing_done(two):
    with client.connect(two.a) as sock:
        client.ping(sock)
        report = two.reload()
        client.ping(sock)
    assert report == {"added": [], "removed": [], "changed": [], "unchanged": 2, "warnings": []}
    assert two.logins() == 2


def test_added_removed_and_changed_are_reported_for_people(two):
    two.daemon.write(
        {
            **two.config,
            "tunnels": {"a": two.tunnel(two.a, tags=["x"]), "c": two.tunnel(two.lab.port())},
        }
    )
    text = two.daemon.ctl("reload", check=0).stdout
    assert all(word in text for word in ("a", "b", "c")) and "added" in text and "removed" in text


def test_a_tunnel_is_added_and_another_removed(two):
    c = two.lab.port()
    with client.connect(two.a) as sock:
        client.ping(sock)
        report = two.reload(b=None, c=two.tunnel(c))
        assert report["added"] == ["c"] and report["removed"] == ["b"] and report["unchanged"] == 1
        client.ping(sock)
    two.daemon.wait_state("c", "up")
    assert client.exchange(c) == b"hello"
    assert client.is_refused(two.b)  # complete when the reply is there


def test_a_forward_is_added_in_the_living_session(two):
    extra = two.lab.port()
    with client.connect(two.a) as sock:
        client.ping(sock)
        report = two.reload(a=two.tunnel(two.a, extra))
        assert report["changed"] == ["a"]
        client.ping(sock)
        client.wait_served(extra, 5)
        client.ping(sock)
    assert two.logins() == 2


def test_a_forward_is_removed_and_the_others_go_on(lab):
    two = Two(lab)
    extra = lab.port()
    two.reload(a=two.tunnel(two.a, extra))
    client.wait_served(extra, 5)
    with client.connect(two.a) as kept:
        client.ping(kept)
        two.reload()
        assert client.is_refused(extra)
        client.ping(kept)
    assert two.logins() == 2


def test_open_connections_of_a_removed_forward_go_on(lab):
    two = Two(lab)
    extra = lab.port()
    two.reload(a=two.tunnel(two.a, extra))
    client.wait_served(extra, 5)
    with client.connect(extra) as orphan:
        client.ping(orphan)
        two.reload()
        client.ping(orphan)


def test_a_changed_target_leaves_the_session(two):
    other = two.lab.server(lambda sock: sock.sendall(b"other"))
    with client.connect(two.a) as sock:
        client.ping(sock)
        two.reload(a={"host": two.sshd.address, "local": local(two.a, other.port)})
        until(lambda: client.exchange(two.a, b"") == b"other", 5, "the new target answers")
        client.ping(sock)
    assert two.logins() == 2


def test_a_cosmetic_change_keeps_the_session(two):
    with client.connect(two.a) as sock:
        client.ping(sock)
        two.reload(a=two.tunnel(two.a, tags=["new"], keepalive={"interval": "7s"}, hold="3s"))
        assert two.daemon.tunnel("a")["tags"] == ["new"]
        assert two.daemon.inspect("a")["settings"]["keepalive_interval_ms"] == 7000
        assert two.daemon.inspect("a")["settings"]["hold_ms"] == 3000
        client.ping(sock)
    assert two.logins() == 2


def test_an_upkeep_that_changes_while_it_connects(lab):
    """The attempt under way borrows its settings; they outlive the reload."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    proxy = lab.proxy(sshd.port)
    proxy.block()
    tunnel = {"host": proxy.address, "local": local(port, echo.port)}
    config = lab.config({"t": tunnel})
    daemon = lab.daemon(config)
    daemon.wait_state("t", "connecting", 5)
    config["tunnels"]["t"] = {**tunnel, "hold": "7s"}
    daemon.write(config)
    assert daemon.ctl_json("reload")["changed"] == ["t"]
    proxy.unblock()
    daemon.wait_state("t", "up", 10)
    assert daemon.status()["workers"][0]["restarts"] == 0
    assert sshd.log.count("Accepted publickey") == 1


def test_a_changed_keepalive_is_in_force(two):
    two.reload(a=two.tunnel(two.a, keepalive={"interval": "200ms", "count": 2}))
    until(lambda: two.daemon.tunnel("a")["rtt_ms"], 3, "a round trip is measured")
    two.sshd.freeze()
    with Stopwatch() as watch:
        two.daemon.wait_state("a", ("backoff", "connecting"), 5)
    assert watch.seconds < build.limit(1.4)
    assert two.daemon.tunnel("b")["state"] == "up"  # 15 s x 3
    two.sshd.thaw()


def test_changed_connection_settings_reconnect_and_refuse_nobody(two):
    with client.Visitors(two.a) as visitors:
        visitors.wait_served(3, 5)
        two.reload(a=two.tunnel(two.a, ciphers="aes256-ctr"))
        until(
            lambda: (two.daemon.inspect("a")["session"] or {}).get("cipher") == "aes256-ctr",
            5,
            "new",
        )
        visitors.wait_served(3, 5)
    assert visitors.refused == 0
    assert two.logins() == 3


def test_an_address_moves_from_one_tunnel_to_another(two):
    """The same socket is passed on: not one client is refused."""
    with client.Visitors(two.a, threads=3) as visitors:
        visitors.wait_served(5, 5)
        for _ in range(5):
            two.reload(a=two.tunnel(two.b), b=two.tunnel(two.a))
            visitors.wait_served(5, 5)
            two.reload()
            visitors.wait_served(5, 5)
    assert visitors.refused == 0 and visitors.cut == 0
    assert two.logins() == 2


def test_a_tunnel_is_renamed_and_its_port_stays(two):
    with client.Visitors(two.a) as visitors:
        visitors.wait_served(3, 5)
        two.reload(a=None, renamed=two.tunnel(two.a))
        visitors.wait_served(3, 5)
    assert visitors.refused == 0


def test_by_signal(two):
    c = two.lab.port()
    two.daemon.write({**two.config, "tunnels": {"c": two.tunnel(c)}})
    two.daemon.reload_by_signal()
    client.wait_served(c, 5)
    assert list(two.daemon.tunnels()) == ["c"]


BROKEN = "tunnels:\n  a:\n    host: h\n    locall: 1:b:2\n"


def test_a_broken_config_changes_nothing_and_says_where(two):
    with client.connect(two.a) as sock:
        client.ping(sock)
        two.daemon.write(BROKEN)
        result = two.daemon.ctl("reload", check=1)
        assert f"{two.daemon.config_path}:4:5: " in result.stderr
        assert "'local'" in result.stderr  # did you mean
        client.ping(sock)
    assert set(two.daemon.tunnels()) == {"a", "b"}
    offset = len(two.daemon.log)
    two.daemon.reload_by_signal()
    two.daemon.wait_log(rf"{two.daemon.config_path}:4:5: ", 5, offset)
    assert client.exchange(two.b) == b"hello"
    two.reload()


def test_a_config_that_vanished_changes_nothing(two):
    two.daemon.config_path.unlink()
    assert str(two.daemon.config_path) in two.daemon.ctl("reload", check=1).stderr
    assert client.exchange(two.a) == b"hello"


def test_settings_of_the_daemon_that_need_a_restart_are_told(two):
    config = {**two.config, "daemon": {"workers": 3}}
    two.daemon.write(config)
    warnings = two.daemon.ctl_json("reload")["warnings"]
    assert len(two.daemon.workers()) == 3 or any("workers" in w for w in warnings)


def test_down_survives_a_reload(two):
    two.daemon.ctl("down", "a", check=0)
    two.reload(b=two.tunnel(two.b, tags=["x"]))
    assert two.daemon.tunnel("a")["state"] == "stopped"


def test_a_taken_port_in_a_new_config_harms_only_its_tunnel(two):
    taken = two.lab.echo()
    with client.connect(two.a) as sock:
        client.ping(sock)
        two.reload(c=two.tunnel(taken.port))
        row = two.daemon.wait_state("c", "degraded")
        assert row["forwards"][0]["error"]["code"] == "port-in-use"
        client.ping(sock)


def test_a_thousand_reloads_while_clients_connect(lab):
    """Every reload changes something: tags, a forward, a tunnel. Not one client is refused, and
    neither descriptors nor memory grow."""
    two = Two(lab, daemon={"workers": 1})
    extra, third = lab.port(), lab.port()
    variants = itertools.cycle(
        [
            {"a": two.tunnel(two.a, tags=["x"])},
            {"a": two.tunnel(two.a, extra)},
            {"b": two.tunnel(two.b), "c": two.tunnel(third, start="manual")},
            {"a": two.tunnel(two.a, hold="5s"), "b": two.tunnel(two.b, extra)},
        ]
    )

    def reload(times):
        for _ in range(times):
            config = copy.deepcopy(two.config)
            config["tunnels"].update(next(variants))
            two.daemon.write(config)
            two.daemon.call("Reload")

    def reload_among_visitors(times):
        with client.Visitors(two.a, pause=0.005) as visitors:
            reload(times)
            # A hundred take a tenth of a second, in which two threads may not have had their turn. Four,
            # so that the last one leaves the same behind.
            until(lambda: reload(4) or visitors.served > times / 10, 30, "clients are served")
        assert visitors.refused == 0 and visitors.cut == 0

    pids = [two.daemon.pid] + two.daemon.workers()

    def descriptors():
        return [proc.fd_count(pid) for pid in pids]

    reload_among_visitors(100)
    files = settled(descriptors, 0.5, 20, "descriptors")
    memory = [proc.memory_kib(pid) for pid in pids]
    reload_among_visitors(200 if build.SANITIZED else 900)  # many are for the memory alone
    assert settled(descriptors, 0.5, 20, "descriptors") == files
    assert two.logins() == 2
    if not build.SANITIZED:
        growth = [proc.memory_kib(pid) - before for pid, before in zip(pids, memory)]
        assert max(growth) < 2048, f"KiB more in supervisor and worker: {growth}"
    two.daemon.assert_no_stall()


def test_a_stop_is_kept_over_a_reload(lab):
    """The tunnel is being stopped, its server takes its time with the remote forward, and the reload
    changes the connection: it must not log in again."""
    server, echo, port, told = lab.asyncssh(), lab.echo(), lab.port(), threading.Event()
    spec = {"host": server.address, "remote": remote(port, echo.port)}
    daemon = lab.up({"t": spec})

    async def keep_cancels(connection):
        connection._process_cancel_tcpip_forward_global_request = lambda packet: told.set()

    server.run(keep_cancels)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        down = pool.submit(daemon.ctl, "down", "t", check=0)
        assert told.wait(10), "the server has not been asked to listen no more"
        daemon.write(lab.config({"t": {**spec, "ciphers": "aes256-ctr"}}))
        assert daemon.ctl_json("reload")["changed"] == ["t"]
        down.result(build.limit(10))
    daemon.wait_state("t", "stopped")
    holds(lambda: daemon.tunnel("t")["state"] == "stopped", 0.5, "it stays so")
    assert server.connections == 1
    daemon.ctl("up", "t", check=0)
    assert server.connections == 2 and client.exchange(port) == b"hello"
