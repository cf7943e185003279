# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LSH attention: our kernel, the hand-scheduled program, and reformer-pytorch in its own convention.

Buckets are two for a chunk of 64 tokens, more than 128 of them as two factors. The peers hash themselves and never test
the bucket; what they compute is not what we compute, so only our result is checked.
"""

from __future__ import annotations

import ctypes

import numpy as np

from .. import tensors
from ..cases import Case
from . import Prepared, Settings, Unsupported, limit, ours

CHUNK = 64


def factors(n: int, most: int = 128) -> list[int]:
    """Even factors of two buckets a chunk, which has two of them beyond 128; or powers of two that are at most `most`."""
    buckets = 2 * max(1, -(-n // CHUNK))
    if buckets <= most:
        return [buckets]
    if most < 128:
        bits, digit = (buckets - 1).bit_length(), most.bit_length() - 1
        count = -(-bits // digit)
        return [2 ** ((bits + place) // count) for place in reversed(range(count))]
    first = 1
    while first * first < buckets:
        first *= 2
    return [first, 2 * (buckets // (2 * first))]


def digits(case: Case) -> list[int]:
    """The factors of a case; where it is about growth, as many as pay."""
    return factors(case.n, 16 if case.kind == "lsh-long" else 128)


def rotations(case: Case) -> np.ndarray:
    """As the tokens, multiples of 2^-5: f32 then hashes without rounding, and a million buckets are those of the check."""
    shape = (case.heads, case.d, case.rounds, sum(digits(case)) // 2)
    made = np.random.default_rng(case.n + case.rounds).standard_normal(shape, dtype=np.float32)
    return np.round(made * 32) / 32


def text(case: Case) -> str:
    """The module, whose entry is `main(x, value, rotations) -> output`."""
    x = f"tensor<{'x'.join(map(str, case.query_shape))}xf32>"
    g = f"tensor<{'x'.join(map(str, rotations(case).shape))}xf32>"
    flags = "" if case.same_bucket else " {same_bucket = false}"
    return f"""\
#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
func.func @main(%x: {x}, %value: {x}, %g: {g}) -> {x} {{
  %init = tensor.empty() : {x}
  %out = attn.lsh_attention ins(%x, %value : {x}, {x}) rotations(%g : {g}) outs(%init : {x}) maps [#x, #v, #v]
      rounds {case.rounds} chunk {CHUNK} buckets {digits(case)} causal{flags} -> {x}
  return %out : {x}
}}
"""


def bucket_ids(case: Case, x, g) -> np.ndarray:
    """[rounds, n] buckets in f64; tokens go through in parts, since all their products at once would not fit."""
    made = np.zeros((case.rounds, case.n), np.int32)
    for begin in range(0, case.n, 1 << 15):
        part, end = x[begin : begin + (1 << 15)].astype(np.float64), begin + (1 << 15)
        for round in range(case.rounds):
            first, stride = 0, 1
            for factor in digits(case):
                u = part @ g[:, round, first : first + factor // 2].astype(np.float64)
                made[round, begin:end] += stride * np.argmax(np.concatenate([u, -u], -1), -1).astype(np.int32)
                first, stride = first + factor // 2, stride * factor
    return made


def expected_rows(case: Case, x, value, g, rows) -> np.ndarray:
    """Rows of one head in f64, by sorting as the definition says."""
    n, positions = case.n, np.arange(case.n)
    buckets = bucket_ids(case, x, g)
    chunks = np.empty((case.rounds, n), np.int32)
    for round in range(case.rounds):
        chunks[round, np.argsort(buckets[round], kind="stable")] = positions // CHUNK
    made = []
    for i in rows:
        step = chunks[:, i, None] - chunks
        met = ((step >= 0) & (step <= 1) & ((buckets == buckets[:, i, None]) | (not case.same_bucket))).any(0)
        keys = np.flatnonzero(met & (positions < i))
        own, others = x[i].astype(np.float64), x[keys].astype(np.float64)
        scores = others @ own / np.sqrt((others * others).sum(-1) + case.d * 1e-6)
        weights = np.exp(scores - scores.max(initial=0))
        made.append(weights @ value[keys] / weights.sum() if len(keys) else value[i])
    return np.stack(made)


def prepare_ours(case: Case, inputs, settings: Settings) -> Prepared:
    module = ours.compiled(case, text(case), settings)
    output, g = tensors.aligned(case.query_shape, np.float32), rotations(case)
    x, value = inputs[0], inputs[2]

    def error():
        head = case.heads // 2
        rows = [0, 1, case.n - 1, *np.random.default_rng(1).integers(case.n, size=40)]
        wanted = expected_rows(case, x[0, head], value[0, head], g[head], rows)
        return float(np.abs(wanted - output[0, head, rows]).max())

    return Prepared(lambda: module.main(x, value, g, out=output), lambda: output, {"error": error})


def prepare_exact(case: Case, inputs, settings: Settings) -> Prepared:
    """Our own exact causal kernel on the same tokens: where hashing starts to pay."""
    import dataclasses

    exact = dataclasses.replace(case, case="causal", kind="attention")
    made = ours.prepare(exact, (inputs[0], inputs[0], inputs[2]), settings)
    return dataclasses.replace(made, notes={"error": lambda: None})


def prepare_in_order(case: Case, inputs, settings: Settings) -> Prepared:
    """The same tokens, brought into the order that hashing sorts them into: what gathering costs."""
    g = rotations(case)
    for head in range(case.heads):
        order = np.argsort(bucket_ids(case, inputs[0][0, head], g[head])[0], kind="stable")
        for array in (inputs[0], inputs[2]):
            array[0, head] = array[0, head, order]
    return prepare_ours(case, inputs, settings)


def prepare_curve(case: Case, inputs, settings: Settings) -> Prepared:
    """One point of Reformer's curve: hashing, or our exact kernel on the same tokens."""
    return prepare_ours(case, inputs, settings) if case.rounds else prepare_exact(case, inputs, settings)


def prepare_limit(case: Case, inputs, settings: Settings) -> Prepared:
    if (case.heads, case.d, case.batch) != (8, 64, 1) or case.n > 16384 or case.n % CHUNK:
        raise Unsupported("lsh.c is written for 8 heads of size 64 and up to 16384 tokens")
    library = limit._library("lsh", case.d, settings)
    library.limit_setup(settings.threads, case.n)
    output = tensors.aligned(case.query_shape, np.float32)
    shape = (case.heads, case.rounds, case.d, case.n // CHUNK)
    g = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (inputs[0], inputs[2], output, g)]
    arguments = (*pointers, case.n, case.rounds, int(case.same_bucket))
    return Prepared(lambda: library.limit_lsh(*arguments), lambda: output, {"error": lambda: None, "keep": g})


def prepare_reformer(case: Case, inputs, settings: Settings, compiled: bool = False) -> Prepared:
    import torch
    from reformer_pytorch.reformer_pytorch import LSHAttention

    torch.set_num_threads(settings.threads)
    attend = LSHAttention(bucket_size=CHUNK, n_hashes=case.rounds, causal=True).eval()
    x, value = (torch.from_numpy(array.reshape(-1, case.n, case.d)) for array in (inputs[0], inputs[2]))
    if compiled:
        attend = torch.compile(attend)
    kept = []

    def run():
        with torch.inference_mode():
            kept[:] = [attend(x, value)[0]]

    return Prepared(run, lambda: kept[0].numpy(), {"error": lambda: None})


def prepare_compiled(case: Case, inputs, settings: Settings) -> Prepared:
    return prepare_reformer(case, inputs, settings, compiled=True)
