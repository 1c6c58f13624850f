"""conf/examples: every file is valid as it stands, and every file is used by a test with the
programs it is meant for. Here: local forwards."""

import getpass
import os
import pathlib
import random
import re
import shutil
import socket
import struct

import pytest

from harness import build, client, example
from harness.example import login
from harness.ports import has_ipv6
from harness.programs import Files, SshClient, Tls, need, output, run
from harness.wait import until

HERE = pathlib.Path(__file__).parent


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("instance", ["--user", "--system"])
@pytest.mark.parametrize("path", example.files(), ids=lambda path: path.name)
def test_valid_as_it_stands(path, instance):
    said = output(build.TUNNELD, instance, "--check", "-c", path, env={"HOME": "/home/me"})
    assert re.search(r": ok, \d tunnels?$", said)


def test_every_example_is_used():
    tests = "".join(path.read_text() for path in HERE.glob("test_examples*.py"))
    assert example.files()
    assert not [p.name for p in example.files() if f'"{p.name}"' not in tests]


def test_a_word_that_is_not_there_is_noticed():
    assert example.fit("a: b.c:80 # x\n", {"b.c": "d", "80": 1}) == "a: d:1\n"
    for word in ("x", "b", "8", "c"):
        with pytest.raises(AssertionError):
            example.fit("a: b.c:80-81 # x\n", {word: "y"})


# --- one service ----------------------------------------------------------------------------------


def test_a_web_page(lab):
    sshd, port = lab.sshd(), lab.port()
    site = lab.keep(Files({"index.html": "a page only the server can see\n"}))
    words = {"me@server.example.com": login(sshd), "8080": port, "80": site.port}
    example.start(lab, "web.yaml", words)
    url = f"http://localhost:{port}"
    assert output("curl", "-sS", f"{url}/") == "a page only the server can see\n"
    assert "404" in output("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/no")


def _documents(sock):
    """MongoDB's frames: length, number, number it answers, kind. Each document comes back."""
    number = 1000
    while head := sock.recv(16, socket.MSG_WAITALL):
        size, request, _, kind = struct.unpack("<iiii", head)
        number += 1
        sock.sendall(struct.pack("<iiii", size, number, request, kind))
        sock.sendall(client.read_exactly(sock, size - 16))


def test_a_protocol_of_its_own(lab):
    need("nc")
    sshd, database, port = lab.sshd(), lab.server(_documents), lab.port()
    target = f"{port}:localhost:{database.port}"
    words = {"me@db.example.com": login(sshd), "27017:localhost:27017": target}
    example.start(lab, "mongodb.yaml", words)
    bodies = [b"", os.urandom(100), os.urandom(3 << 20), b"\0" * 7]
    asked, expected = b"", b""
    for number, body in enumerate(bodies):
        asked += struct.pack("<iiii", 16 + len(body), number, 0, 2013) + body
        expected += struct.pack("<iiii", 16 + len(body), 1001 + number, number, 2013) + body
    assert run("nc", "-N", "localhost", port, input=asked).stdout == expected


