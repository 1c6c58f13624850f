"""`tunctl nc NAME HOST:PORT`: stdin and stdout through a tunnel, as `ssh -W`, also for other
programs that want a ProxyCommand."""

import getpass
import os
import shlex
import shutil
import subprocess
import time

import pytest

from harness import build, client, keys, peers, proc
from harness.lab import Simple
from harness.wait import Stopwatch, until


def nc(daemon, *args, tunnel="t", **options):
    """A running `tunctl nc`."""
    command = [str(build.TUNCTL), "-s", str(daemon.socket), "nc", tunnel, *map(str, args)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=daemon.env, **{**pipes, **options})


def converse(daemon, target, payload, timeout=30):
    """(exit status, stdout, stderr) when payload is all there is on stdin."""
    with nc(daemon, target) as process:
        out, error = process.communicate(payload, timeout)
        return process.returncode, out, error.decode()


@pytest.mark.parametrize("size", [0, 1, 65536, 32 << 20])
def test_there_and_back(simple, size):
    payload = os.urandom(size)
    assert converse(simple.daemon, f"127.0.0.1:{simple.echo.port}", payload) == (0, payload, "")


def test_the_end_of_stdin_is_passed_on_and_the_answer_still_comes(lab, simple):
    sink = peers.Sink(reply=b"a" * 100000)
    server = lab.server(sink)
    status, out, _ = converse(simple.daemon, f"localhost:{server.port}", b"request")
    assert (status, out) == (0, b"a" * 100000)
    assert sink.results.get(timeout=30)[::2] == (7, "eof")


def test_the_server_ends_first(lab, simple):
    """nc ends when its peer has, although its stdin stays open."""
    server = lab.server(lambda sock: sock.sendall(b"bye"))
    with nc(simple.daemon, f"127.0.0.1:{server.port}") as process:
        assert process.stdout.read() == b"bye"
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_conversation(simple):
    with nc(simple.daemon, f"127.0.0.1:{simple.echo.port}") as process:
        for i in range(100):
            process.stdin.write(b"line %d\n" % i)
            process.stdin.flush()
            assert process.stdout.readline() == b"line %d\n" % i
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_stdout_nobody_reads_holds_the_server_back(lab, simple):
    """Memory here and in the worker stays bounded."""
    server = lab.server(peers.source(bytes(64 << 20)))
    worker = simple.daemon.workers()[0]
    before = proc.memory_kib(worker)
    with nc(simple.daemon, f"127.0.0.1:{server.port}") as process:
        time.sleep(1.5)
        assert proc.memory_kib(process.pid) < (48 if build.SANITIZED else 16) * 1024
        if not build.SANITIZED:
            assert proc.memory_kib(worker) - before < 16 * 1024
        process.stdin.close()
        assert len(process.stdout.read()) == 64 << 20


def test_listed_and_killed_like_others(simple):
    with nc(simple.daemon, f"127.0.0.1:{simple.echo.port}") as process:
        (one,) = until(
            lambda: simple.daemon.call("Connections", names=["t"])["connections"], 5, "listed"
        )
        assert one.get("forward") is None and one["to"] == f"127.0.0.1:{simple.echo.port}"
        until(lambda: simple.daemon.tunnel("t")["connections"] == 1, 5, "counted")
        simple.daemon.ctl("kill", one["id"], check=0)
        assert process.wait(30) == 1
        process.stdin.close()
    until(lambda: simple.daemon.tunnel("t")["connections"] == 0, 5, "forgotten")


def test_killed_it_leaves_nothing(simple):
    worker, supervisor = simple.daemon.workers()[0], simple.daemon.pid
    converse(simple.daemon, f"127.0.0.1:{simple.echo.port}", b"warm")
    before = proc.fd_count(worker), proc.fd_count(supervisor)
    for _ in range(10):
        with nc(simple.daemon, f"127.0.0.1:{simple.echo.port}") as process:
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.stdout.read(1) == b"x"
            process.kill()
    until(lambda: simple.daemon.tunnel("t")["connections"] == 0, 5, "all are gone")
    until(
        lambda: proc.fd_count(worker) <= before[0] and proc.fd_count(supervisor) <= before[1],
        5,
        "no descriptor is left",
    )


def test_a_unix_socket_of_the_server(lab, simple):
    echo = lab.unix_echo("far.sock")
    assert converse(simple.daemon, echo.path, b"hello") == (0, b"hello", "")


# -- refusals --------------------------------------------------------------------------------------


def test_refused(lab, simple):
    port = lab.port()
    status, out, error = converse(simple.daemon, f"127.0.0.1:{port}", b"")
    assert (status, out) == (1, b"") and f"127.0.0.1:{port}" in error


