"""Servers reached over a command: what it is given, what becomes of what it says, how its end is told,
and that nothing of it stays behind, whoever dies."""

import os
import signal
import sys

import pytest

from harness import build, client, proc
from harness.lab import local
from harness.text import is_one_harmless_line
from harness.wait import Stopwatch, holds, until

# nc, which is not everywhere: carries bytes until either side ends.
CARRY = """
import os, select, socket, sys
def carry(host, port):
    s = socket.create_connection((host, int(port)))
    ends = {0: s.fileno(), s.fileno(): 1}
    while ends:
        for fd in select.select(list(ends), [], [])[0]:
            data = os.read(fd, 65536)
            if not data:
                return
            to = ends[fd]
            while data:
                data = data[os.write(to, data):]
"""
PYTHON = sys.executable


@pytest.fixture
def world(lab):
    return World(lab)


class World:
    """A server, and a daemon whose tunnel t goes there over a Python program."""

    def __init__(self, lab):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()

    def script(self, body, name="way.py"):
        return str(self.lab.write(name, CARRY + body))

    def tunnel(self, command, **tunnel):
        return {
            "host": self.sshd.address,
            "local": local(self.port, self.echo.port),
            "proxy_command": command,
            "reconnect": {"min": "20s", "max": "30s"},
            **tunnel,
        }

    def run(self, body, *words, **tunnel):
        words = words or ("%h", "%p")
        command = [PYTHON, self.script(body), *words]
        self.daemon = self.lab.daemon(self.lab.config({"t": self.tunnel(command, **tunnel)}))
        return self.daemon

    def commands(self):
        """pids of what runs for the daemon besides its workers, and of their children."""
        workers = self.daemon.workers()
        return [p for p in proc.descendants(self.daemon.pid) if p not in workers]

    def wait_none(self, seconds):
        until(lambda: not self.commands(), build.limit(seconds), "no command is left")


GOOD = "carry(sys.argv[1], sys.argv[2])"


def test_a_list_of_words(world):
    daemon = world.run(GOOD)
    daemon.wait_state("t", "up", 10)
    assert client.exchange(world.port) == b"hello"
    address = daemon.inspect("t")["session"]["address"]
    assert address.startswith(f"{world.sshd.address} through proxy_command python3")
    assert len(world.commands()) == 1
    daemon.assert_no_stall()
    daemon.ctl("down", "t", check=0)
    world.wait_none(5)


def test_what_it_is_told(world, lab):
    note = lab.path("note")
    body = f"open({str(note)!r}, 'w').write(repr(sys.argv[1:]))\n{GOOD}"
    words = ("%h", "%p", "%r@%n", "%%", "a b", "$HOME")
    daemon = world.run(body, *words)
    daemon.wait_state("t", "up", 10)
    host, port = world.sshd.host, str(world.sshd.port)
    user = daemon.config["defaults"]["user"]
    assert note.read_text() == repr([host, port, f"{user}@{host}", "%", "a b", "$HOME"])


def test_a_line_for_the_shell(world, lab):
    script = world.script(GOOD)
    line = f"{PYTHON} {script} $(echo %h) %p 2>/dev/null"
    world.daemon = daemon = lab.daemon(lab.config({"t": world.tunnel(line)}))
    daemon.wait_state("t", "up", 10)
    assert client.exchange(world.port) == b"hello"
    assert len(world.commands()) == 1, "the shell has become the program"


def test_what_it_says_is_in_the_log(world):
    daemon = world.run(
        "sys.stderr.write('looking\\r\\n\\nfor the \\x1b[31mserver' + 'x' * 1000 + '\\n')\n" + GOOD
    )
    daemon.wait_state("t", "up", 10)
    daemon.wait_log(r"t: proxy_command python3[\d.]*: looking\n")
    daemon.wait_log(r"t: proxy_command python3[\d.]*: for the \\x1b\[31mserverx{100,300}\.?")
    assert "\x1b" not in daemon.log


ENDS = {
    "says why": ("sys.exit('cannot\\tdo it')", "ended with status 1: cannot\\tdo it"),
    "says nothing": ("os._exit(3)", "ended with status 3"),
    "is killed": ("os.kill(os.getpid(), 9)", "was killed by signal 9 (Killed)"),
    "ends well": ("pass", "ended with status 0"),
    "leaves a line": ("os.write(2, b'first\\nlast'); os._exit(255)", "ended with status 255: last"),
}


