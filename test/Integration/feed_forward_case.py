# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One feed-forward layer: its IR, its inputs, its meaning in numpy, and how far off a result may be."""

import dataclasses
import math

import numpy as np
from problem import MLIR_TYPES, ROUNDOFF, round_to

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu")


def activate(name, x):
    if name == "gelu":
        return x / 2 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))
    if name == "gelu_tanh":
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if name == "relu":
        return np.maximum(x, 0)
    return x / (1 + np.exp(-x))


@dataclasses.dataclass(frozen=True)
class FeedForwardCase:
    activation: str = "gelu"
    m: int = 70
    k: int = 48
    h: int = 96
    n: int = 40
    gated: bool = False
    biased: bool = True
    dtype: str = "float32"
    transposed: bool = True  # weights as PyTorch's Linear has them: [out, in]
    rows: int | None = None
    dynamic: bool = True
    spread: float = 1.0

    def __str__(self):
        return "-".join(str(v) for v in dataclasses.astuple(self) if v not in (None, False, 1.0))

    def shapes(self):
        """Operands by name, in the order of the entry's arguments."""
        def matrix(columns, depth):
            return (columns, depth) if self.transposed else (depth, columns)

        shapes = {"input": (self.m, self.k), "up": matrix(self.h, self.k)}
        if self.biased:
            shapes["up_bias"] = (self.h,)
        if self.gated:
            shapes["gate"] = matrix(self.h, self.k)
            if self.biased:
                shapes["gate_bias"] = (self.h,)
        shapes["down"] = matrix(self.n, self.h)
        if self.biased:
            shapes["down_bias"] = (self.n,)
        return shapes

    def tensor(self, name):
        shape = list(self.shapes().get(name, (self.m, self.n)))
        if self.dynamic and name in ("input", "output"):
            shape[0] = "?"
        return f"tensor<{'x'.join(map(str, shape))}x{MLIR_TYPES[self.dtype]}>"

    def ir(self, by_loops=False):
        assert not by_loops
        first, second = ("(h, k)", "(n, h)") if self.transposed else ("(k, h)", "(h, n)")
        names = list(self.shapes())
        arguments = ", ".join(f"%{name}: {self.tensor(name)}" for name in names)
        operands = " ".join(f"{name}(%{name} : {self.tensor(name)})" for name in names[1:])
        maps = ", ".join(["#up"] * (1 + self.gated) + ["#down"])
        output = self.tensor("output")
        size = "%c0 = arith.constant 0 : index\n  %m = tensor.dim %input, %c0 : " + self.tensor("input")
        rows = f" rows {self.rows}" if self.rows else ""
        return f"""\
#up = affine_map<(m, k, h, n) -> {first}>
#down = affine_map<(m, k, h, n) -> {second}>
func.func @main({arguments}) -> {output} {{
  {size if self.dynamic else ""}
  %init = tensor.empty({"%m" if self.dynamic else ""}) : {output}
  %r = attn.feed_forward {self.activation} ins(%input : {self.tensor("input")}) {operands}
      outs(%init : {output}) maps [{maps}]{rows} -> {output}
  return %r : {output}
}}
"""

    def inputs(self, seed=0):
        """f64 arrays, rounded to the case's type."""
        rng = np.random.default_rng(seed)
        arrays = []
        for name, shape in self.shapes().items():
            array = rng.standard_normal(shape)
            if name == "input":
                array *= self.spread
            elif len(shape) == 2:
                array /= math.sqrt(shape[1] if self.transposed else shape[0])
            arrays.append(round_to(array, self.dtype))
        return arrays

    def parts(self, inputs):
        """Hidden values, and the matrix and bias after them."""
        given = dict(zip(self.shapes(), inputs, strict=True))
        turn = np.transpose if self.transposed else np.asarray

        def linear(x, name):
            return x @ turn(given[name]) + given.get(f"{name}_bias", 0)

        hidden = linear(given["input"], "up")
        if self.gated:
            hidden = activate(self.activation, linear(given["input"], "gate")) * hidden
        else:
            hidden = activate(self.activation, hidden)
        return hidden, turn(given["down"]), given.get("down_bias", np.zeros(self.n))

    def evaluate(self, inputs):
        hidden, down, bias = self.parts(inputs)
        return hidden @ down + bias

    def tolerance(self, inputs):
        """Rounding of sums (over K for hidden values, over H after) and of the result, elementwise.

        A sum of n products in any order is off by at most n units of the sum of magnitudes; the
        typical error is its square root, of which six are allowed for. Activations are within 8 units.
        """
        hidden, down, bias = self.parts(inputs)
        unit = max(ROUNDOFF["float64"] if self.dtype == "float64" else ROUNDOFF["float32"], 2.0**-50)
        scale = np.abs(hidden) @ np.abs(down) + np.abs(bias)
        carried = np.sqrt((hidden**2).mean() + 1) * np.abs(down).sum(axis=0)
        sums = unit * (6 * math.sqrt(self.h) + 8) * scale + unit * 6 * math.sqrt(self.k) * 4 * carried
        return sums + ROUNDOFF[self.dtype] * np.abs(self.evaluate(inputs))
