# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One problem of low-rank attention: its IR, its inputs, its meaning in numpy, and how far off a result may be.

Written from the definition, like attention_case.py, whose engines and comparisons it serves.
"""

import dataclasses
import math

import numpy as np
from problem import MLIR_TYPES, ROUNDOFF, Problem, round_to

DOMAIN = "affine_map<(b, h, i, j, s, d, e) -> ({})>"


@dataclasses.dataclass(frozen=True)
class LowRankCase(Problem):
    """`sharing` is what has its own projections: "none" shares nothing, "kv-heads" has a pair for each head of the keys,
    "headwise" one pair, "key-value" one matrix. `columns` are those of the projections: n, or more, or the block."""

    n: int
    slots: int
    columns: int | None = None
    m: int | None = None
    d: int = 16
    e: int | None = None
    batch: int = 1
    heads: int = 2
    group: int = 1
    dtype: str = "float32"
    layout: str = "bhi"
    sharing: str = "headwise"
    block: int | None = None
    causal: bool = False
    key_valid: str | None = None  # "bj" or "j"
    scale: float | None = None
    lse: bool = False
    dynamic: bool = True
    seed: int = 0

    @property
    def keys(self):
        return self.n if self.m is None else self.m

    @property
    def factor(self):
        return self.d**-0.5 if self.scale is None else self.scale

    def __str__(self):
        skip = {"columns": None, "m": None, "e": None, "batch": 1, "group": 1, "block": None, "causal": False, "seed": 0,
                "key_valid": None, "scale": None, "lse": False, "dynamic": True}  # fmt: skip
        fields = dataclasses.asdict(self).items()
        return "-".join(f"{name}{value}" for name, value in fields if name not in skip or value != skip[name])

    # -- extents and IR -----------------------------------------------------------------------------------------------

    def dims(self, operand):
        keys = self.layout.replace("i", "j")
        heads = {"none": "h", "kv-heads": "h"}.get(self.sharing, "")
        return {"query": self.layout + "d", "key": keys + "d", "value": keys + "e", "E": heads + "sJ", "F": heads + "sJ",
                "key_valid": self.key_valid, "output": self.layout + "e", "lse": "bhi"}[operand]  # fmt: skip

    def is_shared(self, operand):
        return operand in ("key", "value") or (operand in "EF" and self.sharing == "kv-heads")

    def extent(self, dim, operand):
        heads = self.heads // self.group if self.is_shared(operand) else self.heads
        columns = self.block or self.columns or self.keys
        return {"b": self.batch, "h": heads, "i": self.n, "j": self.keys, "s": self.slots, "J": columns, "d": self.d,
                "e": self.e or self.d}[dim]  # fmt: skip

    def shape(self, operand):
        return tuple(self.extent(dim, operand) for dim in self.dims(operand))

    def type_of(self, operand):
        element = {"lse": MLIR_TYPES[self.accumulator], "key_valid": "i1"}
        return self.tensor(operand, element.get(operand, MLIR_TYPES[self.dtype]))

    def map_of(self, operand):
        split = self.is_shared(operand) and self.group > 1
        names = {"h": f"h floordiv {self.group}" if split else "h", "J": "j"}
        return DOMAIN.format(", ".join(names.get(dim, dim) for dim in self.dims(operand)))

    def operands(self):
        projections = ["E"] if self.sharing == "key-value" else ["E", "F"]
        return ["query", "key", "value", *projections] + (["key_valid"] if self.key_valid else [])

    def ir(self, by_loops=False):
        assert not by_loops, "there is one reference for this operation"
        second = "E" if self.sharing == "key-value" else "F"
        lines = [self.opening(self.operands()), *self.empties()]
        used = ["query", "key", "value", "E", second] + (["key_valid"] if self.key_valid else []) + self.destinations()
        lines += [f"  %r:{len(self.destinations())} = attn.low_rank_attention",
                  f"      ins{self.listed(used[:3])}", f"      projections{self.listed(['E', second])}"]  # fmt: skip
        lines += [f"      key_valid{self.listed(['key_valid'])}"] if self.key_valid else []
        lines += [f"      outs{self.listed(self.destinations())}"]
        lines += [f"      maps [{', '.join(self.map_of(name) for name in used)}]"]
        lines += [f"      block {self.block}"] if self.block else []
        lines += ["      causal"] if self.causal else []
        lines += [f"      scale {self.scale:e}"] if self.scale is not None else []
        return "\n".join(lines + self.closing())

    # -- inputs and meaning -------------------------------------------------------------------------------------------

    def inputs(self):
        rng = np.random.default_rng([self.seed, self.n, self.keys, self.slots])
        made = {name: rng.standard_normal(self.shape(name)) for name in self.operands()}
        for name in {"E", "F"} & made.keys():
            made[name] = made[name] * self.slots**-0.5
        if self.key_valid:
            made["key_valid"] = (rng.random(self.shape("key_valid")) < 0.7).astype(np.float64)
        return [made[name] if name == "key_valid" else round_to(made[name], self.dtype) for name in self.operands()]

    def _canonical(self, name, array):
        """[B, H, rows, columns], B and H being 1 where the operand has none."""
        dims = self.dims(name)
        order = [dims.index(dim) for dim in "bhisjJde" if dim in dims]
        array = array.transpose(order)
        sizes = list(array.shape)
        array = array.reshape([sizes.pop(0) if dim in dims else 1 for dim in "bh"] + sizes)
        return np.repeat(array, self.group, axis=1) if self.is_shared(name) and "h" in dims else array

    def _arrays(self, inputs):
        arrays = dict(zip(self.operands(), inputs, strict=True))
        arrays.setdefault("F", arrays["E"])
        valid = arrays.pop("key_valid", None)
        made = {name: self._canonical(name, array) for name, array in arrays.items()}
        shape = (self.batch, self.keys)
        made["valid"] = np.ones(shape, bool) if valid is None else np.broadcast_to(valid != 0, shape)
        return made

    def slots_of(self, source, projection, valid, absolute=False):
        """[B, H, all slots, columns] of a source [B, H, keys, columns]."""
        source = np.where(valid[:, None, :, None], source, 0)
        if absolute:
            source, projection = np.abs(source), np.abs(projection)
        size = self.block or max(self.keys, 1)
        blocks = range(0, self.keys // size * size if self.causal else self.keys, size)
        parts = [projection[..., : min(size, self.keys - at)] @ source[..., at : at + size, :] for at in blocks]
        empty = np.zeros((self.batch, self.heads, 0, source.shape[-1]))
        if not self.block and self.keys == 0:
            return np.zeros((self.batch, self.heads, self.slots, source.shape[-1]))
        return np.concatenate([np.broadcast_to(p, (self.batch, self.heads, *p.shape[2:])) for p in parts] or [empty], 2)

    def pairs(self, inputs, absolute=False):
        """Keys [B, H, S, D] and values that queries meet, and which of them [B, N, S] they may."""
        arrays = self._arrays(inputs)
        valid, key, value = arrays["valid"], arrays["key"], arrays["value"]
        keys = self.slots_of(key, arrays["E"], valid, absolute)
        values = self.slots_of(value, arrays["F"], valid, absolute)
        allowed = np.ones((self.batch, self.n, keys.shape[2]), bool)
        if self.causal:
            block = np.arange(self.n) // self.block
            slot_block = np.arange(keys.shape[2]) // self.slots
            whole = self.keys // self.block * self.block
            some = valid[:, :whole].reshape(self.batch, -1, self.block).any(2)[:, slot_block]
            allowed = (slot_block[None, :] < block[:, None])[None] & some[:, None, :]
            position = np.arange(self.n)
            own = (block[:, None] == block[None, :]) & (position[None, :] <= position[:, None])
            allowed = np.concatenate([allowed, own[None] & valid[:, None, :]], 2)
            shape = (self.batch, self.heads, self.keys, -1)
            key, value = (np.broadcast_to(x, (*shape[:3], x.shape[-1])) for x in (key, value))
            keys, values = np.concatenate([keys, key], 2), np.concatenate([values, value], 2)
        return arrays["query"], keys, values, allowed[:, None]

    def evaluate(self, inputs):
        with np.errstate(all="ignore"):
            query, keys, values, allowed = self.pairs(inputs)
            scores = np.where(allowed, query @ keys.swapaxes(-1, -2) * self.factor, -np.inf)
            top = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
            weights = np.exp(scores - np.where(top == -np.inf, 0, top))
            total = weights.sum(-1, keepdims=True)
            values = np.where(allowed.any(2)[..., None], values, 0)
            output = np.where(total == 0, 0, weights / total @ values)
            lse = np.where(total == 0, -np.inf, np.where(top == -np.inf, 0, top) + np.log(total))[..., 0]
        order = ["bhie".index(dim) for dim in self.dims("output")]
        missing = tuple(axis for axis in range(2) if axis not in order)
        output = output.transpose([*missing, *order]).squeeze(tuple(range(len(missing))))
        return [np.ascontiguousarray(output), lse][: len(self.destinations())]

    def tolerances(self, inputs):
        """As attention_case.py derives them, with the slots' own rounding: a sum over the keys, and once more to the
        operands' type."""
        u, narrow = ROUNDOFF[self.accumulator], ROUNDOFF[self.dtype]
        narrow = narrow if narrow > u else 0.0
        clean = [np.nan_to_num(array, posinf=0, neginf=0) for array in inputs]
        query, keys, values, _ = self.pairs(clean)
        _, key_sums, value_sums, _ = self.pairs(clean, absolute=True)
        length = 4 * (math.sqrt(self.block or self.keys) + 4) * u
        largest = lambda array: float(np.max(array, initial=0))  # noqa: E731
        meet = lambda array: largest(np.abs(query) @ array.swapaxes(-1, -2)) * abs(self.factor)  # noqa: E731
        score = length * meet(key_sums) + (4 * (math.sqrt(self.d) + 4) * u + 2 * narrow) * meet(np.abs(keys))
        weight = narrow + 4 * (math.sqrt(keys.shape[2]) + 8) * u
        value = largest(np.abs(values))
        output = 2 * (score + weight) * value + length * largest(value_sums) + 2 * narrow * value + 1e-300
        lse = score + 4 * (math.sqrt(keys.shape[2]) + 8) * u + 4 * u * (meet(np.abs(keys)) + math.log(keys.shape[2] + 1))
        return [output, lse][: len(self.destinations())]
