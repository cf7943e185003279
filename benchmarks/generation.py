#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Generation token by token: what one costs at every position, and images per second of two image models.

Costs are those of one attention: bytes read per second from a cache of keys and values beside the read bandwidth of the
same minute, and the time of linear attention, which should not depend on the position. Images per second compare the
step of one token with linear attention and with a cache against PyTorch, which computes the whole sequence for every
token. PyTorch is measured at sampled lengths; a polynomial of degree 2 through them, which is what the operations add up
to, is summed over all lengths. Every measurement runs in a process of its own.
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
from attnbench.image_models import MODELS, decoder, sdpa, softmax
from attnbench.probe import Probe

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIBRARIES = ROOT / "build" / "bench" / "generation"
DOMAIN = "(b, h, i, j, d, e)"
# batch, query heads, key heads, head size, positions
COSTS = {"cache": (1, 32, 8, 128, 16384), "pages": (1, 32, 8, 128, 16384), "small heads": (4, 8, 8, 64, 16384),
         "linear": (32, 8, 8, 64, 65536)}
PAGE = 256


def best_of(run, seconds: float, least: int = 3) -> float:
    """The shortest of several calls, in seconds."""
    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def attention(batch: int, heads: int, kv_heads: int, size: int, is_linear: bool) -> str:
    """One causal attention over a length that only the call knows."""
    query, key = f"tensor<{batch}x?x{heads}x{size}xf32>", f"tensor<{batch}x?x{kv_heads}x{size}xf32>"
    shared = "h" if heads == kv_heads else f"h floordiv {heads // kv_heads}"
    name, end = ("linear_attention elu_plus_one", "causal") if is_linear else ("attention", "mask #attn.causal<")
    end += " top_left" if is_linear else "top_left>"
    maps = [f"affine_map<{DOMAIN} -> ({dims})>" for dims in ("b, i, h, d", f"b, j, {shared}, d", f"b, j, {shared}, e", "b, i, h, e")]
    return f"""func.func @main(%q: {query}, %k: {key}, %v: {key}) -> {query} {{
  %c1 = arith.constant 1 : index
  %n = tensor.dim %q, %c1 : {query}
  %init = tensor.empty(%n) : {query}
  %o = attn.{name} ins(%q, %k, %v : {query}, {key}, {key}) outs(%init : {query}) maps [{", ".join(maps)}] {end} -> {query}
  return %o : {query}
}}
"""


def buffers(entry) -> list[np.ndarray]:
    """What a step reads and writes in place, pages in a shuffled order."""
    specs = entry.args[[one["name"] for one in entry.args].index("length") + 1 :]
    made = []
    for spec in specs:
        if spec["name"] == "pages":
            count = int(np.prod(spec["shape"]))
            made.append(np.random.default_rng(0).permutation(count).astype(np.int32).reshape(spec["shape"]))
        else:
            shape = [extent if isinstance(extent, int) else count for extent in spec["shape"]]
            made.append(np.full(shape, 0.5 if "_state" not in spec["name"] else 0, spec["dtype"]))
    return made


def measure_cost(name: str, options) -> dict:
    """Microseconds of one token at some positions; for caches also the bytes read and the bandwidth beside."""
    import attn_compiler

    batch, heads, kv_heads, size, positions = COSTS[name]
    attn_compiler.set_num_threads(options.threads)
    module = attn_compiler.compile(attention(batch, heads, kv_heads, size, name == "linear"), steps=positions,
                                   page_size=PAGE if name == "pages" else 0)  # fmt: skip
    entry, state = module.main_token, buffers(module.main_token)
    random = np.random.default_rng(1)
    rows = [random.standard_normal((batch, 1, count, size), dtype=np.float32) for count in (heads, kv_heads, kv_heads)]
    output = np.empty_like(rows[0])
    probe = Probe(ROOT / "build" / "bench", options.threads)
    points = []
    for position in [2**power for power in range(8, 30) if 2**power < positions] + [positions - 1]:
        length = np.array(position, np.int64)
        seconds, probed = float("inf"), 0.0
        for _ in range(4):  # turns, so that both see the same minutes
            seconds = min(seconds, best_of(lambda: entry(*rows, length, *state, out=output), options.seconds / 4))
            probe.reset()
            probe.sample(bandwidth=True)
            probed = max(probed, probe.read_gbs)
        point = {"position": position, "us": 1e6 * seconds}
        if name != "linear":
            read = 8 * batch * kv_heads * size * (position + 1)
            point.update(gbs=1e-9 * read / seconds, read_gbs=probed, share=1e-9 * read / seconds / probed)
        points.append(point)
    return {"name": name, "shape": COSTS[name], "points": points}


def library(model, kind: str, batch: int) -> pathlib.Path:
    """The compiled decoder, made once: its export and compilation are not what is measured."""
    path = LIBRARIES / f"{model.name}-{kind}-{batch}.so"
    if path.exists():
        return path
    import attn_compiler
    import torch
    from attn_compiler import export

    example = (torch.zeros(batch, 7, dtype=torch.int64), torch.arange(7)[None].expand(batch, 7).contiguous())
    length = torch.export.Dim("length", min=1, max=model.steps)
    exported = export.export_mlir(decoder(model), example, dynamic_shapes=({1: length}, {1: length}))
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    attn_compiler.compile(exported, form="linear" if kind == "linear" else None, steps=model.steps, output=path)
    return path


