"""Which programs are tested, and how much slower than a plain build they are allowed to be."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("TUNNELD_BUILD", REPOSITORY / "build")).resolve()
TUNNELD = BUILD / "daemon" / "tunneld"
WORKER = BUILD / "daemon" / "tunneld-worker"
TUNCTL = BUILD / "ctl" / "tunctl"
INTERFACE = REPOSITORY / "docs" / "io.tunneld.Manager.varlink"


def missing_programs():
    return [str(p) for p in (TUNNELD, WORKER, TUNCTL) if not p.exists()]


def _has_sanitizer():
    try:
        return b"__asan_init" in TUNNELD.read_bytes()
    except OSError:
        return False


SANITIZED = _has_sanitizer()


def _crowd():
    """How many processes run tests for each CPU of ours."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    return max(1, processes / len(os.sched_getaffinity(0)))


CROWD = _crowd()


def limit(seconds):
    """A bound on time: as promised where a plain build has its CPUs for itself, three times that under
    the sanitizers, and as many times longer as there are tests beside this one for each CPU."""
    return seconds * (3 if SANITIZED else 1) * CROWD
