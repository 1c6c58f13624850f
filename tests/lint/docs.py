#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the documents show must be true: every example configuration passes `tunneld --check`, and the
list of keys in the manual page is the one printed from the schema table.

docs.py TUNNELD checks; docs.py --update TUNNELD writes the list into the page.
"""

import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(TOP, "docs", "tunneld.yaml.5.scd")
WITH_EXAMPLES = ["README.md", "docs/tunneld.yaml.5.scd"]
BLOCK = re.compile(r"^```(?:yaml)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEYS = re.compile(r"(?<=^; KEYS BEGIN)([^\n]*\n)(.*?)(?=^; KEYS END$)", re.MULTILINE | re.DOTALL)


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def examples():
    """(where, text) of every code block that is a configuration."""
    for path in WITH_EXAMPLES:
        text = read(path)
        for block in BLOCK.finditer(text):
            if re.search(r"^tunnels:", block[1], re.MULTILINE):
                yield f"{path}:{text.count(chr(10), 0, block.start()) + 1}", block[1]


def check_examples(tunneld):
    count, wrong = 0, 0
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "tunneld.yaml")
        for where, text in examples():
            with open(config, "w", encoding="utf-8") as file:
                file.write(text)
            result = subprocess.run([tunneld, "--user", "--check", "-c", config], capture_output=True,
                                    text=True, check=False)
            count += 1
            if result.returncode != 0:
                print(f"{where}: does not pass --check:\n{result.stdout}{result.stderr}")
                wrong += 1
    print(f"docs: {count} examples, {wrong} wrong")
    return wrong == 0 and count >= 3


def reference(tunneld):
    return subprocess.run([tunneld, "--print-schema", "reference"], check=True,
                          capture_output=True, text=True).stdout.strip()


def check_keys(tunneld):
    if KEYS.search(read(PAGE))[2].strip() == reference(tunneld):
        return True
    print(f"{PAGE}: the list of keys is not the schema's; bring it up to date with\n"
          f"  tests/lint/docs.py --update {tunneld}")
    return False


def update(tunneld):
    text = KEYS.sub(lambda match: f"{match[1]}\n{reference(tunneld)}\n\n", read(PAGE))
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments):
    if arguments[0] == "--update":
        update(arguments[1])
        return 0
    results = [check_examples(arguments[0]), check_keys(arguments[0])]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
