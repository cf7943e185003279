# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The registry of what is measured: one `Case` a row of the benchmark's table.

A case names shapes, type and mask only; how a contender spells them is the contender's business.
"""

from __future__ import annotations

import dataclasses

from . import patterns

# Width, hidden width of the feed-forward and layers of MiniLM's encoder.
MINILM = (384, 1536, 6)
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclasses.dataclass(frozen=True)
class Case:
    """One attention problem, or one model with `kind` other than "attention"."""

    case: str
    form: str = "exact"
    batch: int = 1
    heads: int = 8
    kv_heads: int = 8
    n: int = 4096
    m: int = 4096
    d: int = 64
    dtype: str = "float32"
    mask: str | None = None
    window: int = 256
    kind: str = "attention"
    rounds: int = 0  # of hashing
    same_bucket: bool = True
    features: int = 0  # of random features
    slots: int = 0  # that keys and values are projected to
    hidden: int = 0  # width between the products of a feed-forward layer, whose other width is d
    gated: bool = False

    @property
    def id(self) -> str:
        if self.kind in ("model", "compile"):
            return f"{self.case}-{self.batch}x{self.n}"
        return f"{self.case}-n{self.m}-d{self.d}"

    @property
    def query_shape(self) -> tuple[int, ...]:
        return (self.batch, self.heads, self.n, self.d)

    @property
    def key_shape(self) -> tuple[int, ...]:
        return (self.batch, self.kv_heads, self.m, self.d)

    @property
    def pairs(self) -> int:
        """Query and key pairs that attend, per batch and head."""
        if self.rounds:  # full windows of two chunks of 64
            return self.rounds * self.n * 128
        if self.slots:  # projecting keys and values takes as many products again
            return self.slots * (self.n + self.m)
        if self.mask is None:
            return self.n * self.m
        if self.mask in patterns.SPARSE:
            return patterns.pairs(self)
        reach = min(self.window, self.n) if self.mask == "window" else self.n
        return self.n * (self.m - self.n) + self.n * reach - reach * (reach - 1) // 2

    @property
    def gflop(self) -> float:
        """Useful work: two products over the pairs that the mask leaves; a model has its projections besides."""
        if self.kind in ("model", "compile"):
            width, hidden, layers = MINILM
            projections = 2e-9 * self.batch * self.n * (4 * width * width + 2 * width * hidden)
            return layers * (projections + 4e-9 * self.batch * self.n * self.n * width)
        if self.hidden:
            return (6e-9 if self.gated else 4e-9) * self.n * self.d * self.hidden
        if self.form in ("linear", "favor"):  # into the state and out of it, after a projection
            products = 4 if self.features else 2
            return 2e-9 * products * self.batch * self.heads * self.n * (self.features or self.d) * self.d
        products = 3 if self.form == "memory" else 2  # queries meet positions, too
        return 2e-9 * products * self.batch * self.heads * self.pairs * self.d

    @property
    def key_value_bytes(self) -> int:
        size = self.batch * self.kv_heads * self.m * self.d
        return 2 * size * ITEM_BYTES[self.dtype]

    @property
    def score_bytes(self) -> int:
        """What a contender needs that stores every score in f32."""
        return 4 * self.batch * self.heads * self.n * self.m

    def keys(self, head: int, row: int):
        """What selects the keys that a query row sees from an array of all: a slice or indices."""
        if self.mask in patterns.SPARSE:
            return patterns.keys(self, head, row)
        return slice(*self.key_range(row))

    def key_range(self, row: int) -> tuple[int, int]:
        """The keys [first, last) that a query row may see."""
        if self.mask is None:
            return 0, self.m
        own = row + self.m - self.n
        first = own - self.window + 1 if self.mask == "window" else 0
        return max(first, 0), own + 1


def _square(case: str, lengths, sizes=(64, 128), **options) -> list[Case]:
    return [Case(case, n=n, m=n, d=d, **options) for d in sizes for n in lengths]


def _lsh() -> list[Case]:
    """LSH attention in 1, 4 and 8 rounds; without the test of the bucket; where it pays; and how it grows."""
    common = {"form": "lsh", "mask": "causal"}
    made = []
    for name, same in (("lsh", True), ("lsh-any", False)):
        for rounds in (1, 4, 8):
            options = {**common, "kind": "lsh", "rounds": rounds, "same_bucket": same}
            made += _square(f"{name}{rounds}", (4096, 16384), sizes=(64,), **options)
    for rounds, n in ((1, 512), (4, 1024), (8, 2048)):
        made += _square(f"lsh-pays{rounds}", (n,), sizes=(64,), kind="lsh-pays", rounds=rounds, **common)
    made += _square("lsh-gathered", (4096, 16384), sizes=(64,), kind="lsh-gathered", rounds=1, **common)
    lengths = (4096, 16384, 65536, 262144, 1048576)
    return made + _square("lsh-long", lengths, sizes=(64,), kind="lsh-long", rounds=4, **common)


def _reformer() -> list[Case]:
    """Reformer's curve: 32768 tokens a call in ever fewer, longer sequences; exact, and LSH in 2 to 16 rounds."""
    tokens, common = 32768, {"heads": 8, "d": 64, "mask": "causal", "kind": "curve"}
    series = [("exact", 0), *((f"lsh{rounds}", rounds) for rounds in (2, 4, 8, 16))]
    return [Case(f"reformer-{name}", form="lsh" if rounds else "exact", rounds=rounds, batch=tokens // n, n=n, m=n, **common)
            for name, rounds in series for n in (512, 1024, 2048, 4096, 8192, 16384, 32768)]


def _linear() -> list[Case]:
    """Feature maps with and without a projection, all keys and causal; and how time and memory grow up to 1M tokens."""
    made = []
    for form, features, lengths in (("linear", 0, (4096, 16384, 65536)), ("favor", 256, (4096, 16384))):
        for name, mask in ((form, None), (f"{form}-causal", "causal")):
            made += _square(name, lengths, sizes=(64,), form=form, features=features, mask=mask, kind="linear")
    for name in ("favor-error", "favor-error-hyperbolic"):
        made += [Case(f"{name}-{features}", form="favor", features=features, n=1024, m=1024, kind="error")
                 for features in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)]
    lengths = (4096, 16384, 65536, 262144, 1048576)
    for name, mask in (("linear-long", None), ("linear-long-causal", "causal")):
        made += _square(name, lengths, sizes=(64,), form="linear", mask=mask, kind="linear-long", heads=2, kv_heads=2)
    return made


