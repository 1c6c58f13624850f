#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tunneld beside `ssh -N -J -L -R -D`: same server, same cipher, same minute.

Both run the whole time and are loaded in turn, in an order that alternates from round to round. What
counts is the ratio of the medians; absolute numbers say more about the machine. `load` (load.c) is the
client in front of the tunnels and the service behind them; servers and daemons come from the harness
of the integration tests.
"""

import argparse
import dataclasses
import functools
import getpass
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import build, client, proc, wait  # noqa: E402
from harness.keys import Keys  # noqa: E402
from harness.lab import Lab, local, remote  # noqa: E402

LOAD = build.BUILD / "tests" / "bench" / "load"
SERVICES = ("source", "sink", "echo")
READERS = 100
JUMPS = 2


@dataclasses.dataclass
class Forwards:
    """What a contender is to forward."""

    local: list = dataclasses.field(default_factory=list)  # of (listen, target)
    remote: list = dataclasses.field(default_factory=list)  # of (listen, target)
    dynamic: list = dataclasses.field(default_factory=list)  # of ports

    def specs(self):
        """{kind: what stands after its letter, or key}"""
        return {"local": [local(*ports) for ports in self.local],
                "remote": [remote(*ports) for ports in self.remote],
                "dynamic": [f"127.0.0.1:{port}" for port in self.dynamic]}


# --- contenders -----------------------------------------------------------------------------------


class Ssh:
    """`ssh -N -J … -L … -R … -D …`, one process a session."""

    name = "ssh"

    def __init__(self, lab, sshd, cipher, jumps=()):
        self.lab, self.sshd, self.cipher, self.jumps = lab, sshd, cipher, jumps
        self.processes = []

    @functools.cached_property
    def config(self):
        """In a file, because that is all of it that reaches the processes for the jumps. Written once:
        those that have just been started read it."""
        return self.lab.write("ssh_config", f"""
            BatchMode yes
            Ciphers {self.cipher}
            IdentitiesOnly yes
            IdentityFile {self.lab.keys.client}
            UserKnownHostsFile {self.lab.known_hosts()}
            User {getpass.getuser()}
            """)

    def start(self, forwards):
        command = ["setpriv", "--pdeathsig", "KILL", "ssh", "-F", str(self.config), "-N",
                   "-o", "ExitOnForwardFailure=yes"]
        if self.jumps:
            command += ["-J", ",".join(jump.address for jump in self.jumps)]
        for kind, specs in forwards.specs().items():
            for spec in specs:
                command += [f"-{kind[0].upper()}", spec]
        command += ["-p", str(self.sshd.port), self.sshd.host]
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        return self

    def pids(self):
        return [process.pid for process in self.processes]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []


class Tunneld:
    """The daemon with its workers."""

    name = "tunneld"

    def __init__(self, lab, sshd, cipher, jumps=()):
        self.lab, self.sshd, self.cipher, self.jumps = lab, sshd, cipher, jumps
        self.daemon = None

    def start(self, forwards):
        return self.start_many([forwards])

    def start_many(self, tunnels, wait_seconds=15, **settings):
        """One tunnel for each of several Forwards."""
        way = {"jump": [jump.address for jump in self.jumps]} if self.jumps else {}
        spec = {f"t{number}": {"host": self.sshd.address, **way,
                               **{kind: specs for kind, specs in forwards.specs().items() if specs}}
                for number, forwards in enumerate(tunnels, 1)}
        self.daemon = self.lab.daemon(
            self.lab.config(spec, {"ciphers": self.cipher}, daemon=settings))
        if wait_seconds:
            self.daemon.wait_all("up", wait_seconds)
        return self

    def pids(self):
        return [self.daemon.pid, *proc.descendants(self.daemon.pid)]

    def close(self):
        self.daemon.close()


# --- measurements ---------------------------------------------------------------------------------


class Bench:
    """The stage: one server, one service, and both contenders with forwards of each kind to each
    service. `ports[contender][kind][service]` is what `load` takes for a port."""

    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        self.sshd = lab.sshd()
        self.service = subprocess.Popen([LOAD, "serve"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.targets = json.loads(self.service.stdout.readline())
        self.contenders, self.behind = [], []
        self.ports = {}
        self.cache = {}  # (what ran, contender) → samples; one stream yields two measurements

    def start(self):
        for kind in (Ssh, Tunneld):
            contender = kind(self.lab, self.sshd, self.options.cipher)
            forwards, ports = self.all_kinds()
            contender.start(forwards)
            client.wait_served(ports["local"]["echo"], 15)
            client.wait_served(ports["remote"]["echo"], 15)
            self.contenders.append(contender)
            self.ports[contender.name] = ports

    def start_behind_jumps(self):
        """Two more that go through other servers; their ports stand beside those of the first."""
        jumps = [self.lab.sshd() for _ in range(JUMPS)]
        for kind in (Ssh, Tunneld):
            contender = kind(self.lab, self.sshd, self.options.cipher, jumps)
            self.behind.append(contender)
            ports = {service: self.lab.port() for service in SERVICES}
            contender.start(Forwards(local=[(port, self.targets[service])
                                            for service, port in ports.items()]))
            client.wait_served(ports["echo"], 15)
            self.ports[contender.name]["jumps"] = ports

    def all_kinds(self):
        """(Forwards, {kind: {service: port}})"""
        ports = {kind: {service: self.lab.port() for service in SERVICES}
                 for kind in ("local", "remote")}
        proxy = self.lab.port()
        forwards = Forwards(dynamic=[proxy], **{
            kind: [(listens[service], self.targets[service]) for service in SERVICES]
            for kind, listens in ports.items()})
        ports["dynamic"] = {service: f"{proxy}/{self.targets[service]}" for service in SERVICES}
        return forwards, ports

    def close(self):
        for contender in self.contenders + self.behind:
            contender.close()
        self.service.communicate("")

    def load(self, *arguments):
        result = subprocess.run([LOAD, *map(str, arguments)], stdout=subprocess.PIPE,
                                check=True, text=True, timeout=120)
        return json.loads(result.stdout)

    def samples(self, kind, run):
        """{contender: [result of run(ports, pids) of each round]}, the order alternating."""
        if kind not in self.cache:
            self.cache[kind] = found = {contender.name: [] for contender in self.contenders}
            for number in range(self.options.rounds):
                for contender in self.contenders[::-1 if number % 2 else 1]:
                    progress(f"{kind}, round {number + 1} of {self.options.rounds}")
                    found[contender.name].append(run(self.ports[contender.name], contender.pids()))
        return self.cache[kind]

    def compare(self, kind, run, value):
        """The median of value(result) for each contender."""
        return {name: statistics.median(map(value, results))
                for name, results in self.samples(kind, run).items()}

    # Each returns {contender: number}.

    def stream(self, direction, value, kind="local"):
        service = {"down": "source", "up": "sink"}[direction]

        def run(ports, pids):
            before = sum(map(proc.cpu_seconds, pids))
            result = self.load(direction, ports[kind][service], self.options.bytes, 20)
            result["cpu"] = sum(map(proc.cpu_seconds, pids)) - before
            return result

        return self.compare(f"{kind} stream {direction}", run, value)

    def throughput(self, direction, kind="local"):
        return self.stream(direction, lambda result: result["bytes"] / result["seconds"] / 1e6,
                           kind)

    def through_jumps(self, direction):
        if not self.behind:
            self.start_behind_jumps()
        return self.throughput(direction, "jumps")

    def cpu(self, direction):
        return self.stream(direction, lambda result: result["cpu"] / result["bytes"] * 1e9)

    def echo(self, percentile):
        return self.compare(
            "echo", lambda ports, _: self.load("echo", ports["local"]["echo"], self.options.echoes),
            lambda result: result[percentile])

    def many(self, percentile):
        """The same with many connections open on the session, eight of them talking at a time."""
        return self.compare(
            "many connections",
            lambda ports, _: self.load("many", ports["local"]["echo"], self.options.connections,
                                       2 * self.options.echoes, 8),
            lambda result: result[percentile])

    def connections(self, kind):
        return self.compare(
            f"{kind} connections",
            lambda ports, _: self.load("connections", ports[kind]["echo"], self.options.seconds, 8),
            lambda result: result["per_second"])

    def asleep(self):
        """Private memory that READERS connections cost whose clients do not read, in MB."""
        progress("readers that do not read")
        return {kind.name: self.asleep_at(kind(self.lab, self.sshd, self.options.cipher))
                for kind in (Ssh, Tunneld)}

    def asleep_at(self, contender):
        port = self.lab.port()
        contender.start(Forwards(local=[(port, self.targets["source"])]))
        wait.until(lambda: not client.is_refused(port), 15, f"port {port} is served")
        before = private_kb(contender)
        readers = subprocess.Popen([LOAD, "asleep", str(port), str(READERS)], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        readers.stdout.readline()
        after = wait.settled(lambda: private_kb(contender), 5, 60, "the memory")
        readers.communicate("")
        contender.close()
        return (after - before) / 1000

    def idle_tunnels(self, count):
        return [Forwards(local=[(self.lab.port(), self.targets["echo"])]) for _ in range(count)]

    def memory(self):
        """Private memory of one more idle tunnel, in KB. One worker, so that what is counted is
        tunnels and not processes."""
        progress("memory")
        ssh = Ssh(self.lab, self.sshd, self.options.cipher)
        tunnels = self.idle_tunnels(5)
        for forwards in tunnels:
            ssh.start(forwards)
        for forwards in tunnels:
            client.wait_served(forwards.local[0][0], 15)
        each = private_kb(ssh) / len(tunnels)
        ssh.close()
        sizes = {count: self.memory_of(count) for count in (1, self.options.tunnels)}
        further = (sizes[self.options.tunnels] - sizes[1]) / (self.options.tunnels - 1)
        return {Ssh.name: each, Tunneld.name: further}

    def memory_of(self, count):
        tunneld = Tunneld(self.lab, self.sshd, self.options.cipher)
        tunneld.start_many(self.idle_tunnels(count), 60, workers=1)
        size = private_kb(tunneld)
        tunneld.close()
        return size

    def cold_start(self):
        """Seconds from starting the daemon until all tunnels are up, at sshd's own MaxStartups."""
        progress("cold start")
        offset = len(self.sshd.log)
        tunneld = Tunneld(self.lab, self.sshd, self.options.cipher)
        began = time.monotonic()
        tunneld.start_many(self.idle_tunnels(self.options.tunnels), 60)
        seconds = time.monotonic() - began
        tunneld.close()
        dropped = self.sshd.log[offset:].count("drop connection")
        if dropped:
            note(f"cold start: sshd dropped {dropped} connections (MaxStartups)")
        return {Tunneld.name: seconds}


