# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Takes MiniLM from model IR to a shared library, ranks sentences with it, and shows time, memory and error.

Nothing here knows how attention is compiled: it calls the same programs and the same package as anyone would.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import attn_compiler
from attn_compiler import export

from . import encoder, forms
from .sentences import QUESTIONS, SENTENCES


def say(text: str = "") -> None:
    print(text, flush=True)


SHAPES = {"1x128": (1, 128), "8x512": (8, 512)}


def export_once(path: Path, batch: int, length: int) -> None:
    """Writes MiniLM's IR for one shape unless it is there."""
    if path.exists():
        say(f"1. model IR: {path} ({path.stat().st_size / 1e6:.0f} MB, from an earlier run)")
        return
    start = time.perf_counter()
    export.export_minilm(path, batch=batch, length=length)
    seconds = time.perf_counter() - start
    say(f"1. model IR: {path} ({path.stat().st_size / 1e6:.0f} MB, exported by torch-mlir in {seconds:.0f} s)")


def compile_library(ir: Path, library: Path) -> None:
    start = time.perf_counter()
    command = [str(attn_compiler.find_compiler()), str(ir), "-o", str(library), "--time-phases"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with status {done.returncode}")
    seconds = time.perf_counter() - start
    say(f"2. compiled in {seconds:.1f} s to {library} ({library.stat().st_size / 1e6:.0f} MB)")


def embed_sentences(module, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The embeddings of short sentences, one call each, padded to the length of the library."""
    rows = []
    for row, valid in zip(ids, mask):
        padding = (0, 128 - len(row))
        rows.append(module.main(np.pad(row, padding)[None], np.pad(valid, padding)[None])[0])
    return np.stack(rows)


def rank(embeddings: np.ndarray) -> None:
    """Prints the best answers to each question, by the cosine of the normalised embeddings."""
    known, asked = embeddings[: len(SENTENCES)], embeddings[len(SENTENCES) :]
    say("3. sentences nearest to a question, by this library's embeddings")
    for question, similarity in zip(QUESTIONS, asked @ known.T):
        say(f"   {question}")
        for index in np.argsort(-similarity)[:3]:
            say(f"     {similarity[index]:6.3f}  {SENTENCES[index]}")


def measure(library: Path, folder: Path, name: str, ids, mask, threads: int) -> dict:
    """Time and peak memory in a process of its own, as attn-run reports them."""
    files = [folder / f"{name}-ids.npy", folder / f"{name}-mask.npy"]
    for file, array in zip(files, (ids, mask)):
        np.save(file, array)
    command = [str(attn_compiler.find_compiler().with_name("attn-run")), str(library), "--entry=main", "--json"]
    command += [f"--input={file}" for file in files] + [f"--threads={threads}", "--warmup=2", "--repeat=8"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with status {done.returncode}")
    return json.loads(done.stdout)


def measure_torch(inputs: dict, threads: int) -> dict[str, float]:
    """Milliseconds of the original module in PyTorch with its fused attention, by input."""
    import torch

    torch.set_num_threads(threads)
    module = export.minilm_module(attn_implementation="sdpa")
    times = {}
    with torch.inference_mode():
        for name, (ids, mask) in inputs.items():
            tensors = torch.from_numpy(ids), torch.from_numpy(mask)
            rounds = []
            for _ in range(10):
                start = time.perf_counter()
                module(*tensors)
                rounds.append(time.perf_counter() - start)
            times[name] = 1e3 * min(rounds)
    return times


def table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("   " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="the build folder")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of both contenders")
    parser.add_argument("--store", action="store_true", help="make the stored reference anew, and stop")
    options = parser.parse_args()
    if options.store:
        encoder.store_reference()
        return 0

    os.environ["ATTN_BUILD"] = str(options.build.resolve())
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    folder = options.build.resolve() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    libraries = {name: folder / f"minilm-{name}.so" for name in SHAPES}
    for name, shape in SHAPES.items():
        export_once(libraries[name].with_suffix(".mlir"), *shape)
        compile_library(libraries[name].with_suffix(".mlir"), libraries[name])
    attn_compiler.set_num_threads(options.threads)
    inputs = encoder.inputs()
    modules = {name: attn_compiler.load(library) for name, library in libraries.items()}
    embeddings = embed_sentences(modules["1x128"], *inputs["sentences"])
    rank(embeddings)
    worst = float(np.abs(embeddings - encoder.reference("sentences", *inputs.pop("sentences"))).max())
    results = {name: modules[name].main(ids, mask) for name, (ids, mask) in inputs.items()}

    say(f"4. time, memory and error, {options.threads} threads")
    torch_ms = measure_torch(inputs, options.threads)
    rows = [["form", "input", "ms", "PyTorch ms", "speed-up", "peak MB", "max error", "worst cosine"]]
    for name, (ids, mask) in inputs.items():
        report = measure(libraries[name], folder, name, ids, mask, options.threads)
        expected = encoder.reference(name, ids, mask)
        error = float(np.abs(results[name] - expected).max())
        cosine = float((results[name] * expected).sum(-1).min())
        worst = max(worst, error)
        ours, peak = report["ms_min"], report.get("peak_mb")
        shape = f"{ids.shape[0]}x{ids.shape[1]}"
        rows.append(["exact", shape, f"{ours:.2f}", f"{torch_ms[name]:.2f}", f"{torch_ms[name] / ours:.2f}x"])
        rows[-1] += ["-" if peak is None else f"{peak:.1f}", f"{error:.1e}", f"{cosine:.6f}"]
    table(rows)
    say("   PyTorch: the original module, fused attention, f32. Error: against the original in f64, stored beforehand.")
    say("5. the forms, asked for by --form: MiniLM at 512 tokens, 8 texts a call; errors against the exact library")
    records = forms.show_model(say, table, libraries["8x512"].with_suffix(".mlir"), folder, options.threads, SHAPES["8x512"])
    say("6. one attention of 8 heads, head size 64, on random sequences, which no form can foresee")
    records += forms.show_long(say, table, folder, options.threads)
    (folder / "forms.json").write_text(json.dumps(records, indent=1) + "\n")
    if not worst < 1e-4:
        sys.exit(f"error: expected embeddings within 1e-4 of the original's, got {worst:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