def _memories() -> list[Case]:
    """A segment of 512 tokens that sees 512 compressed rows, 512 remembered ones and itself; alone and with its layer."""
    common = {"form": "memory", "n": 512, "m": 1536, "mask": "causal"}
    return [Case("compressive", kind="compressive", **common), Case("compressive-layer", kind="compressive-layer", **common)]


def _feed_forward() -> list[Case]:
    """A plain layer and a gated one; and the memory of both at a length at which hidden values would be large."""
    made = []
    for name, sizes in (("feed-forward", {"d": 512, "hidden": 2048}), ("gated", {"d": 1024, "hidden": 2816, "gated": True})):
        for suffix, rows in (("", 4096), ("-memory", 65536)):
            made.append(Case(name + suffix, kind="feed-forward" + suffix, form="feed-forward", n=rows, m=rows, **sizes))
    return made


def _crossover() -> list[Case]:
    """Every form of one attention, at lengths between which forms begin to pay."""
    lengths = (128, 256, 512, 1024, 2048, 4096, 8192)
    return [case for name, mask in (("crossover", None), ("crossover-causal", "causal"))
            for case in _square(name, lengths, sizes=(64,), kind="crossover", mask=mask)]


def all_cases() -> list[Case]:
    """Every case in the order of the table."""
    lengths = (1024, 4096, 16384)
    return [
        *_square("softmax", lengths),
        *_square("causal", lengths, mask="causal"),
        *_square("window", (4096, 16384, 65536), mask="window"),
        *_square("longformer", (4096, 65536), sizes=(64,), form="window", kind="sparse", mask="longformer"),
        *_square("bigbird", (4096, 16384), sizes=(64,), form="window", kind="sparse", mask="bigbird"),
        *_square("bf16", (4096,), dtype="bfloat16"),
        Case("decode", heads=32, kv_heads=8, n=1, m=16384, d=128),
        *_square("short", (128,), batch=8),
        *_square("memory", (65536,), sizes=(64,), kind="memory"),
        *_lsh(),
        *_linear(),
        *_reformer(),
        *_square("low-rank", (4096, 16384), sizes=(64,), form="low-rank", kind="low-rank", slots=256),
        *_memories(),
        *_feed_forward(),
        *_crossover(),
        Case("minilm", kind="model", form="encoder", batch=8, n=512, m=512),
        Case("minilm", kind="model", form="encoder", batch=1, n=128, m=128),
        Case("compile", kind="compile", form="encoder", batch=8, n=512, m=512),
    ]


def select(names: str | None) -> list[Case]:
    """The cases named by a comma-separated list of case names or ids; all of them without one.

    Raises ValueError for a name that no case has.
    """
    cases = all_cases()
    if not names:
        return cases
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if not any(name in (case.case, case.id, case.case.split("-")[0]) for case in cases):
            known = ", ".join(dict.fromkeys(case.case for case in cases))
            raise ValueError(f"unknown case '{name}', expected one of {known} or an id such as {cases[0].id}")
    return [case for case in cases if case.case in wanted or case.case.split("-")[0] in wanted or case.id in wanted]