@dataclasses.dataclass
class Measure:
    name: str  # what --only takes
    title: str
    unit: str
    run: typing.Callable
    digits: int = 0
    at_least: float = None  # of the ratio tunneld : ssh
    at_most: float = None  # of the ratio
    ceiling: float = None  # of tunneld's own number


MEASURES = [
    Measure("down", "stream down", "MB/s", lambda b: b.throughput("down"), at_least=0.85),
    Measure("up", "stream up", "MB/s", lambda b: b.throughput("up"), at_least=0.95),
    Measure("cpu-down", "CPU, down", "s/GB", lambda b: b.cpu("down"), 2, at_most=1.2),
    Measure("cpu-up", "CPU, up", "s/GB", lambda b: b.cpu("up"), 2, at_most=1.2),
    Measure("echo", "64-byte echo, p50", "µs", lambda b: b.echo("p50_us"), at_most=1.1),
    Measure("echo-p99", "64-byte echo, p99", "µs", lambda b: b.echo("p99_us")),
    Measure("connections", "new connections", "/s", lambda b: b.connections("local")),
    # What comes down a remote forward goes up the session, and the other way round.
    Measure("remote-down", "stream down, -R", "MB/s", lambda b: b.throughput("down", "remote"),
            at_least=0.95),
    Measure("remote-up", "stream up, -R", "MB/s", lambda b: b.throughput("up", "remote"),
            at_least=0.85),
    Measure("remote-connections", "new connections, -R", "/s", lambda b: b.connections("remote")),
    Measure("dynamic-down", "stream down, -D", "MB/s", lambda b: b.throughput("down", "dynamic"),
            at_least=0.85),
    Measure("dynamic-up", "stream up, -D", "MB/s", lambda b: b.throughput("up", "dynamic"),
            at_least=0.95),
    Measure("socks", "new SOCKS5 connections", "/s", lambda b: b.connections("dynamic"),
            at_least=1.0),
    Measure("jumps-down", f"stream down, {JUMPS} jumps", "MB/s", lambda b: b.through_jumps("down"),
            at_least=0.9),
    Measure("jumps-up", f"stream up, {JUMPS} jumps", "MB/s", lambda b: b.through_jumps("up"),
            at_least=0.9),
    Measure("many", "echo, {connections} open, p50", "µs", lambda b: b.many("p50_us")),
    Measure("many-p99", "echo, {connections} open, p99", "µs", lambda b: b.many("p99_us"),
            at_most=2.0),
    Measure("asleep", f"{READERS} readers asleep", "MB", lambda b: b.asleep(), 1, at_most=1.0),
    Measure("memory", "one more idle tunnel", "KB", lambda b: b.memory(), ceiling=60),
    Measure("cold", "{tunnels} tunnels from cold", "s", lambda b: b.cold_start(), 1, ceiling=20),
]


