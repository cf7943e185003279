# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One problem of LSH attention in the tests: its IR, its inputs, and its meaning in numpy by brute force.

The meaning sorts and makes windows as the definition says, where the compiler's dense form counts, so that each checks
the other.
"""

import dataclasses
import math

import numpy as np
from attention_case import SCORE_MODS
from problem import MLIR_TYPES, ROUNDOFF, Problem

DOMAIN = "affine_map<(b, h, i, d, e) -> ({})>"


@dataclasses.dataclass(frozen=True)
class LshCase(Problem):
    """`layout` orders the dimensions: "bhi" is [B,H,N,D], "bih" is [B,N,H,D], "hi" has no batch."""

    n: int
    d: int = 16
    e: int | None = None
    batch: int = 1
    heads: int = 2
    dtype: str = "float32"
    layout: str = "bhi"
    rounds: int = 1
    chunk: int = 16
    back: int = 1
    ahead: int = 0
    buckets: tuple = (8,)
    causal: bool = False
    scale: float = 1.0
    same_bucket: bool = True
    wrap: bool = False
    key_eps: float = 1e-6
    dup: str = "exact"
    self_mode: str = "exclude"
    self_value: float = -1e5
    mask_query: bool = True
    pad_bucket: bool = True
    valid: bool = False
    injected: bool = False
    alibi: bool = False
    lse: bool = True
    dynamic: bool = True

    def __str__(self):
        default = {field.name: field.default for field in dataclasses.fields(self)}
        parts = [f"{name}={value}" for name, value in dataclasses.asdict(self).items() if value != default[name]]
        return "-".join(parts).replace(" ", "")

    LEADING = "x"

    @property
    def num_buckets(self):
        return math.prod(self.buckets)

    # -- IR -----------------------------------------------------------------------------------------------------------

    def dims(self, name):
        if name == "lse":
            return "bhi" if "b" in self.layout else "hi"
        if name == "valid":
            return "bi" if "b" in self.layout else "i"
        return self.layout + ("d" if name == "x" else "e")

    def extent(self, dim):
        return {"b": self.batch, "h": self.heads, "i": self.n, "d": self.d, "e": self.value_size}[dim]

    def type_of(self, name):
        element = {"valid": "i1", "injected": "i32", "rotations": "f32"}.get(name, MLIR_TYPES[self.dtype])
        if name == "rotations":
            columns = sum(self.buckets) // 2
            return f"tensor<{self.heads}x{self.d}x{self.rounds}x{columns}xf32>"
        if name == "injected":
            length = "?" if self.dynamic else self.n
            return f"tensor<{'?' if self.dynamic else self.batch}x{self.heads}x{self.rounds}x{length}xi32>"
        if name == "lse":
            element = MLIR_TYPES[self.accumulator]
        return self.tensor(name, element)

    def shape(self, name):
        return tuple(self.extent(dim) for dim in self.dims(name))

    def operands(self):
        hash_operand = "injected" if self.injected else "rotations"
        return ["x", "value"] + (["valid"] if self.valid else []) + [hash_operand]

    def attributes(self):
        given = {"same_bucket": self.same_bucket, "wrap": self.wrap, "mask_query": self.mask_query}
        given["pad_bucket"] = self.pad_bucket
        default = {"same_bucket": True, "wrap": False, "mask_query": True, "pad_bucket": True}
        parts = [f"{name} = {str(value).lower()}" for name, value in given.items() if value != default[name]]
        parts += [f"key_eps = {self.key_eps:.17e} : f64"] if self.key_eps != 1e-6 else []
        parts += [f"self_value = {self.self_value:.17e} : f64"] if self.self_value != -1e5 else []
        return f" {{{', '.join(parts)}}}" if parts else ""

    def ir(self):
        names = self.operands()
        lines = [self.opening(names), *self.empties()]
        lines += [f"  %r:{len(self.destinations())} = attn.lsh_attention"]
        lines += [f"      ins{self.listed(['x', 'value'])}"]
        lines += [f"      {name}{self.listed([name])}" for name in names[2:]]
        lines += [f"      outs{self.listed(self.destinations())}"]
        mapped = [name for name in names if name not in ("injected", "rotations")] + self.destinations()
        lines += [f"      maps [{', '.join(DOMAIN.format(', '.join(self.dims(name))) for name in mapped)}]"]
        lines += [f"      rounds {self.rounds} chunk {self.chunk} buckets {list(self.buckets)}"]
        lines += [f"      look_back {self.back} look_ahead {self.ahead}" + (" causal" if self.causal else "")]
        lines += [f"      scale {self.scale:.17e} dup {self.dup} self_mode {self.self_mode}{self.attributes()}"]
        lines += [SCORE_MODS["alibi"][0].replace("FLOAT", MLIR_TYPES[self.accumulator])] if self.alibi else []
        return "\n".join(lines + self.closing())

    # -- inputs -------------------------------------------------------------------------------------------------------

    def inputs(self, seed=0):
        """Random canonical arrays [B,H,N,...]: a dictionary."""
        rng = np.random.default_rng([seed, self.n, self.d])
        shape = (self.batch, self.heads, self.n)
        made = {
            "x": rng.standard_normal((*shape, self.d)),
            "value": rng.standard_normal((*shape, self.value_size)),
            "rotations": rng.standard_normal((self.heads, self.d, self.rounds, sum(self.buckets) // 2)),
        }
        made["rotations"] = made["rotations"].astype(np.float32).astype(np.float64)
        if self.valid:
            made["valid"] = rng.random((self.batch, self.n)) < 0.8
        if self.injected:
            made["injected"] = self.hash(made)
        return made

    def arrange(self, name, array):
        """A canonical array in the case's layout."""
        if name in ("rotations", "injected"):
            return array
        source = {"lse": "bhi", "valid": "bi", "x": "bhid"}.get(name, "bhie")
        if "b" not in self.layout:
            array, source = array[0], source[1:]
        return np.ascontiguousarray(array.transpose([source.index(dim) for dim in self.dims(name)]))

    # -- meaning ------------------------------------------------------------------------------------------------------

    def hash(self, made):
        """[B,H,R,N] buckets of all tokens."""
        u = np.einsum("bhid,hdrs->bhris", made["x"], made["rotations"])
        bucket, first, stride = 0, 0, 1
        for factor in self.buckets:
            part = u[..., first : first + factor // 2]
            bucket = bucket + stride * np.argmax(np.concatenate([part, -part], -1), -1)
            first, stride = first + factor // 2, stride * factor
        return bucket

    def _windows(self, bucket):
        """For one head, bucket [R,N]: (entries, rounds, own) [N,N], how often and in how many rounds i meets j."""
        n, rounds, chunks = self.n, self.rounds, -(-self.n // self.chunk)
        order = np.stack([np.argsort(bucket[r] * n + np.arange(n)) for r in range(rounds)])
        entries, met, own = (np.zeros((n, n)) for _ in range(3))
        for r in range(rounds):
            of_round = np.zeros((n, n))
            for c in range(chunks):
                queries = order[r][c * self.chunk : (c + 1) * self.chunk]
                for step in range(-self.back, self.ahead + 1):
                    at = r * chunks + c + step
                    if self.wrap:
                        at %= rounds * chunks
                    elif not 0 <= c + step < chunks:
                        continue
                    key_round, key_chunk = divmod(at, chunks)
                    keys = order[key_round][key_chunk * self.chunk : (key_chunk + 1) * self.chunk]
                    hit = np.ones((len(queries), len(keys)))
                    if self.same_bucket:
                        hit = (bucket[r][queries][:, None] == bucket[r][keys]) * float(key_round == r)
                    of_round[np.ix_(queries, keys)] += hit
                    own[np.ix_(queries, keys)] += hit * (key_round == r)
            entries += of_round
            met += of_round > 0
        return entries, met, own

    def _scores(self, x, head, n):
        rho = np.sqrt((x * x).sum(-1) + self.d * self.key_eps)
        scores = self.scale * x @ (x / rho[:, None]).T
        if self.alibi:
            scores = scores - np.abs(np.arange(n)[:, None] - np.arange(n)) * 2.0 ** -(head + 1)
        return scores

    def _weights(self, x, bucket, valid, head):
        """[N,N] scores with the logarithms of their weights; -inf where a pair may not attend."""
        n, diagonal = self.n, np.eye(self.n, dtype=bool)
        entries, met, own = self._windows(bucket)
        allowed = (entries > 0) & valid
        if self.mask_query:
            allowed &= valid[:, None]
        if self.causal:
            allowed &= np.arange(n)[:, None] >= np.arange(n)
        scores = self._scores(x, head, n)
        if self.self_mode == "exclude":
            allowed &= ~diagonal
        elif self.self_mode == "subtract":
            scores = scores - abs(self.self_value) * diagonal
        else:
            scores, allowed = np.where(diagonal, self.self_value, scores), allowed | diagonal
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.log(entries)
            if self.dup == "lr":
                weight = weight - np.log(own + 1e-9)
            elif self.dup == "exact":
                weight = weight - np.where(diagonal & (self.self_mode != "exclude"), 0, np.log(met))
            return np.where(allowed, scores + weight, -np.inf)

    def evaluate(self, made):
        """Canonical output and lse in f64."""
        bucket = made["injected"] if self.injected else self.hash(made)
        valid = made.get("valid", np.ones((self.batch, self.n), bool))
        if self.pad_bucket:
            bucket = np.where(valid[:, None, None, :], bucket, self.num_buckets)
        output = np.zeros((self.batch, self.heads, self.n, self.value_size))
        lse = np.full(output.shape[:3], -np.inf)
        for b in range(self.batch):
            for h in range(self.heads):
                x, value = made["x"][b, h], made["value"][b, h]
                x = np.where(valid[b][:, None] | (not self.mask_query), x, 0)
                scores = self._weights(x, bucket[b, h], valid[b], h)
                top = scores.max(-1, keepdims=True)
                empty = top[:, 0] == -np.inf
                p = np.exp(scores - np.where(empty[:, None], 0, top))
                total = p.sum(-1, keepdims=True)
                with np.errstate(invalid="ignore", divide="ignore"):
                    terms = np.where(p[:, :, None] == 0, 0, (p / total)[:, :, None] * value[None])
                    lse[b, h] = np.where(empty, -np.inf, top[:, 0] + np.log(total[:, 0]))
                fallback = np.where(valid[b][:, None], value, 0)
                output[b, h] = np.where(empty[:, None], fallback, terms.sum(1))
        return {"output": output, "lse": lse}

    # -- tolerance ----------------------------------------------------------------------------------------------------

    def tolerances(self, made):
        """As in attention_case: a score is a sum over d of numbers that |x| bounds; see there."""
        u = ROUNDOFF["float64" if self.dtype == "float64" else "float32"]
        narrow = ROUNDOFF[self.dtype]
        x, value = np.nan_to_num(made["x"]), np.nan_to_num(made["value"])
        bound = abs(self.scale) * float(np.sqrt((x * x).sum(-1)).max()) + (self.n if self.alibi else 0)
        score = 4 * (math.sqrt(self.d) + 8) * u * (bound + (40 if self.dup == "lr" else 4))
        largest = float(np.abs(value).max())
        keys = self.rounds * self.chunk * (1 + self.back + self.ahead)
        weight = 4 * (math.sqrt(min(keys, 4 * self.n)) + 8) * u
        output = 2 * (score + weight) * largest + (narrow * largest if narrow > u else 0)
        return {"output": output + 1e-300, "lse": score + weight + 4 * u * (bound + abs(self.self_value) * 0.01)}
