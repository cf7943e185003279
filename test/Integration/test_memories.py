# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Segment recurrence and compressed memory: golden cases, and what must hold of memories whatever the numbers are.

The letters are those of the properties of Transformer-XL and the Compressive Transformer in docs/Rationale/Testing.md.
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


def tensor(*shape):
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def fifo(run, memory, added, kept):
    """attn.update_memory on [R, D]; arrays without rows are known here."""
    both = np.concatenate([memory, added])
    if 0 in (len(memory), len(added), kept, len(both) - kept):
        return both[len(both) - kept :], both[: len(both) - kept]
    size = memory.shape[1]
    types = [tensor(rows, size) for rows in (len(memory), len(added), kept, len(both) - kept)]
    ir = f"""
func.func @main(%a: {types[0]}, %b: {types[1]}) -> ({types[2]}, {types[3]}) {{
  %kept = tensor.empty() : {types[2]}
  %gone = tensor.empty() : {types[3]}
  %r:2 = attn.update_memory ins(%a, %b : {types[0]}, {types[1]}) outs(%kept, %gone : {types[2]}, {types[3]})
      -> {types[2]}, {types[3]}
  return %r#0, %r#1 : {types[2]}, {types[3]}
}}"""
    return run(ir, [memory, added])


def compress(run, function, rows, rate, weights=(), received=None, dilation=1):
    """attn.compress on [R, D] or [B, R, D]."""
    if rows.shape[-2] == 0:
        return rows
    out = tensor(*rows.shape[:-2], rows.shape[-2] // rate, rows.shape[-1])
    names, inputs, extra = ["%x"], [rows], ""
    if weights:
        names, inputs = [*names, "%w", "%b"], [*inputs, *weights]
        extra = f"weights(%w, %b : {tensor(*weights[0].shape)}, {tensor(*weights[1].shape)})"
    if received is not None:
        names, inputs = [*names, "%r"], [*inputs, received]
        extra = f"received(%r : {tensor(*received.shape)})"
    arguments = ", ".join(f"{name}: {tensor(*array.shape)}" for name, array in zip(names, inputs))
    ir = f"""
func.func @main({arguments}) -> {out} {{
  %init = tensor.empty() : {out}
  %y = attn.compress {function} ins(%x : {tensor(*rows.shape)}) {extra} outs(%init : {out}) rate {rate}
      dilation {dilation} -> {out}
  return %y : {out}
}}"""
    return run(ir, inputs)[0]


@dataclasses.dataclass
class Memories:
    """Memory, compressed memory and the rows that wait for compression; all begin empty."""

    size: int
    compressed_size: int
    rate: int
    memory: np.ndarray
    compressed: np.ndarray
    waiting: np.ndarray

    @staticmethod
    def of(size, compressed_size, rate, width):
        empty = np.zeros((0, width))
        return Memories(size, compressed_size, rate, empty, empty, empty)

    def update(self, run, segment, function):
        room = min(self.size, len(self.memory) + len(segment))
        self.memory, evicted = fifo(run, self.memory, segment, room)
        ready = (len(self.waiting) + len(evicted)) // self.rate * self.rate
        self.waiting, ripe = fifo(run, self.waiting, evicted, len(self.waiting) + len(evicted) - ready)
        made = function(ripe)
        room = min(self.compressed_size, len(self.compressed) + len(made))
        self.compressed, _ = fifo(run, self.compressed, made, room)


KINDS = ["mean", "max", "conv", "dilated_conv", "most_used"]


@pytest.mark.parametrize("kind", KINDS)
def test_golden_compressive_functions(run, kind):
    golden = np.load(GOLDEN / "compressive_functions.npz")
    weights = (golden["conv_w"].astype(np.float64), golden["conv_b"].astype(np.float64))
    memories = Memories.of(14, 9, 3, 24)
    for step, segment in enumerate(golden["xs"].astype(np.float64)):

        def function(rows, step=step):
            name = {"mean": "mean_pool", "max": "max_pool", "most_used": "most_used"}.get(kind, "conv")
            received = golden["received"][step, : len(rows)].astype(np.float64) if kind == "most_used" else None
            dilation = 2 if kind == "dilated_conv" else 1
            return compress(run, name, rows, 3, weights if "conv" in kind else (), received, dilation)

        memories.update(run, segment, function)
    assert np.array_equal(memories.memory, golden[f"mem_{kind}"])
    assert np.array_equal(memories.waiting, golden[f"rem_{kind}"])
    tolerance = 0 if kind in ("max", "most_used") else 4 * (72**0.5 + 4) * 2.0**-24 * np.max(np.abs(golden["xs"])) * 72
    np.testing.assert_allclose(memories.compressed, golden[f"cm_{kind}"], rtol=0, atol=tolerance)


def test_golden_transformer_xl(run):
    golden = {name: array.astype(np.float64) for name, array in np.load(GOLDEN / "transformer_xl_hf.npz").items() if name != "options"}
    rows = np.concatenate([golden["mem"], golden["h"]])
    angles = np.arange(103, -1, -1)[:, None] * 10000.0 ** (-2 * np.arange(16) / 32)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], -1)

    def heads(array):
        return array.reshape(len(array), 2, 16).transpose(1, 0, 2)

    query = heads(golden["h"] @ golden["Wq"])
    key, value, positions = (heads(x @ golden[w]) for x, w in ((rows, "Wk"), (rows, "Wv"), (waves, "WR")))
    case = Case(n=64, m=104, d=16, layout="hi", mask=Causal(), relative="hr", positions=104, parts=(40, 64))
    inputs = [query + golden["u"], key[:, :40], value[:, :40], positions, query + golden["v_bias"], key[:, 40:], value[:, 40:]]
    got = run(case.ir(), inputs)[0]
    problem.assert_close([got], [golden["out"]], case.tolerances(inputs))


