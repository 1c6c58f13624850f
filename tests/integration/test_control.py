"""The control socket: Varlink as others speak it, and what nobody should say to it."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest

from harness import build, client, proc
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.varlink import MANAGER, Client, VarlinkError, interface
from harness.wait import Stopwatch, until

SERVICE = "org.varlink.service"


@pytest.fixture
def daemon(lab):
    port = lab.port()
    return lab.daemon(
        lab.config(
            {
                f"t{i}": {
                    "host": f"127.0.0.1:{port}",
                    "local": local(lab.port(), 1),
                    "start": "manual",
                }
                for i in range(3)
            }
        )
    )


@pytest.fixture
def wire(daemon):
    with Client(daemon.socket) as client_:
        yield client_


def error_of(wire, method, **parameters):
    with pytest.raises(VarlinkError) as caught:
        wire.call(method, **parameters)
    return caught.value


def test_get_info(wire):
    info = wire.call(f"{SERVICE}.GetInfo")
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert set(info["interfaces"]) >= {SERVICE, MANAGER}


def test_get_interface_description_is_the_file(wire):
    text = wire.call(f"{SERVICE}.GetInterfaceDescription", interface=MANAGER)["description"]
    assert text == build.INTERFACE.read_text()
    assert (
        "interface org.varlink.service"
        in wire.call(f"{SERVICE}.GetInterfaceDescription", interface=SERVICE)["description"]
    )


def test_the_standard_errors(wire):
    error = error_of(wire, f"{SERVICE}.GetInterfaceDescription", interface="no.such.thing")
    assert error.error == f"{SERVICE}.InterfaceNotFound" and error.parameters == {
        "interface": "no.such.thing"
    }
    error = error_of(wire, "no.such.thing.Method")
    assert error.error == f"{SERVICE}.InterfaceNotFound"
    error = error_of(wire, f"{MANAGER}.Explode")
    assert error.error == f"{SERVICE}.MethodNotFound" and "Explode" in error.parameters["method"]
    error = error_of(wire, "Inspect", name=5)
    assert error.error == f"{SERVICE}.InvalidParameter" and error.parameters == {
        "parameter": "name"
    }
    error = error_of(wire, "Inspect")
    assert error.error == f"{SERVICE}.InvalidParameter" and error.parameters == {
        "parameter": "name"
    }
    error = error_of(wire, "Up", names=["t0", 5])
    assert error.error == f"{SERVICE}.InvalidParameter"
    error = error_of(wire, "List", names=None, bogus=1)
    assert error.error == f"{SERVICE}.InvalidParameter" and error.parameters == {
        "parameter": "bogus"
    }


def test_our_errors_carry_slug_and_message(wire):
    error = error_of(wire, "Inspect", name="nosuch")
    assert error.error == f"{MANAGER}.NoSuchTunnel"
    assert error.parameters["name"] == "nosuch" and error.parameters["code"] == "no-such-tunnel"
    assert "nosuch" in error.parameters["message"]
    error = error_of(wire, "Drop", names=["t0"])
    assert error.error == f"{MANAGER}.NotAdded" and error.parameters["code"] == "not-added"
    error = error_of(wire, "Add", name="t0", tunnel={"host": "h", "local": "1:h:2"})
    assert error.error == f"{MANAGER}.TunnelExists"
    error = error_of(wire, "Add", name="new", tunnel={"host": "h", "locl": "1:h:2", "hold": "soon"})
    assert error.error == f"{MANAGER}.InvalidConfig"
    assert len(error.parameters["problems"]) >= 2
    assert all(p.get("line") is None for p in error.parameters["problems"])


def test_every_method_is_answered(wire):
    for method in interface().methods:
        try:
            wire.call(method)
        except VarlinkError as error:
            assert error.error != f"{SERVICE}.MethodNotImplemented", method
            assert error.error != f"{SERVICE}.MethodNotFound", method


def test_list_with_more_is_one_tunnel_a_reply(wire):
    replies = list(wire.stream(f"{MANAGER}.List"))
    assert [len(r["tunnels"]) for r in replies[:3]] == [1, 1, 1]
    assert sorted(t["name"] for r in replies for t in r["tunnels"]) == ["t0", "t1", "t2"]


def test_list_of_some(wire):
    assert [t["name"] for t in wire.call("List", names=["t2"])["tunnels"]] == ["t2"]
    assert error_of(wire, "List", names=["t2", "nosuch"]).error == f"{MANAGER}.NoSuchTunnel"


def test_up_with_more_streams_until_settled(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": sshd.address, "local": local(port, echo.port), "start": "manual"}}
        )
    )
    with Client(daemon.socket) as wire:
        states = [
            r["tunnels"][0]["state"]
            for r in wire.stream(f"{MANAGER}.Up", names=["t"])
            if r["tunnels"]
        ]
    assert states[-1] == "up" and len(states) > 1


def test_calls_are_answered_in_order(wire):
    for i in range(200):
        wire.send({"method": f"{MANAGER}.List", "parameters": {"names": [f"t{i % 3}"]}})
    for i in range(200):
        assert wire.receive()["parameters"]["tunnels"][0]["name"] == f"t{i % 3}"


def test_oneway_gets_no_answer(wire):
    wire.send({"method": f"{MANAGER}.List", "oneway": True})
    wire.send({"method": f"{SERVICE}.GetInfo"})
    assert "interfaces" in wire.receive()["parameters"]


def test_a_message_in_single_bytes(wire):
    for byte in json.dumps({"method": f"{SERVICE}.GetInfo"}).encode() + b"\0":
        wire.send_raw(bytes([byte]))
    assert wire.receive()["parameters"]["product"]


GARBAGE = {
    "not-json": b"hello\0",
    "binary": bytes(range(1, 256)) + b"\0",
    "an-array": b"[]\0",
    "a-number": b"5\0",
    "empty": b"\0",
    "no-method": b"{}\0",
    "method-is-a-number": b'{"method":5}\0',
    "method-without-dot": b'{"method":"List"}\0',
    "parameters-is-a-list": b'{"method":"io.tunneld.Manager.List","parameters":[]}\0',
    "bad-utf-8": b'{"method":"\xff\xfe"}\0',
    "lone-surrogate": b'{"method":"\\ud800"}\0',
    "nul-in-name": b'{"method":"a\\u0000b"}\0',
    "deep": b'{"method":"io.tunneld.Manager.List","parameters":'
    + b"[" * 100000
    + b"]" * 100000
    + b"}\0",
    "deep-objects": b'{"a":' * 50000 + b"1" + b"}" * 50000 + b"\0",
    "huge-number": b'{"method":"io.tunneld.Manager.List","parameters":{"names":['
    + b"9" * 10000
    + b"]}}\0",
    "two-megabytes": b'{"method":"' + b"x" * (2 << 20) + b'"}\0',
    "two-megabytes-without-end": b"x" * (2 << 20),
    "duplicate-keys": b'{"method":"io.tunneld.Manager.List","method":"io.tunneld.Manager.Down"}\0',
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_answered_or_hung_up_on(daemon, kind):
    with Client(daemon.socket) as wire:
        with contextlib.suppress(ConnectionError):
            wire.send_raw(GARBAGE[kind])
            reply = wire.receive()
            assert reply is None or "error" in reply or kind == "duplicate-keys", reply
    assert daemon.call("Status")["tunnels"] == 3
    daemon.assert_no_stall()


def test_a_name_that_is_no_name(wire):
    for name in ("", "x" * 100000, "../../etc/passwd", "a\nb", "\x1b[2J"):
        error = error_of(wire, "Inspect", name=name)
        assert error.error in (f"{MANAGER}.NoSuchTunnel", f"{SERVICE}.InvalidParameter")
        assert len(error.parameters.get("message", "")) < 300 and is_one_harmless_line(
            error.parameters.get("message", "")
        )
        error = error_of(wire, "Add", name=name, tunnel={"host": "h", "local": "1:h:2"})
        assert error.error in (f"{MANAGER}.InvalidConfig", f"{SERVICE}.InvalidParameter")


def test_half_messages_from_many_clients(daemon):
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(Client(daemon.socket)).send_raw(b'{"method":"io.tunneld.Man')
        assert daemon.call("Status")["tunnels"] == 3
    before = proc.fd_count(daemon.pid)
    assert before < 60


def test_a_hundred_clients(daemon):
    """64 are served; more are turned away at once, and room is made when some leave."""
    first = [Client(daemon.socket) for _ in range(60)]
    for wire in first[::9]:
        assert wire.call("Status")["tunnels"] == 3
    late = []
    for _ in range(40):
        with contextlib.suppress(OSError):
            late.append(Client(daemon.socket, timeout=2))
    with Stopwatch() as watch:
        assert all(wire.is_closed() for wire in late[-5:])
    assert watch.seconds < build.limit(2), "who is too many must be told, not left waiting"
    assert first[0].call("Status")["tunnels"] == 3
    for wire in first + late:
        wire.close()
    until(lambda: daemon.ctl("list").returncode == 0, 5, "room is made")
    until(lambda: proc.fd_count(daemon.pid) < 60, 5, "all are closed")


def test_a_client_that_never_reads_is_dropped(daemon):
    """1 MiB of unsent replies, then it is dropped; the daemon's memory is bounded."""
    before = proc.memory_kib(daemon.pid)
    with Client(daemon.socket, timeout=5) as wire:
        message = json.dumps({"method": f"{MANAGER}.List"}).encode() + b"\0"
        with contextlib.suppress(OSError):
            for _ in range(300):
                wire.send_raw(message * 1000)
            pytest.fail("300 000 calls were taken from a client that reads nothing")
    assert daemon.call("Status")["tunnels"] == 3
    if not build.SANITIZED:
        assert proc.memory_kib(daemon.pid) - before < 16 * 1024
    daemon.assert_no_stall()


