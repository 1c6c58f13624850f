"""A web site of a few pages, each there for one thing HTTP can do, and a log of who asked."""

import http.server
import os
import threading

from .peers import reset

BIG = 8 << 20


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.server.site.connections += 1

    def _answer(self, body, status=200, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunked(self, parts):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def _die(self):
        """Promises more than it sends."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        self.wfile.flush()
        reset(self.connection)

    def _until_close(self):
        """An old server's answer: the end of the connection is the end of the body."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"until the end")
        self.close_connection = True

    def do_GET(self):
        site = self.server.site
        site.note(self)
        pages = {
            "/": lambda: self._answer(site.name.encode()),
            "/big": lambda: self._answer(site.big),
            "/chunked": lambda: self._chunked([b"one ", b"two ", b"three"]),
            "/die": self._die,
            "/old": self._until_close,
            "/empty": lambda: self._answer(b"", 204),
        }
        pages.get(self.path, lambda: self._answer(b"no such page", 404))()

    do_HEAD = do_GET

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_POST(self):
        """What was sent comes back."""
        self.server.site.note(self)
        self._answer(self._body())

    do_PUT = do_POST


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # of 5 a crowd would lose some, and each waits seconds for its next try

    def handle_error(self, request, client_address):
        pass  # clients that leave are part of the tests


class Website:
    """requests holds (method, target, headers) of each, as they arrived."""

    def __init__(self, name="site", host="127.0.0.1"):
        self.name, self.host = name, host
        self.big = os.urandom(BIG)
        self.requests, self.connections = [], 0
        self._server = _Server((host, 0), _Page)
        self._server.site = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def note(self, page):
        self.requests.append((page.command, page.path, dict(page.headers)))

    def url(self, path="/", host=None):
        return f"http://{host or self.host}:{self.port}{path}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
