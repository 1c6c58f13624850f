"""tunneld.service as installed, under a real systemd: readiness, status, reload, watchdog, stop."""

import textwrap

import machine as nspawn
import pytest

from harness import keys
from harness.lab import Lab
from harness.wait import holds, until

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(nspawn.why_not()), reason=nspawn.why_not() or ""),
    pytest.mark.xdist_group("nspawn"),
]

SSHD = """
    HostKey /etc/ssh/test_host_key
    ListenAddress 127.0.0.1:22
    ListenAddress 127.0.0.3:22
    PermitRootLogin yes
    AuthorizedKeysFile /etc/ssh/test_authorized
    StrictModes no
    UsePAM no
    """
CONFIG = """
    defaults: {{ user: root, identity: /etc/tunneld/keys/id }}
    tunnels:
      ssh: {{ host: 127.0.0.1, local: "2222:127.0.0.1:22", tags: [{tag}] }}
      dead: {{ host: "127.0.0.1:9", local: "2223:127.0.0.1:22" }}
    """


@pytest.fixture(scope="module")
def machine(keyring):
    lab = Lab(keyring)
    try:
        lab.keep(booted := nspawn.Machine(lab.directory, files(keyring)))
        booted.boot()
        key = ("/root/id", "/etc/tunneld/keys/id")
        booted.run("install", "-D", "-o", "tunneld", "-m", "600", *key)
        yield booted
    except nspawn.Unavailable as error:
        pytest.skip(str(error))
    finally:
        lab.close()


def files(keyring):
    return {
        "/etc/ssh/sshd_config": (0o644, textwrap.dedent(SSHD)),
        "/etc/ssh/test_host_key": (0o600, keyring.host.read_text()),
        "/etc/ssh/test_authorized": (0o644, keyring.authorized.read_text()),
        "/root/id": (0o600, keyring.client.read_text()),
        "/etc/tunneld/known_hosts": (0o644, keys.known_hosts_line("127.0.0.1", 22, keyring.host)),
        "/etc/tunneld/tunneld.yaml": (0o644, textwrap.dedent(CONFIG.format(tag="one"))),
    }


@pytest.fixture
def running(machine):
    """The service, started and with its tunnel up."""
    machine.run("systemctl", "reset-failed", "tunneld", check=False)
    machine.run("systemctl", "start", "tunneld")
    until(lambda: machine.value("StatusText") == "1 up, 1 backoff", 20, "the status text")
    return machine


def main_pid(machine):
    return int(machine.value("MainPID"))


def test_start_returns_when_it_is_ready(machine):
    machine.run("systemctl", "stop", "tunneld", check=False)
    machine.run("systemctl", "start", "tunneld")
    assert machine.value("ActiveState") == "active"
    machine.run("sh", "-c", "echo | timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222'")


def test_the_unit_is_correct(machine):
    out = machine.run("systemd-analyze", "verify", "--man=no", "tunneld.service", check=False)
    assert "tunneld.service" not in out.stderr, out.stderr
    assert machine.value("Type").startswith("notify")


def test_the_tunnel_carries_a_connection(running):
    out = running.run(
        "timeout", "10", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2222; head -c 7 <&3"
    ).stdout
    assert out == "SSH-2.0"


def test_tunctl_works_without_options(running):
    out = running.run("tunctl", "list").stdout
    assert "ssh" in out and "up" in out and "backoff" in out


def test_reload(running):
    pid = main_pid(running)
    config = textwrap.dedent(CONFIG.format(tag="two"))
    running.run("sh", "-c", f"cat > /etc/tunneld/tunneld.yaml <<'END'\n{config}\nEND")
    running.run("systemctl", "reload", "tunneld")
    until(lambda: '"two"' in running.run("tunctl", "--json", "list").stdout, 5, "the new tag")
    assert main_pid(running) == pid


def test_a_reload_of_a_broken_config_leaves_it_running(running):
    pid = main_pid(running)
    before = running.run("cat", "/etc/tunneld/tunneld.yaml").stdout
    running.run("sh", "-c", "echo 'tunnels: [' > /etc/tunneld/tunneld.yaml")
    running.run("systemctl", "reload", "tunneld", check=False)
    until(lambda: "tunneld.yaml:" in running.journal(), 5, "the journal says where")
    assert running.value("ActiveState") == "active" and main_pid(running) == pid
    running.run("sh", "-c", f"cat > /etc/tunneld/tunneld.yaml <<'END'\n{before}\nEND")


def test_a_host_key_is_accepted_though_etc_cannot_be_written(running, keyring):
    """With the default files: the unit lets the service write below /var/lib/tunneld only."""
    add = ("tunctl", "add", "new", "-L", "2230:127.0.0.1:22", "root@127.0.0.3")
    assert "host-key-unknown" in running.run(*add, check=False).stderr
    fingerprint = keys.fingerprint(keyring.host)
    running.run("tunctl", "hostkey", "accept", "new", "--fingerprint", fingerprint)
    kept = running.run("cat", "/var/lib/tunneld/known_hosts").stdout
    assert kept == f"127.0.0.3 {keys.public(keyring.host)}\n"
    running.run("tunctl", "drop", "new")


def test_a_key_that_is_one_of_systemds_credentials(running):
    drop_in = "[Service]\\nLoadCredential=tunnel-key:/root/id\\n"
    directory = "/run/systemd/system/tunneld.service.d"
    running.run(
        "sh", "-c",
        f"mkdir -p {directory} && printf '{drop_in}' > {directory}/credential.conf && "
        "systemctl daemon-reload && systemctl restart tunneld",
    )  # fmt: skip
    add = ("-L", "2231:127.0.0.1:22", "-i", "credential:tunnel-key", "root@127.0.0.1")
    assert "up" in running.run("tunctl", "add", "cred", *add).stdout
    assert "credential:tunnel-key" in running.run("tunctl", "inspect", "cred").stdout
    running.run("tunctl", "drop", "cred")


def test_a_killed_worker_is_not_the_managers_business(running):
    pid = main_pid(running)
    running.run("pkill", "-KILL", "-P", str(pid), "tunneld-worker")
    until(lambda: running.value("StatusText") == "1 up, 1 backoff", 10, "it is up again")
    assert main_pid(running) == pid and running.value("NRestarts") == "0"


def test_a_killed_supervisor_is_restarted(running):
    pid = main_pid(running)
    running.run("kill", "-KILL", str(pid))
    until(lambda: main_pid(running) not in (0, pid), 20, "systemd started another")
    until(lambda: running.value("StatusText") == "1 up, 1 backoff", 20, "and it is up")


def test_a_hung_supervisor_is_noticed_by_the_watchdog(running):
    assert int(running.value("WatchdogUSec").rstrip("s") or 0) > 0
    drop_in = "[Service]\\nWatchdogSec=2s\\n"
    running.run(
        "sh", "-c",
        "mkdir -p /run/systemd/system/tunneld.service.d && "
        f"printf '{drop_in}' > /run/systemd/system/tunneld.service.d/test.conf && "
        "systemctl daemon-reload && systemctl restart tunneld",
    )  # fmt: skip
    pid = main_pid(running)
    holds(lambda: main_pid(running) == pid, 4, "a healthy one is fed in time", 0.5)
    running.run("kill", "-STOP", str(pid))
    until(lambda: main_pid(running) not in (0, pid), 30, "systemd replaced it", 0.2)


def test_stop_is_clean(running):
    running.run("systemctl", "stop", "tunneld", seconds=10)
    assert running.value("Result") == "success"
    assert running.value("ExecMainStatus") == "0"
    assert running.run("pgrep", "tunneld", check=False).stdout == ""
