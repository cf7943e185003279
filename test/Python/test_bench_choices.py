# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark's check of the compiler's choices between forms, and of the layers that are no attention."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from attnbench import bars, cases, choices, contenders, memory  # noqa: E402
from attnbench.contenders import feed_forward  # noqa: E402


def record(exact, predicted, **peers):
    return {"id": "crossover-n64-d64", "ms": exact, "peers": peers, "predicted": predicted}


def test_choices_between_forms():
    made = choices.judge(record(10.0, {"exact": 8.0, "linear": 2.0, "lsh": 9.0, "favor": 9.0}, linear=1.0, lsh=20.0, favor=9.5))
    # what is within 15 % either way is right; what is far off is not
    assert [right for _, right in made] == [True, True, True, True]
    wrong = record(10.0, {"exact": 8.0, "linear": 9.0, "window": 4.0}, linear=1.0, window=30.0)
    assert [right for _, right in choices.judge(wrong)] == [False, False, False]
    assert choices.summary([wrong])[0] == "crossover: 0 of 3 choices between forms are right"
    assert len(choices.summary([wrong])) == 4


def test_what_was_not_measured_is_not_judged():
    assert choices.judge({"id": "softmax-n64-d64", "ms": 1.0, "peers": {"sdpa": 2.0}}) == []
    assert choices.judge(record(None, {"exact": 1.0, "linear": 1.0}, linear=1.0)) == []
    one = record(1.0, {"exact": 1.0, "linear": 0.5, "lsh": 3.0}, linear=0.4)
    assert len(choices.judge(one)) == 2
    assert choices.summary([]) == []


def test_feed_forward_cases():
    plain, gated = (next(case for case in cases.all_cases() if case.case == name) for name in ("feed-forward", "gated"))
    assert (plain.id, gated.id) == ("feed-forward-n4096-d512", "gated-n4096-d1024")
    assert plain.gflop == pytest.approx(4e-9 * 4096 * 512 * 2048)
    assert gated.gflop == pytest.approx(6e-9 * 4096 * 1024 * 2816)
    assert contenders.names(plain.kind)[:2] == ["ours", "limit"]
    assert any(bar.over == "peak_rss_mb" for bar in bars.BARS["gated-memory"])


def test_feed_forward_text_and_reference():
    case = cases.Case("gated", kind="feed-forward", form="feed-forward", n=3, m=3, d=4, hidden=6, gated=True)
    given, x = feed_forward.weights(case), feed_forward.rows(case)
    text = feed_forward.text(case, given)
    assert "attn.feed_forward silu" in text and "gate(" in text and "bias" not in text
    gate = x @ given["gate"].T
    right = (gate / (1 + np.exp(-gate)) * (x @ given["up"].T)) @ given["down"].T
    assert feed_forward._error(case, x, given, lambda: right)["error"]() < 1e-5
    assert feed_forward._error(case, x, given, lambda: right + 1)["error"]() > 0.9
    assert feed_forward._error(case, x, given, lambda: right * np.nan)["error"]() == np.inf


def test_populate_reads_every_page_of_a_mapped_file():
    memory.populate("libc.so")
    memory.populate("no file is called that")


def test_growth_per_key():
    """From the shortest length on, and from 65536 on."""
    times = [{"case": "linear-long", "d": 64, "n": n, "ms": ms} for n, ms in ((4096, 1.0), (65536, 18.0), (262144, 75.0))]
    whole, late = bars.grown(times)
    assert "grows 1.17×, expected at most 1.3×" in whole and "grows 1.04×, expected at most 1.1×" in late
    assert bars.grown(times[:1]) == []
