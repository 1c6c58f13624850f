"""One test's world: makes servers, peers and daemons, and takes all of them down in reverse
order."""

import getpass
import pathlib
import shutil
import tempfile

from . import client, keys, peers, web
from .daemon import Daemon
from .dropbear import Dropbear
from .hostile import AsyncsshServer
from .ports import free_port, free_run
from .sshd import Sshd


class Lab:
    def __init__(self, keyring):
        self.keys = keyring
        # Short, because it holds a Unix socket, whose path may have 107 bytes.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="td-"))
        self._things = []
        self._daemons = 0

    def keep(self, thing):
        """Takes part in the taking down: thing has a close()."""
        self._things.append(thing)
        return thing

    def close(self):
        """Everything is taken down, whatever fails; the first failure is what the test reports."""
        failure = None
        for thing in reversed(self._things):
            try:
                thing.close()
            except Exception as error:  # noqa: BLE001 - the rest must still be taken down
                failure = failure or error
        shutil.rmtree(self.directory, ignore_errors=True)
        if failure:
            raise failure

    def logs(self):
        """(title, text) of everything that keeps a log, for the report of a failed test."""
        for thing in self._things:
            text = getattr(thing, "log", None)
            if text:
                yield f"{type(thing).__name__} {getattr(thing, 'log_path', '')}", text

    # -- far ends ------------------------------------------------------------------------------

    def port(self):
        return free_port()

    def ports(self, count):
        """In a row."""
        first = free_run(count)
        return range(first, first + count)

    def sshd(self, start=True, *, host="127.0.0.1", port=None, **options):
        server = self.keep(Sshd(self.directory, self.keys, host=host, port=port, options=options))
        return server.start() if start else server

    def dropbear(self):
        return self.keep(Dropbear(self.directory, self.keys)).start()

    def server(self, handler, **options):
        return self.keep(peers.TcpServer(handler, **options))

    def echo(self, **options):
        return self.server(peers.echo, **options)

    def unix_echo(self, name):
        return self.keep(peers.UnixServer(peers.echo, self.path(name)))

    def website(self, **options):
        return self.keep(web.Website(**options))

    def proxy(self, target_port, **options):
        return self.keep(peers.Proxy(("127.0.0.1", target_port), **options))

    def asyncssh(self, **habits):
        return self.keep(AsyncsshServer(self.keys.host, **habits))

    # -- files ---------------------------------------------------------------------------------

    def path(self, name):
        return self.directory / name

    def write(self, name, text, mode=0o600):
        path = self.path(name)
        path.write_text(text)
        path.chmod(mode)
        return path

    def key(self, name, **options):
        return keys.generate(self.path(name), **options)

    def known_hosts(self):
        """Every loopback server of this lab, whatever its port: they share one host key."""
        line = f"[127.0.0.1]:*,[::1]:*,[localhost]:* {keys.public(self.keys.host)}\n"
        path = self.path("known_hosts")
        if path.exists() and path.read_text() == line:
            return path  # not written again: who has been started may be reading it
        return self.write("known_hosts", line)

    # -- daemons -------------------------------------------------------------------------------

    def config(self, tunnels, defaults=None, **top):
        """A configuration in which only the tunnels have to be said."""
        return {
            **top,
            "defaults": {
                "user": getpass.getuser(),
                "identity": str(self.keys.client),
                "known_hosts": [str(self.known_hosts())],
                **(defaults or {}),
            },
            "tunnels": tunnels,
        }

    def daemon(self, config, start=True, **options):
        self._daemons += 1
        directory = self.path(f"d{self._daemons}")
        directory.mkdir()
        daemon = self.keep(Daemon(directory, config, **options))
        return daemon.start() if start else daemon

    def up(self, tunnels, defaults=None, **top):
        """A running daemon with these tunnels, all of them up."""
        daemon = self.daemon(self.config(tunnels, defaults, **top))
        daemon.wait_all("up", 15)
        return daemon


def local(port, target_port, target_host="127.0.0.1"):
    """ssh -L as a string."""
    return f"127.0.0.1:{port}:{target_host}:{target_port}"


def remote(port, target_port, bind="127.0.0.1"):
    """ssh -R as a string; the target is on loopback."""
    return f"{bind}:{port}:127.0.0.1:{target_port}"


class Simple:
    """The usual case: one sshd, one echo server, one tunnel `t` that is up."""

    def __init__(self, lab, host=None, **tunnel):
        self.sshd = lab.sshd() if host is None else None
        self.echo = lab.echo()
        self.port = lab.port()
        spec = {"host": host or self.sshd.address, "local": local(self.port, self.echo.port)}
        self.daemon = lab.up({"t": {**spec, **tunnel}})

    def connect(self, **options):
        return client.connect(self.port, **options)
