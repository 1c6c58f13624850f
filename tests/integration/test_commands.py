"""tunctl up, down, restart, add, drop, version; and the exit codes of all of it."""

import json
import subprocess

from harness import build, client, keys
from harness.lab import local
from harness.wait import Stopwatch, until


def test_version(lab):
    daemon = lab.daemon(lab.config({}))
    version = subprocess.run(
        [str(build.TUNNELD), "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    assert version in daemon.ctl("version", check=0).stdout


def test_usage_errors_exit_2(lab):
    daemon = lab.daemon(lab.config({}))
    for args in (["frobnicate"], ["--no-such-option", "list"], ["inspect"], ["drop"], ["add", "x"]):
        result = daemon.ctl(*args)
        assert result.returncode == 2, (args, result)
        assert result.stderr.strip() and not result.stdout.strip()


def test_a_mistyped_verb_gets_a_suggestion(lab):
    daemon = lab.daemon(lab.config({}))
    assert "list" in daemon.ctl("lsit", check=2).stderr


def test_no_such_tunnel_exits_3_and_names_it(simple):
    for verb in ("up", "down", "restart", "inspect", "drop"):
        result = simple.daemon.ctl(verb, "nosuch")
        assert result.returncode == 3, (verb, result)
        assert "nosuch" in result.stderr


def test_no_daemon_exits_4_and_says_where_it_looked(lab):
    daemon = lab.daemon(lab.config({}), start=False)
    result = daemon.ctl("list", check=4)
    assert str(daemon.socket) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_socket_from_the_environment(simple):
    daemon = simple.daemon
    env = {**daemon.env, "TUNNELD_SOCKET": str(daemon.socket)}
    out = subprocess.run(
        [str(build.TUNCTL), "--json", "list"], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(out)[0]["name"] == "t"


def test_down_closes_the_port_and_up_waits_until_it_serves(simple):
    daemon = simple.daemon
    daemon.ctl("down", "t", check=0)
    until(lambda: client.is_refused(simple.port), 3, "the listening socket is closed")
    assert daemon.tunnel("t")["state"] == "stopped"
    until(lambda: simple.sshd.session_count() == 0, 5, "the session is gone")
    daemon.ctl("up", "t", check=0)
    assert daemon.tunnel("t")["state"] == "up"
    assert client.exchange(simple.port) == b"hello"


def test_down_ends_open_connections(simple):
    with simple.connect() as sock:
        client.ping(sock)
        simple.daemon.ctl("down", "t", check=0)
        assert client.how_it_ends(sock) in ("eof", "reset")


def test_up_of_what_is_up_changes_nothing(simple):
    with simple.connect() as sock:
        client.ping(sock)
        simple.daemon.ctl("up", "t", check=0)
        client.ping(sock)


def test_restart_makes_a_new_session_and_keeps_the_port(simple):
    before = simple.daemon.tunnel("t")["since"]
    with client.Visitors(simple.port) as visitors:
        visitors.wait_served(3, 5)
        simple.daemon.ctl("restart", "t", check=0)
        visitors.wait_served(3, 5)
    assert visitors.refused == 0
    assert simple.daemon.tunnel("t")["since"] >= before
    assert len(simple.sshd.log.split("Accepted publickey")) == 3


def test_several_names_at_once(lab):
    sshd, echo = lab.sshd(), lab.echo()
    names = ["a", "b", "c"]
    daemon = lab.up(
        {n: {"host": sshd.address, "local": local(lab.port(), echo.port)} for n in names}
    )
    daemon.ctl("down", *names, check=0)
    assert {t["state"] for t in daemon.tunnels().values()} == {"stopped"}
    daemon.ctl("up", *names, check=0)
    assert {t["state"] for t in daemon.tunnels().values()} == {"up"}
    # One unknown name: nothing is done to the others.
    daemon.ctl("down", "a", "nosuch", "b", check=3)
    assert {t["state"] for t in daemon.tunnels().values()} == {"up"}


def test_start_manual_waits_for_up(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    daemon = lab.daemon(
        lab.config(
            {"t": {"host": sshd.address, "local": local(port, echo.port), "start": "manual"}}
        )
    )
    assert daemon.tunnel("t")["state"] == "stopped"
    assert client.is_refused(port)
    daemon.ctl("up", "t", check=0)
    assert client.exchange(port) == b"hello"


def test_up_of_what_fails_exits_1_at_once_and_says_why(lab):
    sshd = lab.sshd()
    other = lab.key("other")
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": sshd.address,
                    "local": local(lab.port(), 1),
                    "identity": str(other),
                    "start": "manual",
                }
            }
        )
    )
    with Stopwatch() as watch:
        result = daemon.ctl("up", "t", check=1)
    assert watch.seconds < build.limit(5)
    assert "auth" in result.stderr + result.stdout


