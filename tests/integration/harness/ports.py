"""Ports that nobody else gets until release(), although nothing listens there yet.

They lie below the kernel's ephemeral range, so no outgoing connection takes one by chance, and each
is reserved by an abstract Unix socket of that name: parallel test runs see each other's."""

import itertools
import os
import random
import socket

_LOW, _HIGH = 10000, 32000
_reserved = []


def _reserve(port):
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0tunneld-test-port-{port}")
    except OSError:
        lock.close()
        return None
    return lock


def _is_free(port):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno not in (97, 99):  # no IPv6 on this machine
                return False
    return True


_candidates = itertools.cycle(random.Random(os.getpid()).sample(range(_LOW, _HIGH), _HIGH - _LOW))


def free_port():
    for _ in range(_HIGH - _LOW):
        port = next(_candidates)
        lock = _reserve(port)
        if lock and _is_free(port):
            _reserved.append(lock)
            return port
        if lock:
            lock.close()
    raise RuntimeError("no free port left")


def free_run(count):
    """The first of `count` free ports in a row."""
    while True:
        first = free_port()
        taken = len(_reserved)
        if first + count < _HIGH and all(map(_take, range(first + 1, first + count))):
            return first
        while len(_reserved) > taken:
            _reserved.pop().close()


def _take(port):
    lock = _reserve(port)
    if lock:
        _reserved.append(lock)
    return lock and _is_free(port)


def release():
    """Gives back every port this process reserved: each costs a descriptor."""
    for lock in _reserved:
        lock.close()
    _reserved.clear()


def own_address():
    """A loopback address of this process alone. Who lets go of a port there that the kernel has chosen
    gets it back: no server of another test, and no connection, takes it meanwhile."""
    pid = os.getpid()
    return f"127.{64 + (pid >> 16) % 128}.{(pid >> 8) % 256}.{pid % 254 + 1}"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
