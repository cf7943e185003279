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

# A simulation of one kernel may take two seconds of a core. Measured: 0.4 microseconds a warp instruction, ten times that
# for a product on tensor cores; a machine of half that speed is allowed for.
SECONDS = 2
INSTRUCTIONS_A_SECOND = 1_250_000


def work_of(report):
    """Warp instructions by kernel, products counted tenfold."""
    work = {}
    for line in report.splitlines():
        if line.startswith("kernel"):
            counts = {what: int(number) for what, number in re.findall(r"(\w+) (\d+)", line.split(":", 1)[1])}
            work[line.split()[1]] = counts["instructions"] + 9 * counts.get("mma", 0)
    assert work, report
    return work


class Bounded(Simulated):
    @staticmethod
    def check_report(report):
        for kernel, work in work_of(report).items():
            assert work <= SECONDS * INSTRUCTIONS_A_SECOND, f"{kernel}: expected less to simulate, got {work}:\n{report}"


def test_speed_of_the_simulator():
    """That the instructions which are counted are simulated as fast as is taken for granted: the case with the most."""

    class Measured(Simulated):
        @staticmethod
        def check_report(report):
            Measured.work = sum(work_of(report).values())

    case = gpu_forms.linear("many features", "top_left", "float32")
    inputs = case.inputs()
    Measured.evaluate(case, inputs)  # compiles
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    Measured.evaluate(case, inputs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds <= Measured.work / INSTRUCTIONS_A_SECOND, f"{Measured.work} instructions took {seconds:.2f} s of a core"


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
