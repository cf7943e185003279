# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every form that has kernels for GPUs, by mask: what test_gpu_matrix.py simulates and test_gpu_assembly.py assembles.

Extents are those of a simulation; kernels take lengths at run time, so that the code is the same for long ones.
"""

import dataclasses

from attention_case import Case
from linear_case import LinearCase
from low_rank_case import LowRankCase
from masks import AllOf, AnyOf, BigBird, Causal, Global, LocalChunks, Window

TYPES = ["float32", "float16", "bfloat16"]
MASKS = {"full": None, "causal": Causal(), "window": Window(17, 5)}
# Two tiles of keys and a tail, two heads; the masks' own extents are small.
BASE = Case(n=50, m=70, d=32, lse=True)
SQUARE = dataclasses.replace(BASE, n=97, m=97)


def both(mask, other):
    return mask if other is None else AllOf((mask, other))


# The form as changes of a case, by mask.
SOFTMAX = {
    "exact": lambda mask: dataclasses.replace(BASE, mask=mask),
    "wide": lambda mask: dataclasses.replace(BASE, d=128, mask=mask),
    "odd": lambda mask: dataclasses.replace(BASE, d=33, e=65, mask=mask),
    "longformer": lambda mask: dataclasses.replace(SQUARE, mask=AnyOf((Window(12, 12), Global((0, 60))))
                                                   if mask is None else both(AnyOf((Window(20, 20), Global((0, 60)))), mask)),
    "bigbird": lambda mask: dataclasses.replace(SQUARE, mask=both(BigBird(16, random=1), mask)),
    "local": lambda mask: dataclasses.replace(SQUARE, mask=both(LocalChunks(16, 1, 1), mask)),
    "dilated": lambda mask: dataclasses.replace(SQUARE, mask=both(Window(6, 6, 3), mask)),
    "segments": lambda mask: dataclasses.replace(BASE, mask=mask, parts=(20, 33, 17)),
    "relative": lambda mask: dataclasses.replace(BASE, mask=mask, relative="hr"),
    "memory": lambda mask: dataclasses.replace(BASE, mask=mask, relative="r", parts=(9, 11, 50), group=2),
    "alibi": lambda mask: dataclasses.replace(BASE, mask=mask, score_mod="alibi"),
    "table": lambda mask: dataclasses.replace(BASE, mask=mask, bias="hr"),
    "softcap": lambda mask: dataclasses.replace(BASE, mask=mask, softcap=2.0),
    "bias": lambda mask: dataclasses.replace(BASE, mask=mask, bias="bhij"),
    "valid": lambda mask: dataclasses.replace(BASE, mask=mask, key_valid="bj", batch=2),
    "grouped": lambda mask: dataclasses.replace(BASE, mask=mask, heads=8, group=4),
    "decode": lambda mask: dataclasses.replace(BASE, mask=mask, n=1, m=300, heads=4, group=2),
}  # fmt: skip

RELATIVE = {
    "one row": {"n": 1, "m": 40},
    "several tiles": {"n": 150, "m": 200, "mask": Causal()},
    "wide": {"d": 128, "e": 64, "mask": Causal()},
    "odd": {"d": 20, "e": 12},
    "short table": {"positions": 75},
    "long table": {"positions": 200, "mask": Causal()},
    "with bias": {"bias": "hij", "key_valid": "bj", "score_mod": "alibi"},
    "grouped": {"heads": 8, "group": 4, "layout": "bih"},
    "dilated": {"n": 97, "m": 97, "mask": Window(6, 6, 3)},
    "chunks": {"n": 97, "m": 97, "mask": LocalChunks(24, 1, 0)},
    "spread": {"spread": 8.0, "parts": (64, 6)},
}

LOW_RANK = {
    "full": LowRankCase(n=70, slots=12, columns=80, d=32, lse=True),
    "shared": LowRankCase(n=70, slots=12, columns=80, d=32, heads=4, group=2, sharing="key-value", key_valid="bj"),
    "odd": LowRankCase(n=33, slots=5, m=77, columns=80, d=20, e=24, layout="bih"),
    "blocks": LowRankCase(n=61, slots=2, block=8, d=32, lse=True),
    "causal": LowRankCase(n=61, slots=4, block=16, causal=True, d=32, heads=4, group=2, lse=True),
}

LINEAR = {
    "elu": {},
    "relu": {"feature": "relu"},
    "custom": {"feature": "custom", "group": 2, "layout": "bih"},
    "wide": {"d": 128, "e": 128},
    "odd": {"d": 20, "e": 12, "key_valid": True},
    "positive": {"feature": "softmax_positive", "features": 40},
    "hyperbolic": {"feature": "softmax_hyperbolic", "features": 24},
    "generalized": {"feature": "generalized_relu", "features": 40},
    "many features": {"feature": "softmax_positive", "features": 300, "n": 40, "m": 40},
    "state": {"initial": True, "final": True},
    "favor state": {"feature": "softmax_positive", "features": 40, "initial": True, "final": True},
}
CAUSAL = [None, "top_left", "bottom_right"]


def linear(form, causal, dtype):
    return LinearCase(**{"n": 75, "m": 90, "d": 32, **LINEAR[form], "causal": causal, "dtype": dtype})
