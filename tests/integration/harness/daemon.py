"""The daemon under test: its files, its process, and what tunctl says about it."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

from . import build, proc, varlink
from .wait import until

_SANITIZER = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer", re.MULTILINE
)


def to_yaml(value, indent=0):
    """Nested mappings as blocks, the rest in flow style (which is JSON)."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines.append(f"{'  ' * indent}{json.dumps(key)}:\n{to_yaml(item, indent + 1)}")
        else:
            lines.append(f"{'  ' * indent}{json.dumps(key)}: {json.dumps(item)}\n")
    return "".join(lines)


class Daemon:
    """One instance in a directory of its own. The directory must have a short name: it holds a
    socket."""

    def __init__(self, directory, config=None, *, args=(), env=None):
        self.directory = pathlib.Path(directory)
        self.config_path = self.directory / "tunneld.yaml"
        self.socket = self.directory / "control.sock"
        self.state_dir = self.directory / "state"
        self.log_path = self.directory / "tunneld.log"
        self.args = list(args)
        self.prefix = []  # a command to start it with
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory),
            "LANG": "C.UTF-8",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=1"),
            "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1"),
            "LSAN_OPTIONS": os.environ.get("LSAN_OPTIONS", ""),
            **(env or {}),
        }
        self.process = None
        self.birth_stall_us = 0
        if config is not None:
            self.write(config)

    # -- files ---------------------------------------------------------------------------------

    def write(self, config):
        """A dict, or the text itself (str or bytes)."""
        if isinstance(config, dict):
            self.config = config
            config = to_yaml(config)
        if isinstance(config, str):
            config = config.encode()
        self.config_path.write_bytes(config)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, pattern, seconds=5, offset=0):
        return until(
            lambda: re.search(pattern, self.log[offset:]),
            seconds,
            f"the daemon's log says {pattern!r}",
        )

    # -- process -------------------------------------------------------------------------------

    @property
    def pid(self):
        return self.process.pid

    def command(self, *args):
        return [
            str(build.TUNNELD),
            "-c",
            str(self.config_path),
            "-s",
            str(self.socket),
            "--state-dir",
            str(self.state_dir),
            *self.args,
            *args,
        ]

    def spawn(self):
        """Starts without waiting for anything."""
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.prefix, *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
            )
        return self

    def start(self, seconds=10):
        """Starts and waits for the control socket: a client that sees it can use it."""
        offset = len(self.log)
        self.spawn()
        until(lambda: self._is_ready(offset), seconds, "the control socket answers")
        return self.is_born()

    def is_born(self):
        """Everything is started; see worst_stall_ms()."""
        self.birth_stall_us = self.status()["worst_stall_us"]
        return self

    @contextlib.contextmanager
    def asleep(self):
        """What is done meanwhile is done at once, as far as the supervisor can see."""
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: proc.state(self.pid) == "T", 5, "the supervisor is stopped", 0.001)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _is_ready(self, offset):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"tunneld ended with {self.process.returncode}:\n{self.log[offset:]}"
            )
        try:
            varlink.Client(self.socket).close()
            return True
        except OSError:
            return False

    def check(self):
        """tunneld --check"""
        return subprocess.run(
            [str(build.TUNNELD), "--check", "-c", str(self.config_path)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=self.env,
            check=False,
        )

    def reload_by_signal(self):
        self.process.send_signal(signal.SIGHUP)

    def workers(self):
        """pids of the worker processes."""
        return [
            p for p in proc.children(self.pid) if proc.name(p).startswith("tunneld-worker"[:15])
        ]

    def worker_of(self, name):
        """pid of the worker that carries a tunnel."""
        index = self.inspect(name)["worker"]
        return next(w["pid"] for w in self.status()["workers"] if w["index"] == index)

    def stop(self, seconds=5):
        """SIGTERM as systemd sends it: ends by itself, exit status 0, nothing left, nothing
        leaked."""
        pids = proc.descendants(self.pid)
        self.process.send_signal(signal.SIGTERM)
        self.expect_exit(0, seconds)
        ended = "the workers ended with the supervisor"
        until(lambda: not any(map(proc.is_alive, pids)), build.limit(2), ended, patience=0)
        self.assert_clean()

    def expect_exit(self, status, seconds):
        seconds = build.limit(seconds)
        try:
            ended = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"tunneld did not end within {seconds} s:\n{self.log}") from None
        self.process = None
        assert ended == status, f"exit status {ended}:\n{self.log}"

    def kill9(self):
        """Supervisor only; returns the pids of what it leaves behind."""
        pids = proc.descendants(self.pid)
        self.process.kill()
        self.process.wait()
        self.process = None
        return pids

    def close(self):
        """After a test: the process must still be there (or have been stopped by the test)."""
        if self.process is None:
            return
        if self.process.poll() is not None:
            raise AssertionError(
                f"tunneld ended by itself ({self.process.returncode}):\n{self.log}"
            )
        for pid in proc.descendants(self.pid):
            proc.send(pid, signal.SIGCONT)
        try:
            self.stop()
        finally:
            if self.process is not None:
                for pid in self.kill9():
                    proc.send(pid, signal.SIGKILL)

    def assert_clean(self):
        report = _SANITIZER.search(self.log)
        assert not report, self.log[max(0, report.start() - 500) : report.start() + 6000]

    # -- tunctl --------------------------------------------------------------------------------

    def ctl(self, *args, timeout=60, check=None, **options):
        """Runs tunctl; check=N asserts the exit status."""
        result = subprocess.run(
            [str(build.TUNCTL), "-s", str(self.socket), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.env,
            stdin=subprocess.DEVNULL,
            check=False,
            **options,
        )
        if check is not None:
            assert result.returncode == check, f"tunctl {args}: {result}"
        return result

    def ctl_json(self, *args, check=0):
        return json.loads(self.ctl("--json", *args, check=check).stdout)

    def list(self):
        """What `tunctl --json list` prints, by name."""
        return {t["name"]: t for t in self.ctl_json("list")}

    # -- the control socket --------------------------------------------------------------------

    def call(self, method, timeout=30, **parameters):
        with varlink.Client(self.socket, timeout) as client:
            return client.call(method, **parameters)

    def call_error(self, method, **parameters):
        """The parameters of the error that is the answer."""
        try:
            self.call(method, **parameters)
        except varlink.VarlinkError as error:
            return error.parameters
        raise AssertionError(f"{method} {parameters} is answered")

    def status(self):
        return self.call("Status")

    def inspect(self, name):
        return self.call("Inspect", name=name)

    def tunnel(self, name):
        return self.call("List", names=[name])["tunnels"][0]

    def tunnels(self):
        return {t["name"]: t for t in self.call("List")["tunnels"]}

    def forward(self, name, index=0):
        return self.tunnel(name)["forwards"][index]

    def wait_state(self, name, states, seconds=10, code=None):
        """Waits until the tunnel is in one of the states (and, if given, has this error code)."""
        wanted = (states,) if isinstance(states, str) else tuple(states)
        seen = {}

        def check():
            seen.clear()
            seen.update(self.tunnel(name))
            good = seen["state"] in wanted and (
                not code or (seen["error"] or {}).get("code") == code
            )
            assert good, f"{seen['state']} {seen['error']}"
            return dict(seen)

        return until(check, seconds, f"tunnel '{name}' is {' or '.join(wanted)} ({code or 'any'})")

    def wait_all(self, state, seconds):
        def check():
            others = {n: t["state"] for n, t in self.tunnels().items() if t["state"] != state}
            assert not others, others
            return True

        return until(check, seconds, f"all tunnels are {state}", 0.05)

    def worst_stall_ms(self):
        """The longest time any loop did not listen, since the start. Not counted is what tunneld took
        to start its workers: it waits until they run, and how long that takes others decide, who use
        the CPUs."""
        status = self.status()
        stalls = [w["worst_stall_us"] for w in status["workers"]]
        if status["worst_stall_us"] > self.birth_stall_us:
            stalls.append(status["worst_stall_us"])
        return max(stalls, default=0) / 1000

    def assert_no_worker_stall(self, limit_ms=50):
        """Where a test is about what a worker does."""
        worst = max(w["worst_stall_us"] for w in self.status()["workers"]) / 1000
        assert build.SANITIZED or worst < limit_ms, self.status()

    def assert_no_stall(self, limit_ms=50):
        if not build.SANITIZED:
            assert self.worst_stall_ms() < limit_ms, self.status()
