# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Descriptions of GPUs: every figure says where it is from, and every source is used."""

import re

import pytest
from sources import files, lines

MACHINES = [file for file in files(".yaml") if file.parent.name == "Machines"]


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.stem)
def test_figures_have_sources(file):
    text = lines(file)
    defined = {match[1] for line in text if (match := re.match(r"# \[(\d+)\] \S", line))}
    used = set()
    for number, line in enumerate(text, 1):
        if line.startswith("#") or not re.search(r":\s*[\d.]+\s*(#|$)", line):
            continue
        key, _, comment = line.partition("#")
        if key.strip().startswith("sm:"):
            continue
        cited = set(re.findall(r"\[(\d+)\]", comment))
        assert cited <= defined, f"{file}:{number}: expected sources of the head, got {sorted(cited - defined)}"
        derived = re.search(r"no public figure|as on ", comment)
        assert cited or derived, f"{file}:{number}: expected a source such as [1], or what the figure is derived from"
        used |= cited
    assert defined == used, f"{file}: expected every source to be used, got none for {sorted(defined - used)}"
    assert f"name: {file.stem}" in text


def test_there_are_machines():
    assert len(MACHINES) >= 9
