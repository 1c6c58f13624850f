"""What a bad server must not touch: a healthy tunnel in the same worker, used all the time."""

import threading
import time

from . import build, client
from .lab import local
from .wait import until

DEADLINE = 1.5  # connect_timeout of the tunnels to bad servers


class Heartbeat:
    """A connection on which a thread plays ping-pong with an echo server. failure is what ended it,
    worst the longest round in seconds."""

    def __init__(self, port):
        self.sock = client.connect(port)
        self.worst, self.rounds, self.failure = 0.0, 0, None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.wait(0.005):
                start = time.monotonic()
                client.ping(self.sock)
                self.worst = max(self.worst, time.monotonic() - start)
                self.rounds += 1
        except (OSError, AssertionError) as error:
            self.failure = error

    def stop(self):
        before = self.rounds
        until(lambda: self.failure or self.rounds > before, 10, "another round")
        self._stop.set()
        self._thread.join(10)
        self.sock.close()


class Beside:
    """One worker with a healthy tunnel, into which hostile ones are put."""

    def __init__(self, lab):
        self.lab, self.sshd, self.echo, self.port = lab, lab.sshd(), lab.echo(), lab.port()
        self.heartbeat = None

    def run(self, *addresses, **tunnel):
        """Each address becomes a tunnel bad0, bad1, … with a local forward."""
        settings = {
            "connect_timeout": f"{int(DEADLINE * 1000)}ms",
            "reconnect": {"min": "20s", "max": "30s"},
            "hold": 0,
            **tunnel,
        }
        tunnels = {"good": {"host": self.sshd.address, "local": local(self.port, self.echo.port)}}
        for i, address in enumerate(addresses):
            forward = {} if "local" in tunnel else {"local": local(self.lab.port(), 1)}
            tunnels[f"bad{i}"] = {"host": address, **forward, **settings}
        return self.watch(self.lab.daemon(self.lab.config(tunnels, daemon={"workers": 1})))

    def watch(self, daemon):
        """A daemon whose tunnel `good` is at our port."""
        self.daemon = daemon
        daemon.wait_state("good", "up", build.limit(5))
        self.heartbeat = Heartbeat(self.port)
        return daemon

    def assert_untouched(self):
        self.heartbeat.stop()
        assert self.heartbeat.failure is None
        # Generous, because the tests share their CPUs; assert_no_stall() is the exact one.
        assert self.heartbeat.worst < build.limit(3)
        assert client.exchange(self.port) == b"hello"
        assert self.daemon.tunnel("good")["attempt"] <= 1
        self.daemon.assert_no_stall()
