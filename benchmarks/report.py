#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tables and plots of benchmark records: `report.py build/bench.json [--markdown] [--plots DIR]`.

The markdown table is what the README shows; a ratio is always of two times taken in the same run.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

import plots
from attnbench import bars, choices

COLUMNS = ("case", "n", "d", "ms", "GFLOP/s", "of peak", "best peer", "speed-up", "limit ms", "limit / ours", "MiB", "bars")


def _number(value, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"


def _percent(value) -> str:
    return "–" if value is None else f"{100 * value:.0f}%"


def row(record: dict) -> list[str]:
    """The cells of one record."""
    best = record["best_peer"]
    name = record["case"] + ("" if record["dtype"] == "float32" else f" ({record['dtype']})")
    if record["form"] == "encoder":
        name += f" {record['batch']}×{record['n']}"
    rate = record.get("gbs")
    return [
        name, str(record["n"]), str(record["d"]), _number(record["ms"]),
        f"{_number(rate)} GB/s" if rate else _number(record["gflops"]),
        _percent(rate / record["read_gbs"]) if rate and record.get("read_gbs") else _percent(record["peak_fraction"]),
        f"{best} {_number(record['peers'][best])}" if best else "–",
        f"{_number(record['speedup'])}×" if record["speedup"] else "–",
        _number(record["limit_ms"]), _number(record.get("limit_ratio")),
        _number(record["peak_rss_mb"]), _bars(record),
    ]


def _bars(record: dict) -> str:
    """How many of the case's bars are reached."""
    judged = bars.verdicts(record)
    return f"{sum(met for *_, met in judged)}/{len(judged)}" if judged else "–"


def text_table(records: list[dict]) -> str:
    """Columns aligned for a terminal."""
    rows = [list(COLUMNS), *map(row, records)]
    widths = [max(len(line[index]) for line in rows) for index in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in rows)


def markdown_table(records: list[dict]) -> str:
    """The table of the README."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "-|" * len(COLUMNS)]
    return "\n".join(lines + ["| " + " | ".join(row(record)) + " |" for record in records])


def notes(records: list[dict]) -> list[str]:
    """Bars not reached, and contenders that did not take part."""
    linear = [f"window, d {size}: time per key grows {growth:.3g}× from the shortest to the longest length"
              for size, growth in sorted(bars.linearity(records).items())]
    return [*bars.missed(records), *choices.summary(records), *linear, *bars.grown(records), *failures(records)]


def failures(records: list[dict]) -> list[str]:
    """One line a contender that did not take part, with its reason."""
    return [f"{record.get('id', record['case'])}: {name} did not run: {reason}"
            for record in records for name, reason in record.get("failures", {}).items()]


def plot(records: list[dict], folder: pathlib.Path) -> list[pathlib.Path]:
    """Time against length, one picture a case and head size that has several lengths."""
    if plots.pyplot() is None:
        return []
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        groups.setdefault((record["case"], record["d"]), []).append(record)
    written = plots.curve(records, folder) + plots.favor_error(records, folder)
    for (case, size), group in groups.items():
        if len({record["n"] for record in group}) < 2 or group[0]["form"] == "encoder" or case.startswith(plots.CURVE):
            continue
        series: dict[str, list[tuple[int, float]]] = {}
        for record in sorted(group, key=lambda one: one["n"]):
            for name, time in {"ours": record["ms"], "limit": record["limit_ms"], **record["peers"]}.items():
                if time:
                    series.setdefault(name, []).append((record["n"], time))
        labels = {"xlabel": "length", "ylabel": "ms", "title": f"{case}, head size {size}"}
        written.append(plots.lines(series, folder / f"bench-{case}-d{size}.png", "ours", **labels))
    return written


def save(records: list[dict], about: dict) -> pathlib.Path:
    """Keeps records with machine and commit under results/, one file a processor and day."""
    folder = pathlib.Path(__file__).resolve().parent / "results"
    path = folder / f"{about['cpu']}-{about['date']}.json"
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": about, "commit": about["commit"], "records": records}, indent=1) + "\n")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=pathlib.Path, help="bench.json, or a file of benchmarks/results")
    parser.add_argument("--markdown", action="store_true", help="the README's table instead of plain columns")
    parser.add_argument("--plots", type=pathlib.Path, metavar="DIR", help="also write a picture a case here")
    parser.add_argument("--save", action="store_true", help="keep the records under benchmarks/results")
    options = parser.parse_args()
    content = json.loads(options.records.read_text())
    records = content["records"] if isinstance(content, dict) else content
    print(markdown_table(records) if options.markdown else text_table(records))
    for line in notes(records):
        print(line, file=sys.stderr)
    if options.plots:
        for path in plot(records, options.plots):
            print(path, file=sys.stderr)
    if options.save:
        about = json.loads(options.records.with_suffix(".machine.json").read_text())
        print(save(records, about), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
