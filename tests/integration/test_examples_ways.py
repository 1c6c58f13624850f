"""conf/examples: other ways to a server, with the proxies and programs they name."""

from harness import client, example, proxies
from harness.example import login
from harness.programs import need


def test_through_a_proxy(lab):
    sshd, echo = lab.sshd(), lab.echo()
    http, socks = lab.keep(proxies.Http()), lab.keep(proxies.Socks5())
    ports = [lab.port() for _ in range(3)]
    words = {
        "proxy.office.example:3128": http.address,
        "socks.office.example:1080": socks.address,
        "me@server.example.com": login(sshd),
        "me@gateway.example.com": login(sshd),
        "me@printer-room.example.com": login(sshd),
        "5432:localhost:5432": f"{ports[0]}:127.0.0.1:{echo.port}",
        "8080:localhost:80": f"{ports[1]}:127.0.0.1:{echo.port}",
        "9100:localhost:9100": f"{ports[2]}:127.0.0.1:{echo.port}",
    }
    example.start(lab, "through-a-proxy.yaml", words)
    for port in ports:
        assert client.exchange(port) == b"hello"
    assert len(http.asked) == len(socks.asked) == 1, "the third goes straight there"


def test_through_a_command(lab):
    need("nc")
    sshd, echo = lab.sshd(), lab.echo()
    ports = [lab.port() for _ in range(2)]
    words = {
        "me@server.example.com": login(sshd),
        "me@gateway.example.com": login(sshd),
        "5432:localhost:5432": f"{ports[0]}:127.0.0.1:{echo.port}",
        "8080:localhost:80": f"{ports[1]}:127.0.0.1:{echo.port}",
    }
    daemon = example.start(lab, "through-a-command.yaml", words)
    for port in ports:
        assert client.exchange(port) == b"hello"
    for name in ("db", "wiki"):
        assert daemon.inspect(name)["session"]["address"].endswith("through proxy_command nc")
