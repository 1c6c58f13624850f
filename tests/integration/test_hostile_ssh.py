"""Servers that speak SSH well enough to do harm. Each leaves its tunnel in a named state, with a
reason, in time and with little memory; the tunnel beside it, in the same worker, never notices."""

import pytest

from harness import build, client, hostile_ssh, proc
from harness.beside import DEADLINE
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, holds, until


# For what does not end by the deadline: on a busy machine it must not be there before.
AMPLE = {"connect_timeout": "20s"}


def start(lab, beside, habit, rcvbuf=None, **tunnel):
    handler = hostile_ssh.handler(getattr(hostile_ssh, habit), lab.keys.host)
    server = lab.server(handler, rcvbuf=rcvbuf)
    return server, beside.run(f"127.0.0.1:{server.port}", **tunnel)


# Name of the habit → state, slug (or slugs), and what the message must say.
HABITS = {
    "ignore_before_kex": ("backoff", "protocol", "MiB"),
    "debug_during_kex": ("backoff", "protocol", "MiB"),
    "kexinit_and_silence": ("backoff", "timeout", "key exchange"),
    "kexinit_again_and_again": ("backoff", "protocol", "rejected packet"),
    "wrong_signature": ("backoff", "protocol", "wrong signature"),
    "empty_packets": ("backoff", "timeout", "key exchange"),
    "disconnect_with_escapes": ("backoff", "connection-lost", "the server ended the session"),
    "ignore_after_newkeys": ("backoff", "protocol", "MiB"),
    "no_service": ("backoff", "timeout", "authentication"),
    "ignore_before_auth": ("backoff", "protocol", "MiB"),
    "debug_before_auth": ("backoff", "protocol", "MiB"),
    "unimplemented_before_auth": ("backoff", "protocol", "MiB"),
    "banners": ("backoff", "protocol", "MiB"),
    "failures": ("failed", "auth-refused", "does not accept the key"),
    "refuses_every_key": ("failed", "auth-refused", "does not accept the key"),
    # libssh takes it for an error, unless it is busy with the last one.
    "rekeys_before_auth": ("backoff", "timeout protocol", ""),
}


@pytest.mark.parametrize("habit", HABITS)
def test_before_it_lets_us_in(lab, beside, habit):
    server, daemon = start(lab, beside, habit, **({} if "timeout" in HABITS[habit][1] else AMPLE))
    memory = proc.memory_kib(daemon.workers()[0])
    with Stopwatch() as watch:
        row = daemon.wait_state("bad0", ("backoff", "failed"), build.limit(DEADLINE * 2 + 1))
    assert watch.seconds < build.limit(DEADLINE * 2)
    state, slugs, words = HABITS[habit]
    assert row["state"] == state and row["error"]["code"] in slugs.split(), row
    message = row["error"]["message"]
    assert words in message and f":{server.port}" in message and is_one_harmless_line(message)
    if not build.SANITIZED:
        assert proc.memory_kib(daemon.workers()[0]) - memory < 8192
    beside.assert_untouched()


LAWFUL = ["ext_info_twice", "huge_banner", "some_padding_everywhere", "opens_what_nobody_asked_for"]


@pytest.mark.parametrize("habit", LAWFUL + ["confirms_what_nobody_opened", "data_for_nobody"])
def test_what_is_only_odd(lab, beside, habit):
    """Nothing to end a session for."""
    _, daemon = start(lab, beside, habit, **AMPLE)
    daemon.wait_state("bad0", "up")
    until(lambda: daemon.tunnel("bad0")["rtt_ms"] is not None, 5, "it answers")
    holds(lambda: daemon.tunnel("bad0")["state"] == "up", 0.5, "it stays up")
    assert all(map(is_one_harmless_line, daemon.log.splitlines()))
    beside.assert_untouched()


def test_channels_nobody_asked_for_are_refused(lab, beside):
    hostile_ssh.opens_what_nobody_asked_for.answers.clear()
    _, daemon = start(lab, beside, "opens_what_nobody_asked_for", **AMPLE)
    answers = hostile_ssh.opens_what_nobody_asked_for.answers
    until(lambda: len(answers) == 6, 5, "all are answered")
    assert set(answers) == {hostile_ssh.rawssh.CHANNEL_OPEN_FAILURE}
    beside.assert_untouched()


