# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Who takes part: a table from contender names to the module that prepares it.

Modules are imported only in the contender's own process, so a broken or missing package costs that
contender alone and is reported under its name.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

import numpy as np


class Unsupported(Exception):
    """The contender cannot run this case; the message says why."""


@dataclasses.dataclass
class Settings:
    """What a contender may need beside the case and its inputs."""

    threads: int
    build: str  # folder for whatever it compiles
    limits: str | None = None  # folder of hand-scheduled programs
    options: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Prepared:
    """`run` does the work once; `output` returns the result of the latest run as an array."""

    run: Callable[[], object]
    output: Callable[[], np.ndarray]
    notes: dict = dataclasses.field(default_factory=dict)


OURS, LIMIT = "ours", "limit"

_ATTENTION = {
    OURS: "ours:prepare",
    LIMIT: "limit:prepare",
    "sdpa": "torch_peers:prepare_sdpa",
    "flex": "torch_peers:prepare_flex",
    "openvino": "openvino_peer:prepare",
    "onnxruntime": "onnxruntime_peer:prepare",
}
_MODEL = {
    OURS: "models:prepare_ours",
    "torch": "models:prepare_eager",
    "torch.compile": "models:prepare_compiled",
    "openvino": "models:prepare_openvino",
    "onnxruntime": "models:prepare_onnxruntime",
}
_LSH = {
    OURS: "lsh:prepare_ours",
    LIMIT: "lsh:prepare_limit",
    "reformer": "lsh:prepare_reformer",
    "reformer.compile": "lsh:prepare_compiled",
}
_LINEAR = {
    OURS: "linear:prepare_ours",
    LIMIT: "linear:prepare_limit",
    "openvino": "linear:prepare_openvino",
    "torch.compile": "linear:prepare_compiled",
    "linear-attention-transformer": "linear:prepare_transformer",
    "performer": "linear:prepare_performer",
    "fast-transformers": "fast_transformers_peer:prepare",
}
_LOW_RANK = {
    OURS: "low_rank:prepare_ours",
    LIMIT: "low_rank:prepare_limit",
    "openvino": "low_rank:prepare_openvino",
    "torch": "low_rank:prepare_torch",
    "torch.compile": "low_rank:prepare_compiled",
}
_COMPRESSIVE = {
    OURS: "compressive:prepare_ours",
    "lucidrains": "compressive:prepare_peer",
    "lucidrains.compile": "compressive:prepare_compiled",
}
_FEED_FORWARD = {
    OURS: "feed_forward:prepare_ours",
    LIMIT: "feed_forward:prepare_limit",
    "openvino": "feed_forward:prepare_openvino",
    "torch.compile": "feed_forward:prepare_compiled",
}
_CROSSOVER = {OURS: "ours:prepare", **{name: f"crossover:prepare_{name.replace('-', '_')}" for name in (
    "window", "local", "bigbird", "lsh", "low-rank", "linear", "favor")}}
_LSH_PAYS = {OURS: "lsh:prepare_ours", "exact": "lsh:prepare_exact"}
_COMPILE = {OURS: "models:compile_ours", "openvino": "models:compile_openvino", "torch.compile": "models:compile_torch"}
_SPARSE = {OURS: "ours:prepare", "flex": "torch_peers:prepare_flex", "hf": "hf_sparse:prepare"}
_TABLES = {"attention": _ATTENTION, "sparse": _SPARSE, "memory": {OURS: "ours:prepare"}, "model": _MODEL,
           "compile": _COMPILE, "lsh": _LSH, "curve": {OURS: "lsh:prepare_curve"}, "lsh-pays": _LSH_PAYS,
           "lsh-long": {OURS: "lsh:prepare_ours"}, "linear": _LINEAR, "linear-long": {OURS: "linear:prepare_ours"},
           "error": {OURS: "linear:prepare_error"},
           "lsh-gathered": {OURS: "lsh:prepare_ours", "in order": "lsh:prepare_in_order"},
           "low-rank": _LOW_RANK, "compressive": _COMPRESSIVE, "compressive-layer": _COMPRESSIVE,
           "crossover": _CROSSOVER, "feed-forward": _FEED_FORWARD, "feed-forward-memory": {OURS: "feed_forward:prepare_ours"}}


def names(kind: str) -> list[str]:
    """The contenders of a kind of case, ours first."""
    return list(_TABLES[kind])


def load(kind: str, name: str) -> Callable:
    """The preparing function of a contender."""
    module, function = _TABLES[kind][name].split(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), function)


def refuse_score_matrix(case, copies: int = 1) -> None:
    """Raises Unsupported where storing all scores would take more than a third of free memory."""
    need = copies * case.score_bytes
    with open("/proc/meminfo") as lines:
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    if need > free / 3:
        raise Unsupported(f"stores all scores: {need / 1e9:.1f} GB of {free / 1e9:.1f} GB free")
