"""A scripted daemon, and tunctl run against it.

The fake Varlink server says things a real tunneld says only when something is broken, or says nothing
at all. It needs the built tunctl and nothing of the harness.
"""

import codecs
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
TUNCTL = pathlib.Path(os.environ.get("TUNNELD_BUILD", TOP / "build")) / "ctl" / "tunctl"
MANAGER = "io.tunneld.Manager."

HANG = object()  # the server says nothing and waits for the client to go
CLOSE = object()  # the server closes the connection


class Upgrade:
    """The reply to Connect, with first behind it in the same packet; then talk(connection) has the
    connection, which ends with it."""

    def __init__(self, talk=lambda connection: None, first=b""):
        self.talk, self.first = talk, first


def an_hour_ago():
    """Shown as 1h01m, also where half a minute passes until it is shown."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3690))


def forward(listen="127.0.0.1:5432", target="db:5432", **changes):
    return {
        "name": f"local:{listen}",
        "type": "local",
        "listen": listen,
        "addresses": [listen],
        "target": target,
        "state": "open",
        "note": None,
        "error": None,
        "connections": 2,
        "connections_total": 17,
        "bytes_in": 1234567,
        "bytes_out": 4096,
        "source": "/etc/tunneld/tunneld.yaml",
    } | changes


def remote(listen="localhost:2222", target="localhost:22", **changes):
    return (
        forward(listen, target, type="remote", name=f"remote:{listen}", addresses=[]) | changes
    )


def dynamic(listen="localhost:1080", **changes):
    return forward(listen, "any", type="dynamic", name=f"dynamic:{listen}") | changes


def connection(number=1, tunnel_name="db-prod", **changes):
    return {
        "id": number if isinstance(number, str) else f"1-{number}",
        "tunnel": tunnel_name,
        "forward": "local:127.0.0.1:5432",
        "state": "open",
        "from": "127.0.0.1:50000",
        "to": "db:5432",
        "since": an_hour_ago(),
        "idle_ms": 65000,
        "bytes_in": 1234567,
        "bytes_out": 4096,
    } | changes


def tunnel(name="db-prod", state="up", **changes):
    return {
        "name": name,
        "state": state,
        "since": an_hour_ago(),
        "host": "deploy@internal",
        "server": "deploy@internal",
        "hops": [{"host": "10.0.0.50:22", "state": state}],
        "attempt": 1,
        "retry_in_ms": None,
        "rtt_ms": 12.3,
        "error": None,
        "bytes_in": 1234567,
        "bytes_out": 4096,
        "connections": 2,
        "connections_total": 17,
        "forwards": [forward()],
        "tags": ["prod"],
        "source": "/etc/tunneld/tunneld.yaml",
    } | changes


def backoff(name="web", **changes):
    return (
        tunnel(
            name,
            "backoff",
            attempt=3,
            retry_in_ms=3200,
            rtt_ms=None,
            error={
                "code": "connection-refused",
                "message": "web.example.com:22 refused the connection",
            },
            forwards=[forward("127.0.0.1:8080", "localhost:80", state="closed")],
        )
        | changes
    )


def failed(name="old", **changes):
    return (
        tunnel(
            name,
            "failed",
            rtt_ms=None,
            error={"code": "host-key-changed", "message": "the host key of old:22 has changed"},
        )
        | changes
    )


def question(number=1, kind="password", **changes):
    prompts = {
        "passphrase": "Passphrase for key /k/id_ed25519: ",
        "password": "Password of deploy@internal:22: ",
        "keyboard-interactive": "Verification code: ",
    }
    return {
        "id": number,
        "kind": kind,
        "server": "deploy@internal:22",
        "hop": None,
        "name": "",
        "instruction": "",
        "again": False,
        "prompts": [{"text": prompts[kind], "echo": False}],
    } | changes


def needs(code="needs-password", name="db-prod"):
    message = "deploy@internal:22 wants a password; give it: tunctl auth " + name
    return failed(name, error={"code": code, "message": message})


def error(error_name, **parameters):
    return {
        "error": error_name if "." in error_name else MANAGER + error_name,
        "parameters": parameters,
    }


def reply(more=False, **parameters):
    return {"parameters": parameters} | ({"continues": True} if more else {})


def at_once(*replies):
    """One behind the other, and no time in between."""
    return b"".join(json.dumps(one).encode() + b"\0" for one in replies)


class Server:
    """Answers each method with its script: replies, bytes, functions that return one of them, HANG
    or CLOSE."""

    def __init__(self, path):
        self.path = path
        self.script = {}
        self.calls = []
        self.closing = False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def answers(self, method, *replies):
        self.script[MANAGER + method] = replies

    def parameters(self, method):
        """What the only call of method carried."""
        (call,) = [c for c in self.calls if c["method"] == MANAGER + method]
        return call.get("parameters")

    def has_come(self, method, count=1):
        """For scripts: waits until method was called so often; false: it was not, until the end."""
        until(lambda: self.closing or len(self.parameters_of(method)) >= count, 60)
        return len(self.parameters_of(method)) >= count

    def parameters_of(self, method):
        return [c.get("parameters") for c in self.calls if c["method"] == MANAGER + method]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        pending = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                pending += data
                while b"\0" in pending:
                    message, pending = pending.split(b"\0", 1)
                    self.calls.append(json.loads(message))
                    if not self._answer(connection, self.calls[-1]["method"]):
                        return

    def _answer(self, connection, method):
        for answer in self.script.get(
            method, [error("org.varlink.service.MethodNotFound", method=method)]
        ):
            if callable(answer):
                answer = answer()
            if answer is CLOSE:
                return False
            if answer is HANG:
                connection.recv(1)
                return False
            if isinstance(answer, Upgrade):
                connection.sendall(json.dumps(reply()).encode() + b"\0" + answer.first)
                answer.talk(connection)
                return False
            if not isinstance(answer, bytes):
                answer = json.dumps(answer).encode() + b"\0"
            connection.sendall(answer)
        return True

    def close(self):
        self.closing = True
        # Ends accept() first: closed alone, the number of the descriptor could be the next server's
        # while this thread still waits at it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()


def environment(**changes):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/nobody-at-all",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    env |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
    return env | changes


def tunctl(server, *args, expect=0, env=None, **options):
    where = ["-s", str(server.path)] if server else []
    result = subprocess.run(
        [str(TUNCTL), *where, *args],
        capture_output=True,
        text=True,
        timeout=30,
        env=env or environment(),
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert result.returncode == expect, result
    return result


# Runs a command as a shell does it. Whoever runs the tests may ignore signals, which a child inherits:
# nohup, a job in the background of a script.
HEARS_SIGNALS = ["env", "--default-signal"]


class Terminal:
    """tunctl on a terminal of its own."""

    def __init__(self, server, *args, width=100, height=24, under=(), **env):
        """under: a command that runs it."""
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            [*under, str(TUNCTL), "-s", str(server.path), *args],
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment(**{"TERM": "xterm-256color"} | env),
            start_new_session=True,
        )
        os.close(side)
        self.text, self._decoder = "", codecs.getincrementaldecoder("utf-8")()

    def read_until(self, wanted, seconds=30, after=0):
        """Reads until wanted was shown (behind this text or place); None: until the end."""
        end = time.monotonic() + seconds
        poll = select.poll()  # select() cannot watch descriptors above 1023
        poll.register(self.main, select.POLLIN)
        if isinstance(after, str):
            after = self.text.index(after)
        while wanted is None or wanted not in self.text[after:]:
            assert poll.poll(1000 * max(0, end - time.monotonic())), self.text
            try:
                data = os.read(self.main, 65536)
            except OSError:  # the end of a pty
                data = b""
            if not data:
                assert wanted is None, self.text
                break
            self.text += self._decoder.decode(data)  # which may end in the middle of a character
        return self.text

    def type(self, text):
        os.write(self.main, text.encode())

    def echoes(self):
        """Whether what is typed can be seen."""
        return bool(termios.tcgetattr(self.main)[3] & termios.ECHO)

    def finish(self):
        self.read_until(None)
        os.close(self.main)
        return self.process.wait(30)


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")


# -- what a daemon says -----------------------------------------------------------------------------

INSPECTED = {
    "tunnel": tunnel(
        hops=[{"host": "bastion:22", "state": "up"}, {"host": "10.0.0.50:22", "state": "up"}]
    ),
    "servers": [
        {"host": "deploy@internal", "state": "up", "error": None, "since": None},
    ],
    "jumps": [
        {
            "host": "bastion:22",
            "user": "admin",
            "state": "up",
            "error": None,
            "rtt_ms": 3.25,
            "session": {
                "address": "192.0.2.9:22",
                "server_version": "SSH-2.0-OpenSSH_9.9",
                "cipher": "aes128-gcm@openssh.com",
                "kex": "curve25519-sha256",
                "host_key": "ssh-ed25519 SHA256:jump",
                "identity": "/k/bastion",
            },
        }
    ],
    "settings": {
        "user": "deploy",
        "identities": ["/k/one", "/k/two"],
        "known_hosts": ["/k/known_hosts"],
        "host_key": ["strict"],
        "proxy_command": ["nc", "%h", "%p"],
        "ciphers": None,
        "keepalive_interval_ms": 15000,
        "keepalive_count": 3,
        "reconnect_min_ms": 500,
        "reconnect_max_ms": 60000,
        "reconnect_stable_ms": 90000,
        "connect_timeout_ms": 20000,
        "hold_ms": 0,
        "exit_on_forward_failure": False,
        "start": "always",
        "prefer": "first",
        "failback_ms": 300000,
    },
    "session": {
        "address": "10.0.0.50:22",
        "server_version": "SSH-2.0-OpenSSH_9.2p1",
        "cipher": "aes256-gcm@openssh.com",
        "kex": "curve25519-sha256",
        "host_key": "ssh-ed25519 SHA256:abc",
        "identity": "/k/one",
    },
    "events": [
        {
            "time": "2025-11-20T13:03:20.100Z",
            "state": "backoff",
            "error": {"code": "network", "message": "no route"},
        },
        {"time": "2025-11-20T15:03:22+01:00", "state": "up", "error": None},
    ],
    "worker": 1,
    "secret_kept": True,
}

STATUS = {
    "version": "9.9.9",
    "pid": 4711,
    "since": "2025-11-20T13:00:00Z",
    "config": "/x/tunneld.yaml",
    "tunnels": 3,
    "up": 2,
    "worst_stall_us": 1500,
    "workers": [
        {
            "index": 0,
            "pid": 4712,
            "state": "running",
            "tunnels": 3,
            "sessions": 2,
            "restarts": 1,
            "worst_stall_us": 900,
            "libssh": "0.11.2",
        },
        {
            "index": 1,
            "pid": None,
            "state": "dead",
            "tunnels": 0,
            "sessions": 0,
            "restarts": 7,
            "worst_stall_us": 0,
            "libssh": None,
        },
    ],
}

BROKEN = error(
    "InvalidConfig",
    code="config",
    message="2 mistakes",
    problems=[
        {"file": "/e/t.yaml", "line": 3, "column": 5, "message": "unknown key 'hots'"},
        {"file": None, "line": None, "column": None, "message": "no host"},
    ],
)