def test_up_exits_5_when_the_time_is_over(lab):
    silent = lab.server(lambda sock: sock.recv(1) and sock.recv(1 << 16))
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": f"127.0.0.1:{silent.port}",
                    "local": local(lab.port(), 1),
                    "start": "manual",
                }
            }
        )
    )
    with Stopwatch() as watch:
        daemon.ctl("up", "--timeout", "1", "t", check=5)
    assert 0.9 < watch.seconds < build.limit(3)


def test_no_wait_returns_at_once(lab):
    silent = lab.server(lambda sock: sock.recv(1) and sock.recv(1 << 16))
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": f"127.0.0.1:{silent.port}",
                    "local": local(lab.port(), 1),
                    "start": "manual",
                }
            }
        )
    )
    with Stopwatch() as watch:
        daemon.ctl("up", "--no-wait", "t", check=0)
    assert watch.seconds < build.limit(2)
    daemon.wait_state("t", "connecting", 2)


def test_up_waits_through_a_backoff(lab):
    sshd, echo, port = lab.sshd(start=False), lab.echo(), lab.port()
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": sshd.address,
                    "local": local(port, echo.port),
                    "reconnect": {"min": "100ms", "max": "200ms"},
                }
            }
        )
    )
    daemon.wait_state("t", "backoff")
    with subprocess.Popen(
        [str(build.TUNCTL), "-s", str(daemon.socket), "up", "t"],
        env=daemon.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as up:
        sshd.start()
        assert up.wait(30) == 0
    assert daemon.tunnel("t")["state"] == "up"


def test_up_ends_a_backoff(lab):
    sshd, echo, port = lab.sshd(start=False), lab.echo(), lab.port()
    daemon = lab.daemon(
        lab.config(
            {
                "t": {
                    "host": sshd.address,
                    "local": local(port, echo.port),
                    "reconnect": {"min": "50s", "max": "60s"},
                }
            }
        )
    )
    until(lambda: (daemon.tunnel("t")["retry_in_ms"] or 0) > 1000, 10, "a long wait")
    sshd.start()
    with Stopwatch() as watch:
        daemon.ctl("up", "t", check=0)
    assert watch.seconds < build.limit(2)


def start_for_add(lab):
    """A daemon without tunnels whose defaults know the lab's servers."""
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    return sshd, echo, port, lab.daemon(lab.config({}))


def test_add_uses_ssh_letters_and_survives_a_restart_until_dropped(lab):
    sshd, echo, port, daemon = start_for_add(lab)
    daemon.ctl(
        "add",
        "mine",
        "-L",
        local(port, echo.port),
        "-i",
        lab.keys.client,
        "-p",
        sshd.port,
        "127.0.0.1",
        check=0,
    )
    daemon.wait_state("mine", "up")
    assert client.exchange(port) == b"hello"
    assert daemon.tunnel("mine")["source"] == "added"
    daemon.stop()
    daemon.start()
    daemon.wait_state("mine", "up")
    assert client.exchange(port) == b"hello"
    daemon.ctl("drop", "mine", check=0)
    assert daemon.ctl_json("list") == []
    until(lambda: client.is_refused(port), 3, "the port is free")
    daemon.stop()
    daemon.start()
    assert daemon.ctl_json("list") == []


def test_add_with_user_and_several_forwards(lab):
    sshd, echo, port, daemon = start_for_add(lab)
    other = lab.port()
    user = daemon.config["defaults"]["user"]
    daemon.ctl(
        "add",
        "mine",
        "-L",
        local(port, echo.port),
        "-L",
        local(other, echo.port),
        "-p",
        sshd.port,
        f"{user}@127.0.0.1",
        check=0,
    )
    daemon.wait_state("mine", "up")
    assert client.exchange(port) == b"hello" and client.exchange(other) == b"hello"


def test_add_makes_paths_absolute(lab):
    sshd, echo, port, daemon = start_for_add(lab)
    daemon.ctl(
        "add",
        "mine",
        "-L",
        local(port, echo.port),
        "-i",
        lab.keys.client.name,
        "-p",
        sshd.port,
        "127.0.0.1",
        check=0,
        cwd=lab.keys.client.parent,
    )
    daemon.wait_state("mine", "up")
    assert daemon.inspect("mine")["settings"]["identities"] == [str(lab.keys.client)]


def test_add_refuses_a_name_that_exists(simple):
    result = simple.daemon.ctl("add", "t", "-L", local(1, 1), "127.0.0.1", check=1)
    assert "'t'" in result.stderr or " t " in result.stderr
    assert simple.daemon.tunnel("t")["source"] != "added"


def test_add_refuses_what_a_config_would_refuse(lab):
    daemon = lab.daemon(lab.config({}))
    for args in (
        ["bad/name", "-L", local(1, 1), "h"],
        ["x", "-L", "nonsense:::", "h"],
        ["x", "-L", "99999:h:1", "h"],
        ["x", "-p", "0", "-L", local(1, 1), "h"],
    ):
        result = daemon.ctl("add", *args)
        assert result.returncode in (1, 2), (args, result)
        assert result.stderr.strip()
    assert daemon.ctl_json("list") == []


def test_drop_of_a_tunnel_from_a_file_names_the_line(simple):
    result = simple.daemon.ctl("drop", "t", check=1)
    line = 1 + next(
        i
        for i, text in enumerate(simple.daemon.config_path.read_text().splitlines())
        if text.strip() == '"t":'
    )
    assert f"{simple.daemon.config_path}:{line}" in result.stderr
    assert simple.daemon.tunnel("t")["state"] == "up"


def test_down_of_an_added_tunnel_lasts_until_up(lab):
    sshd, echo, port, daemon = start_for_add(lab)
    daemon.ctl("add", "mine", "-L", local(port, echo.port), "-p", sshd.port, "127.0.0.1", check=0)
    daemon.wait_state("mine", "up")
    daemon.ctl("down", "mine", check=0)
    assert daemon.tunnel("mine")["state"] == "stopped"
    daemon.ctl("reload", check=0)
    assert daemon.tunnel("mine")["state"] == "stopped"
    daemon.ctl("up", "mine", check=0)
    assert client.exchange(port) == b"hello"


def test_a_broken_state_file_harms_only_itself(lab):
    sshd, echo, port, daemon = start_for_add(lab)
    daemon.ctl("add", "good", "-L", local(port, echo.port), "-p", sshd.port, "127.0.0.1", check=0)
    daemon.ctl("add", "bad", "-L", local(lab.port(), 1), "-p", sshd.port, "127.0.0.1", check=0)
    daemon.stop()
    files = [
        p
        for p in daemon.state_dir.rglob("*")
        if p.is_file() and b'"bad' in p.read_bytes() or p.name.startswith("bad")
    ]
    assert files, list(daemon.state_dir.rglob("*"))
    for path in files:
        path.write_bytes(path.read_bytes()[:-7])
    daemon.start()
    if any(p.name.startswith("bad") for p in files):  # one file a tunnel: the other one lives
        daemon.wait_state("good", "up")
    assert "bad" in daemon.log or str(files[0]) in daemon.log


def test_identity_fingerprint_matches_ssh_keygen(simple, lab):
    session = simple.daemon.inspect("t")["session"]
    assert session["host_key"].split()[1] == keys.fingerprint(f"{lab.keys.host}.pub")
