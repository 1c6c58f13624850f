"""What the supervisor asks its workers on behalf of clients, and the forwards that come and go; with
fake_worker.py for workers."""

import json
import os
import re
import signal
import socket
import stat

import pytest

from harness import build, proc
from harness.varlink import MANAGER, Client, VarlinkError
from harness.wait import Stopwatch, until
from test_supervisor import House, at, is_refused, tunnel_at


def error_of(function, *args, **parameters):
    with pytest.raises(VarlinkError) as caught:
        function(*args, **parameters)
    return caught.value


def up(lab, tunnels, *plan):
    house = House(lab, tunnels, *plan)
    for name in tunnels:
        house.daemon.wait_state(name, "up")
    return house


# -- connections -----------------------------------------------------------------------------------


def test_connections_of_all_tunnels_come_in_pages(lab):
    house = up(lab, {name: at(lab.port()) for name in "ab"})
    found = house.daemon.call("Connections")["connections"]
    assert [c["tunnel"] for c in found] == ["a"] * 5 + ["b"] * 5
    assert len({c["id"] for c in found}) == 10
    assert re.fullmatch(r"1-\d+", found[0]["id"])
    forward = house.daemon.tunnel("a")["forwards"][0]["name"]
    assert found[0]["forward"] == forward
    assert 1000 <= found[0]["idle_ms"] < 5000
    only = house.daemon.call("Connections", names=["b"])["connections"]
    assert [c["id"] for c in only] == [c["id"] for c in found[5:]]
    with Client(house.daemon.socket) as client:
        pages = [page["connections"] for page in client.stream(f"{MANAGER}.Connections")]
    assert [len(page) for page in pages] == [2, 2, 1, 2, 2, 1, 0]
    assert [c["id"] for page in pages for c in page] == [c["id"] for c in found]


def test_a_stopped_tunnel_has_no_connections(lab):
    house = House(lab, {"t": {**at(lab.port()), "start": "manual"}})
    assert house.daemon.call("Connections") == {"connections": []}


def test_kill_finds_its_connection(lab):
    house = up(lab, {"t": at(lab.port())})
    ids = [c["id"] for c in house.daemon.call("Connections")["connections"]]
    assert house.daemon.call("Kill", id=ids[0]) == {}
    for none in [ids[1], "999-1", "7", "nonsense"]:
        error = error_of(house.daemon.call, "Kill", id=none)
        assert error.error == f"{MANAGER}.NoSuchConnection"
        assert error.parameters["id"] == none


@pytest.mark.parametrize(
    "method, parameters", [("Connections", {}), ("Kill", {"id": "1-1"})], ids=["list", "kill"]
)
def test_a_worker_that_does_not_answer_ends_the_call(lab, method, parameters):
    house = up(lab, {"t": at(lab.port())}, "silent")
    with Stopwatch() as watch:
        error = error_of(house.daemon.call, method, **parameters)
    assert error.parameters["code"] == "timeout"
    assert 4 < watch.seconds < build.limit(15)


def test_a_worker_that_dies_ends_the_call(lab):
    house = up(lab, {"t": at(lab.port())}, "silent", "good")
    with Client(house.daemon.socket) as client:
        client.send({"method": f"{MANAGER}.Connections"})
        until(lab.path("plan.notes").exists, 5, "the worker is asked")
        proc.send(house.workers()[0], signal.SIGKILL)
        reply = client.receive()
    assert reply["parameters"]["code"] == "worker-died"


def test_a_worker_that_lies_is_replaced(lab):
    house = up(lab, {"t": at(lab.port())}, "liar", "good")
    error = error_of(house.daemon.call, "Connections")
    assert error.parameters["code"] == "protocol"
    house.daemon.wait_log("numbers its connections wrongly")
    until(lambda: house.daemon.status()["workers"][0]["restarts"] == 1, 5, "it is replaced")
    house.daemon.wait_state("t", "up")
    assert house.daemon.call("Connections")["connections"][0]["id"].startswith("2-")


