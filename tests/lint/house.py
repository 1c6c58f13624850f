#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The measurable part of the house style: sizes, the licence line, no unfinished marks.

clang-format puts the braces of a function body in the first column, so a body is what stands
between a line "{" and the next line "}".
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE_LINES = 700
FUNCTION_LINES = 80
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
CODE = (".c", ".h", ".py", ".sh")


def functions(lines):
    """(name, first line, length) of every function body in C source that clang-format laid out."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 6):start - 1])
            names = re.findall(r"(\w+)\(", head.rsplit(";", 1)[-1].rsplit("}", 1)[-1])
            yield names[0] if names else "?", start, number - start + 1
            start = None


def problems_of(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines; split it by idea, the limit is {FILE_LINES}"
    if path.endswith((".c", ".h")):
        if not lines or lines[0] != "/* SPDX-License-Identifier: MIT */":
            yield f"{path}:1: the first line must be /* SPDX-License-Identifier: MIT */"
        for name, line, length in functions(lines):
            if length > FUNCTION_LINES:
                yield f"{path}:{line}: {name}() has {length} lines, the limit is {FUNCTION_LINES}"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield f"{path}:{number}: unfinished: {line.strip()}"
        if line != line.rstrip():
            yield f"{path}:{number}: blanks at the end of the line"


def sources():
    for directory, folders, names in os.walk(TOP):
        folders[:] = sorted(name for name in folders
                            if not name.startswith((".", "build", "__pycache__")))
        for name in sorted(names):
            if name.endswith(CODE) or name == "dev":
                yield os.path.relpath(os.path.join(directory, name), TOP)


def check_repository():
    count, found = 0, []
    for path in sources():
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            found += problems_of(path, file.read())
        count += 1
    if count == 0:
        found = ["no sources found: this check would pass for nothing"]
    print("\n".join(found) if found else f"house: {count} files in order")
    return 1 if found else 0


LICENCE = "/* SPDX-License-Identifier: MIT */\n"

# (path, text, words its only problem must contain; None: there is no problem)
CASES = [
    ("a.c", LICENCE, None),
    ("a.c", "int x;\n", "first line"),
    ("a.py", "x = 1\n", None),
    ("a.c", LICENCE + "\n" * (FILE_LINES - 1), None),
    ("a.c", LICENCE + "\n" * FILE_LINES, "701 lines"),
    ("a.c", LICENCE + "int f(void)\n{\n" + "\tg();\n" * 78 + "}\n", None),
    ("a.c", LICENCE + "int f(int a,\n      int b)\n{\n" + "\tg();\n" * 79 + "}\n", "f() has 81"),
    ("a.c", LICENCE + "struct x {\n" + "\tint a;\n" * 100 + "};\n", None),
    ("a.c", LICENCE + "/* TO" "DO: later */\n", "unfinished"),
    ("a.c", LICENCE + "int x; \n", "blanks"),
]


def self_test():
    wrong = 0
    for number, (path, text, words) in enumerate(CASES):
        found = list(problems_of(path, text))
        if found if words is None else len(found) != 1 or words not in found[0]:
            print(f"case {number}: expected {words!r}, found {found}")
            wrong += 1
    print(f"house: {len(CASES) - wrong} of {len(CASES)} cases right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else check_repository())
