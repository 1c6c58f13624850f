#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py TEXT NAME: prints C source that holds the file TEXT as `const char NAME[]`."""

import json
import sys

path, name = sys.argv[1:]
print('#include "daemon/supervisor/interface.h"\n')
print(f"const char {name}[] =")
with open(path, encoding="ascii") as text:
    print("\n".join(f"\t{json.dumps(line)}" for line in text) + ";")
