"""tunctl add: what becomes of the letters of ssh."""

import json

import pytest
from fake import BROKEN, error, failed, reply, tunctl, tunnel


def added(server, *args, expect=0, **options):
    """What `tunctl add` sent."""
    server.calls.clear()
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")]))
    server.answers("Up", reply(tunnels=[tunnel("x")]))
    result = tunctl(server, "add", "x", *args, expect=expect, **options)
    if expect == 0:
        assert result.stdout == "x: added\nx: up (12 ms)\n"
        assert server.parameters("Up") == {"names": ["x"]}
        assert server.parameters("Add")["name"] == "x"
        return server.parameters("Add")["tunnel"]
    assert server.calls == []
    return result.stderr


def test_add_reads_ssh_letters(server, tmp_path):
    assert added(
        server,
        "-L",
        "5432:db:5432",
        "-NT",
        "-fL8080:web:80",
        "-i",
        "key",
        "-i",
        "/k",
        "-p2222",
        "me@host",
        cwd=tmp_path,
    ) == {
        "local": ["5432:db:5432", "8080:web:80"],
        "identity": [f"{tmp_path}/key", "/k"],
        "host": "me@host:2222",
    }
    assert added(server, "-L", "1:a:1", "bastion") == {"local": "1:a:1", "host": "bastion"}
    assert added(server, "-l", "me", "-p", "22", "::1")["host"] == "me@[::1]:22"
    assert added(server, "ssh://me@host:2222")["host"] == "me@host:2222"


def test_add_prints_notes(server):
    """Also with --json, whose output they are no part of."""
    notes = ["host 'db': ForwardX11 yes: no\x1b[2Jne", "host 'db': b"]
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")], notes=notes))
    for options in [], ["--json"]:
        result = tunctl(server, *options, "add", "--no-wait", "x", "-L", "1:a:1", "db")
        assert "\x1b" not in result.stderr
        assert [line[:14] for line in result.stderr.splitlines()] == ["note: host 'db"] * 2
        if options:
            assert json.loads(result.stdout)[0]["name"] == "x"
        else:
            assert result.stdout == "x: added\n"


def test_add_takes_an_autossh_line(server):
    assert added(
        server,
        "-M",
        "0",
        "-f",
        "-N",
        "-o",
        "ServerAliveInterval=30",
        "-o",
        "ServerAliveCountMax 2",
        "-oExitOnForwardFailure=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "Port=2222",
        "-o",
        "User=me",
        "-L",
        "1:a:1",
        "host",
    ) == {
        "host_key": "strict",
        "keepalive": {"interval": "30s", "count": "2"},
        "exit_on_forward_failure": "yes",
        "local": "1:a:1",
        "host": "me@host:2222",
    }


def test_add_takes_forwards_of_all_kinds(server):
    assert added(
        server,
        *("-R", "2222:localhost:22", "-R8080:localhost:80", "-D", "1080"),
        *("-o", "LocalForward 1 a:1", "-oRemoteForward=*:2\tb:2", "-oDynamicForward=[::1]:3"),
        "h",
    ) == {
        "remote": ["2222:localhost:22", "8080:localhost:80", "*:2:b:2"],
        "dynamic": ["1080", "[::1]:3"],
        "local": "1:a:1",
        "host": "h",
    }
    assert added(server, "-o", "remote.listen=1080", "-o", "remote.allow=any", "h")["remote"] == {
        "listen": "1080",
        "allow": "any",
    }


def test_sockets_of_this_machine_become_absolute(server, tmp_path):
    assert added(
        server,
        *("-L", "run/x.sock:/run/y.sock", "-R", "80:./z.sock", "-L", "1:/r.sock", "h"),
        cwd=tmp_path,
    ) == {
        "local": [f"{tmp_path}/run/x.sock:/run/y.sock", "1:/r.sock"],
        "remote": f"80:{tmp_path}/./z.sock",
        "host": "h",
    }


def test_add_takes_keys_of_the_configuration(server):
    assert added(
        server,
        "-o",
        "keepalive.interval=5s",
        "-o",
        "tags=a",
        "-o",
        "tags=b",
        "-o",
        "tags=c",
        "-o",
        "identity=~/.ssh/k",
        "-c",
        "aes256-ctr",
        "h",
    ) == {
        "keepalive": {"interval": "5s"},
        "tags": ["a", "b", "c"],
        "identity": "/home/nobody-at-all/.ssh/k",
        "ciphers": "aes256-ctr",
        "host": "h",
    }


@pytest.mark.parametrize(
    "args, words",
    [
        (["-o", "ForwardAgent=yes", "h"], "-o ForwardAgent yes: no command runs on the server"),
        (["-Nw0", "h"], "-w makes a network interface, which tunneld does not; forward ports"),
        (["-Wdb:22", "h"], "-W belongs to one standard input and output; add the tunnel without"),
        (["-fNA", "h"], "-A needs a command on the server, and a tunnel runs none"),
        (["-X", "h"], "run 'ssh -X' beside it"),
        (["-g", "h"], "-g is written into the forward: -L '*:PORT:HOST:PORT'"),
        (["-o", "GatewayPorts=yes", "h"], "write '*:PORT:HOST:PORT'"),
        (["-o", "Tunnel=ethernet", "h"], "tunneld makes no network interfaces"),
        (["-Z", "h"], "unknown option -Z"),
        (["-S", "none", "h"], "-S is not needed"),
        (["-e", "none", "h"], "-e is for a terminal"),
        (["-R"], "-R needs a value"),
        (["-L"], "-L needs a value"),
        (["h", "uptime"], "'uptime' is one word too many"),
        (["-p", "0", "h"], "port"),
        (["-p", "22", "h:23"], "the port is given twice"),
        (["-l", "a", "b@h"], "the user is given twice"),
        (["-o", "hold", "h"], "KEY=VALUE"),
        (["-o", "StrictHostKeyChecking=no", "h"], "always checks host keys"),
        (["-o", "keepalive=off", "-o", "keepalive.count=3", "h"], "exclude each other"),
        ([], "add needs more"),
    ],
)
def test_add_refuses(server, args, words):
    assert words in added(server, *args, expect=2)


def test_add_without_waiting(server):
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")]))
    assert tunctl(server, "add", "x", "h", "--no-wait").stdout == "x: added\n"
    assert (
        json.loads(tunctl(server, "--json", "add", "x", "h", "--no-wait").stdout)[0]["name"] == "x"
    )


def test_add_that_is_refused(server):
    server.answers("Add", BROKEN)
    assert "tunctl: no host\n" in tunctl(server, "add", "x", "h", expect=1).stderr
    server.answers(
        "Add",
        error(
            "TunnelExists", name="x", code="tunnel-exists", message="there is a tunnel 'x' already"
        ),
    )
    result = tunctl(server, "--json", "add", "x", "h", expect=1)
    assert json.loads(result.stderr) == {
        "error": {"code": "tunnel-exists", "message": "there is a tunnel 'x' already"}
    }


def test_add_that_does_not_come_up(server):
    server.answers("Add", reply(tunnels=[tunnel("x", "connecting")]))
    server.answers("Up", reply(tunnels=[failed("x")]))
    result = tunctl(server, "add", "x", "h", expect=1)
    assert result.stdout == "x: added\n" and "host key" in result.stderr
