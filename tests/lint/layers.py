#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Folders are layers: who may include what, checked from the #include lines alone.

Two tables are the whole policy. OWN says which folders of this repository a folder may include
from; SYSTEM says which few files may see the headers of a library that must not spread. The first
row whose prefix matches a file is the one that counts.
"""

import fnmatch
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# (files below, may include "..." from below)
OWN = [
    ("lib/", ["lib/"]),
    ("daemon/common/", ["lib/", "daemon/common/"]),
    ("daemon/supervisor/", ["lib/", "daemon/common/", "daemon/supervisor/"]),
    ("daemon/worker/", ["lib/", "daemon/common/", "daemon/worker/"]),
    ("ctl/", ["lib/", "ctl/"]),
    ("tests/", ["lib/", "daemon/", "ctl/", "tests/"]),
]

# (header <...>, files that may include it)
SYSTEM = [
    ("libssh/*", ["daemon/worker/session*", "daemon/worker/auth*", "daemon/worker/hostkey*",
                  "daemon/worker/channel*", "tests/*"]),
    ("event2/*", ["daemon/*", "tests/*"]),
    ("yaml.h", ["lib/yaml*", "tests/*"]),
    ("openssl/*", ["lib/fingerprint.c"]),
    ("systemd/*", ["daemon/supervisor/systemd.c", "daemon/common/log.c"]),
]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def problems_of(path, text, exists):
    """The violations in one file, as lines for people. exists(path) knows the repository's files."""
    allowed = next((rule[1] for rule in OWN if path.startswith(rule[0])), None)
    if allowed is None:
        return [f"{path}: stands in no layer; see OWN in tests/lint/layers.py"]
    found = []
    for match in INCLUDE.finditer(text):
        where = f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}"
        bracket, header = match.groups()
        if bracket == "<":
            for pattern, files in SYSTEM:
                if fnmatch.fnmatch(header, pattern) and not any(
                        fnmatch.fnmatch(path, file) for file in files):
                    found.append(f"{where}: <{header}> may be included only by {', '.join(files)}")
        elif not exists(header):
            found.append(f'{where}: "{header}" is not a path from the top of the repository')
        elif not any(header.startswith(folder) for folder in allowed):
            found.append(f'{where}: "{header}" is out of reach; files below {path.split("/")[0]}/… '
                         f"here include only from {', '.join(allowed)}")
    return found


def sources():
    for folder in sorted({rule[0].split("/")[0] for rule in OWN}):
        for directory, _, names in os.walk(os.path.join(TOP, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(directory, name), TOP)


def check_repository():
    count, found = 0, []
    for path in sources():
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            text = file.read()
        found += problems_of(path, text, lambda header: os.path.exists(os.path.join(TOP, header)))
        count += 1
    if count == 0:
        found = ["no sources found: this check would pass for nothing"]
    print("\n".join(found) if found else f"layers: {count} files keep to their layers")
    return 1 if found else 0


# (file, its include line, is it a violation)
CASES = [
    ("lib/yaml.c", '#include "lib/yaml.h"', False),
    ("lib/yaml.c", "#include <yaml.h>", False),
    ("lib/config.c", "#include <yaml.h>", True),
    ("lib/fingerprint.c", "#include <openssl/evp.h>", False),
    ("lib/known_hosts.c", "#include <openssl/evp.h>", True),
    ("lib/config.c", '#include "daemon/common/log.h"', True),
    ("lib/config.c", "#include <event2/event.h>", True),
    ("lib/config.c", '#include "err.h"', True),
    ("lib/config.c", "  #  include <libssh/libssh.h>", True),
    ("lib/config.c", '/* for #include "daemon/x.h" */', False),
    ("daemon/common/loop.c", "#include <event2/event.h>", False),
    ("daemon/common/loop.c", '#include "daemon/worker/session.h"', True),
    ("daemon/supervisor/main.c", '#include "daemon/common/log.h"', False),
    ("daemon/supervisor/main.c", '#include "daemon/worker/session.h"', True),
    ("daemon/supervisor/main.c", "#include <libssh/libssh.h>", True),
    ("daemon/supervisor/main.c", "#include <systemd/sd-daemon.h>", True),
    ("daemon/supervisor/systemd.c", "#include <systemd/sd-daemon.h>", False),
    ("daemon/worker/session.c", "#include <libssh/libssh.h>", False),
    ("daemon/worker/relay.c", "#include <libssh/libssh.h>", True),
    ("daemon/worker/relay.c", '#include "daemon/supervisor/reload.h"', True),
    ("ctl/main.c", '#include "lib/varlink.h"', False),
    ("ctl/main.c", '#include "daemon/common/wire.h"', True),
    ("ctl/main.c", "#include <event2/event.h>", True),
    ("tests/unit/test_relay.c", '#include "daemon/worker/relay.h"', False),
    ("elsewhere/x.c", "#include <stdio.h>", True),
]


def self_test():
    wrong = [case for case in CASES
             if bool(problems_of(case[0], case[1] + "\n", lambda header: "/" in header)) != case[2]]
    for path, line, is_violation in wrong:
        print(f"{path}: {line}: should {'be refused' if is_violation else 'pass'}")
    print(f"layers: {len(CASES) - len(wrong)} of {len(CASES)} cases right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else check_repository())
