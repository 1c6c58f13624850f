"""The server's half of the SSH protocol with nothing hidden: each packet is sent because a test says
so, and any packet may be sent at any time. Blocking, one object a connection, for handlers of
peers.TcpServer. One algorithm of each sort (RFC 4253, RFC 8731, RFC 5647 as OpenSSH has it)."""

import hashlib
import os
import pathlib
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BANNER = b"SSH-2.0-raw_1.0"

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG = 1, 2, 3, 4
SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = 5, 6, 7
KEXINIT, NEWKEYS, KEX_ECDH_INIT, KEX_ECDH_REPLY = 20, 21, 30, 31
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS = 50, 51, 52
USERAUTH_BANNER, USERAUTH_PK_OK, USERAUTH_PASSWD_CHANGEREQ = 53, 60, 60
GLOBAL_REQUEST, REQUEST_SUCCESS, REQUEST_FAILURE = 80, 81, 82
CHANNEL_OPEN, CHANNEL_OPEN_CONFIRMATION, CHANNEL_OPEN_FAILURE = 90, 91, 92
CHANNEL_WINDOW_ADJUST, CHANNEL_DATA, CHANNEL_EOF, CHANNEL_CLOSE = 93, 94, 96, 97


def string(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(value)) + value


def u32(*values):
    return struct.pack(f">{len(values)}I", *values)


def boolean(value):
    return bytes([bool(value)])


def message(number, *fields):
    return bytes([number]) + b"".join(fields)


def _mpint(value):
    value = value.lstrip(b"\0")
    return string(b"\0" + value if value and value[0] & 0x80 else value)


