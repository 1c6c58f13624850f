"""The server dies, freezes, restarts, disappears: clients are held, not refused, and served
again."""

import contextlib
import datetime

import pytest

from harness import build, client, proc
from harness.lab import Simple, local
from harness.wait import Stopwatch, holds, until


def seconds_in_state(simple):
    """How long the tunnel has been in its state, by its own account."""
    since = datetime.datetime.fromisoformat(
        simple.daemon.tunnel("t")["since"].replace("Z", "+00:00")
    )
    return (datetime.datetime.now(datetime.timezone.utc) - since).total_seconds()


def test_kill_9_and_restart_of_the_server(simple):
    """The promise: served again within 2 s after the server is back, by clients that saw no
    refusal."""
    with client.Visitors(simple.port, threads=3) as visitors:
        visitors.wait_served(5, 5)
        simple.sshd.kill9()
        simple.daemon.wait_state("t", ("backoff", "connecting"), 5)
        simple.daemon.wait_state("t", "backoff", 5, code="connection-refused")
        simple.sshd.start()
        with Stopwatch() as watch:
            visitors.wait_served(1, 10)
        assert watch.seconds < build.limit(2)
        visitors.wait_served(10, 5)
    assert visitors.refused == 0
    assert visitors.cut <= 3  # at most the one in flight of each thread
    assert simple.daemon.tunnel("t")["state"] == "up"


def test_the_loss_is_named(simple):
    simple.sshd.kill_sessions()
    events = until(
        lambda: [e for e in simple.daemon.inspect("t")["events"] if e["error"]], 5, "an error"
    )
    assert events[-1]["error"]["code"] == "connection-lost"
    assert simple.sshd.address in events[-1]["error"]["message"]


def test_the_first_retry_after_a_stable_session_is_at_once(lab):
    one = Simple(lab, reconnect={"min": "30s", "max": "60s", "stable": "200ms"})
    until(lambda: seconds_in_state(one) > 0.3, 5, "the session is stable")
    one.sshd.kill_sessions()
    with Stopwatch() as watch:
        client.wait_served(one.port, 5)
    assert watch.seconds < build.limit(1.5)


def test_twenty_deaths_in_a_row(simple):
    with client.Visitors(simple.port, threads=2) as visitors:
        for _ in range(20):
            visitors.wait_served(2, 10)
            simple.sshd.kill_sessions()
            simple.daemon.ctl("up", "t", check=0)
        visitors.wait_served(2, 10)
    assert visitors.refused == 0
    assert proc.fd_count(simple.daemon.workers()[0]) < 60


def test_clients_that_wait_are_served_and_counted_as_waiting(lab):
    sshd, echo, port = lab.sshd(start=False), lab.echo(), lab.port()
    daemon = lab.daemon(lab.config({"t": {"host": sshd.address, "local": local(port, echo.port)}}))
    daemon.wait_state("t", "backoff")
    socks = [client.connect(port) for _ in range(10)]
    until(
        lambda: daemon.forward("t")["state"] == "waiting", 3, "the forward says that clients wait"
    )
    sshd.start()
    with Stopwatch() as watch:
        for sock in socks:
            client.ping(sock)
            sock.close()
    assert watch.seconds < build.limit(2)


def test_waiting_costs_no_cpu(lab):
    """The first readable event disarms the listener: a backlog must not spin the loop."""
    closed, port = lab.port(), lab.port()
    daemon = lab.daemon(
        lab.config({"t": {"host": f"127.0.0.1:{closed}", "hold": "60s", "local": local(port, 1)}})
    )
    daemon.wait_state("t", "backoff")
    with client.connect(port) as sock:
        until(lambda: daemon.forward("t")["state"] == "waiting", 3, "a client waits")
        sock.settimeout(2)
        pids = [daemon.pid] + daemon.workers()
        before = sum(map(proc.cpu_seconds, pids))
        assert client.how_it_ends(sock) == "open"
        assert sum(map(proc.cpu_seconds, pids)) - before < 0.5


def test_hold_expires_with_a_reset(lab):
    port = lab.port()
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": f"127.0.0.1:{lab.port()}", "hold": "1s", "local": local(port, 1)}}
        )
    )
    daemon.wait_state("t", "backoff")
    for _ in range(2):  # the next client is held as long as the first
        until(lambda: daemon.forward("t")["state"] != "waiting", 3, "all that waited are reset")
        with Stopwatch() as watch, client.connect(port) as sock:
            assert client.how_it_ends(sock) == "reset"
        assert 0.8 < watch.seconds < build.limit(2.5)


def test_hold_expires_for_all_of_a_long_backlog(lab):
    port = lab.port()
    spec = {"host": f"127.0.0.1:{lab.port()}", "hold": "2s", "local": local(port, 1)}
    daemon = lab.daemon(lab.config({"t": spec}))
    daemon.wait_state("t", "backoff")
    with contextlib.ExitStack() as stack, Stopwatch() as watch:
        socks = [stack.enter_context(client.connect(port)) for _ in range(300)]
        assert {client.how_it_ends(sock) for sock in socks} == {"reset"}
        assert watch.elapsed() < build.limit(3.5)


def test_hold_0_resets_at_once(lab):
    port = lab.port()
    daemon = lab.daemon(
        lab.config({"t": {"host": f"127.0.0.1:{lab.port()}", "hold": 0, "local": local(port, 1)}})
    )
    daemon.wait_state("t", "backoff")
    with Stopwatch() as watch:
        assert client.how_a_visit_ends(port) == "reset"
    assert watch.seconds < build.limit(0.5)


