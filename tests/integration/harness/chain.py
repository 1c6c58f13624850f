"""Servers behind one another: a way of several sshd, each with a key of its own for us."""

import getpass
import pathlib

from . import keys
from .lab import local


class Bastion:
    """An sshd that lets in one key, which no other server knows."""

    def __init__(self, lab, name, **options):
        self.name = name
        self.key = lab.key(f"key_{name}")
        authorized = lab.write(f"authorized_{name}", pathlib.Path(f"{self.key}.pub").read_text())
        self.sshd = lab.sshd(AuthorizedKeysFile=authorized, **options)
        self.fingerprint = keys.fingerprint(self.key)

    @property
    def address(self):
        return self.sshd.address

    @property
    def label(self):
        """As messages name it."""
        return f"{getpass.getuser()}@{self.address}"

    def entry(self, **more):
        """Its entry in `hosts`."""
        return {"address": self.address, "identity": str(self.key), **more}


class Chain:
    """count servers, to be reached one through the other, and an echo server behind the last."""

    def __init__(self, lab, count, options=(), **jump):
        self.lab = lab
        options = dict(options)
        self.servers = [Bastion(lab, f"s{i}", **options.get(i, {})) for i in range(count)]
        self.hosts = {s.name: s.entry(**jump) for s in self.servers}
        self.echo = lab.echo()

    @property
    def jumps(self):
        return self.servers[:-1]

    @property
    def target(self):
        return self.servers[-1]

    def tunnel(self, port=None, target_port=None, **more):
        """A tunnel through all of them with a local forward."""
        way = {"jump": [s.name for s in self.jumps]} if self.jumps else {}
        forward = {"local": local(port, target_port or self.echo.port)} if port else {}
        return {"host": self.target.name, **way, **forward, **more}

    def up(self, *, defaults=None, **tunnels):
        return self.lab.up(tunnels, defaults, hosts=self.hosts)

    def daemon(self, *, defaults=None, **tunnels):
        """The same without waiting."""
        return self.lab.daemon(self.lab.config(tunnels, defaults, hosts=self.hosts))
