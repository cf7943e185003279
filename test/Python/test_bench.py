# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tests of the benchmark's own logic: cases, IR text, the f64 check, turns, records and tables.

No peer is needed; contenders here are small fakes.
"""

import math
import os
import pathlib
import subprocess
import sys
import time
import types

import pytest

np = pytest.importorskip("numpy")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import report  # noqa: E402
from attnbench import bars, cases, contest, interference, ir, memory, session, tensors  # noqa: E402


def small(**options):
    return cases.Case("softmax", **{"heads": 2, "kv_heads": 2, "n": 40, "m": 40, "d": 16, **options})


def test_ids_are_unique():
    ids = [case.id for case in cases.all_cases()]
    assert len(ids) == len(set(ids))


def test_selection_by_case_and_by_id():
    assert [case.id for case in cases.select("short-n128-d64,decode")] == ["decode-n16384-d128", "short-n128-d64"]


def test_unknown_case_is_named():
    with pytest.raises(ValueError, match="unknown case 'sofmax', expected one of softmax, causal"):
        cases.select("sofmax")


@pytest.mark.parametrize("mask", [None, "causal", "window"])
def test_pairs_count_what_key_range_allows(mask):
    case = small(mask=mask, window=7)
    counted = sum(last - first for first, last in map(case.key_range, range(case.n)))
    assert case.pairs == counted


def exact(case, inputs):
    """All of attention in f64, written apart from the row-wise reference."""
    query, key, value = (tensors.to_float(one).astype(np.float64) for one in inputs)
    group = case.heads // case.kv_heads
    key, value = np.repeat(key, group, 1), np.repeat(value, group, 1)
    scores = query @ key.swapaxes(-1, -2) / math.sqrt(case.d)
    if case.mask:
        distance = np.arange(case.n)[:, None] - np.arange(case.m)[None, :]
        reach = case.window if case.mask == "window" else case.n
        scores[..., (distance < 0) | (distance >= reach)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


@pytest.mark.parametrize("options", [{}, {"mask": "causal"}, {"mask": "window", "window": 7},
                                     {"heads": 4}, {"dtype": "bfloat16"}, {"heads": 4, "n": 1}])
def test_check_accepts_exact_attention(options):
    case = small(**options)
    inputs = tensors.make_inputs(case)
    result = exact(case, inputs).astype(np.float32)
    if case.dtype == "bfloat16":
        result = tensors.to_bfloat16(result)
    assert tensors.worst_error(case, inputs, result) < tensors.TOLERANCE[case.dtype]


def test_check_finds_one_wrong_row_and_any_nan():
    case = small()
    inputs = tensors.make_inputs(case)
    result = exact(case, inputs)
    wrong = result.copy()
    wrong[:, :, -1] += 1e-2
    assert tensors.worst_error(case, inputs, wrong) > 9e-3
    result[0, 1, 17, 3] = np.nan
    assert tensors.worst_error(case, inputs, result) == math.inf


def test_inputs_are_the_same_in_every_process():
    first, second = tensors.make_inputs(small()), tensors.make_inputs(small())
    assert all((one == other).all() for one, other in zip(first, second))


def test_bfloat16_rounds_to_nearest_even():
    values = np.array([1.0, 1.00390625, 1.01171875, -2.5], np.float32)
    assert tensors.to_float(tensors.to_bfloat16(values)).tolist() == [1.0, 1.0, 1.015625, -2.5]


def test_ir_names_mask_groups_and_types():
    window = ir.text(cases.Case("window", mask="window"))
    assert "#attn.window<before = 255, after = 0, bottom_right>" in window
    decode = ir.text(cases.select("decode")[0])
    assert "h floordiv 4" in decode and "tensor<1x8x16384x128xf32>" in decode and "mask" not in decode
    assert "tensor<1x8x4096x64xbf16>" in ir.text(cases.select("bf16")[0])


@pytest.mark.parametrize("case", [case for case in cases.all_cases() if case.kind == "attention"],
                         ids=lambda case: case.id)
def test_ir_verifies(case, build):
    done = subprocess.run([str(build / "bin" / "attn-opt"), "-o", os.devnull], input=ir.text(case), text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr


class Fake:
    """A contender that answers at once with given times."""

    def __init__(self, name, times, ready=None):
        self.name, self.failed, self.best_ms, self.calls, self.clean_turns = name, None, math.inf, 0, 0
        self.times, self.ready = list(times), ready or {"error": 1e-7}

    def turn(self, plan):
        self.calls += 1
        self.clean_turns += 1
        took = self.times[min(self.calls, len(self.times)) - 1]
        if took is None:
            self.failed = "died"
        else:
            self.best_ms = min(self.best_ms, took)


def test_hopeless_peers_leave_after_the_first_rounds_but_keep_their_time():
    field = [Fake("ours", [9, 8]), Fake("limit", [50]), Fake("fast", [10, 9]), Fake("slow", [20]), Fake("lost", [90])]
    rounds = contest.compete(field, contest.Plan(seconds=1e9, min_rounds=3, max_rounds=7))
    assert rounds == 7
    assert [one.calls for one in field] == [7, 7, 7, 3, 1]
    assert field[4].best_ms == 90


def test_record_takes_ratios_of_minima_and_names_failures():
    field = {one.name: one for one in (
        Fake("ours", [4.0, 2.0]), Fake("limit", [1.9]), Fake("sdpa", [3.0]), Fake("flex", [None]))}
    contest.compete(list(field.values()), contest.Plan(max_rounds=2, seconds=1e9))
    probe = types.SimpleNamespace(fma_gflops=100.0, dot_gflops=0.0, read_gbs=0.0)
    got = session.record(cases.select("short-n128-d64")[0], field, probe, 2, 2)
    assert got["ms"] == 2.0 and got["peers"] == {"sdpa": 3.0} and got["best_peer"] == "sdpa"
    assert got["speedup"] == 1.5 and got["limit_ratio"] == 0.95
    assert got["failures"] == {"flex": "died"}
    assert got["peak_fraction"] == pytest.approx(got["gflops"] / 100, rel=1e-3)
    assert report.failures([got]) == ["short-n128-d64: flex did not run: died"]
    assert "sdpa 3" in report.text_table([got]) and "1.5×" in report.markdown_table([got])


def test_bars_judge_what_was_measured():
    record = {"case": "window", "id": "w", "n": 4096, "d": 64, "ms": 4.0, "peers": {"flex": 10.0}, "limit_ratio": None}
    assert bars.missed([record]) == ["w: expected ≥ 3 × flex, got 2.5"]
    assert bars.missed([{**record, "limit_ratio": 0.91, "peers": {}}]) == []
    assert bars.missed([{"case": "memory", "id": "m", "peak_rss_mb": 65}]) == ["m: expected peak_rss_mb ≤ 64, got 65"]
    assert bars.linearity([record, {**record, "n": 16384, "ms": 20.0}]) == {64: 1.25}


def test_merge_replaces_only_what_was_measured_again():
    old = [{"id": "a", "ms": 1}, {"id": "b", "ms": 2}]
    assert session.merge(old, [{"id": "b", "ms": 3}, {"id": "c", "ms": 4}]) == [
        {"id": "a", "ms": 1}, {"id": "b", "ms": 3}, {"id": "c", "ms": 4}]


def test_other_processes_are_noticed():
    spin = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        watch = interference.Watch(os.getpid())
        time.sleep(0.5)
        assert watch.disturbed()
    finally:
        spin.kill()
        spin.wait()


@pytest.mark.skipif(not pathlib.Path("/proc/self/clear_refs").exists(), reason="hardware: no /proc/self/clear_refs")
def test_peak_memory_sees_what_was_freed_again():
    with memory.peak() as peak:
        block = np.ones(8 << 20, np.float64)
        del block
    if peak.megabytes is None:
        pytest.skip("hardware: the system does not reset the high-water mark")
    assert 60 < peak.megabytes < 80