def test_a_failed_tunnel_resets_at_once(lab):
    sshd, port = lab.sshd(), lab.port()
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": sshd.address,
                    "identity": str(lab.key("other")),
                    "local": local(port, 1),
                }
            }
        )
    )
    daemon.wait_state("t", "failed", code="auth-refused")
    with Stopwatch() as watch:
        assert client.how_a_visit_ends(port) == "reset"
    assert watch.seconds < build.limit(0.5)


def test_an_open_connection_ends_when_the_session_dies(simple):
    with simple.connect() as sock:
        client.ping(sock)
        simple.sshd.kill_sessions()
        assert client.how_it_ends(sock) in ("eof", "reset")


def test_a_frozen_server_is_noticed_in_time_and_nobody_else_suffers(lab):
    """interval x count + 1 s, and the other tunnels of the same worker never notice."""
    frozen, healthy, echo = lab.sshd(), lab.sshd(), lab.echo()
    port, other = lab.port(), lab.port()
    daemon = lab.up(
        {
            "frozen": {
                "host": frozen.address,
                "local": local(port, echo.port),
                "keepalive": {"interval": "500ms", "count": 3},
            },
            "healthy": {"host": healthy.address, "local": local(other, echo.port)},
        },
        daemon={"workers": 1},
    )
    with client.connect(other) as neighbour, client.Visitors(other) as visitors:
        client.ping(neighbour)
        visitors.wait_served(3, 5)
        with Stopwatch() as watch:
            frozen.freeze()
            daemon.wait_state("frozen", ("backoff", "connecting"))
        assert 1.0 < watch.seconds < build.limit(1.5 + 1)
        events = daemon.inspect("frozen")["events"]
        assert any((e["error"] or {}).get("code") == "keepalive-timeout" for e in events), events
        visitors.wait_served(3, 5)
        client.ping(neighbour)
    assert visitors.refused == 0 and visitors.cut == 0
    daemon.assert_no_stall()
    held = client.connect(port)
    frozen.thaw()
    with held:
        client.ping(held)


def test_keepalive_0_never_gives_up(lab):
    one = Simple(lab, keepalive={"interval": 0})
    one.sshd.freeze()
    holds(lambda: one.daemon.tunnel("t")["state"] == "up", 2, "the tunnel stays up")
    one.sshd.thaw()
    assert client.exchange(one.port) == b"hello"


def test_traffic_is_life(lab):
    """A link whose answers are late but come is not dead: what counts is bytes received."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    link = lab.proxy(sshd.port, delay=0.2)
    daemon = lab.up(
        {
            "t": {
                "host": link.address,
                "local": local(port, echo.port),
                "keepalive": {"interval": "150ms", "count": 12},
            }
        }
    )
    holds(lambda: daemon.tunnel("t")["state"] == "up", 3, "the tunnel stays up", 0.1)
    assert client.exchange(port) == b"hello"


def test_rtt_is_measured(lab):
    sshd, port = lab.sshd(), lab.port()
    link = lab.proxy(sshd.port, delay=0.05)
    daemon = lab.up(
        {
            "t": {
                "host": link.address,
                "local": local(port, 1),
                "keepalive": {"interval": "200ms", "count": 20},
            }
        }
    )
    seen = set()

    def quickest():
        seen.add(daemon.tunnel("t")["rtt_ms"] or 0)
        return min(seen - {0}, default=0)

    until(lambda: 0 < quickest() < 200, 5, "the round trip is shown")  # one of them, under load
    assert quickest() >= 100


def test_a_blocked_link_is_noticed_and_heals(lab):
    """No RST, no FIN: nothing arrives any more (what a dead middlebox does)."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    link = lab.proxy(sshd.port)
    daemon = lab.up(
        {
            "t": {
                "host": link.address,
                "local": local(port, echo.port),
                "connect_timeout": "2s",
                "keepalive": {"interval": "300ms", "count": 3},
            }
        }
    )
    link.block()
    with Stopwatch() as watch:
        daemon.wait_state("t", ("backoff", "connecting"), build.limit(4))
    assert watch.seconds < build.limit(0.9 + 1)
    with client.connect(port, timeout=15) as held:
        link.unblock()
        client.ping(held)


def test_a_cut_link_is_noticed_at_once(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    link = lab.proxy(sshd.port)
    daemon = lab.up({"t": {"host": link.address, "local": local(port, echo.port)}})
    link.cut()
    until(lambda: link.accepted >= 2, 3, "a second connection is made")
    daemon.wait_state("t", "up", 5)
    assert client.exchange(port) == b"hello"


def test_a_server_that_comes_back_with_another_key_is_not_trusted(lab):
    one = Simple(lab)
    one.sshd.kill9()
    one.sshd.set_options(HostKey=lab.key("impostor"))
    one.sshd.start()
    row = one.daemon.wait_state("t", "failed", code="host-key-changed")
    assert "known_hosts" in row["error"]["message"]


@pytest.mark.slow
def test_backoff_grows_and_is_bounded(lab):
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": f"127.0.0.1:{lab.port()}",
                    "local": local(lab.port(), 1),
                    "reconnect": {"min": "100ms", "max": "1s"},
                }
            }
        )
    )
    until(lambda: daemon.tunnel("t")["attempt"] >= 8, 30, "eight attempts")
    first = daemon.tunnel("t")["attempt"]
    with Stopwatch() as watch:
        until(lambda: daemon.tunnel("t")["attempt"] >= first + 5, 30, "five more")
    assert watch.seconds < build.limit(10)  # without a bound: a minute and more
