"""conf/examples/proxy.yaml, with the clients it names."""

import os

import pytest

from harness import example
from harness.example import login
from harness.programs import Files, SshClient, Tls, need, output, run

PAGE = "what only the server can see\n"


class Office:
    """A server that tells what it was asked to connect to, and the proxy that leads there."""

    def __init__(self, lab):
        self.sshd = lab.sshd(LogLevel="DEBUG1")
        self.site = lab.keep(Files({"index.html": PAGE}))
        self.inner = lab.keep(Files({"index.html": "a network of its own\n"}, host="127.0.5.1"))
        self.port, self.guests = lab.port(), lab.port()
        words = {
            "me@gateway.example.com": login(self.sshd),
            "1080": self.port,
            "1081": self.guests,
            "wiki.internal:80": f"localhost:{self.site.port}",
            "10.0.0.0/8": "127.0.5.0/24",
        }
        self.daemon = example.start(lab, "proxy.yaml", words)
        self.socks, self.http = f"localhost:{self.port}", f"http://localhost:{self.port}"

    def url(self, host="localhost"):
        return f"http://{host}:{self.site.port}/"

    def was_asked_for(self, host, port):
        """The server has looked up a name, or was given an address: nobody did it before."""
        self.sshd.wait_log(rf"target {host} port {port}\b")
        return True


@pytest.fixture
def office(lab):
    return Office(lab)


@pytest.mark.parametrize(
    "option, host, asked",
    [
        ("--socks4", "127.0.0.1", "127.0.0.1"),
        ("--socks4a", "localhost", "localhost"),
        ("--socks5", "127.0.0.1", "127.0.0.1"),
        ("--socks5-hostname", "localhost", "localhost"),
        ("-x", "localhost", "localhost"),
        ("-px", "localhost", "localhost"),
    ],
)
def test_curl(office, option, host, asked):
    where = office.http if option.endswith("x") else office.socks
    assert output("curl", "-sS", option, where, office.url(host)) == PAGE
    assert office.was_asked_for(asked, office.site.port)


def test_curl_on_one_connection_to_several_hosts(office):
    urls = [office.url(), f"http://127.0.5.1:{office.inner.port}/", office.url("127.0.0.1")]
    said = output("curl", "-sS", "-x", office.http, *urls, office.url())
    assert said == PAGE + "a network of its own\n" + PAGE * 2


def test_what_curl_is_told_when_it_fails(office, lab):
    nobody = lab.port()
    refused = run("curl", "-sS", "--socks5-hostname", office.socks, f"http://localhost:{nobody}/")
    assert refused.returncode == 97 and b"(5)" in refused.stderr, refused
    unknown = run("curl", "-sS", "--socks5-hostname", office.socks, "http://no.such.invalid/")
    assert unknown.returncode == 97, unknown
    plain = output(
        "curl", "-sS", "-x", office.http, "-w", "%{http_code}", f"http://localhost:{nobody}/"
    )
    assert plain.endswith("502"), plain
    tunnelled = run("curl", "-sS", "-px", office.http, f"http://localhost:{nobody}/")
    assert tunnelled.returncode == 56 and b"502" in tunnelled.stderr, tunnelled


def test_wget(office, lab):
    env = {"http_proxy": office.http, "https_proxy": office.http}
    assert output("wget", "-qO-", office.url(), env=env) == PAGE
    files = lab.keep(Tls("localhost", {"app": "kept from the proxy\n"}))
    trust = f"--ca-certificate={files.certificate}"
    url = f"https://localhost:{files.port}/app"
    assert output("wget", "-qO-", trust, url, env=env) == "kept from the proxy\n"
    assert office.was_asked_for("localhost", files.port)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
def test_git(office, lab, scheme):
    need("git")
    work = lab.path("work")
    commit = ["git", "-c", "user.name=me", "-c", "user.email=me@example.com", "-C", work]
    output("git", "init", "-q", "-b", "main", work)
    (work / "data").write_bytes(os.urandom(500_000))
    output(*commit, "add", ".")
    output(*commit, "commit", "-q", "-m", "first")
    output("git", "clone", "-q", "--bare", work, office.site.root / "app.git", env={"HOME": "/"})
    output("git", "-C", office.site.root / "app.git", "update-server-info", env=_trusting(lab))

    host = "127.0.0.1" if scheme == "socks5" else "localhost"  # socks5 looks the name up here
    proxy = f"http.proxy={scheme}://{office.socks}"
    clone = lab.path("clone")
    output("git", "-c", proxy, "clone", "-q", f"{office.url(host)}app.git", clone)
    assert (clone / "data").read_bytes() == (work / "data").read_bytes()
    assert office.was_asked_for(host, office.site.port)


def _trusting(lab):
    """The server's user owns the directory; git works there only when told that this is fine."""
    lab.write(".gitconfig", "[safe]\n  directory = *\n")
    return {"HOME": str(lab.directory)}


def test_ssh_through_nc(office, lab):
    need("nc")
    inner, ssh = lab.sshd(), SshClient(lab)
    command = f"ProxyCommand=nc -X 5 -x {office.socks} %h %p"
    said = ssh("-o", command, "-p", inner.port, "localhost", "cat", input=b"through it all")
    assert said == "through it all"
    assert office.was_asked_for("localhost", inner.port)
    said = ssh("-o", command.replace("-X 5", "-X connect"), "-p", inner.port, "localhost", "echo 2")
    assert said == "2\n"


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"])
def test_the_environment(office, lab, name):
    """As docker, pip and the like read it; curl knows HTTP_PROXY in small letters only."""
    if name == "ALL_PROXY":
        env = {name: f"socks5h://{office.socks}"}
        assert output("curl", "-sS", office.url(), env=env) == PAGE
    elif name == "HTTP_PROXY":
        script = f"import urllib.request as u; print(u.urlopen({office.url()!r}).read().decode())"
        env = {name: office.http}
        assert output("/usr/bin/python3", "-c", script, env=env) == PAGE + "\n"
    else:
        registry = lab.keep(Tls("localhost", {"v2": "{}"}))
        trust, url = ["--cacert", registry.certificate], f"https://localhost:{registry.port}/v2"
        env = {name: office.http}
        assert output("curl", "-sS", *trust, url, env=env) == "{}"
        assert office.was_asked_for("localhost", registry.port)


def test_guests_reach_what_is_listed(office):
    """They come from elsewhere: 127.0.0.2 is not where the first port listens."""
    there = ["curl", "-sS", "--max-time", "10"]
    socks, http = f"127.0.0.2:{office.guests}", f"http://127.0.0.2:{office.guests}"
    assert output(*there, "--socks5-hostname", socks, office.url()) == PAGE
    inner = f"http://127.0.5.1:{office.inner.port}/"
    assert output(*there, "--socks5", socks, inner) == "a network of its own\n"
    assert output(*there, "-x", http, inner) == "a network of its own\n"

    denied = run(*there, "--socks5", socks, office.url("127.0.0.1"))
    assert denied.returncode == 97 and b"(2)" in denied.stderr, denied
    asked = ["-w", "%{http_code}", "-o", "/dev/null", "-x", http, office.url("127.0.0.1")]
    assert output(*there, *asked) == "403"
    assert "target 127.0.0.1 port" not in office.sshd.log, "the server was not even asked"
