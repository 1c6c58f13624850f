"""Hosts in network namespaces: two joined by a cable that can be cut or turn into a black hole, or
several in a row, of which each knows its neighbours only.

A namespace belongs to a thread: inside `with host:` sockets and processes made by this thread are
in it, and so are the threads it starts. Files (and so Unix sockets with a path) are shared."""

import ctypes
import functools
import os
import shutil
import subprocess

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _run(*command, **options):
    subprocess.run(command, check=True, capture_output=True, text=True, **options)


def _enter(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


@functools.cache
def why_not():
    """What keeps this machine from having namespaces, or None. Containers often must not."""
    missing = [tool for tool in ("ip", "nft") if not shutil.which(tool)]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0:
        return "needs root"
    namespace = f"tunneld-{os.getpid()}-probe"
    try:
        _run("ip", "netns", "add", namespace)
        _run("ip", "netns", "exec", namespace, "nft", "list", "ruleset")
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
    return None


class Host:
    def __init__(self, name, number):
        self.namespace = f"tunneld-{os.getpid()}-{name}"
        self.address, self.address6 = f"10.77.0.{number}", f"fd77::{number}"
        self._outside = None
        _run("ip", "netns", "add", self.namespace)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        _run("ip", "-n", self.namespace, *args)

    def is_checking_addresses(self):
        """Whether the kernel still asks if somebody else has an address of ours (RFC 4862)."""
        command = ["ip", "-n", self.namespace, "-6", "addr", "show", "tentative"]
        return bool(subprocess.run(command, capture_output=True, check=True).stdout)

    def nft(self, rules):
        _run("ip", "netns", "exec", self.namespace, "nft", "-f", "-", input=rules)

    def __enter__(self):
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _enter(f"/run/netns/{self.namespace}")
        return self

    def __exit__(self, *_):
        _libc.setns(self._outside, _CLONE_NEWNET)
        os.close(self._outside)

    def start_interface(self):
        self.ip("addr", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("addr", "add", f"{self.address6}/64", "dev", "eth0", "nodad")
        self.ip("link", "set", "eth0", "up")

    def close(self):
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)


class Cable:
    """near ── far. All damage is done at the far end, where the near one cannot see it."""

    def __init__(self):
        self.near, self.far = Host("near", 1), Host("far", 2)
        peer = ("peer", "name", "eth0", "netns", self.far.namespace)
        self.near.ip("link", "add", "eth0", "type", "veth", *peer)
        self.near.start_interface()
        self.far.start_interface()

    def black_hole(self, family="inet"):
        """Packets vanish both ways, nobody is told. ARP works, so nothing is 'unreachable'."""
        self.far.nft(
            f"""
table {family} hole {{
    chain in {{ type filter hook input priority 0; iif "eth0" meta l4proto tcp drop; }}
    chain out {{ type filter hook output priority 0; oif "eth0" meta l4proto tcp drop; }}
}}"""
        )

    def heal(self, family="inet"):
        self.far.nft(f"delete table {family} hole")

    def answer_with_reset(self, port):
        """What a restarted firewall does: established connections are no longer known to it."""
        rule = f"tcp dport {port} reject with tcp reset"
        self.far.nft(
            f"""
table inet hole {{
    chain in {{ type filter hook input priority 0; {rule}; }}
}}"""
        )

    def cut(self):
        self.far.ip("link", "set", "eth0", "down")

    def mend(self):
        self.far.ip("link", "set", "eth0", "up")

    def narrow(self, kbit):
        self.near.ip("link", "set", "eth0", "mtu", "1500")
        _run(
            "tc",
            "-n",
            self.near.namespace,
            "qdisc",
            "replace",
            "dev",
            "eth0",
            "root",
            "tbf",
            "rate",
            f"{kbit}kbit",
            "burst",
            "16kb",
            "latency",
            "400ms",
        )

    def close(self):
        self.near.close()
        self.far.close()


class Row:
    """hosts[0] ── hosts[1] ── … Link i leads from host i to the next. Nobody routes: who wants to go
    further has to ask a neighbour to do it for him. Damage is done at the right end of a link."""

    def __init__(self, *names):
        self.hosts = [Host(name, 0) for name in names]
        for i, (left, right) in enumerate(zip(self.hosts, self.hosts[1:])):
            peer = ("peer", "name", "left", "netns", right.namespace)
            left.ip("link", "add", "right", "type", "veth", *peer)
            left.ip("addr", "add", f"10.77.{i + 1}.1/24", "dev", "right")
            right.ip("addr", "add", f"{self.address(i + 1)}/24", "dev", "left")
            left.ip("link", "set", "right", "up")
            right.ip("link", "set", "left", "up")

    @staticmethod
    def address(i):
        """Of a host, for its neighbour to the left."""
        return f"10.77.{i}.2"

    def black_hole(self, link):
        """As Cable.black_hole()."""
        self.hosts[link + 1].nft(
            """
table inet hole {
    chain in { type filter hook input priority 0; iifname "left" meta l4proto tcp drop; }
    chain out { type filter hook output priority 0; oifname "left" meta l4proto tcp drop; }
}"""
        )

    def heal(self, link):
        self.hosts[link + 1].nft("delete table inet hole")

    def cut(self, link):
        self.hosts[link + 1].ip("link", "set", "left", "down")

    def mend(self, link):
        self.hosts[link + 1].ip("link", "set", "left", "up")

    def close(self):
        for host in self.hosts:
            host.close()
