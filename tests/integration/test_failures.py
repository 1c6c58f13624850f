"""What can go wrong with names, ports and targets: a slug, one clear line, nothing else
disturbed."""

import concurrent.futures
import os
import socket

from harness import build, client, proc
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, until


def neighbour(lab):
    """A healthy tunnel beside the one that fails: (config entry, port)."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    return {"host": sshd.address, "local": local(port, echo.port)}, port


def assert_one_line_about(daemon, name, code):
    row = daemon.list()[name]
    error = row["error"] or next(f["error"] for f in row["forwards"] if f["error"])
    assert error["code"] == code
    assert (
        "\n" not in error["message"]
        and is_one_harmless_line(error["message"])
        and len(error["message"]) > 10
    )
    daemon.wait_log(rf"\b{name}: .*{code}")
    assert code in daemon.ctl("list", check=0).stdout
    return error["message"]


def test_a_name_that_does_not_resolve(lab):
    good, port = neighbour(lab)
    daemon = lab.daemon(
        lab.config(
            {"bad": {"host": "no-such-host.invalid", "local": local(lab.port(), 1)}, "good": good}
        )
    )
    daemon.wait_state("good", "up", build.limit(3))
    daemon.wait_state("bad", "backoff", 25, code="resolve-failed")
    assert "no-such-host.invalid" in assert_one_line_about(daemon, "bad", "resolve-failed")
    assert client.exchange(port) == b"hello"
    daemon.assert_no_stall()


def test_a_port_in_use_names_the_process_and_heals(lab):
    sshd, echo = lab.sshd(), lab.echo()
    port, free = lab.port(), lab.port()
    taken = lab.echo(port=port)
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": sshd.address, "local": [local(port, echo.port), local(free, echo.port)]}}
        )
    )
    row = daemon.wait_state("t", "degraded")
    assert [f["state"] for f in row["forwards"]] == ["failed", "open"]
    message = assert_one_line_about(daemon, "t", "port-in-use")
    assert f"127.0.0.1:{port}" in message
    assert proc.name(os.getpid()) in message and f"pid {os.getpid()}" in message
    assert client.exchange(free) == b"hello"
    result = daemon.ctl("up", "t", check=1)
    assert "in use" in result.stdout + result.stderr
    taken.close()
    daemon.wait_state("t", "up", 15)
    assert client.exchange(port) == b"hello"


def test_a_port_in_use_by_another_tunnel_of_this_daemon_names_it(lab):
    """A name and its address collide, which nobody can tell from the words."""
    sshd, port, name = lab.sshd(), lab.port(), socket.gethostname()
    address = socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    tunnels = {
        "a": {"host": sshd.address, "local": f"{address}:{port}:h:1"},
        "b": {"host": sshd.address, "local": f"{name}:{port}:h:1"},
    }
    daemon = lab.daemon(lab.config(tunnels))
    until(
        lambda: "degraded" in {t["state"] for t in daemon.tunnels().values()}, 10, "one is degraded"
    )
    bad = next(t for t in daemon.tunnels().values() if t["state"] == "degraded")
    error = bad["forwards"][0]["error"]
    assert error["code"] == "port-in-use" and (
        "tunneld" in error["message"] or "tunnel" in error["message"]
    )


def test_an_address_that_is_not_ours(lab):
    sshd = lab.sshd()
    daemon = lab.daemon(
        lab.config({"t": {"host": sshd.address, "local": f"192.0.2.1:{lab.port()}:h:1"}})
    )
    row = daemon.wait_state("t", "degraded")
    assert row["forwards"][0]["error"]["code"] == "bind-failed"
    assert "192.0.2.1" in row["forwards"][0]["error"]["message"]


def test_an_unreachable_target(lab):
    sshd, echo = lab.sshd(), lab.echo()
    port, good, target = lab.port(), lab.port(), lab.port()
    daemon = lab.up(
        {
            "t": {
                "host": sshd.address,
                "local": [
                    {"name": "bad", "listen": f"127.0.0.1:{port}", "target": f"127.0.0.1:{target}"},
                    {
                        "name": "good",
                        "listen": f"127.0.0.1:{good}",
                        "target": f"127.0.0.1:{echo.port}",
                    },
                ],
            }
        }
    )
    assert client.how_a_visit_ends(port) in ("eof", "reset")
    error = until(lambda: daemon.forward("t")["error"], 5, "the forward tells why")
    assert error["code"] == "target-unreachable"
    assert f"127.0.0.1:{target}" in error["message"] and "refused" in error["message"].lower()
    assert daemon.forward("t", 1)["error"] is None
    assert client.exchange(good) == b"hello"
    lab.echo(port=target)
    assert client.exchange(port) == b"hello"
    until(lambda: daemon.forward("t")["error"] is None, 5, "a success disproves it")
    assert daemon.tunnel("t")["state"] == "up"


def test_a_target_name_the_server_cannot_resolve(lab):
    sshd, port = lab.sshd(), lab.port()
    daemon = lab.up(
        {"t": {"host": sshd.address, "local": f"127.0.0.1:{port}:no-such-host.invalid:80"}}
    )
    assert client.how_a_visit_ends(port, timeout=20) in ("eof", "reset")
    error = until(lambda: daemon.forward("t")["error"], 5, "the forward tells why")
    assert error["code"] == "target-unreachable" and "no-such-host.invalid" in error["message"]


def test_a_server_that_forbids_forwarding(lab):
    sshd, port = lab.sshd(AllowTcpForwarding="no"), lab.port()
    good, good_port = neighbour(lab)
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, 1)}, "good": good})
    assert client.how_a_visit_ends(port) in ("eof", "reset")  # nobody can know before
    row = daemon.wait_state("t", "degraded", 5)
    assert row["forwards"][0]["state"] == "failed"
    assert row["forwards"][0]["error"]["code"] == "forward-prohibited"
    message = assert_one_line_about(daemon, "t", "forward-prohibited")
    assert sshd.address in message or "server" in message
    assert client.exchange(good_port) == b"hello"
    assert daemon.tunnel("good")["state"] == "up"


def test_prohibited_until_a_success(lab):
    """PermitOpen allows one of two targets; the other forward is degraded alone, and heals."""
    echo, port, good = lab.echo(), lab.port(), lab.port()
    target = lab.echo()
    sshd = lab.sshd(PermitOpen=f"127.0.0.1:{echo.port}")
    daemon = lab.up(
        {"t": {"host": sshd.address, "local": [local(port, target.port), local(good, echo.port)]}}
    )
    assert client.how_a_visit_ends(port) in ("eof", "reset")
    row = daemon.wait_state("t", "degraded", 5)
    assert [f["state"] for f in row["forwards"]] == ["failed", "open"]
    assert client.exchange(good) == b"hello"
    sshd.set_options(PermitOpen="any")
    sshd.restart()
    until(lambda: client.is_served(port), 10, "the forward works after all")
    daemon.wait_state("t", "up", 5)


def test_two_refusals_at_once_keep_their_own_words(lab):
    """libssh has one error text per session and the last one wins (trap 18): codes must be
    right."""
    sshd = lab.sshd()
    ports = [lab.port() for _ in range(6)]
    targets = [lab.port() for _ in range(6)]
    daemon = lab.up(
        {"t": {"host": sshd.address, "local": [local(p, t) for p, t in zip(ports, targets)]}}
    )
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert set(pool.map(client.how_a_visit_ends, ports)) <= {"eof", "reset"}
    for i, target in enumerate(targets):
        error = until(lambda i=i: daemon.forward("t", i)["error"], 5, "each tells why")
        assert error["code"] == "target-unreachable" and str(target) in error["message"]


def test_a_server_that_is_not_there(lab):
    closed = lab.port()
    good, port = neighbour(lab)
    daemon = lab.daemon(
        lab.config(
            {"bad": {"host": f"127.0.0.1:{closed}", "local": local(lab.port(), 1)}, "good": good}
        )
    )
    daemon.wait_state("bad", "backoff", 5, code="connection-refused")
    assert f"127.0.0.1:{closed}" in assert_one_line_about(daemon, "bad", "connection-refused")
    daemon.wait_state("good", "up", 5)
    assert client.exchange(port) == b"hello"


def test_all_addresses_of_a_name_are_tried(lab):
    """localhost may be ::1 first; the server listens on 127.0.0.1 only."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    with Stopwatch() as watch:
        daemon = lab.up({"t": {"host": f"localhost:{sshd.port}", "local": local(port, echo.port)}})
    assert watch.seconds < build.limit(3)
    assert client.exchange(port) == b"hello"
    assert daemon.inspect("t")["session"]["address"] == sshd.address


def test_no_cipher_in_common(lab):
    sshd = lab.sshd(Ciphers="aes256-ctr")
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": sshd.address,
                    "ciphers": "aes128-gcm@openssh.com",
                    "local": local(lab.port(), 1),
                }
            }
        )
    )
    row = daemon.wait_state("t", "failed", code="no-common-algorithm")
    assert "aes128-gcm@openssh.com" in row["error"]["message"]
    assert "look at 'ciphers'" in row["error"]["message"]


def test_what_the_log_says_of_the_next_attempt(lab):
    """A session that breaks was no attempt, and what follows at once has no time."""
    sshd = lab.sshd()
    spec = {"host": sshd.address, "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config({"t": spec}, {"reconnect": {"stable": "0s", "min": "200ms"}}))
    daemon.wait_state("t", "up")
    sshd.kill9()
    daemon.wait_log(r"(?m)t: backoff: .* \[connection-lost\]; again (at once|in 0\.\d s)$")
    daemon.wait_log(r"(?m)t: backoff: .* \[connection-refused\]; attempt 1, again in \d\.\d s$")
