# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operations on positions against numpy and Hugging Face, and what must hold of them within attention.

The letters are those of the properties of decoding and positions in docs/Rationale/Testing.md.
"""

import dataclasses
from pathlib import Path

import numpy as np
import problem
import pytest
from attention_case import Case
from masks import Causal
from programs import ENGINES, evaluate

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.__name__)
def run(request):
    return lambda ir, inputs, dtype="float32": evaluate(request.param, ir, inputs, dtype)


def rotary_ir(shape, pairing, dim, first=0):
    """@main rotates an array of f32 at positions from `first` on."""
    type_ = f"tensor<{'x'.join(map(str, shape))}xf32>"
    return f"""
func.func @main(%x: {type_}) -> {type_} {{
  %first = arith.constant {first} : index
  %init = tensor.empty() : {type_}
  %r = attn.rotary {pairing} ins(%x : {type_}) first(%first) outs(%init : {type_}) dim {dim} -> {type_}
  return %r : {type_}
}}"""


def rotated(x, pairing, dim, first=0):
    """x in f64, rotated by numpy."""
    x = np.moveaxis(x, dim, -2)
    n, d = x.shape[-2:]
    angles = (first + np.arange(n))[:, None] * 10000.0 ** (-2 * np.arange(d // 2) / d)
    a, b = (x[..., 0::2], x[..., 1::2]) if pairing == "interleaved" else np.split(x, 2, axis=-1)
    a, b = a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles) + a * np.sin(angles)
    joined = np.stack([a, b], -1).reshape(x.shape) if pairing == "interleaved" else np.concatenate([a, b], -1)
    return np.moveaxis(joined, -2, dim)


@pytest.mark.parametrize("pairing", ["half", "interleaved"])
@pytest.mark.parametrize("shape, dim", [((5, 8), 0), ((3, 40, 64), 1), ((2, 9, 4, 6), 1)], ids=str)
@pytest.mark.parametrize("first", [0, 1000000])
def test_rotary(run, pairing, shape, dim, first):
    x = problem.round_to(np.random.default_rng(0).standard_normal(shape), "float32")
    got = run(rotary_ir(shape, pairing, dim, first), [x])[0]
    # An angle is off by at most 2^-24 half turns, a sum of two products by three roundings.
    np.testing.assert_allclose(got, rotated(x, pairing, dim, first), rtol=0, atol=8e-7 * np.max(np.abs(x)))


def test_a_rotary_attention_is_unchanged_by_a_shift(run):
    case = Case(n=24, m=24, d=32, layout="hi", mask=Causal())
    query, key, value = case.inputs()
    outputs = []
    for first in (0, 77):
        turned = [run(rotary_ir(array.shape, "half", 1, first), [array])[0] for array in (query, key)]
        outputs.append(run(case.ir(), [*turned, value])[0])
    tolerance = 8 * case.tolerances([query, key, value])[0]
    problem.assert_close([outputs[1]], [outputs[0]], [tolerance])


def test_e_half_is_interleaved_after_a_permutation(run):
    x = np.random.default_rng(1).standard_normal((3, 20, 16)).astype(np.float32).astype(np.float64)
    order = np.arange(16).reshape(2, 8).T.reshape(-1)
    half = run(rotary_ir(x.shape, "half", 1), [x])[0]
    mixed = run(rotary_ir(x.shape, "interleaved", 1), [x[..., order]])[0]
    np.testing.assert_allclose(mixed, half[..., order], rtol=0, atol=1e-6)


def test_golden_rope(run):
    golden = np.load(GOLDEN / "rope_half_causal.npz")
    case = Case(n=64, m=64, d=16, layout="hi", scale=0.25, mask=Causal())
    query, key, value = (golden[name].astype(np.float64) for name in "qkv")
    turned = [run(rotary_ir(array.shape, "half", 1), [array])[0] for array in (query, key)]
    got = run(case.ir(), [*turned, value])
    problem.assert_close(got, [golden["out"]], [4 * case.tolerances([query, key, value])[0]])


def slopes(heads):
    lower = 2 ** int(np.log2(heads))
    return np.array([2 ** (-8 * h / lower) for h in range(1, lower + 1)] + [2 ** (-4 * h / lower) for h in range(1, 2 * lower, 2)])[:heads]


def bias_ir(name, heads, positions, keys, rest="", operands="", arguments=""):
    type_ = f"tensor<{heads}x{positions}xf32>"
    return f"""
