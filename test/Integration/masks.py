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
        return "".join(word for word in str(mask)[6:] if word.isalnum())
    kind = "all" if isinstance(mask, AllOf) else "any"
    return f"{kind}({'+'.join(map(name, mask.masks))})"
