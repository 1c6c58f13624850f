"""OpenSSH servers set up in ways that are unusual but legitimate."""

import pytest

from harness import client
from harness.lab import local
from harness.ports import has_ipv6
from harness.sshd import version
from harness.wait import holds, until


def up(lab, tunnel=None, **options):
    """A tunnel through an sshd with these options; (sshd, port, daemon)."""
    sshd, echo, port = lab.sshd(**options), lab.echo(), lab.port()
    spec = {"host": sshd.address, "local": local(port, echo.port), **(tunnel or {})}
    return sshd, port, lab.up({"t": spec})


def test_a_server_that_asks_for_signs_of_life(lab):
    """Its keepalives must be answered, or it ends the session."""
    sshd, port, daemon = up(lab, ClientAliveInterval="1", ClientAliveCountMax="2")
    holds(lambda: daemon.tunnel("t")["state"] == "up", 5, "the tunnel stays up", 0.1)
    assert client.exchange(port) == b"hello"
    assert sshd.log.count("Accepted publickey") == 1


def test_new_keys_every_second(lab):
    sshd, port, daemon = up(lab, RekeyLimit="default 1", LogLevel="DEBUG1")
    with client.connect(port) as sock:
        until(lambda: client.ping(sock) or sshd.log.count("rekey in") >= 3, 20, "three exchanges")
    assert daemon.tunnel("t")["state"] == "up"
    assert sshd.log.count("Accepted publickey") == 1


def test_a_long_banner_text(lab):
    text = lab.write("banner", "Authorised use only. \x1b[31m\n" * 500)
    _, port, daemon = up(lab, Banner=text)
    assert client.exchange(port) == b"hello"
    assert "\x1b" not in daemon.log


def test_a_server_that_knows_no_gcm(lab):
    _, port, daemon = up(lab, Ciphers="aes128-ctr", MACs="hmac-sha2-256-etm@openssh.com")
    assert client.exchange(port, b"x" * 100000) == b"x" * 100000
    assert daemon.inspect("t")["session"]["cipher"] == "aes128-ctr"


@pytest.mark.parametrize(
    "kex", ["curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"]
)
def test_key_exchanges(lab, kex):
    _, port, daemon = up(lab, KexAlgorithms=kex)
    assert client.exchange(port) == b"hello"
    assert daemon.inspect("t")["session"]["kex"] == kex
    daemon.assert_no_stall()


def test_no_cipher_in_common(lab):
    sshd = lab.sshd(Ciphers="aes128-cbc")
    spec = {"host": sshd.address, "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config({"t": spec}))
    daemon.wait_state("t", "failed", code="no-common-algorithm")


@pytest.mark.parametrize(
    "options, code",
    [
        ({"PubkeyAuthentication": "no", "PasswordAuthentication": "yes"}, "needs-password"),
        (
            {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"},
            "needs-password",
        ),
        ({"DenyUsers": "*"}, "auth-refused"),
        ({"AuthorizedKeysFile": "none"}, "auth-refused"),
    ],
    ids=["no-keys", "key-is-not-enough", "user-denied", "nothing-authorized"],
)
def test_a_server_that_does_not_let_us_in(lab, options, code):
    sshd = lab.sshd(**options)
    spec = {"host": sshd.address, "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config({"t": spec}))
    row = daemon.wait_state("t", "failed", code=code)
    if "PasswordAuthentication" in options:
        assert "password" in row["error"]["message"]  # what the server would take


def test_a_server_with_compression_offered(lab):
    _, port, _ = up(lab, Compression="yes")
    assert client.exchange(port, b"x" * 100000) == b"x" * 100000


def test_a_server_that_has_no_room_for_more(lab):
    """MaxStartups 1: others hold the only place; the reason is named, and it comes up afterwards."""
    sshd, echo, port = lab.sshd(MaxStartups="1:100:1"), lab.echo(), lab.port()
    with client.connect(sshd.port) as place:
        place.recv(3)  # it has us now
        spec = {"host": sshd.address, "local": local(port, echo.port)}
        daemon = lab.daemon(lab.config({"t": spec}))
        row = daemon.wait_state("t", "backoff")
        assert "MaxStartups" in row["error"]["message"]
    client.wait_served(port, 10)


@pytest.mark.skipif(version() < (9, 8), reason="sshd punishes addresses since OpenSSH 9.8")
def test_a_server_that_punishes_our_address(lab):
    """A tunnel whose key is refused gets the whole address banned (PerSourcePenalties): it does not
    try again, and the other one says why it is down, and is up when the ban is over."""
    sshd = lab.sshd(PerSourcePenalties="authfail:4s min:1s", LogLevel="DEBUG1")
    echo, port = lab.echo(), lab.port()
    spec = {"host": sshd.address, "local": local(port, echo.port)}
    wrong = {**spec, "identity": str(lab.key("wrong")), "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config({"wrong": wrong}))
    daemon.wait_state("wrong", "failed", code="auth-refused")
    sshd.wait_log(r"penalty")
    daemon.write(lab.config({"wrong": wrong, "good": spec}))
    daemon.ctl("reload", check=0)
    row = daemon.wait_state("good", "backoff", code="connection-lost")
    assert "PerSourcePenalties" in row["error"]["message"]
    client.wait_served(port, 15)
    assert daemon.tunnel("good")["state"] == "up"
    assert daemon.tunnel("wrong")["state"] == "failed"
    assert sshd.log.count("Failed publickey") == 1


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_an_ipv6_server(lab):
    sshd, echo, port = lab.sshd(host="::1"), lab.echo(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, echo.port)}})
    assert client.exchange(port) == b"hello"
    assert daemon.inspect("t")["session"]["address"] == sshd.address


def test_a_session_that_is_ended_by_the_administrator(lab):
    """kill of one session: politely ended, and made anew."""
    sshd, port, daemon = up(lab)
    sshd.kill_sessions()
    until(lambda: sshd.log.count("Accepted publickey") == 2, 5, "a second login")
    daemon.wait_state("t", "up")
    assert client.exchange(port) == b"hello"
