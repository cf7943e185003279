# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Attention tiled by upstream's transform dialect means what it meant: the reference evaluates both."""

import subprocess

import problem
import pytest
import reference
from attention_case import Case
from masks import AnyOf, Causal, Global, Window

ANY = "!transform.any_op"
# The keys of a tile: as one step, in order, as partial reductions in order and in parallel.
KEYS = {
    "whole": "",
    "in order": f"%u, %l = transform.structured.tile_using_for %s tile_sizes [0, 0, 5] : ({ANY}) -> ({ANY}, {ANY})",
    "partial": "%f:3, %u, %c, %l = transform.structured.tile_reduction_using_for %s by tile_sizes = [0, 0, 4]"
    f" : ({ANY}) -> ({', '.join([ANY] * 6)})",
    "parallel": "%f:3, %u, %c, %l = transform.structured.tile_reduction_using_forall %s by num_threads = [0, 0, 3]"
    f" : ({ANY}) -> ({', '.join([ANY] * 6)})",
}
SEQUENCE = """
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %a = transform.structured.match ops{["attn.attention"]} in %module : (!transform.any_op) -> !transform.any_op
    %t, %tiles = transform.structured.tile_using_forall %a tile_sizes [SIZES]
        : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %s = transform.structured.match ops{["attn.online_attention"]} in %tiles : (!transform.any_op) -> !transform.any_op
    KEYS
    transform.yield
  }
}
"""
CASES = [
    (Case(n=17, m=23, mask=Causal("bottom_right"), heads=4, group=2, batch=2, lse=True), "1, 2, 8"),
    (Case(n=17, m=23, mask=Window(4, 4, 3), heads=4, group=2), "1, 1, 5"),
    (Case(n=14, m=18, mask=AnyOf((Window(2, 0), Global((1, (6, 8))))), heads=4, lse=True), "0, 3, 4"),
    (Case(n=8, m=10, bias="hij", key_valid="bj", batch=3, lse=True), "2, 1, 8"),
    (Case(n=8, m=10, score_mod="alibi", heads=8, layout="bih"), "0, 4, 3"),
]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize(("case", "sizes"), CASES, ids=str)
def test_same_meaning(case, sizes, keys, tmp_path):
    sequence = SEQUENCE.replace("SIZES", sizes).replace("KEYS", KEYS[keys])
    source = tmp_path / "in.mlir"
    source.write_text(case.ir() + sequence)
    command = ["attn-opt", source, "--transform-interpreter", "--canonicalize"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    tiled = done.stdout.split("module attributes {transform.with_named_sequence}")[0] + "}\n"
    assert "attn.attention" not in tiled
    assert ("attn.merge" in tiled) == (keys in ("partial", "parallel"))
    inputs = case.inputs()
    wanted = case.evaluate(inputs)
    done, results = reference.run(tiled, inputs, len(wanted))
    assert done.returncode == 0, done.stderr
    problem.assert_close(results, wanted, [1e-12] * len(wanted))
