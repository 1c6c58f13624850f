"""Configurations that are wrong, by tunneld --check, at the start and at a reload; and the forms
that are right."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import build, client
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, until

GOOD = "tunnels:\n  t:\n    host: h\n    user: u\n    identity: /k\n    local: 1:h:2\n"


@pytest.fixture
def daemon(lab):
    return lab.daemon(lab.config({}), start=False)


def problems(daemon, text):
    """--check on a text that is wrong: its lines, each with file:line:column unless there is no
    place."""
    daemon.write(text)
    with Stopwatch() as watch:
        result = daemon.check()
    assert result.returncode == 1, result
    assert watch.seconds < build.limit(2), "a wrong config took long"
    return [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]


def has(lines, *parts):
    assert any(all(p in line for p in parts) for line in lines), f"{parts} in\n" + "\n".join(lines)


def test_check_accepts_a_good_one_silently_or_in_one_line(daemon, lab):
    daemon.write(GOOD.replace("/k", str(lab.keys.client)))
    result = daemon.check()
    assert result.returncode == 0, result
    assert len((result.stdout + result.stderr).splitlines()) <= 1


def notes(daemon, **settings):
    tunnel = {"host": "h", "user": "u", "local": "1:h:2", **settings}
    daemon.write({"tunnels": {"t": tunnel}})
    result = daemon.check()
    assert result.returncode == 0, result
    return result.stderr.splitlines()


def test_check_notes_files_that_are_not_there(daemon, lab):
    here, gone = str(lab.keys.client), str(lab.path("gone"))
    assert notes(daemon, identity=gone) == [f"note: identity {gone} does not exist"]
    assert notes(daemon, identity=here, certificate_file=gone, password=gone, passphrase=gone) == [
        f"note: certificate {gone} does not exist",
        f"note: passphrase file {gone} does not exist",
        f"note: password file {gone} does not exist",
    ]
    assert notes(daemon, identity=str(lab.path("."))) == [
        f"note: identity {lab.path('.')} is not a file"
    ]
    # One of several is enough; the others may be those of other machines.
    assert notes(daemon, identity=[gone, here]) == []
    assert notes(daemon, identity=[gone, "agent"]) == []
    assert notes(daemon, identity="credential:k", password="credential:p") == []
    shutil.copy(f"{here}.pub", f"{gone}.pub")
    assert notes(daemon, identity=gone) == []


def test_check_notes_files_that_others_can_read(daemon, lab):
    key, secret = lab.key("open"), lab.write("secret", "x", 0o640)
    public = pathlib.Path(f"{key}.pub")
    public.chmod(0o644)
    assert notes(daemon, identity=str(public), password=str(lab.write("kept", "x", 0o600))) == []
    os.chmod(key, 0o644)
    assert notes(daemon, identity=str(key), password=str(secret)) == [
        f"note: identity {key} can be read by others: chmod 600 it",
        f"note: password file {secret} can be read by others: chmod 600 it",
    ]


def test_json_is_yaml(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    config = lab.config({"t": {"host": sshd.address, "local": local(port, echo.port)}})
    for text in (json.dumps(config), json.dumps(config, indent=2)):
        daemon = lab.daemon(text)
        daemon.wait_state("t", "up")
        assert client.exchange(port) == b"hello"
        daemon.stop()


def test_all_mistakes_in_one_go(daemon):
    lines = problems(
        daemon,
        """\
defaults:
  keepalive: { interval: soon }
  identty: /k
tunnels:
  a:
    host: h
    local: 99999:h:1
  b:
    local: 1:h:2
    hots: h
  bad name:
    host: h
