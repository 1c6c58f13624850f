"""SSH agents: a real one, and one in front of it that has habits of its own."""

import base64
import contextlib
import hashlib
import os
import pathlib
import socket
import struct
import subprocess
import threading

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from . import peers
from .wait import until

LOCK, UNLOCK, SUCCESS = 22, 23, 6
FAILURE, REQUEST_IDENTITIES, IDENTITIES, SIGN_REQUEST, SIGN_RESPONSE = 5, 11, 12, 13, 14


def string(data):
    return struct.pack(">I", len(data)) + data


def take_string(data):
    (size,) = struct.unpack_from(">I", data)
    return data[4 : 4 + size], data[4 + size :]


def blob(path):
    """The public key in PATH.pub, as an agent lists it."""
    return base64.b64decode(pathlib.Path(f"{path}.pub").read_text().split()[1])


def dsa_blob():
    """A key of a kind that libssh does not know."""
    return string(b"ssh-dss") + string(b"\x01" * 128) * 4


class Agent:
    """OpenSSH's ssh-agent."""

    def __init__(self, path):
        self.path = str(path)
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "ssh-agent", "-D", "-a", self.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        until(self._is_there, 10, "the agent listens")

    def _is_there(self):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(self.path)
            return True
        return False

    def _run(self, *args, **options):
        return subprocess.run(
            ["ssh-add", *map(str, args)],
            env={"SSH_AUTH_SOCK": self.path, "PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def add(self, key, *options):
        """A private key file, with its certificate if there is one beside it."""
        self._run("-q", *options, key)
        return self

    def add_key_only(self, key):
        """Without the certificate beside it."""
        return self.add(key, "-k")

    def remove_all(self):
        self._run("-q", "-D")

    def _tell(self, message, word):
        """ssh-add -x would ask at a terminal."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.path)
            sock.sendall(string(bytes([message]) + string(word)))
            assert sock.recv(16) == string(bytes([SUCCESS]))

    def lock(self, word):
        self._tell(LOCK, word)

    def unlock(self, word):
        self._tell(UNLOCK, word)

    def close(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class OddAgent(peers.UnixServer):
    """Passes questions on to a real agent (or has no keys), except for its habits:

    on_list(keys): gets and returns [(blob, comment)]
    on_sign(blob): called before a signature is made; returns False to refuse; may take its time
    on_bytes(request type): bytes to answer with instead, or None; b"" hangs up
    silent: a set of request types that are never answered
    """

    def __init__(self, path, real=None, *, on_list=None, on_sign=None, on_bytes=None, silent=()):
        self.real = real
        self.on_list, self.on_sign, self.on_bytes = on_list, on_sign, on_bytes
        self.silent = set(silent)
        self.requests = []  # types, in the order they came
        self.signed_for = []  # blobs
        self._end = threading.Event()
        super().__init__(self._converse, path)

    def close(self):
        self._end.set()
        super().close()

    def _converse(self, sock):
        while request := self._receive(sock):
            self.requests.append(request[0])
            if request[0] in self.silent:
                self._end.wait()
                return
            odd = self.on_bytes(request[0]) if self.on_bytes else None
            if odd is None:
                sock.sendall(string(self._answer(request)))
            elif odd:
                sock.sendall(odd)
            else:
                return

    @staticmethod
    def _receive(sock):
        head = sock.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            return b""
        return sock.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)

    def _answer(self, request):
        if request[0] == REQUEST_IDENTITIES:
            return self._list()
        key, _ = take_string(request[1:])
        self.signed_for.append(key)
        if self.on_sign and self.on_sign(key) is False:
            return bytes([FAILURE])
        return self._ask_real(request)

    def _list(self):
        answer = self._ask_real(bytes([REQUEST_IDENTITIES]))
        (count,) = struct.unpack_from(">I", answer, 1)
        rest, keys = answer[5:], []
        for _ in range(count):
            key, rest = take_string(rest)
            comment, rest = take_string(rest)
            keys.append((key, comment))
        if self.on_list:
            keys = self.on_list(keys)
        body = b"".join(string(key) + string(comment) for key, comment in keys)
        return bytes([IDENTITIES]) + struct.pack(">I", len(keys)) + body

    def _ask_real(self, request):
        if not self.real:
            return bytes([IDENTITIES, 0, 0, 0, 0])
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.real.path)
            sock.sendall(string(request))
            return self._receive(sock)


class HardwareAgent(OddAgent):
    """Holds one key of a FIDO device, in software: openssh-portable's PROTOCOL.u2f."""

    TYPE, APPLICATION = b"sk-ssh-ed25519@openssh.com", b"ssh:"

    def __init__(self, path, **habits):
        self._key = ed25519.Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self.blob = string(self.TYPE) + string(public) + string(self.APPLICATION)
        super().__init__(path, **habits)

    @property
    def public(self):
        """A line for authorized_keys."""
        return f"{self.TYPE.decode()} {base64.b64encode(self.blob).decode()}"

    def _ask_real(self, request):
        if request[0] == REQUEST_IDENTITIES:
            count = struct.pack(">I", 1)
            return bytes([IDENTITIES]) + count + string(self.blob) + string(b"touch me")
        _, rest = take_string(request[1:])
        data, _ = take_string(rest)
        touched = b"\x01" + struct.pack(">I", 7)  # present; the device's counter
        digest = hashlib.sha256
        signed = digest(self.APPLICATION).digest() + touched + digest(data).digest()
        signature = string(self.TYPE) + string(self._key.sign(signed)) + touched
        return bytes([SIGN_RESPONSE]) + string(signature)