def measure_ours(model, kind: str, batch: int, options) -> dict:
    """Images per second of the step of one token: sampled positions, a line through them summed over all."""
    path = library(model, kind, batch)
    if options.prepare:
        return {}
    import attn_compiler

    attn_compiler.set_num_threads(options.threads)
    entry = attn_compiler.load(path).main_token
    state = buffers(entry)
    tokens = np.random.default_rng(0).integers(0, model.values, (batch, 1))
    positions = sorted({0, model.steps // 4, model.steps // 2, 3 * model.steps // 4, model.steps - 1})
    seconds = []
    for position in positions:
        at, where = np.array(position, np.int64), np.full((batch, 1), position, np.int64)
        seconds.append(best_of(lambda: entry(tokens, where, at, *state), options.seconds))
    per_image = np.polyval(np.polyfit(positions, seconds, 1), np.arange(model.steps)).sum() / batch
    return {"model": model.name, "contender": kind, "batch": batch, "images_per_second": 1 / per_image,
            "ms": dict(zip(positions, (1e3 * one for one in seconds))),
            "gflops": batch * model.gflop(1) / min(seconds)}  # fmt: skip


def measure_torch(model, kind: str, batch: int, options) -> dict:
    """PyTorch without a cache: sampled lengths, a polynomial of degree 2 through them summed over all."""
    import torch

    torch.set_num_threads(options.threads)
    module = decoder(model, softmax if kind == "torch softmax" else sdpa)
    lengths = [max(1, model.steps * part // 8) for part in (0, 1, 2, 4, 6, 8)]
    seconds = []
    with torch.inference_mode():
        for length in lengths:
            tokens = torch.zeros(batch, length, dtype=torch.int64)
            where = torch.arange(length)[None].expand(batch, length)
            seconds.append(best_of(lambda: module(tokens, where), options.seconds, least=2))
    # weights: every sample counts by its own size, else the longest would be all that is fitted
    fit = np.polyfit(lengths, seconds, 2, w=1 / np.array(seconds))
    per_image = np.polyval(fit, np.arange(1, model.steps + 1)).sum() / batch
    return {"model": model.name, "contender": kind, "batch": batch, "images_per_second": 1 / per_image,
            "ms": dict(zip(lengths, (1e3 * one for one in seconds))), "extrapolated": True,
            "gflops": batch * model.gflop(lengths[-1]) / seconds[-1]}  # fmt: skip


def in_process(part: str, options) -> dict:
    command = [sys.executable, __file__, "--part", part, "--threads", str(options.threads), "--seconds", str(options.seconds)]  # fmt: skip
    command += ["--prepare"] if options.prepare else []
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(part: str, options) -> dict:
    name, *rest = part.split(":")
    if name == "cost":
        return measure_cost(rest[0], options)
    kind, batch = rest[0], int(rest[1])
    return (measure_torch if kind.startswith("torch") else measure_ours)(MODELS[name], kind, batch, options)


def parts(options) -> list[str]:
    made = [f"cost:{name}" for name in COSTS]
    for name in MODELS:
        made += [f"{name}:linear:{batch}" for batch in options.batches]
        made += [f"{name}:cache:{batch}" for batch in ((1, 8) if name == "mnist" else (1, 4))]
        made += [f"{name}:{kind}:{batch}" for kind in ("torch softmax", "torch sdpa") for batch in ((1, 8) if name == "mnist" else (1,))]
    return [part for part in made if not options.only or any(part.startswith(one) for one in options.only.split(","))]


def text(one: dict) -> str:
    if "points" in one:
        lines = [f"{one['name']} {one['shape']}"]
        for point in one["points"]:
            beside = f"  {point['gbs']:6.1f} GB/s, {point['share']:.2f} of {point['read_gbs']:.1f}" if "gbs" in point else ""
            lines.append(f"  position {point['position']:6}  {point['us']:9.1f} us{beside}")
        return "\n".join(lines)
    return f"{one['model']:8} {one['contender']:14} batch {one['batch']:4}  {one['images_per_second']:10.5f} images/s"


def summary(results: list[dict]) -> list[str]:
    """The best batch of every contender, and linear's gain over the others."""
    lines = []
    for name, model in MODELS.items():
        best: dict = {}
        for one in results:
            if one.get("model") == name and one["images_per_second"] > best.get(one["contender"], one)["images_per_second"] - 1e-30:
                best[one["contender"]] = one
        if "linear" not in best:
            continue
        for contender, one in best.items():
            gain = best["linear"]["images_per_second"] / one["images_per_second"]
            lines.append(f"| {name} | {contender} | {one['batch']} | {one['images_per_second']:.4g} | {gain:.4g} | {model.gain:g} |")
    return ["| model | attention | batch | images/s | linear over it | paper |", "|-|-|-|-|-|-|", *lines] if lines else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "generation.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="measuring time per point")
    parser.add_argument("--batches", type=lambda s: [int(one) for one in s.split(",")], default=[1, 32, 128])
    parser.add_argument("--only", help="comma-separated beginnings of parts such as cost:linear or mnist:torch")
    parser.add_argument("--keep", action="store_true", help="merge into the parts already in --output")
    parser.add_argument("--prepare", action="store_true", help="compile the decoders and stop")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options.part, options)))
        return 0
    results = json.loads(options.output.read_text()) if options.keep and options.output.exists() else {}
    for part in parts(options):
        if options.prepare:
            if not part.startswith("cost") and ":torch" not in part:
                in_process(part, options)
            continue
        results[part] = in_process(part, options)
        print(text(results[part]), flush=True)
        options.output.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join(summary(list(results.values()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