@pytest.mark.parametrize("kind", ["connections", "killed", "connected"])
def test_an_answer_to_nothing_is_nonsense(lab, kind):
    house = House(lab, {"t": at(lab.port())}, f'say {{"type": "{kind}", "call": 7}}', "good")
    house.daemon.wait_log("answers what it was not asked")
    house.daemon.wait_state("t", "up")


def test_who_leaves_while_a_worker_thinks_harms_nobody(lab):
    house = up(lab, {"t": at(lab.port())}, "silent")
    for _ in range(100):
        with Client(house.daemon.socket) as client:
            client.send({"method": f"{MANAGER}.Connections"})
    house.daemon.status()


# -- connect ---------------------------------------------------------------------------------------


def connect(house, name, target):
    """A client that has called Connect, and its reply."""
    client = Client(house.daemon.socket)
    parameters = {"name": name, "target": target}
    client.send({"method": f"{MANAGER}.Connect", "parameters": parameters, "upgrade": True})
    return client


def talk(client):
    """All that comes after the reply."""
    client.socket.sendall(b"hello")
    client.socket.shutdown(socket.SHUT_WR)
    got = client._buffer
    while data := client.socket.recv(4096):
        got += data
    return got


@pytest.mark.parametrize(
    "target, asked",
    [
        ("db:5432", "tcp:db:5432"),
        ("[::1]:22", "tcp:::1:22"),
        ("/run/x.sock", "unix:/run/x.sock:0"),
    ],
)
def test_connect_turns_the_client_into_the_connection(lab, target, asked):
    house = up(lab, {"t": at(lab.port())})
    with connect(house, "t", target) as client:
        assert client.receive() == {}
        assert talk(client) == asked.encode() + b"\nHELLO"


def test_what_is_said_before_the_answer_arrives(lab):
    """Whether it was refused or passed on: it is not lost."""
    house = up(lab, {"t": at(lab.port())})
    for _ in range(20):
        with connect(house, "t", "db:1234") as client:
            client.socket.sendall(b"early ")
            reply = client.receive()
            if "error" in reply:
                assert "wait for the answer" in reply["parameters"]["message"]
            else:
                rest = talk(client)
                assert rest == b"tcp:db:1234\nEARLY HELLO"


def test_connect_says_why_not(lab):
    house = up(lab, {"t": at(lab.port())})
    house.daemon.call("Up", names=["t"])
    cases = [
        ("none", "db:5432", "NoSuchTunnel", "no-such-tunnel"),
        ("t", "db:1", "Failed", "target-unreachable"),
        ("t", "db", "Failed", "usage"),
        ("t", "me@db:5", "Failed", "usage"),
        ("t", "", "Failed", "usage"),
    ]
    for name, target, error, code in cases:
        with connect(house, name, target) as client:
            reply = client.receive()
            assert (reply["error"], reply["parameters"]["code"]) == (f"{MANAGER}.{error}", code)
            client.send({"method": f"{MANAGER}.Status"})  # it is still a client
            assert client.receive()["parameters"]["pid"]
    with Client(house.daemon.socket) as client:
        error = error_of(client.call, "Connect", name="t", target="db:5")
    assert "upgrade" in error.parameters["message"]
    house.daemon.call("Down", names=["t"])
    with connect(house, "t", "db:5432") as client:
        reply = client.receive()
    assert reply["error"] == f"{MANAGER}.NotConnected"
    assert reply["parameters"]["name"] == "t"
    assert "tunctl up t" in reply["parameters"]["message"]


def test_connect_waits_for_a_worker(lab):
    house = House(lab, {"t": {**at(lab.port()), "hold": "20s"}}, "die", "die", "good")
    house.daemon.wait_state("t", "backoff", 5, "worker-died")
    with connect(house, "t", "db:5432") as client:
        assert client.receive() == {}
        assert talk(client) == b"tcp:db:5432\nHELLO"


