# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One token of linear attention as IR. Its meaning is that of causal linear attention over the tokens so far."""

import dataclasses

import numpy as np
from linear_case import CUSTOM, SOFTMAX, LinearCase
from problem import MLIR_TYPES, Problem


@dataclasses.dataclass(frozen=True)
class LinearStepCase(Problem):
    feature: str = "elu_plus_one"
    d: int = 16
    e: int = 16
    batch: int | None = 3
    heads: int | None = 4
    group: int = 1
    features: int | None = None  # rows of the projection
    per_head: bool = False
    dtype: str = "float32"
    key_valid: bool = False
    in_place: bool = True

    def __str__(self):
        return "-".join(str(v) for v in dataclasses.astuple(self) if v not in (None, False, 1))

    def sequence(self, n):
        """The case that n steps are together."""
        return LinearCase(
            n=n, m=n, feature=self.feature, d=self.d, e=self.e, batch=self.batch or 1, heads=self.heads or 1,
            group=self.group, features=self.features, per_head=self.per_head, dtype=self.dtype, causal="top_left",
            key_valid=self.key_valid, layout="bih", final=True)

    @property
    def parts(self):
        return ["sum", "norm"] + (["reference"] if self.feature in SOFTMAX else [])

    def operands(self):
        names = ["query", "key", "value"] + (["projection"] if self.features else [])
        return names + (["key_valid"] if self.key_valid else []) + self.parts

    def destinations(self):
        return ["output", *self.parts]

    def shape(self, name):
        outer = [self.batch] if self.batch else []
        heads = [self.heads] if self.heads else []
        shared = [self.heads // self.group] if self.heads else []
        count = (self.features or self.d) * (2 if self.feature == "softmax_hyperbolic" else 1)
        return tuple({
            "query": outer + heads + [self.d], "key": outer + shared + [self.d], "value": outer + shared + [self.e],
            "projection": (heads if self.per_head else []) + [self.features, self.d], "key_valid": outer,
            "output": outer + heads + [self.e], "sum": outer + heads + [count, self.e], "norm": outer + heads + [count],
            "reference": outer + heads,
        }[name.removeprefix("final_")])

    def type_of(self, name):
        narrow = name in ("query", "key", "value", "output")
        element = "i1" if name == "key_valid" else MLIR_TYPES[self.dtype if narrow else self.accumulator]
        return f"tensor<{''.join(f'{extent}x' for extent in self.shape(name))}{element}>"

    def ir(self):
        listed = self.listed
        parts = self.parts if self.in_place else [f"final_{part}" for part in self.parts]
        lines = [self.opening(self.operands())]
        for name in ["output", *([] if self.in_place else parts)]:
            lines += [f"  %{name} = tensor.empty() : {self.type_of(name)}"]
        lines += [f"  %r:{1 + len(parts)} = attn.linear_step {self.feature} ins{listed(['query', 'key', 'value'])}"]
        lines += [f"      {name}{listed([name])}" for name in ("projection", "key_valid") if name in self.operands()]
        lines += [f"      state{listed(self.parts)} outs{listed(['output'])} final{listed(parts)}"]
        lines += [CUSTOM.replace("FLOAT", MLIR_TYPES[self.accumulator])] if self.feature == "custom" else []
        return "\n".join(lines + self.closing())

    def start(self):
        """The state of no token."""
        return [np.full(self.shape(part), -1e30 if part == "reference" else 0.0) for part in self.parts]

    def token(self, arrays, t):
        """The operands of token t, of those of a whole sequence by name."""
        made = []
        for name in self.operands()[: -len(self.parts)]:
            array = arrays[name]
            if name != "projection":
                array = array[:, t].reshape(self.shape(name))
            made.append(array)
        return made
