"""The HTTP half of a dynamic forward: plain requests for http://host/path, as wget and apt make
them, one after the other on one connection and for several hosts."""

import contextlib
import http.client
import os
import socket

import pytest

from harness import build, client, peers, proc, socks
from harness.dynamic import Dynamic, RemoteDynamic, curl
from harness.wait import until


@pytest.fixture(params=[Dynamic, RemoteDynamic], ids=["local", "remote"])
def dynamic(request, lab):
    """Through the server, and from the server's side."""
    return request.param(lab, allow="any") if request.param is RemoteDynamic else Dynamic(lab)


class Through:
    """One connection to the proxy, for as many requests as there are."""

    def __init__(self, dynamic):
        self.connection = http.client.HTTPConnection("127.0.0.1", dynamic.port, timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, url, **options):
        """(status, body, headers)"""
        self.connection.request(method, url, **options)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.headers

    @property
    def socket(self):
        return self.connection.sock


@pytest.fixture
def through(dynamic):
    with Through(dynamic) as through:
        yield through


def test_two_hosts_on_one_connection(lab, dynamic, through):
    """The second request is for another host: it must not reach the first."""
    one, two = lab.website(name="one"), lab.website(name="two")
    for _ in range(3):
        assert through.ask("GET", one.url())[1] == b"one"
        sock = through.socket
        assert through.ask("GET", two.url())[1] == b"two"
        assert through.socket is sock, "the proxy closed between requests"
    assert [r[1] for r in one.requests] == [r[1] for r in two.requests] == ["/"] * 3


def test_pipelined_to_two_hosts(lab, dynamic):
    """All requests before the first answer; the answers in their order."""
    one, two = lab.website(name="one"), lab.website(name="two")
    request = "".join(
        f"GET {s.url()} HTTP/1.1\r\nHost: {s.host}:{s.port}\r\n\r\n" for s in (one, two, one, two)
    )
    with client.connect(dynamic.port) as sock:
        sock.sendall(request.encode())
        for name in (b"one", b"two", b"one", b"two"):
            status, _ = socks.read_head(sock)
            assert status == 200
            assert client.read_exactly(sock, 3) == name


def test_what_the_origin_sees(lab, through):
    """Origin form, a Host of its own making, and nothing that was for the proxy."""
    site = lab.website()
    headers = {"Host": "elsewhere", "Proxy-Connection": "keep-alive", "Proxy-Authorization": "x"}
    through.ask("GET", site.url("/"), headers={**headers, "X-Mine": "1"})
    method, path, seen = site.requests[0]
    assert (method, path) == ("GET", "/")
    assert seen["Host"] == f"127.0.0.1:{site.port}" and seen["X-Mine"] == "1"
    assert not [name for name in seen if name.lower().startswith("proxy-")]


def test_a_url_without_a_path(lab, through):
    site = lab.website()
    assert through.ask("GET", site.url(""))[0] == 200
    assert site.requests[0][1] == "/"


def test_chunked_answers(lab, through):
    site = lab.website()
    for _ in range(2):
        assert through.ask("GET", site.url("/chunked"))[1] == b"one two three"


def test_answers_without_a_body(lab, through):
    """HEAD names a length that does not come, 204 has none."""
    site = lab.website(name="here")
    for _ in range(2):
        status, body, headers = through.ask("HEAD", site.url("/big"))
        assert (status, body) == (200, b"") and int(headers["Content-Length"]) == len(site.big)
        assert through.ask("GET", site.url("/empty"))[:2] == (204, b"")
        assert through.ask("GET", site.url())[1] == b"here"


def test_an_answer_that_ends_with_the_connection(lab, through):
    site = lab.website()
    assert through.ask("GET", site.url("/old"))[1] == b"until the end"
    assert through.ask("GET", site.url())[1] == b"site"  # http.client connects again if it must


@pytest.mark.parametrize("size", [0, 1, 70000, 8 << 20])
def test_bodies_there_and_back(lab, through, size):
    site, body = lab.website(), os.urandom(size)
    assert through.ask("POST", site.url("/"), body=body)[1] == body
    assert through.ask("GET", site.url())[1] == b"site"


def test_a_chunked_body(lab, through):
    site, parts = lab.website(), [os.urandom(n) for n in (1, 100, 50000)]
    options = {"body": iter(parts), "encode_chunked": True}
    headers = {"Transfer-Encoding": "chunked"}
    assert through.ask("PUT", site.url("/"), headers=headers, **options)[1] == b"".join(parts)
    assert through.ask("GET", site.url())[1] == b"site"


