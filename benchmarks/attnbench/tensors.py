# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Inputs of a case, and the f64 check of a contender's output on sampled rows.

Every process makes the same inputs from the case's name, in page-aligned memory that may use huge
pages: the page size changes memory-bound cases by more than the differences that they should show.
"""

from __future__ import annotations

import math
import mmap
import zlib

import numpy as np

from .cases import Case

# Largest absolute error allowed; outputs are averages of standard normal values.
TOLERANCE = {"float32": 5e-5, "bfloat16": 1e-2, "float16": 2e-3}


def aligned(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Zeroed memory on a page boundary, backed by huge pages where the system allows it."""
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    # Private, as what numpy allocates itself: shared memory rarely gets huge pages.
    memory = mmap.mmap(-1, max(count * dtype.itemsize, 1) + (1 << 16), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # a kernel without transparent huge pages
            pass
    array = np.frombuffer(memory, dtype, count).reshape(shape)
    array[...] = 0
    return array


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The bit patterns of f32 values rounded to nearest even bfloat16."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def to_float(array: np.ndarray) -> np.ndarray:
    """f32 or f64 values of an array whose bfloat16 values are kept as bit patterns."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


def make_inputs(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query, key and value of standard normal values; bfloat16 as uint16 bit patterns."""
    random = np.random.default_rng(zlib.crc32(case.id.encode()))
    made = []
    shapes = (case.query_shape, case.key_shape, case.key_shape)
    for shape in (shapes[0], shapes[2]) if case.rounds else shapes:
        array = aligned(shape, np.uint16 if case.dtype == "bfloat16" else case.dtype)
        for batch in range(shape[0]):
            for head in range(shape[1]):
                values = random.standard_normal(shape[2:], dtype=np.float32)
                array[batch, head] = to_bfloat16(values) if case.dtype == "bfloat16" else values
        made.append(array)
    if case.rounds:  # hashed keys are the queries; why they are multiples, see contenders/lsh.py
        made[0] *= 32
        np.round(made[0], out=made[0])
        made[0] /= 32
        made.insert(1, made[0])
    return tuple(made)


def reference_row(case: Case, inputs, batch: int, head: int, row: int) -> np.ndarray:
    """One row of exact attention in f64."""
    query, key, value = inputs
    seen = case.keys(head, row)
    group = head // (case.heads // case.kv_heads)
    keys = to_float(key[batch, group, seen]).astype(np.float64)
    values = to_float(value[batch, group, seen]).astype(np.float64)
    scores = keys @ to_float(query[batch, head, row]).astype(np.float64) / math.sqrt(case.d)
    weights = np.exp(scores - scores.max())
    return weights @ values / weights.sum()


def worst_error(case: Case, inputs, output: np.ndarray, samples: int = 24) -> float:
    """The largest error over the first, the last and random rows; infinite for any NaN at all."""
    output = np.asarray(output).reshape(case.query_shape)
    if not all(np.isfinite(to_float(part)).all() for part in output.reshape(-1, case.n * case.d)):
        return math.inf
    random = np.random.default_rng(1)
    worst = 0.0
    for sample in range(samples):
        batch, head = sample % case.batch, sample % case.heads
        row = (0, case.n - 1)[sample] if sample < 2 else int(random.integers(case.n))
        expected = reference_row(case, inputs, batch, head, row)
        got = to_float(output[batch, head, row]).astype(np.float64)
        worst = max(worst, float(np.abs(expected - got).max()))
    return worst
