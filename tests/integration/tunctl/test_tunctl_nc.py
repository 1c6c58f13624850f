"""tunctl nc: bytes both ways, and how it ends."""

import contextlib
import hashlib
import os
import pty
import random
import select
import socket
import subprocess
import threading

import pytest
from fake import CLOSE, HANG, MANAGER, TUNCTL, Upgrade, environment, error, tunctl, until

BIG = random.Random(1).randbytes(5 << 20)


def start(server, *args, **options):
    return subprocess.Popen(
        [str(TUNCTL), "-s", str(server.path), "nc", *(args or ("db", "h:1"))],
        env=environment(),
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        | options,
    )


def run(server, data=b"", expect=0, **options):
    """What came out of `tunctl nc` that was given data, and what it said."""
    process = start(server, **options)
    out, err = process.communicate(data, timeout=30)
    assert process.returncode == expect, err
    return out, err.decode()


def receive_all(connection):
    data = b""
    while part := connection.recv(1 << 16):
        data += part
    return data


def echo(connection):
    while data := connection.recv(1 << 16):
        connection.sendall(data)


# -- where to ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, target",
    [
        (["db:5432"], "db:5432"),
        (["db", "5432"], "db:5432"),
        (["::1", "22"], "[::1]:22"),
        (["[::1]:ssh"], "[::1]:22"),
        (["/run/x y.sock"], "/run/x y.sock"),
    ],
)
def test_the_target(server, words, target):
    server.answers("Connect", Upgrade())
    process = start(server, "bastion", *words, stdin=subprocess.DEVNULL)
    assert process.communicate(timeout=10) == (b"", b"") and process.returncode == 0
    assert server.calls == [
        {
            "method": MANAGER + "Connect",
            "parameters": {"name": "bastion", "target": target},
            "upgrade": True,
        }
    ]


@pytest.mark.parametrize(
    "words, why",
    [
        (["db"], "'db' has no port; write HOST:PORT, or HOST PORT"),
        (["me@db:1"], "names a user"),
        (["x.sock/y"], "write it with a '/' in front"),
        (["::1"], "has no port"),
        (["db", "0"], "port"),
    ],
)
def test_targets_that_are_none(server, words, why):
    assert why in tunctl(server, "nc", "x", *words, expect=2).stderr
    assert server.calls == []


# -- what goes wrong before a byte has moved --------------------------------------------------------


def test_failures_and_their_exit_codes(server):
    server.answers("Connect", error("NoSuchTunnel", code="no-such-tunnel", message="no tunnel 'x'"))
    assert tunctl(server, "nc", "x", "h:1", expect=3).stderr == "tunctl: no tunnel 'x'\n"
    why = "the server cannot reach h:1: Connection refused"
    server.answers("Connect", error("Failed", code="target-unreachable", message=why))
    result = tunctl(server, "nc", "x", "h:1", expect=1)
    assert result.stdout == "" and result.stderr == f"tunctl: {why}\n"
    server.answers("Connect", CLOSE)
    assert "was lost" in tunctl(server, "nc", "x", "h:1", expect=4).stderr
    server.script.clear()
    assert "does not know the method" in tunctl(server, "nc", "x", "h:1", expect=1).stderr


def test_no_daemon_exits_4():
    assert "not reachable" in tunctl(None, "-s", "/nowhere", "nc", "x", "h:1", expect=4).stderr


# -- bytes ------------------------------------------------------------------------------------------


def test_bytes_behind_the_reply_are_not_lost(server):
    server.answers("Connect", Upgrade(first=b"SSH-2.0-test\r\n\0\xff more"))
    assert run(server) == (b"SSH-2.0-test\r\n\0\xff more", "")


def test_much_goes_both_ways_at_once(server):
    server.answers("Connect", Upgrade(echo))
    out, err = run(server, BIG)
    assert hashlib.sha256(out).digest() == hashlib.sha256(BIG).digest() and err == ""


def test_a_reader_that_waits_does_not_stop_the_other_way(server):
    """The peer reads only after it has written everything, and nobody reads our output until it has
    read everything: a program that blocks in write() would never come to an end."""
    got = []

    def talk(connection):
        writer = threading.Thread(target=connection.sendall, args=(BIG,), daemon=True)
        writer.start()
        got.append(receive_all(connection))
        writer.join()

    server.answers("Connect", Upgrade(talk))
    process = start(server)
    process.stdin.write(BIG)
    process.stdin.close()
    until(lambda: got)
    assert got == [BIG]
    assert process.stdout.read() == BIG and process.wait(10) == 0
    process.stderr.close()


def test_the_end_of_input_is_passed_on_and_the_answer_still_comes(server):
    server.answers("Connect", Upgrade(lambda c: c.sendall(receive_all(c)[::-1])))
    assert run(server, b"olleh")[0] == b"hello"


def test_it_ends_with_the_peer_although_input_goes_on(server):
    server.answers("Connect", Upgrade(first=b"bye"))
    process = start(server)
    assert process.stdout.read() == b"bye" and process.wait(10) == 0
    process.communicate()


def test_a_peer_that_only_stops_reading_is_heard_to_the_end(server):
    deaf = threading.Event()

    def talk(connection):
        connection.shutdown(socket.SHUT_RD)
        deaf.set()
        connection.sendall(BIG)

    server.answers("Connect", Upgrade(talk))
    process = start(server, stdin=subprocess.PIPE)
    assert deaf.wait(10)  # what arrived before would be lost, and tunctl right to fail
    feeder = threading.Thread(target=feed, args=(process.stdin,), daemon=True)
    feeder.start()
    assert process.stdout.read() == BIG and process.wait(10) == 0
    feeder.join(10)
    assert process.stderr.read() == b""


