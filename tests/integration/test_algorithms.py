"""What is offered to servers: every algorithm of the tables works, nothing weak is among the defaults,
compression and new keys in the middle of a stream lose no byte."""

import os
import re
import subprocess

import pytest

from harness import client
from harness.lab import local
from harness.ports import free_port
from harness.wait import until

CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
]
KEX = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
]
MACS = [
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
]


def up(lab, settings=None, **sshd_options):
    """(sshd, port, daemon)"""
    sshd, echo, port = lab.sshd(**sshd_options), lab.echo(), lab.port()
    spec = {"host": sshd.address, "local": local(port, echo.port), **(settings or {})}
    return sshd, port, lab.up({"t": spec})


@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_cipher(lab, cipher):
    _, port, daemon = up(lab, {"ciphers": cipher})
    assert client.exchange(port, os.urandom(100_000))
    assert daemon.inspect("t")["session"]["cipher"] == cipher


@pytest.mark.parametrize("kex", KEX)
def test_each_key_exchange(lab, kex):
    # OpenSSH 10 has groups of numbers only when they are asked for.
    sshd, port, _ = up(lab, {"kex": kex}, KexAlgorithms=f"+{kex}", LogLevel="DEBUG1")
    assert client.exchange(port) == b"hello"
    assert f"kex: algorithm: {kex} " in sshd.log


@pytest.mark.parametrize("mac", MACS)
def test_each_mac(lab, mac):
    sshd, port, _ = up(lab, {"ciphers": "aes128-ctr", "macs": mac}, LogLevel="DEBUG1")
    assert client.exchange(port, b"x" * 100_000) == b"x" * 100_000
    assert f"MAC: {mac}" in sshd.log


def test_a_relative_list_is_applied_to_ours(lab):
    settings = {"ciphers": "^aes256-ctr", "kex": "-*25519*", "macs": "^hmac-sha2-512"}
    groups = "+diffie-hellman-group14-sha256,diffie-hellman-group16-sha512"
    sshd, port, daemon = up(lab, settings, KexAlgorithms=groups, LogLevel="DEBUG1")
    session = daemon.inspect("t")["session"]
    assert session["cipher"] == "aes256-ctr"
    assert session["kex"].startswith("diffie-hellman-group1")
    assert "MAC: hmac-sha2-512 " in sshd.log


def test_names_nobody_knows_are_mistakes(lab):
    daemon = lab.daemon(
        lab.config({"t": {"host": "h", "local": "1:h:2", "kex": "curve448-sha512"}}), start=False
    )
    result = subprocess.run(daemon.command("--check"), capture_output=True, text=True)
    assert result.returncode == 1
    assert "curve448-sha512" in result.stderr and "curve25519-sha256@libssh.org" in result.stderr


# -- servers that have nothing of what is offered first ------------------------------------------------


@pytest.mark.parametrize(
    "kex", ["ecdh-sha2-nistp384", "diffie-hellman-group-exchange-sha256"]
)
def test_an_older_server_is_offered_more(lab, kex):
    sshd, port, daemon = up(lab, KexAlgorithms=kex)
    assert client.exchange(port) == b"hello"
    sshd.wait_log("Unable to negotiate")  # said by a process of its own, in its own time
    assert sshd.log.count("Unable to negotiate") == 1
    daemon.ctl("restart", "t", check=0)  # it is remembered
    assert sshd.log.count("Unable to negotiate") == 1


def test_a_list_that_is_written_does_not_grow(lab):
    sshd = lab.sshd(KexAlgorithms="ecdh-sha2-nistp384")
    spec = {"host": sshd.address, "local": local(lab.port(), 1)}
    lists = {"kex": "curve25519-sha256", "host_key_algorithms": "ssh-ed25519"}
    daemon = lab.daemon(lab.config({"t": {**spec, **lists}}))
    daemon.wait_state("t", "failed", code="no-common-algorithm")
    sshd.wait_log("Unable to negotiate")
    assert sshd.log.count("Unable to negotiate") == 1


# -- an audit ------------------------------------------------------------------------------------------


def audit(lab, settings=None):
    """What ssh-audit says of us, a line for each algorithm."""
    port = free_port()
    process = subprocess.Popen(
        ["ssh-audit", "-n", "-c", "-p", str(port), "-t", "20"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    spec = {"host": f"127.0.0.1:{port}", "local": local(lab.port(), 1), **(settings or {})}
    lab.daemon(lab.config({"t": {**spec, "reconnect": {"min": "100ms", "max": "100ms"}}}))
    text, _ = process.communicate(timeout=60)
    assert "(kex) curve25519-sha256" in text and "(enc) aes128-ctr" in text, text
    return text.splitlines()


# Some servers have no encrypt-then-MAC, some no larger group; and older audits do not know the name
# that guards against Terrapin.
KNOWN = re.compile(
    r"using encrypt-and-MAC mode|kex-strict-c-v00@openssh.com|"
    r"diffie-hellman-group14-sha256 .* 2048-bit modulus only provides 112-bits"
)


def test_an_audit_finds_no_failure(lab):
    lines = audit(lab)
    assert not [line for line in lines if "[fail]" in line]
    warnings = [line for line in lines if "[warn]" in line and not KNOWN.search(line)]
    assert not warnings
    assert any("(mac) hmac-sha2-256-etm" in line for line in lines)


def test_the_audit_would_find_one(lab):
    assert any("[fail]" in line for line in audit(lab, {"kex": "+ecdh-sha2-nistp256"}))


# -- compression and new keys --------------------------------------------------------------------------


def streams(port, size):
    """The same bytes back, compressible and not."""
    for data in (b"compress me " * (size // 12), os.urandom(size)):
        assert client.exchange(port, data) == data


def test_compression_both_ways(lab):
    sshd, port, _ = up(lab, {"compression": True}, LogLevel="DEBUG1")
    assert "compression: zlib@openssh.com" in sshd.log
    streams(port, 1_000_000)


def test_no_compression_unless_asked(lab):
    sshd, port, _ = up(lab, LogLevel="DEBUG1")
    assert "zlib" not in re.sub(r"local .*|peer .*", "", sshd.log)
    assert client.exchange(port) == b"hello"


def test_a_server_without_compression(lab):
    _, port, _ = up(lab, {"compression": True}, Compression="no")
    assert client.exchange(port) == b"hello"


@pytest.mark.parametrize("compression", [False, True])
def test_new_keys_every_64_kilobytes(lab, compression):
    sshd, port, daemon = up(
        lab, {"rekey": "64K", "compression": compression}, LogLevel="DEBUG1"
    )
    streams(port, 2_000_000)
    exchanges = len(re.findall("rekey in|SSH2_MSG_NEWKEYS received", sshd.log))
    assert exchanges > 10, "keys were exchanged again and again"
    assert daemon.tunnel("t")["state"] == "up"
    assert sshd.log.count("Accepted publickey") == 1


def test_new_keys_after_some_time(lab):
    sshd, port, daemon = up(lab, {"rekey": "default 1s"}, LogLevel="DEBUG1")
    with client.connect(port) as sock:
        until(
            lambda: client.ping(sock) or sshd.log.count("SSH2_MSG_NEWKEYS received") >= 3,
            20,
            "three exchanges",
        )
    assert daemon.tunnel("t")["state"] == "up"