def private_kb(contender):
    return sum(map(proc.private_kib, contender.pids()))


# --- what is printed ------------------------------------------------------------------------------


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def note(text):
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr)


def judge(measure, numbers):
    """The row of a measurement: numbers, ratio, target in words, and whether it is met."""
    mine, theirs = numbers[Tunneld.name], numbers.get(Ssh.name)
    ratio = mine / theirs if theirs else None
    target, met = "", None
    if measure.at_least is not None:
        target, met = f"≥ {measure.at_least:.2f} ×", ratio >= measure.at_least
    elif measure.at_most is not None:
        target, met = f"≤ {measure.at_most:.2f} ×", ratio <= measure.at_most
    elif measure.ceiling is not None:
        target, met = f"≤ {measure.ceiling} {measure.unit}", mine <= measure.ceiling
    return {"name": measure.name, "unit": measure.unit, "ssh": theirs, "tunneld": mine,
            "ratio": ratio, "target": target, "met": met}


def print_head():
    print(f"{'':<26}{Ssh.name:>13}{Tunneld.name:>13}{'ratio':>10}{'target':>11}", flush=True)


def print_row(measure, row, options):
    def number(value):
        return "" if value is None else f"{value:.{measure.digits}f} {measure.unit}"

    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f} ×"
    verdict = {True: "ok", False: "MISSED", None: ""}[row["met"]]
    title = measure.title.format(**vars(options))
    progress("")
    print(f"{title:<26}{number(row['ssh']):>13}{number(row['tunneld']):>13}{ratio:>10}"
          f"{row['target']:>11}  {verdict}".rstrip(), flush=True)