def test_a_client_that_leaves_in_the_middle_of_a_stream(daemon):
    for _ in range(20):
        with Client(daemon.socket) as wire:
            wire.send({"method": f"{MANAGER}.Up", "parameters": {"names": ["t0"]}, "more": True})
            wire.receive()
    assert daemon.call("Status")["tunnels"] == 3
    until(lambda: proc.fd_count(daemon.pid) < 40, 5, "closed")


def test_who_leaves_at_once_has_been_heard(daemon, lab):
    """More calls than are served in a turn, and each needs the one before."""
    with Client(daemon.socket) as wire:
        for i in range(10):
            tunnel = {"host": "127.0.0.1:1", "local": local(lab.port(), 1), "start": "manual"}
            added, last = f"new{i}", f"new{i - 1}"
            calls = [("Add", {"name": added, "tunnel": tunnel})]
            calls += [("Drop", {"names": [last]})] if i % 2 else []
            for method, parameters in calls:
                method = f"{MANAGER}.{method}"
                wire.send({"method": method, "parameters": parameters, "oneway": True})
    left = ["new1", "new3", "new5", "new7", "new9", "t0", "t1", "t2"]
    until(
        lambda: sorted(t["name"] for t in daemon.call("List")["tunnels"]) == left,
        30,
        "the calls are carried out",
    )
    daemon.assert_no_stall()


