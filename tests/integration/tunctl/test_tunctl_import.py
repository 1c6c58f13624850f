"""tunctl import: what people have today becomes YAML that tunneld reads."""

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess

import pytest
from fake import HEARS_SIGNALS, TUNCTL, environment

TUNNELD = TUNCTL.parent.parent / "daemon" / "tunneld"


def run(*args, expect=0, text="", **options):
    result = subprocess.run(
        [str(TUNCTL), *args],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment() | options.pop("env", {}),
        **options,
    )
    assert result.returncode == expect, result
    return result


def check(tmp_path, text):
    """The daemon reads what was printed."""
    path = tmp_path / "imported.yaml"
    path.write_text(text)
    checked = subprocess.run(
        [str(TUNNELD), "--user", "--check", "-c", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(),
    )
    assert checked.returncode == 0, (text, checked.stderr)


def imported(tmp_path, *args, **options):
    """What is printed, after tunneld has read it, and the same as objects."""
    text = run("import", *args, **options).stdout
    check(tmp_path, text)
    return text, json.loads(run("--json", "import", *args, **options).stdout)


HARMLESS = [
    ("ssh -fN -L 5432:db:5432 me@host", {"host": "me@host", "local": "5432:db:5432"}),
    ("/usr/bin/ssh -N -D1080 h", {"host": "h", "dynamic": "1080"}),
    (
        "ssh -fN -L 1:a:1 -L 2:b:2 -J admin@jump,j2:2222 -p 2222 -l me host",
        {"host": "me@host:2222", "local": ["1:a:1", "2:b:2"], "jump": ["admin@jump", "j2:2222"]},
    ),
    (
        "autossh -M 20000 -f -N -R 2222:localhost:22 -i /k -o ServerAliveInterval=30 h",
        {
            "host": "h",
            "remote": "2222:localhost:22",
            "identity": "/k",
            "keepalive": {"interval": "30s"},
        },
    ),
    # -M of ssh itself takes no value.
    ("ssh -M -N -L 1:a:1 h", {"host": "h", "local": "1:a:1"}),
    (
        "env AUTOSSH_GATETIME=0 AUTOSSH_PORT=0 SSH_AUTH_SOCK=/a.sock autossh -N -L 1:a:1 h",
        {"host": "h", "local": "1:a:1", "identity_agent": "/a.sock"},
    ),
    (
        "sudo -u tunnel ssh -N -L 1:a:1 h",
        {"host": "h", "user": "tunnel", "local": "1:a:1"},
    ),
    ("sudo -u tunnel ssh -N -L 1:a:1 me@h", {"host": "me@h", "local": "1:a:1"}),
    (
        "ssh -NC -o ControlMaster=auto -L 1:a:1 h",
        {"host": "h", "local": "1:a:1", "compression": "yes"},
    ),
    (
        "ssh -N -o HostName=10.0.0.1 -o HostKeyAlias=h -o StrictHostKeyChecking=accept-new -L 1:a:1 h",
        {
            "host": "10.0.0.1",
            "host_key_alias": "h",
            "host_key": "accept-new",
            "local": "1:a:1",
        },
    ),
    (
        "ssh -N -o RekeyLimit='1G 1h' -o KexAlgorithms=curve25519-sha256 -L 1:a:1 h",
        {"host": "h", "rekey": "1G 1h", "kex": "curve25519-sha256", "local": "1:a:1"},
    ),
    ("ssh -N -o 'LocalForward 1 [::1]:2' h", {"host": "h", "local": "1:[::1]:2"}),
    ("ssh -N -L /tmp/x.sock:/run/y.sock h", {"host": "h", "local": "/tmp/x.sock:/run/y.sock"}),
    ("ssh -N -L '*:1:a:1' h", {"host": "h", "local": "*:1:a:1"}),
    (
        "ssh -N -o ProxyCommand='nc -X 5 -x p:1080 %h %p' -L 1:a:1 h",
        {"host": "h", "proxy_command": "nc -X 5 -x p:1080 %h %p", "local": "1:a:1"},
    ),
    ("ssh -N -i ~/.ssh/k -L 1:a:1 h", {"host": "h", "identity": "~/.ssh/k", "local": "1:a:1"}),
]


@pytest.mark.parametrize("line, tunnel", HARMLESS)
def test_what_can_be_carried_has_no_comment(tmp_path, line, tunnel):
    text, found = imported(tmp_path, text=line)
    assert list(found["tunnels"].values()) == [tunnel]
    assert "#" not in text


COMMENTED = [
    ("ssh -A -N -L 1:a:1 h", "-A: needs a command on the server"),
    ("ssh -X -N -L 1:a:1 h", "-X: needs a command"),
    ("ssh -W b:22 -L 1:a:1 h", "-W b:22: belongs to one standard input"),
    ("ssh -w 0:0 -N -L 1:a:1 h", "-w 0:0: makes a network interface"),
    ("ssh -F /etc/x -N -L 1:a:1 h", "-F /etc/x: is said by 'ssh_config: PATH'"),
    ("ssh -N -L 1:a:1 -S /x h", "-S /x: is not needed"),
    ("ssh -L 1:a:1 h sleep 60", "no command is run on the server: sleep 60"),
    ("ssh -Z -N -L 1:a:1 h", "-Z: tunneld does not know it"),
    ("ssh -s -N -L 1:a:1 h", "-s: tunneld does not know it"),
    ("ssh -N -o Nonsense=1 -L 1:a:1 h", "Nonsense: "),
    ("ssh -N -o x -L 1:a:1 h", "-o x: write KEY=VALUE"),
    ("ssh -N -o ForwardX11=yes -L 1:a:1 h", "ForwardX11 yes: no command runs"),
    ("ssh -N -o StrictHostKeyChecking=no -L 1:a:1 h", "always checks host keys"),
    ("ssh -N -c aes128-cbc,aes256-ctr -L 1:a:1 h", "Ciphers aes128-cbc: not offered"),
    ("ssh -N -m hmac-md5 -L 1:a:1 h", "MACs hmac-md5: not offered"),
    ("ssh -N -L 1:a:1 -R /tmp/s:a:1 h", "remote: \"/tmp/s:a:1\": "),
    ("ssh -N -L 1:a:1 -L nonsense h", "local: \"nonsense\": "),
    ("ssh -N -L 1:a:1 -R 1080 h", "RemoteForward 1080: the server's clients may go anywhere"),
    ("ssh -N -L 1:a:1 -R 1:a:x h", "remote: \"1:a:x\": "),
    ("ssh -tt -L 1:a:1 h", "-t: needs a command on the server"),
    ("sshpass -p 'a secret' ssh -N -L 1:a:1 h", "sshpass: write the password into a file"),
    ("ssh -N -o Compression=yes -o Compression=no -L 1:a:1 h", "compression: "),
    ("ssh -N -o ConnectTimeout=x -L 1:a:1 h", "connect_timeout: \"x\": "),
    ("AUTOSSH_POLL=5 autossh -N -L 1:a:1 h", "AUTOSSH_POLL=5: "),
    ("ssh -N -i $KEY -L 1:a:1 h", "not expanded: $KEY"),
    # What a comment quotes stays in its line.
    ("ssh -L 1:a:1 h 'x\\\ntunnels: {}'", "no command is run on the server: x"),
]


@pytest.mark.parametrize("line, comment", COMMENTED)
def test_what_cannot_be_carried_is_a_comment(tmp_path, line, comment):
    text, found = imported(tmp_path, text=line)
    assert any(comment in one for one in found["comments"]["h"]), found
    assert found["tunnels"]["h"]["local"] == "1:a:1"
    commented = [one for one in text.splitlines() if one.startswith("  # ")]
    assert len(commented) == len(found["comments"]["h"]) == len(set(commented))
    assert "a secret" not in text


def test_the_line_itself_is_enough(tmp_path):
    text, _ = imported(tmp_path, "ssh", "-fN", "-L", "5432:db:5432", "me@host", "-p", "22")
    assert text == "tunnels:\n  host:\n    host: me@host:22\n    local: 5432:db:5432\n"
    assert imported(tmp_path, "--", "ssh", "-fN", "-L", "5432:db:5432", "me@host:22")[0] == text
    named, _ = imported(tmp_path, "--name", "db", "ssh", "-fN", "-L", "5432:db:5432", "h")
    assert named.startswith("tunnels:\n  db:\n")


def test_relative_paths_become_absolute(tmp_path):
    _, found = imported(tmp_path, "ssh", "-i", "k", "-L", "x.sock:a:1", "-L", "d/x:b:2", "h", cwd=tmp_path)
    assert found["tunnels"]["h"]["identity"] == f"{tmp_path}/k"
    assert found["tunnels"]["h"]["local"] == f"{tmp_path}/d/x:b:2"


def test_a_proxy_for_the_server_s_clients(tmp_path):
    _, found = imported(tmp_path, "ssh", "-N", "-R", "1080", "-R", "2222:localhost:22", "h")
    assert found["tunnels"]["h"]["remote"] == [
        {"listen": "1080", "allow": ["any"]},
        "2222:localhost:22",
    ]


@pytest.mark.parametrize("path", ["$HOME/.ssh/a key", "${HOME}/.ssh/a key"])
def test_the_home_directory(tmp_path, path):
    text, found = imported(tmp_path, text=f'ssh -N -i "{path}" -oUserKnownHostsFile=$HOME/k -L 1:a:1 h')
    assert found["tunnels"]["h"]["identity"] == "~/.ssh/a key"
    assert found["tunnels"]["h"]["known_hosts"] == "~/k"
    assert "#" not in text


@pytest.mark.parametrize("option, path", [("-f /k/pw", "/k/pw"), ("-fpw", "{0}/pw"), ("-v -f ~/pw", "~/pw")])
def test_a_password_file_of_sshpass(tmp_path, option, path):
    line = f"sshpass {option} autossh -M 0 -N -L 1:a:1 h"
    text, found = imported(tmp_path, text=line, cwd=tmp_path)
    assert found["tunnels"]["h"]["password"] == path.format(tmp_path)
    assert "#" not in text


CRONTAB = """\
# what keeps us going
MAILTO=root
@reboot ssh -fN -L 5432:db:5432 me@a >/dev/null 2>&1 &
*/5 * * * * pgrep -f "ssh -N -R" || ssh -f -N -R 2222:localhost:22 b
17 *  * * * tunnel autossh -M0 -fN -D 1080 c
while true; do ssh -N -L 1:a:1 a; sleep 10; done
sh -c 'exec nohup ssh -N -L 2:a:2 \\
    d'
ssh host uptime
"""


def test_a_crontab(tmp_path):
    text, found = imported(tmp_path, text=CRONTAB)
    assert found["tunnels"] == {
        "a": {"host": "me@a", "local": "5432:db:5432"},
        "b": {"host": "b", "remote": "2222:localhost:22"},
        "c": {"host": "c", "user": "tunnel", "dynamic": "1080"},
        "a-2": {"host": "a", "local": "1:a:1"},
        "d": {"host": "d", "local": "2:a:2"},
    }
    assert "# MAILTO=root (neither ssh nor autossh is run)\n" in text
    assert "# ssh host uptime ('host' has no -L, -R or -D: there is nothing to keep alive)\n" in text


UNIT = """\
[Unit]
Description=A tunnel
After=network-online.target

[Service]
User=nobody
Environment="AUTOSSH_GATETIME=0" "OPTIONS=-L 1:a:1 -L 2:b:2"
EnvironmentFile={directory}/%p.env
ExecStart=/usr/bin/autossh -M 0 -N -o "ServerAliveInterval 30" \\
    -o ExitOnForwardFailure=yes \\
# not this one: -L 9:x:9
    $OPTIONS -i ${{KEYS}}/id -p $$22 %i.example.com
Restart=always

[Install]
WantedBy=multi-user.target
"""


def test_a_unit(tmp_path):
    template = tmp_path / "autossh@.service"
    template.write_text(UNIT.format(directory=tmp_path).replace(" -p $$22", ""))
    (tmp_path / "autossh.env").write_text("# keys\nKEYS=/srv/keys\n")
    text, found = imported(tmp_path, "--unit", f"{tmp_path}/autossh@db.service")
    assert found["tunnels"] == {
        "db": {
            "host": "db.example.com",
            "user": "nobody",
            "keepalive": {"interval": "30s"},
            "exit_on_forward_failure": "yes",
            "local": ["1:a:1", "2:b:2"],
            "identity": "/srv/keys/id",
        }
    }
    assert "#" not in text


def test_a_unit_that_finds_its_keys_by_itself(tmp_path):
    unit = tmp_path / "autossh-web.service"
    unit.write_text("[Service]\nExecStart=-/usr/bin/ssh -NT -i ~/k -R 80:localhost:80 h\n")
    text, found = imported(tmp_path, "--unit", str(unit))
    assert found["tunnels"]["web"]["user"] == "root"
    assert found["tunnels"]["web"]["identity"] == "/root/k"
    unit.write_text("[Service]\nExecStart=-/usr/bin/ssh -NT -R 80:localhost:80 me@h\n")
    text, _ = imported(tmp_path, "--unit", str(unit))
    assert "keys and known_hosts of 'root' are not found by themselves" in text


def write_unit(tmp_path, *lines, name="autossh-db.service"):
    unit = tmp_path / name
    unit.write_text("\n".join(["[Service]", *lines, ""]))
    return str(unit)


@pytest.mark.parametrize("prefix", ["@{} ssh", "-@{} ssh", "@!!{} autossh", ":{}", "-{}", "|{}"])
def test_the_prefixes_of_a_command(tmp_path, prefix):
    command = prefix.format("/usr/bin/ssh")
    unit = write_unit(tmp_path, "User=nobody", f"ExecStart={command} -N -i /k -L 1:a:1 h")
    text, found = imported(tmp_path, "--unit", unit)
    assert found["tunnels"]["db"] == {"host": "h", "user": "nobody", "identity": "/k", "local": "1:a:1"}
    assert ("#" in text) == ("|" in prefix)


@pytest.mark.parametrize("prefix", ["+", "!", "-!"])
def test_a_command_with_privileges_runs_as_root(tmp_path, prefix):
    unit = write_unit(tmp_path, "User=nobody", f"ExecStart={prefix}/usr/bin/ssh -N -i ~/k -L 1:a:1 h")
    _, found = imported(tmp_path, "--unit", unit)
    assert found["tunnels"]["db"]["user"] == "root"
    assert found["tunnels"]["db"]["identity"] == "/root/k"


def test_a_unit_with_several_commands(tmp_path):
    unit = write_unit(
        tmp_path,
        "Type=oneshot",
        "ExecStartPre=/bin/sleep 5",
        "ExecStart=/usr/bin/ssh -fN -i /k -L 1:a:1 a ; /usr/bin/ssh -fN -i /k -L 2:b:2 b",
        "ExecStart=/bin/true",
        "ExecStart=-/usr/bin/ssh -fN -i /k -D ${PORT} c",
        "Environment=PORT=1080",
    )
    text, found = imported(tmp_path, "--unit", unit)
    assert [(name, one["host"]) for name, one in found["tunnels"].items()] == [
        ("db", "a"),
        ("db-2", "b"),
        ("db-3", "c"),
    ]
    assert found["tunnels"]["db-3"]["dynamic"] == "1080"
    assert text.startswith("# ExecStart=/bin/true ('true' is neither ssh nor autossh")
    assert text.count("# not run: ExecStartPre=/bin/sleep 5\n") == 3


def test_drop_ins_stand_behind_their_unit(tmp_path):
    unit = write_unit(tmp_path, "Environment=PORT=1", "ExecStart=/usr/bin/ssh -N -i /k -L 9:z:9 h")
    override = write_unit(
        tmp_path,
        "Environment=PORT=2",
        "EnvironmentFile=" + str(tmp_path / "env"),
        "ExecStart=",
        "ExecStart=/usr/bin/ssh -N -i /k $FORWARDS -L ${PORT}:c:3 h",
        name="override.conf",
    )
    (tmp_path / "env").write_text("FORWARDS=-L 1:a:1  -L 2:b:2\nPORT='3'\n")
    text, found = imported(tmp_path, "--unit", unit, "--unit", override)
    assert found["tunnels"]["db"]["local"] == ["1:a:1", "2:b:2", "3:c:3"]
    assert "#" not in text
    run("import", "--unit", unit, "--unit", f"{tmp_path}/none.conf", expect=1)


def test_drop_ins_beside_a_unit(tmp_path):
    """All directories of systemd.unit(5); sorted by name, whatever the directory; the nearest wins."""

    def drop_in(directory, name, *lines):
        (tmp_path / directory).mkdir(exist_ok=True)
        path = tmp_path / directory / name
        path.write_text("[Service]\n" + "".join(f"{line}\n" for line in lines) if lines else "")
        return path

    unit = tmp_path / "autossh-x@db.service"
    template = tmp_path / "autossh-x@.service"
    template.write_text("[Service]\nEnvironment=A=0 B=0 C=0 D=0 E=0\nExecStart=/bin/true\n")
    read = [
        drop_in("autossh-x@.service.d", "10.conf", "Environment=A=1 B=1 C=1 D=1"),
        drop_in("service.d", "20.conf", "Environment=B=2 C=2 D=2"),
        drop_in("autossh-@db.service.d", "30.conf", "Environment=C=3 D=3"),
        drop_in(
            "autossh-x@db.service.d",
            "40.conf",
            "Environment=D=4",
            "ExecStart=",
            "ExecStart=/usr/bin/ssh -N -i /k -L 1${A}:h${B}:${C} -L 2:h:${D}${E} h",
        ),
    ]
    others = [
        drop_in("autossh-x@.service.d", "40.conf", "Environment=D=9"),
        drop_in("autossh-x@other.service.d", "50.conf", "Environment=D=9"),
        drop_in("autossh-x@db.service.d", ".60.conf", "Environment=D=9"),
        drop_in("autossh-x@db.service.d", "70.conf~", "Environment=D=9"),
        drop_in("autossh-x@.service.d", "80.conf", "Environment=D=9"),
        drop_in("autossh-x@db.service.d", "80.conf"),
    ]
    os.mkfifo(tmp_path / "autossh-x@db.service.d" / "90.conf")
    text, found = imported(tmp_path, "--unit", str(unit))
    assert found["tunnels"]["x-db"]["local"] == ["11:h2:3", "2:h:40"]
    notes = [line for line in text.splitlines() if "drop-in" in line]
    assert [line.strip() for line in notes] == [f"# with its drop-in {path}" for path in read]
    assert not any(str(path) in text for path in others)


def test_a_drop_in_that_is_named_as_well(tmp_path):
    """It is read once, where it was named."""
    unit = write_unit(tmp_path, "Type=oneshot", "ExecStart=/usr/bin/ssh -N -i /k -L 1:a:1 a")
    directory = tmp_path / (os.path.basename(unit) + ".d")
    directory.mkdir()
    for name, port in (("10", 3), ("20", 2)):
        line = f"ExecStart=/usr/bin/ssh -N -i /k -L {port}:a:1 a{port}"
        (directory / f"{name}.conf").write_text(f"[Service]\n{line}\n")
    text, found = imported(tmp_path, "--unit", unit, "--unit", str(directory / "10.conf"))
    assert [one["host"] for one in found["tunnels"].values()] == ["a", "a2", "a3"]
    assert "20.conf" in text and "10.conf" not in text


def test_what_a_unit_does_not_set_is_said(tmp_path):
    unit = write_unit(tmp_path, "ExecStart=/usr/bin/ssh -N -i /k $OPTIONS -L 1:a:1 -L /run/%b:b:2 -p ${PORT}22 h")
    text, found = imported(tmp_path, "--unit", unit)
    assert found["tunnels"]["db"]["local"] == ["1:a:1", "/run/%b:b:2"]
    assert "# the unit does not set $OPTIONS\n" in text
    assert "# the unit does not set $PORT\n" in text and "# not expanded: %b\n" in text


# -- ~/.ssh/config ----------------------------------------------------------------------------------

SSH = """\
#!/bin/sh
# OpenSSH reads the home of the password database: this is ssh with another file.
shift
[ "$1" = -F ] || set -- -F {config} "$@"
exec /usr/bin/ssh -G "$@"
"""

CONFIG = """\
Host db
    HostName 10.0.0.%h
    User deploy
    Port 2222
    IdentityFile ~/.ssh/id_%r
    ProxyJump admin@jump:22,192.0.2.1
    LocalForward 5432 localhost:5432
    LocalForward /tmp/x.sock /run/y.sock
    RemoteForward 2222 localhost:22
    RemoteForward 1080
    RequestTTY yes
    Include more
Host jump
    HostName jump.example.com
    IdentityFile /k/jump
Host plain
    User me
Host *
    ServerAliveInterval 30
"""


def ssh_config(tmp_path, text):
    config = tmp_path / "config"
    config.write_text(text)
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    ssh = programs / "ssh"
    ssh.write_text(SSH.format(config=config))
    ssh.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


def test_a_host_of_ssh_config(tmp_path):
    more = tmp_path / "more"
    more.write_text("Compression yes\n")
    env = ssh_config(tmp_path, CONFIG.replace("Include more", f"Include {more}"))
    text, found = imported(tmp_path, "--ssh-config", "db", env=env)
    assert found["hosts"] == {
        "db": {
            "address": "10.0.0.db:2222",
            "user": "deploy",
            "identity": ["~/.ssh/id_deploy", "agent"],
            "jump": ["admin@jump:22", "192.0.2.1"],
            "compression": "yes",
            "keepalive": {"interval": "30s"},
        },
        "jump": {
            "address": "jump.example.com",
            "identity": ["/k/jump", "agent"],
            "keepalive": {"interval": "30s"},
        },
        "192.0.2.1": {"address": "192.0.2.1", "keepalive": {"interval": "30s"}},
    }
    assert found["tunnels"] == {
        "db": {
            "host": "db",
            "local": ["5432:localhost:5432", "/tmp/x.sock:/run/y.sock"],
            "remote": ["2222:localhost:22", {"listen": "1080", "allow": ["any"]}],
        }
    }
    assert "RequestTTY" in text and "1080: the server's clients may go anywhere" in text


def test_a_host_without_forwards(tmp_path):
    env = ssh_config(tmp_path, CONFIG)
    text, found = imported(tmp_path, "--ssh-config", "plain", env=env)
    assert found["tunnels"] == {}
    assert found["hosts"]["plain"]["user"] == "me"
    assert "# the host has no LocalForward" in text


def test_a_config_with_a_mistake(tmp_path):
    env = ssh_config(tmp_path, "Host a\n    Nonsense yes\n")
    result = run("import", "--ssh-config", "a", env=env, expect=1)
    assert result.stderr == (
        f"tunctl: {tmp_path}/config:2: ssh: Bad configuration option: nonsense\n"
    )
    assert result.stdout == ""


def test_without_ssh(tmp_path):
    result = run("import", "--ssh-config", "a", env={"PATH": str(tmp_path)}, expect=1)
    assert "ssh is not installed" in result.stderr


HANGING_SSH = """\
#!/bin/sh
for word in "$@"; do
    [ "$word" = slow ] && { echo $$ > /dev/fd/$LINE; WAIT; }
done
exec /usr/bin/ssh "$@"
"""


def ends(line, seconds=2):
    """Nobody is left who could write to it; the time of ssh would not be over yet."""
    return bool(select.select([line], [], [], seconds)[0]) and line.read() == ""


@contextlib.contextmanager
def import_of_slow(tmp_path, wait, under=(), **options):
    """tunctl, which asks an ssh that waits, and a line that ends with the last process of all."""
    ssh = tmp_path / "ssh"
    ssh.write_text(HANGING_SSH.replace("WAIT", wait))
    ssh.chmod(0o755)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*under, str(TUNCTL), "import", "--ssh-config", "slow"],
        env=environment() | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LINE": str(writer)},
        pass_fds=[writer],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    os.close(writer)
    with process, open(reader, encoding="ascii") as line:
        group = int(line.readline())
        try:
            yield process, line
        finally:
            process.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ssh_that_hangs_ends_with_tunctl(tmp_path, signo):
    """And what it has started."""
    with import_of_slow(tmp_path, "sleep 1000 & wait", HEARS_SIGNALS) as (process, line):
        process.send_signal(signo)
        assert ends(line)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == -signo


