# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The programs that test_gpu_assembly.py assembles: every form x type x mask, by family and name, at the head sizes of
models, and how several become one file."""

import dataclasses
import re
import shutil
import sys
from pathlib import Path

import gpu_forms
from feed_forward_case import FeedForwardCase
from gpu_forms import CAUSAL, LINEAR, LOW_RANK, MASKS, RELATIVE, SOFTMAX, TYPES
from linear_case import LinearCase
from linear_step_case import LinearStepCase
from low_rank_case import LowRankCase
from lsh_case import LshCase
from product_case import ProductCase
from test_asymmetric_lsh import AsymmetricCase

# Where the simulation has heads of 32, models have 64.
HEADS = {32: 64}


def real(case):
    return dataclasses.replace(case, d=HEADS.get(case.d, case.d))


def named(*parts):
    return re.sub(r"\W+", "_", "_".join(str(part) for part in parts))


def by_type(rows):
    """Each case with every type."""
    return {named(name, dtype): dataclasses.replace(case, dtype=dtype) for name, case in rows.items() for dtype in TYPES}


def softmax():
    forms = SOFTMAX | {
        "widest": lambda mask: dataclasses.replace(SOFTMAX["exact"](mask), d=256),
        "without_lse": lambda mask: dataclasses.replace(SOFTMAX["exact"](mask), lse=False),
        "wide_grouped": lambda mask: dataclasses.replace(SOFTMAX["grouped"](mask), d=128),
        "wide_alibi": lambda mask: dataclasses.replace(SOFTMAX["alibi"](mask), d=128),
    }
    return by_type({f"{form}_{name}": real(make(mask)) for form, make in forms.items() for name, mask in MASKS.items()})


def relative():
    base = dataclasses.replace(gpu_forms.BASE, relative="hr")
    rows = {f"rows_{name}": real(dataclasses.replace(base, **changes)) for name, changes in RELATIVE.items()}
    return by_type(rows | {f"rows_d128_{name}": dataclasses.replace(base, d=128, mask=mask) for name, mask in MASKS.items()})


def low_rank():
    rows = {f"low_rank_{name}": real(case) for name, case in LOW_RANK.items()}
    return by_type(rows | {"low_rank_wide": LowRankCase(n=1000, slots=64, columns=1024, d=128, heads=8)})


def linear():
    rows = {f"linear_{form}_{causal}": real(gpu_forms.linear(form, causal, TYPES[0])) for form in LINEAR for causal in CAUSAL}
    base = {"n": 75, "m": 75, "d": 64, "heads": 8}
    for causal in CAUSAL:
        rows |= {
            f"favor_{causal}": LinearCase(**base, feature="softmax_positive", features=256, causal=causal),
            f"favor_hyperbolic_{causal}": LinearCase(**base, feature="softmax_hyperbolic", features=64, causal=causal),
            f"favor_many_{causal}": LinearCase(**{**base, "d": 128}, feature="softmax_positive", features=512, causal=causal),
        }
    return by_type(rows)


def steps():
    rows = {"step": LinearStepCase(d=64, e=64, batch=2, heads=8), "step_odd": LinearStepCase(d=33, e=130, batch=None)}
    for feature in ("custom", "softmax_positive", "softmax_hyperbolic", "generalized_relu"):
        features = None if feature == "custom" else 256
        rows[f"step_{feature}"] = LinearStepCase(feature, d=64, e=64, batch=2, heads=8, features=features)
    return by_type(rows)


def lsh():
    base = LshCase(n=1000, d=64, heads=8, rounds=4, chunk=64, buckets=(16,))
    changed = {
        "full": {}, "causal": {"causal": True}, "wide": {"d": 128, "causal": True}, "widest": {"d": 256},
        "valid": {"valid": True, "layout": "bih", "batch": 2}, "ahead": {"ahead": 1},
        "any_bucket": {"same_bucket": False, "causal": True}, "alibi": {"alibi": True, "causal": True},
        "once": {"dup": "none"}, "many_rounds": {"rounds": 20}, "factored": {"buckets": (32, 16), "lse": False},
    }  # fmt: skip
    rows = {f"lsh_{name}": dataclasses.replace(base, **changes) for name, changes in changed.items()}
    own = AsymmetricCase(n=1000, d=64, heads=8, rounds=4, chunk=64, dynamic=True)
    changed = {"full": {}, "causal": {"causal": True}, "wide": {"d": 128}, "valid": {"valid": True}, "hashed": {"hashed": True}}
    return by_type(rows | {f"smyrf_{name}": dataclasses.replace(own, **changes) for name, changes in changed.items()})


def products():
    rows = {
        "product": ProductCase("mk,nk->mn", m=4096, n=4096, k=4096),
        "product_untransposed": ProductCase("mk,kn->mn", m=4096, n=4096, k=4096),
        "product_transposed": ProductCase("km,kn->mn", m=4096, n=4096, k=4096),
        "product_odd": ProductCase("mk,nk->mn", m=4097, n=4001, k=1001),
        "product_batch": ProductCase("bmk,bkn->bmn", m=512, n=512, k=64, b=16),
        "product_dynamic": ProductCase("mk,nk->mn", dynamic="mnk"),
        "product_bias": ProductCase("mk,nk->mn", m=512, n=512, k=512, epilogue="bias"),
        "product_gelu": ProductCase("mk,nk->mn", m=512, n=512, k=512, epilogue="gelu"),
        "product_residual": ProductCase("mk,nk->mn", m=512, n=512, k=512, epilogue="residual"),
        "layer": FeedForwardCase("gelu", 512, 384, 1536, 384),
        "layer_gated": FeedForwardCase("silu", 512, 384, 1536, 384, gated=True),
    }
    return by_type(rows)


FAMILIES = {
    "softmax": softmax(), "relative": relative(), "low_rank": low_rank(), "linear": linear(), "steps": steps(), "lsh": lsh(),
    "products": products(),
}  # fmt: skip


def multiplies(case):
    """Whether it is for tensor cores."""
    return not isinstance(case, LinearStepCase)


def together(programs):
    """One file of (name, IR): entries and aliases get names of their own."""
    texts = []
    for name, text in programs:
        for alias in re.findall(r"^([#!]\w+) =", text, flags=re.M):
            text = re.sub(rf"{alias}\b", f"{alias}_{name}", text)
        texts.append(text.replace("@main(", f"@{name}("))
    return "\n".join(texts)


def find_ptxas():
    """From the system or from PyPI's nvidia-cuda-nvcc."""
    folders = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin"))
    places = [shutil.which("ptxas"), "/usr/local/cuda/bin/ptxas", *(folder / "ptxas" for folder in folders)]
    return next((str(path) for path in places if path and Path(path).is_file()), None)
