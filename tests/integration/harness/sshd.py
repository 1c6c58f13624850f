"""A real OpenSSH server on a loopback port of its own, as root or as anybody."""

import functools
import os
import pathlib
import re
import signal
import subprocess

from . import proc
from .ports import free_port
from .wait import until

SSHD = "/usr/sbin/sshd"


@functools.cache
def version():
    out = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", out)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _defaults(keys, host, port):
    options = {
        "ListenAddress": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "HostKey": keys.host,
        "AuthorizedKeysFile": keys.authorized,
        "PidFile": "none",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "LogLevel": "VERBOSE",
        "MaxSessions": "1000",
    }
    if version() >= (9, 8):  # newer servers punish addresses that fail; the tests fail on purpose
        options["PerSourcePenalties"] = "no"
    return options


class Sshd:
    """Options given replace ours; a list of values becomes several lines; None leaves one out."""

    def __init__(self, directory, keys, *, host="127.0.0.1", port=None, options=None):
        self.host, self.port = host, port or free_port()
        self.keys = keys
        self.config = pathlib.Path(directory) / f"sshd_{self.port}.conf"
        self.log_path = pathlib.Path(directory) / f"sshd_{self.port}.log"
        self.process = None
        self.prefix = []  # a command to start it with
        self._leftover = set()  # sessions that outlived a stop()
        self.set_options(**(options or {}))

    def set_options(self, **options):
        """Takes effect at the next start()."""
        lines = []
        for key, value in {**_defaults(self.keys, self.host, self.port), **options}.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    lines.append(f"{key} {one}\n")
        self.config.write_text("".join(lines))

    @property
    def address(self):
        """As it is written in a `host:` key."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        assert self.process is None, "sshd runs already"
        offset = len(self.log)
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.prefix, SSHD, "-D", "-e", "-f", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.wait_log(r"Server listening on", 10, offset)
        return self

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, pattern, seconds=5, offset=0):
        def check():
            match = re.search(pattern, self.log[offset:])
            if not match and self.process and self.process.poll() is not None:
                raise RuntimeError(f"sshd ended with {self.process.returncode}:\n{self.log}")
            return match

        return until(check, seconds, f"sshd log says {pattern!r}")

    def pids(self):
        """All processes: the listener and what serves each connection."""
        found = set(self._leftover)
        if self.process:
            found.update([self.process.pid] + proc.descendants(self.process.pid))
        return {pid for pid in found if proc.is_alive(pid)}

    def session_count(self):
        """Connections being served, logged in or not."""
        return len(proc.children(self.process.pid)) if self.process else 0

    def sessions(self):
        """The pids that serve connections: another one is another session."""
        return set(proc.children(self.process.pid)) if self.process else set()

    def freeze(self):
        for pid in self._leftover:
            proc.send(pid, signal.SIGSTOP)
        proc.freeze_tree(self.process.pid)

    def thaw(self):
        for pid in self.pids():
            proc.send(pid, signal.SIGCONT)

    def stop_listening(self):
        """Ends the listener only; the sessions live on."""
        pids = proc.freeze_tree(self.process.pid)
        self._leftover.update(pids[1:])
        proc.send(pids[0], signal.SIGKILL)
        self.process.wait()
        self.process = None
        for pid in pids[1:]:
            proc.send(pid, signal.SIGCONT)

    def kill_sessions(self):
        """kill -9 for every connection; the listener lives on."""
        pids = (set(proc.descendants(self.process.pid)) | self._leftover) if self.process else set()
        for pid in pids:
            proc.send(pid, signal.SIGKILL)
        return len(pids)

    def lose_sessions(self):
        """The same, and waits for the next one."""
        before = self.sessions()
        self.kill_sessions()
        until(lambda: self.sessions() - before, 10, "there is another session")

    def kill9(self):
        """kill -9 for every process of it at once."""
        pids = set(self._leftover)
        if self.process:
            pids.update(proc.freeze_tree(self.process.pid)[1:])
            # The listener first, and wholly: a client that loses its session at once comes back to a
            # closed port, not into the backlog of one that is about to be closed.
            self.process.kill()
            self.process.wait()
            self.process = None
        for pid in pids:
            proc.send(pid, signal.SIGKILL)
        until(lambda: self._are_reaped(pids), 5, "the processes of sshd are gone", 0.005)
        self._leftover = set()

    @staticmethod
    def _are_reaped(pids):
        for pid in pids:
            proc.reap(pid)
        return not any(proc.is_alive(pid) for pid in pids)

    def restart(self):
        self.kill9()
        return self.start()

    def close(self):
        self.kill9()
