#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Linformer grid: gains in time and memory over naive attention, length by number of slots.

One head of size 64, batch 1, f32, headwise projections. Naive is softmax(Q K^T) V in PyTorch with its scores stored;
where they would not fit it is extrapolated as n squared, and marked. Memory is what a call needs beyond inputs, outputs
and weights. The compiler's own exact attention is measured beside, with where low-rank starts to pay against it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import plots
from attnbench import memory

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIZE = 64
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
# Gains that Wang et al. 2020 (table 3) report over a Transformer: (time, memory) by length, then by slots.
PAPER = {
    512: {128: (1.5, 1.7), 256: (1.3, 1.5)},
    1024: {128: (1.7, 3.0), 256: (1.6, 2.9), 512: (1.3, 1.8)},
    2048: {128: (2.6, 6.1), 256: (2.4, 5.6), 512: (2.1, 3.6), 1024: (1.3, 2.0)},
    4096: {128: (3.4, 14), 256: (3.2, 13), 512: (2.8, 8.3), 1024: (2.2, 4.3), 2048: (1.3, 2.3)},
    8192: {128: (5.5, 28), 256: (5.0, 26), 512: (4.4, 17), 1024: (3.5, 8.5), 2048: (2.1, 4.5)},
    16384: {128: (8.6, 56), 256: (7.8, 48), 512: (7.0, 32), 1024: (5.6, 16), 2048: (3.3, 8)},
    32768: {128: (13, 56), 256: (12, 48), 512: (11, 36), 1024: (8.8, 18), 2048: (5.0, 16)},
    65536: {128: (20, 60), 256: (18, 52), 512: (16, 40), 1024: (14, 20), 2048: (7.9, 18)},
}


def ir(length: int, slots: int | None) -> str:
    """Low-rank attention, or exact without slots."""
    rows, extra = f"tensor<{length}x{SIZE}xf32>", "s, " if slots else ""
    maps = [f"affine_map<(b, h, i, j, {extra}d, e) -> ({dims})>" for dims in ("i, d", "j, d", "j, e", "i, e")]
    projection = f"tensor<{slots}x{length}xf32>"
    arguments = f"%q: {rows}, %k: {rows}, %v: {rows}" + (f", %e: {projection}, %f: {projection}" if slots else "")
    name = "attn.attention"
    middle = ""
    if slots:
        name, middle = "attn.low_rank_attention", f" projections(%e, %f : {projection}, {projection})"
        maps[3:3] = ["affine_map<(b, h, i, j, s, d, e) -> (s, j)>"] * 2
    return f"""func.func @main({arguments}) -> {rows} {{
  %init = tensor.empty() : {rows}
  %o = {name} ins(%q, %k, %v : {rows}, {rows}, {rows}){middle} outs(%init : {rows}) maps [{", ".join(maps)}] -> {rows}
  return %o : {rows}
}}
"""


def best_of(run, seconds: float) -> float:
    """The shortest of several calls, in ms."""
    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def inputs(length: int, slots: int | None):
    random = np.random.default_rng(length)
    arrays = [random.standard_normal((length, SIZE), dtype=np.float32) for _ in range(3)]
    for _ in range(2 if slots else 0):
        arrays.append(random.standard_normal((slots, length), dtype=np.float32) / np.float32(slots**0.5))
    return arrays


def measure(contender: str, length: int, slots: int | None, options) -> dict:
    """One process a measurement, so that its peak of memory is its own."""
    arrays = inputs(length, slots)
    output = np.zeros((length, SIZE), np.float32)
    if contender == "naive":
        import torch

        torch.set_num_threads(options.threads)
        query, key, value = map(torch.from_numpy, arrays)

        def run():
            with torch.inference_mode():
                return torch.softmax(query @ key.T * SIZE**-0.5, dim=-1) @ value

        with torch.inference_mode():  # the library's own start is not the call's
            torch.softmax(query[:8] @ key[:8].T, dim=-1) @ value[:8]
    else:
        import attn_compiler

        attn_compiler.set_num_threads(options.threads)
        module = attn_compiler.compile(ir(length, slots))

        def run():
            module.main(*arrays, out=output)

    with memory.peak() as peak:
        run()
    return {"ms": best_of(run, options.seconds), "mib": max(peak.megabytes, 1 / 16)}


def in_process(contender: str, length: int, slots: int | None, options) -> dict:
    command = [sys.executable, __file__, "--cell", f"{contender},{length},{slots or 0}", "--threads", str(options.threads),
               "--seconds", str(options.seconds)]  # fmt: skip
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    best: dict = {}
    # Where the allocator puts a short matrix of scores decides about page faults in every call: the best of several.
    for _ in range(3 if length <= 4096 else 1):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        one = json.loads(done.stdout.strip().splitlines()[-1])
        best = one if not best or one["ms"] < best["ms"] else best
    return best


def numbered(table: dict) -> dict:
    """Lengths as numbers again, which JSON makes text of."""
    return {int(length): one for length, one in table.items()}


