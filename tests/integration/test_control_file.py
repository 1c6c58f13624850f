"""The control socket's file and its lock, which anybody with the right to do so may remove."""

import shutil
import signal
import socket
import stat

import pytest

from harness.daemon import Daemon
from harness.varlink import Client
from harness.wait import until


def lock_of(path):
    return path.with_name(path.name + ".lock")


def rights_of(path):
    found = path.stat()
    return stat.filemode(found.st_mode), found.st_uid, found.st_gid


def answers(daemon):
    return daemon.ctl("list").returncode == 0


@pytest.fixture(params=["--user", "--system"])
def daemon(lab, request):
    """Its socket has a directory of its own."""
    daemon = lab.daemon(lab.config({}), start=False, args=[request.param])
    daemon.socket = lab.path("run") / "control.sock"
    return daemon.start()


def another(daemon):
    other = Daemon(daemon.directory, None)
    other.socket = daemon.socket
    other.log_path = daemon.directory / "other.log"
    return other


def refused(other):
    other.spawn()
    other.expect_exit(1, 5)
    return other.log


def test_a_socket_that_was_removed_is_made_anew(daemon):
    rights = rights_of(daemon.socket)
    with Client(daemon.socket) as before:
        daemon.socket.unlink()
        assert f"(pid {daemon.pid})" in refused(another(daemon))
        until(lambda: answers(daemon), 5, "it can be steered again")
        assert rights_of(daemon.socket) == rights
        assert len(before.call("io.tunneld.Manager.List")["tunnels"]) == 0  # who was there stays
    daemon.wait_log(f"control: somebody removed {daemon.socket}; it was made anew")
    assert f"(pid {daemon.pid})" in refused(another(daemon))
    daemon.stop()
    assert not daemon.socket.exists()


def test_a_directory_that_was_removed_is_made_anew(daemon):
    """With the lock in it: else another daemon would find the place free."""
    rights = rights_of(daemon.socket), rights_of(daemon.socket.parent)
    with daemon.asleep():
        shutil.rmtree(daemon.socket.parent)
    until(lambda: answers(daemon), 5, "it can be steered again")
    assert (rights_of(daemon.socket), rights_of(daemon.socket.parent)) == rights
    assert f"(pid {daemon.pid})" in refused(another(daemon))
    assert daemon.log.count("somebody removed") == 1


def test_a_lock_that_was_removed_is_made_anew(daemon):
    inode = daemon.socket.stat().st_ino
    lock_of(daemon.socket).unlink()
    daemon.wait_log(f"control: somebody removed {daemon.socket}.lock; it was made anew")
    assert f"(pid {daemon.pid})" in refused(another(daemon))
    assert daemon.socket.stat().st_ino == inode and answers(daemon)


def test_what_stands_in_its_place_is_left_alone(daemon):
    """And told once; when it is gone, all is well again."""
    with daemon.asleep():
        daemon.socket.unlink()
        daemon.socket.write_text("precious")
    daemon.wait_log("cannot be made anew: .* is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        with daemon.asleep():
            daemon.socket.unlink()
            other.bind(str(daemon.socket))
            other.listen()
        daemon.wait_log("cannot be made anew: another program listens on")
        other.accept()[0].close()  # who asked whether somebody is there
    assert daemon.log.count("is there and is no socket") == 1
    until(lambda: answers(daemon), 5, "a socket on which nobody listens is replaced")


def test_another_daemon_that_came_meanwhile_keeps_the_place(daemon):
    """Whoever removes socket and lock lets it in; the first one harms nothing, also when it ends."""
    daemon.process.send_signal(signal.SIGSTOP)
    daemon.socket.unlink()
    lock_of(daemon.socket).unlink()
    other = another(daemon).start()
    try:
        daemon.process.send_signal(signal.SIGCONT)
        daemon.wait_log(rf"cannot be made anew: tunneld is already running on .*\(pid {other.pid}\)")
        daemon.stop()
        assert answers(other) and other.socket.exists()
    finally:
        other.stop()
