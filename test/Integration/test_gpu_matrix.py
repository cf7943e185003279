# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every form x type x mask on kernels for GPUs, in the simulator against the meaning: what is not here is not claimed.

Each case also stays under what a simulation of two seconds executes, as counted by the simulator: a bound on time that
the load of the machine cannot break.
"""

import dataclasses
import re
import resource
import shutil

import engines
import gpu_forms
import linear_engines
import pytest
from gpu_forms import BASE, LINEAR, LOW_RANK, MASKS, RELATIVE, SOFTMAX, TYPES
from simulated import Simulated

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

SECONDS = 2


class Bounded(Simulated):
    @staticmethod
    def check_report(report):
        work = executed(report)
        assert work, report
        for kernel, (instructions, products) in work.items():
            assert instructions <= MOST_INSTRUCTIONS and products <= MOST_PRODUCTS, f"{kernel} is too large a case: {report}"


def executed(report):
    """Warp instructions and multiplications on tensor cores, by kernel."""
    counts = {}
    for line in report.splitlines():
        if line.startswith("kernel"):
            numbers = {what: int(number) for what, number in re.findall(r"(\w+) (\d+)", line.split(":", 1)[1])}
            counts[line.split()[1]] = numbers["instructions"], numbers.get("mma", 0)
    return counts


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("form", SOFTMAX)
def test_softmax(form, mask, dtype):
    engines.check(dataclasses.replace(SOFTMAX[form](MASKS[mask]), dtype=dtype), Bounded)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("changes", RELATIVE)
def test_relative(changes, dtype):
    engines.check(dataclasses.replace(BASE, relative="hr", dtype=dtype, **RELATIVE[changes]), Bounded)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("form", LOW_RANK)
def test_low_rank(form, dtype):
    engines.check(dataclasses.replace(LOW_RANK[form], dtype=dtype), Bounded)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("causal", gpu_forms.CAUSAL)
@pytest.mark.parametrize("form", LINEAR)
def test_linear(form, causal, dtype):
    linear_engines.check(gpu_forms.linear(form, causal, dtype), Bounded)
