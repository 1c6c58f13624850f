"""Servers reached through a proxy: each kind of it, with and without a login; what is said when it
does not let us through; and proxies that misbehave, which the tunnel beside them never notices."""

import json
import re

import pytest

from harness import build, client, hostile, proxies
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, until

NAME = "server.behind.proxy.test"  # only a proxy knows it
LOGIN = {"user": "me", "password": "s3cret@:/x"}
ENCODED = "me:s3cret%40%3A%2Fx"


class Behind:
    """A server that only a proxy can reach by name, and a daemon that has no other way."""

    def __init__(self, lab, kind, **options):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()
        self.proxy = lab.keep(kind(names={NAME: "127.0.0.1"}, **options))

    def run(self, url, host=NAME, **tunnel):
        """The tunnel t, which goes through the proxy."""
        lines = f"[{NAME}]:* {self.lab.known_hosts().read_text().split(' ', 1)[1]}"
        names = self.lab.write("names", lines)
        spec = {
            "host": f"{host}:{self.sshd.port}",
            "local": local(self.port, self.echo.port),
            "proxy": url,
            "known_hosts": [str(self.lab.known_hosts()), str(names)],
            "reconnect": {"min": "20s", "max": "30s"},
            **tunnel,
        }
        # A password in it: nobody else may read the file.
        self.daemon = self.lab.daemon(self.lab.config({"t": spec}), start=False)
        self.daemon.config_path.chmod(0o600)
        return self.daemon.start()


@pytest.mark.parametrize(
    "kind, url, options, host, login",
    [
        (proxies.Socks5, "socks5://{}", {}, NAME, None),
        (proxies.Socks5, "socks5h://{}", {}, NAME, None),
        (proxies.Socks5, f"socks5://{ENCODED}@{{}}", LOGIN, NAME, "me"),
        (proxies.Socks5, f"socks5://{ENCODED}@{{}}", {}, NAME, None),
        (proxies.Socks5, "socks5://{}", {}, "127.0.0.1", None),
        (proxies.Socks4, "socks4a://{}", {}, NAME, ""),
        (proxies.Socks4, "socks4://me@{}", {"user": "me"}, "127.0.0.1", "me"),
        (proxies.Http, "http://{}", {}, NAME, None),
        (proxies.Http, f"http://{ENCODED}@{{}}/", LOGIN, NAME, "me:s3cret@:/x"),
    ],
)
def test_through_a_proxy(lab, kind, url, options, host, login):
    behind = Behind(lab, kind, **options)
    daemon = behind.run(url.format(behind.proxy.address), host)
    daemon.wait_state("t", "up", 10)
    assert client.exchange(behind.port) == b"hello"
    assert behind.proxy.asked == [(host, behind.sshd.port, login)]
    address = daemon.inspect("t")["session"]["address"]
    assert address == f"{host}:{behind.sshd.port} through proxy {behind.proxy.address}"
    daemon.assert_no_stall()


def test_socks4_wants_an_address(lab):
    """The name is looked up here, and only IPv4 will do."""
    behind = Behind(lab, proxies.Socks4)
    daemon = behind.run(f"socks4://{behind.proxy.address}", "localhost")
    daemon.wait_state("t", "up", 10)
    assert behind.proxy.asked[0][0] == "127.0.0.1"
    daemon.stop()
    daemon = behind.run(f"socks4://{behind.proxy.address}", "[::1]")
    row = daemon.wait_state("t", "backoff", 5, code="resolve-failed")
    assert "has no IPv4 address, and a SOCKS4 proxy" in row["error"]["message"]


