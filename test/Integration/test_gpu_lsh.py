# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sorted attention by kernels for GPUs against its meaning: small shapes in the simulator."""

import shutil
import tempfile
from pathlib import Path

import libraries
import lsh_engines
import lsh_simulated
import numpy as np
import problem
import pytest
import test_lsh_golden
import test_lsh_properties as properties
from lsh_case import LshCase
from lsh_simulated import Dense, Simulated
from test_asymmetric_lsh import CASES as ASYMMETRIC_CASES
from test_asymmetric_lsh import AsymmetricCase

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

TYPES = ["float32", "float16", "bfloat16"]
CASES = [
    LshCase(n=16),
    LshCase(n=100, rounds=3),
    LshCase(n=100, rounds=3, dynamic=False, causal=True),
    LshCase(n=129, rounds=2, chunk=64, buckets=(4,), causal=True),
    LshCase(n=131, rounds=4, ahead=1, batch=2, layout="bih", valid=True),
    LshCase(n=90, rounds=2, causal=True, valid=True, layout="hi"),
    LshCase(n=90, rounds=4, same_bucket=False, causal=True, buckets=(4, 6)),
    LshCase(n=90, rounds=4, same_bucket=False, back=0, ahead=2, chunk=7),
    LshCase(n=90, rounds=2, alibi=True, causal=True),
    LshCase(n=90, rounds=2, alibi=True, same_bucket=False),
    LshCase(n=80, rounds=20, chunk=24, buckets=(6,)),
    LshCase(n=40, rounds=64, chunk=16, heads=1),
    LshCase(n=150, chunk=150, same_bucket=False),
    LshCase(n=100, rounds=3, dup="none"),
    LshCase(n=100, rounds=2, d=40, e=24, buckets=(70,)),
    LshCase(n=60, rounds=2, d=256, e=256, heads=1),
    LshCase(n=2100, rounds=2, heads=1, chunk=64, buckets=(12, 6), lse=False),
    LshCase(n=300, rounds=1, buckets=(600,), heads=1),
    LshCase(n=120, rounds=2, scale=40.0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case):
    lsh_engines.check(case, Simulated)


@pytest.mark.parametrize("d", [64, 128])
@pytest.mark.parametrize("dtype", TYPES)
def test_types(dtype, d):
    case = LshCase(n=200, rounds=4, d=d, chunk=32, buckets=(8,), heads=1, dtype=dtype, causal=d == 64)
    lsh_engines.check(case, Simulated)


PROPERTIES = [
    (properties.test_a_one_chunk_is_full_attention_without_self, 3),
    (properties.test_b_union_oracle, False, False),
    (properties.test_b_union_oracle, True, True),
    (properties.test_c_rounds_may_be_permuted_and_repeated, True),
    (properties.test_d_buckets_ignore_length_and_mirror_the_sign, (4, 6)),
    (properties.test_e_causal_rows_ignore_what_comes_later, 4),
    (properties.test_f_invalid_tokens_at_the_end_change_nothing, True),
    (properties.test_g_equal_tokens_average_their_window,),
]


@pytest.mark.parametrize("check, arguments", [(check, rest) for check, *rest in PROPERTIES], ids=lambda x: getattr(x, "__name__", str(x)))
def test_properties(check, arguments):
    check(Simulated, *arguments)


@pytest.mark.parametrize("hashed", [False, True], ids=["injected", "hashed"])
@pytest.mark.parametrize("name", test_lsh_golden.FILES)
def test_golden(name, hashed):
    """Public implementations roll the axis of chunks."""
    test_lsh_golden.test_golden(name, hashed, "float32", Simulated if name.startswith("spec") else Dense)


def check_asymmetric(case):
    made = case.inputs()
    with tempfile.TemporaryDirectory() as folder:
        library = libraries.for_simulation(case.ir())
        got = lsh_simulated.simulate(Path(folder), library, case, made)
    wanted, tolerances = case.evaluate(made), case.tolerances(None, made)
    for name in case.destinations():
        problem.assert_close([got[name]], [case.arrange(name, wanted[name])], [tolerances[name]], f"{case} {name}")


@pytest.mark.parametrize("case", ASYMMETRIC_CASES, ids=str)
def test_asymmetric(case):
    check_asymmetric(case)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_asymmetric_types(dtype):
    check_asymmetric(AsymmetricCase(n=70, rounds=3, hashed=True, dtype=dtype, valid=True))


def test_order_of_blocks_changes_nothing():
    case = LshCase(n=2100, rounds=2, heads=1, chunk=32, buckets=(20,), causal=True, dtype="float16")
    made = Simulated.prepare(case, case.inputs())
    with tempfile.TemporaryDirectory() as folder:
        library = libraries.for_simulation(case.ir())
        results = [lsh_simulated.simulate(Path(folder), library, case, made, order) for order in (1, 2)]
    for name in case.destinations():
        assert np.array_equal(results[0][name], results[1][name]), name


@pytest.mark.parametrize("changes", [{"wrap": True, "same_bucket": False}, {"valid": True, "mask_query": False}], ids=str)
def test_what_has_no_kernel_is_dense_and_says_so(changes):
    case = LshCase(n=48, rounds=2, **changes)
    said = libraries.remarks(libraries.for_simulation(case.ir(), flags=["--remarks"]))
    assert "computed over all pairs: no kernel for" in said
    lsh_engines.check(case, Dense)
