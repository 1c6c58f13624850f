"""tunctl auth --forget: what people told is wiped."""

import json
import subprocess

from harness.asking import AskingServer
from harness.lab import local
from harness.person import script
from test_questions import SECRET, Case



def test_what_was_told_is_forgotten(lab):
    case = Case(lab, "password", password=SECRET)
    forget = ("auth", "--forget", "t")
    assert case.daemon.ctl(*forget).stdout == "t: nothing was kept\n"
    script(case.daemon, [SECRET])
    assert case.daemon.inspect("t")["secret_kept"] is True
    assert "auth --forget t" in case.daemon.ctl("inspect", "t").stdout
    forgot = case.daemon.ctl(*forget).stdout
    assert forgot == f"t: forgot the password of me@{case.server.address}\n"
    assert case.daemon.inspect("t")["secret_kept"] is False
    # It is up, and stays so until it has to log in again.
    case.works()
    assert case.daemon.tunnel("t")["state"] == "up" and case.server.passwords == [SECRET]
    case.drop()
    case.wait("failed", "needs-password")
    assert case.server.passwords == [SECRET]
    script(case.daemon, [SECRET])
    case.works()


def test_a_shared_secret_is_forgotten_for_all_who_use_it(lab):
    """The password of the bastion, which three tunnels go through; not that of another server."""
    bastion = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    other = lab.keep(AskingServer(lab.keys, "password", password=SECRET))
    server = lab.sshd()
    through = {"host": server.address, "jump": f"admin@{bastion.address}"}
    tunnels = {n: {**through, "local": local(lab.port(), 1)} for n in "abc"}
    tunnels["d"] = {"host": f"me@{other.address}", "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config(tunnels))
    for name in "ad":
        daemon.wait_state(name, "failed", code="needs-password")
        script(daemon, [SECRET], name=name)
    daemon.wait_all("up", 10)
    assert all(daemon.inspect(n)["secret_kept"] for n in tunnels)
    assert daemon.call("Forget", names=["b", "c"]) == {
        "forgotten": [{"kind": "password", "subject": f"admin@{bastion.address}", "tunnels": 3}]
    }
    assert [daemon.inspect(n)["secret_kept"] for n in "abcd"] == [False] * 3 + [True]
    bastion.drop()
    for name in "abc":
        daemon.wait_state(name, "failed", code="needs-password")
    # Of a tunnel that is gone, too.
    daemon.write(lab.config({n: tunnels[n] for n in "abc"}))
    daemon.ctl("reload")
    all_of_it = daemon.ctl("--json", "auth", "--forget", "--all").stdout
    assert json.loads(all_of_it) == [
        {"kind": "password", "subject": f"me@{other.address}", "tunnels": 0}
    ]
    assert daemon.ctl("auth", "--forget", "--all").stdout == "nothing was kept\n"


def test_the_passphrase_of_a_key_is_forgotten(lab):
    key = lab.path("id_locked")
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", SECRET, "-f", str(key)]
    subprocess.run(words, check=True)
    sshd = lab.sshd(AuthorizedKeysFile=f"{key}.pub")
    spec = {"host": sshd.address, "identity": str(key), "local": local(lab.port(), 1)}
    daemon = lab.daemon(lab.config({"t": spec}))
    daemon.wait_state("t", "failed", code="needs-passphrase")
    script(daemon, [SECRET])
    assert daemon.ctl("auth", "--forget", "t").stdout == f"t: forgot the passphrase of key {key}\n"
    daemon.ctl("restart", "t", check=1)
    daemon.wait_state("t", "failed", code="needs-passphrase")
