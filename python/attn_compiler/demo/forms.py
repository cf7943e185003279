# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The forms side by side: MiniLM at its own 512 tokens, and one attention on long random sequences.

Every form is asked for as anyone would ask, by `--form`; what a form costs in accuracy is told against the exact library.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import numpy as np

import attn_compiler

from . import encoder

# Name, what to ask for at MiniLM's 512 tokens, and on long sequences.
FORMS = [
    ("exact", "exact", "exact"),
    ("window ±64 / ±256", "window,before=64,after=64", "window,before=256,after=256"),
    ("window + 16 / 64 globals", "window,before=64,after=64,globals=16", "window,before=256,after=256,globals=64"),
    ("low-rank 128 / 256", "low-rank,k=128", "low-rank,k=256"),
    ("LSH 4 rounds", "lsh,rounds=4", "lsh,rounds=4"),
    ("LSH 8 rounds", "lsh,rounds=8", "lsh,rounds=8"),
    ("BigBird", "bigbird", "bigbird"),
    ("FAVOR+ 256 features", "favor", "favor"),
    ("FAVOR+ 1024 features", "favor,features=1024", "favor,features=1024"),
    ("linear, elu + 1", "linear", "linear"),
]
LENGTHS = (4096, 16384)
DOCUMENTS = 32

ATTENTION = """\
#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
!t = tensor<1x8x{n}x64xf32>
func.func @main(%query: !t, %key: !t, %value: !t) -> !t {{
  %init = tensor.empty() : !t
  %out = attn.attention ins(%query, %key, %value : !t, !t, !t) outs(%init : !t) maps [#q, #k, #v, #o] -> !t
  return %out : !t
}}
"""


class Refused(RuntimeError):
    """The form is not computed; the message says why."""


def compile_form(ir: Path, form: str, library: Path) -> float:
    """Compiles with a form and returns the seconds that it took."""
    command = [str(attn_compiler.find_compiler()), str(ir), "-o", str(library), f"--form={form}", "--remarks"]
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    lines = done.stderr.splitlines()
    if done.returncode != 0:
        error = next((line for line in lines if "error: " in line), done.stderr)
        if " as a form, got '" in error:
            raise Refused("this compiler does not have it")
        raise SystemExit(f"error: {' '.join(command)} ended with status {done.returncode}:\n{done.stderr}")
    refusal = next((line for line in lines if "remark: " in line and " stays exact, not " in line), None)
    if refusal is not None:
        raise Refused(refusal.split(": ")[-1])
    return seconds


def run(library: Path, threads: int, *flags: str) -> dict:
    """What attn-run reports of a library, in a process of its own."""
    command = [str(attn_compiler.find_compiler().with_name("attn-run")), str(library), "--entry=main", "--json"]
    command += [f"--threads={threads}", "--warmup=1", *flags]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)} ended with status {done.returncode}")
    return json.loads(done.stdout)


def ranks(values: np.ndarray) -> np.ndarray:
    order = np.empty(len(values))
    order[np.argsort(values, kind="stable")] = np.arange(len(values))
    return order


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Rank correlation of the similarities of all pairs of rows."""
    pairs = np.triu_indices(len(left), 1)
    return float(np.corrcoef(ranks((left @ left.T)[pairs]), ranks((right @ right.T)[pairs]))[0, 1])


def nearest_kept(left: np.ndarray, right: np.ndarray) -> int:
    """For how many rows the nearest other row is the same."""
    nearest = [np.argmax(one @ one.T - 2 * np.eye(len(one)), axis=1) for one in (left, right)]
    return int((nearest[0] == nearest[1]).sum())


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got.astype(np.float64) - expected) / np.linalg.norm(expected.astype(np.float64)))


def embed(library: Path, ids: np.ndarray, mask: np.ndarray, batch: int) -> np.ndarray:
    module = attn_compiler.load(library)
    parts = [module.main(ids[first : first + batch], mask[first : first + batch]) for first in range(0, len(ids), batch)]
    return np.concatenate(parts)


def show_model(say, table, ir: Path, folder: Path, threads: int, shape: tuple[int, int]) -> list[dict]:
    """MiniLM with every form: time, memory, and what becomes of the embeddings of documents."""
    batch, length = shape
    ids, mask = encoder.documents(DOCUMENTS, length)
    for name, array in (("ids", ids[:batch]), ("mask", mask[:batch])):
        np.save(folder / f"documents-{name}.npy", array)
    inputs = [f"--input={folder / f'documents-{name}.npy'}" for name in ("ids", "mask")]
    records, exact = [], None
    for name, form, _ in FORMS:
        library = folder / f"minilm-form{len(records)}.so"
        try:
            seconds = compile_form(ir, form, library)
        except Refused as reason:
            say(f"   {name}: {reason}")
            continue
        report = run(library, threads, *inputs, "--repeat=5")
        embeddings = embed(library, ids, mask, batch)
        exact = embeddings if exact is None else exact
        record = {"form": name, "asked": form, "n": length, "ms": report["ms_min"], "peak_mb": report.get("peak_mb")}
        record |= {"error": relative(embeddings, exact), "spearman": spearman(embeddings, exact)}
        record["nearest"] = nearest_kept(embeddings, exact)
        records.append(record)
        say(f"   {name}: compiled in {seconds:.1f} s, {record['ms']:.0f} ms")
    rows = [["form", "ms", "of exact", "peak MB", "error of embeddings", "rank correlation", "nearest kept"]]
    for one in records:
        rows.append([one["form"], f"{one['ms']:.0f}", f"{one['ms'] / records[0]['ms']:.2f}", _megabytes(one)])
        rows[-1] += [f"{one['error']:.1e}", f"{one['spearman']:.3f}", f"{one['nearest']} of {DOCUMENTS}"]
    table(rows)
    return records


def show_long(say, table, folder: Path, threads: int, lengths=LENGTHS) -> list[dict]:
    """One attention of 8 heads on random sequences with every form: time, memory and error."""
    records = []
    for n in lengths:
        ir = folder / f"attention-{n}.mlir"
        ir.write_text(ATTENTION.format(n=n))
        exact = None
        for name, _, form in FORMS:
            library, output = folder / "attention.so", folder / "attention.npy"
            try:
                compile_form(ir, form, library)
            except Refused as reason:
                if n == lengths[0]:
                    say(f"   {name}: {reason}")
                continue
            report = run(library, threads, "--random-inputs=7", "--repeat=3", f"--output={output}")
            result = np.load(output)
            exact = result if exact is None else exact
            record = {"form": name, "asked": form, "n": n, "ms": report["ms_min"], "peak_mb": report.get("peak_mb")}
            records.append(record | {"error": relative(result, exact)})
            say(f"   {n} tokens, {name}: {record['ms']:.1f} ms")
    rows = [["form", "tokens", "ms", "faster than exact", "peak MB", "error"]]
    for one in records:
        base = next(other["ms"] for other in records if other["n"] == one["n"])
        rows.append([one["form"], str(one["n"]), f"{one['ms']:.1f}", f"{base / one['ms']:.1f}x", _megabytes(one)])
        rows[-1].append(f"{one['error']:.1e}")
    table(rows)
    return records


def _megabytes(record: dict) -> str:
    return "-" if record["peak_mb"] is None else f"{record['peak_mb']:.1f}"
