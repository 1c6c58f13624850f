"""tunctl forward, connections and kill; forwards of all kinds in list and inspect."""

import json

import pytest
from fake import (
    BROKEN,
    INSPECTED,
    MANAGER,
    Terminal,
    backoff,
    connection,
    dynamic,
    environment,
    error,
    forward,
    plain,
    remote,
    reply,
    tunctl,
    tunnel,
)

SLOW = {"code": "forward-held-by-old-session", "message": "localhost:2222 is held by an old session"}


def rows_of(text):
    return [" ".join(line.split()) for line in text.splitlines()]


# -- list and inspect ------------------------------------------------------------------------------


def test_each_kind_of_forward_is_told_apart(server):
    server.answers(
        "List",
        reply(tunnels=[tunnel(forwards=[remote(), dynamic(), remote("localhost:1080", "any")])]),
    )
    out = rows_of(tunctl(server, "list").stdout)
    assert "remote localhost:2222 → localhost:22" in out[1]
    assert out[2:] == [
        "dynamic localhost:1080 → any (proxy)",
        "remote localhost:1080 → any (proxy)",
    ]


def test_inspect_shows_what_there_is_to_know_about_a_forward(server):
    forwards = [
        remote("0.0.0.0:8080", note="the server may have bound its loopback only"),
        remote(state="failed", error=SLOW),
        remote("localhost:41000", "/run/x.sock", state="opening"),
        dynamic(name="browse", addresses=["127.0.0.1:1080", "[::1]:1080"]),
        forward("/run/pg.sock", "/run/postgresql/.s.PGSQL.5432", source="added"),
    ]
    server.answers(
        "Inspect",
        reply(
            **INSPECTED
            | {
                "tunnel": tunnel(forwards=forwards),
                "settings": INSPECTED["settings"] | {"exit_on_forward_failure": True},
            }
        ),
    )
    out = rows_of(tunctl(server, "inspect", "x").stdout)
    start = out.index("FORWARD STATE OPEN TOTAL IN OUT")
    counts = "2 17 1.2 MiB 4.0 KiB"
    assert out[start + 1 : start + 10] == [
        f"remote 0.0.0.0:8080 → localhost:22 open {counts}",
        "the server may have bound its loopback only",
        f"remote localhost:2222 → localhost:22 failed {counts}",
        "localhost:2222 is held by an old session",
        f"remote localhost:41000 → /run/x.sock opening {counts}",
        f"dynamic localhost:1080 → any (proxy) open {counts}",
        "named browse; listens at 127.0.0.1:1080, [::1]:1080",
        f"/run/pg.sock → /run/postgresql/.s.PGSQL.5432 (added) open {counts}",
        "",
    ]
    assert "forward failure ends the attempt (exit_on_forward_failure)" in out


def test_what_ended_the_last_attempt_stays_visible_on_the_way_up(server):
    again = backoff(state="connecting", retry_in_ms=None)
    server.answers("List", reply(tunnels=[again, tunnel("new", "connecting", rtt_ms=None)]))
    out = tunctl(server, "list").stdout
    assert "    last failure: web.example.com:22 refused the connection [connection-refused]\n" in out
    assert out.count("last failure") == 1


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_long_forwards_fit_a_terminal(server, width):
    forwards = [
        remote("gateway.example.com:2222", "workstation.internal.example.com:22"),
        forward("localhost:8000-8010", "web.internal.example.com:8000-8010"),
        forward("/run/user/1000/tunnels/postgres.sock", "/var/run/postgresql/.s.PGSQL.5432"),
    ]
    server.answers("List", reply(tunnels=[tunnel(forwards=forwards)]))
    server.answers("Inspect", reply(**INSPECTED | {"tunnel": tunnel(forwards=forwards)}))
    for verb in (["list"], ["inspect", "x"]):
        terminal = Terminal(server, *verb, width=width)
        assert terminal.finish() == 0
        lines = plain(terminal.text).splitlines()
        table = [line for line in lines if "gateway" in line or "8000" in line or "/run/" in line]
        assert len(table) == 3 and all(len(line) <= width for line in table), lines


# -- forward ---------------------------------------------------------------------------------------


@pytest.fixture
def bare(server):
    """A daemon whose tunnel has no forwards yet."""
    server.answers("List", reply(tunnels=[tunnel(forwards=[])]))
    return server


