# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The kernels that only sm_90a has, against the meaning: warp groups with wgmma, over lengths, masks, types, head sizes and
layouts, and what they leave to the kernels of the other architectures."""

import shutil

import engines
import numpy as np
import pytest
from attention_case import Case
from masks import AllOf, AnyOf, BigBird, Causal, Global, Window
from simulated import Simulated

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

TYPES = ["float16", "bfloat16"]


class WarpGroups(Simulated):
    sm = "90a"

    @staticmethod
    def check_report(report):
        kernels = [line for line in report.splitlines() if line.startswith("kernel")]
        assert kernels and all(", wgmma " in line and ", mma " not in line for line in kernels), report


class TensorMaps(WarpGroups):
    """All operands are copied through tensor maps, by one thread."""

    @staticmethod
    def check_report(report):
        WarpGroups.check_report(report)
        kernels = [line for line in report.splitlines() if line.startswith("kernel")]
        assert all(", bulk_copies " in line and ", cp_async " not in line for line in kernels), report


class SomeTensorMaps(WarpGroups):
    @staticmethod
    def check_report(report):
        WarpGroups.check_report(report)
        kernels = [line for line in report.splitlines() if line.startswith("kernel")]
        assert all(", bulk_copies " in line and ", cp_async " in line for line in kernels), report


class WithoutWarpGroups(Simulated):
    sm = "90a"

    @staticmethod
    def check_report(report):
        assert ", wgmma " not in report, report


class Mixed(Simulated):
    sm = "90a"

    @staticmethod
    def check_report(report):
        assert ", wgmma " in report and ", mma " in report, report


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("d", [64, 128])
@pytest.mark.parametrize("mask", [None, Causal(), Window(31, 0)], ids=str)
def test_masks_and_types(mask, d, dtype):
    engines.check(Case(n=150, m=170, d=d, heads=1, mask=mask, lse=True, dtype=dtype), TensorMaps)


@pytest.mark.parametrize("lengths", [(1, 1), (1, 300), (70, 5), (65, 127), (128, 128), (129, 129), (40, 700)], ids=str)
def test_lengths(lengths):
    n, m = lengths
    engines.check(Case(n=n, m=m, d=64, heads=1, lse=True, dtype="float16"), TensorMaps)


@pytest.mark.parametrize("n", [49, 64, 80, 128, 200])
def test_static_lengths(n):
    """One or two groups that multiply, the last one not full."""
    engines.check(Case(n=n, m=150, d=64, heads=2, mask=Causal(), dtype="bfloat16", dynamic=False), TensorMaps)


@pytest.mark.parametrize("d, e", [(16, 48), (32, 32), (24, 88), (40, 72), (80, 80), (96, 112), (128, 64), (192, 128), (256, 256)])
def test_head_sizes(d, e):
    engines.check(Case(n=70, m=150, d=d, e=e, heads=1, dtype="bfloat16", mask=Causal()), TensorMaps)


@pytest.mark.parametrize("layout", ["bhi", "bih", "hi", "ih"])
@pytest.mark.parametrize("group", [1, 2, 8])
def test_layouts_and_groups(layout, group):
    case = Case(n=37, m=140, d=32, heads=8, group=group, layout=layout, mask=Causal(), dtype="float16")
    engines.check(case, TensorMaps)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("d", [64, 72, 128])
@pytest.mark.parametrize(
    "changes, seen",
    [({"n": 70, "mask": Causal("top_left")}, 70), ({"n": 130, "mask": Window(20, 3, 1, "top_left")}, 133)],
    ids=["causal", "window"],
)
def test_keys_that_nobody_sees(changes, seen, d, dtype):
    """Rows behind the last key of a range are copied with the tensor around it; NaN in them stays there."""
    case = Case(m=333, d=d, heads=2, batch=2, lse=True, dtype=dtype, **changes)
    inputs = case.inputs()
    for operand in inputs[1:3]:
        operand[:, :, seen:] = np.nan
    engines.check(case, TensorMaps, inputs)


def test_keys_that_are_not_valid():
    """Keys through a map; values of such keys become zero on the way, which no map does."""
    case = Case(n=70, m=200, d=64, heads=1, lse=True, key_valid="bj", dtype="float16")
    inputs = case.inputs()
    for operand in inputs[1:3]:
        operand[0, 0, inputs[3][0] == 0] = np.nan
    engines.check(case, SomeTensorMaps, inputs)


def test_groups_that_fill_no_tile():
    """Rows of 5 heads: queries are copied one by one, keys and values through maps."""
    case = Case(n=37, m=140, d=32, heads=5, group=5, mask=Causal(), dtype="float16")
    engines.check(case, SomeTensorMaps)


@pytest.mark.parametrize("mask", [Window(4, 4, 3), AllOf((Causal(), Window(40, 40, 2))), AnyOf((Window(3, 0), Window(24, 0, 8)))], ids=str)
def test_sparse_masks(mask):
    engines.check(Case(n=97, m=97, d=32, heads=1, mask=mask, lse=True, dtype="float16"), WarpGroups)


@pytest.mark.parametrize(
    "changes",
    [
        {"bias": "bhij"},
        {"bias": "hr"},
        {"key_valid": "bj"},
        {"softcap": 2.0},
        {"scale": -0.3},
        {"score_mod": "alibi"},
        {"bias": "hij", "key_valid": "j", "softcap": 3.0, "mask": Causal()},
        {"spread": 30.0},
    ],
    ids=str,
)
def test_scores(changes):
    engines.check(Case(**{"n": 50, "m": 150, "d": 32, "heads": 2, "lse": True, "dtype": "float16", **changes}), WarpGroups)


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "float32"},
        {"d": 33},
        {"n": 20, "dynamic": False},
    ],
    ids=str,
)
def test_falls_back(changes):
    case = Case(**{"n": 150, "m": 100, "d": 32, "heads": 2, "dtype": "float16", **changes})
    engines.check(case, WithoutWarpGroups)


@pytest.mark.parametrize(
    "changes, engine",
    [
        ({"n": 70, "m": 100}, TensorMaps),
        ({"n": 300, "m": 310, "d": 64, "lse": True}, TensorMaps),
        ({"n": 70, "m": 100, "d": 72, "dtype": "bfloat16", "heads": 8, "group": 4}, TensorMaps),
        ({"n": 130, "m": 200, "key_valid": "bj"}, SomeTensorMaps),
        ({"n": 40, "m": 140, "heads": 5, "group": 5}, SomeTensorMaps),
    ],
    ids=str,
)
def test_ranges(changes, engine):
    """Window and global tokens are one range of keys after the other, in one ring; some ranges are empty for some rows."""
    mask = AnyOf((Window(12, 12), Global((0, 60, (65, 70)), "both", "top_left")))
    engines.check(Case(**{"d": 32, "heads": 1, "dtype": "float16", "mask": mask, **changes}), engine)


@pytest.mark.parametrize("parts", [(60, 70, 40), (5, 165)], ids=str)
def test_segments(parts):
    """Ranges of different tensors have maps of their own."""
    case = Case(n=70, m=sum(parts), d=64, heads=2, parts=parts, mask=Causal(), lse=True, dtype="bfloat16")
    engines.check(case, TensorMaps)


def test_many_ranges():
    engines.check(Case(n=400, m=400, d=32, heads=2, mask=BigBird(64, 1), dtype="float16"), TensorMaps)


def test_ranges_behind_keys_that_nobody_sees():
    """Values behind the end of a range are zeroed before another range comes into their place."""
    mask = AnyOf((Window(3, 3, 1, "top_left"), Global(((0, 5), (150, 155)), "keys", "top_left")))
    case = Case(n=70, m=400, d=64, heads=1, lse=True, dtype="float16", mask=mask)
    inputs = case.inputs()
    seen = mask.allowed(case.n, case.m).any(axis=0)
    for operand in inputs[1:3]:
        operand[:, :, ~seen] = np.nan
    engines.check(case, TensorMaps, inputs)


def test_mixes():
    """Blocks of 32 rows are too few for a warp group, except for the first and the last, which see all keys."""
    engines.check(Case(n=300, m=300, d=32, heads=1, mask=BigBird(32, 1), dtype="float16"), Mixed)