def test_100_continue(lab, dynamic):
    """The client waits for the origin's word before it sends its body."""
    site = lab.website()
    head = (
        f"POST {site.url()} HTTP/1.1\r\nHost: {site.host}:{site.port}\r\n"
        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    with client.connect(dynamic.port) as sock:
        sock.sendall(head.encode())
        assert socks.read_head(sock)[0] == 100
        sock.sendall(b"hello")
        assert socks.read_head(sock)[0] == 200
        assert client.read_exactly(sock, 5) == b"hello"


def test_a_big_download_is_whole(lab, dynamic):
    site = lab.website()
    assert curl("-x", f"http://127.0.0.1:{dynamic.port}", site.url("/big")) == site.big


def test_the_origin_dies_in_mid_body(lab, dynamic):
    """The client must be able to tell: no keep-alive after half an answer."""
    site = lab.website()
    with Through(dynamic) as through, pytest.raises((http.client.IncompleteRead, ConnectionError)):
        through.ask("GET", site.url("/die"))
    with Through(dynamic) as through:
        assert through.ask("GET", site.url())[1] == b"site"


def test_refused_and_then_another_host(lab, through):
    """An error is an answer like others: the connection may go on."""
    site, nobody = lab.website(), lab.port()
    status, body, _ = through.ask("GET", f"http://127.0.0.1:{nobody}/")
    assert status == 502 and body
    assert through.ask("GET", site.url())[1] == b"site"


def test_a_name_nobody_knows(through):
    assert through.ask("GET", "http://no-such-host.invalid/")[0] in (502, 504)


def test_an_http_1_0_client(lab, dynamic):
    site = lab.website()
    with client.connect(dynamic.port) as sock:
        sock.sendall(f"GET {site.url()} HTTP/1.0\r\n\r\n".encode())
        answer = client.read_all(sock)
    assert answer.startswith(b"HTTP/1.") and answer.endswith(b"site")


BAD = {
    "no absolute url": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "https without connect": b"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no port": b"CONNECT localhost HTTP/1.1\r\n\r\n",
    "two lengths": b"POST http://localhost/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nxx",
    "length and chunked": b"POST http://localhost/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a header that is folded": b"GET http://localhost/ HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "a blank before the colon": b"GET http://localhost/ HTTP/1.1\r\nHost : x\r\n\r\n",
    "a nul": b"GET http://local\0host/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": b"GET http://localhost/ HTTP/2.0\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_requests_get_an_answer(dynamic, kind):
    """What could mean two things to two readers is refused, not passed on."""
    with client.connect(dynamic.port) as sock:
        sock.sendall(BAD[kind])
        status, _ = socks.read_head(sock)
        assert 400 <= status < 600 and status != 502
        assert client.how_it_ends(sock) in ("eof", "reset")


def test_aborted_downloads_leave_nothing(lab, dynamic):
    site = lab.website()
    curl("-x", f"http://127.0.0.1:{dynamic.port}", site.url())
    until(lambda: dynamic.daemon.forward("t")["connections"] == 0, 5, "the first one is gone")
    before = proc.fd_count(dynamic.worker)
    for number in range(60):
        sock = client.connect(dynamic.port)
        sock.sendall(f"GET {site.url('/big')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sock.recv(1000 if number % 3 else 1)
        (peers.reset if number % 2 else socket.socket.close)(sock)
    until(lambda: proc.fd_count(dynamic.worker) <= before, 10, "no descriptor is left")
    until(lambda: dynamic.daemon.forward("t")["connections"] == 0, 5, "none is counted")


@pytest.mark.skipif(build.SANITIZED, reason="a sanitizer's memory says nothing")
def test_clients_that_do_not_read_cost_bounded_memory(lab, dynamic):
    memory = proc.memory_kib(dynamic.worker)
    site = lab.website()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(client.connect(dynamic.port))
            sock.sendall(f"GET {site.url('/big')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until(lambda: len(site.requests) == 20, 10, "all are asked for")
        assert curl("-x", f"http://127.0.0.1:{dynamic.port}", site.url("/big")) == site.big
        assert proc.memory_kib(dynamic.worker) - memory < 20 * 4 * 1024


def test_idle_clients_may_stay(lab, dynamic):
    """A kept connection has no deadline of the handshake: it has made its request."""
    site = lab.website()
    with Through(dynamic) as through:
        through.ask("GET", site.url())
        with contextlib.suppress(TimeoutError):
            through.socket.settimeout(11)
            assert through.socket.recv(1), "closed after the handshake's deadline"
        through.socket.settimeout(10)
        assert through.ask("GET", site.url())[1] == b"site"


def test_a_client_that_resets_in_its_second_request(lab):
    """The target does not answer, so nothing but looking after it tells that the client has gone."""
    server, site, port = lab.asyncssh(), lab.website(), lab.port()
    daemon = lab.up({"t": {"host": server.address, "dynamic": f"127.0.0.1:{port}"}})
    request = f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    def only():
        (one,) = daemon.call("Connections")["connections"]
        return one

    with client.connect(port) as sock:
        sock.sendall(request)
        assert socks.read_head(sock)[0] == 200
        assert client.read_exactly(sock, 4) == b"site"
        until(lambda: only()["idle_ms"] > 1200, 5, "nobody looks after it any more")
        server.never_opens_channels = True
        sock.sendall(request)
        until(lambda: only()["state"] == "opening", 5, "the second request is under way")
        peers.reset(sock)
    until(lambda: not daemon.call("Connections")["connections"], build.limit(5), "it is forgotten")
    until(lambda: daemon.forward("t")["connections"] == 0, 5, "none is counted")