def test_forward_add_sends_the_keys_of_the_configuration(bare, tmp_path):
    bare.answers("ForwardAdd", reply(tunnels=[tunnel(forwards=[forward(), remote(), dynamic()])]))
    args = ["-L", "x.d/s:db:1", "-R2222:localhost:22", "-R80:./w.sock", "-D", "1080"]
    out = tunctl(bare, "forward", "db", "add", *args, cwd=tmp_path).stdout
    assert bare.calls[1:] == [
        {
            "method": MANAGER + "ForwardAdd",
            "parameters": {
                "name": "db",
                "forwards": {
                    "local": f"{tmp_path}/x.d/s:db:1",
                    "remote": ["2222:localhost:22", f"80:{tmp_path}/./w.sock"],
                    "dynamic": "1080",
                },
            },
        }
    ]
    assert rows_of(out) == [
        "FORWARD STATE OPEN TOTAL IN OUT",
        "127.0.0.1:5432 → db:5432 open 2 17 1.2 MiB 4.0 KiB",
        "remote localhost:2222 → localhost:22 open 2 17 1.2 MiB 4.0 KiB",
        "dynamic localhost:1080 → any (proxy) open 2 17 1.2 MiB 4.0 KiB",
    ]


def test_forward_add_of_a_proxy_at_the_server_says_what_is_allowed(bare):
    bare.answers("ForwardAdd", reply(tunnels=[tunnel()]))
    tunctl(bare, "forward", "db", "add", "-o", "remote.listen=1080", "-o", "remote.allow=any")
    assert bare.parameters("ForwardAdd")["forwards"] == {
        "remote": {"listen": "1080", "allow": "any"}
    }


def test_forward_add_waits_until_the_server_has_answered(bare):
    states = iter(["open", "opening", "opening", "open"])
    bare.answers("ForwardAdd", reply(tunnels=[tunnel(forwards=[remote(state="closed")])]))
    bare.answers(
        "List", lambda: reply(tunnels=[tunnel(forwards=[remote(state=next(states))])])
    )
    assert " open " in tunctl(bare, "forward", "db", "add", "-R", "2222:localhost:22").stdout
    assert [c["parameters"] for c in bare.calls[2:]] == [{"names": ["db"]}] * 3


@pytest.mark.parametrize("state", ["stopped", "backoff", "connecting", "failed"])
def test_forward_add_does_not_wait_without_a_session(bare, state):
    answer = tunnel(state=state, forwards=[remote(state="closed")])
    bare.answers("ForwardAdd", reply(tunnels=[answer]))
    assert "closed" in tunctl(bare, "forward", "db", "add", "-R", "2222:localhost:22").stdout
    assert len(bare.calls) == 2


def test_forward_drop(server):
    server.answers("ForwardDrop", reply(tunnels=[tunnel(forwards=[])]))
    assert tunctl(server, "forward", "db", "drop", "-D1080").stdout == "no forwards\n"
    assert server.parameters("ForwardDrop") == {"name": "db", "forwards": {"dynamic": "1080"}}
    message = "'db' has no added forward that listens there"
    problem = {"file": None, "line": None, "column": None, "message": message}
    server.answers(
        "ForwardDrop", error("InvalidConfig", problems=[problem], code="config", message=message)
    )
    result = tunctl(server, "forward", "db", "drop", "-D1080", expect=1)
    assert result.stderr == f"tunctl: {message}\n"


def test_a_forward_that_does_not_work_is_told_by_the_exit_code(bare):
    answer = reply(tunnels=[tunnel(forwards=[forward(), remote(state="failed", error=SLOW)])])
    bare.answers("ForwardAdd", answer)
    bare.answers("ForwardDrop", answer)
    result = tunctl(bare, "forward", "db", "add", "-R", "2222:localhost:22", expect=1)
    assert "held by an old session" in result.stdout
    tunctl(bare, "forward", "db", "drop", "-D", "1080")
    result = tunctl(bare, "--json", "forward", "db", "add", "-D", "1", expect=1)
    assert json.loads(result.stdout) == answer["parameters"]["tunnels"]


def test_what_was_broken_before_is_not_the_fault_of_the_new_one(server):
    broken = remote(state="failed", error=SLOW)
    server.answers("List", reply(tunnels=[tunnel(forwards=[broken])]))
    server.answers("ForwardAdd", reply(tunnels=[tunnel(forwards=[broken, dynamic()])]))
    result = tunctl(server, "forward", "db", "add", "-D", "1080")
    assert "held by an old session" in result.stdout
    both = tunnel(forwards=[broken, remote("localhost:80", state="failed", error=SLOW)])
    server.answers("ForwardAdd", reply(tunnels=[both]))
    tunctl(server, "forward", "db", "add", "-R", "80:localhost:80", expect=1)


@pytest.mark.parametrize(
    "args, words",
    [
        (["list"], "'list' is neither 'add' nor 'drop'"),
        (["add"], "which forward? Name it with -L, -R or -D"),
        (["add", "-o", "hold=0"], "-o hold: only forwards change while a tunnel runs"),
        (["add", "-i", "key"], "unknown option -i"),
    ],
)
def test_forward_refuses(server, args, words):
    assert words in tunctl(server, "forward", "db", *args, expect=2).stderr
    assert server.calls == []


