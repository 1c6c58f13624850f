#!/usr/bin/python3
"""A worker that speaks the protocol of daemon/common/wire.h and no SSH: TUNNELD_WORKER names it, so
that the supervisor is tested alone, with workers that behave as no real one would.

FAKE_WORKER_PLAN is a file with one behaviour a line; each process takes the first line away (the
last one stays). Behaviours:

    good       reports what it is told as done at once, answers clients with the tunnel's id
    mute       never says ready
    die        exits with status 3 after ready
    hang       stops answering heartbeats after ready
    late-acks  keeps listening sockets until FAKE_WORKER_PLAN.release exists
    say TEXT   sends TEXT after ready, then is good
"""

import json
import os
import pathlib
import selectors
import signal
import socket
import sys

VERSION = "0.1.0"
PACKET_MAX = 128 * 1024


def behaviour():
    plan = os.environ.get("FAKE_WORKER_PLAN")
    if not plan:
        return "good"
    path = pathlib.Path(plan)
    first, *rest = path.read_text().splitlines()
    if rest:
        path.write_text("\n".join(rest) + "\n")
    return first


class Worker:
    def __init__(self, habit):
        self.habit = habit
        self.line = socket.socket(fileno=3)
        self.line.setblocking(True)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.line, selectors.EVENT_READ)
        self.forwards = {}  # (tunnel, forward) -> sockets
        self.running = set()
        self.owed = []  # acknowledgements that wait
        self.release = os.environ.get("FAKE_WORKER_PLAN", "") + ".release"

    def send(self, kind, **fields):
        self.line.send(json.dumps({"type": kind, **fields}).encode())

    def run(self):
        if self.habit == "mute":
            signal.pause()
        self.send("ready", version=VERSION, libssh="0.0.fake")
        if self.habit == "die":
            sys.exit(3)
        if self.habit.startswith("say "):
            self.line.send(self.habit[4:].encode())
        while True:
            for key, _ in self.selector.select(0.02 if self.owed else None):
                if key.fileobj is self.line:
                    self.receive()
                else:
                    self.accept(key.fileobj, key.data)
            self.pay()

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.line, PACKET_MAX, 16)
        if not data:
            sys.exit(0)
        message = json.loads(data)
        handle = getattr(self, "on_" + message["type"].replace("-", "_"))
        handle(message, [socket.socket(fileno=fd) for fd in fds])

    def accept(self, listener, tunnel):
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        client.sendall(b"%d" % tunnel)
        client.close()

    def state(self, tunnel, state):
        self.send("state", tunnel=tunnel, state=state, attempt=1, retry_at_ms=0)

    # -- what the supervisor says ------------------------------------------------------------------

    def on_settings(self, message, fds):
        pass

    def on_tunnel(self, message, fds):
        pass

    def on_forward(self, message, fds):
        place = message["tunnel"], message["forward"]
        self.drop(place)
        self.forwards[place] = fds
        if message["tunnel"] in self.running:
            self.open(place)

    def on_forward_remove(self, message, fds):
        self.owed.append(("forward-removed", message["tunnel"], message["forward"]))

    def on_tunnel_remove(self, message, fds):
        self.running.discard(message["tunnel"])
        self.owed.append(("tunnel-removed", message["tunnel"], None))

    def on_start(self, message, fds):
        tunnel = message["tunnel"]
        if tunnel not in self.running:
            self.running.add(tunnel)
            for place in [p for p in self.forwards if p[0] == tunnel]:
                self.open(place)
            self.state(tunnel, "up")

    def on_stop(self, message, fds):
        self.running.discard(message["tunnel"])
        self.state(message["tunnel"], "stopped")

    def on_restart(self, message, fds):
        self.state(message["tunnel"], "connecting")
        self.running.discard(message["tunnel"])
        self.on_start(message, fds)

    def on_wake(self, message, fds):
        pass

    def on_ping(self, message, fds):
        if self.habit != "hang":
            self.send(
                "pong", seq=message["seq"], stall_us=0, worst_stall_us=0, sessions=len(self.running)
            )

    def on_shutdown(self, message, fds):
        sys.exit(0)

    # -- sockets -----------------------------------------------------------------------------------

    def open(self, place):
        for listener in self.forwards[place]:
            self.selector.register(listener, selectors.EVENT_READ, place[0])
        self.send("forward-state", tunnel=place[0], forward=place[1], state="open")

    def drop(self, place):
        for listener in self.forwards.pop(place, []):
            if listener in self.selector.get_map():
                self.selector.unregister(listener)
            listener.close()

    def pay(self):
        """Closes what is to be closed, and says so."""
        if self.habit == "late-acks" and not os.path.exists(self.release):
            return
        for kind, tunnel, forward in self.owed:
            if forward is None:
                self.send(kind, tunnel=tunnel)
                continue
            self.drop((tunnel, forward))
            self.send(kind, tunnel=tunnel, forward=forward)
        self.owed.clear()


def main():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        Worker(behaviour()).run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the supervisor is gone: so are we


if __name__ == "__main__":
    main()