func.func @main({arguments}) -> {type_} {{
  %m = arith.constant {keys} : index
  %init = tensor.empty() : {type_}
  %r = attn.{name} {operands} keys(%m) outs(%init : {type_}) {rest} -> {type_}
  return %r : {type_}
}}"""


@pytest.mark.parametrize("heads", [1, 2, 8, 12, 20])
@pytest.mark.parametrize("rest", ["", "bidirectional"])
def test_alibi(run, heads, rest):
    got = run(bias_ir("alibi", heads, 50, 30, rest), [])[0]
    distance = 29 - np.arange(50)
    wanted = -slopes(heads)[:, None] * (np.abs(distance) if rest else distance)
    np.testing.assert_allclose(got, wanted, rtol=3e-7)


def test_g_slopes_of_eight_heads(run):
    got = run(bias_ir("alibi", 8, 30, 30), [])[0]
    np.testing.assert_array_equal(got[:, 28], -(2.0 ** -np.arange(1, 9)))


@pytest.mark.parametrize("parts", [None, (7, 13)])
def test_a_alibi_attention_sees_distances_only(run, parts):
    """The bias of a longer table, and of other positions, is the same attention."""
    case = Case(n=12, m=20, d=16, heads=8, layout="hi", mask=Causal(), bias="hr", parts=parts)
    names, inputs = case.operands(), case.inputs()
    inputs[names.index("bias")] = run(bias_ir("alibi", 8, 31, 20), [])[0]
    wanted = case.evaluate(inputs)
    problem.assert_close(run(case.ir(), inputs), wanted, case.tolerances(inputs))
    longer = dataclasses.replace(case, positions=20)
    inputs[names.index("bias")] = run(bias_ir("alibi", 8, 20, 20), [])[0]
    problem.assert_close(run(longer.ir(), inputs), wanted, case.tolerances(inputs))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("buckets, most", [(32, 128), (16, 50), (8, 8)])
def test_bucket_bias(run, bidirectional, buckets, most):
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    torch = pytest.importorskip("torch")
    table = np.random.default_rng(0).standard_normal((buckets, 6)).astype(np.float32).astype(np.float64)
    rest = f"max_distance {most} {'bidirectional' if bidirectional else ''}"
    ir = bias_ir("bucket_bias", 6, 700, 400, rest, f"ins(%t : tensor<{buckets}x6xf32>)", f"%t: tensor<{buckets}x6xf32>")
    relative = torch.arange(700) - 399
    bucket = t5.T5Attention._relative_position_bucket(relative, bidirectional, buckets, most)
    np.testing.assert_array_equal(run(ir, [table])[0], table[bucket.numpy()].T)


@pytest.mark.parametrize("descending", [True, False])
def test_sinusoid(run, descending):
    rest = "descending" if descending else ""
    ir = f"""
func.func @main() -> tensor<90x32xf32> {{
  %first = arith.constant 5000 : index
  %init = tensor.empty() : tensor<90x32xf32>
  %r = attn.sinusoid first(%first) outs(%init : tensor<90x32xf32>) {rest} -> tensor<90x32xf32>
  return %r : tensor<90x32xf32>
}}"""
    angles = (5000 + (-1 if descending else 1) * np.arange(90))[:, None] * 10000.0 ** (-2 * np.arange(16) / 32)
    np.testing.assert_allclose(run(ir, [])[0], np.concatenate([np.sin(angles), np.cos(angles)], -1), rtol=0, atol=5e-7)


@pytest.mark.parametrize("steps", [(20,), (8, 12), (5, 5, 10)])
def test_f_position_infused_attention(run, steps):
    """q and k of x plus positions, v and caches of x alone; positions are given anew at every step."""
    rng = np.random.default_rng(4)
    x, weights = rng.standard_normal((20, 16)), rng.standard_normal((3, 16, 16)) / 4
    angles = np.arange(20)[:, None] * 10000.0 ** (-2 * np.arange(8) / 16)
    positions = np.concatenate([np.sin(angles), np.cos(angles)], -1)
    outputs, end = [], 0
    for step in steps:
        begin, end = end, end + step
        case = Case(n=step, m=end, d=16, heads=1, layout="hi", mask=Causal())
        infused = x[:end] + positions[:end]
        inputs = [(infused @ weights[0])[None, begin:], (infused @ weights[1])[None], (x[:end] @ weights[2])[None]]
        inputs = [problem.round_to(array, "float32") for array in inputs]
        outputs.append(run(case.ir(), inputs)[0])
    whole = Case(n=20, m=20, d=16, heads=1, layout="hi", mask=Causal())
    infused = x + positions
    wanted = whole.evaluate([(infused @ weights[0])[None], (infused @ weights[1])[None], (x @ weights[2])[None]])[0]
    np.testing.assert_allclose(np.concatenate(outputs, 1), wanted, rtol=0, atol=1e-5)
