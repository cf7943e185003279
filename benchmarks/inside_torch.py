#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls from inside a PyTorch program, whose OpenMP threads are alive: what they cost beside calls on their own.

A layer of torch (a product, attention, a product, GELU) is run with our attention and with SDPA in its middle; each
attention is also called alone, over and over. Both have the same number of threads. Medians, in ms.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import attn_compiler
import torch

HEADS, SIZE = 8, 64
# name: batch, length, causal
CASES = {"short": (8, 128, False), "causal": (1, 1024, True), "full": (1, 4096, False)}


def ir(batch: int, length: int, causal: bool) -> str:
    """Attention as torch's linear layers leave it, [batch, length, head, size]."""
    rows = f"tensor<{batch}x{length}x{HEADS}x{SIZE}xf32>"
    maps = ", ".join(f"affine_map<(b, h, i, j, d, e) -> (b, {dims})>" for dims in ("i, h, d", "j, h, d", "j, h, e", "i, h, e"))
    return f"""func.func @main(%q: {rows}, %k: {rows}, %v: {rows}) -> {rows} {{
  %init = tensor.empty() : {rows}
  %o = attn.attention ins(%q, %k, %v : {rows}, {rows}, {rows}) outs(%init : {rows}) maps [{maps}]
      {"mask #attn.causal<top_left>" if causal else ""} -> {rows}
  return %o : {rows}
}}
"""


def contenders(batch: int, length: int, causal: bool) -> dict:
    """Our library and SDPA, both from and to [batch, length, head, size]."""
    module = attn_compiler.compile(ir(batch, length, causal))

    def sdpa(*operands):
        query, key, value = (operand.transpose(1, 2) for operand in operands)
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2)

    return {"ours": module.main, "sdpa": sdpa}


class Clock:
    """Times by name, of which the median counts."""

    def __init__(self):
        self.times: dict[str, list[float]] = {}

    def call(self, name, function, *arguments):
        start = time.perf_counter()
        result = function(*arguments)
        self.times.setdefault(name, []).append(1e3 * (time.perf_counter() - start))
        return result

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(times), 3) for name, times in self.times.items()}


def measure(name: str, seconds: float) -> dict:
    batch, length, causal = CASES[name]
    width = HEADS * SIZE
    torch.manual_seed(0)
    states, weight = torch.randn(batch, length, width), torch.randn(width, width) / width**0.5
    operands = [torch.randn(batch, length, HEADS, SIZE) for _ in range(3)]
    clock = Clock()

    def layer(kind, attention):
        query = clock.call(f"product before {kind}", torch.matmul, states, weight)
        output = clock.call(f"{kind} in torch", attention, query.view(operands[0].shape), *operands[1:])
        result = clock.call(f"product after {kind}", torch.matmul, output.reshape(states.shape), weight)
        return torch.nn.functional.gelu(result)

    functions = contenders(batch, length, causal)
    ours, theirs = (function(*operands) for function in functions.values())
    assert torch.allclose(ours, theirs, atol=1e-4), "expected the results of SDPA"
    for kind, function in functions.items():
        for run in (lambda: clock.call(f"{kind} alone", function, *operands), lambda: layer(kind, function)):
            # What spun for the contender before has come to rest by then.
            time.sleep(0.3)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                run()
    medians = clock.medians()
    return {"case": name, "batch": batch, "length": length, "ms": medians,
            "ours_in_torch_over_alone": round(medians["ours in torch"] / medians["ours alone"], 3),
            "sdpa_in_torch_over_ours": round(medians["sdpa in torch"] / medians["ours in torch"], 3)}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each of the four loops of a case")
    parser.add_argument("--output", type=Path, help="also writes the records to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    attn_compiler.set_num_threads(options.threads)
    with torch.inference_mode():
        records = [measure(name, options.seconds) for name in CASES]
    for record in records:
        print(f"{record['case']}: {record['ours_in_torch_over_alone']} x alone, SDPA {record['sdpa_in_torch_over_ours']} x")
        for what, ms in record["ms"].items():
            print(f"  {what:24} {ms:9.3f} ms")
    if options.output:
        machine = {"machine": platform.machine(), "torch": torch.__version__, "threads": options.threads,
                   "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default")}  # fmt: skip
        options.output.write_text(json.dumps({**machine, "records": records}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
