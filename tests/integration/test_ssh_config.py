"""Hosts of ~/.ssh/config: what ssh does with a name, tunneld does with it."""

import getpass
import os
import subprocess
import time

import pytest

from harness import agent as agents
from harness import build, client, proc
from harness.lab import local
from harness.wait import until

# OpenSSH reads the home of the password database, not $HOME: this is ssh with another home, first in
# PATH, as it looks to a daemon whose user has that file.
OWN_SSH = """\
#!/bin/sh
echo "$@" >> {log}
for word in "$@"; do [ "$word" = -F ] && exec /usr/bin/ssh "$@"; done
shift
exec /usr/bin/ssh -G -F {config} "$@"
"""


def stand_in(lab, script):
    """A program in place of ssh; the environment that finds it."""
    programs = lab.path("bin")
    programs.mkdir(exist_ok=True)
    ssh = programs / "ssh"
    ssh.write_text(script)
    ssh.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


def own_ssh(lab, config):
    return stand_in(lab, OWN_SSH.format(config=config, log=lab.path("asked")))


def entry(name, server, lab, *more):
    """A Host of ssh_config(5)."""
    lines = [
        f"Host {name}",
        "HostName 127.0.0.1",
        f"Port {server.port}",
        f"User {getpass.getuser()}",
        f"IdentityFile {lab.keys.client}",
        f"UserKnownHostsFile {lab.known_hosts()}",
        *more,
    ]
    return "\n    ".join(lines) + "\n"


def bare(tunnels, **top):
    """No defaults: everything comes from ssh's file."""
    return {**top, "tunnels": tunnels}


def test_everything_comes_from_a_file(lab):
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    lab.write("more.conf", "Host d*b\n    ServerAliveInterval 7\n")
    path = lab.write(
        "ssh.conf",
        f"Include {lab.path('more.conf')}\n"
        + entry("db", server, lab)
        + "Match originalhost db\n    ServerAliveCountMax 9\nHost *\n    ConnectTimeout 11\n",
    )
    daemon = lab.daemon(
        bare({"t": {"host": "db", "local": local(port, echo.port)}}, ssh_config=str(path)),
        args=["--user"],
    )
    daemon.wait_all("up", 15)
    assert client.exchange(port) == b"hello"
    assert daemon.tunnel("t")["host"] == "db"
    checked = daemon.check()
    assert checked.returncode == 0 and checked.stderr == ""


@pytest.mark.parametrize(
    "lines, works",
    [
        (["IdentityFile none"], True),
        (["IdentityFile {other}"], True),
        (["IdentityFile {other}", "IdentitiesOnly yes"], False),
    ],
)
def test_the_agent_has_what_the_files_have_not(lab, lines, works):
    """As with ssh, which offers the keys of its agent besides those that are named."""
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    agent = lab.keep(agents.Agent(lab.path("agent"))).add(lab.keys.client)
    other = lab.key("other")
    more = [line.format(other=other) for line in lines]
    host = entry("db", server, lab, f"IdentityAgent {agent.path}", *more)
    path = lab.write("ssh.conf", host.replace(f"IdentityFile {lab.keys.client}\n", ""))
    daemon = lab.daemon(
        bare({"t": {"host": "db", "local": local(port, echo.port)}}, ssh_config=str(path)),
        args=["--user"],
    )
    row = daemon.wait_state("t", ("up", "failed"), 15)
    assert (row["state"] == "up") == works, row["error"]
    assert works or row["error"]["code"] == "auth-refused"


def test_the_users_own_file_is_the_default(lab):
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    path = lab.write("ssh.conf", entry("db", server, lab, "SendEnv X"))
    daemon = lab.daemon(
        bare({"t": {"host": "db", "local": local(port, echo.port)}}),
        args=["--user"],
        env=own_ssh(lab, path),
    )
    daemon.wait_all("up", 15)
    assert client.exchange(port) == b"hello"
    asked = lab.path("asked").read_text().splitlines()
    assert "-G -oControlPath=%C -- db" in asked and len(asked) <= 3


def test_the_systems_instance_does_not_look(lab):
    path = lab.write("ssh.conf", "Host db\n    HostName 127.0.0.1\n")
    daemon = lab.daemon(
        lab.config({"t": {"host": "db", "local": local(lab.port(), 1)}}),
        args=["--system"],
        env=own_ssh(lab, path),
    )
    daemon.wait_state("t", "backoff")
    assert "cannot resolve 'db'" in daemon.tunnel("t")["error"]["message"]
    assert not lab.path("asked").exists()


