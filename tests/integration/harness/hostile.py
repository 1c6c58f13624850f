"""SSH servers that misbehave, each in one way. Handlers for peers.TcpServer for what needs no real
protocol, and an asyncssh server for what goes wrong after the key exchange."""

import asyncio
import itertools
import os
import threading

import asyncssh
from asyncssh.constants import MSG_GLOBAL_REQUEST

from .peers import hold, reset
from .ports import free_port

BANNER = b"SSH-2.0-OpenSSH_9.2p1 hostile\r\n"


def silent(sock):
    """Accepts and says nothing."""
    hold(sock)


def endless_banner(sock):
    """Lines before the version line, without an end."""
    for i in itertools.count():
        sock.sendall(b"welcome to line %d of our terms of service\r\n" % i * 100)


def endless_line(sock):
    """A version line that never ends."""
    sock.sendall(b"SSH-2.0-")
    while True:
        sock.sendall(b"x" * 65536)


def garbage(sock):
    """Random bytes from the start."""
    while True:
        sock.sendall(os.urandom(4096))


def http(sock):
    """Not SSH at all."""
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    sock.close()


def drip(event):
    """One byte a second, of a banner that would be right. The event ends it."""

    def handler(sock):
        for byte in BANNER * 10:
            sock.sendall(bytes([byte]))
            if event.wait(1):
                return

    return handler


def close_at_once(sock):
    sock.close()


def reset_at_once(sock):
    reset(sock)


def close_after_banner(sock):
    sock.sendall(BANNER)
    sock.close()


def silent_after_banner(sock):
    sock.sendall(BANNER)
    hold(sock)


def garbage_after_banner(sock):
    sock.sendall(BANNER)
    while True:
        sock.sendall(os.urandom(4096))


def huge_packet(sock):
    """A packet that claims to be 4 GiB long."""
    sock.sendall(BANNER + b"\xff\xff\xff\xff" + b"\0" * 4096)
    hold(sock)


def old_protocol(sock):
    sock.sendall(b"SSH-1.5-OpenSSH_1.2\r\n")
    hold(sock)


class _Server(asyncssh.SSHServer):
    """What an asyncssh server does at each step is asked of its owner."""

    def __init__(self, owner):
        self.owner = owner

    def connection_made(self, conn):
        self.conn = conn
        self.owner.current = conn
        self.owner.connections += 1
        if self.owner.mends_cancel:
            # asyncssh ends the connection when a forward is cancelled that is not there, which is
            # how we ask for a sign of life; RFC 4254 wants a refusal.
            conn._process_cancel_tcpip_forward_global_request = (
                lambda packet: conn._report_global_response(False)
            )
        if self.owner.ignore_global_requests:
            handlers = dict(conn._packet_handlers)
            handlers[MSG_GLOBAL_REQUEST] = lambda *_: None
            conn._packet_handlers = handlers

    def begin_auth(self, username):
        return True

    def public_key_auth_supported(self):
        return True

    async def validate_public_key(self, username, key):
        if self.owner.never_finishes_auth:
            await asyncio.Event().wait()
        return self.owner.accepts_keys

    def auth_completed(self):
        if self.owner.closes_after_auth:
            self.conn.abort()

    def server_requested(self, listen_host, listen_port):
        """tcpip-forward: an answer that never comes, a no, or a real listener."""
        if self.owner.answers_forward:
            return self.owner.answers_forward()
        return asyncio.Event().wait() if self.owner.never_opens_forwards else True

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        if self.owner.channel_session:
            return self.owner.channel_session()
        return asyncio.Event().wait() if self.owner.never_opens_channels else True


class AsyncsshServer:
    """A whole SSH server in a thread, with one bad habit (or none)."""

    server_class = _Server

    def __init__(
        self,
        host_key,
        *,
        port=None,
        ignore_global_requests=False,
        closes_after_auth=False,
        never_finishes_auth=False,
        never_opens_channels=False,
        never_opens_forwards=False,
        answers_forward=None,
        channel_session=None,
        accepts_keys=True,
        mends_cancel=True,
        **options,
    ):
        self.ignore_global_requests = ignore_global_requests
        self.closes_after_auth = closes_after_auth
        self.never_finishes_auth = never_finishes_auth
        self.never_opens_channels = never_opens_channels
        self.never_opens_forwards = never_opens_forwards
        self.answers_forward = answers_forward  # a coroutine function: is a tcpip-forward granted?
        self.channel_session = channel_session  # makes the SSHTCPSession of a direct-tcpip channel
        self.current = None  # the last connection
        self.accepts_keys = accepts_keys
        self.mends_cancel = mends_cancel
        self.connections = 0
        self._options = {"server_host_keys": [str(host_key)], "login_timeout": 0, **options}
        self.port = port or free_port()
        self._start()

    def _start(self):
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10), "asyncssh did not start"

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            asyncssh.create_server(
                lambda: self.server_class(self),
                "127.0.0.1",
                self.port,
                reuse_address=True,
                **self._options,
            )
        )
        started.set()
        self._loop.run_forever()

    def restart(self):
        """The connection there is is cut, and the port taken anew."""

        async def end(connection):
            if connection:
                connection.abort()
            self._server.close()
            await self._server.wait_closed()

        self.run(end)
        self.close()
        self._start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def run(self, make_coroutine, timeout=10):
        """Runs make_coroutine(connection) on the server's loop; its result or exception."""
        future = asyncio.run_coroutine_threadsafe(make_coroutine(self.current), self._loop)
        return future.result(timeout)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
