"""Bad habits of servers that do speak SSH: each is a function of a rawssh.RawSsh whose client has just
connected. handler() makes one of peers.TcpServer of it."""

import contextlib

from . import rawssh
from .rawssh import RawSsh, boolean, message, string, u32

PADDING = message(rawssh.IGNORE, string(b""))  # the most work for a byte
BULK = message(rawssh.IGNORE, string(bytes(2000)))  # the most bytes that Python can encrypt
CHATTER = message(rawssh.DEBUG, boolean(False), string(b"\x1b[2J" * 200), string(""))
NONSENSE = message(rawssh.UNIMPLEMENTED, u32(0), bytes(1000))
ESCAPES = b"\x1b]0;owned\x07\x9b31m\xe2\x80\xae\r\n" * 700


def handler(habit, host_key):
    def handle(sock):
        with contextlib.suppress(OSError):
            habit(RawSsh(sock, host_key))

    return handle


def _pour(ssh, payload):
    """Without an end, and as fast as it goes. A client that does not read ends it by leaving."""
    while True:
        ssh.send_many(payload, 1 + 65536 // len(payload))


# -- before and during the key exchange ------------------------------------------------------------


def ignore_before_kex(ssh):
    ssh.greet()
    _pour(ssh, PADDING)


def debug_during_kex(ssh):
    ssh.greet()
    ssh.send_kexinit()
    ssh.receive_kexinit()
    _pour(ssh, CHATTER)


def kexinit_and_silence(ssh):
    ssh.greet()
    ssh.send_kexinit()
    ssh.expect(0)


def kexinit_again_and_again(ssh):
    ssh.greet()
    while True:
        ssh.send_kexinit()


def wrong_signature(ssh):
    """Somebody in between knows the host key, as everybody does, but not its secret half."""
    ssh.greet()
    ssh.send_kexinit()
    ssh.receive_kexinit()
    ssh.answer_kex(sign=lambda _: bytes(64))
    ssh.seal_from_now()
    ssh.open_from_now()


def empty_packets(ssh):
    """No payload at all."""
    ssh.greet()
    ssh.sock.sendall(rawssh.plain_packet(b"") * 10)
    ssh.expect(0)


def disconnect_with_escapes(ssh):
    ssh.greet()
    ssh.send(rawssh.DISCONNECT, u32(11), string(ESCAPES), string(""))
    ssh.expect(0)


# -- before it lets us in --------------------------------------------------------------------------


def ignore_after_newkeys(ssh):
    ssh.greet()
    ssh.exchange()
    _pour(ssh, BULK)


def no_service(ssh):
    ssh.greet()
    ssh.exchange()
    ssh.expect(0)


def _greet_to_service(ssh):
    ssh.greet()
    ssh.exchange()
    ssh.accept_service()


def ignore_before_auth(ssh):
    _greet_to_service(ssh)
    _pour(ssh, BULK)


def debug_before_auth(ssh):
    _greet_to_service(ssh)
    _pour(ssh, CHATTER)


def unimplemented_before_auth(ssh):
    _greet_to_service(ssh)
    _pour(ssh, NONSENSE)


def banners(ssh):
    _greet_to_service(ssh)
    _pour(ssh, message(rawssh.USERAUTH_BANNER, string("Welcome! " * 500), string("")))


def failures(ssh):
    """Refuses what nobody asked for."""
    _greet_to_service(ssh)
    _pour(ssh, message(rawssh.USERAUTH_FAILURE, string("publickey"), boolean(False)))


def refuses_every_key(ssh):
    _greet_to_service(ssh)
    while True:
        ssh.expect(rawssh.USERAUTH_REQUEST)
        ssh.send(rawssh.USERAUTH_FAILURE, string("publickey"), boolean(False))


def rekeys_before_auth(ssh):
    _greet_to_service(ssh)
    while True:
        ssh.exchange()


# -- legitimate, but seldom seen -------------------------------------------------------------------


def ext_info_twice(ssh):
    ssh.greet()
    ssh.exchange()
    for _ in range(2):
        field = string("server-sig-algs") + string("ssh-ed25519,rsa-sha2-256")
        ssh.send(rawssh.EXT_INFO, u32(1), field)
    ssh.accept_service()
    ssh.authenticate()
    ssh.serve()


def huge_banner(ssh):
    _greet_to_service(ssh)
    ssh.send(rawssh.USERAUTH_BANNER, string(ESCAPES * 8), string(""))
    ssh.authenticate()
    ssh.serve()


def some_padding_everywhere(ssh):
    """As a server does that hides what it says."""
    ssh.greet()
    ssh.send_many(PADDING, 20)
    ssh.exchange()
    ssh.send_many(PADDING, 20)
    ssh.accept_service()
    ssh.send_many(PADDING, 20)
    ssh.authenticate()
    ssh.send_many(PADDING, 20)
    ssh.serve()


# -- once it has let us in -------------------------------------------------------------------------


def disconnect_when_in(ssh):
    ssh.log_in()
    # Not into the moment in which we ask for the first sign of life.
    ssh.expect(rawssh.GLOBAL_REQUEST)
    ssh.send(rawssh.DISCONNECT, u32(11), string(ESCAPES), string(""))
    ssh.expect(0)


def ignore_when_in(ssh):
    ssh.log_in()
    _pour(ssh, PADDING)


def unimplemented_when_in(ssh):
    ssh.log_in()
    _pour(ssh, NONSENSE)


def asks_without_reading(ssh):
    """Each question wants an answer, and no answer is ever taken."""
    ssh.log_in()
    _pour(ssh, message(rawssh.GLOBAL_REQUEST, string("what@example.com"), boolean(True)))


def opens_what_nobody_asked_for(ssh):
    """answers: the numbers of the messages the client had for each."""
    ssh.log_in()
    kinds = ["forwarded-tcpip", "direct-tcpip", "session", "x11", "auth-agent@openssh.com", "?"]
    target = string("127.0.0.1") + u32(22) + string("10.0.0.1") + u32(1)
    for kind in kinds:
        ssh.send(rawssh.CHANNEL_OPEN, string(kind), u32(7, 1 << 20, 32768), target)
        opens_what_nobody_asked_for.answers.append(
            ssh.wait_for(rawssh.CHANNEL_OPEN_CONFIRMATION, rawssh.CHANNEL_OPEN_FAILURE).payload[0]
        )
    ssh.serve()


opens_what_nobody_asked_for.answers = []


def confirms_what_nobody_opened(ssh):
    ssh.log_in()
    ssh.send(rawssh.CHANNEL_OPEN_CONFIRMATION, u32(4711, 1, 1 << 20, 32768))
    ssh.serve()


def data_for_nobody(ssh):
    ssh.log_in()
    for number in (rawssh.CHANNEL_DATA, rawssh.CHANNEL_EOF, rawssh.CHANNEL_CLOSE):
        ssh.send(number, u32(4711), string(b"?" if number == rawssh.CHANNEL_DATA else b""))
    ssh.serve()


# -- on a channel ----------------------------------------------------------------------------------


def window_without_end(ssh):
    """The windows add up to more than a number holds."""
    ssh.log_in()
    number = ssh.accept_channel()
    for _ in range(10):
        ssh.send(rawssh.CHANNEL_WINDOW_ADJUST, u32(number, 0xFFFFFFFF))
    while True:
        reader = ssh.wait_for(rawssh.CHANNEL_DATA)
        reader.u32()
        ssh.send(rawssh.CHANNEL_DATA, u32(number), string(reader.string()))


def more_than_the_window(ssh):
    """Data without a regard for what the client has room for."""
    ssh.log_in()
    number = ssh.accept_channel()
    _pour(ssh, message(rawssh.CHANNEL_DATA, u32(number), string(bytes(32000))))


def one_byte_a_packet(ssh):
    """Lawful, and the most work for the least data."""
    ssh.log_in()
    number = ssh.accept_channel()
    for _ in range(20):
        ssh.send_many(message(rawssh.CHANNEL_DATA, u32(number), string(b"x")), 1000)
    ssh.send(rawssh.CHANNEL_EOF, u32(number))
    ssh.serve()
