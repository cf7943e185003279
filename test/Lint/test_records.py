# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every op and pass keeps the naming and documentation conventions.

One string names a pass everywhere (flag, definition, source file, test), so that a person who has one finds the others.
"""

import re

import pytest
from sources import ROOT, files, lines

import ods

OPS = {op.name: op for op in ods.ops()}
ATTRIBUTES = {one.name: one for one in ods.attributes()}
PASSES = {one.name: one for one in ods.passes()}
ACRONYMS = {"cpu": "CPU", "nvvm": "NVVM", "llvm": "LLVM", "gpu": "GPU"}


def camel(words):
    return "".join(word.capitalize() for word in words)


def find(name):
    return [file for file in files(".cpp", ".mlir") if file.name == name]


def test_there_are_records():
    assert OPS, "expected ops in include/attn/**/*Ops.td"
    assert PASSES, "expected passes in include/attn/**/Passes.td"


@pytest.mark.parametrize("name", OPS)
def test_op(name):
    op = OPS[name]
    assert re.fullmatch(r"[a-z]+\.[a-z][a-z0-9_]*", name), "expected a snake_case name"
    assert op.summary.strip() and op.description.strip(), "expected a summary and a description"
    assert op.examples(), "expected an example in a ```mlir block"
    tests = [file for file in files(".mlir") if file.parts[:3] == ("test", "Dialect", "Attn")]
    used = [file.name for file in tests if any(re.search(rf"\b{re.escape(name)}\b", line) for line in lines(file))]
    assert any("invalid" in file for file in used), "expected a test of its verifier in an invalid*.mlir"
    assert any("ops" in file for file in used), "expected a round trip in an ops*.mlir"


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attribute(name):
    one = ATTRIBUTES[name]
    assert one.summary.strip() and one.description.strip(), "expected a summary and a description"
    assert one.examples(), "expected an example in a ```mlir block"


@pytest.mark.parametrize("flag", PASSES)
def test_pass(flag):
    one = PASSES[flag]
    assert re.fullmatch(r"(attn|convert|raise)(-[a-z0-9]+)+", flag) and not flag.endswith("-pass")
    assert one.summary.strip() and one.description.strip(), "expected a summary and a description"
    assert len(one.examples()) >= 2, "expected an example: a ```mlir block before and one after"
    assert one.statistics >= 1, "expected a statistic"
    words = flag.split("-")
    definition = "".join(ACRONYMS.get(word, word.capitalize()) for word in words)
    wanted = {camel(words) + "Pass", definition + "Pass"}
    assert one.definition in wanted, f"expected one of {sorted(wanted)}, got {one.definition}"
    stem = one.definition.removesuffix("Pass")
    short = stem.removeprefix("Attn")
    sources = find(f"{stem}.cpp") + find(f"{short}.cpp")
    for target in ("CPU", "Cpu", "GPU", "NVVM"):  # what the folder says
        short = short.removeprefix(target)
    sources += find(f"{short}.cpp")
    assert sources, f"expected {short}.cpp"
    assert any(f'"{flag}"' in line for line in lines(sources[0])), f'expected #define DEBUG_TYPE "{flag}" in {sources[0]}'
    tests = find(f"{flag.removeprefix('attn-')}.mlir") + find(f"{flag}.mlir")
    assert tests, f"expected a test {flag.removeprefix('attn-')}.mlir"
    text = "\n".join(line for file in tests for line in lines(file))
    assert f"-{flag}" in text, f"expected {tests[0]} to run --{flag}"
    assert "@negative_" in text or "expected-error" in text or "expected-remark" in text, "expected a negative case"
