"""Who may use a dynamic forward: logins, and the server's clients with ours as the far side."""

import contextlib

import pytest

from harness import client, proc, socks
from harness.dynamic import (
    Dynamic,
    FLAGS,
    FORBIDDEN,
    GARBAGE,
    GRANTED,
    OPEN,
    REFUSED,
    RemoteDynamic,
    UNKNOWN,
    assert_answer,
    curl,
)
from harness.lab import local
from harness.wait import until


@pytest.fixture
def dynamic(lab):
    return Dynamic(lab)


# -- who may ---------------------------------------------------------------------------------------


@pytest.fixture
def guarded(lab):
    return Dynamic(lab, private=True, user="alice", password="open sesame")


def login(port, user, password):
    sock = client.connect(port)
    sock.sendall(socks.greeting5(socks.NO_AUTH, socks.PASSWORD))
    assert client.read_exactly(sock, 2) == bytes([5, socks.PASSWORD])
    sock.sendall(socks.login5(user, password))
    version, status = client.read_exactly(sock, 2)
    assert version == 1
    return sock, status


def test_login_by_socks5(lab, guarded):
    echo = lab.echo()
    sock, status = login(guarded.port, "alice", "open sesame")
    with sock:
        assert status == 0
        sock.sendall(socks.request5("127.0.0.1", echo.port))
        assert socks.read_reply5(sock) == socks.GRANTED5
        client.ping(sock)


@pytest.mark.parametrize(
    "who", [("alice", "open"), ("bob", "open sesame"), ("", ""), ("alice", "")]
)
def test_a_wrong_login_by_socks5(guarded, who):
    sock, status = login(guarded.port, *who)
    with sock:
        assert status != 0
        assert client.how_it_ends(sock) == "eof"


def test_no_login_offered(lab, guarded):
    echo = lab.echo()
    with guarded.connect() as sock:
        sock.sendall(socks.greeting5(socks.NO_AUTH) + socks.request5("127.0.0.1", echo.port))
        assert client.read_exactly(sock, 2) == bytes([5, socks.NO_METHOD])
        assert client.how_it_ends(sock) in ("eof", "reset")
    sock, code = socks.open4(guarded.port, "127.0.0.1", echo.port)
    sock.close()
    assert code in (91, 92, 93)
    with guarded.connect() as sock:
        sock.sendall(socks.connect_request("127.0.0.1", echo.port))
        status, head = socks.read_head(sock)
        assert status == 407 and "proxy-authenticate: basic" in head.lower()
    assert echo.accepted == 0


def test_login_by_curl(lab, guarded):
    site = lab.website(name="inside")
    for scheme in ("socks5", "socks5h", "http"):
        proxy = f"{scheme}://alice:open%20sesame@127.0.0.1:{guarded.port}"
        assert curl("-x", proxy, site.url()) == b"inside"
    proxy = f"http://alice:wrong@127.0.0.1:{guarded.port}"
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-x", proxy, site.url()) == b"407"
    assert not any("Proxy-Authorization" in headers for _, _, headers in site.requests)


def test_the_password_is_shown_nowhere(guarded):
    daemon = guarded.daemon
    texts = [
        daemon.log,
        daemon.ctl("list").stdout,
        daemon.ctl("inspect", "t").stdout,
        daemon.ctl("--json", "inspect", "t").stdout,
        str(daemon.inspect("t")),
    ]
    assert not any("sesame" in text for text in texts)
    for pid in [daemon.pid, *daemon.workers()]:
        assert b"sesame" not in open(f"/proc/{pid}/cmdline", "rb").read()


def test_a_password_others_can_read_is_an_error(lab):
    spec = {"listen": lab.port(), "user": "a", "password": "b"}
    daemon = lab.daemon(lab.config({"t": {"host": "h", "dynamic": spec}}), start=False)
    daemon.config_path.chmod(0o644)
    result = daemon.check()
    assert result.returncode == 1 and "chmod 600" in result.stderr


# -- remote dynamic --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FLAGS)
def test_curl_from_the_servers_side(lab, kind):
    one = RemoteDynamic(lab, allow="any")
    site = lab.website(name="our side")
    proxy = f"127.0.0.1:{one.port}"
    for host in ("127.0.0.1", "localhost"):
        assert curl(*FLAGS[kind], proxy, site.url(host=host)) == b"our side"
    assert curl(*FLAGS[kind], proxy, site.url("/big")) == site.big


@pytest.mark.parametrize("kind", OPEN)
def test_reply_codes_on_the_servers_side(lab, kind):
    one, echo = RemoteDynamic(lab, allow="any"), lab.echo()
    sock, answer = OPEN[kind](one.port, "localhost", echo.port)
    with sock:
        assert answer == GRANTED[kind]
        client.ping(sock)
    assert_answer(one.port, kind, "127.0.0.1", lab.port(), REFUSED[kind])
    assert_answer(one.port, kind, "no-such-host.invalid", 80, UNKNOWN[kind])


@pytest.mark.parametrize("kind", OPEN)
def test_the_servers_side_goes_only_where_it_may(lab, kind):
    echo, other = lab.echo(), lab.echo()
    one = RemoteDynamic(lab, allow=[f"127.0.0.0/8:{echo.port}"])
    sock, answer = OPEN[kind](one.port, "127.0.0.1", echo.port)
    with sock:
        assert answer == GRANTED[kind]
    assert_answer(one.port, kind, "127.0.0.1", other.port, FORBIDDEN[kind])
    assert_answer(one.port, kind, "localhost", echo.port, FORBIDDEN[kind])
    assert other.accepted == 0


@pytest.mark.parametrize("kind", ["zeros", "random", "bad name", "endless line", "tls"])
def test_garbage_from_the_servers_side(lab, kind):
    one = RemoteDynamic(lab, allow="any")
    with one.connect() as sock:
        sock.sendall(b"")
    before = proc.fd_count(one.worker)
    for _ in range(10):
        with one.connect() as sock, contextlib.suppress(ConnectionError):
            sock.sendall(GARBAGE[kind])
            assert client.how_it_ends(sock) in ("eof", "reset")
    until(lambda: proc.fd_count(one.worker) <= before, 5, "no descriptor is left")


@pytest.mark.parametrize("remote", [1080, {"listen": 1080}, "1080"])
def test_allow_is_required_for_a_remote_dynamic(lab, remote):
    daemon = lab.daemon(lab.config({"t": {"host": "h", "remote": remote}}), start=False)
    result = daemon.check()
    assert result.returncode == 1 and "allow" in result.stderr


def test_mixed_on_one_session(lab):
    sshd, echo, site = lab.sshd(), lab.echo(), lab.website()
    plain, proxy, back = lab.port(), lab.port(), lab.port()
    spec = {
        "host": sshd.address,
        "local": local(plain, echo.port),
        "dynamic": f"127.0.0.1:{proxy}",
        "remote": {"listen": back, "allow": "any"},
    }
    lab.up({"t": spec})
    assert client.exchange(plain) == b"hello"
    assert curl("-x", f"socks5h://127.0.0.1:{proxy}", site.url()) == b"site"
    assert curl("-x", f"socks5h://127.0.0.1:{back}", site.url()) == b"site"
    assert len(sshd.sessions()) == 1