class Reader:
    """Fields of a message, one after the other."""

    def __init__(self, payload):
        self.payload, self.at = payload, 0

    def take(self, size):
        self.at += size
        return self.payload[self.at - size : self.at]

    def byte(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def string(self):
        return self.take(self.u32())


def plain_packet(payload):
    """As it is before NEWKEYS."""
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return u32(len(payload) + padding + 1) + bytes([padding]) + payload + bytes(padding)


class _Gcm:
    """One direction of aes128-gcm@openssh.com; the counter in the IV goes up by one each packet."""

    def __init__(self, key, iv):
        self.cipher, self.fixed = AESGCM(key), iv[:4]
        self.count = int.from_bytes(iv[4:], "big")

    def _iv(self):
        self.count += 1
        return self.fixed + ((self.count - 1) % (1 << 64)).to_bytes(8, "big")

    def seal(self, payload, count=1):
        """So many packets of it."""
        padding = 16 - (len(payload) + 1) % 16
        padding += 16 if padding < 4 else 0
        body = bytes([padding]) + payload + bytes(padding)
        size = u32(len(body))
        return b"".join(size + self.cipher.encrypt(self._iv(), body, size) for _ in range(count))

    def open(self, size, sealed):
        body = self.cipher.decrypt(self._iv(), sealed, size)
        return body[1 : len(body) - body[0]]


class RawSsh:
    """A connection of a client, as far as a handler has driven it: with all of greet(), exchange(),
    accept_service() and authenticate() it is a session."""

    def __init__(self, sock, host_key):
        self.sock = sock
        self.key = serialization.load_ssh_private_key(
            pathlib.Path(host_key).read_bytes(), password=None
        )
        public = self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self.host_key = string("ssh-ed25519") + string(public)
        self.sealing = self.opening = None
        self.session_id = None
        self.client_kexinit = None
        self.buffer = b""

    # -- packets -------------------------------------------------------------------------------

    def packet(self, payload, count=1):
        if self.sealing:
            return self.sealing.seal(payload, count)
        return plain_packet(payload) * count

    def send(self, number, *fields):
        self.sock.sendall(self.packet(message(number, *fields)))

    def send_many(self, payload, count):
        self.sock.sendall(self.packet(payload, count))

    def _read(self, size):
        while len(self.buffer) < size:
            data = self.sock.recv(1 << 16)
            if not data:
                raise ConnectionError("the client has gone")
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def receive(self):
        """The next payload."""
        size = self._read(4)
        length = struct.unpack(">I", size)[0]
        if self.opening:
            return self.opening.open(size, self._read(length + 16))
        body = self._read(length)
        return body[1 : length - body[0]]

    def expect(self, *numbers):
        """A Reader behind the number of the first payload that is one of these."""
        while True:
            payload = self.receive()
            if payload[0] in numbers:
                reader = Reader(payload)
                reader.byte()
                return reader

    # -- the way to a session ------------------------------------------------------------------

    def greet(self):
        self.sock.sendall(BANNER + b"\r\n")
        line = b""
        while not line.endswith(b"\n"):
            line += self._read(1)
        self.client_banner = line.rstrip(b"\r\n")

    def send_kexinit(self):
        names = ["curve25519-sha256", "ssh-ed25519"]
        names += ["aes128-gcm@openssh.com"] * 2 + ["hmac-sha2-256"] * 2 + ["none"] * 2 + ["", ""]
        self.kexinit = message(
            KEXINIT, os.urandom(16), *map(string, names), boolean(False), u32(0)
        )
        self.sock.sendall(self.packet(self.kexinit))

    def receive_kexinit(self):
        self.client_kexinit = self.expect(KEXINIT).payload

    def answer_kex(self, sign=None):
        """ECDH_INIT to ECDH_REPLY; sign: makes the signature of the exchange hash."""
        client = self.expect(KEX_ECDH_INIT).string()
        own = X25519PrivateKey.generate()
        public = own.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self.secret = _mpint(own.exchange(X25519PublicKey.from_public_bytes(client)))
        parts = (self.client_banner, BANNER, self.client_kexinit, self.kexinit, self.host_key)
        hashed = b"".join(map(string, (*parts, client, public))) + self.secret
        self.hash = hashlib.sha256(hashed).digest()
        self.session_id = self.session_id or self.hash
        signature = string("ssh-ed25519") + string((sign or self.key.sign)(self.hash))
        self.send(KEX_ECDH_REPLY, string(self.host_key), string(public), string(signature))

    def _derive(self, letter, size):
        return hashlib.sha256(self.secret + self.hash + letter + self.session_id).digest()[:size]

    def seal_from_now(self):
        self.send(NEWKEYS)
        self.sealing = _Gcm(self._derive(b"D", 16), self._derive(b"B", 12))

    def open_from_now(self):
        self.expect(NEWKEYS)
        self.opening = _Gcm(self._derive(b"C", 16), self._derive(b"A", 12))

    def exchange(self):
        """A whole key exchange, the first or another."""
        self.send_kexinit()
        self.receive_kexinit()
        self.answer_kex()
        self.seal_from_now()
        self.open_from_now()

    def accept_service(self):
        name = self.expect(SERVICE_REQUEST).string()
        self.send(SERVICE_ACCEPT, string(name))

    def authenticate(self):
        """Any key will do, without a look at its signature."""
        while True:
            request = self.expect(USERAUTH_REQUEST)
            request.string(), request.string()
            if request.string() != b"publickey":
                self.send(USERAUTH_FAILURE, string("publickey"), boolean(False))
            elif request.byte():
                return self.send(USERAUTH_SUCCESS)
            else:
                self.send(USERAUTH_PK_OK, string(request.string()), string(request.string()))

    def log_in(self):
        self.greet()
        self.exchange()
        self.accept_service()
        self.authenticate()

    # -- a session -----------------------------------------------------------------------------

    def wait_for(self, *numbers):
        """Like expect(), for one of a session: the client asks for signs of life meanwhile."""
        while True:
            reader = self.expect(GLOBAL_REQUEST, *numbers)
            if reader.payload[0] != GLOBAL_REQUEST:
                return reader
            reader.string()
            if reader.byte():
                self.send(REQUEST_FAILURE)

    def accept_channel(self, window=1 << 20):
        """The next channel the client opens; the number the client gave it."""
        reader = self.wait_for(CHANNEL_OPEN)
        reader.string()
        number = reader.u32()
        self.send(CHANNEL_OPEN_CONFIRMATION, u32(number, number, window, 32768))
        return number

    def serve(self):
        """Says no to whatever the client asks for, until it goes."""
        while True:
            reader = self.wait_for(CHANNEL_OPEN)
            reader.string()
            fields = u32(reader.u32(), 1), string("not here"), string("")
            self.send(CHANNEL_OPEN_FAILURE, *fields)
