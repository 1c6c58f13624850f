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
    silent     answers no calls (connections, kill, connect)
    liar       answers calls with what is not true
    ask LIST   asks these questions (JSON) for the first tunnel that is started, one after the other,
               and notes the answers
    say TEXT   sends TEXT after ready, then is good
    late LIST  sends these messages (JSON) about a tunnel when it is told of new settings, as if it had
               said them before it knew, and notes the answers
"""

import json
import os
import pathlib
import selectors
import signal
import socket
import sys
import time

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


QUESTION = {
    "route": 0,
    "hop": 0,
    "kind": "password",
    "again": False,
    "subject": "",
    "name": "",
    "instruction": "",
    "prompts": [],
}


class Worker:
    def __init__(self, habit):
        self.habit = habit
        self.line = socket.socket(fileno=3)
        self.line.setblocking(True)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.line, selectors.EVENT_READ)
        self.forwards = {}  # (tunnel, forward) -> sockets
        self.specs = {}  # (tunnel, forward) -> spec
        self.ports = {}  # (tunnel, forward) -> where the server listened last
        self.generation = 0
        self.connections = {}  # tunnel -> numbers of connections
        self.calls = {}  # connect calls that wait for their socket -> target
        self.running = set()
        self.asking, self.questions, self.asked, self.unanswered = 0, [], 1, 0
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
        self.send("state", tunnel=tunnel, state=state, attempt=1, retry_at_ms=0, route=0, jumps=[])

    # -- what the supervisor says ------------------------------------------------------------------

    def on_settings(self, message, fds):
        self.generation = message["generation"]

    def on_tunnel(self, message, fds):
        if self.habit.startswith("late ") and message["tunnel"] in self.running:
            for call, late in enumerate(json.loads(self.habit[5:]), 1):
                self.line.send(json.dumps({"tunnel": message["tunnel"], "call": call, **late}).encode())

    def on_forward(self, message, fds):
        place = message["tunnel"], message["forward"]
        self.drop(place)
        self.forwards[place] = fds
        self.specs[place] = message["spec"]
        self.ports[place] = message["bound_port"]
        self.missing = message["sockets"] - len(fds)
        if message["error"]:
            del self.forwards[place]  # the supervisor has said so by itself
        else:
            self.open_if_complete(place)

    def on_forward_sockets(self, message, fds):
        place = message["tunnel"], message["forward"]
        self.forwards[place] += fds
        self.missing -= len(fds)
        self.open_if_complete(place)

    def open_if_complete(self, place):
        if self.missing == 0 and place[0] in self.running:
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
            if self.habit.startswith("ask ") and not self.asking:
                self.asking, self.questions = tunnel, json.loads(self.habit[4:])
                self.state(tunnel, "authenticating")
                self.ask_next()
                return
            for place in [p for p in self.forwards if p[0] == tunnel]:
                self.open(place)
            self.state(tunnel, "up")

    def on_host_key_written(self, message, fds):
        self.note(json.dumps([message["call"], message["error"] and message["error"]["code"]]))

    on_command_started = on_host_key_written

    # -- questions ---------------------------------------------------------------------------------

    def ask_next(self):
        """A question goes out once the last one is answered, or at once if it is `hasty`."""
        while self.questions:
            about = {"type": "question", "tunnel": self.asking, "call": self.asked}
            question = QUESTION | about | self.questions.pop(0)
            self.asked += 1
            if question["type"] != "question":  # question-cancel
                self.unanswered -= 1
            elif question["prompts"] or question["kind"] != "keyboard-interactive":
                self.unanswered += 1
            hasty = question.pop("hasty", False)
            self.line.send(json.dumps(question).encode())
            if not hasty:
                return

    def on_answer(self, message, fds):
        self.note(json.dumps([message["call"], message["answers"]]))
        self.unanswered -= 1
        self.ask_next()
        if not self.questions and not self.unanswered:
            self.state(self.asking, "up")

    # ----------------------------------------------------------------------------------------------

    def on_stop(self, message, fds):
        self.running.discard(message["tunnel"])
        self.state(message["tunnel"], "stopped")

    def on_restart(self, message, fds):
        self.state(message["tunnel"], "connecting")
        self.running.discard(message["tunnel"])
        self.on_start(message, fds)

    # -- calls -------------------------------------------------------------------------------------

    def on_connections(self, message, fds):
        """Every tunnel has five connections, told two at a time."""
        self.note("asked")
        if self.habit == "silent":
            return
        lie = 1 if self.habit == "liar" else 0
        base = (self.generation + lie) << 32 | message["tunnel"] << 8
        ids = [base + n for n in range(1, 6) if base + n > message["after"]]
        forwards = [place[1] for place in self.forwards if place[0] == message["tunnel"]]
        page = [self.connection(n, forwards[0]) for n in ids[:2]]
        self.send("connections", call=message["call"], connections=page, more=len(ids) > 2)

    def connection(self, number, forward):
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000
        return {
            "connection": number,
            "forward": forward,
            "state": "open",
            "from": "127.0.0.1:40000",
            "to": "db:5432",
            "opened_at_ms": now - 5000,
            "active_at_ms": now - 1000,
            "bytes_in": 7,
            "bytes_out": 9,
        }

    def on_kill(self, message, fds):
        if self.habit != "silent":
            self.send("killed", call=message["call"], found=message["connection"] & 0xFF == 1)

    def on_connect(self, message, fds):
        self.note("asked")
        if self.habit == "silent":
            return
        target = "{kind}:{host}:{port}".format(**message["target"])
        if message["target"]["port"] == 1:
            error = {"code": "target-unreachable", "message": "nobody is there"}
            self.send("connected", call=message["call"], error=error)
            return
        self.calls[message["call"]] = target
        self.send("connected", call=message["call"], error=None)

    def on_attach(self, message, fds):
        """Says where it leads and gives back what comes, in capitals."""
        sock = fds[0]
        sock.setblocking(True)
        sock.sendall(self.calls.pop(message["call"]).encode() + b"\n")
        while data := sock.recv(4096):
            sock.sendall(data.upper())
        sock.close()

    def on_connect_cancel(self, message, fds):
        self.calls.pop(message["call"], None)
        self.note("canceled")

    def note(self, word):
        """For the test to read."""
        plan = os.environ.get("FAKE_WORKER_PLAN")
        with open(plan + ".notes", "a") as notes:
            notes.write(word + "\n")

    # ----------------------------------------------------------------------------------------------

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
        self.send(
            "forward-state",
            tunnel=place[0],
            forward=place[1],
            state="open",
            port=self.port_of(place),
            note="",
        )

    def port_of(self, place):
        """A server that is free to choose takes 43210, or the port it had before plus one."""
        spec = self.specs[place]
        if spec["type"] != "remote":
            return 0
        return spec["listen"]["port"] or (self.ports[place] + 1 if self.ports[place] else 43210)

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
