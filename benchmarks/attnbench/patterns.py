# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sparse patterns of the benchmark: which keys a row sees under windows with global tokens and under BigBird.

Both put `GLOBALS` tokens or the blocks at the ends in view of all, and their rows see all.
"""

from __future__ import annotations

import functools

import numpy as np

GLOBALS = 64  # the first tokens
BLOCK, RANDOM, SEED = 64, 3, 1
SPARSE = ("longformer", "bigbird")


def draw(head: int, row: int, which: int) -> int:
    """The draw of `#attn.bigbird`: splitmix64 of seed, head, row of blocks and number."""
    mask, gamma = 2**64 - 1, 0x9E3779B97F4A7C15
    z = (SEED * gamma + head * 0xD1342543DE82EF95 + row * 0xAF251AF3B0F025B5 + (which + 1) * gamma) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) >> 33


def random_blocks(head: int, row: int, blocks: int) -> list[int]:
    """The random blocks of a row between the first and the last."""
    fixed = {0, row - 1, row, row + 1, blocks - 1}
    left = [block for block in range(blocks) if block not in fixed]
    return [left.pop(draw(head, row, which) % len(left)) for which in range(min(RANDOM, len(left)))]


@functools.cache
def random_table(heads: int, blocks: int) -> np.ndarray:
    """[heads, blocks - 2, RANDOM] random blocks."""
    return np.array([[random_blocks(head, row, blocks) for row in range(1, blocks - 1)] for head in range(heads)])


def keys(case, head: int, row: int) -> np.ndarray:
    """The keys that a row sees, ascending."""
    if case.mask == "longformer":
        if row < GLOBALS:
            return np.arange(case.m)
        first = max(GLOBALS, row - case.window)
        return np.concatenate([np.arange(GLOBALS), np.arange(first, min(case.m, row + case.window + 1))])
    blocks, own = case.m // BLOCK, row // BLOCK
    if own in (0, blocks - 1):
        return np.arange(case.m)
    seen = {0, own - 1, own, own + 1, blocks - 1, *random_blocks(head, own, blocks)}
    return np.concatenate([np.arange(block * BLOCK, (block + 1) * BLOCK) for block in sorted(seen)])


def pairs(case) -> int:
    """Pairs that attend in one head; BigBird's heads have as many each."""
    step = BLOCK if case.mask == "bigbird" else 1
    return step * sum(len(keys(case, 0, row)) for row in range(0, case.n, step))


def text(case) -> str:
    """The mask as our compiler reads it."""
    if case.mask == "bigbird":
        return f"#attn.bigbird<block = {BLOCK}, random = {RANDOM}, seed = {SEED}>"
    window = f"#attn.window<before = {case.window}, after = {case.window}, top_left>"
    return f"#attn.any_of<[{window}, #attn.global<tokens = [0 to {GLOBALS}], both, top_left>]>"
