# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports the corpus of zoo.py to a folder: NAME.mlir and NAME.npz (inputs arg0…, PyTorch's result0) for each model.

NAME is MODEL-IMPLEMENTATION-VARIANT; the variant is `static`, or which extent is dynamic: `batch`, `length`, `both`. What
torch.export or torch-mlir refuses is reported and skipped; the exit status is 0 only when every static export worked.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "python"), str(Path(__file__).resolve().parent)]

import numpy
import torch
import zoo
from attn_compiler import export


def variants(case: zoo.Case):
    """Static, and with one or two dynamic extents."""
    return ("static", "batch", "length", "both") if case.dynamic else ("static",)


def export_case(case: zoo.Case, implementation: str, variant: str, folder: Path) -> Path:
    """Writes one .mlir and its .npz and returns the path of the former."""
    module = case.build(implementation)
    inputs = case.inputs()
    path = folder / f"{case.name}-{implementation}-{variant}.mlir"
    export.export_linalg(module, inputs, path, None if variant == "static" else zoo.dynamic_shapes(case, variant))
    with torch.no_grad():
        result = module(*inputs)
    arrays = {f"arg{index}": value.numpy() for index, value in enumerate(inputs)}
    numpy.savez(path.with_suffix(".npz"), **arrays, result0=result.numpy())
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="export only models whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="print why an export failed")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for case in zoo.CASES:
        if options.only not in case.name:
            continue
        for implementation in case.implementations:
            for variant in variants(case):
                label = f"{case.name}-{implementation}-{variant}"
                try:
                    export_case(case, implementation, variant, options.folder)
                    print("exported", label, flush=True)
                except export.ExportError as error:
                    failed += variant == "static"
                    print("failed", label, str(error).strip().splitlines()[0][:200], flush=True)
                    if options.verbose:
                        traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
