"""Jumps that are reached through a proxy: the proxy is asked for the first server and for no other, and
whatever it does wrong is said of that server."""

import getpass

import pytest

from harness import build, client, hostile, proxies
from harness.chain import Chain
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import until

NAME = "bastion.behind.proxy.test"  # only a proxy knows it
LOGIN = {"user": "me", "password": "s3cret@:/x"}
ENCODED = "me:s3cret%40%3A%2Fx"
QUICK = {"connect_timeout": "20s", "reconnect": {"min": "100ms", "max": "300ms"}}
SLOW = {"connect_timeout": "4s", "reconnect": {"min": "20s", "max": "30s"}}


class Behind(Chain):
    """A chain whose first server only a proxy can find by its name."""

    def __init__(self, lab, url, count=2, defaults=None):
        super().__init__(lab, count)
        names = lab.write(
            "names", f"[{NAME}]:* {lab.known_hosts().read_text().split(' ', 1)[1]}"
        )
        self.entrance = f"{NAME}:{self.servers[0].sshd.port}"
        self.hosts["s0"].update(
            address=self.entrance,
            proxy=url,
            known_hosts=[str(names)],
        )
        self.defaults = defaults
        self.user = getpass.getuser()

    def run(self, **tunnels):
        config = self.lab.config(tunnels, self.defaults, hosts=self.hosts)
        daemon = self.lab.daemon(config, start=False)
        daemon.config_path.chmod(0o600)  # a password may stand in it
        return daemon.start()

    def asked(self, login=None):
        """What a proxy hears when it is asked once for what it shall be asked for."""
        return [(NAME, self.servers[0].sshd.port, login)]


def proxy(lab, kind, **options):
    return lab.keep(kind(names={NAME: "127.0.0.1"}, **options))


@pytest.mark.parametrize(
    "kind, scheme, options, login",
    [
        (proxies.Socks5, "socks5://", {}, None),
        (proxies.Socks5, f"socks5://{ENCODED}@", LOGIN, "me"),
        (proxies.Socks4, "socks4a://", {}, ""),
        (proxies.Http, "http://", {}, None),
        (proxies.Http, f"http://{ENCODED}@", LOGIN, "me:s3cret@:/x"),
    ],
)
@pytest.mark.parametrize("count", [2, 3])
def test_the_first_server_is_reached_through_it(lab, kind, scheme, options, login, count):
    door = proxy(lab, kind, **options)
    chain = Behind(lab, f"{scheme}{door.address}", count)
    port = lab.port()
    daemon = chain.run(t=chain.tunnel(port))
    daemon.wait_state("t", "up", 10)
    assert client.exchange(port) == b"hello"
    assert door.asked == chain.asked(login)
    hops = daemon.tunnel("t")["hops"]
    assert [(h["host"], h["state"]) for h in hops] == [
        (chain.entrance, "up"),
        *((s.address, "up") for s in chain.servers[1:]),
    ]
    daemon.assert_no_stall()


def test_tunnels_with_the_same_proxy_share_the_jump(lab):
    door = proxy(lab, proxies.Socks5)
    chain = Behind(lab, f"socks5://{door.address}", defaults=QUICK)
    ports = lab.ports(3)
    daemon = chain.run(**{f"t{i}": chain.tunnel(port) for i, port in enumerate(ports)})
    daemon.wait_all("up", 10)
    assert [client.exchange(port) for port in ports] == [b"hello"] * len(ports)
    assert door.asked == chain.asked()


def test_the_same_address_behind_two_proxies_is_two_servers(lab):
    doors = [proxy(lab, proxies.Socks5), proxy(lab, proxies.Http)]
    chain = Behind(lab, f"socks5://{doors[0].address}")
    chain.hosts["other"] = {**chain.hosts["s0"], "proxy": f"http://{doors[1].address}"}
    ports = lab.ports(2)
    daemon = chain.run(a=chain.tunnel(ports[0]), b=chain.tunnel(ports[1], jump="other"))
    daemon.wait_all("up", 10)
    assert [client.exchange(port) for port in ports] == [b"hello"] * len(ports)
    assert [door.asked for door in doors] == [chain.asked()] * 2


def test_a_proxy_in_defaults_leads_to_the_first_server_only(lab):
    door = proxy(lab, proxies.Socks5)
    url = f"socks5://{door.address}"
    chain = Behind(lab, url, 3, defaults={"proxy": url})
    del chain.hosts["s0"]["proxy"]
    port = lab.port()
    daemon = chain.run(t=chain.tunnel(port))
    daemon.wait_state("t", "up", 10)
    assert client.exchange(port) == b"hello"
    assert door.asked == chain.asked()


