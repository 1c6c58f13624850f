"""Somebody at `tunctl auth`: at a terminal, or a script that has the answers ready."""

import os
import pty
import select
import subprocess
import termios
import time

from . import build


class Person:
    """Runs tunctl on a terminal of its own."""

    def __init__(self, daemon, *args):
        self.main, side = pty.openpty()
        self.process = subprocess.Popen(
            [str(build.TUNCTL), "-s", str(daemon.socket), *args],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**daemon.env, "TERM": "dumb"},
            start_new_session=True,
        )
        os.close(side)
        self.text, self._raw = "", b""
        self._seen = 0

    def sees(self, wanted, seconds=30):
        """Waits until this is shown, behind what was seen before."""
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.main, select.POLLIN)
        while wanted not in self.text[self._seen :]:
            assert poll.poll(1000 * max(0, end - time.monotonic())), self.text
            try:
                data = os.read(self.main, 65536)
            except OSError:  # the end of a pty
                data = b""
            assert data, self.text
            self._raw += data  # a read may end in the middle of a line's end, or of a character
            self.text = self._raw.decode(errors="replace").replace("\r\n", "\n")
        self._seen = self.text.index(wanted, self._seen) + len(wanted)

    def types(self, text):
        os.write(self.main, text.encode() + b"\n")

    def answers(self, prompt, text):
        self.sees(prompt)
        assert not termios.tcgetattr(self.main)[3] & termios.ECHO
        self.types(text)

    def leaves(self):
        """In the middle of it."""
        self.process.terminate()
        self.process.wait(10)

    def ends(self, status=0, seconds=40):
        assert self.process.wait(seconds) == status, self.text
        return self.text

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)


def script(daemon, answers, *args, name="t", status=0):
    """tunctl auth with these lines on its standard input."""
    result = subprocess.run(
        [str(build.TUNCTL), "-s", str(daemon.socket), *args, "auth", name],
        input="".join(f"{line}\n" for line in answers),
        capture_output=True,
        text=True,
        timeout=60,
        env=daemon.env,
        check=False,
    )
    assert result.returncode == status, result
    return result
