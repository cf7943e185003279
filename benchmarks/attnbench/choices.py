# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The compiler's choices between forms against measured times.

A choice is whether a form is faster than exact attention, or which form is fastest. It is right if the measured times say
the same, or are so near each other that either would do.
"""

from __future__ import annotations

NEAR = 1.15


def _is_right(predicted: float, measured: float) -> bool:
    """Whether two ratios of a form's time to exact attention's are on one side of 1, as near as matters."""
    return (predicted < 1) == (measured < 1) or 1 / NEAR <= measured <= NEAR


def judge(record: dict) -> list[tuple[str, bool]]:
    """Every choice of a record: what was said and what was measured, and whether that is right."""
    measured = {name: time for name, time in {"exact": record["ms"], **record["peers"]}.items() if time}
    predicted = {name: time for name, time in record.get("predicted", {}).items() if name in measured}
    if "exact" not in predicted or len(predicted) < 2:
        return []
    made = []
    for name in predicted:
        if name == "exact":
            continue
        said, got = (times[name] / times["exact"] for times in (predicted, measured))
        made.append((f"{name} takes {got:.2f} of exact, predicted {said:.2f}", _is_right(said, got)))
    chosen, best = min(predicted, key=predicted.get), min(predicted, key=measured.get)
    made.append((f"fastest is {best}, predicted {chosen}", measured[chosen] <= NEAR * measured[best]))
    return made


def summary(records: list[dict]) -> list[str]:
    """One line for all choices, and one for each that is wrong."""
    judged = [(record["id"], *one) for record in records for one in judge(record)]
    if not judged:
        return []
    wrong = [f"{name}: {text}" for name, text, right in judged if not right]
    return [f"crossover: {len(judged) - len(wrong)} of {len(judged)} choices between forms are right", *wrong]