def test_an_ssh_that_hangs_ends_with_a_tunctl_that_is_killed(tmp_path):
    with import_of_slow(tmp_path, "exec sleep 1000") as (process, line):
        process.kill()
        assert ends(line)


def test_a_signal_that_is_ignored_interrupts_nothing(tmp_path):
    """As below nohup."""
    release = tmp_path / "release"
    os.mkfifo(release)

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with import_of_slow(tmp_path, f"read -r _ < {release}", preexec_fn=ignore) as (process, _):
        process.send_signal(signal.SIGHUP)
        release.write_text("go on\n")
        output, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (0, "")
        assert "address: slow" in output


@pytest.mark.parametrize(
    "args, text, expect, words",
    [
        ([], "", 1, "there is no command line"),
        ([], "uptime\n", 1, "neither ssh nor autossh"),
        ([], "ssh 'h\n", 1, "is not closed"),
        (["ssh", "h"], "", 1, "no -L, -R or -D"),
        (["ssh", "-L", "1:a:1"], "", 1, "no host is named"),
        (["uptime"], "", 1, "neither ssh nor autossh"),
        (["ssh", "-L", "1:a:1", "a/b"], "", 1, "host"),
        (["ssh", "-L", "1:a:1", "-p", "0", "h"], "", 2, "port"),
        (["ssh", "-L", "nonsense", "h"], "", 1, "'nonsense' is not a forward"),
        (["ssh", "-L", "70000:a:1", "h"], "", 1, "'70000' is not a port"),
        (["--name", "a/b", "ssh", "-L", "1:a:1", "h"], "", 2, "is not a name"),
        (["--unit", "/nonexistent"], "", 1, "cannot read /nonexistent: No such file"),
        (["--unit", "x", "--ssh-config", "y"], "", 2, "exclude each other"),
        (["--unit", "/dev/zero"], "", 1, "is no text file"),
        (["--nonsense"], "", 2, "unknown option"),
    ],
)
def test_refused(args, text, expect, words):
    result = run("import", *args, text=text, expect=expect)
    assert words in result.stderr and result.stdout == ""


def test_every_case_is_checked_by_the_daemon():
    """The daemon of this tree, not one that is installed."""
    assert TUNNELD.exists() and pathlib.Path(TUNCTL).exists()
