"""`tunctl forward NAME add|drop`: forwards come and go on a living session, and are remembered."""

import pytest

from harness import client, socks
from harness.dynamic import curl
from harness.lab import local, remote
from harness.wait import until


@pytest.fixture
def add(simple):
    """Adds (or drops) and asserts that the session and a connection through it live on."""
    session = simple.sshd.sessions()
    held = simple.connect()
    client.ping(held)

    def run(verb, *spec, check=0):
        result = simple.daemon.ctl("forward", "t", verb, *spec, check=check)
        client.ping(held)
        assert simple.sshd.sessions() == session
        return result

    yield run
    held.close()


def forwards(simple):
    return {f["name"]: f for f in simple.daemon.tunnel("t")["forwards"]}


def test_local(lab, simple, add):
    port = lab.port()
    add("add", "-L", local(port, simple.echo.port))
    client.wait_served(port, 5)
    assert forwards(simple)[f"local:127.0.0.1:{port}"]["source"] == "added"
    assert forwards(simple)[f"local:127.0.0.1:{simple.port}"]["source"] != "added"
    add("drop", "-L", local(port, simple.echo.port))
    assert client.is_refused(port) and len(forwards(simple)) == 1


def test_remote(lab, simple, add):
    port = lab.port()
    add("add", "-R", remote(port, simple.echo.port))
    client.wait_served(port, 5)
    add("drop", "-R", remote(port, simple.echo.port))
    assert client.is_refused(port), "the server still listens after drop has answered"


def test_dynamic(lab, simple, add):
    port, site = lab.port(), lab.website()
    add("add", "-D", f"127.0.0.1:{port}")
    until(lambda: not client.is_refused(port), 5, "it listens")
    assert curl("-x", f"socks5h://127.0.0.1:{port}", site.url()) == b"site"
    add("drop", "-D", f"127.0.0.1:{port}")
    assert client.is_refused(port)


def test_several_at_once(lab, simple, add):
    one, two, three = (lab.port() for _ in range(3))
    echo = simple.echo.port
    spec = ("-L", local(one, echo), "-R", remote(two, echo), "-D", f"127.0.0.1:{three}")
    add("add", *spec)
    client.wait_served(one, 5)
    client.wait_served(two, 5)
    sock, answer = socks.open5(three, "127.0.0.1", echo)
    sock.close()
    assert answer == socks.GRANTED5 and len(forwards(simple)) == 4
    add("drop", *spec)
    assert all(map(client.is_refused, (one, two, three))) and len(forwards(simple)) == 1


def test_connections_of_a_dropped_forward_go_on(lab, simple, add):
    port = lab.port()
    add("add", "-L", local(port, simple.echo.port))
    client.wait_served(port, 5)
    with client.connect(port) as sock:
        client.ping(sock)
        add("drop", "-L", local(port, simple.echo.port))
        client.ping(sock)
        assert client.is_refused(port)


def test_connections_of_a_dropped_forward_stay_in_sight(lab, simple, add):
    """They are counted and listed and can be ended, and counters do not run backwards."""
    port, daemon = lab.port(), simple.daemon
    spec = ("-L", local(port, simple.echo.port))
    add("add", *spec)

    def wait_counted(connections, size):
        def check():
            row = daemon.tunnel("t")
            assert (row["connections"], row["bytes_in"]) == (connections, size), row
            return True

        until(check, 5, f"{connections} connections and {size} bytes are counted")

    with client.connect(port) as sock:
        client.ping(sock, b"x" * 1000)  # and what the other one has carried: 2 * "ping" by now
        wait_counted(2, 1008)
        (one,) = [c for c in daemon.ctl_json("connections", "t") if str(port) in c["forward"]]
        add("drop", *spec)
        client.ping(sock, b"y" * 1000)
        wait_counted(2, 2012)
        assert one["id"] in [c["id"] for c in daemon.ctl_json("connections", "t")]
        daemon.ctl("kill", one["id"], check=0)
        assert client.how_it_ends(sock) == "reset"
    wait_counted(1, 2012)
    assert one["id"] not in [c["id"] for c in daemon.ctl_json("connections", "t")]