def test_forwards_that_the_daemon_refuses(bare):
    bare.answers("ForwardAdd", BROKEN)
    assert "tunctl: no host\n" in tunctl(
        bare, "forward", "x", "add", "-D", "0", expect=1
    ).stderr
    bare.answers("ForwardAdd", error("NoSuchTunnel", message="no tunnel 'x'"))
    tunctl(bare, "forward", "x", "add", "-D", "1", expect=3)


# -- connections -----------------------------------------------------------------------------------


def test_connections_are_a_sorted_table(server):
    server.answers(
        "Connections",
        reply(
            connections=[connection("2-1", "web"), connection("1-10"), connection("1-9")],
            more=True,
        ),
        reply(
            connections=[
                connection("1-1", "web", forward=None, **{"from": "tunctl", "state": "opening"}),
                connection(
                    "1-2", "web", forward="dynamic:localhost:1080", state="handshake", to=""
                ),
            ]
        ),
    )
    out = rows_of(tunctl(server, "connections", "web", "db-prod").stdout)
    assert server.calls == [
        {
            "method": MANAGER + "Connections",
            "parameters": {"names": ["web", "db-prod"]},
            "more": True,
        }
    ]
    rest = "1h01m 1m05s 1.2 MiB 4.0 KiB"
    assert out == [
        "ID TUNNEL FORWARD FROM TO AGE IDLE IN OUT",
        f"1-9 db-prod local:127.0.0.1:5432 127.0.0.1:50000 db:5432 {rest}",
        f"1-10 db-prod local:127.0.0.1:5432 127.0.0.1:50000 db:5432 {rest}",
        f"1-1 web nc tunctl db:5432 (opening) {rest}",
        f"1-2 web dynamic:localhost:1080 127.0.0.1:50000 (handshake) {rest}",
        f"2-1 web local:127.0.0.1:5432 127.0.0.1:50000 db:5432 {rest}",
    ]


def test_connections_json_is_a_sorted_array(server):
    both = [connection(2, "b", since="?"), connection(1, "a", future=[1])]
    server.answers("Connections", *(reply(connections=[c], more=c is both[0]) for c in both))
    assert json.loads(tunctl(server, "--json", "connections").stdout) == both[::-1]
    assert server.parameters("Connections") == {}


def test_no_connections(server):
    server.answers("Connections", reply(connections=[]))
    assert tunctl(server, "connections").stdout == "No open connections.\n"
    assert json.loads(tunctl(server, "connections", "--json").stdout) == []


def test_connections_of_strangers_cannot_steer_the_terminal(server):
    server.answers("Connections", reply(connections=[connection(1, to="\x1b]0;x\x07"), {}]))
    out = tunctl(server, "connections").stdout
    assert "\x1b" not in out and "\\x1b" in out
    assert tunctl(server, "connections", env=environment(LC_ALL="C")).stdout.isascii()


def test_ten_thousand_connections(server):
    server.answers(
        "Connections",
        *(
            reply(connections=[connection(i * 500 + k) for k in range(500)], more=i < 19)
            for i in range(20)
        ),
    )
    lines = tunctl(server, "connections").stdout.splitlines()
    assert [int(line.split()[0][2:]) for line in lines[1:]] == list(range(10000))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_connections_fit_a_terminal(server, width):
    long = connection(
        to="postgres-private.eu-central-1.internal.example.com:5432",
        **{"from": "[2001:db8::1234:5678:9abc:def0]:50000"},
    )
    server.answers("Connections", reply(connections=[long]))
    terminal = Terminal(server, "connections", width=width)
    assert terminal.finish() == 0
    assert all(len(line) <= width for line in plain(terminal.text).splitlines()), terminal.text


def test_watching_connections(server):
    server.answers("Connections", reply(connections=[connection()]))
    terminal = Terminal(server, "connections", "-w")
    terminal.read_until("1 open connection (Ctrl-C ends)")
    server.answers("Connections", reply(connections=[]))
    terminal.read_until("No open connections.")
    terminal.process.terminate()
    assert terminal.finish() == 0


# -- kill ------------------------------------------------------------------------------------------


def test_kill(server):
    server.answers("Kill", reply())
    assert tunctl(server, "kill", "3-217").stdout == "3-217: ended\n"
    assert server.parameters("Kill") == {"id": "3-217"}


def test_kill_goes_on_after_one_that_is_gone(server):
    gone = error("NoSuchConnection", code="no-such-connection", message="there is no such one")
    answers = iter([gone, reply(), gone])
    server.answers("Kill", lambda: next(answers))
    result = tunctl(server, "kill", "1-1", "1-2", "1-3", expect=1)
    assert result.stdout == "1-2: ended\n"
    assert result.stderr == "tunctl: there is no such one\n" * 2