def test_prohibited(lab):
    one = Simple(lab, lab.sshd(PermitOpen="127.0.0.1:1").address)
    status, _, error = converse(one.daemon, f"127.0.0.1:{one.echo.port}", b"")
    assert status == 1 and error


def test_a_name_nobody_knows(simple):
    status, _, error = converse(simple.daemon, "no-such-host.invalid:80", b"")
    assert status == 1 and "no-such-host.invalid" in error


def test_no_such_tunnel(simple):
    with nc(simple.daemon, "h:1", tunnel="nobody") as process:
        process.communicate(b"")
        assert process.returncode == 3


@pytest.mark.parametrize("target", ["", "h", ":1", "h:0", "h:99999", "h:x"])
def test_a_target_that_is_none(simple, target):
    status, _, error = converse(simple.daemon, target, b"")
    assert status in (1, 2) and error


def test_a_stopped_tunnel(simple):
    simple.daemon.ctl("down", "t", check=0)
    with Stopwatch() as watch:
        status, _, error = converse(simple.daemon, "h:1", b"")
    assert status == 1 and "t" in error and watch.seconds < build.limit(2)


def test_waits_while_the_tunnel_is_on_its_way(lab, simple):
    simple.sshd.kill9()
    simple.daemon.wait_state("t", ("backoff", "connecting"))
    with nc(simple.daemon, f"127.0.0.1:{simple.echo.port}") as process:
        process.stdin.write(b"x")
        process.stdin.flush()
        simple.sshd.start()
        assert process.stdout.read(1) == b"x"
        process.stdin.close()
        assert process.wait(30) == 0


def test_waits_no_longer_than_clients_do(lab):
    one = Simple(lab, hold="1s")
    one.sshd.kill9()
    one.daemon.wait_state("t", ("backoff", "connecting"))
    with Stopwatch() as watch:
        status, _, error = converse(one.daemon, "h:1", b"")
    assert status == 1 and error and watch.seconds < build.limit(4)


def test_the_session_is_lost(simple):
    """No clean end: a program behind it must be able to tell."""
    with nc(simple.daemon, f"127.0.0.1:{simple.echo.port}") as process:
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read(1) == b"x"
        simple.sshd.kill_sessions()
        assert process.wait(30) == 1
        process.stdin.close()


# -- as a ProxyCommand -----------------------------------------------------------------------------


@pytest.fixture
def beyond(lab, simple):
    """Options for ssh and scp, which reach another sshd through the tunnel."""
    far = lab.sshd(Subsystem="sftp internal-sftp")
    shutil.copy(lab.keys.client, lab.path("id"))
    lab.path("id").chmod(0o600)
    known = lab.write("kh", f"[127.0.0.1]:{far.port} {keys.public(lab.keys.host)}\n")
    command = [str(build.TUNCTL), "-s", str(simple.daemon.socket), "nc", "t", "%h:%p"]
    options = {
        "ProxyCommand": shlex.join(command),
        "UserKnownHostsFile": known,
        "IdentityFile": lab.path("id"),
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "Port": far.port,
        "User": getpass.getuser(),
    }
    return ["-F", "none", *(f"-o{k}={v}" for k, v in options.items())]


def run(*command, **options):
    command = [str(part) for part in command]
    result = subprocess.run(command, capture_output=True, timeout=60, check=False, **options)
    assert result.returncode == 0, result
    return result.stdout


def test_ssh(beyond):
    assert run("ssh", *beyond, "127.0.0.1", "cat", input=b"through") == b"through"


@pytest.mark.parametrize("flag", ["-O", "-s"])
def test_scp(lab, beyond, flag):
    payload = os.urandom(8 << 20)
    lab.path("from").write_bytes(payload)
    run("scp", "-q", flag, *beyond, lab.path("from"), f"127.0.0.1:{lab.path('to')}")
    assert lab.path("to").read_bytes() == payload


@pytest.mark.skipif(not shutil.which("rsync"), reason="needs rsync")
def test_rsync(lab, beyond):
    source = lab.path("tree")
    source.mkdir()
    for i in range(50):
        (source / f"file{i}").write_bytes(os.urandom(i * 1000))
    shell = shlex.join(["ssh", *beyond])
    run("rsync", "-a", "-e", shell, f"{source}/", f"127.0.0.1:{lab.path('copy')}/")
    copied = {p.name: p.read_bytes() for p in lab.path("copy").iterdir()}
    assert copied == {p.name: p.read_bytes() for p in source.iterdir()}


def test_beside_the_forwards(simple):
    """They share the session and do not hold each other up."""
    session = simple.sshd.sessions()
    with nc(simple.daemon, f"127.0.0.1:{simple.echo.port}") as process:
        for _ in range(10):
            assert client.exchange(simple.port) == b"hello"
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.stdout.read(1) == b"x"
        process.stdin.close()
    assert simple.sshd.sessions() == session