""",
    )
    at = f"{daemon.config_path}:"
    has(lines, f"{at}2:26: ", "soon")
    has(lines, f"{at}3:3: ", "identty", "'identity'")
    has(lines, f"{at}7:12: ", "99999")
    has(lines, f"{at}10:5: ", "hots", "'host'")
    has(lines, f"{at}11:3: ", "bad name")


# A wrong line in an otherwise good tunnel → the column of the complaint and words in it.
WRONG_LINES = {
    "start: sometimes": (12, ["sometimes", "always"]),
    "tags: {a: b}": (11, ["tags"]),
    "hold: -1s": (11, ["-1s"]),
    "keepalive: {count: 9999999999}": (24, ["count"]),
    "keepalive: {interval: 5 parsecs}": (27, ["5 parsecs", "15s"]),
    "reconnect: {min: 5m, max: 1s}": (None, ["min"]),
    "IdentityFile: /k": (5, ["'identity'"]),
    "identity_file: /k": (5, ["'identity'"]),
    "ciphers: nonsense": (14, ["nonsense"]),
    "remote: 1080": (13, ["allow"]),
    "remote: /run/x.sock:h:1": (13, ["libssh", "ssh -R"]),
    "remote: 2222:22": (13, ["2222:localhost:22"]),
    "remote: [2222:h:1, '*:2222:h:2']": (24, ["2222", "taken"]),
    "dynamic: 0": (14, ["port 0"]),
    "dynamic: 127.0.0.1:1": (14, ["127.0.0.1:1", "taken", "localhost:1"]),
    "dynamic: {listen: 1080, allow: h}": (36, ["HOST:PORT"]),
    "dynamic: {listen: 1080, user: u}": (35, ["password"]),
    "dynamic: {listen: 8000-8010}": (23, ["range"]),
    "DynamicForward: 1080": (5, ["'dynamic'"]),
    "Tunnel: point-to-point": (5, ["ssh -w"]),
    "exit_on_forward_failure: perhaps": (30, ["yes or no"]),
    "user: u": (5, ["user"]),
    "host: h": (5, ["host"]),
}


@pytest.mark.parametrize("wrong", WRONG_LINES)
def test_one_wrong_line(daemon, wrong):
    column, words = WRONG_LINES[wrong]
    lines = problems(daemon, f"{GOOD}    {wrong}\n")
    has(lines, f"{daemon.config_path}:7:{column or ''}", *words)
    assert len(lines) <= 2, lines


# A wrong text → the place of the complaint and words in it.
WRONG_TEXTS = {
    "tunnels:\n  a: {host: h}\n  a: {host: h}\n": (":3:3: ", ["a"]),
    "tunnel:\n  a: {host: h}\n": (":1:1: ", ["tunnel", "'tunnels'"]),
    "tunnels: [1, 2\n": (":", []),
    "tunnels:\n\ta: {host: h}\n": (":2:1: ", []),
    "tunnels:\n  a:\n    host: h\n   local: x\n": (":", []),
    "- a\n- b\n": (":1:1: ", []),
    "just text\n": (":1:1: ", []),
    "tunnels:\n  a:\n    host: h:99999\n    local: 1:h:2\n": (":3:11: ", ["99999"]),
    "tunnels:\n  a:\n    host: h\n    local: {listen: 1, target: }\n": (":4:", ["target"]),
    GOOD.replace("1:h:2", "[1:h:2, 1:h:3]"): (":6:", ["1"]),
    "daemon: {workers: -1}\ntunnels: {}\n": (":1:19: ", ["workers"]),
    "daemon: {log_level: loud}\ntunnels: {}\n": (":1:21: ", ["loud", "debug"]),
    "tunnels: {}\n---\ntunnels: {}\n": (":", ["document"]),
}


@pytest.mark.parametrize("text", WRONG_TEXTS)
def test_one_mistake(daemon, text):
    place, words = WRONG_TEXTS[text]
    has(problems(daemon, text), f"{daemon.config_path}{place}", *words)


def test_two_tunnels_on_one_port(daemon):
    lines = problems(
        daemon,
        "tunnels:\n  a: {host: h, user: u, identity: /k, local: '7777:h:2'}\n"
        "  b: {host: h, user: u, identity: /k, local: '7777:h:3'}\n",
    )
    has(lines, ":3:", "7777", "a")


def test_a_password_in_a_file_others_can_read(daemon):
    text = GOOD + "    dynamic: {listen: 1080, user: me, password: open-sesame}\n"
    daemon.write(text)
    daemon.config_path.chmod(0o600)
    assert daemon.check().returncode == 0
    daemon.config_path.chmod(0o640)
    result = daemon.check()
    said = result.stdout + result.stderr
    assert result.returncode == 1 and f"chmod 600 {daemon.config_path}" in said
    assert "open-sesame" not in said


HUGE = GOOD + "# " + "x" * (2 << 20) + "\n"
DEEP = "tunnels: " + "[" * 100000 + "]" * 100000 + "\n"
DEEP_BLOCK = "".join("  " * i + "a:\n" for i in range(3000))
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
LONG_KEY = '"' + "k" * 200000 + '": 1\n'


HOSTILE = {
    "huge": HUGE,
    "deep": DEEP,
    "deep-in-blocks": DEEP_BLOCK,
    "alias-bomb": BOMB,
    "not-utf-8": GOOD.encode() + b"# \xff\xfe\n",
    "utf-16": GOOD.encode("utf-16"),
    "binary": bytes(range(256)) * 16,
    "nul": GOOD.encode() + b"\0",
    "long-key": LONG_KEY,
    "half-written": GOOD[:-20] + '"',
    "cut-in-a-mapping": "tunnels: {t: {host: h, local: ",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(daemon, name):
    lines = problems(daemon, HOSTILE[name])
    assert any(str(daemon.config_path) in line for line in lines), lines
    for line in lines:
        assert len(line) < 1000 and is_one_harmless_line(line), f"{name}: {line!r}"


@pytest.mark.parametrize("name", ["huge", "deep", "alias-bomb", "not-utf-8", "half-written"])
def test_a_reload_of_hostile_files_disturbs_nothing(simple, name):
    with simple.connect() as sock:
        client.ping(sock)
        simple.daemon.write(HOSTILE[name])
        result = simple.daemon.ctl("reload", check=1)
        assert str(simple.daemon.config_path) in result.stderr
        client.ping(sock)
    assert simple.daemon.tunnel("t")["state"] == "up"
    simple.daemon.assert_no_stall()


def test_a_start_with_a_wrong_config_exits_1_with_the_same_words(daemon):
    daemon.write("tunnels:\n  a:\n    hots: h\n")
    said = problems(daemon, "tunnels:\n  a:\n    hots: h\n")
    daemon.spawn()
    daemon.expect_exit(1, 5)
    place = next(line for line in said if ":3:5: " in line)
    assert place.split(":3:5: ")[1] in daemon.log
    assert not daemon.socket.exists()


def test_a_config_that_is_missing(daemon):
    daemon.config_path.unlink()
    result = daemon.check()
    assert result.returncode == 1
    assert str(daemon.config_path) in result.stderr and "No such file" in result.stderr


def test_a_fresh_account_needs_no_directories(lab):
    """Without XDG_RUNTIME_DIR the socket lies below ~/.local/state, which useradd does not make."""
    home = lab.path("home")
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run/me")}
    daemon = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", str(build.TUNNELD), "--user"],
        stdin=subprocess.DEVNULL,
        env=env,
    )
    try:
        socket = home / "run/me/tunneld/control.sock"
        until(socket.exists, 5, "the control socket is there")
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0


def test_a_config_that_is_a_directory(daemon):
    daemon.config_path.unlink()
    daemon.config_path.mkdir()
    result = daemon.check()
    assert result.returncode == 1 and "directory" in result.stderr.lower()


def test_a_config_that_is_a_pipe_does_not_hang(daemon):
    daemon.config_path.unlink()
    os.mkfifo(daemon.config_path)
    assert daemon.check().returncode == 1


def test_a_config_that_may_not_be_read(lab, daemon):
    daemon.config_path.chmod(0)
    command = [str(build.TUNNELD), "--check", "-c", str(daemon.config_path)]
    if os.geteuid() == 0:
        for path in (lab.directory, daemon.directory):
            path.chmod(0o755)
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
    result = subprocess.run(
        command, capture_output=True, text=True, env=daemon.env, timeout=20, check=False
    )
    assert result.returncode == 1
    assert str(daemon.config_path) in result.stderr and "ermission denied" in result.stderr


def test_include_reads_in_order_and_names_the_right_file(lab):
    sshd, echo, port, other = lab.sshd(), lab.echo(), lab.port(), lab.port()
    config = lab.config(
        {"a": {"host": sshd.address, "local": local(port, echo.port)}}, include=["tunnels.d/*.yaml"]
    )
    daemon = lab.daemon(config, start=False)
    (daemon.directory / "tunnels.d").mkdir()
    second = daemon.directory / "tunnels.d" / "b.yaml"
    second.write_text(
        f"tunnels:\n  b:\n    host: {sshd.address}\n    local: {local(other, echo.port)}\n"
    )
    daemon.start()
    daemon.wait_all("up", 10)
    assert daemon.tunnel("b")["source"] == str(second)
    assert client.exchange(other) == b"hello"
    second.write_text("tunnels:\n  b:\n    host: h\n    locl: 1\n")
    assert f"{second}:4:5: " in daemon.ctl("reload", check=1).stderr
    second.unlink()
    daemon.ctl("reload", check=0)
    assert list(daemon.tunnels()) == ["a"]


def test_include_of_itself_ends(daemon):
    daemon.write("include: [tunneld.yaml]\ntunnels: {}\n")
    assert daemon.check().returncode in (0, 1)


def test_include_of_a_file_that_is_not_there(daemon):
    lines = problems(daemon, "include: [nowhere.yaml]\ntunnels: {}\n")
    has(lines, f"{daemon.config_path}:1:", "nowhere.yaml")


def test_hosts_defaults_and_tunnel_the_nearest_wins(lab):
    sshd, echo, port = lab.sshd(), lab.echo(), lab.port()
    config = lab.config(
        {"t": {"host": "box", "local": local(port, echo.port), "hold": "3s"}},
        {"keepalive": {"interval": "5s", "count": 7}, "hold": "1s", "user": "nobody-there"},
        hosts={
            "box": {
                "address": sshd.address,
                "user": lab.config({})["defaults"]["user"],
                "keepalive": {"interval": "6s", "count": 7},
                "hold": "2s",
            }
        },
    )
    daemon = lab.daemon(config)
    daemon.wait_state("t", "up")
    settings = daemon.inspect("t")["settings"]
    assert settings["keepalive_interval_ms"] == 6000 and settings["hold_ms"] == 3000
    assert daemon.tunnel("t")["host"] == "box"


def test_inspect_tells_every_setting_that_is_in_force(lab):
    """In one object, by the words of the configuration; where a secret stands, never what it is."""
    secret = lab.write("secret", "open sesame\n")
    tunnel = {
        "host": "me@127.0.0.1:1",
        "local": local(lab.port(), 1),
        "start": "manual",
        "proxy": "socks5://me:hidden@127.0.0.1:1080",
        "passphrase": str(secret),
        "host_key": "accept-new",
        "kex": "curve25519-sha256",
        "compression": True,
        "rekey": "1G 1h",
        "address_family": "inet",
        "ip_qos": "cs1",
    }
    daemon = lab.daemon(lab.config({"t": tunnel}), start=False)
    daemon.config_path.chmod(0o600)
    daemon.start()
    settings = daemon.inspect("t")["settings"]
    expected = {
        "original": "127.0.0.1",
        "port": 1,
        "user": "me",
        "proxy": "socks5://me@127.0.0.1:1080",
        "passphrase": str(secret),
        "password": None,
        "host_key": ["accept-new"],
        "kex": "curve25519-sha256",
        "compression": True,
        "rekey_kib": 1 << 20,
        "rekey_ms": 3600000,
        "address_family": "inet",
        "ip_qos": 0x20,
        "share": True,
    }
    assert settings == {**settings, **expected}
    shown = daemon.ctl("inspect", "t", check=0).stdout
    assert "accept-new" in shown and "socks5://me@127.0.0.1:1080" in shown
    for text in (shown, daemon.ctl("--json", "inspect", "t", check=0).stdout):
        assert "hidden" not in text and "sesame" not in text