def parse_options():
    parser = argparse.ArgumentParser(prog="./dev bench", description="tunneld beside ssh")
    parser.add_argument("--quick", action="store_true", help="a rough look in half a minute")
    parser.add_argument("--json", action="store_true", help="rows as JSON instead of the table")
    parser.add_argument("--assert", dest="strict", action="store_true",
                        help="exit with 1 when a target is missed")
    parser.add_argument("--only", action="append", metavar="NAME", default=[],
                        choices=[measure.name for measure in MEASURES],
                        help="one measurement; may be repeated: %(choices)s")
    parser.add_argument("--rounds", type=int, help="rounds for each contender (5)")
    parser.add_argument("--bytes", type=int, help="bytes of a stream (1 GiB)")
    parser.add_argument("--tunnels", type=int, help="how many idle tunnels (200)")
    parser.add_argument("--connections", type=int, help="how many open at once (1000)")
    parser.add_argument("--cipher", default="aes128-gcm@openssh.com", help="%(default)s")
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (2 if quick else 5)
    options.bytes = options.bytes or (1 << 28 if quick else 1 << 30)
    options.tunnels = options.tunnels or (50 if quick else 200)
    options.echoes, options.seconds = (2000, 1) if quick else (10000, 2)
    options.connections = options.connections or (200 if quick else 1000)
    if options.tunnels < 2:
        parser.error("--tunnels must be at least 2")
    if options.connections < 8:
        parser.error("--connections must be at least 8")
    return options


def measure_all(bench, options):
    rows = []
    if not options.json:
        print_head()
    for measure in MEASURES:
        if options.only and measure.name not in options.only:
            continue
        rows.append(judge(measure, measure.run(bench)))
        if not options.json:
            print_row(measure, rows[-1], options)
    return rows


def raise_descriptor_limit():
    """For all that is started from here: ssh and sshd keep the limit they find."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    options = parse_options()
    proc.become_subreaper()
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="td-keys-") as directory:
        lab = Lab(Keys(directory))
        bench = Bench(lab, options)
        try:
            bench.start()
            rows = measure_all(bench, options)
        finally:
            bench.close()
            lab.close()
    if options.json:
        print(json.dumps(rows, indent=2))
    missed = [row["name"] for row in rows if row["met"] is False]
    return 1 if options.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