@pytest.mark.parametrize("segment", [8, 16, 24])
def test_a_segments_with_enough_memory_are_the_whole_sequence(run, segment):
    whole = Case(n=48, m=48, d=16, layout="hi", mask=Causal(), relative="hr", positions=48)
    query, key, value, rows, turned = whole.inputs()
    wanted = whole.evaluate([query, key, value, rows, turned])[0]
    outputs = []
    for first in range(0, 48, segment):
        end = first + segment
        parts = (first, segment) if first else (segment,)
        case = dataclasses.replace(whole, n=segment, m=end, positions=end, parts=parts)
        cuts = [slice(0, first), slice(first, end)] if first else [slice(0, end)]
        pieces = [array[:, cut] for cut in cuts for array in (key, value)]
        inputs = [query[:, first:end], *pieces[:2], rows[:, 48 - end :], turned[:, first:end], *pieces[2:]]
        outputs.append(run(case.ir(), inputs)[0])
    inputs = [query, key, value, rows, turned]
    problem.assert_close([np.concatenate(outputs, 1)], [wanted], whole.tolerances(inputs))


def test_c_without_compressed_memory_it_is_transformer_xl(run):
    """An empty part changes nothing; the sizes are static, so that it is left out."""
    case = Case(n=16, m=40, d=16, mask=Causal(), relative="hr", dynamic=False, parts=(24, 16))
    query, key, value, rows, turned, last_key, last_value = inputs = case.inputs()
    empty = dataclasses.replace(case, parts=(0, 24, 16))
    text = empty.ir().replace("%key: tensor<1x2x0x16xf32>, %value: tensor<1x2x0x16xf32>, ", "")
    text = text.replace("  %output =", "  %key = tensor.empty() : tensor<1x2x0x16xf32>\n  %value = tensor.empty() : tensor<1x2x0x16xf32>\n  %output =")
    got = run(text, [query, rows, turned, key, value, last_key, last_value])
    problem.assert_close(got, case.evaluate(inputs), case.tolerances(inputs))


def test_d_rate_one_loses_nothing_until_compressed_memory_is_full(run):
    memories, rows = Memories.of(6, 9, 1, 4), np.arange(80.0).reshape(20, 4)
    for first in range(0, 20, 5):
        memories.update(run, rows[first : first + 5], lambda ripe: compress(run, "mean_pool", ripe, 1))
        held = np.concatenate([memories.compressed, memories.memory])
        assert np.array_equal(held, rows[max(0, first + 5 - 15) : first + 5])


