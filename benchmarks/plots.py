# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The style of all plots, and those that compare forms with each other.

Pictures are SVG without dates or random names, so that equal records give equal files.
"""

from __future__ import annotations

import pathlib

CURVE, ERROR = "reformer-", "favor-error-"


def pyplot():
    """matplotlib's pyplot, set up to draw files; None without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "attn", "font.size": 9})
    from matplotlib import pyplot as module

    return module


def save(figure, path: pathlib.Path) -> pathlib.Path:
    """Writes the figure and forgets it."""
    options = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 120}
    figure.savefig(path, bbox_inches="tight", **options)
    pyplot().close(figure)
    return path


def lines(series: dict[str, list[tuple[float, float]]], path: pathlib.Path, bold: str | None = None, **labels) -> pathlib.Path:
    """One line a series of (x, y), both axes logarithmic to the base 2 and 10; `labels` as for Axes.set."""
    figure, axes = pyplot().subplots(figsize=(6, 4))
    for name, points in series.items():
        axes.loglog(*zip(*sorted(points)), marker="o", label=name, linewidth=2.5 if name == bold else 1.2)
    ticks = sorted({x for points in series.values() for x, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    axes.set(**labels)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    return save(figure, path)


def curve(records: list[dict], folder: pathlib.Path) -> list[pathlib.Path]:
    """Reformer's curve: time against length at a constant number of tokens."""
    series: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record["case"].startswith(CURVE) and record["ms"]:
            name = record["case"].removeprefix(CURVE).replace("lsh", "LSH, rounds: ")
            series.setdefault(name, []).append((record["n"], record["ms"]))
            tokens = record["n"] * record["batch"]
    if pyplot() is None or not any(len(points) > 1 for points in series.values()):
        return []
    title = f"{tokens} tokens a call in sequences of n, causal, 8 heads of 64"
    return [lines(series, folder / "reformer.svg", "exact", xlabel="n", ylabel="ms a call", title=title)]


def favor_error(records: list[dict], folder: pathlib.Path) -> list[pathlib.Path]:
    """FAVOR+'s distance from exact attention against the number of directions, beside a square root."""
    series: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if record["case"].startswith(ERROR) and record["errors"].get("ours"):
            kind, _, features = record["case"].removeprefix(ERROR).rpartition("-")
            series.setdefault(kind or "positive", []).append((int(features), record["errors"]["ours"]))
    if pyplot() is None or not any(len(points) > 1 for points in series.values()):
        return []
    first = min(series.get("positive") or next(iter(series.values())))
    last = max(features for points in series.values() for features, _ in points)
    series["features^-1/2"] = [first, (last, first[1] * (first[0] / last) ** 0.5)]
    labels = {"xlabel": "directions", "ylabel": "error in norm", "title": "FAVOR+ against exact attention, 8 heads of 64"}
    return [lines(series, folder / "favor-error.svg", "positive", **labels)]
