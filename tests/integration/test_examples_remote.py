"""conf/examples: remote forwards, where the server's clients come to us."""

import hashlib
import hmac
import http.server
import os
import re
import threading

import pytest

from harness import client, example
from harness.example import login
from harness.keys import public
from harness.ports import has_ipv6
from harness.programs import Files, SshClient, need, output, run
from harness.wait import until


# sshd is content with one of the two.
LOOPBACK = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)


class Web:
    """An HTTP server of our own on loopback; its handler finds what it keeps in self.server.kept."""

    def __init__(self, handler):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.kept = self._server.kept = {}
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# --- what is developed here, shown there ----------------------------------------------------------


def test_a_development_server(lab):
    sshd, port = lab.sshd(), lab.port()
    site = lab.keep(Files({"index.html": "work in progress\n"}))
    words = {"me@server.example.com": login(sshd), "8080": port, "3000": site.port}
    daemon = example.start(lab, "expose-dev-server.yaml", words)
    url = f"http://localhost:{port}/"
    assert output("curl", "-sS", url) == "work in progress\n"
    assert client.is_refused(port, "127.0.0.2"), "on the server's loopback only"

    sshd.kill_sessions()
    until(lambda: run("curl", "-sS", url).stdout == b"work in progress\n", 10, "it is there again")
    assert daemon.tunnel("preview")["state"] == "up"


class Hook(Handler):
    def do_POST(self):
        body = self.body()
        seal = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(seal, self.headers["X-Signature"])
        self.server.kept.setdefault("bodies", []).append(body)
        self.answer(204 if good else 403)


def test_webhooks(lab):
    sshd, port, hooks = lab.sshd(GatewayPorts="clientspecified"), lab.port(), lab.keep(Web(Hook))
    words = {"tunnel@hooks.example.com": login(sshd), "9000": port, "4567": hooks.port}
    daemon = example.start(lab, "webhooks.yaml", words)
    body = os.urandom(200_000)
    seal = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()

    def deliver(signature):
        """To an address of the server that is not its loopback's usual one."""
        said = ["-H", f"X-Signature: {signature}", "-H", "Content-Type: application/octet-stream"]
        shown = ["-o", "/dev/null", "-w", "%{http_code}"]
        url = f"http://127.0.0.2:{port}/"
        return output("curl", "-sS", *said, *shown, "--data-binary", "@-", url, input=body)

    assert deliver(seal) == "204" and deliver("sha256=0") == "403"
    assert hooks.kept["bodies"] == [body, body]
    assert daemon.forward("webhooks")["name"] == "payments"


# --- a registry for a CI server -------------------------------------------------------------------


class Registry(Handler):
    """As much of the OCI distribution protocol as `docker push` and `docker pull` speak."""

    def do_GET(self):
        if self.path == "/v2/":
            return self.answer(200, b"{}", Docker_Distribution_Api_Version="registry/2.0")
        found = self.server.kept.get(self.path)
        return self.answer(404) if found is None else self.answer(200, found)

    def do_POST(self):
        upload = f"http://{self.headers['Host']}/v2/app/blobs/uploads/1"
        self.answer(202, Location=upload)

    def do_PUT(self):
        body = self.body()
        path, _, query = self.path.partition("?digest=")
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        if query and query != digest:
            return self.answer(400)
        self.server.kept[f"/v2/app/blobs/{digest}" if query else path] = body
        return self.answer(201, Docker_Content_Digest=digest)


def test_a_registry_for_ci(lab):
    sshd, port, registry = lab.sshd(), lab.port(), lab.keep(Web(Registry))
    words = {
        "ci@runner.example.com": login(sshd),
        "~/.ssh/ci_ed25519": lab.keys.client,
        "5000:localhost:5000": f"{port}:localhost:{registry.port}",
    }
    example.start(lab, "registry.yaml", words)
    base, layer = f"http://localhost:{port}", os.urandom(8 << 20)
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()

    def curl(*arguments, **options):
        return output("curl", "-sS", "--fail", *arguments, **options)

    assert curl(f"{base}/v2/") == "{}"
    headers = curl("-i", "-X", "POST", f"{base}/v2/app/blobs/uploads/")
    location = re.search(r"^Location: (\S+)", headers, re.MULTILINE)[1]
    assert location.startswith(base), "the registry sees the name it was called by"
    binary = ["-H", "Content-Type: application/octet-stream"]
    curl("-X", "PUT", "--data-binary", "@-", *binary, f"{location}?digest={digest}", input=layer)
    curl(
        "-X", "PUT", "--data-binary", "@-", f"{base}/v2/app/manifests/latest", input=digest.encode()
    )

    assert curl(f"{base}/v2/app/manifests/latest") == digest
    pulled = run("curl", "-sS", "--fail", f"{base}/v2/app/blobs/{digest}").stdout
    assert pulled == layer