@pytest.mark.parametrize("how", ENDS)
def test_how_it_ended(world, how):
    body, words = ENDS[how]
    daemon = world.run(body)
    row = daemon.wait_state("t", "backoff", 10, code="proxy-command-failed")
    message = row["error"]["message"]
    assert "proxy_command python3" in message and words in message
    assert is_one_harmless_line(message)
    world.wait_none(1)


def test_it_ends_while_the_tunnel_is_up(world):
    daemon = world.run(GOOD, reconnect={"min": "50ms", "max": "100ms"})
    daemon.wait_state("t", "up", 10)
    (pid,) = world.commands()
    os.kill(pid, signal.SIGKILL)
    until(lambda: world.commands() not in ([], [pid]), 5, "there is another one")
    daemon.wait_state("t", "up", 5)
    errors = [e["error"] for e in daemon.inspect("t")["events"] if e["error"]]
    assert errors[-1]["code"] == "proxy-command-failed" and "signal 9" in errors[-1]["message"]


def test_what_cannot_run(world, lab):
    tunnels = {
        "nowhere": {**world.tunnel(["no-such-program", "%h"]), "local": local(lab.port(), 1)},
        "nothing": {**world.tunnel(["/no/such/program"]), "local": local(lab.port(), 1)},
        "nobody": {**world.tunnel(["/etc/passwd"]), "local": local(lab.port(), 1)},
    }
    world.daemon = daemon = lab.daemon(lab.config(tunnels))
    for name, words in (
        ("nowhere", "there is no program 'no-such-program'"),
        ("nothing", "cannot run /no/such/program: No such file"),
        ("nobody", "cannot run /etc/passwd: Permission denied"),
    ):
        row = daemon.wait_state(name, "failed", 5, code="config")
        assert "proxy_command: " in row["error"]["message"] and words in row["error"]["message"]


def test_a_silent_one_is_bounded_by_the_deadline(world):
    daemon = world.run("import time; time.sleep(1000)", connect_timeout="1s")
    row = daemon.wait_state("t", "backoff", build.limit(4), code="timeout")
    assert "through proxy_command python3" in row["error"]["message"]
    world.wait_none(4)


def test_one_that_ignores_term(world):
    """It is killed two seconds later."""
    daemon = world.run("import signal; signal.signal(15, signal.SIG_IGN)\n" + GOOD)
    daemon.wait_state("t", "up", 10)
    (pid,) = world.commands()
    daemon.ctl("restart", "t", check=0)
    until(lambda: world.commands() not in ([], [pid]), 5, "there is another one")
    until(lambda: pid not in world.commands(), build.limit(6), "the old one is gone")
    daemon.wait_state("t", "up", 5)


STUBBORN = """
import signal, time
signal.signal(15, signal.SIG_IGN)
if os.fork() == 0:
    while True: time.sleep(1)
try: carry(sys.argv[1], sys.argv[2])
finally:
    while True: time.sleep(1)
"""


def test_its_children_end_with_it(world):
    daemon = world.run(STUBBORN)
    daemon.wait_state("t", "up", 10)
    pids = world.commands()
    assert len(pids) == 2
    daemon.ctl("down", "t", check=0)
    until(lambda: not any(map(proc.is_alive, pids)), build.limit(6), "both are gone")


def test_the_worker_dies(world):
    daemon = world.run(STUBBORN, reconnect={"min": "50ms", "max": "100ms"})
    daemon.wait_state("t", "up", 10)
    pids = world.commands()
    os.kill(daemon.workers()[0], signal.SIGKILL)
    until(lambda: not any(map(proc.is_alive, pids)), build.limit(6), "both are gone")
    daemon.wait_state("t", "up", build.limit(10))
    assert client.exchange(world.port) == b"hello"


def test_the_supervisor_stops(world):
    daemon = world.run(STUBBORN)
    daemon.wait_state("t", "up", 10)
    pids = world.commands()
    daemon.stop()
    until(lambda: not any(map(proc.is_alive, pids)), build.limit(2), "both are gone")


