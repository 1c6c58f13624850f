"""Dynamic forwards: one port that speaks SOCKS 4, 4a, 5 and HTTP CONNECT, told apart by the first
byte. Real curl, and raw sockets for every reply code; whoever misbehaves leaves nothing behind."""

import os
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from harness import client, peers, proc, socks
from harness.dynamic import (
    Dynamic,
    FLAGS,
    FORBIDDEN,
    GRANTED,
    OPEN,
    REFUSED,
    UNKNOWN,
    assert_answer,
    curl,
    handshake,
    skip_answers,
)
from harness.ports import has_ipv6
from harness.wait import until


@pytest.fixture
def dynamic(lab):
    return Dynamic(lab)


# -- real clients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FLAGS)
def test_curl(lab, dynamic, kind):
    site = lab.website(name="the far side")
    proxy = f"127.0.0.1:{dynamic.port}"
    for host in ("127.0.0.1", "localhost"):
        assert curl(*FLAGS[kind], proxy, site.url(host=host)) == b"the far side"
    assert curl(*FLAGS[kind], proxy, site.url("/big")) == site.big
    until(lambda: dynamic.daemon.forward("t")["connections_total"] == 3, 5, "each is counted")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) of localhost."""
    directory = tmp_path_factory.mktemp("tls")
    cert, key = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("kind", ["socks5-hostname", "socks4a", "plain"])
def test_curl_to_https(lab, dynamic, certificate, kind):
    """`-x http://…` makes a CONNECT of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def page(sock):
        with context.wrap_socket(sock, server_side=True) as tls:
            while not tls.recv(65536).endswith(b"\r\n\r\n"):
                pass
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
            tls.unwrap()

    server = lab.server(page)
    url = f"https://localhost:{server.port}/"
    proxy = f"127.0.0.1:{dynamic.port}"
    assert curl(*FLAGS[kind], proxy, "--cacert", certificate[0], url) == b"secret"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_ipv6_destinations(lab, dynamic, kind):
    echo = lab.echo(host="::1")
    sock, answer = OPEN[kind](dynamic.port, "::1", echo.port)
    with sock:
        assert answer == GRANTED[kind]
        client.ping(sock)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_localhost_is_both_families(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "dynamic": port}})
    assert daemon.forward("t")["name"] == f"dynamic:localhost:{port}"
    for address in ("127.0.0.1", "::1"):
        sock, answer = socks.open5(port, "127.0.0.1", echo.port, at=address)
        with sock:
            assert answer == socks.GRANTED5
            client.ping(sock)


# -- data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPEN)
def test_half_close_both_ways(lab, dynamic, kind):
    sink = peers.Sink(reply=b"a" * 1000000)
    sock, answer = OPEN[kind](dynamic.port, "localhost", lab.server(sink).port)
    with sock:
        assert answer == GRANTED[kind]
        sock.sendall(b"request")
        sock.shutdown(socket.SHUT_WR)
        assert client.read_all(sock) == b"a" * 1000000
        assert sink.results.get(timeout=30)[::2] == (7, "eof")


@pytest.mark.parametrize("kind", OPEN)
def test_a_big_transfer(lab, dynamic, kind):
    payload = os.urandom(16 << 20)
    sock, _ = OPEN[kind](dynamic.port, "127.0.0.1", lab.echo().port)
    with sock:
        sender = threading.Thread(target=sock.sendall, args=(payload,), daemon=True)
        sender.start()
        assert client.read_exactly(sock, len(payload)) == payload
        sender.join()


# -- handshakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["socks5", "socks4", "socks4a", "http"])
def test_byte_by_byte(lab, dynamic, kind):
    data, answers = handshake(kind, lab.echo().port)
    with dynamic.connect() as sock:
        for byte in data:
            sock.sendall(bytes([byte]))
        skip_answers(sock, answers)
        client.ping(sock)


@pytest.mark.parametrize("kind", ["socks5", "socks4", "socks4a", "http"])
def test_optimistic_data_is_not_lost(lab, dynamic, kind):
    """A client that sends all at once, before any answer."""
    data, answers = handshake(kind, lab.echo().port)
    payload = os.urandom(20000)
    with dynamic.connect() as sock:
        sock.sendall(data + payload)
        skip_answers(sock, answers)
        assert client.read_exactly(sock, len(payload)) == payload
        client.ping(sock)


@pytest.mark.parametrize("kind", ["socks5", "socks4", "http"])
def test_a_request_and_the_end_at_once(lab, dynamic, kind):
    """As `printf … | nc`: what was asked for comes, and then the end."""
    data, answers = handshake(kind, lab.echo().port)
    with dynamic.connect() as sock:
        sock.sendall(data + b"bye")
        sock.shutdown(socket.SHUT_WR)
        skip_answers(sock, answers)
        assert client.read_all(sock) == b"bye"


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPEN)
def test_refused_by_the_target(lab, dynamic, kind):
    assert_answer(dynamic.port, kind, "127.0.0.1", lab.port(), REFUSED[kind])