@pytest.mark.parametrize(
    ("habit", "slug", "words"),
    [
        ("disconnect_when_in", "connection-lost", "the server ended the session"),
        ("asks_without_reading", "protocol", "does not read the answers"),
    ],
)
def test_once_it_has_let_us_in(lab, beside, habit, slug, words):
    server, daemon = start(lab, beside, habit, rcvbuf=4096, **AMPLE)  # or the kernel has room for a lot
    memory = proc.memory_kib(daemon.workers()[0])
    row = daemon.wait_state("bad0", "backoff", build.limit(30), code=slug)
    message = row["error"]["message"]
    assert words in message and f":{server.port}" in message and is_one_harmless_line(message)
    if not build.SANITIZED:
        assert proc.memory_kib(daemon.workers()[0]) - memory < 8192
    beside.assert_untouched()


@pytest.mark.parametrize("habit", ["ignore_when_in", "unimplemented_when_in"])
def test_floods_of_nothing(lab, beside, habit):
    """Lawful in a session, whatever it is for: costs CPU, but no neighbour, no memory, no turn."""
    _, daemon = start(lab, beside, habit, **AMPLE)
    daemon.wait_state("bad0", "up")
    memory = proc.memory_kib(daemon.workers()[0])
    holds(lambda: daemon.tunnel("bad0")["state"] == "up", 1, "it stays up")
    if not build.SANITIZED:
        assert proc.memory_kib(daemon.workers()[0]) - memory < 8192
    daemon.ctl("down", "bad0", check=0)
    beside.assert_untouched()


def test_a_window_without_end(lab, beside):
    """Adjustments that add up to more than 32 bits: libssh 0.10 takes them, later ones end the session
    and say why."""
    port = lab.port()
    _, daemon = start(lab, beside, "window_without_end", local=local(port, 1), **AMPLE)
    daemon.wait_state("bad0", "up")
    try:
        with client.connect(port) as sock:
            sock.sendall(b"x" * 100)
            assert client.read_exactly(sock, 100) == b"x" * 100
    except ConnectionError:
        daemon.wait_log(r"bad0: backoff: .*overflows remote window.* \[protocol\]")
    beside.assert_untouched()


def test_more_than_the_window(lab, beside):
    """A client that does not read, and a server that does not care: memory is bounded all the same,
    and the session ends with the reason."""
    port = lab.port()
    _, daemon = start(lab, beside, "more_than_the_window", local=local(port, 1), **AMPLE)
    daemon.wait_state("bad0", "up")
    memory = proc.memory_kib(daemon.workers()[0])
    with client.connect(port):
        row = daemon.wait_state("bad0", "backoff", build.limit(20), code="protocol")
    assert "more than there is room for" in row["error"]["message"]
    if not build.SANITIZED:
        assert proc.memory_kib(daemon.workers()[0], "VmHWM") - memory < 40 * 1024
    beside.assert_untouched()


def test_one_byte_a_packet(lab, beside):
    port = lab.port()
    _, daemon = start(lab, beside, "one_byte_a_packet", local=local(port, 1), **AMPLE)
    daemon.wait_state("bad0", "up")
    with client.connect(port) as sock:
        assert client.read_all(sock) == b"x" * 20000
    beside.assert_untouched()


def test_new_keys_every_64_kb(lab, beside):
    """A hundred key exchanges under way, and all data is right."""
    echo, port = lab.echo(), lab.port()
    sshd = lab.sshd(RekeyLimit="64K", LogLevel="DEBUG1")
    daemon = beside.run(sshd.address, local=local(port, echo.port), **AMPLE)
    daemon.wait_state("bad0", "up")
    payload = bytes(range(256)) * 16384
    assert client.exchange(port, payload, timeout=60) == payload
    assert sshd.log.count("SSH2_MSG_NEWKEYS received") > 50
    assert sshd.log.count("Accepted publickey") == 1
    beside.assert_untouched()


def test_many_floods_at_once(lab, beside):
    """Ten of them, as fast as they can, in one worker."""
    habits = ["ignore_when_in", "debug_before_auth", "ignore_before_kex", "failures", "banners"]
    servers = [
        lab.server(hostile_ssh.handler(getattr(hostile_ssh, habit), lab.keys.host))
        for habit in habits * 2
    ]
    beside.run(
        *(f"127.0.0.1:{s.port}" for s in servers), reconnect={"min": "50ms", "max": "100ms"}
    )
    until(lambda: min(s.accepted for s in servers) >= 1, 20, "each was tried")
    until(lambda: max(s.accepted for s in servers) >= 5, 20, "one was tried five times")
    beside.assert_untouched()
