"""conf/examples/jump.yaml: every example is used, with the programs it is meant for."""

import getpass
import re
import shutil

from harness import client, example
from harness.example import login


def test_servers_behind_a_bastion(lab):
    bastion, inner, database, server = (lab.sshd() for _ in range(4))
    postgres, notebook, ports = lab.echo(), lab.echo(), lab.ports(2)
    shutil.copy(lab.keys.client, lab.path("bastion_ed25519"))
    user = getpass.getuser()
    words = {
        "bastion.example.com:2222": bastion.address,
        "admin": user,
        "~/.ssh/bastion_ed25519": lab.path("bastion_ed25519"),
        "10.0.0.50": database.address,
        "user: deploy": f"user: {user}",
        "5432:localhost:5432": f"{ports[0]}:127.0.0.1:{postgres.port}",
        "me@lab.internal": login(server),
        "10.0.1.1": inner.address,
        "me@gate": f"{user}@gate",
        "8888:localhost:8888": f"{ports[1]}:127.0.0.1:{notebook.port}",
    }
    daemon = example.start(lab, "jump.yaml", words)
    for port in ports:
        assert client.exchange(port) == b"hello"
    assert len(re.findall("Accepted publickey for", bastion.log)) == 1
    text = re.sub(r"\s+", " ", daemon.ctl("inspect", "lab", check=0).stdout)
    assert " (up) → ".join([bastion.address, inner.address, server.address]) in text
