# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One problem of linear attention: its IR, its inputs, its meaning in numpy, and how far off a result may be.

The meaning is the quadratic one, written from the definition; it shares nothing with the compiler.
"""

import dataclasses
import math

import numpy as np
from attention_case import DOMAIN
from problem import MLIR_TYPES, ROUNDOFF, Problem, round_to

SOFTMAX = ("softmax_positive", "softmax_hyperbolic")
# e^(x/2): positive, and none of the named maps.
CUSTOM = """      feature {
      ^bb0(%x: FLOAT):
        %half = arith.constant 5.000000e-01 : FLOAT
        %y = arith.mulf %x, %half : FLOAT
        %f = math.exp %y : FLOAT
        attn.yield %f : FLOAT
      }"""


@dataclasses.dataclass(frozen=True)
class LinearCase(Problem):
    n: int
    m: int
    feature: str = "elu_plus_one"
    d: int = 16
    e: int | None = None
    batch: int = 1
    heads: int = 2
    group: int = 1
    features: int | None = None  # rows of the projection
    per_head: bool = False
    dtype: str = "float32"
    layout: str = "bhi"
    causal: str | None = None
    key_valid: bool = False
    initial: bool = False
    final: bool = False
    scale: float | None = None
    feature_eps: float | None = None
    denominator_eps: float | None = None
    chunk: int | None = None
    dynamic: bool = True
    seed: int = 0
    spread: float = 1.0

    def __str__(self):
        return "-".join(str(v) for v in dataclasses.astuple(self) if v not in (None, False, 1))

    @property
    def num_features(self):
        if not self.features:
            return self.d
        return self.features * (2 if self.feature == "softmax_hyperbolic" else 1)

    @property
    def parts(self):
        return ["sum", "norm"] + (["reference"] if self.feature in SOFTMAX else [])

    def dims(self, name):
        outer = "bh" if "b" in self.layout else "h"
        return {
            "query": self.layout + "d",
            "key": self.layout.replace("i", "j") + "d",
            "value": self.layout.replace("i", "j") + "e",
            "key_valid": "bj" if "b" in self.layout else "j",
            "output": self.layout + "e",
            "projection": ("h" if self.per_head else "") + "rd",
            "sum": outer + "Re",
            "norm": outer + "R",
            "reference": outer,
        }[name.removeprefix("initial_").removeprefix("final_")]

    def extent(self, dim, shared=False):
        heads = self.heads // self.group if shared else self.heads
        sizes = {"b": self.batch, "h": heads, "i": self.n, "j": self.m, "d": self.d, "e": self.value_size}
        return sizes[dim] if dim in sizes else {"r": self.features, "R": self.num_features}[dim]

    def shape(self, name):
        return tuple(self.extent(dim, name in ("key", "value")) for dim in self.dims(name))

    def type_of(self, name):
        narrow = name in ("query", "key", "value", "output")
        element = MLIR_TYPES[self.dtype if narrow else self.accumulator]
        return self.tensor(name, "i1" if name == "key_valid" else element)

    def map_of(self, name):
        shared = name in ("key", "value") and self.group > 1
        results = [f"h floordiv {self.group}" if shared and dim == "h" else dim for dim in self.dims(name)]
        return DOMAIN.format(", ".join(results))

    def operands(self):
        names = ["query", "key", "value"]
        names += ["projection"] if self.features else []
        names += ["key_valid"] if self.key_valid else []
        return names + ([f"initial_{part}" for part in self.parts] if self.initial else [])

    def destinations(self):
        return ["output"] + ([f"final_{part}" for part in self.parts] if self.final else [])

    def ir(self):
        operands, outs = self.operands(), self.destinations()
        listed = self.listed
        lines = [self.opening(operands), *self.empties()]
        lines += [f"  %r:{len(outs)} = attn.linear_attention {self.feature} ins{listed(['query', 'key', 'value'])}"]
        lines += [f"      {name}{listed([name])}" for name in operands[3:] if not name.startswith("initial")]
        lines += [f"      initial{listed([f'initial_{part}' for part in self.parts])}"] if self.initial else []
        lines += [f"      outs{listed(['output'])}"]
        lines += [f"      final{listed(outs[1:])}"] if self.final else []
        mapped = ["query", "key", "value"] + (["key_valid"] if self.key_valid else []) + ["output"]
        lines += [f"      maps [{', '.join(self.map_of(name) for name in mapped)}]"]
        lines += [f"      causal {self.causal}"] if self.causal else []
        for name in ("scale", "feature_eps", "denominator_eps"):
            lines += [f"      {name} {getattr(self, name):e}"] if getattr(self, name) is not None else []
        lines += [f"      chunk {self.chunk}"] if self.chunk else []
        lines += [CUSTOM.replace("FLOAT", MLIR_TYPES[self.accumulator])] if self.feature == "custom" else []
        return "\n".join(lines + self.closing())

    def inputs(self):
        rng = np.random.default_rng([self.seed, self.n, self.m, self.d])
        made = []
        for name in self.operands():
            array = rng.standard_normal(self.shape(name))
            if name in ("query", "key"):
                array = array * self.spread
            if name in ("initial_sum", "initial_norm"):
                array = np.abs(array) * 3
            if name == "initial_reference":
                array = np.round(array * 2)
            if name == "key_valid":
                array = (array < 0.5).astype(np.float64)
            narrow = name in ("query", "key", "value")
            made.append(array if name == "key_valid" else round_to(array, self.dtype if narrow else self.accumulator))
        return made

    # -- meaning ------------------------------------------------------------------------------------------------------

    def canonical(self, name, array):
        """[B, H, N, D]"""
        dims = self.dims(name)
        array = array if "b" in dims else array[None]
        dims = dims if "b" in dims else "b" + dims
        order = [dims.index(dim) for dim in "bhijde" if dim in dims]
        array = array.transpose(order)
        return np.repeat(array, self.group, axis=1) if name in ("key", "value") and self.group > 1 else array

    def logs(self, x, arrays):
        """(u, |x'|^2 / 2) of [B, H, N, D]."""
        scale = self.scale if self.scale is not None else self.d**-0.5 if self.features else 1.0
        x = x * math.sqrt(scale)
        if not self.features:
            return x, None
        w = arrays["projection"]
        u = np.einsum("bhnd,hrd->bhnr" if self.per_head else "bhnd,rd->bhnr", x, w)
        if self.feature == "softmax_hyperbolic":
            u = np.concatenate([u, -u], axis=-1)
        return u, (x * x).sum(axis=-1, keepdims=True) / 2

    def phi(self, x, arrays, valid=None, lowered_by=None):
        u, half = self.logs(x, arrays)
        eps = self.feature_eps
        if eps is None:
            stateless = not (self.causal or self.initial or self.final)
            eps = 1e-3 if self.feature == "generalized_relu" else 1e-6 if self.feature in SOFTMAX and stateless else 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            if self.feature in SOFTMAX:
                exponent = u - half
                top = exponent.max(axis=-1, keepdims=True)
                if valid is not None:
                    seen = np.where(valid, top, -np.inf)
                    top = seen.max(axis=-2, keepdims=True, initial=-np.inf)
                    if lowered_by is not None:
                        top = np.maximum(top, lowered_by * math.log(2))
                    top = np.where(np.isinf(top), 0, top)
                f = (np.exp(exponent - top) + eps) / math.sqrt(self.num_features)
            elif self.feature == "elu_plus_one":
                f, top = np.where(u > 0, u + 1, np.exp(np.minimum(u, 0))) + eps, 0
            elif self.feature == "custom":
                f, top = np.exp(u / 2) + eps, 0
            else:
                f, top = np.maximum(u, 0) + eps, 0
        return (f if valid is None else np.where(valid, f, 0)), top

    def evaluate(self, inputs):
        """The output in f64; with `final` also sum and norm, multiplied by the power of two of the reference."""
        arrays = dict(zip(self.operands(), inputs))
        query, key, value = (self.canonical(name, arrays[name]) for name in ("query", "key", "value"))
        valid = np.ones((self.batch, 1, self.m, 1), bool)
        if self.key_valid:
            valid = np.broadcast_to(arrays["key_valid"].reshape(-1, 1, self.m, 1) != 0, valid.shape)
        sums, norms, reference = (None, None, None)
        if self.initial:
            lead = () if "b" in self.layout else (None,)
            sums, norms = (arrays[f"initial_{part}"][lead] for part in ("sum", "norm"))
            reference = arrays["initial_reference"][lead][..., None, None] if self.feature in SOFTMAX else np.zeros(1)
        phi_q, _ = self.phi(query, arrays)
        phi_k, top = self.phi(key, arrays, valid, reference if self.feature in SOFTMAX else None)
        weights = np.einsum("bhir,bhjr->bhij", phi_q, phi_k)
        seen = np.ones((self.n, self.m), bool)
        if self.causal:
            shift = self.m - self.n if self.causal == "bottom_right" else 0
            seen = np.arange(self.m)[None] <= np.arange(self.n)[:, None] + shift
        weights = np.where(seen & (valid.swapaxes(-1, -2)), weights, 0)
        clean = np.where(valid, value, 0)
        denominator, numerator = weights.sum(-1), weights @ clean
        if self.initial:
            factor = np.exp(reference * math.log(2) - top)
            sums, norms = sums * factor, norms * (factor[..., 0] if np.ndim(factor) > 1 else factor)
            denominator = denominator + np.einsum("bhir,bhr->bhi", phi_q, norms)
            numerator = numerator + phi_q @ sums
        eps = self.denominator_eps if self.denominator_eps is not None else 0.0 if self.feature in SOFTMAX else 1e-6
        denominator = denominator + eps
        with np.errstate(all="ignore"):
            output = np.where(denominator[..., None] == 0, 0, numerator / denominator[..., None])
        results = [self._arrange(output)]
        if self.final:
            used = np.where(seen[-1][:, None], phi_k, 0)
            total = np.einsum("bhjr,bhje->bhre", used, clean) + (0 if sums is None else sums)
            norm = used.sum(-2) + (0 if norms is None else norms)
            factor = np.exp(top) if np.ndim(top) else np.ones((1, 1, 1, 1))
            results += [total * factor, norm * factor[..., 0]]
        return results

    def _arrange(self, output):
        output = output if "b" in self.layout else output[0]
        source = "bhie" if "b" in self.layout else "hie"
        return np.ascontiguousarray(output.transpose([source.index(dim) for dim in self.dims("output")]))

    def settle(self, results):
        """What `evaluate` gives of what a program returned: states multiplied by their power of two."""
        if not self.final:
            return results
        lead = () if "b" in self.layout else (None,)
        sums, norms = results[1][lead], results[2][lead]
        if self.feature in SOFTMAX:
            factor = np.exp2(results[3][lead])
            sums, norms = sums * factor[..., None, None], norms * factor[..., None]
        return [results[0], sums, norms]

    def tolerances(self, wanted, inputs):
        """Bounds of absolute errors. Features are positive, so a row is a weighted mean of values and its error is
        that of the weights relative to their sum: roundings of d products in an exponent, and of sums over m."""
        u, narrow = ROUNDOFF[self.accumulator], ROUNDOFF[self.dtype]
        arrays = dict(zip(self.operands(), inputs))
        spread = 1.0
        if self.features:
            w = np.abs(arrays["projection"]).sum(-1).max()
            x = max(np.abs(np.nan_to_num(arrays[name])).max(initial=0) for name in ("query", "key"))
            spread = 1 + self.d**-0.25 * w * x if self.scale is None else 1 + math.sqrt(self.scale) * w * x
            spread += self.d * x * x / 2
        relative = 8 * u * (math.sqrt(self.m) + math.sqrt(self.d) + math.sqrt(self.num_features) + 8 + 4 * spread)
        value = np.abs(np.nan_to_num(arrays["value"])).max(initial=0) + sum(np.abs(w).max(initial=0) for w in wanted[:1])
        bounds = [relative * value + 2 * narrow * value]
        for part in wanted[1:]:
            bounds.append(relative * (np.abs(part).max(initial=0) * 4 + 1e-30))
        return bounds
