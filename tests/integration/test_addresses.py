"""A name with several addresses: all of them are tried, and it is asked for anew each time. The daemon
runs with an /etc/hosts of its own, which takes a mount namespace."""

import functools
import subprocess

import pytest

from harness import client, keys
from harness.lab import local
from harness.wait import until

NAME = "several.test"
WITH_HOSTS = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'


@functools.cache
def why_not():
    """What keeps this machine from having mount namespaces, or None. Containers often must not."""
    command = ["unshare", "--mount", "mount", "--bind", "/etc/hosts", "/etc/hosts"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() or "no mount namespaces here" if done.returncode else None


pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(why_not()), reason=why_not() or "")]


class Named:
    """A daemon with one tunnel to NAME, and where that leads."""

    def __init__(self, lab, addresses, servers, **tunnel):
        self.lab, self.port, self.ssh_port = lab, lab.port(), lab.port()
        self.sshds = {a: self.serve(a) for a in servers}
        self.echo = lab.echo()
        self.hosts = lab.write("hosts", "", 0o644)
        self.lead_to(addresses)
        known = lab.write("known", f"* {keys.public(lab.keys.host)}\n")
        spec = {"host": f"{NAME}:{self.ssh_port}", "local": local(self.port, self.echo.port)}
        config = lab.config({"t": {**spec, **tunnel}}, {"known_hosts": [str(known)]})
        self.daemon = lab.daemon(config, start=False)
        self.daemon.prefix = ["unshare", "--mount", "sh", "-c", WITH_HOSTS, "sh", str(self.hosts)]
        self.daemon.start()

    def serve(self, address):
        return self.lab.sshd(host=address, port=self.ssh_port)

    def lead_to(self, addresses):
        """In place: it is the file itself that is mounted."""
        self.hosts.write_text("".join(f"{a} {NAME}\n" for a in addresses))

    @property
    def connected_to(self):
        return self.daemon.inspect("t")["session"]["address"]


def test_the_address_that_answers_is_used(lab):
    named = Named(lab, ["127.0.0.2", "127.0.0.3", "127.0.0.4"], ["127.0.0.4"])
    named.daemon.wait_state("t", "up")
    assert named.connected_to == f"127.0.0.4:{named.ssh_port}"
    client.wait_served(named.port, 5)


def test_none_answers(lab):
    named = Named(lab, ["127.0.0.2", "127.0.0.3"], [])
    message = named.daemon.wait_state("t", "backoff")["error"]["message"]
    assert f"cannot connect to {NAME} at any of its 2 addresses; 127.0.0." in message
    assert message.endswith("Connection refused")


def test_the_name_is_asked_for_anew(lab):
    """The server moves: the next attempt finds it where it is now."""
    named = Named(lab, ["127.0.0.2"], ["127.0.0.2"])
    named.daemon.wait_state("t", "up")
    named.lead_to(["127.0.0.3"])
    named.serve("127.0.0.3")
    named.sshds["127.0.0.2"].kill9()
    client.wait_served(named.port, 10)
    until(lambda: named.connected_to == f"127.0.0.3:{named.ssh_port}", 5, "it is found there")


def test_a_name_that_comes_to_be(lab):
    named = Named(lab, [], ["127.0.0.2"])
    named.daemon.wait_state("t", "backoff", code="resolve-failed")
    named.lead_to(["127.0.0.2"])
    client.wait_served(named.port, 10)