# kind, url, options, code, state, words
REFUSALS = [
    (proxies.Socks5, "socks5://{}", LOGIN, "proxy-auth-refused", "failed", "who we are"),
    (proxies.Socks5, "socks5://me:wrong@{}", LOGIN, "proxy-auth-refused", "failed", "'me'"),
    (proxies.Socks4, "socks4://you@{}", {"user": "me"}, "proxy-auth-refused", "failed", "ident"),
    (proxies.Http, "http://{}", LOGIN, "proxy-auth-refused", "failed", "who we are"),
    (proxies.Http, "http://me:wrong@{}", LOGIN, "proxy-auth-refused", "failed", "'me'"),
    (proxies.Socks5, "socks5://{}", {"answers": 2}, "proxy-denied", "backoff", "rules"),
    (proxies.Socks5, "socks5://{}", {"answers": 4}, "host-unreachable", "backoff", "that host"),
    (proxies.Socks5, "socks5://{}", {"answers": 5}, "connection-refused", "backoff", "refused"),
    (proxies.Socks5, "socks5://{}", {"answers": 6}, "timeout", "backoff", "does not answer"),
    (proxies.Socks4, "socks4://{}", {"answers": 91}, "network", "backoff", "cannot get there"),
    (proxies.Http, "http://{}", {"answers": "403 No\x1b[31m"}, "proxy-denied", "backoff", "403"),
    (proxies.Http, "http://{}", {"answers": "502 Bad"}, "host-unreachable", "backoff", "502"),
    (proxies.Http, "http://{}", {"answers": "504 Late"}, "timeout", "backoff", "504"),
    (proxies.Http, "socks5://{}", {}, "protocol", "backoff", "does not speak SOCKS5"),
    (proxies.Socks5, "http://{}", {}, "protocol", "backoff", "does not speak HTTP"),
]


@pytest.mark.parametrize("kind, url, options, code, state, words", REFUSALS)
def test_what_a_proxy_refuses(lab, kind, url, options, code, state, words):
    """A wrong login is for a person; the rest may get better by itself."""
    if kind is proxies.Http and url.startswith("socks5"):
        behind = Behind(lab, lambda **_: lab.server(hostile.http))
    elif kind is proxies.Socks5 and url.startswith("http"):
        behind = Behind(lab, lambda **_: lab.server(hostile.silent_after_banner))
    else:
        behind = Behind(lab, kind, **options)
    address = f"127.0.0.1:{behind.proxy.port}"
    daemon = behind.run(url.format(address), "127.0.0.1")
    row = daemon.wait_state("t", state, 5, code=code)
    message = row["error"]["message"]
    assert f"proxy {address}: " in message and words in message
    assert is_one_harmless_line(message) and "wrong" not in message


def test_a_proxy_that_is_not_there(lab):
    behind = Behind(lab, lambda **_: lab.server(hostile.silent))
    nobody = lab.port()
    daemon = behind.run(f"socks5://127.0.0.1:{nobody}")
    row = daemon.wait_state("t", "backoff", 5, code="connection-refused")
    assert f"proxy 127.0.0.1:{nobody}: cannot connect" in row["error"]["message"]
    daemon.stop()
    daemon = behind.run("socks5://no.such.proxy.invalid:1")
    row = daemon.wait_state("t", "backoff", build.limit(10), code="resolve-failed")
    assert "proxy no.such.proxy.invalid:1: " in row["error"]["message"]


