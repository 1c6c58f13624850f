"""A minimal Debian that boots in systemd-nspawn with tunneld installed as `meson install` does it.

The tree is made once by debootstrap from the machine's own mirror and kept in the cache; each boot
writes to an overlay in memory. Commands run inside through the namespaces of its PID 1."""

import hashlib
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess

from harness import build, proc
from harness.wait import until

TOOLS = ("systemd-nspawn", "debootstrap", "nsenter", "meson")
PACKAGES = ("systemd", "systemd-sysv", "dbus", "openssh-server", "openssh-client")
# What the programs are linked with; each release of Debian names some of it anew.
LIBRARIES = ("libsystemd0", "libssh-4*", "libevent-core-*", "libyaml-0-*", "libjansson4*")


class Unavailable(Exception):
    """This host cannot do it: no network for debootstrap, or a container inside a container."""


def why_not():
    """A reason to skip, or None."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"needs {', '.join(missing)}"
    if build.SANITIZED:
        return "the sanitizers' libraries are not in the tree"
    if _release()[0] != "debian":
        return "the programs were not built on Debian; they would not run in a Debian tree"
    return None


def _release():
    fields = dict(
        line.split("=", 1)
        for line in pathlib.Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    return fields.get("ID", "").strip('"'), fields.get("VERSION_CODENAME", "").strip('"')


def _mirror():
    """The first archive apt uses."""
    out = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    found = re.search(r"^https?://\S+?/debian/?$", out, re.MULTILINE)
    return found[0] if found else "http://deb.debian.org/debian"


def _libraries():
    """Their packages, as this machine has them."""
    out = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n", *LIBRARIES],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return [line.split()[1] for line in out.splitlines() if line.startswith("installed ")]


def tree():
    """Path of the cached tree; made when it is not there yet."""
    packages = [*PACKAGES, *_libraries()]
    recipe = " ".join((_release()[1], platform.machine(), *packages))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "/var/tmp")) / "tunneld-tests"
    path = cache / f"debian-{key}"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    making = cache / f"making-{key}-{os.getpid()}"
    try:
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", _release()[1],
             str(making), _mirror()],
            check=True, capture_output=True, timeout=900,
        )  # fmt: skip
        shutil.rmtree(making / "var/cache/apt", ignore_errors=True)
        making.rename(path)  # the tree is there as a whole or not at all
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"debootstrap: {error}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return path


class Machine:
    """A booted tree. files: what is put into it, {path inside: (mode, text)}."""

    def __init__(self, directory, files):
        self.directory = pathlib.Path(directory)
        self.console = self.directory / "console.log"
        self.installed = self.directory / "installed"
        subprocess.run(
            ["meson", "install", "-C", str(build.BUILD), "--no-rebuild", "--quiet",
             "--destdir", str(self.installed)],
            check=True, capture_output=True,
        )  # fmt: skip
        self.binds = [f"--bind-ro={p}:/{p.relative_to(self.installed)}" for p in self._installed()]
        for path, (mode, text) in files.items():
            source = self.directory / path.strip("/").replace("/", "_")
            source.write_text(text)
            source.chmod(mode)
            self.binds.append(f"--bind={source}:{path}")
        self.process = None

    def _installed(self):
        return [p for p in self.installed.rglob("*") if p.is_file()]

    def boot(self, seconds=60):
        with self.console.open("w") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "-D", str(tree()), "--register=no", "--keep-unit", "--quiet",
                 "--volatile=overlay", "--private-network", f"--machine=tunneld-{os.getpid()}",
                 *self.binds, "--console=pipe", "-b"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        until(self._is_running, seconds, "the machine is booted", 0.1)
        return self

    def _is_running(self):
        if self.process.poll() is not None:
            raise Unavailable(f"systemd-nspawn ended: {self.console.read_text().strip()}")
        if not proc.children(self.process.pid):
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    @property
    def init(self):
        return proc.children(self.process.pid)[0]

    def run(self, *command, check=True, seconds=60):
        result = subprocess.run(
            ["nsenter", "-t", str(self.init), "-a", *command],
            capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            check=False,
        )  # fmt: skip
        assert not check or result.returncode == 0, f"{command}: {result}\n{self.journal()}"
        return result

    def journal(self):
        result = self.run("journalctl", "-u", "tunneld", "-o", "cat", "--no-pager", check=False)
        return result.stdout

    def show(self, *names):
        """Properties of tunneld.service."""
        out = self.run("systemctl", "show", "tunneld", *(f"-p{n}" for n in names)).stdout
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def value(self, name):
        return self.show(name)[name]

    @property
    def log(self):
        running = self.process and self.process.poll() is None and proc.children(self.process.pid)
        return self.journal() if running else ""

    def close(self):
        if self.process is None or self.process.poll() is not None:
            return
        for pid in proc.children(self.process.pid):
            proc.send(pid, signal.SIGKILL)  # the overlay is thrown away: nothing has to be saved
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