SCREEN = struct.pack("!HH16sI", 64, 48, bytes(16), 4) + b"desk"
PICTURE = struct.pack("!BxHHHHHi", 0, 1, 0, 0, 64, 48, 0) + bytes(range(256)) * (64 * 48 * 4 // 256)


def _screen(sock):
    """VNC (RFC 6143) without a password: the server speaks first."""
    sock.sendall(b"RFB 003.008\n")
    assert client.read_exactly(sock, 12) == b"RFB 003.008\n"
    sock.sendall(b"\1\1")
    assert client.read_exactly(sock, 1) == b"\1"
    sock.sendall(b"\0\0\0\0")
    client.read_exactly(sock, 1)
    sock.sendall(SCREEN)
    while sock.recv(10, socket.MSG_WAITALL):
        sock.sendall(PICTURE)


def test_a_screen(lab):
    need("nc")
    sshd, desktop, port = lab.sshd(), lab.server(_screen), lab.port()
    target = f"{port}:localhost:{desktop.port}"
    words = {"me@workstation.example.com": login(sshd), "5901:localhost:5901": target}
    example.start(lab, "vnc.yaml", words)
    said = b"RFB 003.008\n" + b"\1" + b"\1" + struct.pack("!BBHHHH", 3, 0, 0, 0, 64, 48) * 20
    shown = run("nc", "-N", "localhost", port, input=said).stdout
    assert shown == b"RFB 003.008\n\1\1\0\0\0\0" + SCREEN + PICTURE * 20


def test_a_kubernetes_api(lab):
    """Verified by its name to the last byte: nobody on the way could have read along."""
    sshd, port = lab.sshd(), lab.port()
    api = lab.keep(Tls("kubernetes.internal", {"version": '{"major": "1"}'}))
    words = {
        "me@bastion.example.com": login(sshd),
        "6443:kubernetes.internal:6443": f"{port}:localhost:{api.port}",
    }
    example.start(lab, "kubernetes.yaml", words)
    curl = ["curl", "-sS", "--cacert", api.certificate]
    there = ["--connect-to", f"kubernetes.internal:6443:localhost:{port}"]
    assert output(*curl, *there, "https://kubernetes.internal:6443/version") == '{"major": "1"}'
    wrong_name = run(*curl, f"https://localhost:{port}/version")
    assert wrong_name.returncode == 60 and b"subject name" in wrong_name.stderr, wrong_name


# --- other places ---------------------------------------------------------------------------------


def test_a_third_host(lab):
    need("nc")
    sshd, web_port, desk_port = lab.sshd(), lab.port(), lab.port()
    wiki = lab.keep(Files({"index.html": "the wiki\n"}, host="127.0.0.2"))
    desktop = lab.echo(host="127.0.0.3")
    words = {
        "me@gateway.example.com": login(sshd),
        "8080": web_port,
        "wiki.internal:80": f"127.0.0.2:{wiki.port}",
        "3389:10.20.0.15:3389": f"{desk_port}:127.0.0.3:{desktop.port}",
    }
    example.start(lab, "third-host.yaml", words)
    assert output("wget", "-qO-", f"http://localhost:{web_port}/") == "the wiki\n"
    assert output("nc", "-N", "localhost", desk_port, input=b"hello") == "hello"


def _a_low_port(lab):
    """An address nobody else uses, with port 110 where we may have it."""
    address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
    try:
        with socket.create_server((address, 110)):
            return address, 110
    except PermissionError:
        return address, lab.port()


def test_the_public_address_of_a_server_in_the_middle(lab):
    far, (address, port) = lab.sshd(), _a_low_port(lab)
    words = {
        "tunnel@far.example.com": login(far),
        "/etc/tunneld/id_ed25519": lab.keys.client,
        "203.0.113.10:110:localhost:22": f"{address}:{port}:localhost:{far.port}",
    }
    example.start(lab, "middle-server.yaml", words)
    said = SshClient(lab)("-p", port, address, 'echo "reached $SSH_CONNECTION"')
    assert said.startswith("reached ") and said.endswith(f" {far.port}\n")
    assert client.is_refused(port), "127.0.0.1 is another address"


def test_several_servers(lab):
    direct, modem, one, two = (lab.sshd() for _ in range(4))
    site = lab.keep(Files({"index.html": "whoever lives\n"}))
    db, pool = lab.port(), lab.port()
    words = {
        "office.example.com": direct.address,
        '"backup.office.example.com:2222"': modem.address,
        "user: me": f"user: {getpass.getuser()}",
        "failback: 5m": "failback: 1s",
        "5432:localhost:5432": f"{db}:localhost:{site.port}",
        "me@one.example.com": login(one),
        "me@two.example.com": login(two),
        "8080:localhost:80": f"{pool}:localhost:{site.port}",
    }
    daemon = example.start(lab, "several-servers.yaml", words)

    def served(port):
        return run("curl", "-sS", f"http://localhost:{port}/").stdout == b"whoever lives\n"

    def uses(tunnel, name):
        return daemon.tunnel(tunnel)["server"] == name and daemon.tunnel(tunnel)["state"] == "up"

    assert uses("db", "office-direct") and served(db)
    direct.kill9()
    until(lambda: uses("db", "office-modem"), 10, "the modem is used")
    assert served(db)
    direct.start()
    until(lambda: uses("db", "office-direct"), 10, "the line is used again")
    assert served(db)
    one.kill9()
    until(lambda: uses("pool", login(two)), 10, "the second is used")
    assert served(pool)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_who_may_use_it(lab):
    sshd = lab.sshd()
    site = lab.keep(Files({"index.html": "shared\n"}))
    mine, lan, everybody, six = (lab.port() for _ in range(4))
    words = {
        "me@server.example.com": login(sshd),
        "8081": mine,
        "192.168.1.20:8082": f"127.0.0.2:{lan}",
        "8083": everybody,
        "8084": six,
        "80": site.port,
    }
    example.start(lab, "bind.yaml", words)

    def served(host, port):
        done = run("curl", "-sS", f"http://{host}:{port}/")
        assert done.stdout in (b"shared\n", b""), done
        return done.returncode == 0

    expected = {
        mine: (True, False, True),
        lan: (False, True, False),
        everybody: (True, True, True),
        six: (False, False, True),
    }
    for port, answers in expected.items():
        hosts = ("127.0.0.1", "127.0.0.2", "[::1]")
        assert tuple(served(host, port) for host in hosts) == answers, port


def test_ssh_to_a_deployment_host(lab):
    need("scp", "rsync", "git")
    bastion, port = lab.sshd(), lab.port()
    deploy = lab.sshd(Subsystem="sftp internal-sftp")
    words = {
        "me@bastion.example.com": login(bastion),
        "2222": port,
        "deploy:22": f"localhost:{deploy.port}",
    }
    example.start(lab, "deploy-ssh.yaml", words)
    ssh, there = SshClient(lab), lab.path("srv")
    app = lab.path("app.tar.gz")
    app.write_bytes(os.urandom(2 << 20))
    there.mkdir()

    assert ssh("-p", port, "localhost", "cat", input=b"through") == "through"
    ssh("-P", port, app, f"localhost:{there}/", program="scp")
    assert (there / app.name).read_bytes() == app.read_bytes()

    shutil.copytree(example.DIRECTORY, lab.path("build"))
    over = f"ssh -F {ssh.config} -p {port}"
    output("rsync", "-e", over, "-a", f"{lab.path('build')}/", f"localhost:{there}/app/")
    assert sorted(os.listdir(there / "app")) == sorted(p.name for p in example.files())

    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.com", "-C", lab.path("build")]
    output("git", "init", "-q", "--bare", there / "app.git")
    output(*git, "init", "-q", "-b", "main")
    output(*git, "add", ".")
    output(*git, "commit", "-q", "-m", "first")
    url = f"ssh://localhost:{port}{there}/app.git"
    output(*git, "push", "-q", url, "main", env={"GIT_SSH_COMMAND": f"ssh -F {ssh.config}"})
    pushed = output("git", "-C", there / "app.git", "rev-parse", "main")
    assert pushed == output(*git, "rev-parse", "HEAD")
    assert bastion.log.count("Accepted publickey") == 1
    assert deploy.log.count("Accepted publickey") == 4


# --- how it may be written ------------------------------------------------------------------------


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_many_forwards_of_one_session(lab):
    sshd, echo = lab.sshd(), lab.echo()
    to = f"localhost:{echo.port}"
    ports = {name: lab.port() for name in ("mysql", "wiki", "metrics", "six", "printer", "back")}
    socks, apps = lab.port(), lab.ports(11)[0]
    words = {
        "gateway.example.com": sshd.address,
        "tunnel": getpass.getuser(),
        "~/.ssh/work_ed25519": lab.key("stranger"),
        "3306:mysql.internal:3306": f"{ports['mysql']}:{to}",
        "8080:wiki.internal:80": f"{ports['wiki']}:{to}",
        "9090:metrics.internal:9090": f"{ports['metrics']}:{to}",
        "5432:[fd00::15]:5432": f"{ports['six']}:{to}",
        "8000-8010:apps.internal:8000-8010": f"{apps}-{apps + 10}:127.0.0.2:{apps}-{apps + 10}",
        "6310": ports["printer"],
        "printer.internal:631": to,
        "2222:localhost:22": f"{ports['back']}:{to}",
        "1080": socks,
    }
    behind = [lab.echo(host="127.0.0.2", port=apps + n) for n in (0, 4, 10)]
    daemon = example.start(lab, "many-forwards.yaml", words)
    ports.update((f"app {server.port}", server.port) for server in behind)
    for name, port in ports.items():
        host = {"wiki": "127.0.0.2", "six": "::1"}.get(name, "127.0.0.1")
        text = f"{name} is here"
        assert output("nc", "-N", host, port, input=text.encode()) == text
    through = ["-X", "5", "-x", f"localhost:{socks}", "localhost", echo.port]
    assert output("nc", "-N", *through, input=b"anywhere") == "anywhere"
    assert [server.accepted for server in behind] == [1, 1, 1]
    assert sshd.log.count("Accepted publickey") == 1, "all through one session"

    rows = daemon.tunnel("office")["forwards"]
    assert len(rows) == 8 and {row["state"] for row in rows} == {"open"}, rows
    assert {"printer", f"dynamic:localhost:{socks}"} <= {row["name"] for row in rows}


def test_json(lab):
    sshd, port, queue_port, echo = lab.sshd(), lab.port(), lab.port(), lab.echo()
    site = lab.keep(Files({"index.html": "grafana\n"}))
    words = {
        "bastion.example.com:2222": sshd.address,
        '"tunnel"': f'"{login(sshd).partition("@")[0]}"',
        "3000:grafana.internal:3000": f"{port}:localhost:{site.port}",
        "5672": queue_port,
        "rabbit.internal:5672": f"localhost:{echo.port}",
    }
    daemon = example.start(lab, "tunneld.json", words)
    assert output("curl", "-sS", f"http://localhost:{port}/") == "grafana\n"
    assert output("nc", "-N", "localhost", queue_port, input=b"AMQP") == "AMQP"
    assert daemon.forward("queue")["name"] == "amqp"