def run_grid(options) -> dict:
    grid = {"naive": {}, "exact": {}, "cells": []}
    if options.keep and options.output.exists():
        grid = json.loads(options.output.read_text())
        grid.update(naive=numbered(grid["naive"]), exact=numbered(grid["exact"]))
        grid["cells"] = [cell for cell in grid["cells"] if cell["n"] not in options.lengths]
    for length in options.lengths:
        if length <= options.naive_limit:
            grid["naive"][length] = dict(in_process("naive", length, None, options), extrapolated=False)
        else:
            half = grid["naive"][length // 2]
            grid["naive"][length] = {"ms": 4 * half["ms"], "mib": 4 * half["mib"], "extrapolated": True}
        grid["exact"][length] = in_process("exact", length, None, options)
        for slots, (paper_time, paper_memory) in PAPER[length].items():
            cell = in_process("ours", length, slots, options)
            naive, exact = grid["naive"][length], grid["exact"][length]
            cell.update(n=length, k=slots, time_gain=naive["ms"] / cell["ms"], memory_gain=naive["mib"] / cell["mib"],
                        exact_gain=exact["ms"] / cell["ms"], paper_time=paper_time, paper_memory=paper_memory,
                        extrapolated=naive["extrapolated"])  # fmt: skip
            grid["cells"].append(cell)
            print(line(cell), flush=True)
    grid["cells"].sort(key=lambda cell: (cell["n"], cell["k"]))
    return grid


def line(cell: dict) -> str:
    return (f"n {cell['n']:6} k {cell['k']:5}  {cell['ms']:9.3f} ms  time {cell['time_gain']:6.1f} (paper {cell['paper_time']})  "
            f"memory {cell['memory_gain']:7.1f} (paper {cell['paper_memory']})  against our exact {cell['exact_gain']:5.2f}"
            f"{'  naive extrapolated' if cell['extrapolated'] else ''}")  # fmt: skip


def crossovers(grid: dict) -> list[str]:
    """From which length on low-rank attention is faster than our own exact kernel."""
    lines = []
    for slots in sorted({cell["k"] for cell in grid["cells"]}):
        ahead = [cell["n"] for cell in grid["cells"] if cell["k"] == slots and cell["exact_gain"] >= 1]
        lines.append(f"k {slots}: " + (f"pays against our exact attention from n = {min(ahead)}" if ahead else "never pays"))
    return lines


def markdown(grid: dict) -> str:
    """Time and memory gain over naive attention, the paper's in brackets."""
    columns = sorted({cell["k"] for cell in grid["cells"]})
    rows = ["| n | " + " | ".join(f"k = {slots}" for slots in columns) + " |", "|" + "-|" * (len(columns) + 1)]
    for length in sorted({cell["n"] for cell in grid["cells"]}):
        cells = {cell["k"]: cell for cell in grid["cells"] if cell["n"] == length}
        texts = [f"{one['time_gain']:.3g} ({one['paper_time']:g}); {one['memory_gain']:.3g} ({one['paper_memory']:g})"
                 if one else "–" for one in map(cells.get, columns)]  # fmt: skip
        mark = "*" if any(one["extrapolated"] for one in cells.values()) else ""
        rows.append(f"| {length}{mark} | " + " | ".join(texts) + " |")
    return "\n".join(rows)


def draw(grid: dict, path: pathlib.Path) -> None:
    plt = plots.pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.5), constrained_layout=True)
    panels = [("time_gain", "paper_time", "time: naive PyTorch / low-rank"),
              ("memory_gain", "paper_memory", "memory: naive PyTorch / low-rank"),
              ("exact_gain", None, "time: our exact attention / low-rank")]  # fmt: skip
    for axis, (field, paper, title) in zip(axes, panels):
        for color, slots in enumerate((128, 256, 512, 1024, 2048)):
            cells = [cell for cell in grid["cells"] if cell["k"] == slots]
            lengths = [cell["n"] for cell in cells]
            axis.plot(lengths, [cell[field] for cell in cells], "o-", color=f"C{color}", label=f"k = {slots}")
            if paper:
                axis.plot(lengths, [cell[paper] for cell in cells], ":", color=f"C{color}")
        axis.axhline(1, color="gray", linewidth=0.8)
        axis.set_xscale("log", base=2)
        axis.set(yscale="log", xlabel="n", title=title)
        axis.grid(True, which="both", alpha=0.3)
    axes[0].legend(title="dotted: the paper")
    plots.save(figure, path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "linformer-grid.json")
    parser.add_argument("--plot", type=pathlib.Path, help="an SVG of the grid")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="measuring time per cell")
    parser.add_argument("--naive-limit", type=int, default=16384, help="longest sequence whose scores are stored")
    parser.add_argument("--lengths", type=lambda text: [int(one) for one in text.split(",")], default=list(LENGTHS),
                        help="comma-separated (default: all)")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="merge into the cells already in --output")
    parser.add_argument("--markdown", action="store_true", help="print the cells of --output as a table and stop")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        contender, length, slots = options.cell.split(",")
        print(json.dumps(measure(contender, int(length), int(slots) or None, options)))
        return 0
    if options.markdown:
        print(markdown(json.loads(options.output.read_text())))
        return 0
    grid = run_grid(options)
    options.output.write_text(json.dumps(grid, indent=1) + "\n")
    if options.plot:
        draw(grid, options.plot)
    print("\n".join(crossovers(grid)))
    missed = [cell for cell in grid["cells"]
              if cell["time_gain"] < cell["paper_time"] or cell["memory_gain"] < cell["paper_memory"]]  # fmt: skip
    print(f"{len(grid['cells']) - len(missed)} of {len(grid['cells'])} cells gain as much as the paper's, in time and memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
