# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention keeps its meaning from phase to phase: the reference evaluates the tiled and the packed program."""

import subprocess

import problem
import pytest
import reference
from attention_case import Case
from masks import AnyOf, Causal, Global, Window

TILE = "--attn-tile=query-tile=24 key-tile=16 min-tiles=2 key-split=8"
PHASES = {
    "tiled": [TILE],
    "packed": [TILE, "--attn-cpu-pack-operands=vector-bits=512"],
    "packed pairs": [TILE, "--attn-cpu-pack-operands=vector-bits=512 bf16-dot"],
    "packed narrow": [TILE, "--attn-cpu-pack-operands=vector-bits=256"],
}
CASES = [
    Case(n=33, m=41, d=24, mask=Causal("bottom_right"), heads=4, group=2, batch=2, lse=True, dtype="bfloat16"),
    Case(n=17, m=23, mask=Window(4, 4, 3), heads=4, group=4, dynamic=False),
    Case(n=30, m=30, mask=AnyOf((Window(2, 0), Global((1, (6, 8))))), heads=4, lse=True),
    Case(n=20, m=37, d=7, e=5, bias="hij", key_valid="bj", batch=3, lse=True, dtype="bfloat16"),
    Case(n=20, m=37, softcap=2.5, scale=0.7, layout="bih", dtype="float16"),
    Case(n=8, m=10, score_mod="alibi", heads=8),
    Case(n=1, m=40, heads=8, group=4, mask=Causal("bottom_right"), dynamic=False),
]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_same_meaning(case, phase, tmp_path):
    source = tmp_path / "in.mlir"
    source.write_text(case.ir())
    done = subprocess.run(["attn-opt", source, *PHASES[phase]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("attn.online_packed" in done.stdout) == ("packed" in phase)
    inputs = case.inputs()
    wanted = case.evaluate(inputs)
    lowered, results = reference.run(done.stdout, inputs, len(wanted))
    assert lowered.returncode == 0, lowered.stderr
    problem.assert_close(results, wanted, [1e-11] * len(wanted))
