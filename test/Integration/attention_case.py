# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One attention problem of the generated tests: its IR, its inputs, its meaning in numpy, and how far off a result of
limited precision may be.

The meaning here is written from the definition and shares nothing with the compiler, so that the compiler's own
reference is tested too.
"""

import dataclasses
import math

import masks
import numpy as np
from problem import MLIR_TYPES, ROUNDOFF, Problem, round_to

DOMAIN = "affine_map<(b, h, i, j, d, e) -> ({})>"


@dataclasses.dataclass(frozen=True)
class Case(Problem):
    """`layout` orders the dimensions of query and output: "bhi" is [B,H,N,D], "bih" is [B,N,H,D], "hi" has no batch."""

    n: int
    m: int
    d: int = 16
    e: int | None = None
    batch: int = 1
    heads: int = 2
    group: int = 1
    dtype: str = "float32"
    layout: str = "bhi"
    mask: object = None
    bias: str | None = None  # dimensions out of "bhijr", r being the position j - i
    parts: tuple | None = None  # the lengths that the m keys come in
    relative: str | None = None  # dimensions of the rows of positions, "hr" or "r"
    positions: int | None = None  # extent of r, by default n + m - 1
    key_valid: str | None = None  # "bj" or "j"
    softcap: float | None = None
    scale: float | None = None
    score_mod: str | None = None  # a key of SCORE_MODS
    lse: bool = False
    dynamic: bool = True
    seed: int = 0
    spread: float = 1.0  # standard deviation of queries and keys

    OPEN = "bijr"

    @property
    def has_batch(self):
        return "b" in self.layout

    def __str__(self):
        parts = [f"n{self.n}m{self.m}d{self.d}"]
        parts += [f"e{self.e}"] if self.e else []
        parts += [f"b{self.batch}h{self.heads}g{self.group}", self.dtype, self.layout, masks.name(self.mask)]
        parts += [f"parts{'+'.join(map(str, self.parts))}"] if self.parts else []
        parts += [f"relative:{self.relative}"] if self.relative else []
        parts += [f"r{self.positions}"] if self.positions else []
        parts += [f"bias:{self.bias}"] if self.bias is not None else []
        parts += [f"valid:{self.key_valid}"] if self.key_valid else []
        parts += [f"cap{self.softcap}"] if self.softcap else []
        parts += [f"scale{self.scale}"] if self.scale is not None else []
        parts += [self.score_mod] if self.score_mod else []
        parts += ["lse"] if self.lse else []
        parts += [] if self.dynamic else ["static"]
        return "-".join(parts)

    # -- extents ------------------------------------------------------------------------------------------------------

    def extent(self, dim, key=False, part=None):
        heads = self.heads // self.group if key else self.heads
        keys = self.m if part is None else self.parts[part]
        positions = self.positions or self.n + self.m - 1
        return {
            "b": self.batch, "h": heads, "i": self.n, "j": keys, "d": self.d, "e": self.value_size, "r": positions
        }[dim]  # fmt: skip

    @staticmethod
    def _part(operand):
        """ "key2" is the key of part 2, "key" that of part 0."""
        name = operand.rstrip("0123456789")
        return name, int(operand[len(name) :] or 0)

    def dims(self, operand):
        """The dimensions of an operand's array, in its order."""
        order = self.layout
        return {
            "query": order + "d",
            "relative_query": order + "d",
            "relative": f"{self.relative}d",
            "key": order.replace("i", "j") + "d",
            "value": order.replace("i", "j") + "e",
            "bias": self.bias,
            "key_valid": self.key_valid,
            "output": order + "e",
            "lse": "bhi" if self.has_batch else "hi",
        }[self._part(operand)[0]]

    def shape(self, operand):
        name, number = self._part(operand)
        key, part = name in ("key", "value", "relative"), None
        if self.parts and name in ("key", "value"):
            part = number
        return tuple(self.extent(dim, key, part) for dim in self.dims(operand))

    # -- IR -----------------------------------------------------------------------------------------------------------

    def type_of(self, operand):
        element = MLIR_TYPES[self.dtype]
        if operand == "lse":
            element = MLIR_TYPES[self.accumulator]
        if operand == "key_valid":
            element = "i1"
        return self.tensor(operand, element)

    def map_of(self, operand):
        shared = operand in ("key", "value", "relative") and self.group > 1
        results = [f"h floordiv {self.group}" if shared and dim == "h" else dim for dim in self.dims(operand)]
        return DOMAIN.format(", ".join("j - i" if result == "r" else result for result in results))

    def operands(self):
        names = ["query", "key", "value"]
        names += ["bias"] if self.bias is not None else []
        names += ["key_valid"] if self.key_valid else []
        names += ["relative", "relative_query"] if self.relative else []
        return names + self.segments()

    def segments(self):
        return [f"{name}{part}" for part in range(1, len(self.parts or ())) for name in ("key", "value")]

    def ir(self, destinations_are_arguments=False):
        """A module with @main of the operands; destinations are made inside unless they are arguments too."""
        operands, destinations = self.operands(), self.destinations()
        lines = [self.opening(operands + (destinations if destinations_are_arguments else []))]
        lines += [] if destinations_are_arguments else self.empties()
        lines += [f"  %r:{len(destinations)} = attn.attention ins{self.listed(['query', 'key', 'value'])}"]
        lines += [f"      segments{self.listed(self.segments())}"] if self.segments() else []
        lines += [f"      relative{self.listed(['relative_query', 'relative'])}"] if self.relative else []
        lines += [f"      {name}{self.listed([name])}" for name in ("bias", "key_valid") if name in operands]
        lines += [f"      outs{self.listed(destinations)}"]
        mapped = [name for name in operands if name in ("query", "key", "value", "bias", "key_valid")] + destinations
        mapped += ["relative"] if self.relative else []
        lines += [f"      maps [{', '.join(self.map_of(name) for name in mapped)}]"]
        lines += [f"      mask {self.mask}"] if self.mask else []
        lines += [f"      scale {self.scale:e}"] if self.scale is not None else []
        lines += [f"      softcap {self.softcap:e}"] if self.softcap else []
        lines += [SCORE_MODS[self.score_mod][0].replace("FLOAT", MLIR_TYPES[self.accumulator])] if self.score_mod else []
        return "\n".join(lines + self.closing())

    # -- inputs -------------------------------------------------------------------------------------------------------

    def inputs(self):
        """Random arrays in f64 that the case's type holds exactly, in the order of the operands."""
        rng = np.random.default_rng([self.seed, self.n, self.m, self.d])
        made = {name: rng.standard_normal(self.shape(name)) for name in self.operands()}
        for name in made:
            if self._part(name)[0] in ("query", "key", "relative_query"):
                made[name] = made[name] * self.spread
        if self.key_valid:
            made["key_valid"] = (rng.random(self.shape("key_valid")) < 0.7).astype(np.float64)
        return [made[name] if name == "key_valid" else round_to(made[name], self.dtype) for name in self.operands()]

    # -- meaning ------------------------------------------------------------------------------------------------------

    def _whole(self, name, arrays):
        """The key or value of all parts."""
        axis = self.dims(name).index("j")
        return np.concatenate([arrays[f"{name}{part or ''}"] for part in range(len(self.parts or (0,)))], axis)

    def _by_position(self, array):
        """An array whose axis -2 is r, with i and j in its place: the element at j - i + n - 1, or 0."""
        at = np.arange(self.m)[None, :] - np.arange(self.n)[:, None] + self.n - 1
        there = at < array.shape[-2]
        return np.where(there[..., None], array[..., np.minimum(at, array.shape[-2] - 1), :], 0)

    def _bias(self, array):
        """[B or 1, H or 1, N or 1, M or 1]"""
        if "r" not in self.bias:
            return self._canonical("bias", array)[..., 0, 0]
        full = array.reshape([array.shape[self.bias.index(dim)] if dim in self.bias else 1 for dim in "bhr"])
        return self._by_position(full[..., None])[..., 0]

    def _canonical(self, name, array):
        """The array with the dimensions b, h, i, j, d, e that it has, in this order, and 1 for those it lacks."""
        dims = self.dims(name)
        order = [dims.index(dim) for dim in "bhijde" if dim in dims]
        shape = [array.shape[dims.index(dim)] if dim in dims else 1 for dim in "bhijde"]
        full = array.transpose(order).reshape(shape)
        return np.repeat(full, self.group, axis=1) if name in ("key", "value") and self.group > 1 else full

    def scores(self, arrays, absolute=False):
        """[B,H,N,M] scores before the mask; with `absolute`, the sums of the absolute values that they are made of."""
        query = self._canonical("query", arrays["query"])[:, :, :, 0, :, 0]
        key = self._canonical("key", self._whole("key", arrays))[:, :, 0, :, :, 0]
        if absolute:
            query, key = np.abs(query), np.abs(key)
        scores = np.einsum("bhid,bhjd->bhij", query, key)
        if self.relative:
            query = self._canonical("query", arrays["relative_query"])[:, :, :, 0, :, 0]
            rows = arrays["relative"] if "h" in self.relative else arrays["relative"][None]
            rows = np.repeat(rows, self.heads // rows.shape[0], axis=0)
            rows = self._by_position(np.abs(rows) if absolute else rows)
            scores = scores + np.einsum("bhid,hijd->bhij", np.abs(query) if absolute else query, rows)
        scores = scores * (self.scale if self.scale is not None else self.d**-0.5)
        if absolute:
            scores = np.abs(scores)
        elif self.softcap:
            scores = self.softcap * np.tanh(scores / self.softcap)
        positions = np.meshgrid(*(np.arange(k) for k in scores.shape), indexing="ij")
        if self.score_mod:
            change = SCORE_MODS[self.score_mod][1]
            scores = scores + np.abs(change(np.zeros_like(scores), *positions)) if absolute else change(scores, *positions)
        if self.bias is not None:
            bias = self._bias(arrays["bias"])
            scores = scores + (np.abs(bias) if absolute else bias)
        return scores

    def allowed(self, arrays):
        """[B,H,N,M]: which pairs may attend."""
        allowed = np.ones((self.batch, self.heads, self.n, self.m), bool)
        if self.mask:
            for head in range(self.heads):
                allowed[:, head] &= self.mask.allowed(self.n, self.m, head)
        if self.key_valid:
            allowed &= self._canonical("key_valid", arrays["key_valid"])[..., 0, 0] != 0
        return allowed

    def evaluate(self, inputs):
        """The results in f64, in the layouts of the case."""
        arrays = dict(zip(self.operands(), inputs))
        value = self._canonical("value", self._whole("value", arrays))[:, :, 0, :, 0, :]
        with np.errstate(all="ignore"):
            scores = np.where(self.allowed(arrays), self.scores(arrays), -np.inf)
            top = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
            weights = np.exp(scores - np.where(top == -np.inf, 0, top))
            total = weights.sum(axis=-1, keepdims=True)
            terms = np.where(
                (scores == -np.inf)[..., None], 0, (weights / total)[..., None] * value[:, :, None, :, :]
            )
            output = terms.sum(axis=3)
            lse = np.where(total == 0, -np.inf, np.where(top == -np.inf, 0, top) + np.log(total))[..., 0]
        return [self._arrange("output", output), self._arrange("lse", lse)][: len(self.destinations())]

    def _arrange(self, name, array):
        dims = self.dims(name)
        source = "bhie" if name == "output" else "bhi"
        if not self.has_batch:
            array, source = array[0], source[1:]
        return np.ascontiguousarray(array.transpose([source.index(dim) for dim in dims]))

    # -- tolerance ----------------------------------------------------------------------------------------------------

    def tolerances(self, inputs):
        """Bounds of the absolute error of output and lse, by number.

        A sum of k terms rounded to u is off by about sqrt(k) u times the sum of their absolute values; the factor 4 is
        for luck. A score s is such a sum over d, of which S bounds the absolute values; f16 and bf16 queries may be
        rounded once more after scaling. An error t of all scores, and one of u in a weight, change the normalised
        weights by 2 (t + u) relative, and the output by that times the largest value. The weights may be rounded to the
        operands' type before they meet the values; the output is rounded to it in the end.
        """
        arrays = dict(zip(self.operands(), inputs))
        u, narrow = ROUNDOFF[self.accumulator], ROUNDOFF[self.dtype]
        narrow_operand = narrow if narrow > u else 0.0
        finite = np.nan_to_num(self.scores({k: np.nan_to_num(v) for k, v in arrays.items()}, absolute=True), posinf=0)
        bound = float(np.max(np.where(self.allowed(arrays), finite, 0), initial=0))
        score = 4 * (math.sqrt(self.d) + 4) * u * bound + narrow_operand * bound
        value = float(np.max(np.abs(np.nan_to_num(self._whole("value", arrays), posinf=0, neginf=0)), initial=0))
        weight = narrow_operand + 4 * (math.sqrt(self.m) + 8) * u
        output = 2 * (score + weight) * value + narrow * value + 1e-300
        lse = score + 4 * (math.sqrt(self.m) + 8) * u + 4 * u * (bound + math.log(self.m + 1))
        return [output, lse][: len(self.destinations())]


_DISTANCE = """      score_mod {
      ^bb0(%s: FLOAT, %b: index, %h: index, %i: index, %j: index):
        %distance = arith.subi %j, %i : index
        %int = arith.index_cast %distance : index to i32
        %float = arith.sitofp %int : i32 to FLOAT
        BODY
        attn.yield %new : FLOAT
      }"""

SCORE_MODS = {
    # Slopes 2^-(h+1), as ALiBi has them for eight heads.
    "alibi": (
        _DISTANCE.replace(
            "BODY",
            """%one = arith.constant 1 : index
        %power = arith.addi %h, %one : index
        %power_int = arith.index_cast %power : index to i32
        %power_float = arith.sitofp %power_int : i32 to FLOAT
        %negative = arith.negf %power_float : FLOAT
        %slope = math.exp2 %negative : FLOAT
        %absolute = math.absf %float : FLOAT
        %penalty = arith.mulf %absolute, %slope : FLOAT
        %new = arith.subf %s, %penalty : FLOAT""",
        ),
        lambda s, b, h, i, j: s - np.abs(j - i) * 2.0 ** -(h + 1),
    ),
    # Uses the batch index, and the score more than once.
    "batch_bump": (
        _DISTANCE.replace(
            "BODY",
            """%batch_int = arith.index_cast %b : index to i32
        %batch = arith.sitofp %batch_int : i32 to FLOAT
        %half = arith.constant 5.000000e-01 : FLOAT
        %scaled = arith.mulf %s, %half : FLOAT
        %bumped = arith.addf %scaled, %batch : FLOAT
        %zero = arith.constant 0.000000e+00 : FLOAT
        %behind = arith.cmpf olt, %float, %zero : FLOAT
        %new = arith.select %behind, %bumped, %s : FLOAT""",
        ),
        lambda s, b, h, i, j: np.where(j < i, 0.5 * s + b, s),
    ),
}