def test_an_entry_with_a_proxy_and_one_that_jumps_through_it(lab):
    """hosts: inner jumps through s0, which has a proxy: a tunnel says nothing of either."""
    door = proxy(lab, proxies.Http)
    chain = Behind(lab, f"http://{door.address}")
    chain.hosts["s1"]["jump"] = "s0"
    port = lab.port()
    daemon = chain.run(t={"host": "s1", "local": local(port, chain.echo.port)})
    daemon.wait_state("t", "up", 10)
    assert client.exchange(port) == b"hello"
    assert door.asked == chain.asked()


# -- what goes wrong -------------------------------------------------------------------------------


def blamed(chain, daemon, state, code):
    """What is said of tunnel t: of its first server, once in the list of servers."""
    row = daemon.wait_state("t", state, build.limit(5), code=code)
    message = row["error"]["message"]
    assert message.startswith(f"hop 1 of 2, {chain.user}@{chain.entrance}: "), message
    assert is_one_harmless_line(message) and "s3cret" not in message
    first, last = row["hops"]
    assert (first["state"], first["error"]["code"]) == ("failed", code)
    assert (last["state"], last["error"]) == ("waiting", None)
    return message


REFUSALS = [
    (proxies.Socks5, "socks5://", LOGIN, "failed", "proxy-auth-refused", "who we are"),
    (proxies.Socks5, "socks5://me:s3cret@", LOGIN, "failed", "proxy-auth-refused", "'me'"),
    (proxies.Http, "http://me:s3cret@", LOGIN, "failed", "proxy-auth-refused", "'me'"),
    (proxies.Socks5, "socks5://", {"answers": 2}, "backoff", "proxy-denied", "rules"),
    (proxies.Socks5, "socks5://", {"answers": 5}, "backoff", "connection-refused", "refused"),
    (proxies.Http, "http://", {"answers": "403 No\x1b[31m"}, "backoff", "proxy-denied", "403"),
    (proxies.Http, "http://", {"answers": "504 Late"}, "backoff", "timeout", "504"),
]


@pytest.mark.parametrize("kind, scheme, options, state, code, words", REFUSALS)
def test_a_refusal_names_the_hop_and_the_proxy(lab, kind, scheme, options, state, code, words):
    door = proxy(lab, kind, **options)
    chain = Behind(lab, f"{scheme}{door.address}", defaults=SLOW)
    message = blamed(chain, chain.run(t=chain.tunnel(lab.port())), state, code)
    assert f"proxy {door.address}: " in message and words in message


@pytest.mark.parametrize(
    "habit, code, words",
    [
        (hostile.silent, "timeout", "from proxy ADDRESS, asked for"),
        (hostile.reset_at_once, "connection-lost", "proxy ADDRESS: "),
        (hostile.garbage, "protocol", "proxy ADDRESS: it does not speak SOCKS5"),
    ],
)
def test_a_proxy_that_misbehaves(lab, habit, code, words):
    server = lab.server(habit)
    address = f"127.0.0.1:{server.port}"
    chain = Behind(lab, f"socks5://{address}", defaults=SLOW)
    daemon = chain.run(t=chain.tunnel(lab.port()))
    assert words.replace("ADDRESS", address) in blamed(chain, daemon, "backoff", code)
    daemon.assert_no_stall()


def test_a_proxy_that_is_not_there(lab):
    address = f"127.0.0.1:{lab.port()}"
    chain = Behind(lab, f"http://{address}", defaults=SLOW)
    daemon = chain.run(t=chain.tunnel(lab.port()))
    message = blamed(chain, daemon, "backoff", "connection-refused")
    assert f"proxy {address}: cannot connect" in message


def test_it_comes_back_when_the_proxy_lets_us_through_again(lab):
    door = proxy(lab, proxies.Socks5)
    chain = Behind(lab, f"socks5://{door.address}", defaults=QUICK)
    port = lab.port()
    daemon = chain.run(t=chain.tunnel(port))
    daemon.wait_state("t", "up", 10)
    door.answers = 2
    chain.servers[0].sshd.kill_sessions()
    blamed(chain, daemon, "backoff", "proxy-denied")
    door.answers = None
    until(lambda: daemon.tunnel("t")["state"] == "up", 10, "it is up again")
    assert client.exchange(port) == b"hello"
