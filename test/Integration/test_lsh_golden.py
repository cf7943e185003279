# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LSH attention against outputs of the public implementations and of a brute-force evaluation of the definition."""

import json
from pathlib import Path

import lsh_engines
import numpy as np
import pytest
from lsh_case import LshCase

GOLDEN = Path(__file__).parent / "golden"
TYPES_OF = {"reference": ["float64"], "compiled": ["float32", "float64"]}
FILES = ["lr_r2_causal_across", "lr_r4_samebucket_nodup", "hf_lsh_r1_enc", "hf_lsh_r3_dec_factored"]
FILES += ["spec_r8_causal_ragged_padded"]
# The reference knows only f64.
WAYS = [(engine, dtype) for engine in lsh_engines.ENGINES for dtype in TYPES_OF[engine.name]]


def load(name, hashed, dtype):
    """The case and its canonical arrays; `hashed` computes the buckets from the stored rotations."""
    data = np.load(GOLDEN / f"{name}.npz")
    meta = json.loads(str(data["meta"]))
    options = meta["opts"]
    heads, n, d = data["x"].shape
    made = {"x": data["x"][None], "value": data["v"][None], "output": data["o"][None]}
    made |= {"rotations": data["rotations"], "injected": data["buckets"][None].astype(np.int64)}
    if "L" in data:
        made["lse"] = data["L"][None]
    if "valid" in data:
        made["valid"] = data["valid"][None]
    renamed = {"C": "chunk", "a": "back", "b": "ahead", "tau": "scale"}
    given = {renamed.get(key, key): value for key, value in options.items() if key != "nb"}
    case = LshCase(
        n=n,
        d=d,
        heads=heads,
        rounds=data["buckets"].shape[1],
        buckets=tuple(meta.get("factors", [options["nb"]])),
        valid="valid" in data,
        injected=not hashed,
        dtype=dtype,
        lse="lse" in made,
        **given,
    )
    return case, made, meta


@pytest.mark.parametrize("engine, dtype", WAYS, ids=lambda way: getattr(way, "name", way))
@pytest.mark.parametrize("hashed", [False, True], ids=["injected", "hashed"])
@pytest.mark.parametrize("name", FILES)
def test_golden(name, hashed, dtype, engine):
    case, made, meta = load(name, hashed, dtype)
    rows = np.ones((case.batch, case.heads, case.n), bool)
    if meta.get("valid_rows_only"):
        rows &= made["valid"][:, None]
    made_of_type = engine.prepare(case, made)
    tolerances = engine.tolerances(case, made_of_type)
    if hashed and engine.name == "compiled":
        # Rotations are stored in f64 and read as f32: an argmax that this turned around would be another problem.
        narrow = dict(made, rotations=made["rotations"].astype(np.float32).astype(np.float64))
        assert np.array_equal(case.hash(narrow), case.hash(made))
    results = engine.evaluate(case, made_of_type)
    for key in case.destinations():
        extra = meta["reference_err"] * 4 + (np.abs(made["x"]).max() * 2e-6 if dtype == "float32" else 1e-11)
        lsh_engines.compare(case, key, results[key], made[key], tolerances[key] + extra, rows)
    lsh_engines.check(case, engine, made)
