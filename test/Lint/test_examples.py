# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The examples in op and pass descriptions are run: documentation that does not parse, or that shows IR which the
compiler no longer makes, fails here.

An op's example is whole IR and must survive a round trip. A pass's examples come in pairs: what goes in, and what comes
out; a first line `// options: kv-tile=64` gives the pass options, and `...` in the second leaves lines, or parts of a
line, out.
"""

import re
import subprocess

import pytest
from sources import ROOT  # noqa: F401

import ods

OPS = {op.name: op for op in ods.ops()}
ATTRIBUTES = {one.name: one for one in ods.attributes()}
PASSES = {one.name: one for one in ods.passes()}


def attn_opt(text, *flags):
    result = subprocess.run(["attn-opt", *flags, "-"], input=text, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, f"attn-opt {' '.join(flags)} failed:\n{result.stderr}\non:\n{text}"
    return result.stdout


def body(text):
    """The lines that count: no comments, no blanks, no indentation, no implicit module."""
    text = re.sub(r"^module \{\n(.*)^\}\n?", r"\1", text, flags=re.S | re.M)
    return [line.strip() for line in re.sub(r"^\s*//.*$", "", text, flags=re.M).splitlines() if line.strip()]


def anonymous(text):
    """The text without the names of values, which any change of a pass renumbers."""
    return re.sub(r"%\w+", "%", text)


def in_order(wanted, got):
    """Whether the stretches of `wanted` between `...` lines occur in `got` one after another; `...` in a line is any text."""
    patterns = [
        None if line == "..." else re.compile(".*".join(re.escape(part) for part in anonymous(line).split("...")))
        for line in wanted
    ]
    got, at, stretch = [anonymous(line) for line in got], 0, []
    for pattern in [*patterns, None]:
        if pattern is not None:
            stretch.append(pattern)
            continue
        starts = range(at, len(got) - len(stretch) + 1)
        fits = (i for i in starts if all(one.fullmatch(line) for one, line in zip(stretch, got[i:])))
        found = next(fits, None)
        if found is None:
            return False
        at, stretch = found + len(stretch), []
    return True


@pytest.mark.parametrize("name", [*OPS, *ATTRIBUTES])
def test_op_or_attribute(name):
    for example in (OPS | ATTRIBUTES)[name].examples():
        assert name in example, f"expected the example to use {name}:\n{example}"
        attn_opt(example, "--verify-roundtrip")


@pytest.mark.parametrize("flag", PASSES)
def test_pass(flag):
    examples = PASSES[flag].examples()
    assert len(examples) % 2 == 0, "expected the examples in pairs, before and after"
    for before, after in zip(examples[::2], examples[1::2]):
        options = re.search(r"^// options: (.*)$", before, re.M)
        got = body(attn_opt(before, f"--{flag}={options[1]}" if options else f"--{flag}"))
        if "..." in after:
            assert in_order(body(after), got), f"expected\n{after}\ngot\n" + "\n".join(got)
        else:
            wanted = body(attn_opt(after))
            assert wanted == got, "expected\n" + "\n".join(wanted) + "\ngot\n" + "\n".join(got)
