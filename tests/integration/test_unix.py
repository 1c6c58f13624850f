"""Unix sockets: where we listen, where we lead, where the server leads."""

import contextlib
import grp
import hashlib
import os
import re
import socket
import stat
import threading

import pytest

from harness import client, peers
from harness.lab import local
from harness.wait import holds, settled, until


def connect(path, timeout=10):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(str(path))
    return sock


def exchange(path, payload=b"hello"):
    with connect(path) as sock:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)
        return client.read_all(sock)


def dead_socket(path):
    """What a process that was killed leaves behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
    return path


@pytest.fixture
def listen(lab):
    """(config, path): a tunnel that listens on path, with an echo server behind it."""
    sshd, echo, path = lab.sshd(), lab.echo(), lab.path("here.sock")
    spec = {"host": sshd.address, "local": f"{path}:127.0.0.1:{echo.port}"}
    return lab.config({"t": spec}), path


def up(lab, config):
    daemon = lab.daemon(config)
    daemon.wait_state("t", "up")
    return daemon


# -- four ways -------------------------------------------------------------------------------------


def test_from_a_unix_socket(lab, listen):
    config, path = listen
    daemon = up(lab, config)
    payload = os.urandom(1 << 20)
    with connect(path) as sock:
        client.ping(sock)
    assert exchange(path, payload[:50000]) == payload[:50000]
    forward = daemon.forward("t")
    assert forward["name"] == f"local:{path}" and forward["listen"] == str(path)
    assert forward["addresses"] == [str(path)]


def test_to_a_unix_socket_of_the_server(lab):
    sshd, echo, port = lab.sshd(), lab.unix_echo("far.sock"), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "local": f"127.0.0.1:{port}:{echo.path}"}})
    assert client.exchange(port, b"x" * 1000000) == b"x" * 1000000
    assert daemon.forward("t")["target"] == echo.path


def test_from_one_to_another(lab):
    sshd, echo, path = lab.sshd(), lab.unix_echo("far.sock"), lab.path("near.sock")
    lab.up({"t": {"host": sshd.address, "local": f"{path}:{echo.path}"}})
    assert exchange(path) == b"hello"


def test_a_remote_forward_to_our_unix_socket(lab):
    sshd, echo, port = lab.sshd(), lab.unix_echo("ours.sock"), lab.port()
    daemon = lab.up({"t": {"host": sshd.address, "remote": f"127.0.0.1:{port}:{echo.path}"}})
    assert client.exchange(port, b"x" * 1000000) == b"x" * 1000000
    assert daemon.forward("t")["target"] == echo.path


def test_a_relative_target_is_relative_to_the_file(lab):
    sshd, port = lab.sshd(), lab.port()
    spec = {"listen": f"127.0.0.1:{port}", "target": "./ours.sock"}
    daemon = lab.daemon(lab.config({"t": {"host": sshd.address, "remote": spec}}))
    echo = lab.keep(peers.UnixServer(peers.echo, daemon.directory / "ours.sock"))
    daemon.wait_state("t", "up")
    assert client.exchange(port) == b"hello" and echo.accepted == 1


def test_mappings(lab):
    sshd, echo, path = lab.sshd(), lab.unix_echo("far.sock"), lab.path("near.sock")
    spec = {"name": "db", "listen": str(path), "target": echo.path}
    daemon = lab.up({"t": {"host": sshd.address, "local": spec}})
    assert exchange(path) == b"hello" and daemon.forward("t")["name"] == "db"


def test_a_dynamic_forward_on_a_unix_socket(lab):
    sshd, echo, path = lab.sshd(), lab.echo(), lab.path("proxy.sock")
    lab.up({"t": {"host": sshd.address, "dynamic": {"listen": str(path)}}})
    with connect(path) as sock:
        sock.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % echo.port)
        assert b" 200 " in client.read_exactly(sock, 15)
        until(lambda: sock.recv(1, socket.MSG_PEEK), 5, "the rest of the answer")
        while client.read_exactly(sock, 1) != b"\n" or client.read_exactly(sock, 2) != b"\r\n":
            pass
        client.ping(sock)


def test_half_close_both_ways(lab, listen):
    sshd, path = lab.sshd(), lab.path("s.sock")
    sink = peers.Sink(reply=b"a" * 100000)
    server = lab.server(sink)
    lab.up({"t": {"host": sshd.address, "local": f"{path}:127.0.0.1:{server.port}"}})
    with connect(path) as sock:
        sock.sendall(b"request")
        sock.shutdown(socket.SHUT_WR)
        assert client.read_all(sock) == b"a" * 100000
    assert sink.results.get(timeout=30)[::2] == (7, "eof")


@pytest.mark.parametrize("kind", ["nothing there", "nobody there"])
def test_a_far_socket_that_does_not_answer(lab, kind):
    sshd, port, path = lab.sshd(), lab.port(), lab.path("far.sock")
    if kind == "nobody there":
        dead_socket(path)
    daemon = lab.up({"t": {"host": sshd.address, "local": f"127.0.0.1:{port}:{path}"}})
    assert client.how_a_visit_ends(port) in ("eof", "reset")
    error = until(lambda: daemon.forward("t")["error"], 5, "it is told")
    assert str(path) in error["message"]
    assert daemon.tunnel("t")["state"] in ("up", "degraded")


def test_our_socket_that_does_not_answer(lab):
    sshd, port, path = lab.sshd(), lab.port(), lab.path("ours.sock")
    daemon = lab.up({"t": {"host": sshd.address, "remote": f"127.0.0.1:{port}:{path}"}})
    assert client.how_a_visit_ends(port) in ("eof", "reset")
    error = until(lambda: daemon.forward("t")["error"], 5, "it is told")
    assert str(path) in error["message"]
    lab.keep(peers.UnixServer(peers.echo, path))
    assert client.exchange(port) == b"hello"


# -- who sends, and leaves before all is read ------------------------------------------------------

LOOK = 2.5  # seconds, in which clients that have gone are looked for


class Flood:
    """Sends as much as goes, and leaves; then knows what it was."""

    def __init__(self):
        self.sent, self.digest = 0, hashlib.sha256()
        self.gone = threading.Event()

    def _fill(self, sock):
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.urandom(4096)
                taken = sock.send(data)
                self.sent += taken
                self.digest.update(data[:taken])
        return self.sent

    def __call__(self, sock):
        sock.setblocking(False)
        settled(lambda: self._fill(sock), 0.2, 20, "what goes into the tunnel")
        sock.close()
        self.gone.set()


def assert_not_given_up(daemon, flood):
    def lives():
        forward = daemon.forward("t")
        return forward["connections"] == 1 or forward["bytes_out"] == flood.sent

    until(lives, 5, "it is counted")  # counters are told twice a second at most
    holds(lives, LOOK, "it is not given up")


def test_a_client_that_sends_and_leaves(lab):
    """Of a Unix socket nothing is left then but what was written to it."""
    read, sink, flood = threading.Event(), peers.Sink(), Flood()

    def read_late(sock):
        read.wait(60)
        sink(sock)

    sshd, server, path = lab.sshd(), lab.server(read_late), lab.path("s.sock")
    daemon = lab.up({"t": {"host": sshd.address, "local": f"{path}:127.0.0.1:{server.port}"}})
    flood(connect(path))
    assert_not_given_up(daemon, flood)
    read.set()
    wanted = (flood.sent, flood.digest.hexdigest(), "eof")
    assert sink.results.get(timeout=30) == wanted
    until(lambda: daemon.forward("t")["connections"] == 0, 40, "then it is over")


def test_a_service_that_sends_and_leaves(lab):
    flood = Flood()
    sshd, port, path = lab.sshd(), lab.port(), lab.path("s.sock")
    lab.keep(peers.UnixServer(flood, path))
    daemon = lab.up({"t": {"host": sshd.address, "remote": f"127.0.0.1:{port}:{path}"}})
    with client.connect(port) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert flood.gone.wait(30)
        assert_not_given_up(daemon, flood)
        data = client.read_all(sock)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (flood.sent, flood.digest.hexdigest())


# -- the file --------------------------------------------------------------------------------------


def test_a_stale_socket_is_replaced(lab, listen):
    config, path = listen
    dead_socket(path)
    up(lab, config)
    assert exchange(path) == b"hello"


def test_our_own_after_kill_9(lab, listen):
    config, path = listen
    daemon = up(lab, config)
    daemon.kill9()
    daemon.start()
    daemon.wait_state("t", "up")
    assert exchange(path) == b"hello"


def file_with_text(path):
    path.write_text("precious")
    return lambda: path.read_text() == "precious"


def link_to_a_file(path):
    (path.parent / "file").write_text("precious")
    path.symlink_to("file")
    return lambda: path.is_symlink() and path.read_text() == "precious"


def directory(path):
    path.mkdir()
    return path.is_dir


@pytest.mark.parametrize("make", [file_with_text, link_to_a_file, directory])
def test_what_is_no_socket_is_never_replaced(lab, listen, make):
    config, path = listen
    is_intact = make(path)
    daemon = lab.daemon(config)
    row = daemon.wait_state("t", "degraded")
    error = row["forwards"][0]["error"]
    assert error["code"] in ("bind-failed", "port-in-use") and str(path) in error["message"]
    holds(is_intact, 1, "it is as it was")
    daemon.stop()
    assert is_intact()


def test_a_live_socket_is_never_replaced(lab, listen):
    """And is taken when it goes, without anybody's doing."""
    config, path = listen
    other = lab.keep(peers.UnixServer(peers.source(b"somebody else"), path))
    daemon = lab.daemon(config)
    row = daemon.wait_state("t", "degraded")
    error = row["forwards"][0]["error"]
    assert error["code"] == "port-in-use" and str(path) in error["message"]
    with connect(path) as sock:
        assert client.read_all(sock) == b"somebody else"
    other.close()
    daemon.wait_state("t", "up", 10)
    assert exchange(path) == b"hello"