@pytest.mark.parametrize("kind", OPEN)
def test_a_name_nobody_knows(lab, dynamic, kind):
    assert_answer(dynamic.port, kind, "no-such-host.invalid", 80, UNKNOWN[kind])


@pytest.mark.parametrize("kind", OPEN)
def test_prohibited_by_the_server(lab, kind):
    echo = lab.echo()
    one = Dynamic(lab, lab.sshd(PermitOpen="127.0.0.1:1"))
    assert_answer(one.port, kind, "127.0.0.1", echo.port, FORBIDDEN[kind])


def test_two_refused_at_once_get_their_own_answer(lab):
    """libssh keeps one reason for all: that of the last."""
    one = Dynamic(lab, lab.sshd(PermitOpen="127.0.0.1:1"))
    for _ in range(10):
        with one.connect() as refused, one.connect() as prohibited:
            for sock in (refused, prohibited):
                sock.sendall(socks.greeting5(0))
                assert client.read_exactly(sock, 2) == b"\5\0"
            refused.sendall(socks.request5("127.0.0.1", 1))
            prohibited.sendall(socks.request5("127.0.0.1", 2))
            answers = [socks.read_reply5(sock) for sock in (refused, prohibited)]
            assert answers == [socks.REFUSED5, socks.PROHIBITED5]


def events(daemon):
    """The tunnel's history, when the worker has told all it knows: the question about connections
    goes there and back, behind whatever it had to report."""
    daemon.call("Connections")
    return [(e["state"], e["error"] and e["error"]["code"]) for e in daemon.inspect("t")["events"]]


def test_prohibited_targets_do_not_make_it_flap(lab):
    """What clients choose says little about the forward, and must not fill the journal: told once,
    as long as the server has permitted nothing at all."""
    echo = lab.echo()
    one = Dynamic(lab, lab.sshd(PermitOpen=f"127.0.0.1:{echo.port}"))

    def visit(port, answer):
        sock, got = socks.open5(one.port, "127.0.0.1", port)
        sock.close()
        assert got == answer

    before = events(one.daemon)
    visit(1, socks.PROHIBITED5)
    assert events(one.daemon)[len(before) :] == [("degraded", "forward-prohibited")]
    visit(echo.port, socks.GRANTED5)
    healed = events(one.daemon)
    assert [state for state, _ in healed[len(before) :]] == ["degraded", "up"]
    for port in range(1, 11):
        visit(port, socks.PROHIBITED5)
        visit(echo.port, socks.GRANTED5)
    assert events(one.daemon) == healed
    assert one.daemon.log.count("degraded") <= 1


@pytest.mark.parametrize("kind", OPEN)
def test_not_on_the_list(lab, kind):
    echo, other = lab.echo(), lab.echo()
    one = Dynamic(lab, allow=[f"127.0.0.1:{echo.port}", "*.internal:443"])
    sock, answer = OPEN[kind](one.port, "127.0.0.1", echo.port)
    with sock:
        assert answer == GRANTED[kind]
        client.ping(sock)
    assert_answer(one.port, kind, "127.0.0.1", other.port, FORBIDDEN[kind])
    assert_answer(one.port, kind, "localhost", echo.port, FORBIDDEN[kind])  # not what a name is
    assert other.accepted == 0


@pytest.mark.parametrize("command", [2, 3, 9])
def test_socks5_bind_and_udp_are_answered(dynamic, command):
    with dynamic.connect() as sock:
        sock.sendall(socks.greeting5(0))
        assert client.read_exactly(sock, 2) == b"\5\0"
        sock.sendall(socks.request5("127.0.0.1", 80, command))
        assert socks.read_reply5(sock) == socks.UNSUPPORTED5
        assert client.how_it_ends(sock) == "eof"


def test_socks4_bind_is_answered(dynamic):
    with dynamic.connect() as sock:
        sock.sendall(socks.request4("127.0.0.1", 80, command=2))
        assert socks.read_reply4(sock) == socks.REFUSED4


def test_no_method_in_common(dynamic):
    with dynamic.connect() as sock:
        sock.sendall(socks.greeting5(1))  # GSSAPI alone
        assert client.read_exactly(sock, 2) == bytes([5, socks.NO_METHOD])
        assert client.how_it_ends(sock) == "eof"


def test_clients_wait_while_there_is_no_session(lab, dynamic):
    """As with local forwards: nobody is refused, the handshake comes when the session is there."""
    echo = lab.echo()
    dynamic.sshd.kill9()
    dynamic.daemon.wait_state("t", ("backoff", "connecting"))
    with dynamic.connect() as sock:
        sock.sendall(socks.greeting5(0) + socks.request5("127.0.0.1", echo.port))
        dynamic.sshd.start()
        client.read_exactly(sock, 12)
        client.ping(sock)


def test_a_killed_worker_costs_no_new_client(lab, dynamic):
    echo = lab.echo()
    proc.send(dynamic.worker, signal.SIGKILL)
    sock, answer = socks.open5(dynamic.port, "127.0.0.1", echo.port)
    sock.close()
    assert answer == socks.GRANTED5
