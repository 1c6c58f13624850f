"""A dropbear on a loopback port of its own. It looks for authorized_keys in the home directory and
nowhere else, so it runs in a mount namespace where that is a directory of the test. Whoever is not root
becomes root of a user namespace for the mount, and oneself again in another one inside it."""

import functools
import os
import pathlib
import pwd
import shutil
import subprocess

from . import proc
from .ports import free_port
from .wait import until

DROPBEAR = "/usr/sbin/dropbear"
_MOUNT = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


def _with_home(directory, home):
    """The beginning of a command that sees the directory as its home."""
    where = ["sh", "-c", _MOUNT, "sh", str(directory), home]
    if os.geteuid() == 0:
        return ["unshare", "--mount", *where]
    oneself = [f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
    return ["unshare", "--user", "--map-root-user", "--mount", *where, "unshare", "--user", *oneself]


@functools.cache
def why_not():
    """A reason to skip, or None."""
    if not os.path.exists(DROPBEAR) or not shutil.which("dropbearconvert"):
        return "dropbear is not installed"
    home = pwd.getpwuid(os.geteuid()).pw_dir
    probe = subprocess.run([*_with_home("/tmp", home), "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        return f"no mount namespaces here: {probe.stderr.strip()}"
    return None


class Dropbear:
    def __init__(self, directory, keys):
        self.port = free_port()
        self.home = pathlib.Path(directory) / f"dropbear_{self.port}"
        self.log_path = self.home / "log"
        self.process = None
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        self.home.chmod(0o700)
        shutil.copy(keys.authorized, self.home / ".ssh" / "authorized_keys")
        self.host_key = self.home / "host_key"
        subprocess.run(
            ["dropbearconvert", "openssh", "dropbear", str(keys.host), str(self.host_key)],
            check=True,
            capture_output=True,
        )

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self):
        home = pwd.getpwuid(os.geteuid()).pw_dir
        # The host key lies in the directory that is the home now.
        key = f"{home}/{self.host_key.name}"
        server = [DROPBEAR, "-F", "-E", "-m", "-s", "-p", self.address]
        server += ["-r", key, "-P", f"{home}/dropbear.pid"]
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *_with_home(self.home, home), *server],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(lambda: self._listens(), 10, "dropbear listens")
        return self

    def _listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"dropbear ended with {self.process.returncode}:\n{self.log}")
        return "Not backgrounding" in self.log and proc.listens(self.port)

    def restart(self):
        """Every process of it dies at once."""
        self.close()
        return self.start()

    def close(self):
        if self.process is None:
            return
        pids = proc.freeze_tree(self.process.pid)
        for pid in pids:
            proc.send(pid, 9)
        self.process.wait()
        self.process = None

        def are_gone():
            for pid in pids:
                proc.reap(pid)
            return not any(map(proc.is_alive, pids))

        until(are_gone, 5, "the processes of dropbear are gone", 0.005)
