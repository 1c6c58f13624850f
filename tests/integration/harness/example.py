"""The files of conf/examples, used as a person would: copied, and only the names of hosts, users,
keys and the ports made one's own.

What a daemon reads is the text of the file. Words outside of comments are exchanged, and each of
them must be there: a test cannot quietly stop being about its example."""

import getpass
import re
import shutil

from . import build

DIRECTORY = build.REPOSITORY / "conf" / "examples"
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)


def files():
    return sorted(DIRECTORY.iterdir())


def fit(text, words):
    """text without its comments, every word (a name, a path, a port, a whole forward) exchanged."""
    longest_first = sorted(words, key=len, reverse=True)
    word = re.compile(r"(?<![\w.-])(?:%s)(?![\w-]|\.\w)" % "|".join(map(re.escape, longest_first)))
    seen = set()

    def exchange(match):
        seen.add(match[0])
        return str(words[match[0]])

    text = word.sub(exchange, _COMMENT.sub("", text))
    assert seen == set(words), f"the example does not say {set(words) - seen}"
    return text


def start(lab, name, words, later=()):
    """A running daemon with that file, every tunnel up but those that are to come up later or
    never. Its home has what a person's has: a key and the server's host key."""
    text = fit((DIRECTORY / name).read_text(), words)
    daemon = lab.daemon(text, start=False, args=["--user"])
    ssh = daemon.directory / ".ssh"
    ssh.mkdir(mode=0o700)
    shutil.copy(lab.keys.client, ssh / "id_ed25519")
    shutil.copy(lab.known_hosts(), ssh / "known_hosts")
    daemon.start()
    for tunnel in daemon.tunnels():
        if tunnel not in later:
            daemon.wait_state(tunnel, "up", 15)
    return daemon


def login(server):
    """What replaces me@server.example.com."""
    return f"{getpass.getuser()}@{server.address}"
