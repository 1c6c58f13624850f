#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The promises about libraries, read from the programs themselves: what speaks SSH is not what
decides, and the small tool stays small."""

import os
import re
import subprocess
import sys

FORBIDDEN = {
    "tunneld": ["libssh"],
    "tunneld-worker": ["libyaml"],
    "tunctl": ["libssh", "libcrypto", "libevent", "libsystemd"],
}


def needed(program):
    listing = subprocess.run(["readelf", "-d", program], check=True, capture_output=True, text=True,
                             env={**os.environ, "LC_ALL": "C"}).stdout
    return [line.split("[")[1].rstrip("]") for line in listing.splitlines() if "(NEEDED)" in line]


def main(programs):
    wrong = 0
    for program in programs:
        libraries = needed(program)
        if not any(library.startswith("libc.so") for library in libraries):
            print(f"{program}: not even libc is needed; this check sees nothing")
            wrong += 1
        for library in libraries:
            # "libevent_core-2.1.so.7" is libevent
            if re.split(r"[._-]", library)[0] in FORBIDDEN[os.path.basename(program)]:
                print(f"{program}: needs {library}")
                wrong += 1
    print(f"linkage: {len(programs)} programs, {wrong} problems")
    return 1 if wrong or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
