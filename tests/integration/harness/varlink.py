"""A Varlink client of a few lines: for polling without a process each time, and for speaking
nonsense."""

import functools
import json
import socket

from . import build
from .idl import Interface

MANAGER = "io.tunneld.Manager"


class VarlinkError(Exception):
    def __init__(self, error, parameters):
        super().__init__(f"{error} {parameters}")
        self.error, self.parameters = error, parameters


@functools.cache
def interface():
    return Interface(build.INTERFACE.read_text())


class Client:
    """One connection. Replies of our own interface are checked against its description."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Blocking, as a timeout would make it fail at once while the backlog is full.
        self.socket.connect(str(path))
        self.socket.settimeout(timeout)
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\0")

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message; None at the end of the stream."""
        while b"\0" not in self._buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def is_closed(self):
        """True once the peer has hung up; waits for it as long as the timeout allows."""
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def stream(self, method, **parameters):
        """Replies of a call with `more`, one by one."""
        self.send({"method": method, "parameters": parameters, "more": True})
        while True:
            reply = self.receive()
            assert reply is not None, f"{method}: the daemon hung up"
            yield self._checked(method, reply)
            if not reply.get("continues"):
                return

    def call(self, method, **parameters):
        if "." not in method:
            method = f"{MANAGER}.{method}"
        self.send({"method": method, "parameters": parameters})
        reply = self.receive()
        assert reply is not None, f"{method}: the daemon hung up"
        return self._checked(method, reply)

    @staticmethod
    def _checked(method, reply):
        assert not set(reply) - {"parameters", "error", "continues"}, reply
        parameters = reply.get("parameters") or {}
        ours = interface()
        if reply.get("error"):
            prefix, _, name = reply["error"].rpartition(".")
            if prefix == MANAGER:
                ours.check(ours.errors[name], parameters, reply["error"])
            raise VarlinkError(reply["error"], parameters)
        prefix, _, name = method.rpartition(".")
        if prefix == MANAGER:
            ours.check(ours.methods[name][1], parameters, name)
        return parameters
