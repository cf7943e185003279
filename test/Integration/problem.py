# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the problems of the generated tests share: element types and their roundoff, how operands are spelled in IR, and
how results are compared."""

import numpy as np

MLIR_TYPES = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"}
# Unit roundoff: half the distance from 1 to the next number.
ROUNDOFF = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


class Problem:
    """A dataclass that derives from this has `dtype`, `d`, perhaps `e`, `lse` and `dynamic`, and defines `operands()`,
    `dims(name)`, the dimensions of an operand's array by letter, `shape(name)` and `type_of(name)`."""

    # The operand whose extents results have, and the dimensions that are left open where the problem is dynamic.
    LEADING = "query"
    OPEN = "bij"

    @property
    def accumulator(self):
        return "float64" if self.dtype == "float64" else "float32"

    @property
    def value_size(self):
        return self.e or self.d

    def destinations(self):
        return ["output"] + (["lse"] if self.lse else [])

    def tensor(self, name, element):
        """The type of an operand or result."""
        sizes = zip(self.dims(name), self.shape(name), strict=True)
        shape = ["?" if self.dynamic and dim in self.OPEN else str(extent) for dim, extent in sizes]
        return f"tensor<{'x'.join([*shape, element])}>"

    def types(self, names):
        return ", ".join(self.type_of(name) for name in names)

    def listed(self, names):
        """Operands and their types in parentheses."""
        return f"({', '.join(f'%{name}' for name in names)} : {self.types(names)})"

    def opening(self, arguments):
        """The line that @main of these arguments begins with."""
        arguments = ", ".join(f"%{name}: {self.type_of(name)}" for name in arguments)
        return f"func.func @main({arguments}) -> ({self.types(self.destinations())}) {{"

    def closing(self):
        """The lines from the types of an operation's results %r to the end of @main."""
        types = self.types(self.destinations())
        values = ", ".join(f"%r#{number}" for number in range(len(self.destinations())))
        return [f"      -> {types}", f"  return {values} : {types}", "}", ""]

    def empties(self):
        """The lines that make the destinations inside @main."""
        return [line for name in self.destinations() for line in self._empty(name)]

    def _empty(self, name):
        lines, sizes = [], []
        for dim in self.dims(name):
            if self.dynamic and dim in self.OPEN:
                at, leading = self.dims(self.LEADING).index(dim), f"%{self.LEADING}"
                lines += [f"  %{name}_c{dim} = arith.constant {at} : index"]
                lines += [f"  %{name}_{dim} = tensor.dim {leading}, %{name}_c{dim} : {self.type_of(self.LEADING)}"]
                sizes += [f"%{name}_{dim}"]
        return lines + [f"  %{name} = tensor.empty({', '.join(sizes)}) : {self.type_of(name)}"]


def round_to(array, dtype):
    """The nearest numbers of the type, in f64."""
    if dtype == "float64":
        return array
    if dtype != "bfloat16":
        return array.astype(dtype).astype(np.float64)
    bits = array.astype(np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def assert_close(got, wanted, tolerances, what=""):
    """NaN is looked for first: a maximum would let it pass. Infinities must agree exactly."""
    for number, (left, right, tolerance) in enumerate(zip(got, wanted, tolerances, strict=True)):
        left = np.asarray(left, np.float64)
        assert left.shape == right.shape, f"{what} result {number}: expected shape {right.shape}, got {left.shape}"
        assert np.array_equal(np.isnan(left), np.isnan(right)), f"{what} result {number}: NaN in other places"
        assert np.array_equal(np.isneginf(left), np.isneginf(right)), f"{what} result {number}: -inf in other places"
        finite = np.isfinite(right)
        error = float(np.max(np.abs(left[finite] - right[finite]), initial=0))
        assert error <= tolerance, f"{what} result {number}: expected an error of at most {tolerance:.3g}, got {error:.3g}"
