"""Waiting for something to become true, with a deadline. The only place where a test sleeps."""

import time

# What happens, happens sooner or later on a busy machine. How soon is a promise where a test says so with
# a Stopwatch (or patience=0) and build.limit(); any other wait is only there to come to an end.
PATIENCE = 20


class Deadline(AssertionError):
    """What was waited for did not happen in time."""


def until(check, seconds, what, interval=0.02, patience=PATIENCE):
    """Calls check() until it returns something true and returns that. A check may be a plain
    question or raise AssertionError while the answer is no; the last one is shown."""
    seconds = max(seconds, patience)
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = check()
            if last:
                return last
        except AssertionError as error:
            last = error
        if time.monotonic() >= end:
            raise Deadline(f"{what}: not within {seconds:g} s; last: {last!r}")
        time.sleep(interval)


def holds(check, seconds, what, interval=0.02):
    """Asserts that check() stays true for a while (for what must not happen)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check(), f"{what}: ended early"
        time.sleep(interval)


class Stopwatch:
    """with Stopwatch() as watch: ...; then watch.seconds"""

    def __enter__(self):
        self.start = time.monotonic()
        self.seconds = None
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start

    def elapsed(self):
        return time.monotonic() - self.start


def settled(measure, quiet, seconds, what):
    """Waits until measure() gives the same for `quiet` seconds; returns that."""
    seconds = max(seconds, PATIENCE)
    end = time.monotonic() + seconds
    value, since = measure(), time.monotonic()
    while time.monotonic() - since < quiet:
        assert (
            time.monotonic() < end
        ), f"{what} did not settle within {seconds:g} s; last: {value!r}"
        time.sleep(0.05)
        if (now := measure()) != value:
            value, since = now, time.monotonic()
    return value
