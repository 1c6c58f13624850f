"""Processes as /proc tells them: trees, descriptors, memory."""

import ctypes
import os
import pathlib
import signal

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans of what the tests start become our children: they can be found and reaped."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid):
    """(state, parent) or None. The name in parentheses may hold anything, so read from the end.

    A test asks this of all processes many times a second: hence os, where a pathlib.Path and a text
    file take five times as long."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state, parent = os.read(fd, 4096).rpartition(b")")[2].split(maxsplit=2)[:2]
    except OSError:
        return None
    finally:
        os.close(fd)
    return state.decode(), int(parent)


def is_alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def state(pid):
    stat = _stat(pid)
    return stat[0] if stat else None


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(entry)
            if stat and stat[1] == pid and stat[0] not in "ZX":
                found.append(int(entry))
    return sorted(found)


def descendants(pid):
    found = []
    for child in children(pid):
        found.append(child)
        found.extend(descendants(child))
    return found


def name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def send(pid, signo):
    try:
        os.kill(pid, signo)
    except ProcessLookupError:
        pass


def freeze_tree(pid):
    """SIGSTOP to pid first, so that it forks no more, then to all below. Returns all of them."""
    send(pid, signal.SIGSTOP)
    pids = [pid] + descendants(pid)
    for child in pids[1:]:
        send(child, signal.SIGSTOP)
    return pids


def reap(pid):
    """Collects pid if it is a zombie child of ours; others are none of our business."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def sockets(pid):
    """Its descriptors that are sockets: 'fd socket:[inode]'."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(f"{fd} {os.readlink(f'/proc/{pid}/fd/{fd}')}")
        except OSError:  # closed meanwhile
            continue
    return [one for one in found if "socket:" in one]


def environment(pid):
    """{name: value} as it was at its exec."""
    found = pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(item.split("=", 1) for item in found if "=" in item)


def memory_kib(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/status has no {field}")


def private_kib(pid):
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1])
    return total


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listens(port):
    """Somebody listens on this IPv4 port (any address)."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f[1].endswith(f":{port:04X}") and f[3] == "0A" for f in map(str.split, lines))