def test_connect_does_not_wait_longer_than_clients_may(lab):
    house = House(lab, {"t": {**at(lab.port()), "hold": "1s"}}, "mute")
    with Stopwatch() as watch, connect(house, "t", "db:5432") as client:
        reply = client.receive()
    assert reply["error"] == f"{MANAGER}.NotConnected"
    assert watch.seconds < build.limit(3)


def test_who_leaves_before_it_is_connected_is_called_off(lab):
    house = up(lab, {"t": at(lab.port())}, "silent")
    notes = lab.path("plan.notes")

    def noted(word, times):
        return notes.exists() and notes.read_text().split().count(word) == times

    for n, early in enumerate([b"", b"unread, it must not hide the end"], 1):
        with connect(house, "t", "db:5432") as client:
            until(lambda n=n: noted("asked", n), 5, "the worker is asked")
            client.socket.sendall(early)
        until(lambda n=n: noted("canceled", n), 5, "the call is called off")


# -- forwards that come and go ---------------------------------------------------------------------


def names_of(tunnel):
    return [(f["name"], f["source"] == "added") for f in tunnel["forwards"]]


def spec(port):
    return f"127.0.0.1:{port}:db:2"


def test_a_forward_is_added_and_dropped(lab):
    first, second = lab.port(), lab.port()
    house = up(lab, {"t": at(first)})
    worker = house.workers()
    [tunnel] = house.daemon.call("ForwardAdd", name="t", forwards={"local": spec(second)})["tunnels"]
    assert names_of(tunnel)[1] == (f"local:127.0.0.1:{second}", True)
    assert tunnel["forwards"][1]["target"] == "db:2"
    assert tunnel_at(first) == tunnel_at(second)
    error = error_of(house.daemon.call, "ForwardAdd", name="t", forwards={"local": spec(second)})
    assert error.error == f"{MANAGER}.InvalidConfig"
    error = error_of(house.daemon.call, "ForwardDrop", name="t", forwards={"local": spec(first)})
    assert str(house.daemon.config) in error.parameters["message"] or "reload" in str(error)
    [tunnel] = house.daemon.call("ForwardDrop", name="t", forwards={"local": spec(second)})["tunnels"]
    assert len(tunnel["forwards"]) == 1
    assert is_refused(second)  # at once: the answer says that it is over
    assert tunnel_at(first)
    assert house.workers() == worker
    error = error_of(house.daemon.call, "ForwardAdd", name="x", forwards={"local": spec(second)})
    assert error.error == f"{MANAGER}.NoSuchTunnel"


def restart(house):
    house.daemon.stop()
    house.daemon.start()


def test_added_forwards_survive_reloads_and_restarts(lab):
    first, second, third = lab.port(), lab.port(), lab.port()
    house = up(lab, {"t": at(first)})
    house.daemon.call("ForwardAdd", name="t", forwards={"local": [spec(second), spec(third)]})
    house.daemon.call("ForwardDrop", name="t", forwards={"local": spec(third)})
    report = house.daemon.call("Reload")
    assert (report["changed"], report["warnings"]) == ([], [])
    assert tunnel_at(second)
    restart(house)
    house.daemon.wait_state("t", "up")
    assert names_of(house.daemon.tunnel("t"))[1:] == [(f"local:127.0.0.1:{second}", True)]
    assert tunnel_at(second)
    assert is_refused(third)


def test_a_forward_that_is_in_the_way_is_a_warning(lab):
    first, second = lab.port(), lab.port()
    house = up(lab, {"t": at(first)})
    house.daemon.call("ForwardAdd", name="t", forwards={"local": spec(second)})
    report = house.reload({"t": {"host": "127.0.0.1:1", "local": [spec(first), spec(second)]}})
    assert len(report["warnings"]) == 1
    assert "is left out" in report["warnings"][0]
    assert tunnel_at(second)
    report = house.reload({"u": at(first)})
    assert "which there is no more" in report["warnings"][0]


