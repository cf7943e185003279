# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LSH attention with keys of their own (SMYRF), compiled and by reference, against the definition in numpy.

The oracle sorts and cuts, where the compiler's dense form counts.
"""

import dataclasses
import math

import numpy as np
import problem
import programs
import pytest
from problem import MLIR_TYPES, ROUNDOFF, Problem

DOMAIN = "affine_map<(b, h, i, j, d, e) -> ({})>"
ALIBI = """ score_mod {{
  ^bb0(%s: {0}, %b: index, %h: index, %i: index, %j: index):
    %distance = arith.subi %j, %i : index
    %integer = arith.index_cast %distance : index to i32
    %float = arith.sitofp %integer : i32 to {0}
    %slope = arith.constant 1.25e-1 : {0}
    %size = math.absf %float : {0}
    %penalty = arith.mulf %size, %slope : {0}
    %new = arith.subf %s, %penalty : {0}
    attn.yield %new : {0}
  }}"""


@dataclasses.dataclass(frozen=True)
class AsymmetricCase(Problem):
    """Queries [B, N, H, D] if `layout` is "bih", [B, H, N, D] if it is "bhi"; `hashed` gives the hashes themselves."""

    n: int
    m: int | None = None
    d: int = 16
    e: int | None = None
    batch: int = 1
    heads: int = 2
    rounds: int = 1
    chunk: int = 16
    back: int = 1
    ahead: int = 0
    causal: bool = False
    valid: bool = False
    hashed: bool = False
    alibi: bool = False
    lse: bool = True
    scale: float | None = None
    layout: str = "bhi"
    dtype: str = "float32"
    dynamic: bool = False

    OPEN = "ij"

    def __str__(self):
        default = {field.name: field.default for field in dataclasses.fields(self)}
        parts = [f"{name}{value}" for name, value in dataclasses.asdict(self).items() if value != default[name]]
        return "-".join(parts)

    @property
    def sizes(self):
        keys = self.n if self.m is None else self.m
        return {"b": self.batch, "h": self.heads, "i": self.n, "j": keys, "d": self.d, "e": self.e or self.d}

    def dims(self, name):
        keys = self.layout.replace("i", "j")
        return {"query": self.layout + "d", "key": keys + "d", "value": keys + "e", "query_valid": "bi", "key_valid": "bj",
                "output": self.layout + "e", "lse": "bhi"}[name]  # fmt: skip

    def type_of(self, name):
        element = MLIR_TYPES[self.dtype]
        if name == "directions":
            return f"tensor<{self.heads}x{self.rounds}x{self.d + 2}xf32>"
        if name in ("hq", "hk"):
            length = "?" if self.dynamic else self.sizes["i" if name == "hq" else "j"]
            return f"tensor<{self.batch}x{self.heads}x{self.rounds}x{length}x{element}>"
        if name == "lse":
            element = MLIR_TYPES[self.accumulator]
        if name.endswith("valid"):
            element = "i1"
        return self.tensor(name, element)

    def shape(self, name):
        return tuple(self.sizes[dim] for dim in self.dims(name))

    def operands(self):
        valid = ["query_valid", "key_valid"] if self.valid else []
        return ["query", "key", "value", *valid, *(["hq", "hk"] if self.hashed else ["directions"])]

    def ir(self):
        lines = [self.opening(self.operands()), *self.empties()]
        lines += [f"  %r:{len(self.destinations())} = attn.asymmetric_lsh_attention"]
        lines += [f"    ins{self.listed(['query', 'key', 'value'])}"]
        lines += [f"    {name}{self.listed([name])}" for name in ("query_valid", "key_valid") if self.valid]
        lines += [f"    hashes{self.listed(['hq', 'hk'])}" if self.hashed else f"    directions{self.listed(['directions'])}"]
        lines += [f"    outs{self.listed(self.destinations())}"]
        mapped = [name for name in self.operands() if name not in ("directions", "hq", "hk")] + self.destinations()
        lines += [f"    maps [{', '.join(DOMAIN.format(', '.join(self.dims(name))) for name in mapped)}]"]
        lines += [f"    rounds {self.rounds} chunk {self.chunk} look_back {self.back} look_ahead {self.ahead}"]
        lines += ["    causal"] if self.causal else []
        lines += [f"    scale {self.scale:e}"] if self.scale is not None else []
        lines += [ALIBI.format(MLIR_TYPES[self.accumulator])] if self.alibi else []
        return "\n".join(lines + self.closing())

    # -- inputs: canonical arrays [B, H, N, ...] in f64 ---------------------------------------------------------------

    def inputs(self, seed=0):
        rng = np.random.default_rng([seed, self.n, self.d])
        outer = (self.batch, self.heads)
        made = {"query": rng.standard_normal((*outer, self.n, self.d)),
                "key": rng.standard_normal((*outer, self.sizes["j"], self.d)),
                "value": rng.standard_normal((*outer, self.sizes["j"], self.sizes["e"]))}  # fmt: skip
        made = {name: problem.round_to(array, self.dtype) for name, array in made.items()}
        made["directions"] = rng.standard_normal((self.heads, self.rounds, self.d + 2)).astype(np.float32).astype(np.float64)
        if self.valid:
            made["query_valid"] = rng.random((self.batch, self.n)) < 0.8
            made["key_valid"] = made["query_valid"] if self.m is None else rng.random((self.batch, self.m)) < 0.8
        if self.hashed:
            made["hq"], made["hk"] = (problem.round_to(part, self.dtype) for part in self.hash(made))
        return made

    def arrange(self, name, array):
        if name in ("directions", "hq", "hk"):
            return array
        source = {"lse": "bhi", "query_valid": "bi", "key_valid": "bj"}.get(name) or "bh" + self.dims(name)[-2:].replace(
            "h", "i" if name in ("query", "output") else "j"
        )
        return np.ascontiguousarray(array.transpose([source.index(dim) for dim in self.dims(name)]))

    # -- meaning ------------------------------------------------------------------------------------------------------

    def validity(self, made):
        return [made.get(name, np.ones((self.batch, self.sizes[dim]), bool))
                for name, dim in (("query_valid", "i"), ("key_valid", "j"))]  # fmt: skip

    def hash(self, made):
        """[B, H, R, n] and [B, H, R, m]."""
        lengths = []
        for name, valid in zip(("query", "key"), self.validity(made)):
            lengths.append(np.where(valid[:, None], (made[name] ** 2).sum(-1), 0))
        limit = sum(length.max(-1, initial=0, keepdims=True) for length in lengths)
        lifted = [np.sqrt(np.maximum(limit - length, 0)) for length in lengths]
        plain = [np.einsum("bhid,hrd->bhri", made[name], made["directions"][..., : self.d]) for name in ("query", "key")]
        extra = [made["directions"][..., self.d + 1], made["directions"][..., self.d]]
        return [one + side[None, :, :, None] * more[:, :, None] for one, side, more in zip(plain, extra, lifted)]

    def met(self, made):
        """[B, H, n, m]: in how many rounds a query meets a key."""
        hashes = [made["hq"], made["hk"]] if self.hashed else self.hash(made)
        n, m = self.n, self.sizes["j"]
        clusters = -(-n // self.chunk)
        sizes = [self.chunk, self.chunk if m == n else -(-m // clusters)]
        met = np.zeros((self.batch, self.heads, n, m))
        for b, h, r in np.ndindex(self.batch, self.heads, self.rounds):
            orders = [np.lexsort((np.arange(len(valid[b])), hashed[b, h, r], ~valid[b]))
                      for hashed, valid in zip(hashes, self.validity(made))]  # fmt: skip
            for c in range(clusters):
                queries = orders[0][c * sizes[0] : (c + 1) * sizes[0]]
                keys = orders[1][max(0, c - self.back) * sizes[1] : (c + self.ahead + 1) * sizes[1]]
                met[b, h][np.ix_(queries, keys)] += 1
        return met

    def allowed(self, made):
        valid = self.validity(made)
        allowed = (self.met(made) > 0) & valid[0][:, None, :, None] & valid[1][:, None, None]
        return allowed & np.tri(self.n, self.sizes["j"], dtype=bool) if self.causal else allowed

    def softmax(self, made, allowed):
        scale = self.d**-0.5 if self.scale is None else self.scale
        scores = scale * np.einsum("bhid,bhjd->bhij", made["query"], made["key"])
        if self.alibi:
            scores = scores - np.abs(np.arange(self.n)[:, None] - np.arange(self.sizes["j"])) / 8
        scores = np.where(allowed, scores, -np.inf)
        top = scores.max(-1, keepdims=True)
        weights = np.exp(scores - np.where(np.isneginf(top), 0, top))
        total = weights.sum(-1, keepdims=True)
        with np.errstate(divide="ignore"):
            lse = np.where(total[..., 0] > 0, top[..., 0] + np.log(total[..., 0]), -np.inf)
        value = np.where(allowed.any(-2)[..., None], made["value"], 0)
        return {"output": np.einsum("bhij,bhje->bhie", weights / np.where(total > 0, total, 1), value), "lse": lse}

    def evaluate(self, made):
        return self.softmax(made, self.allowed(made))

    def dtypes(self):
        return ["float32" if name == "directions" else self.dtype for name in self.operands()]

    def tolerances(self, engine, made):
        """As in attention_case: a score is a sum over d of products, of which lengths are bounds."""
        if engine is programs.by_reference or self.dtype == "float64":
            return {"output": 1e-11, "lse": 1e-11}
        u, narrow = ROUNDOFF["float32"], ROUNDOFF[self.dtype]
        longest = [float(np.sqrt((np.nan_to_num(made[name]) ** 2).sum(-1)).max()) for name in ("query", "key")]
        bound = (self.scale or self.d**-0.5) * longest[0] * longest[1] + (self.n / 8 if self.alibi else 0)
        score, largest = 4 * (math.sqrt(self.d) + 8) * u * (bound + 4), float(np.abs(np.nan_to_num(made["value"])).max())
        keys = self.rounds * self.chunk * (1 + self.back + self.ahead)
        weight = 4 * (math.sqrt(keys) + 8) * u
        return {"output": 2 * (score + weight) * largest + 2 * narrow * largest, "lse": score + weight + 4 * u * bound}


@pytest.fixture(params=programs.ENGINES)
def engine(request):
    return request.param


def run(engine, case, made):
    arrays = [case.arrange(name, made[name]) for name in case.operands()]
    return dict(zip(case.destinations(), programs.evaluate(engine, case.ir(), arrays, case.dtypes())))


def check(engine, case, made=None, wanted=None):
    made = case.inputs() if made is None else made
    got, wanted = run(engine, case, made), case.evaluate(made) if wanted is None else wanted
    tolerances = case.tolerances(engine, made)
    for name in case.destinations():
        problem.assert_close([got[name]], [case.arrange(name, wanted[name])], [tolerances[name]], f"{engine.__name__} {case} {name}")
    return got


CASES = [
    AsymmetricCase(n=64),
    AsymmetricCase(n=70, rounds=3, hashed=True),
    AsymmetricCase(n=131, rounds=4, back=1, ahead=1, valid=True, batch=2, layout="bih"),
    AsymmetricCase(n=90, rounds=2, causal=True, d=24, e=40),
    AsymmetricCase(n=90, rounds=2, causal=True, valid=True, hashed=True),
    AsymmetricCase(n=64, m=150, rounds=3, valid=True),
    AsymmetricCase(n=150, m=40, rounds=2, back=0, ahead=2),
    AsymmetricCase(n=100, m=3, rounds=2, back=0),
    AsymmetricCase(n=77, rounds=2, alibi=True, lse=False),
    AsymmetricCase(n=77, rounds=2, alibi=True, causal=True),
    AsymmetricCase(n=300, rounds=4, chunk=32, d=64, dynamic=True, layout="bih"),
    AsymmetricCase(n=300, rounds=20, chunk=32, scale=3.0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_the_definition(engine, case):
    check(engine, case)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_types(engine, dtype):
    check(engine, AsymmetricCase(n=70, rounds=3, hashed=True, dtype=dtype, valid=True))


def test_lifting_keeps_products_and_makes_lengths_equal():
    case = AsymmetricCase(n=40, valid=True)
    made = case.inputs()
    lengths = [(made[name] ** 2).sum(-1) for name in ("query", "key")]
    limit = sum(np.where(valid[:, None], one, 0).max(-1)[..., None] for valid, one in zip(case.validity(made), lengths))
    zero = np.zeros_like(lengths[0])
    rest = [np.sqrt(np.maximum(limit - one, 0)) for one in lengths]
    query = np.concatenate([made["query"], zero[..., None], rest[0][..., None]], -1)
    key = np.concatenate([made["key"], rest[1][..., None], zero[..., None]], -1)
    assert np.allclose(query @ key.swapaxes(-1, -2), made["query"] @ made["key"].swapaxes(-1, -2))
    keep = made["query_valid"][:, None]
    for lifted, hashed in zip((query, key), case.hash(made)):
        assert np.allclose(np.where(keep, (lifted**2).sum(-1), limit), limit)
        direct = np.einsum("bhid,hrd->bhri", lifted, made["directions"])
        assert np.allclose(np.where(keep[:, :, None], direct, 0), np.where(keep[:, :, None], hashed, 0))


@pytest.mark.parametrize("causal", [False, True])
def test_one_cluster_is_full_attention(engine, causal):
    case = AsymmetricCase(n=60, chunk=60, rounds=3, causal=causal)
    made = case.inputs()
    allowed = np.broadcast_to(np.tri(60, dtype=bool) if causal else np.ones((60, 60), bool), (1, 2, 60, 60))
    check(engine, case, made, case.softmax(made, allowed))


def test_rounds_may_be_permuted_and_repeated(engine):
    case = AsymmetricCase(n=90, rounds=3, hashed=True)
    made = case.inputs()
    plain = case.evaluate(made)
    for order in ([2, 0, 1], [0, 1, 2, 1]):
        changed = dict(made, hq=made["hq"][:, :, order], hk=made["hk"][:, :, order])
        check(engine, dataclasses.replace(case, rounds=len(order)), changed, plain)


def test_invalid_tokens_change_nothing_and_give_nothing(engine):
    case = AsymmetricCase(n=80, rounds=2, valid=True)
    made = case.inputs()
    before = check(engine, case, made)
    poisoned = {name: array.copy() for name, array in made.items()}
    hidden = ~np.broadcast_to(made["key_valid"][:, None], (case.batch, case.heads, case.n))
    for name in ("query", "key", "value"):
        poisoned[name][hidden] = np.nan
    after = run(engine, case, poisoned)
    for name in case.destinations():
        assert np.array_equal(before[name], after[name]), name
    assert (after["output"][hidden] == 0).all() and np.isneginf(after["lse"][hidden]).all()


def test_causal_rows_ignore_what_comes_later(engine):
    case = AsymmetricCase(n=70, rounds=3, causal=True, hashed=True)
    made = case.inputs()
    before = run(engine, case, made)
    changed = dict(made, key=made["key"].copy(), value=made["value"].copy())
    changed["key"][:, :, 50:] *= -1
    changed["value"][:, :, 50:] += 1
    after = run(engine, case, changed)
    for name in case.destinations():
        assert np.array_equal(before[name][:, :, :50], after[name][:, :, :50]), name


def test_queries_that_see_nothing_give_zero(engine):
    # Keys that are fewer than clusters leave some of these empty.
    case = AsymmetricCase(n=64, m=2, chunk=4, back=0)
    made = case.inputs()
    empty = ~case.allowed(made).any(-1)
    assert empty.any() and not empty.all()
    got = check(engine, case, made)
    assert (got["output"][empty] == 0).all()


def test_error_falls_with_rounds(engine):
    errors = []
    for rounds in (1, 2, 4, 8, 16):
        case = AsymmetricCase(n=256, chunk=16, rounds=rounds, lse=False, scale=0.5)
        made = case.inputs()
        exact = case.softmax(made, np.ones((1, 2, 256, 256), bool))["output"]
        errors.append(np.abs(run(engine, case, made)["output"] - exact).mean())
    assert errors == sorted(errors, reverse=True), errors


def test_lengths_are_checked_when_it_runs(engine):
    case = AsymmetricCase(n=40, dynamic=True, lse=False)
    short = dataclasses.replace(case, n=8)
    made = short.inputs()
    with pytest.raises((AssertionError, ValueError, RuntimeError), match="at least one chunk of 16 queries"):
        programs.evaluate(engine, case.ir(), [short.arrange(name, made[name]) for name in case.operands()], case.dtypes())
