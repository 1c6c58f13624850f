"""Real clients and servers: run as anybody, on loopback, with data that is thrown away."""

import getpass
import glob
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile

import pytest

from .client import is_refused
from .ports import free_port
from .wait import until

# Debian keeps the programs of each version of PostgreSQL apart.
PATH = ":".join([os.environ["PATH"], "/usr/sbin", *glob.glob("/usr/lib/postgresql/*/bin")])


def need(*programs):
    """Skips the test where one is not installed."""
    for program in programs:
        if not shutil.which(program, path=PATH):
            pytest.skip(f"{program} is not installed")


def run(*command, input=None, env=None, timeout=30):
    """The finished process. What this machine's environment says about proxies and the like is not
    heard."""
    return subprocess.run(
        list(map(str, command)),
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        env={"PATH": PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8", **(env or {})},
        timeout=timeout,
        check=False,
    )


def output(*command, **options):
    """What a command that must succeed has printed."""
    result = run(*command, **options)
    assert result.returncode == 0, f"{shlex.join(map(str, command))}: {result}"
    return result.stdout.decode()


class Program:
    """A server in a directory of its own, and not as root: some of them refuse to be that."""

    needs = ()
    host = "127.0.0.1"
    stop_signal = signal.SIGKILL

    def __init__(self):
        need(*self.needs)
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="td-"))
        self.directory.chmod(0o755)
        self._who = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
        self.log_path = self.directory / "log"
        self.process = None

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def _prepare(self, *command):
        """Something to be done by the server's user before it starts."""
        done = subprocess.run(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.directory,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            timeout=60,
            check=False,
            **self._who,
        )
        assert done.returncode == 0, f"{shlex.join(map(str, command))}: {done}"

    def start(self, *command):
        """Starts it and waits until it takes connections."""
        ending = ["setpriv", "--pdeathsig", signal.Signals(self.stop_signal).name[3:]]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                ending + list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
                **self._who,
            )
        try:
            until(self._is_ready, 20, f"{command[0]} takes connections")
        except Exception:
            self.close()  # nobody knows it yet who would do that
            raise

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with {self.process.returncode}:\n{self.log}")
        return not is_refused(self.port, self.host)

    def close(self):
        if self.process:
            self.process.send_signal(self.stop_signal)
            self.process.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)


class Mariadb(Program):
    """A database `shop` of an account `app` with the password `secret`. Without InnoDB, whose first
    start writes 80 MB."""

    needs = ("mariadbd", "mariadb-install-db", "mariadb")
    _options = ("--skip-innodb", "--default-storage-engine=Aria")

    def __init__(self):
        super().__init__()
        data = f"--datadir={self.directory}/data"
        self._prepare(
            "mariadb-install-db",
            "--no-defaults",
            data,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *self._options,
        )
        accounts = self.directory / "accounts.sql"
        accounts.write_text(
            "CREATE DATABASE shop;\n"
            "CREATE USER app@localhost IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON shop.* TO app@localhost;\n"
        )
        self.start(
            "mariadbd",
            "--no-defaults",
            data,
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.directory}/socket",
            f"--init-file={accounts}",
            *self._options,
        )


class Postgres(Program):
    """Over TCP with the password `secret`, over its socket for the system's user of that name."""

    needs = ("initdb", "postgres", "psql")
    stop_signal = signal.SIGQUIT

    def __init__(self):
        super().__init__()
        self.owner = getpass.getuser()
        password = self.directory / "password"
        password.write_text("secret\n")
        self._prepare(
            "initdb",
            "--no-sync",
            "--no-instructions",
            f"--pgdata={self.directory}/data",
            f"--username={self.owner}",
            f"--pwfile={password}",
            "--auth-host=scram-sha-256",
            "--auth-local=peer",
        )
        self.start(
            "postgres",
            "-D",
            self.directory / "data",
            "-p",
            self.port,
            "-k",
            self.directory,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=120",
        )

    def _is_ready(self):
        return super()._is_ready() and "ready to accept connections" in self.log

    @property
    def socket(self):
        return self.directory / f".s.PGSQL.{self.port}"


class Redis(Program):
    """redis-tools has the server, too, and no service that would be started: the program is what it
    is called as."""

    needs = ("redis-check-rdb", "redis-cli")

    def __init__(self):
        super().__init__()
        server = self.directory / "redis-server"
        server.symlink_to(shutil.which("redis-check-rdb"))
        self.start(
            server, "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"
        )


class Files(Program):
    """A web server with the files of a directory."""

    def __init__(self, files, host="127.0.0.1"):
        super().__init__()
        self.host = host
        self.root = self.directory / "www"
        self.root.mkdir()
        for name, text in files.items():
            (self.root / name).write_text(text)
        self.start(
            "/usr/bin/python3", "-m", "http.server", "--bind", host, "-d", self.root, self.port
        )


class Tls(Program):
    """A TLS server with the files of a directory and a certificate for one name."""

    needs = ("openssl",)

    def __init__(self, name, files):
        super().__init__()
        for path, text in files.items():
            (self.directory / path).write_text(text)
        self.certificate = self.directory / "certificate.pem"
        self._prepare(
            *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(),
            *f"-subj /CN={name} -addext subjectAltName=DNS:{name}".split(),
            *f"-keyout key.pem -out {self.certificate}".split(),
        )
        self.start(
            *f"openssl s_server -WWW -accept 127.0.0.1:{self.port}".split(),
            *"-cert certificate.pem -key key.pem".split(),
        )


class SshClient:
    """ssh and its relatives with a configuration of their own."""

    def __init__(self, lab):
        self.config = lab.write(
            "ssh_config",
            f"Host *\n"
            f"  User {getpass.getuser()}\n"
            f"  IdentityFile {lab.keys.client}\n"
            f"  IdentitiesOnly yes\n"
            f"  BatchMode yes\n"
            f"  ConnectTimeout 10\n"
            f"  StrictHostKeyChecking accept-new\n"
            f"  UserKnownHostsFile {lab.path('known_hosts_of_ssh')}\n",
        )

    def __call__(self, *arguments, program="ssh", **options):
        return output(program, "-F", self.config, *arguments, **options)