def feed(pipe):
    with contextlib.suppress(BrokenPipeError):
        while True:
            pipe.write(b"x" * 65536)


def test_a_reset_is_a_failure(server):
    """A Unix socket tells of unread bytes of ours by ECONNRESET."""

    def talk(connection):
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        assert poll.poll(10000)

    server.answers("Connect", Upgrade(talk))
    process = start(server)
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.wait(10) == 1
    assert process.stderr.read() == b"tunctl: the connection to h:1 was reset\n"
    process.communicate()


def test_a_reset_is_told_out_of_band_and_what_came_before_is_kept(server):
    def talk(connection):
        connection.sendall(BIG)
        connection.send(b"!", socket.MSG_OOB)

    server.answers("Connect", Upgrade(talk))
    out, err = run(server, stdin=subprocess.DEVNULL, data=None, expect=1)
    assert out == BIG and err == "tunctl: the connection to h:1 was reset\n"


# -- what standard input and output may be ----------------------------------------------------------


def test_files(server, tmp_path):
    server.answers("Connect", Upgrade(echo))
    (tmp_path / "in").write_bytes(BIG)
    with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as target:
        run(server, None, stdin=source, stdout=target)
    assert (tmp_path / "out").read_bytes() == BIG


def test_one_socket_for_both_which_stays_blocking(server):
    server.answers("Connect", Upgrade(echo))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = start(server, stdin=theirs, stdout=theirs)
        ours.settimeout(10)
        writer = threading.Thread(
            target=lambda: (ours.sendall(BIG), ours.shutdown(socket.SHUT_WR)), daemon=True
        )
        writer.start()
        data = b""
        while len(data) < len(BIG):
            data += ours.recv(1 << 20)
        writer.join()
        assert data == BIG and process.wait(10) == 0
        assert os.get_blocking(theirs.fileno())
    process.stderr.close()


def test_pipes_stay_blocking(server):
    server.answers("Connect", Upgrade(echo))
    (in_r, in_w), (out_r, out_w) = os.pipe(), os.pipe()
    process = start(server, stdin=in_r, stdout=out_w)
    os.write(in_w, b"ping")
    assert os.read(out_r, 100) == b"ping"
    assert os.get_blocking(in_r) and os.get_blocking(out_w)
    os.close(out_w)
    os.close(in_w)
    assert os.read(out_r, 100) == b"" and process.wait(10) == 0
    os.close(in_r)
    os.close(out_r)
    process.stderr.close()


def test_a_terminal(server):
    server.answers("Connect", Upgrade(lambda c: (c.sendall(c.recv(100).upper()), receive_all(c))))
    main, side = pty.openpty()
    process = start(server, stdin=side, stdout=side, stderr=side)
    os.write(main, b"hello\n")
    text = b""
    while b"HELLO" not in text:
        text += os.read(main, 100)
    assert os.get_blocking(side)
    os.write(main, b"\x04")
    assert process.wait(10) == 0
    os.close(main)
    os.close(side)


def test_closed_descriptors(server):
    got = []
    server.answers("Connect", Upgrade(lambda c: got.append(receive_all(c))))
    command = f"exec '{TUNCTL}' -s '{server.path}' nc x h:1"
    closed = subprocess.run(["sh", "-c", command + " <&-"], env=environment(), timeout=10)
    assert closed.returncode == 0 and got == [b""]
    server.answers("Connect", Upgrade(first=b"x"))
    closed = subprocess.run(
        ["sh", "-c", command + " >&-"],
        env=environment(),
        timeout=10,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert closed.returncode == 1 and b"cannot write the output" in closed.stderr


def test_an_output_that_is_full_is_a_failure(server):
    server.answers("Connect", Upgrade(echo))
    with open("/dev/full", "wb") as full:
        _, err = run(server, b"x", expect=1, stdout=full)
    assert err == "tunctl: cannot write the output: No space left on device\n"


def test_an_input_that_cannot_be_read_is_a_failure(server, tmp_path):
    server.answers("Connect", Upgrade(echo))
    directory = os.open(tmp_path, os.O_RDONLY)
    process = start(server, stdin=directory)
    os.close(directory)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert err == b"tunctl: cannot read standard input: Is a directory\n"


# -- readers that go away ---------------------------------------------------------------------------


def test_a_reader_that_goes_away_ends_it_quietly(server):
    server.answers("Connect", Upgrade(lambda c: (c.sendall(BIG), receive_all(c))))
    process = start(server)
    assert process.stdout.read(1)
    process.stdout.close()
    process.stdin.close()
    assert process.wait(10) == 0 and process.stderr.read() == b""
    process.stderr.close()


def test_a_reader_that_goes_away_in_silence_is_noticed(server):
    """As when an ssh whose ProxyCommand we are is killed, and the server does not react to EOF."""
    done = threading.Event()
    server.answers("Connect", Upgrade(lambda c: done.wait(20)))
    process = start(server)
    until(lambda: server.calls)
    process.stdin.close()
    process.stdout.close()
    assert process.wait(10) == 0 and process.stderr.read() == b""
    done.set()
    process.stderr.close()


def test_what_was_given_is_delivered_although_nobody_reads_the_answer(server):
    got = []
    server.answers("Connect", Upgrade(lambda c: got.append(receive_all(c)), first=b"hello"))
    reader, writer = os.pipe()
    os.close(reader)
    _, err = run(server, BIG, stdout=writer)
    os.close(writer)
    until(lambda: got)
    assert got == [BIG] and err == ""


def test_waiting_for_the_tunnel_can_be_interrupted(server):
    server.answers("Connect", HANG)
    process = start(server)
    until(lambda: server.calls)
    process.terminate()
    assert process.wait(10) == -15
    process.communicate()
