# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Masks as the tests see them: the attribute's text, and the boolean matrix that it stands for, made by numpy alone."""

import dataclasses

import numpy as np


def _diagonal(n, m, alignment):
    """Column minus row, counted from the diagonal."""
    offset = m - n if alignment == "bottom_right" else 0
    return np.arange(m)[None, :] - (np.arange(n)[:, None] + offset)


@dataclasses.dataclass(frozen=True)
class Causal:
    alignment: str = "bottom_right"

    def __str__(self):
        return f"#attn.causal<{self.alignment}>"

    def allowed(self, n, m, head=0):
        return _diagonal(n, m, self.alignment) <= 0


@dataclasses.dataclass(frozen=True)
class Window:
    before: int
    after: int = 0
    dilation: object = 1  # or a tuple, one for each head
    alignment: str = "bottom_right"

    def __str__(self):
        text = str(list(self.dilation)) if isinstance(self.dilation, tuple) else self.dilation
        dilation = f" dilation = {text}," if self.dilation != 1 else ""
        return f"#attn.window<before = {self.before}, after = {self.after},{dilation} {self.alignment}>"

    def allowed(self, n, m, head=0):
        distance = _diagonal(n, m, self.alignment)
        dilation = self.dilation[head] if isinstance(self.dilation, tuple) else self.dilation
        steps = distance // dilation
        return (distance % dilation == 0) & (-self.before <= steps) & (steps <= self.after)


@dataclasses.dataclass(frozen=True)
class AllOf:
    masks: tuple

    def __str__(self):
        return f"#attn.all_of<[{', '.join(map(str, self.masks))}]>"

    def allowed(self, n, m, head=0):
        return np.logical_and.reduce([mask.allowed(n, m, head) for mask in self.masks])


@dataclasses.dataclass(frozen=True)
class AnyOf:
    masks: tuple

    def __str__(self):
        return f"#attn.any_of<[{', '.join(map(str, self.masks))}]>"

    def allowed(self, n, m, head=0):
        return np.logical_or.reduce([mask.allowed(n, m, head) for mask in self.masks])


@dataclasses.dataclass(frozen=True)
class Global:
    """`runs` are tokens or half-open pairs of them."""

    runs: tuple
    side: str = "both"
    alignment: str = "bottom_right"

    def __str__(self):
        runs = ", ".join(f"{run[0]} to {run[1]}" if isinstance(run, tuple) else str(run) for run in self.runs)
        return f"#attn.global<tokens = [{runs}], {self.side}, {self.alignment}>"

    def allowed(self, n, m, head=0):
        positions = np.arange(n) + (m - n if self.alignment == "bottom_right" else 0)
        tokens = [t for run in self.runs for t in (range(*run) if isinstance(run, tuple) else [run])]
        keys = np.isin(np.arange(m), tokens)[None, :] & (self.side != "queries")
        queries = np.isin(positions, tokens)[:, None] & (self.side != "keys")
        return keys | queries


@dataclasses.dataclass(frozen=True)
class LocalChunks:
    chunk: int
    look_back: int = 1
    look_ahead: int = 0
    alignment: str = "bottom_right"

    def __str__(self):
        looks = f"look_back = {self.look_back}, look_ahead = {self.look_ahead}"
        return f"#attn.local_chunks<chunk = {self.chunk}, {looks}, {self.alignment}>"

    def allowed(self, n, m, head=0):
        positions = np.arange(n) + (m - n if self.alignment == "bottom_right" else 0)
        distance = np.arange(m)[None, :] // self.chunk - (positions // self.chunk)[:, None]
        return (-self.look_back <= distance) & (distance <= self.look_ahead)


@dataclasses.dataclass(frozen=True)
class BigBird:
    """`table` [heads, rows, random] names the random blocks; without it the oracle draws them as the compiler does."""

    block: int
    random: int = 3
    seed: int = 0
    table: tuple | None = None

    def __str__(self):
        table = ""
        if self.table is not None:
            shape = "x".join(map(str, np.shape(self.table)))
            table = f", table = dense<{np.array(self.table).tolist()}> : tensor<{shape}xi64>"
        return f"#attn.bigbird<block = {self.block}, random = {self.random}, seed = {self.seed}{table}>"

    def _draw(self, head, row, which):
        mask = 2**64 - 1
        gamma, keys = 0x9E3779B97F4A7C15, (0xD1342543DE82EF95, 0xAF251AF3B0F025B5)
        z = (self.seed * gamma + head * keys[0] + row * keys[1] + (which + 1) * gamma) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) >> 33

    def seen(self, head, row, blocks):
        """The set of blocks that a row of blocks sees, neither the first nor the last."""
        fixed = {block for block in (0, row - 1, row, row + 1, blocks - 1) if 0 <= block < blocks}
        if self.table is not None:
            return fixed | set(np.array(self.table)[head, row - 1].tolist())
        left = [block for block in range(blocks) if block not in fixed]
        drawn = set()
        for which in range(min(self.random, len(left))):
            drawn.add(left.pop(self._draw(head, row, which) % len(left)))
        return fixed | drawn

    def allowed(self, n, m, head=0):
        rows, blocks = -(-n // self.block), -(-m // self.block)
        allowed = np.zeros((n, m), bool)
        for row in range(rows):
            own = slice(row * self.block, (row + 1) * self.block)
            for block in range(blocks) if row in (0, rows - 1) else self.seen(head, row, blocks):
                allowed[own, block * self.block : (block + 1) * self.block] = True
        return allowed


def name(mask):
    """A short word for test identifiers."""
    if mask is None:
        return "full"
    if isinstance(mask, Causal):
        return f"causal-{mask.alignment}"
    if isinstance(mask, Window):
        dilation = str(mask.dilation).replace(" ", "")
        return f"window{mask.before}-{mask.after}x{dilation}-{mask.alignment}"
    if not isinstance(mask, AllOf | AnyOf):
        return "".join(letter for letter in str(mask)[6:60] if letter.isalnum())
    kind = "all" if isinstance(mask, AllOf) else "any"
    return f"{kind}({'+'.join(map(name, mask.masks))})"
