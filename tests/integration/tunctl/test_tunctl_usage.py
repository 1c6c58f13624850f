"""The command line of tunctl, and which daemon it talks to."""

import json
import os
import pathlib
import socket
import subprocess

import pytest
from fake import TOP, TUNCTL, Server, backoff, environment, reply, tunctl, tunnel


# -- the command line ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["frobnicate"],
        ["--nonsense"],
        ["list", "--all"],
        ["up"],
        ["up", "--all", "x"],
        ["down"],
        ["inspect"],
        ["inspect", "--daemon", "x"],
        ["reload", "x"],
        ["--socket"],
        ["list", "--json=yes"],
        ["drop"],
        ["add", "x"],
        ["-w", "list"],
        ["forward", "x"],
        ["forward", "x", "add"],
        ["forward", "x", "list", "-D", "1080"],
        ["forward", "x", "add", "-o", "hold=0"],
        ["forward", "x", "add", "-o", "Port=22", "-D", "1080"],
        ["kill"],
        ["nc", "x"],
        ["nc", "x", "db"],
        ["nc", "x", "me@db:5432"],
        ["nc", "x", "db:0"],
        ["nc", "x", "run/x.sock"],
        ["nc", "x", "db", "many"],
        ["nc", "x", "db", "1", "2"],
    ],
)
def test_usage_errors(args):
    result = tunctl(None, *args, expect=2)
    assert result.stdout == "" and result.stderr


def test_suggestions():
    assert "did you mean 'restart'?" in tunctl(None, "restrat", expect=2).stderr
    assert "did you mean --timeout?" in tunctl(None, "up", "--timout", expect=2).stderr


@pytest.mark.parametrize(
    "verb",
    [None]
    + "list inspect up down restart add forward drop connections kill nc reload version".split(),
)
def test_help_of_every_verb(verb):
    args = [verb] if verb else []
    out = tunctl(None, *args, "--help").stdout
    assert out == tunctl(None, "-h", *args).stdout
    assert out.startswith(f"usage: tunctl {verb or '['}")
    assert max(map(len, out.splitlines())) <= 100


def test_options_end_at_two_dashes(server):
    server.answers("List", reply(tunnels=[tunnel("-x")]))
    tunctl(server, "list", "--", "-x")
    assert server.parameters("List") == {"names": ["-x"]}


# -- which daemon ----------------------------------------------------------------------------------


def test_the_socket_from_the_environment(server):
    server.answers("List", reply(tunnels=[]))
    tunctl(None, "list", env=environment(TUNNELD_SOCKET=str(server.path)))
    # -s wins.
    tunctl(server, "list", env=environment(TUNNELD_SOCKET="/nowhere"))
    tunctl(None, "list", "-s", str(server.path), env=environment(TUNNELD_SOCKET="/nowhere"))


def test_the_users_own_daemon_is_found(tmp_path):
    (tmp_path / "tunneld").mkdir()
    server = Server(tmp_path / "tunneld" / "control.sock")
    server.answers("List", reply(tunnels=[tunnel()]))
    env = environment(XDG_RUNTIME_DIR=str(tmp_path))
    assert "db-prod" in tunctl(None, "list", env=env).stdout
    server.close()


def test_no_daemon_names_every_place(tmp_path):
    dead = tmp_path / "tunneld"
    dead.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(dead / "control.sock"))
    if pathlib.Path("/run/tunneld/control.sock").exists():
        pytest.skip("a system instance of tunneld runs here")
    result = tunctl(None, "list", env=environment(XDG_RUNTIME_DIR=str(tmp_path)), expect=4)
    (line,) = result.stderr.splitlines()
    assert f"{dead}/control.sock (nobody listens there)" in line
    assert "/run/tunneld/control.sock (no such socket)" in line and "systemctl start" in line
    problem = tunctl(None, "--json", "list", "-s", "/nowhere", expect=4)
    assert json.loads(problem.stderr)["error"]["code"] == "daemon-not-reachable"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is denied to root")
def test_permission_denied_says_which_group(server):
    os.chmod(server.path, 0)
    assert "group 'tunctl'" in tunctl(server, "list", expect=4).stderr


# -- completion ------------------------------------------------------------------------------------


def completed(server, *words):
    """What bash offers for the last of the words."""
    script = TOP / "ctl" / "completions" / "tunctl.bash"
    command = (
        f'source "{script}"; COMP_WORDS=(tunctl "$@"); COMP_CWORD=$#; _tunctl; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = environment(TUNNELD_SOCKET=str(server.path))
    env["PATH"] = f"{TUNCTL.parent}:{env['PATH']}"
    out = subprocess.run(
        ["bash", "-c", command, "bash", *words],
        capture_output=True,
        text=True,
        env=env,
        timeout=10,
        check=True,
    )
    assert out.stderr == ""
    return out.stdout.split()


def test_completion_of_bash(server):
    server.answers("List", reply(tunnels=[tunnel("db-prod"), tunnel("db-test"), backoff("web")]))
    assert completed(server, "re") == ["restart", "reload"]
    assert completed(server, "up", "db") == ["db-prod", "db-test"]
    assert completed(server, "--json", "inspect", "w") == ["web"]
    assert completed(server, "-s", str(server.path), "down", "") == ["db-prod", "db-test", "web"]
    assert completed(server, "up", "--") == [
        "--socket",
        "--json",
        "--help",
        "--all",
        "--no-wait",
        "--timeout",
    ]
    assert completed(server, "add", "x", "-L", "") == []
    assert completed(server, "forward", "") == ["db-prod", "db-test", "web"]
    assert completed(server, "forward", "web", "") == ["add", "drop"]
    assert completed(server, "nc", "w") == ["web"]
    assert completed(server, "kill", "") == []


def test_completion_without_a_daemon_is_silent(tmp_path):
    server = Server(tmp_path / "control.sock")
    server.close()
    assert completed(server, "up", "") == []