@pytest.mark.parametrize("rate", [2, 3, 4])
def test_e_mean_pool_keeps_constants(run, rate):
    rows = np.broadcast_to(np.array([1.5, -2.0, 0.25, 3.0]), (12, 4))
    np.testing.assert_allclose(compress(run, "mean_pool", rows, rate), rows[: 12 // rate], rtol=2.0**-22)


@pytest.mark.parametrize("size, room, rate, segment", [(7, 4, 3, 5), (10, 6, 2, 10), (4, 3, 4, 9), (16, 2, 3, 3)])
def test_g_rows_leave_in_the_order_they_came(run, size, room, rate, segment):
    """Ids go through all memories: none is lost before the compressed memory is full, none is there twice."""
    memories, made = Memories.of(size, room, rate, 2), []
    for step in range(6):
        ids = np.arange(step * segment, (step + 1) * segment, dtype=np.float64)
        memories.update(run, np.stack([ids, -ids], 1), lambda ripe: made.append(ripe) or compress(run, "max_pool", ripe, rate))
        total = (step + 1) * segment
        ripe = np.concatenate(made)[:, 0]
        assert np.array_equal(np.concatenate([ripe, memories.waiting[:, 0], memories.memory[:, 0]]), np.arange(total))
        assert len(memories.memory) == min(size, total) and len(memories.waiting) < rate
        assert np.array_equal(memories.compressed[:, 0], ripe[rate - 1 :: rate][-room:])


def test_most_used_from_attention_received(run):
    """Received attention without a matrix: with keys as queries and -L as their bias, the log-sum-exp says it."""
    n, m, d = 24, 12, 16
    forward = Case(n=n, m=m, d=d, layout="hi", lse=True)
    query, key, value = forward.inputs()
    _, lse = run(forward.ir(), [query, key, value])
    back = Case(n=m, m=n, d=d, e=1, layout="hi", lse=True, bias="hj")
    _, received = run(back.ir(), [key, query, np.zeros((2, n, 1)), -lse])
    scores = np.einsum("hid,hjd->hij", query, key) / 4
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(received), weights.sum(1), rtol=1e-5)
    used = problem.round_to(np.exp(received).mean(0), "float32")
    rows = np.arange(24.0).reshape(12, 2)
    kept = np.sort(np.argsort(-used, kind="stable")[:4])
    assert np.array_equal(compress(run, "most_used", rows, 3, received=used), rows[kept])


def test_most_used_prefers_the_older_of_equals(run):
    rows, used = np.arange(16.0).reshape(2, 4, 2), np.array([[1.0, 2, 2, 2], [0, 0, 0, 0]])
    assert np.array_equal(compress(run, "most_used", rows, 2, received=used), rows[[[0], [1]], [[1, 2], [0, 1]]])


def test_reconstruction_loss(run):
    """The loss is a composition: two attentions over evicted and compressed rows, and a sum of squares."""
    rng = np.random.default_rng(5)
    n, evicted, rate, heads, d = 20, 12, 3, 2, 8
    h, old = rng.standard_normal((n, 16)), rng.standard_normal((evicted, 16))
    projections = rng.standard_normal((3, 16, 16)) / 4

    def split(array):
        return array.reshape(len(array), heads, d).transpose(1, 0, 2)

    def attend(memory, case):
        inputs = [split(h @ projections[0]), split(memory @ projections[1]), split(memory @ projections[2])]
        return run(case.ir(), [problem.round_to(array, "float32") for array in inputs])[0]

    case = Case(n=n, m=evicted, d=d, layout="hi")
    short = compress(run, "mean_pool", problem.round_to(old, "float32"), rate)
    difference = attend(old, case) - attend(short, dataclasses.replace(case, m=evicted // rate))
    inputs = [split(h @ projections[0]), split(old @ projections[1]), split(old @ projections[2])]
    pooled = old.reshape(4, 3, 16).mean(1)
    other = [inputs[0], split(pooled @ projections[1]), split(pooled @ projections[2])]
    wanted = case.evaluate(inputs)[0] - dataclasses.replace(case, m=4).evaluate(other)[0]
    np.testing.assert_allclose(np.sum(difference**2), np.sum(wanted**2), rtol=1e-4)
    same = attend(compress(run, "mean_pool", problem.round_to(old, "float32"), 1), case)
    np.testing.assert_allclose(same, attend(old, case), rtol=0, atol=1e-5)
