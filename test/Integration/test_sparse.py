# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Windows, global tokens, local chunks and BigBird against outputs of the public implementations.

The letters are those of the properties of Longformer and BigBird in docs/Rationale/Masks.md.
"""

import json
from pathlib import Path

import engines
import numpy as np
import problem
import pytest
from attention_case import Case
from masks import AllOf, AnyOf, BigBird, Causal, Global, LocalChunks, Window

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=engines.ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


def load(name, options="options"):
    golden = np.load(GOLDEN / f"{name}.npz")
    return golden, json.loads(str(golden[options]))


def run(engine, mask, arrays, valid=None, scale=0.25):
    """Attention of [heads, n, d] arrays in f64."""
    heads, n, d = arrays[0].shape
    case = Case(n=n, m=n, d=d, heads=heads, layout="hi", dtype="float64", mask=mask, scale=scale, dynamic=False,
                key_valid=None if valid is None else "j")
    extra = [] if valid is None else [valid.astype(np.float64)]
    return engine.evaluate(case, [np.asarray(array, np.float64) for array in arrays] + extra)[0]


def runs_of(flags):
    """The set tokens as half-open runs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return tuple((int(first), int(last)) for first, last in edges.reshape(-1, 2))


def longformer(engine, golden, head, window, tokens, valid, causal):
    """Local attention of all rows; the global ones, with projections of their own, take their place."""
    one = slice(head, head + 1)
    local = AnyOf((window, Global(runs_of(tokens), "keys")))
    order = Causal() if causal else None
    both = AllOf((order, local)) if causal else local
    rows = run(engine, both, [golden[name][one] for name in "qkv"], valid)
    all_keys = run(engine, order, [golden[name][one] for name in ("qg", "kg", "vg")], valid)
    return np.where((tokens & valid)[None, :, None], all_keys, rows)


def test_longformer_of_transformers(engine):
    golden, options = load("longformer_hf")
    reach = options["one_sided_window"]
    for head in range(2):
        got = longformer(engine, golden, head, Window(reach, reach), golden["G"], golden["valid"], False)
        got[:, ~golden["valid"]] = 0  # the package's rule for padded queries
        problem.assert_close([got], [golden["out"][head : head + 1]], [1e-12])
        problem.assert_close([got], [golden["out_pkg"][head : head + 1].astype(np.float64)], [1e-6])


def test_longformer_dilated_causal(engine):
    golden, options = load("longformer_dilated_causal")
    reach = options["one_sided_window"]
    window = Window(reach, reach, options["dilation"])
    for head in range(2):
        got = longformer(engine, golden, head, window, golden["G"], golden["valid"][head], True)
        problem.assert_close([got], [golden["out"][head : head + 1]], [1e-12])


def test_bigbird_of_transformers_counts_each_block_once(engine):
    golden, options = load("bigbird_hf_train")
    table = tuple(tuple(map(tuple, head)) for head in golden["rand"].tolist())
    mask = BigBird(options["block"], options["num_random"], 0, table)
    got = run(engine, mask, [golden[name] for name in "qkv"], golden["valid"])
    got[:, ~golden["valid"]] = 0
    problem.assert_close([got], [golden["out_dedupe"]], [1e-12])


def test_local_chunks_of_local_attention(engine):
    golden, meta = load("la_local_ragged", "meta")
    mask = LocalChunks(meta["opts"]["C"], meta["opts"]["a"], meta["opts"]["b"])
    got = run(engine, mask, [golden[name] for name in "qkv"])
    problem.assert_close([got], [golden["o"]], [1e-12])


def test_local_chunks_of_transformers_wrap_around(engine):
    """Its chunks are rolled: the first also sees the last, and the last the first. That is a mask as well."""
    golden, meta = load("hf_local_enc_a1b1", "meta")
    chunk, n = meta["opts"]["C"], golden["q"].shape[1]
    first, last = (0, chunk), (n - chunk, n)
    around = [AllOf((Global((a,), "queries"), Global((b,), "keys"))) for a, b in ((first, last), (last, first))]
    mask = AnyOf((LocalChunks(chunk, 1, 1), *around))
    got = run(engine, mask, [golden[name] for name in "qkv"])
    problem.assert_close([got], [golden["o"]], [1e-12])
    plain = run(engine, LocalChunks(chunk, 1, 1), [golden[name] for name in "qkv"])
    problem.assert_close([plain[:, chunk:-chunk]], [golden["o"][:, chunk:-chunk]], [1e-12])


def arrays(n, heads=2, d=16):
    rng = np.random.default_rng(n)
    return [rng.standard_normal((heads, n, d)) for _ in range(3)]


def test_b_a_window_of_everything_is_full(engine):
    inputs = arrays(70)
    full = run(engine, None, inputs)
    problem.assert_close([run(engine, Window(69, 69), inputs)], [full], [1e-12])


def test_c_all_tokens_global_is_full(engine):
    inputs = arrays(70)
    full = run(engine, None, inputs)
    mask = AnyOf((Window(2, 2), Global(((0, 70),))))
    problem.assert_close([run(engine, mask, inputs)], [full], [1e-12])


def test_d_a_window_of_one_key_returns_its_value(engine):
    inputs = arrays(45)
    problem.assert_close([run(engine, Window(0, 0), inputs)], [inputs[2]], [1e-15])


def test_e_even_and_odd_positions_do_not_meet_at_dilation_two(engine):
    inputs = arrays(60)
    before = run(engine, Window(3, 3, 2), inputs)
    for array in inputs:
        array[:, 1::2] += 1.0
    after = run(engine, Window(3, 3, 2), inputs)
    assert np.array_equal(before[:, ::2], after[:, ::2]) and not np.allclose(before[:, 1::2], after[:, 1::2])


def test_g_one_table_for_every_run(engine):
    inputs = arrays(8 * 12)
    mask = BigBird(8, 3, 5)
    first, second = run(engine, mask, inputs), run(engine, mask, inputs)
    assert np.array_equal(first, second)
    assert np.max(np.abs(first - run(engine, BigBird(8, 3, 6), inputs))) > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_bigbird_draws_distinct_blocks_that_are_not_seen_anyway(seed):
    mask = BigBird(4, 3, seed)
    for head in range(4):
        for row in range(1, 19):
            fixed = len({block for block in (0, row - 1, row, row + 1, 19) if 0 <= block < 20})
            assert len(mask.seen(head, row, 20)) == fixed + 3


@pytest.mark.parametrize(
    "case",
    [
        Case(n=130, m=130, d=32, heads=4, group=2, mask=BigBird(16, 2, 3), lse=True),
        Case(n=100, m=300, d=32, mask=AllOf((Causal(), AnyOf((Window(20, 0), Global(((0, 9),)))))), dtype="bfloat16"),
        Case(n=260, m=260, d=64, mask=AnyOf((Window(40, 40), Global(((0, 16), 200)))), heads=4, group=4, key_valid="bj"),
    ],
    ids=str,
)
def test_dense_mask_oracle(case):
    engines.check(case)
