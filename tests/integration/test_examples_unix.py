"""conf/examples/unix-sockets.yaml: docker's socket, PostgreSQL's, and an application's."""

import http.server
import os
import socketserver
import stat
import threading

import pytest

from harness import example
from harness.example import login
from harness.programs import Postgres, output

# Beside the other tests that start PostgreSQL.
pytestmark = pytest.mark.xdist_group("databases")


class _Daemon(http.server.BaseHTTPRequestHandler):
    """Answers as dockerd does, with its version and a log that comes in pieces."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        if self.path.endswith("/logs"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in [b"line %d\n" % n for n in range(1000)] + [b""]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            return
        said = f'{{"Name": "{self.server.name}"}}'.encode()
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class WebOnSocket:
    def __init__(self, path, name):
        self._server = _Server(str(path), _Daemon)
        self._server.name = name
        self.path = path
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Sockets:
    def __init__(self, lab):
        self.sshd = lab.sshd()
        self.docker = lab.keep(WebOnSocket(lab.path("far-docker.sock"), "build"))
        self.application = lab.keep(WebOnSocket(lab.path("application.sock"), "application"))
        self.database = lab.keep(Postgres())
        self.here = lab.path("run")
        self.here.mkdir()
        self.docker_here = self.here / "build-docker.sock"
        self.docker_port, self.application_port = lab.port(), lab.port()
        words = {
            "me@build.example.com": login(self.sshd),
            "me@db.example.com": login(self.sshd),
            "/run/user/1000/build-docker.sock": self.docker_here,
            "/var/run/docker.sock": self.docker.path,
            "2375": self.docker_port,
            "/run/user/1000/.s.PGSQL.5432": self.here / ".s.PGSQL.5432",
            "/run/postgresql/.s.PGSQL.5432": self.database.socket,
            "8081": self.application_port,
            "/run/app/http.sock": self.application.path,
        }
        self.daemon = example.start(lab, "unix-sockets.yaml", words)


def test_unix_sockets(lab):
    sockets = Sockets(lab)
    here = ["curl", "-sS", "--unix-socket", sockets.docker_here]
    assert output(*here, "http://docker/info") == '{"Name": "build"}'
    log = output(*here, "http://docker/containers/1/logs")
    assert log.splitlines() == [f"line {n}" for n in range(1000)]
    over_tcp = f"http://localhost:{sockets.docker_port}/info"
    assert output("curl", "-sS", over_tcp, over_tcp) == '{"Name": "build"}' * 2
    permissions = sockets.docker_here.stat().st_mode
    assert stat.S_ISSOCK(permissions) and stat.S_IMODE(permissions) == 0o600

    env = {"PGHOST": str(sockets.here), "PGPORT": "5432", "PGDATABASE": "postgres"}
    asked = "SELECT current_user, inet_server_addr() IS NULL"
    peer = output("psql", "-XAtq", "-w", "-c", asked, env={**env, "PGUSER": sockets.database.owner})
    assert peer == f"{sockets.database.owner}|t\n", "as who we are there, without a password"

    at_the_server = f"http://localhost:{sockets.application_port}/"
    assert output("curl", "-sS", at_the_server) == '{"Name": "application"}'

    sockets.daemon.stop()
    assert os.listdir(sockets.here) == [], "the sockets go with the daemon"