HABITS = {
    "silent": ("timeout", r"no answer within .* from proxy ADDRESS, asked for 127"),
    "close_at_once": ("connection-lost", "proxy ADDRESS: "),
    "reset_at_once": ("connection-lost", "proxy ADDRESS: "),
    "drops_after_request": ("connection-lost", "proxy ADDRESS: "),
    "garbage": ("protocol", "proxy ADDRESS: it does not speak"),
    "endless_head": ("protocol", "proxy ADDRESS: its answer has no end"),
    "endless_interims": ("protocol", "proxy ADDRESS: its answer has no end"),
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_proxy_that_misbehaves(lab, habit):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    server = lab.server(getattr(proxies, habit, None) or getattr(hostile, habit))
    good = {"host": sshd.address, "local": local(port, echo.port)}
    bad = {
        "host": sshd.address,
        "local": local(lab.port(), 1),
        "proxy": f"http://127.0.0.1:{server.port}",
        # What ends by itself is not called a timeout on a busy machine.
        "connect_timeout": "1500ms" if HABITS[habit][0] == "timeout" else "20s",
        "reconnect": {"min": "20s", "max": "30s"},
    }
    daemon = lab.daemon(lab.config({"good": good, "bad": bad}, daemon={"workers": 1}))
    daemon.wait_state("good", "up", 5)
    held = client.connect(port)
    code, pattern = HABITS[habit]
    with Stopwatch() as watch:
        row = daemon.wait_state("bad", "backoff", build.limit(4), code=code)
    assert watch.seconds < build.limit(4)
    message = row["error"]["message"]
    assert re.search(pattern.replace("ADDRESS", f"127.0.0.1:{server.port}"), message), message
    assert is_one_harmless_line(message)
    client.ping(held)
    held.close()
    daemon.assert_no_stall()


def test_a_proxy_that_comes_back(lab):
    behind = Behind(lab, proxies.Socks5)
    daemon = behind.run(
        f"socks5://{behind.proxy.address}", reconnect={"min": "50ms", "max": "200ms"}
    )
    daemon.wait_state("t", "up", 10)
    behind.sshd.lose_sessions()
    until(lambda: len(behind.proxy.asked) >= 2, 5, "the proxy is asked again")
    daemon.wait_state("t", "up", 5)
    assert client.exchange(behind.port) == b"hello"


def test_the_password_is_shown_nowhere(lab):
    behind = Behind(lab, proxies.Socks5, **LOGIN)
    daemon = behind.run(f"socks5://{ENCODED}@{behind.proxy.address}")
    daemon.wait_state("t", "up", 10)
    for text in (
        json.dumps(daemon.inspect("t")),
        json.dumps(daemon.tunnel("t")),
        daemon.ctl("inspect", "t").stdout,
        daemon.ctl("list").stdout,
        daemon.log,
    ):
        assert "s3cret" not in text


def test_the_file_with_a_password_is_for_nobody_else(lab):
    daemon = lab.daemon(
        lab.config({"t": {"host": "h", "local": local(1, 1), "proxy": f"socks5://{ENCODED}@h:1"}}),
        start=False,
    )
    daemon.config_path.chmod(0o644)
    said = daemon.check()
    assert said.returncode == 1 and "others can read the password in this file" in said.stderr
    assert "chmod 600" in said.stderr and "s3cret" not in said.stderr
    daemon.config_path.chmod(0o600)
    assert daemon.check().returncode == 0


def test_bind_address_and_family(lab):
    """Where the server sees us come from."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    spec = {"host": sshd.address, "local": local(port, echo.port), "bind_address": "127.0.0.44"}
    daemon = lab.up({"t": spec})
    sshd.wait_log(r"Connection from 127\.0\.0\.44 port")
    spec["bind_address"] = "lo"
    daemon.write(lab.config({"t": spec}))
    daemon.ctl("reload", check=0)
    sshd.wait_log(r"Connection from 127\.0\.0\.1 port")
    daemon.wait_state("t", "up", 5)
    spec["address_family"] = "inet6"
    daemon.write(lab.config({"t": spec}))
    daemon.ctl("reload", check=0)
    row = daemon.wait_state("t", "backoff", 5, code="resolve-failed")
    assert "has no IPv6 address, and address_family allows no other" in row["error"]["message"]
    spec.update(bind_address="no-such-if", address_family="any")
    daemon.write(lab.config({"t": spec}))
    daemon.ctl("reload", check=0)
    row = daemon.wait_state("t", "backoff", 5, code="bind-failed")
    assert "bind_address: 'no-such-if' is neither" in row["error"]["message"]


def test_equal_addresses_behind_two_proxies_are_two_servers(lab):
    """A private address may be another server behind each proxy. One that is silent must not use up the
    turns of the other's handshakes."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    silent = lab.server(hostile.silent)

    class Elsewhere(proxies.Socks5):
        def _connect(self, host, port, login):
            return super()._connect("127.0.0.1", silent.port, login)

    doors = [lab.keep(Elsewhere()), lab.keep(proxies.Socks5())]
    spec = {"host": sshd.address, "connect_timeout": "60s"}
    shut = {
        f"shut{i}": {**spec, "proxy": f"socks5://{doors[0].address}", "local": local(p, 1)}
        for i, p in enumerate(lab.ports(12))
    }
    daemon = lab.daemon(lab.config(shut, daemon={"workers": 1}))
    until(lambda: len(doors[0].asked) == 8, 10, "as many as may have begun to shake hands")
    good = {**spec, "proxy": f"socks5://{doors[1].address}", "local": local(port, echo.port)}
    daemon.write(lab.config({**shut, "good": good}, daemon={"workers": 1}))
    daemon.ctl("reload", check=0)
    daemon.wait_state("good", "up", 10)
    assert client.exchange(port) == b"hello"
    assert len(doors[0].asked) == 8  # the limit holds where it is the same server
