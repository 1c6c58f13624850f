"""Throw-away keys, authorized_keys and known_hosts lines."""

import getpass
import pathlib
import shutil
import subprocess


def generate(path, kind="ed25519", passphrase="", bits=None):
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
    if bits:
        command += ["-b", str(bits)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def change_passphrase(path, old, new):
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", old, "-N", new, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def certify(authority, path, *, principals=None, validity="always:forever", host=False):
    """Makes PATH-cert.pub for the user who runs the tests."""
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-V", validity]
        + ["-n", principals or getpass.getuser()]
        + (["-h"] if host else [])
        + [f"{path}.pub"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return pathlib.Path(f"{path}-cert.pub")


def public(path):
    """'ssh-ed25519 AAAA…' of a private key file."""
    return " ".join(pathlib.Path(f"{path}.pub").read_text().split()[:2])


def fingerprint(path):
    """'SHA256:…' of a key file."""
    out = subprocess.run(
        ["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True
    )
    return out.stdout.split()[1]


def known_hosts_line(host, port, key_path):
    name = host if port == 22 else f"[{host}]:{port}"
    return f"{name} {public(key_path)}\n"


class Keys:
    """Made once per test process: a host key, a client key and its authorized_keys file."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.host = generate(self.directory / "host_ed25519")
        self.client = generate(self.directory / "client_ed25519")
        self.authorized = self.directory / "authorized_keys"
        shutil.copy(f"{self.client}.pub", self.authorized)

    def extra(self, directory, name, **options):
        return generate(pathlib.Path(directory) / name, **options)
