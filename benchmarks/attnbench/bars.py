# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What each case is expected to reach, so that a regression is a line of text and not a reader's job.

A bar is a ratio within one run, a size or a time; one whose denominator was not measured is left out.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Bar:
    """Speed at least `least` times that of `over` ("limit", "best" or a peer), or a field at most `most`."""

    over: str
    least: float = 0.0
    most: float | None = None

    def value(self, record: dict) -> float | None:
        if self.most is not None:
            return record.get(self.over)
        if self.over == "limit":
            return record.get("limit_ratio")
        if self.over == "best":
            return record.get("speedup")
        peer, ours = record["peers"].get(self.over), record["ms"]
        return peer / ours if peer and ours else None

    def met(self, value: float) -> bool:
        return value <= self.most if self.most is not None else value >= self.least

    def __str__(self) -> str:
        if self.most is not None:
            return f"{self.over} ≤ {self.most:g}"
        return f"≥ {self.least:g} × {self.over}"


BARS = {
    "softmax": (Bar("limit", 0.95), Bar("best", 1.2)),
    "causal": (Bar("limit", 0.95), Bar("best", 2.3)),
    "window": (Bar("limit", 0.9), Bar("flex", 3.0)),
    "longformer": (Bar("best", 3.0),),
    "bigbird": (Bar("best", 3.0),),
    "bf16": (Bar("limit", 0.9), Bar("sdpa", 4.0)),
    "decode": (Bar("limit", 0.9),),
    "short": (Bar("limit", 0.9), Bar("best", 1.0)),
    **{f"lsh{rounds}": (Bar("limit", 0.85), Bar("best", 14.0)) for rounds in (1, 4, 8)},
    **{f"lsh-any{rounds}": (Bar("limit", 0.85), Bar("best", 8.0)) for rounds in (1, 4, 8)},
    **{f"lsh-pays{rounds}": (Bar("exact", 1.0),) for rounds in (1, 4, 8)},
    "linear": (Bar("limit", 0.85), Bar("best", 3.0)),
    "linear-causal": (Bar("limit", 0.85), Bar("best", 5.0)),
    "favor": (Bar("limit", 0.9), Bar("best", 2.6)),
    "favor-causal": (Bar("limit", 0.9), Bar("best", 5.0)),
    "linear-long": (Bar("peak_rss_mb", most=64),),
    "linear-long-causal": (Bar("peak_rss_mb", most=64),),
    "lsh-gathered": (Bar("in order", 0.8),),
    "low-rank": (Bar("limit", 0.9), Bar("best", 1.5)),
    "compressive": (Bar("best", 3.0),),
    "compressive-layer": (Bar("best", 3.0),),
    **{name: (Bar("limit", 0.95), Bar("best", 1.0), Bar("peak_rss_mb", most=4)) for name in ("feed-forward", "gated")},
    **{f"{name}-memory": (Bar("peak_rss_mb", most=4),) for name in ("feed-forward", "gated")},
    "memory": (Bar("peak_rss_mb", most=64),),
    "minilm": (Bar("best", 1.0),),
    "compile": (Bar("ms", most=10_000),),
}


def verdicts(record: dict) -> list[tuple[Bar, float, bool]]:
    """The bars of a record that could be judged: bar, value reached, whether that is enough."""
    judged = ((bar, bar.value(record)) for bar in BARS.get(record["case"], ()))
    return [(bar, value, bar.met(value)) for bar, value in judged if value is not None]


def missed(records: list[dict]) -> list[str]:
    """One line a bar that was not reached."""
    return [f"{record.get('id', record['case'])}: expected {bar}, got {value:.3g}"
            for record in records for bar, value, met in verdicts(record) if not met]


# Growth of time per key: at most so much from the shortest length on, and from 65536 on.
GROWTH = {"linear-long": (1.3, 1.1), "linear-long-causal": (1.3, 1.1), "lsh-long": (2.0, 2.0)}


def grown(records: list[dict]) -> list[str]:
    """One line a case whose time per key grows, with what was expected."""
    return [f"{case}, d {size}, from n {shortest or 'the shortest'} on: time per key grows {growth:.3g}×, expected at most {most:g}×"
            for case, limits in GROWTH.items() for shortest, most in zip((0, 65536), limits)
            for size, growth in sorted(linearity(records, case, shortest).items())]


def linearity(records: list[dict], case: str = "window", shortest: int = 0) -> dict[int, float]:
    """By head size, growth of time per key from the shortest to the longest length: 1 is linear in n."""
    growth = {}
    for size in {record["d"] for record in records if record["case"] == case}:
        times = sorted((record["n"], record["ms"]) for record in records
                       if record["case"] == case and record["d"] == size and record["ms"] and record["n"] >= shortest)
        if len(times) > 1:
            (short, first), (long, last) = times[0], times[-1]
            growth[size] = (last / long) / (first / short)
    return growth