def test_two_daemons_want_the_same_path(lab, listen):
    config, path = listen
    up(lab, config)
    late = lab.daemon(config)
    late.wait_state("t", "degraded")
    late.stop()
    assert exchange(path) == b"hello"


@pytest.mark.parametrize("mode, wanted", [(None, 0o600), ("0660", 0o660), ("0666", 0o666)])
def test_mode(lab, mode, wanted):
    sshd, path = lab.sshd(), lab.path("s.sock")
    spec = {"listen": str(path), "target": "127.0.0.1:1"}
    daemon = lab.daemon(lab.config({}), start=False)
    daemon.write(lab.config({"t": {"host": sshd.address, "local": spec}}))
    if mode:  # bare, as people write it
        text = daemon.config_path.read_text()
        daemon.write(re.sub(r'( +)"target":', rf'\1"mode": {mode}\n\1"target":', text))
    daemon.start().wait_state("t", "up")
    assert stat.S_IMODE(path.stat().st_mode) == wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: others cannot give a file away")
def test_group(lab):
    sshd, path = lab.sshd(), lab.path("s.sock")
    group = grp.getgrnam("nogroup")
    spec = {"listen": str(path), "target": "127.0.0.1:1", "group": group.gr_name, "mode": "0660"}
    lab.up({"t": {"host": sshd.address, "local": spec}})
    assert path.stat().st_gid == group.gr_gid
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_group_that_is_not_there(lab):
    sshd, path = lab.sshd(), lab.path("s.sock")
    spec = {"listen": str(path), "target": "127.0.0.1:1", "group": "no-such-group"}
    daemon = lab.daemon(lab.config({"t": {"host": sshd.address, "local": spec}}), start=False)
    if daemon.check().returncode == 0:
        daemon.start()
        row = daemon.wait_state("t", "degraded")
        assert "no-such-group" in row["forwards"][0]["error"]["message"]
    else:
        assert "no-such-group" in daemon.check().stderr


