# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One product of matrices with what may follow it: its IR, its inputs, its meaning in numpy, and how far off it may be."""

import dataclasses
import math

import numpy as np
from feed_forward_case import activate
from problem import MLIR_TYPES, ROUNDOFF, round_to

GELU = """\
    %half = arith.constant 0.5 : f32
    %one = arith.constant 1.0 : f32
    %root = arith.constant 0.70710678118654752 : f32
    %scaled = arith.mulf %t, %root : f32
    %erf = math.erf %scaled : f32
    %more = arith.addf %one, %erf : f32
    %small = arith.mulf %half, %t : f32
    %r = arith.mulf %small, %more : f32
"""


@dataclasses.dataclass(frozen=True)
class ProductCase:
    spec: str = "mk,kn->mn"  # as einsum has it
    m: int = 70
    n: int = 56
    k: int = 48
    b: int = 3  # batch
    c: int = 1  # further dimensions
    d: int = 1
    dtype: str = "float16"
    sums: str = "float32"  # the type in which the product is written
    epilogue: str = ""  # "bias", "gelu" (with a bias), "residual"
    out: str = ""  # the type of what the epilogue gives, or that of the sums
    initial: float = 0.0
    dynamic: str = ""  # dimensions of unknown extent

    def __str__(self):
        return "-".join(str(v) for v in dataclasses.astuple(self) if v not in ("", 0.0)).replace(">", "")

    @property
    def parts(self):
        inputs, out = self.spec.split("->")
        return [*inputs.split(","), out]

    @property
    def result_type(self):
        return self.out or self.sums

    def shape(self, letters):
        return tuple(getattr(self, letter) for letter in letters)

    def tensor(self, letters, dtype):
        extents = ["?" if letter in self.dynamic else str(getattr(self, letter)) for letter in letters]
        return f"tensor<{'x'.join([*extents, MLIR_TYPES[dtype]])}>"

    def operands(self):
        """Names, letters and types of the arguments."""
        left, right, out = self.parts
        operands = [("left", left, self.dtype), ("right", right, self.dtype)]
        if self.epilogue in ("bias", "gelu"):
            operands.append(("bias", out[-1], self.result_type))
        if self.epilogue == "residual":
            operands.append(("residual", out, self.result_type))
        return operands

    def _sizes(self, letters):
        """Lines that make the dynamic extents of an output, and their names."""
        lines, names = [], []
        for letter in letters:
            if letter in self.dynamic:
                name, where, dtype = next(one for one in self.operands() if letter in one[1])
                lines += [f"  %c{letter} = arith.constant {where.index(letter)} : index"]
                lines += [f"  %{letter} = tensor.dim %{name}, %c{letter} : {self.tensor(where, dtype)}"]
                names += [f"%{letter}"]
        return lines, ", ".join(names)

    def ir(self):
        left, right, out = self.parts
        domain = "".join(dict.fromkeys(out + left + right))

        def mapping(letters):
            return f"affine_map<({', '.join(domain)}) -> ({', '.join(letters)})>"

        sums, narrow, wide = self.tensor(out, self.sums), MLIR_TYPES[self.dtype], MLIR_TYPES[self.sums]
        arguments = ", ".join(f"%{name}: {self.tensor(letters, dtype)}" for name, letters, dtype in self.operands())
        lines, sizes = self._sizes(out)
        result = self.tensor(out, self.result_type)
        kinds = ", ".join('"parallel"' if letter in out else '"reduction"' for letter in domain)
        extend = narrow != wide
        lines = [
            f"func.func @main({arguments}) -> {result} {{",
            *lines,
            f"  %init = arith.constant {self.initial} : {wide}",
            f"  %empty = tensor.empty({sizes}) : {sums}",
            f"  %fill = linalg.fill ins(%init : {wide}) outs(%empty : {sums}) -> {sums}",
            f"  %p = linalg.generic {{indexing_maps = [{mapping(left)}, {mapping(right)}, {mapping(out)}],",
            f"      iterator_types = [{kinds}]}}",
            f"      ins(%left, %right : {self.tensor(left, self.dtype)}, {self.tensor(right, self.dtype)})",
            f"      outs(%fill : {sums}) {{",
            f"  ^bb0(%x: {narrow}, %y: {narrow}, %s: {wide}):",
            *([f"    %u = arith.extf %x : {narrow} to {wide}", f"    %v = arith.extf %y : {narrow} to {wide}"] if extend else []),
            f"    %t = arith.mulf {'%u, %v' if extend else '%x, %y'} : {wide}",
            f"    %a = arith.addf %s, %t : {wide}",
            f"    linalg.yield %a : {wide}",
            f"  }} -> {sums}",
        ]
        lines += self._epilogue(out, sums, result, sizes) if self.epilogue else [f"  return %p : {sums}"]
        return "\n".join([*lines, "}", ""])

    def _epilogue(self, out, sums, result, sizes):
        name, letters, dtype = self.operands()[-1]
        element = MLIR_TYPES[self.result_type]

        def mapping(to):
            return f"affine_map<({', '.join(out)}) -> ({', '.join(to)})>"

        parallel = ", ".join(['"parallel"'] * len(out))
        widen = element != "f32"
        return [
            f"  %to = tensor.empty({sizes}) : {result}",
            f"  %q = linalg.generic {{indexing_maps = [{mapping(out)}, {mapping(letters)}, {mapping(out)}],",
            f"      iterator_types = [{parallel}]}} ins(%p, %{name} : {sums}, {self.tensor(letters, dtype)})",
            f"      outs(%to : {result}) {{",
            f"  ^bb0(%s: f32, %other: {element}, %o: {element}):",
            *([f"    %w = arith.extf %other : {element} to f32"] if widen else []),
            f"    %t = arith.addf %s, {'%w' if widen else '%other'} : f32",
            GELU if self.epilogue == "gelu" else "    %zero = arith.constant 0.0 : f32\n    %r = arith.addf %t, %zero : f32\n",
            *([f"    %z = arith.truncf %r : f32 to {element}"] if widen else []),
            f"    linalg.yield {'%z' if widen else '%r'} : {element}",
            f"  }} -> {result}",
            f"  return %q : {result}",
        ]

    def inputs(self, seed=0):
        rng = np.random.default_rng(seed)
        return [round_to(rng.standard_normal(self.shape(letters)), dtype) for _, letters, dtype in self.operands()]

    def evaluate(self, inputs):
        result = np.einsum(self.spec, inputs[0], inputs[1]) + self.initial
        if self.epilogue:
            result = result + inputs[2]
        return activate("gelu", result) if self.epilogue == "gelu" else result

    def tolerance(self, inputs):
        """Rounding of sums in any order, of which the typical error is the square root of the bound, and of the result."""
        depth = np.prod([getattr(self, letter) for letter in set(self.parts[0]) - set(self.parts[2])])
        scale = np.einsum(self.spec, abs(inputs[0]), abs(inputs[1])) + abs(self.initial)
        if self.epilogue:
            scale = scale + abs(inputs[2])
        sums = ROUNDOFF["float32"] * (6 * math.sqrt(depth) + 16) * scale
        return sums + (ROUNDOFF[self.sums] + ROUNDOFF[self.result_type]) * abs(self.evaluate(inputs)) + 2.0**-24
