"""The end of the daemon, and two daemons that want the same place."""

import os
import signal
import socket
import stat
import subprocess

from harness import build, client, peers, proc
from harness.daemon import Daemon
from harness.lab import Simple, local
from harness.wait import Stopwatch, until


def test_sigterm_is_quick_and_polite(lab):
    """Exit 0 in under 5 s; both ends of an open connection see its end, not a reset."""
    sink = peers.Sink()
    server = lab.server(sink)
    sshd, port = lab.sshd(), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": local(port, server.port)}})
    with client.connect(port) as sock:
        sock.sendall(b"x")
        until(lambda: daemon.tunnel("t")["bytes_out"] == 1, 5, "the byte is through")
        with Stopwatch() as watch:
            daemon.stop()
        assert watch.seconds < build.limit(5)
        assert client.how_it_ends(sock) == "eof"
        assert sink.results.get(timeout=30)[2] == "eof"
    sshd.wait_log("Received disconnect")
    assert client.is_refused(port)
    assert not daemon.socket.exists()


def test_sigint_is_the_same(simple):
    simple.daemon.process.send_signal(signal.SIGINT)
    simple.daemon.expect_exit(0, 5)


def test_sigterm_while_a_server_is_frozen(simple):
    with simple.connect() as sock:
        client.ping(sock)
        simple.sshd.freeze()
        sock.sendall(b"x" * 100000)
        simple.daemon.stop()
    simple.sshd.thaw()


def test_sigterm_while_a_worker_hangs(simple):
    proc.send(simple.daemon.workers()[0], signal.SIGSTOP)
    simple.daemon.stop()


def test_sigterm_in_every_phase(lab):
    """Names that do not resolve, servers that say nothing, refused, unknown keys: nothing holds
    it up."""
    silent = lab.server(peers.hold)
    sshd = lab.sshd()
    hosts = {
        "silent": f"127.0.0.1:{silent.port}",
        "refused": f"127.0.0.1:{lab.port()}",
        "name": "no-such-host.invalid",
        "up": sshd.address,
    }
    daemon = lab.daemon(
        lab.config({n: {"host": h, "local": local(lab.port(), 1)} for n, h in hosts.items()})
    )
    daemon.wait_state("silent", "connecting")
    daemon.wait_state("up", "up")
    daemon.stop()


def test_sigterm_right_after_the_start(lab):
    daemon = lab.daemon(
        lab.config({"t": {"host": "127.0.0.1:1", "local": local(lab.port(), 1)}}), start=False
    )
    daemon.spawn()
    until(lambda: proc.name(daemon.pid) == "tunneld", 5, "the program runs", 0.001)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(build.limit(5)) in (0, -signal.SIGTERM)  # before or after it took over the signal
    daemon.process = None


def test_a_second_daemon_on_the_same_socket_ends_and_harms_nothing(lab, simple):
    first = simple.daemon
    second = Daemon(first.directory, None)
    second.log_path = first.directory / "second.log"
    with simple.connect() as sock:
        client.ping(sock)
        second.spawn()
        with Stopwatch() as watch:
            second.expect_exit(1, 5)
        assert watch.seconds < build.limit(2)
        client.ping(sock)
    lines = second.log.strip().splitlines()
    assert str(first.socket) in lines[-1] and str(first.pid) in second.log, second.log
    assert first.ctl_json("list")[0]["state"] == "up"
    assert client.exchange(simple.port) == b"hello"


def test_a_stale_socket_is_recognised(lab, simple):
    simple.daemon.kill9()
    assert simple.daemon.socket.exists()
    assert simple.daemon.ctl("list").returncode == 4
    simple.daemon.start()
    simple.daemon.wait_state("t", "up")


def test_a_file_that_is_no_socket_is_not_deleted(lab):
    daemon = lab.daemon(lab.config({}), start=False)
    daemon.socket.write_text("precious")
    daemon.spawn()
    daemon.expect_exit(1, 5)
    assert daemon.socket.read_text() == "precious"
    assert str(daemon.socket) in daemon.log


def test_a_socket_that_belongs_to_another_program_is_not_taken(lab):
    """Something listens there that does not hold our lock."""
    daemon = lab.daemon(lab.config({}), start=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(daemon.socket))
        other.listen()
        daemon.spawn()
        daemon.expect_exit(1, 5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(daemon.socket))
            assert other.accept()


def test_a_directory_that_cannot_be_written_is_named(lab):
    daemon = lab.daemon(lab.config({}), start=False)
    daemon.socket = daemon.directory / "nowhere" / "below" / "control.sock"
    (daemon.directory / "nowhere").write_text("a file, not a directory")
    daemon.spawn()
    daemon.expect_exit(1, 5)
    assert str(daemon.socket.parent) in daemon.log


def test_the_socket_is_for_owner_and_group_only(simple):
    """The system's instance has a group that may look; a user's own has nobody else."""
    mode = 0o660 if os.geteuid() == 0 else 0o600
    assert stat.S_IMODE(os.stat(simple.daemon.socket).st_mode) == mode


def test_the_daemon_starts_without_a_working_server(lab):
    """Nothing out there is a condition for starting."""
    port = lab.port()
    daemon = lab.daemon(
        lab.config({"t": {"host": f"127.0.0.1:{lab.port()}", "local": local(port, 1)}})
    )
    client.connect(port).close()
    daemon.stop()


def test_help_and_version_need_no_config(lab):
    for option in ("--version", "--help"):
        result = subprocess.run(
            [str(build.TUNNELD), option], capture_output=True, text=True, check=True, timeout=10
        )
        assert "tunneld" in result.stdout


def test_stdout_and_stderr_may_be_closed_or_full(lab):
    """A log that nobody reads stalls nothing."""
    one = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": f"127.0.0.1:{lab.port()}",
                    "local": local(lab.port(), 1),
                    "reconnect": {"min": "10ms", "max": "20ms"},
                }
            },
            daemon={"log_level": "debug"},
        ),
        start=False,
    )
    reader, writer = os.pipe()
    one.process = subprocess.Popen(
        one.command(), stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=one.env
    )
    os.close(writer)
    until(lambda: one.socket.exists() and one.is_born(), 10, "the control socket answers")
    until(lambda: one.tunnel("t")["attempt"] > 200, build.limit(30), "more than a pipe full of log lines")
    one.assert_no_stall()
    with Stopwatch() as watch:
        one.process.send_signal(signal.SIGTERM)
        one.expect_exit(0, 5)
    assert watch.seconds < build.limit(5)
    os.close(reader)


def test_simple_runs_clean(lab):
    """Everything once, then the end; under a sanitizer build this is the leak check."""
    one = Simple(lab)
    assert client.exchange(one.port, os.urandom(100000))
    one.daemon.ctl("restart", "t", check=0)
    one.daemon.ctl("reload", check=0)
    one.daemon.ctl("down", "t", check=0)
    one.daemon.stop()