def test_a_registry_whose_port_is_taken(lab):
    """The job must not start as if all were well."""
    sshd, registry, port = lab.sshd(), lab.keep(Web(Registry)), lab.port()
    others = [lab.echo(host=host, port=port) for host in LOOPBACK]
    words = {
        "ci@runner.example.com": login(sshd),
        "~/.ssh/ci_ed25519": lab.keys.client,
        "5000:localhost:5000": f"{port}:localhost:{registry.port}",
    }
    daemon = example.start(lab, "registry.yaml", words, later=["registry"])
    row = daemon.wait_state("registry", "backoff", code="forward-in-use")
    assert f"port {port} " in row["error"]["message"]
    for other in others:
        other.close()
    daemon.wait_state("registry", "up")
    assert output("curl", "-sS", f"http://localhost:{port}/v2/") == "{}"


# --- the way back ---------------------------------------------------------------------------------


@pytest.fixture
def restricted(lab):
    """A server that lets a key have one port and nothing else, as the example says."""

    def make(port):
        line = f'restrict,port-forwarding,permitlisten="localhost:{port}" {public(lab.keys.client)}'
        return lab.sshd(AuthorizedKeysFile=lab.write("authorized_for_one_port", line + "\n"))

    return make


def test_ssh_to_a_machine_behind_nat(lab, restricted):
    need("scp")
    home, port = lab.sshd(Subsystem="sftp internal-sftp"), lab.port()
    relay = restricted(port)
    words = {
        "tunnel@relay.example.com": login(relay),
        "/etc/tunneld/id_ed25519": lab.keys.client,
        "2222": port,
        "22": home.port,
    }
    daemon = example.start(lab, "reverse-ssh.yaml", words)
    ssh = SshClient(lab)
    asked = ["-p", port, "localhost", "echo $SSH_CONNECTION"]
    assert ssh(*asked).endswith(f" {home.port}\n"), "on the server"
    assert ssh("-J", login(relay), *asked).endswith(f" {home.port}\n"), "from anywhere else"
    big = lab.path("big")
    big.write_bytes(os.urandom(2 << 20))
    ssh("-P", port, f"localhost:{big}", lab.path("copy"), program="scp")
    assert lab.path("copy").read_bytes() == big.read_bytes()

    relay.restart()
    daemon.wait_state("home", "up", 15)
    assert ssh(*asked).endswith(f" {home.port}\n"), "after the server was away"


# --- a server without Internet --------------------------------------------------------------------


def test_a_server_that_uses_our_internet(lab):
    need("apt-get")
    sshd, port = lab.sshd(), lab.port()
    archive = lab.keep(Files({"Packages": "Package: tool\nVersion: 1\nArchitecture: all\n"}))
    other = lab.keep(Files({"index.html": "not for the server\n"}))
    words = {
        "me@server.example.com": login(sshd),
        "1080": port,
        "deb.debian.org:80": f"localhost:{archive.port}",
    }
    example.start(lab, "remote-proxy.yaml", words)
    proxy = f"http://localhost:{port}"

    root = lab.path("apt")
    for name in ("etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg",
                 "var/cache/apt/archives/partial"):  # fmt: skip
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    source = f"deb [trusted=yes] http://localhost:{archive.port}/ ./\n"
    (root / "etc/apt/sources.list").write_text(source)
    apt = ["-o", f"Dir={root}", "-o", f"Dir::State::status={root}/var/lib/dpkg/status",
           "-o", "APT::Sandbox::User=root"]  # fmt: skip
    config = lab.write("apt.conf", "#clear APT::Update;\n")
    env = {"http_proxy": proxy, "APT_CONFIG": str(config)}
    output("apt-get", *apt, "-o", "APT::Update::Error-Mode=any", "update", env=env)
    assert "Package: tool" in output("apt-cache", *apt, "show", "tool", env=env)

    shown = ["-o", "/dev/null", "-w", "%{http_code}"]
    asked = ["-x", proxy, f"http://localhost:{other.port}/"]
    assert output("curl", "-sS", *shown, *asked) == "403", "what is not listed is not reached"
    assert "GET" not in other.log
