# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The examples in op and pass descriptions are run: documentation that does not parse, or that shows IR which the
compiler no longer makes, fails here.

An op's example is whole IR and must survive a round trip. A pass's examples come in pairs: what goes in, and what comes
out; a first line `// options: kv-tile=64` gives the pass options, and a line `...` in the second leaves lines out.
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


def in_order(wanted, got):
    """Whether the stretches of `wanted` between `...` lines occur in `got` one after another."""
    at = 0
    for stretch in "\n".join(wanted).split("..."):
        lines = [line for line in stretch.splitlines() if line]
        hits = (i for i in range(at, len(got) - len(lines) + 1) if got[i : i + len(lines)] == lines)
        found = next(hits, None)
        if found is None:
            return False
        at = found + len(lines)
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
        if any(line == "..." for line in body(after)):
            assert in_order(body(after), got), f"expected\n{after}\ngot\n" + "\n".join(got)
        else:
            wanted = body(attn_opt(after))
            assert wanted == got, "expected\n" + "\n".join(wanted) + "\ngot\n" + "\n".join(got)