@pytest.mark.parametrize("way", ["down", "stop", "reload", "drop"])
def test_our_socket_goes_with_us(lab, listen, way):
    config, path = listen
    daemon = lab.daemon(lab.config({}) if way == "drop" else config)
    if way == "drop":
        spec = config["tunnels"]["t"]
        daemon.ctl("add", "t", "-L", spec["local"], spec["host"], check=0)
    daemon.wait_state("t", "up")
    assert path.is_socket()
    if way == "stop":
        daemon.stop()
    elif way == "reload":
        daemon.write(lab.config({}))
        daemon.ctl("reload", check=0)
    else:
        daemon.ctl(way, "t", check=0)
    assert not path.exists()


def put_another(lab, path):
    """Somebody else's socket takes the place of ours, at once."""
    other = lab.keep(peers.UnixServer(peers.source(b"somebody else"), f"{path}.other"))
    os.rename(f"{path}.other", path)
    return other


def test_somebody_elses_stays(lab, listen):
    """Between our start and our end another process has put its own there."""
    config, path = listen
    daemon = up(lab, config)
    other = put_another(lab, path)
    daemon.stop()
    with connect(path) as sock:
        assert client.read_all(sock) == b"somebody else"
    assert other.accepted == 1


def test_a_reload_that_changes_nothing_keeps_the_socket(lab, listen):
    config, path = listen
    daemon = up(lab, config)
    inode = path.stat().st_ino
    with connect(path) as sock:
        client.ping(sock)
        daemon.ctl("reload", check=0)
        client.ping(sock)
    assert path.stat().st_ino == inode