def test_forwards_of_an_added_tunnel(lab):
    first, second = lab.port(), lab.port()
    house = House(lab, {})
    house.daemon.call("Add", name="t", tunnel=at(first))
    house.daemon.call("ForwardAdd", name="t", forwards={"local": spec(second)})
    house.daemon.call("ForwardDrop", name="t", forwards={"local": spec(first)})
    error = error_of(house.daemon.call, "ForwardDrop", name="t", forwards={"local": spec(second)})
    assert "tunctl drop t" in error.parameters["message"]
    restart(house)
    house.daemon.wait_state("t", "up")
    assert [f["name"] for f in house.daemon.tunnel("t")["forwards"]] == [f"local:127.0.0.1:{second}"]
    assert is_refused(first)
    house.daemon.call("Drop", names=["t"])
    assert is_refused(second)


def test_a_password_is_written_down_but_never_shown(lab):
    port = lab.port()
    house = up(lab, {"t": at(lab.port())})
    proxy = {"listen": f"127.0.0.1:{port}", "user": "me", "password": "hunter2"}
    reply = house.daemon.call("ForwardAdd", name="t", forwards={"dynamic": proxy})
    assert "hunter2" not in json.dumps([reply, house.daemon.inspect("t"), house.daemon.log])
    [kept] = house.daemon.state_dir.glob("forwards/*.json")
    assert "hunter2" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


# -- remote forwards, ranges, Unix sockets ---------------------------------------------------------


def test_a_port_the_server_chose_is_kept_over_workers(lab):
    house = up(lab, {"t": {"host": "127.0.0.1:1", "remote": "0:localhost:22"}}, "good")
    forward = house.daemon.forward("t")
    assert (forward["listen"], forward["addresses"]) == ("localhost:43210", [])
    house.daemon.wait_log("the server listens on localhost:43210")
    proc.send(house.workers()[0], signal.SIGKILL)
    # The fake's server takes the port it is asked for, plus one: so it was asked for it.
    until(lambda: house.daemon.forward("t")["listen"] == "localhost:43211", 5, "it is open")
    house.reload({"t": {"host": "127.0.0.1:2", "remote": "0:localhost:22"}})
    proc.send(house.workers()[0], signal.SIGKILL)
    until(lambda: house.daemon.forward("t")["listen"] == "localhost:43210", 5, "it is open")


def test_a_range_is_one_forward(lab):
    first = lab.ports(40)[0]
    text = f"127.0.0.1:{first}-{first + 39}:db:1-40"
    house = House(lab, {"t": {"host": "127.0.0.1:1", "local": text}})
    house.daemon.wait_state("t", "up")
    forward = house.daemon.forward("t")
    assert forward["listen"] == f"127.0.0.1:{first}-{first + 39}"
    assert forward["addresses"] == [f"127.0.0.1:{first}-{first + 39}"]
    assert forward["target"] == "db:1-40"
    assert {tunnel_at(first + n) for n in range(40)} == {tunnel_at(first)}


def test_a_unix_socket_is_served_and_goes_with_its_tunnel(lab):
    path = lab.path("x.sock")
    forward = {"listen": str(path), "target": "db:1", "mode": "0640"}
    house = up(lab, {"t": {"host": "127.0.0.1:1", "local": forward}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        assert sock.recv(32)
    assert house.daemon.forward("t")["addresses"] == [str(path)]
    house.daemon.call("Down", names=["t"])
    until(lambda: not path.exists(), 5, "the socket is gone")
    house.daemon.call("Up", names=["t"])
    until(path.exists, 5, "the socket is back")
    inode = os.stat(path).st_ino
    house.reload({"u": {"host": "127.0.0.1:1", "local": forward}})
    assert os.stat(path).st_ino == inode  # the very socket
    house.daemon.stop()
    assert not path.exists()


def test_what_a_killed_daemon_left_behind_is_taken_over(lab):
    path = lab.path("x.sock")
    tunnels = {"t": {"host": "127.0.0.1:1", "local": f"{path}:db:1"}}
    house = up(lab, tunnels)
    house.daemon.kill9()
    assert path.exists()
    house.daemon.start()
    house.daemon.wait_state("t", "up")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        assert sock.recv(32)