def test_match_user_sees_the_user_of_the_tunnel(lab):
    """As with `ssh -l USER -p PORT db`: what is chosen by user and port, and what is made of them."""
    server, echo, ports = lab.sshd(), lab.echo(), lab.ports(2)
    key = lab.path("key-2-me")
    path = lab.write(
        "ssh.conf",
        f"Match user {getpass.getuser()} exec \"test %p = {server.port}\"\n"
        f"    IdentityFile {lab.path('key-%r-%p')}\n"
        f"Match user nobody.at.all\n    IdentityFile {key}\n"
        f"Host db\n    HostName 127.0.0.1\n    UserKnownHostsFile {lab.known_hosts()}\n",
    )
    os.symlink(lab.keys.client, lab.path(f"key-{getpass.getuser()}-{server.port}"))
    spec = {"host": f"db:{server.port}", "user": getpass.getuser()}
    daemon = lab.daemon(
        bare(
            {
                "t": {**spec, "local": local(ports[0], echo.port)},
                "other": {**spec, "user": "nobody.at.all", "local": local(ports[1], echo.port)},
            },
            ssh_config=str(path),
        ),
        args=["--user"],
    )
    daemon.wait_state("t", "up", 15)
    assert client.exchange(ports[0]) == b"hello"
    assert str(key) in daemon.wait_state("other", "failed", 15)["error"]["message"]


