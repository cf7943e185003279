# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Predicts the exact kernels for candidate tiles and prints the best by type, head size and mask. Needs no GPU.

usage: python benchmarks/gpu/tune.py [--machine h100] [--sm 80] [--cases part,of,names] [--length 4096] [--blocks 4]
       [--json FILE]

The kernels are those of --sm, since another architecture may have kernels of its own that these sizes do not touch.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cases import CASES, Case

ROOT = Path(__file__).resolve().parents[2]
# What attn-compile notes before the phase target, where it runs that itself.
NOTE = 'module attributes {{attn.target = "nvptx", attn.sm = ["{sm}"], attn.cpu = "x86-64", attn.cpu_features = ""}} {{'


@dataclasses.dataclass(frozen=True)
class Tile:
    """Zeros are the compiler's choice."""

    rows: int = 0
    row_fragments: int = 0
    keys: int = 0

    def __str__(self) -> str:
        if self == Tile():
            return "as chosen"
        return f"{self.rows} rows, {16 * self.row_fragments} a warp, {self.keys} keys"


CANDIDATES = [Tile(), *(Tile(*sizes) for sizes in itertools.product((64, 128), (1, 2), (32, 64, 128)))]


class Failure(Exception):
    """A program's last line of complaint."""


def run(*command: Any) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise Failure((done.stderr.strip().splitlines() or ["no message"])[-1])
    return done.stdout


def predict(case: Case, tile: Tile, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The report of attn-run --predict for one library."""
    tools = options.build / "bin"
    names = [folder / name for name in ("source.mlir", "raised.mlir", "tiled.mlir", "target.mlir", "out.so")]
    source, raised, tiled, target, library = names
    source.write_text(case.ir())
    flags = ["--target=nvptx", f"--sm={options.sm}"]
    run(tools / "attn-compile", source, *flags, "--emit=mlir", "--to=rewrite", "-o", raised)
    text = run(tools / "attn-opt", raised, f"--attn-gpu-tile-pipeline=query-tile={tile.rows}")
    tiled.write_text(re.sub(r"^module \{", NOTE.format(sm=options.sm), text, count=1, flags=re.M))
    sizes = f"row-fragments={tile.row_fragments} key-tile={tile.keys}"
    run(tools / "attn-opt", tiled, f"--attn-gpu-target-pipeline={sizes}", "-o", target)
    run(tools / "attn-compile", target, "--from=emit", *flags, "--embed-ir", "-o", library)
    flags = [f"--predict={options.machine}", f"--predict-blocks={options.blocks}", "--json"]
    return json.loads(run(tools / "attn-run", library, *flags, *case.dims(options.length)))


def describe(kernel: dict[str, Any]) -> str:
    spills = f", {kernel['spill_bytes']} bytes of spills" if kernel.get("spill_bytes") else ""
    return (
        f"bound by {kernel['bound']}, {kernel.get('registers', '?')} registers{spills}, "
        f"{kernel['shared_bytes'] / 1024:.1f} KiB, {kernel['warps_a_multiprocessor']} warps"
    )


def tune(case: Case, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Every candidate that compiles, the fastest first; the rest is said."""
    found = []
    for tile in CANDIDATES:
        try:
            report = predict(case, tile, options, folder)
        except Failure as failure:
            print(f"{case.name}: {tile}: {failure}", file=sys.stderr)
            continue
        main = max(report["kernels"], key=lambda kernel: kernel["ms"])
        found.append({"case": case.name, "tile": str(tile), "ms": report["ms"], "kernel": main})
    return sorted(found, key=lambda one: one["ms"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Predicts the exact kernels for candidate tiles.")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--machine", default="h100")
    parser.add_argument("--sm", default="80")
    parser.add_argument("--cases", default="", help="parts of names, with commas between")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--blocks", type=int, default=4, help="that are simulated")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    wanted = [part for part in options.cases.split(",") if part]
    records = []
    for case in CASES:
        if case.form or (wanted and not any(part in case.name for part in wanted)):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = tune(case, options, Path(folder))
        records += found
        print(f"{case.name}, {options.length} keys, {options.machine}")
        for one in found:
            tflops = case.flops(options.length) / one["ms"] / 1e9
            print(f"  {one['ms']:.4g} ms, {tflops:.0f} TFLOP/s: {one['tile']}: {describe(one['kernel'])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))
    return 0 if records else 1


if __name__ == "__main__":
    sys.exit(main())