def test_thousands_of_connects(daemon):
    before = proc.fd_count(daemon.pid)
    for _ in range(3000):
        Client(daemon.socket).close()
    assert daemon.call("Status")["tunnels"] == 3
    until(lambda: proc.fd_count(daemon.pid) <= before, 5, "all descriptors are closed")


def test_tunnels_are_undisturbed_by_all_this(simple):
    with simple.connect() as sock:
        for data in GARBAGE.values():
            with Client(simple.daemon.socket) as wire, contextlib.suppress(OSError):
                wire.send_raw(data)
                wire.is_closed() if data.endswith(b"x") else wire.receive()
        client.ping(sock)
    simple.daemon.assert_no_stall()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_strangers_may_not_steer(lab, daemon):
    """Peer credentials: nobody cannot even connect; where the file mode lets them in, they may
    not change."""
    for path in (lab.directory, daemon.directory):
        path.chmod(0o755)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command = [*nobody, str(build.TUNCTL), "-s", str(daemon.socket)]

    def run(*args):
        return subprocess.run(
            [*command, *args], capture_output=True, text=True, env=daemon.env, check=False
        )

    result = run("list")
    assert result.returncode == 4 and "ermission denied" in result.stderr
    daemon.socket.chmod(0o666)
    for verb in (["up", "t0"], ["down", "t0"], ["reload"], ["add", "x", "-L", "1:h:2", "h"]):
        result = run(*verb)
        assert result.returncode == 1, (verb, result)
        assert "root" in result.stderr or "denied" in result.stderr or "allowed" in result.stderr


@pytest.mark.skipif(
    not shutil.which("varlinkctl"), reason="varlinkctl (systemd 255) is not installed"
)
def test_varlinkctl(daemon):
    out = subprocess.run(
        ["varlinkctl", "call", "--json=short", str(daemon.socket), f"{MANAGER}.Status", "{}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(out)["tunnels"] == 3
