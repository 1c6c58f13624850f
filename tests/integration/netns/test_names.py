"""A name server that does not answer: whoever needs it waits with a reason, nobody else does."""

import contextlib
import os
import socket
import threading

import pytest
from hosts import Cable, why_not

from harness import build
from harness.lab import local
from harness.wait import until

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(why_not()), reason=why_not() or "")]

DEADLINE = 1.5


class SilentNameServer:
    """Takes questions and answers none. Without it the kernel would say that nobody is there."""

    def __init__(self, host):
        with host:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind((host.address, 53))
        self.questions = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        with contextlib.suppress(OSError):
            while self.sock.recv(4096):
                self.questions += 1

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@pytest.fixture
def cable(lab):
    cable = lab.keep(Cable())
    with cable.near:
        yield cable


def asking(lab, daemon, host):
    """The daemon will see a resolv.conf that leads to host, and only there."""
    resolv = lab.write("resolv.conf", f"nameserver {host.address}\n", 0o644)
    target = os.path.realpath("/etc/resolv.conf")
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    daemon.prefix = ["unshare", "--mount", "sh", "-c", script, "sh", str(resolv), target]
    return daemon.start()


@pytest.mark.skipif(not os.path.exists("/etc/resolv.conf"), reason="no /etc/resolv.conf")
def test_a_name_server_that_does_not_answer(lab, cable, beside):
    """Twice as many names as there are threads to ask for them."""
    names = lab.keep(SilentNameServer(cable.far))
    bad = {
        f"bad{i}": {
            "host": f"host{i}.example.com",
            "local": local(lab.port(), 1),
            "connect_timeout": f"{int(DEADLINE * 1000)}ms",
            "reconnect": {"min": "20s", "max": "30s"},
        }
        for i in range(16)
    }
    good = {"host": beside.sshd.address, "local": local(beside.port, beside.echo.port)}
    config = lab.config({"good": good, **bad}, daemon={"workers": 1})
    daemon = beside.watch(asking(lab, lab.daemon(config, start=False), cable.far))
    until(lambda: names.questions > 0, 10, "the name server is asked")
    for i, name in enumerate(bad):
        row = daemon.wait_state(name, "backoff", build.limit(DEADLINE + 5), code="timeout")
        assert f"the name server to resolve 'host{i}.example.com'" in row["error"]["message"]
    beside.assert_untouched()
    shown = daemon.ctl("inspect", "--daemon", check=0).stdout
    assert "worst stall" in shown and "STALL" in shown  # of tunneld, and of each worker