# -- what others do to the file --------------------------------------------------------------------


def only_forward(daemon):
    return daemon.tunnel("t")["forwards"][0]


def test_a_file_that_was_removed_is_made_anew(lab, listen):
    """Without it nobody can connect. Who is connected does not notice; the log says it once."""
    config, path = listen
    config["tunnels"]["t"]["local"] = {
        "listen": str(path),
        "target": config["tunnels"]["t"]["local"].split(":", 1)[1],
        "mode": "0660",
    }
    daemon = up(lab, config)
    with connect(path) as sock:
        client.ping(sock)
        path.unlink()
        until(path.is_socket, 5, "the socket is there again")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        until(lambda: exchange(path) == b"hello", 5, "the worker serves it")
        client.ping(sock)
    assert only_forward(daemon)["state"] == "open"
    daemon.wait_log(f"t: somebody removed {path}; it was made anew")
    assert daemon.log.count("somebody removed") == 1
    daemon.stop()
    assert not path.exists()


def test_a_file_that_was_removed_while_the_tunnel_is_down(lab, listen):
    config, path = listen
    sshd_port = int(config["tunnels"]["t"]["host"].rsplit(":", 1)[1])
    config["tunnels"]["t"]["host"] = f"127.0.0.1:{lab.port()}"
    config["defaults"]["reconnect"] = {"min": "50ms", "max": "100ms"}
    daemon = lab.daemon(config)
    daemon.wait_state("t", "backoff")
    path.unlink()
    until(path.is_socket, 5, "the socket is there again")
    with connect(path) as sock:  # it waits in the new one
        config["tunnels"]["t"]["host"] = f"127.0.0.1:{sshd_port}"
        daemon.write(config)
        daemon.ctl("reload", check=0)
        client.ping(sock)


def test_a_directory_that_was_removed(lab, listen):
    config, _ = listen
    directory = lab.path("sub")
    directory.mkdir()
    path = directory / "s"
    target = config["tunnels"]["t"]["local"].split(":", 1)[1]
    config["tunnels"]["t"]["local"] = f"{path}:{target}"
    daemon = up(lab, config)
    with daemon.asleep():
        path.unlink()
        directory.rmdir()
    until(lambda: only_forward(daemon)["state"] == "failed", 5, "it is noticed")
    error = only_forward(daemon)["error"]
    assert error["code"] == "bind-failed"
    assert f"there is no directory {directory}; create it" in error["message"]
    daemon.wait_log(f"somebody removed {path}, and it cannot be made anew: cannot listen")
    directory.mkdir()
    until(lambda: only_forward(daemon)["state"] == "open", 5, "it listens again")
    until(lambda: path.is_socket() and exchange(path) == b"hello", 5, "and serves")


def test_a_file_in_whose_place_is_another(lab, listen):
    """The other one lives, and is left alone."""
    config, path = listen
    daemon = up(lab, config)
    other = put_another(lab, path)
    until(lambda: only_forward(daemon)["state"] == "failed", 5, "it is noticed")
    error = only_forward(daemon)["error"]
    assert error["code"] == "port-in-use" and f"{path} is in use by " in error["message"]
    with connect(path) as sock:
        assert client.read_all(sock) == b"somebody else"
    other.close()
    until(lambda: only_forward(daemon)["state"] == "open", 5, "a dead one is replaced")
    assert exchange(path) == b"hello"


# -- what cannot be --------------------------------------------------------------------------------


def refused(lab, **tunnel):
    daemon = lab.daemon(lab.config({"t": {"host": "h", **tunnel}}), start=False)
    result = daemon.check()
    assert result.returncode == 1
    return result.stderr


def test_a_remote_unix_listener_is_refused_with_the_way_out(lab):
    text = refused(lab, remote="/run/x.sock:localhost:80")
    assert "libssh" in text and "listen on a port there instead" in text


def test_a_path_too_long_for_the_kernel(lab):
    assert "107" in refused(lab, local=f"/{'x' * 107}:localhost:80")


def test_a_relative_path_at_the_server(lab):
    assert "begins with '/'" in refused(lab, local={"listen": 5432, "target": "./pg.sock"})


def test_local_beside_unix(lab):
    """Both kinds on one session."""
    sshd, echo, port, path = lab.sshd(), lab.echo(), lab.port(), lab.path("s.sock")
    forwards = [local(port, echo.port), f"{path}:127.0.0.1:{echo.port}"]
    lab.up({"t": {"host": sshd.address, "local": forwards}})
    assert client.exchange(port) == exchange(path) == b"hello"