def test_the_supervisor_is_killed(world):
    """What it started dies with it, whatever it ignores; its children hear the end of the line."""
    body = "import signal; signal.signal(15, signal.SIG_IGN)\ntry: carry(*sys.argv[1:])\nfinally:\n"
    daemon = world.run(body + "    import time; time.sleep(1000)")
    daemon.wait_state("t", "up", 10)
    left = daemon.kill9()
    assert len(left) >= 2
    until(lambda: not any(map(proc.is_alive, left)), build.limit(3), "nothing is left")


def test_a_flood_of_complaints(world):
    """Its lines are counted, the supervisor keeps its pace, and the tunnel works."""
    flood = """
import threading
def flood():
    while True: os.write(2, b'complaint\\n' * 1000)
threading.Thread(target=flood, daemon=True).start()
"""
    with Stopwatch() as watch:
        daemon = world.run(flood + GOOD)
        daemon.wait_state("t", "up", 10)
        before = proc.cpu_seconds(daemon.pid)
        holds(lambda: client.exchange(world.port) == b"hello", 2, "the tunnel works")
        assert proc.cpu_seconds(daemon.pid) - before < 1
        assert 10 <= daemon.log.count(": complaint\n") <= 50 * (2 + watch.elapsed() / 10)
    daemon.assert_no_stall()


def test_it_closes_one_direction(world):
    """Nothing more is coming from it, though it still listens: the session is over."""
    body = """
import socket, time
line = socket.socket(fileno=os.dup(1))
line.shutdown(socket.SHUT_WR)
while os.read(0, 1000): pass
time.sleep(1000)
"""
    daemon = world.run(body)
    row = daemon.wait_state("t", "backoff", build.limit(5), code="connection-lost")
    assert "through proxy_command" in row["error"]["message"] or "banner" in row["error"]["message"]
    world.wait_none(4)


def test_a_reload_changes_it(world, lab):
    daemon = world.run(GOOD)
    daemon.wait_state("t", "up", 10)
    old = world.commands()
    other = world.script("sys.stderr.write('the other one\\n')\n" + GOOD, "other.py")
    daemon.write(lab.config({"t": world.tunnel([PYTHON, other, "%h", "%p"])}))
    daemon.ctl("reload", check=0)
    daemon.wait_log("the other one")
    daemon.wait_state("t", "up", 5)
    until(lambda: not any(map(proc.is_alive, old)), build.limit(5), "the old one is gone")


def test_behind_a_jump(lab, world):
    """Only the first server on the way is reached over it."""
    gate = lab.sshd()
    script = world.script(GOOD)
    config = lab.config(
        {"t": {"host": world.sshd.address, "jump": "gate", "local": local(world.port, 1)}},
        hosts={"gate": {"address": gate.address, "proxy_command": [PYTHON, script, "%h", "%p"]}},
    )
    config["tunnels"]["t"]["local"] = local(world.port, world.echo.port)
    world.daemon = daemon = lab.daemon(config)
    daemon.wait_state("t", "up", 10)
    assert client.exchange(world.port) == b"hello"
    assert len(world.commands()) == 1
    os.kill(world.commands()[0], signal.SIGKILL)
    until(
        lambda: any(
            "proxy_command" in (e["error"] or {}).get("message", "")
            for e in daemon.inspect("t")["events"]
        ),
        5,
        "the reason is told",
    )


def test_added_in_the_words_of_ssh(world):
    """A command over the control socket is a list of words; one that needs a shell is refused."""
    world.daemon = daemon = world.lab.daemon(world.lab.config({}))
    script = world.script(GOOD)
    add = ["add", "t", "-4", "-L", local(world.port, world.echo.port), world.sshd.address]
    refused = daemon.ctl(*add, "-o", f"ProxyCommand={PYTHON} {script} $(echo %h) %p")
    assert refused.returncode == 2 and "needs a shell" in refused.stderr
    daemon.ctl(*add, "-o", f"ProxyCommand={PYTHON} {script} %h %p", check=0)
    assert client.exchange(world.port) == b"hello"
    assert len(world.commands()) == 1
    answer = daemon.ctl("add", "u", "-D", str(world.lab.port()), "-o", "proxy=https://p:1", "h")
    assert answer.returncode == 1 and "with TLS is not supported" in answer.stderr
    daemon.ctl("drop", "t", check=0)
    world.wait_none(5)