def test_down_ends_connections_of_a_dropped_forward(lab, simple):
    port, daemon = lab.port(), simple.daemon
    spec = ("-L", local(port, simple.echo.port))
    daemon.ctl("forward", "t", "add", *spec, check=0)
    with client.connect(port) as sock:
        client.ping(sock)
        daemon.ctl("forward", "t", "drop", *spec, check=0)
        daemon.ctl("down", "t", check=0)
        assert client.how_it_ends(sock) in ("eof", "reset")
    # Counters are told twice a second at most.
    until(lambda: daemon.tunnel("t")["connections"] == 0, 5, "none is counted any more")
    assert not daemon.ctl_json("connections")


def test_added_forwards_survive_a_restart_of_the_daemon(lab, simple):
    one, two = lab.port(), lab.port()
    daemon, echo = simple.daemon, simple.echo.port
    daemon.ctl("forward", "t", "add", "-L", local(one, echo), "-R", remote(two, echo), check=0)
    daemon.stop()
    daemon.start()
    client.wait_served(one, 10)
    client.wait_served(two, 10)
    daemon.ctl("forward", "t", "drop", "-L", local(one, echo), check=0)
    daemon.stop()
    daemon.start()
    client.wait_served(two, 10)
    assert client.is_refused(one)


def test_added_forwards_survive_a_reload(lab, simple, add):
    port = lab.port()
    add("add", "-L", local(port, simple.echo.port))
    client.wait_served(port, 5)
    with client.connect(port) as sock:
        client.ping(sock)
        simple.daemon.ctl("reload", check=0)
        client.ping(sock)
    assert client.exchange(port) == b"hello"


def test_a_forward_of_a_tunnel_that_was_added(lab, simple):
    """Any of its forwards can go, but not the last."""
    one, two, daemon = lab.port(), lab.port(), simple.daemon
    echo = simple.echo.port
    daemon.ctl("add", "mine", "-L", local(one, echo), simple.sshd.address, check=0)
    daemon.wait_state("mine", "up")
    daemon.ctl("forward", "mine", "add", "-L", local(two, echo), check=0)
    client.wait_served(two, 5)
    daemon.ctl("forward", "mine", "drop", "-L", local(one, echo), check=0)
    assert client.is_refused(one) and client.is_served(two)


def test_what_stands_in_a_file_cannot_be_dropped(simple, add):
    result = add("drop", "-L", local(simple.port, simple.echo.port), check=1)
    assert str(simple.daemon.config_path) in result.stderr
    assert client.is_served(simple.port)


def test_dropping_what_is_not_there(lab, simple, add):
    port = lab.port()
    result = add("drop", "-L", local(port, 1), check=1)
    assert str(port) in result.stderr


def test_adding_what_is_there(simple, add):
    result = add("add", "-L", local(simple.port, simple.echo.port), check=1)
    assert str(simple.port) in result.stderr


def test_no_such_tunnel(simple):
    simple.daemon.ctl("forward", "nobody", "add", "-L", "1:h:1", check=3)


@pytest.mark.parametrize("spec", ["nonsense", "1:h", "0:h:1", "-1:h:1", "1-3:h:1-2"])
def test_a_spec_that_is_none(simple, add, spec):
    result = simple.daemon.ctl("forward", "t", "add", "-L", spec)
    assert result.returncode in (1, 2) and result.stderr
    assert len(forwards(simple)) == 1


def test_a_port_that_is_taken_is_said(lab, simple, add):
    """The forward is there, does not work, and says why; it heals by itself."""
    taken = lab.echo()
    spec = local(taken.port, simple.echo.port)
    result = add("add", "-L", spec, check=1)
    assert "in use" in result.stdout + result.stderr
    assert simple.daemon.tunnel("t")["state"] == "degraded"
    taken.close()
    simple.daemon.wait_state("t", "up", 10)
    assert client.exchange(taken.port) == b"hello"


def test_twenty_times(lab, simple, add):
    """Nothing of it is left behind, here or at the server."""
    port, far = lab.port(), lab.port()
    spec = ("-L", local(port, simple.echo.port), "-R", remote(far, simple.echo.port))
    for _ in range(20):
        add("add", *spec)
        until(lambda: not client.is_refused(port) and not client.is_refused(far), 5, "they listen")
        add("drop", *spec)
        assert client.is_refused(port) and client.is_refused(far)
    assert "Address already in use" not in simple.sshd.log


def test_on_a_stopped_tunnel(lab, simple):
    port, daemon = lab.port(), simple.daemon
    daemon.ctl("down", "t", check=0)
    daemon.ctl("forward", "t", "add", "-L", local(port, simple.echo.port))
    assert client.is_refused(port)
    daemon.ctl("up", "t", check=0)
    assert client.exchange(port) == b"hello"