def test_tokens_are_what_they_are_to_ssh(lab):
    """The keys' names are made of every token; ssh itself says what they are, in what it replaces."""
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    tokens = "%%_%C_%h_%i_%k_%L_%l_%n_%p_%r_%u"
    text = entry("db", server, lab, "HostKeyAlias 127.0.0.1", "IdentityAgent none")
    text = text.replace(str(lab.keys.client), str(lab.path(f"key_{tokens}")))
    path = lab.write("ssh.conf", text)
    said = subprocess.run(
        ["ssh", "-G", "-F", path, "-o", f"ControlPath={tokens}", "db"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    name = next(line.split()[1] for line in said.splitlines() if line.startswith("controlpath "))
    assert "%C" not in name and len(name) > 40
    os.symlink(lab.keys.client, lab.path(f"key_{name}"))
    spec = {"host": "db", "local": local(port, echo.port)}
    known = lab.write("known", lab.known_hosts().read_text().replace("[127.0.0.1]:*", "127.0.0.1"))
    config = bare({"t": {**spec, "known_hosts": [str(known)]}}, ssh_config=str(path))
    daemon = lab.daemon(config, args=["--user"])
    daemon.wait_all("up", 15)
    assert client.exchange(port) == b"hello"
    assert daemon.check().stderr == ""


def test_jumps_are_hosts_as_well(lab):
    """Each with its own user, port and key."""
    first, second, target = lab.sshd(), lab.sshd(), lab.sshd()
    echo, port = lab.echo(), lab.port()
    path = lab.write(
        "ssh.conf",
        entry("outer", first, lab)
        + entry("inner", second, lab, "ProxyJump outer")
        + entry("db", target, lab, "ProxyJump inner"),
    )
    daemon = lab.daemon(
        bare({"t": {"host": "db", "local": local(port, echo.port)}}, ssh_config=str(path)),
        args=["--user"],
    )
    daemon.wait_all("up", 15)
    assert client.exchange(port) == b"hello"
    assert len(daemon.tunnel("t")["hops"]) == 3


def test_forwards_of_ssh_config(lab):
    server, echo = lab.sshd(), lab.echo()
    ports = [lab.port() for _ in range(3)]
    path = lab.write(
        "ssh.conf",
        entry(
            "db",
            server,
            lab,
            f"LocalForward 127.0.0.1:{ports[0]} 127.0.0.1:{echo.port}",
            f"RemoteForward 127.0.0.1:{ports[1]} 127.0.0.1:{echo.port}",
            f"DynamicForward 127.0.0.1:{ports[2]}",
        ),
    )
    daemon = lab.daemon(
        bare({"t": {"host": "db", "forwards": "from-ssh-config"}}, ssh_config=str(path)),
        args=["--user"],
    )
    daemon.wait_all("up", 15)
    assert client.exchange(ports[0]) == client.exchange(ports[1]) == b"hello"
    assert [f["type"] for f in daemon.tunnel("t")["forwards"]] == ["local", "remote", "dynamic"]


def test_reload_reads_ssh_config_afresh(lab):
    old, new, echo, port = lab.sshd(), lab.sshd(), lab.echo(), lab.port()
    other = lab.port()
    path = lab.write("ssh.conf", entry("db", old, lab) + entry("same", old, lab))
    daemon = lab.daemon(
        bare(
            {
                "t": {"host": "db", "local": local(port, echo.port)},
                "same": {"host": "same", "local": local(other, echo.port)},
            },
            ssh_config=str(path),
        ),
        args=["--user"],
    )
    daemon.wait_all("up", 15)
    report = daemon.ctl_json("reload")
    assert report["changed"] == [] and report["unchanged"] == 2
    lab.write("ssh.conf", entry("db", new, lab) + entry("same", old, lab))
    report = daemon.ctl_json("reload")
    assert report["changed"] == ["t"] and report["unchanged"] == 1
    until(lambda: "Accepted publickey" in new.log, 10, "it went to the new server")
    daemon.wait_all("up", 15)
    assert client.exchange(port) == client.exchange(other) == b"hello"
    lab.write("ssh.conf", "Host db\n    Nonsense yes\n")
    result = daemon.ctl("reload", check=1)
    assert f"{path}:2:1: ssh: Bad configuration option: nonsense" in result.stderr
    assert client.exchange(port) == b"hello"


def test_add_asks_ssh(lab):
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    path = lab.write("ssh.conf", entry("db", server, lab))
    daemon = lab.daemon(bare({}, ssh_config=str(path)), args=["--user"])
    daemon.ctl("add", "t", "-L", local(port, echo.port), "db", check=0)
    assert client.exchange(port) == b"hello"
    refused = daemon.ctl("add", "u", "-L", "1:a:1", "-o", "hold=x", "db", check=1)
    assert "hold: " in refused.stderr
    assert not (daemon.state_dir / "added" / "u.json").exists()
    # It is as good after a restart.
    daemon.stop()
    daemon.start()
    daemon.wait_all("up", 15)
    assert client.exchange(port) == b"hello"


HANGING_SSH = """\
#!/bin/sh
for word in "$@"; do [ "$word" = slow ] && {{ echo $$ >> {pids}; sleep 1000 & wait; }}; done
exec /usr/bin/ssh "$@"
"""


def test_an_ssh_that_hangs_does_not_stall_the_supervisor(lab):
    """It is ended after its time with all it started, and others are served meanwhile."""
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    path = lab.write("ssh.conf", entry("db", server, lab))
    pids = lab.path("pids")
    daemon = lab.daemon(
        bare({"t": {"host": "db", "local": local(port, echo.port)}}, ssh_config=str(path)),
        args=["--user"],
        env=stand_in(lab, HANGING_SSH.format(pids=pids)),
    )
    daemon.wait_all("up", 15)
    adding = subprocess.Popen(
        [str(build.TUNCTL), "-s", str(daemon.socket), "add", "x", "-L", "1:a:1", "slow"],
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: pids.exists() and pids.read_text().strip(), 5, "ssh was asked")
    began = time.monotonic()
    assert daemon.tunnel("t")["state"] == "up" and client.exchange(port) == b"hello"
    assert time.monotonic() - began < build.limit(2)
    _, complaint = adding.communicate(timeout=build.limit(10))
    assert adding.returncode == 1
    assert "'ssh -G slow' took more than 3 s and was ended" in complaint
    until(lambda: not proc.is_alive(int(pids.read_text().split()[0])), 5, "it has ended")
    daemon.assert_no_stall()


def asked_about_slow(pids):
    """The ssh that hangs, and what it has started."""
    until(lambda: pids.exists() and pids.read_text().strip(), 10, "ssh was asked")
    ssh = int(pids.read_text().split()[0])
    until(lambda: proc.descendants(ssh), 5, "it waits for its sleep")
    return [ssh, *proc.descendants(ssh)]


def test_an_ssh_that_hangs_ends_with_the_daemon(lab):
    path, pids = lab.write("ssh.conf", ""), lab.path("pids")
    daemon = lab.daemon(
        bare({}, ssh_config=str(path)),
        args=["--user"],
        env=stand_in(lab, HANGING_SSH.format(pids=pids)),
    )
    adding = subprocess.Popen(
        [str(build.TUNCTL), "-s", str(daemon.socket), "add", "x", "-L", "1:a:1", "slow"],
        stderr=subprocess.DEVNULL,
    )
    hanging = asked_about_slow(pids)
    daemon.stop()
    until(lambda: not any(map(proc.is_alive, hanging)), 5, "it has ended with what it had started")
    assert adding.wait(30) != 0


@pytest.mark.parametrize("args", [["--user"], ["--user", "--check"]])
def test_an_ssh_that_hangs_ends_with_a_daemon_that_starts(lab, args):
    """SIGTERM ends it as it ends any program, and not alone."""
    path, pids = lab.write("ssh.conf", ""), lab.path("pids")
    daemon = lab.daemon(
        bare({"t": {"host": "slow", "local": "1:a:1"}}, ssh_config=str(path)),
        start=False,
        env=stand_in(lab, HANGING_SSH.format(pids=pids)),
    )
    process = subprocess.Popen(
        daemon.command(*args), env=daemon.env, stderr=subprocess.PIPE, text=True
    )
    hanging = asked_about_slow(pids)
    process.terminate()
    _, complaint = process.communicate(timeout=build.limit(5))
    assert (process.returncode, complaint) == (-15, "")
    until(lambda: not any(map(proc.is_alive, hanging)), 5, "what it had started has ended, too")


SLOW_SSH = """\
#!/bin/bash
echo + >> {log}
sleep 0.0$((RANDOM % 9))
/usr/bin/ssh "$@"
code=$?
echo - >> {log}
exit $code
"""


def test_many_hosts_are_asked_about_at_a_time(lab):
    """Four, and what comes of it does not depend on who answers first."""
    log = lab.path("asked")
    hosts = "".join(f"Host h{i}\n  ProxyJump j{i % 7}\n  SendEnv N{i}\n" for i in range(40))
    jumps = "".join(f"Host j{i}\n  ForwardX11 yes\n" for i in range(7))
    path = lab.write("ssh.conf", hosts + jumps + "Host j3\n  ProxyJump outer\n")
    tunnels = {f"t{i:02}": {"host": f"h{i}", "local": f"{2000 + i}:a:1"} for i in range(40)}
    daemon = lab.daemon(
        lab.config(tunnels, ssh_config=str(path)),
        start=False,
        env=stand_in(lab, SLOW_SSH.format(log=log)),
    )
    daemon.prefix = ["env", f"PATH={daemon.env['PATH']}"]
    said = [daemon.check() for _ in range(3)]
    assert [s.returncode for s in said] == [0, 0, 0]
    assert said[0].stderr == said[1].stderr == said[2].stderr
    notes = said[0].stderr.splitlines()
    assert [n.split("'")[1] for n in notes[:40]] == [f"h{i}" for i in range(40)]
    assert len(notes) == 47
    at_once = most = 0
    for line in log.read_text().split():
        at_once += 1 if line == "+" else -1
        most = max(most, at_once)
    assert 1 < most <= 4 and at_once == 0
    assert log.read_text().count("+") == 3 * (1 + 40 + 7 + 1)


FAKES = {
    "endless": ("#!/bin/sh\nexec yes 'host x'\n", "said more than 262144 bytes"),
    "silent": ("#!/bin/sh\nexit 1\n", "failed and does not say why"),
    "binary": ("#!/bin/sh\nhead -c 100 /dev/urandom; printf '\\377\\000'\n", "not UTF-8"),
    "killed": ("#!/bin/sh\nkill -9 $$\n", "failed and does not say why"),
}


@pytest.mark.parametrize("fake", FAKES)
def test_an_ssh_that_is_ill(lab, fake):
    script, words = FAKES[fake]
    daemon = lab.daemon(
        bare({"t": {"host": "db", "local": "1:a:1"}}),
        start=False,
        env=stand_in(lab, script),
    )
    checked = subprocess.run(
        daemon.command("--user", "--check"),
        env=daemon.env,
        capture_output=True,
        text=True,
        timeout=build.limit(30),
        check=False,
    )
    assert checked.returncode == 1
    assert words in checked.stderr and "tunneld.yaml:3:" in checked.stderr, checked.stderr


def test_without_ssh(lab):
    """Names that can be resolved work; for others it is said what is missing."""
    server, echo, port = lab.sshd(), lab.echo(), lab.port()
    path = lab.write("ssh.conf", "Host db\n    HostName 127.0.0.1\n")
    nothing = lab.path("nothing")
    nothing.mkdir()
    config = lab.config(
        {
            "t": {"host": f"localhost:{server.port}", "local": local(port, echo.port)},
            "u": {"host": "db.invalid", "local": local(lab.port(), echo.port)},
        },
        ssh_config=str(path),
    )
    daemon = lab.daemon(config, start=False, args=["--user"], env={"PATH": str(nothing)})
    daemon.prefix = ["env", f"PATH={nothing}"]  # of the daemon, not of the program that starts it
    checked = daemon.check()
    assert checked.returncode == 0
    assert checked.stderr == f"note: ssh is not installed, so {path} was not read\n"
    real = os.environ["PATH"]
    daemon.env["PATH"] = real
    daemon.start()
    daemon.wait_state("t", "up")
    assert client.exchange(port) == b"hello"
    daemon.wait_state("u", "backoff")
    message = daemon.tunnel("u")["error"]["message"]
    assert "cannot resolve 'db.invalid'" in message
    assert message.endswith(f"; ssh is not installed, so {path} was not read")


def test_notes_do_not_fail_a_check(lab):
    path = lab.write(
        "ssh.conf",
        "Host db\n    RemoteCommand sleep 5\n    StrictHostKeyChecking no\n    ForwardX11 yes\n"
        "    ControlMaster auto\n    ControlPath /x\n    Ciphers 3des-cbc,aes256-ctr\n",
    )
    daemon = lab.daemon(
        lab.config({"t": {"host": "db", "local": "1:a:1"}}, ssh_config=str(path)), start=False
    )
    checked = daemon.check()
    assert checked.returncode == 0 and checked.stdout.endswith(": ok, 1 tunnel\n")
    notes = checked.stderr.splitlines()
    assert all(note.startswith("note: host 'db': ") for note in notes)
    for words in (
        "RemoteCommand sleep 5: no command runs",
        "StrictHostKeyChecking false: tunneld always checks host keys",
        "ForwardX11 yes: no command runs",
        "Ciphers 3des-cbc: not offered by tunneld; left out",
    ):
        assert any(words in note for note in notes), notes
    assert len(notes) == 4


def test_notes_are_in_the_log_once(lab):
    """At the start, and again only when there are others; one line, however many there are."""
    server, port = lab.sshd(), lab.port()
    noted = ["RemoteCommand sleep 5", "ForwardX11 yes"]
    path = lab.write("ssh.conf", entry("db", server, lab, *noted))
    config = bare({"t": {"host": "db", "local": local(port, 1)}}, ssh_config=str(path))
    daemon = lab.daemon(config, args=["--user"])

    def lines():
        return [line for line in daemon.log.splitlines() if "ssh's configuration" in line]

    def reload():
        offset = len(daemon.log)
        daemon.ctl("reload", check=0)
        daemon.wait_log("reloaded ", offset=offset)  # which is said after the notes

    (first,) = lines()
    assert "has 2 settings that mean nothing here; the first: host 'db': " in first
    assert first.endswith("; 'tunneld --check' lists all")
    config["tunnels"]["t"]["tags"] = ["x"]
    daemon.write(config)
    reload()
    assert lines() == [first]
    lab.write("ssh.conf", entry("db", server, lab, "ForwardX11 yes"))
    reload()
    assert len(lines()) == 2
    assert "ssh's configuration: host 'db': ForwardX11 yes: no command runs" in lines()[1]
    lab.write("ssh.conf", entry("db", server, lab))
    reload()
    assert len(lines()) == 2


def test_notes_of_a_tunnel_that_is_added(lab):
    """Whoever adds it reads them, each time; after a restart they are the log's."""
    server, ports = lab.sshd(), lab.ports(2)
    path = lab.write("ssh.conf", entry("db", server, lab, "ForwardX11 yes"))
    daemon = lab.daemon(bare({}, ssh_config=str(path)), args=["--user"])
    for name, port in zip("ab", ports):
        result = daemon.ctl("add", name, "-L", f"{port}:127.0.0.1:1", "db", check=0)
        assert result.stderr == "note: host 'db': ForwardX11 yes: no command runs on the server that could open a window\n"
        assert result.stdout.startswith(f"{name}: added\n")
    assert "ssh's configuration" not in daemon.log
    daemon.stop()
    daemon.start()
    (line,) = [line for line in daemon.log.splitlines() if "ssh's configuration" in line]
    assert "ssh's configuration: host 'db': ForwardX11 yes: " in line


def test_what_the_system_says_is_not_noted(lab):
    """Debian's /etc/ssh/ssh_config sends the locale; nobody chose that."""
    daemon = lab.daemon(lab.config({"t": {"host": "h", "local": "1:a:1"}}), start=False)
    checked = subprocess.run(
        daemon.command("--user", "--check"),
        env=daemon.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert checked.returncode == 0 and checked.stderr == ""
