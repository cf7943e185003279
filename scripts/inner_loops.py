#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds the innermost loops of x86 assembly: what a kernel spends its time in.

Tests count their instructions, and pages of the documentation show them.
"""

import argparse
import collections
import re
import sys
from pathlib import Path


def instructions(text):
    """Labels and instructions in order, without directives and comments."""
    for line in text.splitlines():
        code = line.split("#")[0].strip()
        if code and (code.endswith(":") or not code.startswith(".")):
            yield code


def loops(text):
    """Every run of instructions from a label to a jump back to it that has no other label or jump inside."""
    found, label, body = [], None, []
    for code in instructions(text):
        if code.endswith(":"):
            label, body = code[:-1], []
            continue
        body.append(code)
        jump = re.match(r"j\w+\s+(\S+)", code)
        if jump:
            if jump[1] == label:
                found.append([*body[:-1], code.replace(label, "top")])
            label, body = None, []
    return found


def count(loop, pattern):
    """How many instructions of a loop match a regular expression."""
    return sum(1 for code in loop if re.search(pattern, code))


def products(text):
    """The loops of matrix products: a third of their instructions or more multiply and add."""
    return [loop for loop in loops(text) if 3 * count(loop, r"^vfn?madd\d+[ps][sd]\s|^vdpbf16ps") >= len(loop)]


def renamed(loop):
    """The loop with registers named in the order they appear in, so that another allocation reads the same."""
    names = {}

    def name(match):
        kind = match[1] or "r"
        return names.setdefault(match[0], f"%{kind}{sum(1 for one in names.values() if one[1:].startswith(kind))}")

    return [re.sub(r"%(?:([xyz]mm)\d+|r\w+|e\w+)", name, re.sub(r"\s+", " ", code)) for code in loop]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assembly", type=Path)
    parser.add_argument("--number", type=int, default=0, help="which of the loops of products to print")
    options = parser.parse_args()
    found = products(options.assembly.read_text())
    if options.number >= len(found):
        sys.exit(f"expected more than {options.number} loops of products, got {len(found)}")
    loop = found[options.number]
    names = collections.Counter(code.split()[0] for code in loop)
    print("; " + ", ".join(f"{number} {name}" for name, number in sorted(names.items(), key=lambda one: (-one[1], one[0]))))
    print("top:", *renamed(loop), sep="\n")


if __name__ == "__main__":
    main()
