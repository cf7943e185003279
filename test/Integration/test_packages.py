# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Efficient attention against the public implementations themselves, run beside it on generated data.

Where these differ from our definitions, the attributes that say so reproduce them. They run in f64 on numbers that the
type under test can hold, projections being given, so that an error is the compiled kernel's or the reference's alone.
"""

import dataclasses
import functools

import engines
import lsh_engines
import numpy as np
import problem
import programs
import pytest
from attention_case import Case
from low_rank_case import LowRankCase
from lsh_case import LshCase
from masks import AllOf, AnyOf, BigBird, Causal, Global, Window
from test_memories import compress, fifo

torch = pytest.importorskip("torch")

# Where a package computes a softmax in f32 whatever the type of its inputs: an exponent of up to 16 is off by 2^-20.
SINGLE = 16 * 2.0**-22
WAYS = [(engine.name, dtype) for engine in engines.ENGINES for dtype in ("float32", "float64")
        if engine is not engines.Reference or dtype == "float64"]  # fmt: skip


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    """An engine of exact attention, the one of LSH, and the type."""
    name, dtype = request.param
    plain, hashed = ({engine.name: engine for engine in module.ENGINES}[name] for module in (engines, lsh_engines))
    return plain, hashed, dtype


def draw(seed, dtype, *shape):
    return problem.round_to(np.random.default_rng([seed, *shape]).standard_normal(shape), dtype)


class Given(torch.nn.Module):
    """Stands for a projection: gives its results whatever it is called with."""

    def __init__(self, array):
        super().__init__()
        self.array = torch.from_numpy(np.ascontiguousarray(array, np.float64))

    def forward(self, _):
        return self.array


def merge_heads(array):
    """[H, N, D] as [1, N, H * D]."""
    heads, n, d = array.shape
    return array.transpose(1, 0, 2).reshape(1, n, heads * d)


def split_heads(tensor, heads):
    """[1, N, H * D] as [H, N, D]."""
    array = tensor.detach().double().numpy()[0]
    return array.reshape(len(array), heads, -1).transpose(1, 0, 2)


def attend(way, arrays, mask, valid=None, extra=0):
    """Exact attention of [H, N, D] arrays, and how far off it may be."""
    engine, _, dtype = way
    heads, n, d = arrays[0].shape
    case = Case(n=n, m=arrays[1].shape[1], d=d, heads=heads, layout="hi", dtype=dtype, mask=mask, dynamic=False,
                key_valid=None if valid is None else "j")  # fmt: skip
    inputs = list(arrays) + ([] if valid is None else [valid.astype(np.float64)])
    got = engine.evaluate(case, inputs)[0]
    return np.asarray(got, np.float64), engine.tolerances(case, inputs)[0] + extra


# -- LSH ---------------------------------------------------------------------------------------------------------------


def compare_lsh(way, case, made, wanted, extra=0.0, rows=None):
    _, engine, dtype = way
    case = dataclasses.replace(case, dtype=dtype)
    made = engine.prepare(case, made)
    got = engine.evaluate(case, made)["output"]
    # A weight of exp(score - |score| * 2^-24): keys are normalised once more than in the package.
    extra += np.abs(made["x"]).max() * 2e-6 if dtype == "float32" else 1e-11
    tolerance = engine.tolerances(case, made)["output"] + extra
    lsh_engines.compare(case, "output", got, wanted[None], tolerance, rows)


@pytest.mark.parametrize("rounds", [1, 4])
@pytest.mark.parametrize("duplicates", [True, False], ids=["duplicates", "once"])
@pytest.mark.parametrize("across", [True, False], ids=["across", "within"])
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_reformer_pytorch(way, causal, across, duplicates, rounds):
    package = pytest.importorskip("reformer_pytorch.reformer_pytorch")
    heads, n, d, chunk = 2, 128, 16, 16
    x, value = draw(1, way[2], heads, n, d), draw(2, way[2], heads, n, d)
    torch.manual_seed(3)
    module = package.LSHAttention(bucket_size=chunk, n_hashes=rounds, causal=causal, attend_across_buckets=across,
                                  allow_duplicate_attention=duplicates)  # fmt: skip
    wanted, _, buckets = module(torch.from_numpy(x), torch.from_numpy(value))
    buckets = buckets.numpy().reshape(heads, rounds, n) - (np.arange(rounds) * (n // chunk))[:, None]
    case = LshCase(n=n, d=d, heads=heads, rounds=rounds, chunk=chunk, buckets=(n // chunk,), causal=causal, scale=d**-0.5,
                   key_eps=0.0, same_bucket=across is False, wrap=True, dup="none" if duplicates else "lr",
                   self_mode="overwrite", self_value=-5e4, injected=True, lse=False)  # fmt: skip
    # The logarithm of a number of rounds plus 1e-9, added up in another order.
    compare_lsh(way, case, {"x": x[None], "value": value[None], "injected": buckets[None]}, wanted.numpy(),
                0 if duplicates else 2e-8)  # fmt: skip


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("rounds, buckets", [(1, [16]), (3, [4, 6])], ids=["plain", "factored"])
@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
def test_reformer_of_transformers(way, causal, rounds, buckets, padded):
    transformers = pytest.importorskip("transformers.models.reformer.modeling_reformer")
    heads, n, d, chunk = 2, 64, 16, 8
    config = transformers.ReformerConfig(
        hidden_size=heads * d, num_attention_heads=heads, attention_head_size=d, lsh_attn_chunk_length=chunk, num_hashes=rounds,
        num_buckets=buckets if len(buckets) > 1 else buckets[0], lsh_num_chunks_before=1, lsh_num_chunks_after=0,
        is_decoder=causal, hash_seed=4, lsh_attention_probs_dropout_prob=0.0)  # fmt: skip
    module = transformers.LSHSelfAttention(config).double().eval()
    x, value = draw(5, way[2], heads, n, d), draw(6, way[2], heads, n, d)
    module.query_key, module.value = Given(merge_heads(x)), Given(merge_heads(value))
    valid = np.random.default_rng(7).random(n) < 0.8
    mask = torch.from_numpy(valid[None].astype(np.int64)) if padded else None
    with torch.no_grad():
        result = module(torch.zeros(1, n, heads * d, dtype=torch.float64), attention_mask=mask)
    number = int(np.prod(buckets)) + padded
    hashed = result.buckets.numpy() - (np.arange(rounds) * number)[:, None]
    case = LshCase(n=n, d=d, heads=heads, rounds=rounds, chunk=chunk, buckets=tuple(buckets), causal=causal, same_bucket=False,
                   wrap=True, dup="none", self_mode="overwrite", self_value=-1e5, mask_query=False, injected=True, lse=False,
                   valid=padded)  # fmt: skip
    made = {"x": x[None], "value": value[None], "injected": hashed}
    made |= {"valid": valid[None]} if padded else {}
    compare_lsh(way, case, made, split_heads(result.hidden_states, heads))


# -- windows, global tokens, blocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [(), (0, 1, 70)], ids=["local", "global"])
@pytest.mark.parametrize("padded", [0, 20])
def test_longformer_of_transformers(way, padded, tokens):
    transformers = pytest.importorskip("transformers.models.longformer.modeling_longformer")
    heads, n, d, reach = 2, 128, 16, 8
    config = transformers.LongformerConfig(hidden_size=heads * d, num_attention_heads=heads, attention_window=[2 * reach],
                                           attention_probs_dropout_prob=0.0, num_hidden_layers=1)  # fmt: skip
    module = transformers.LongformerSelfAttention(config, layer_id=0).double().eval()
    names = ("query", "key", "value", "query_global", "key_global", "value_global")
    arrays = {name: draw(number, way[2], heads, n, d) for number, name in enumerate(names)}
    marks = torch.zeros(1, n, dtype=torch.float64)
    marks[0, list(tokens)] = 10000
    marks[0, n - padded :] = -10000
    for name, array in arrays.items():
        rows = array[:, list(tokens)] if name == "query_global" else array
        setattr(module, name, Given(merge_heads(rows).transpose(1, 0, 2)))
    hidden = torch.zeros(1, n, heads * d, dtype=torch.float64)
    with torch.no_grad():
        wanted = module(hidden, marks, marks < 0, marks > 0, bool(tokens))[0]
    wanted, valid = split_heads(wanted, heads), (marks >= 0).numpy()[0]
    local = Window(reach, reach)
    mask = AnyOf((local, Global(tuple((token, token + 1) for token in tokens), "keys"))) if tokens else local
    got, tolerance = attend(way, [arrays[name] for name in names[:3]], mask, valid, SINGLE)
    if tokens:
        everything, _ = attend(way, [arrays[name] for name in names[3:]], None, valid)
        got[:, list(tokens)] = everything[:, list(tokens)]
    problem.assert_close([got[:, valid]], [wanted[:, valid]], [tolerance])


@pytest.mark.parametrize("padded", [0, 37])
def test_bigbird_of_transformers(way, padded):
    transformers = pytest.importorskip("transformers.models.big_bird.modeling_big_bird")
    heads, block, random, blocks, d = 2, 32, 3, 13, 16
    n = block * blocks
    config = transformers.BigBirdConfig(hidden_size=heads * d, num_attention_heads=heads, block_size=block,
                                        num_random_blocks=random, attention_probs_dropout_prob=0.0)  # fmt: skip
    # In training: in evaluation all of the package's random blocks are the first.
    module = transformers.BigBirdBlockSparseAttention(config, seed=5).double().train()
    arrays = [draw(number, way[2], heads, n, d) for number in range(3)]
    module.query, module.key, module.value = (Given(merge_heads(array)) for array in arrays)
    tables, make = [], module._bigbird_block_rand_mask_with_head
    module._bigbird_block_rand_mask_with_head = lambda *args, **keys: tables.append(make(*args, **keys)) or tables[0]
    valid = np.arange(n) < n - padded
    masks = transformers.BigBirdModel.create_masks_for_block_sparse_attn(torch.from_numpy(valid[None].astype(np.float64)), block)
    with torch.no_grad():
        wanted = module(torch.zeros(1, n, heads * d, dtype=torch.float64), *masks[1:], masks[0], masks[0])[0]
    table = tuple(tuple(tuple(int(one) for one in row) for row in head) for head in tables[0])
    for head in table:
        for row, drawn in enumerate(head, 1):
            seen = {0, row - 1, row, row + 1, blocks - 1}
            assert len(set(drawn)) == random and not seen & set(drawn), "the package would count a block twice"
    got, tolerance = attend(way, arrays, BigBird(block, random, 0, table), valid, 1e-12)
    problem.assert_close([got[:, valid]], [split_heads(wanted, heads)[:, valid]], [tolerance])


def test_led_of_transformers(way):
    """Encoder: windows and a global token; decoder: full causal attention, and full attention to the encoder's output."""
    heads, n, m, d, reach = 2, 24, 128, 16, 8
    encoder = [draw(number, way[2], heads, m, d) for number in range(3)]
    states, _ = attend(way, encoder, AnyOf((Window(reach, reach), Global(((0, 1),), "both"))))
    decoder = [draw(number + 3, way[2], heads, n, d) for number in range(3)]
    states = problem.round_to(states, way[2])
    for inputs, mask in ((decoder, Causal()), ([decoder[0], states, states], None)):
        tensors = [torch.from_numpy(array) for array in inputs]
        wanted = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=mask is not None).numpy()
        got, tolerance = attend(way, inputs, mask, extra=1e-12)
        problem.assert_close([got], [wanted], [tolerance])
    # A decoder whose window is autoregressive: the same as full causal attention once the window holds everything.
    for before in (5, n):
        mask = AllOf((Causal(), Window(before, 0)))
        i, j = np.arange(n)[:, None], np.arange(n)
        allowed = torch.from_numpy((j <= i) & (j >= i - before))
        tensors = [torch.from_numpy(array) for array in decoder]
        wanted = torch.nn.functional.scaled_dot_product_attention(*tensors, attn_mask=allowed).numpy()
        got, tolerance = attend(way, decoder, mask, extra=1e-12)
        problem.assert_close([got], [wanted], [tolerance])


# -- low rank, memories ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [128, 90])
@pytest.mark.parametrize("is_one", [False, True], ids=["two", "key-value"])
def test_linformer(way, is_one, n):
    package = pytest.importorskip("linformer.linformer")
    engine, _, dtype = way
    heads, longest, slots, d = 2, 128, 32, 16
    module = package.LinformerSelfAttention(heads * d, longest, k=slots, heads=heads, share_kv=is_one).double().eval()
    query, key, value = (draw(number, dtype, heads, n, d) for number in range(3))
    value = key if is_one else value  # the package's keys are its values then
    module.to_q, module.to_k, module.to_out = Given(merge_heads(query)), Given(merge_heads(key)), torch.nn.Identity()
    projections = [draw(number, dtype, slots, longest) / 8 for number in (4, 5)]
    module.proj_k.data = torch.from_numpy(projections[0].T.copy())
    if not is_one:
        module.to_v, module.proj_v.data = Given(merge_heads(value)), torch.from_numpy(projections[1].T.copy())
    with torch.no_grad():
        wanted = module(torch.zeros(1, n, heads * d, dtype=torch.float64))
    case = LowRankCase(n=n, slots=slots, columns=longest, d=d, heads=heads, dtype=dtype, dynamic=False,
                       sharing="key-value" if is_one else "headwise")  # fmt: skip
    inputs = [array[None] for array in (query, key, value)] + projections[: 1 if is_one else 2]
    got = engine.evaluate(case, inputs)
    problem.assert_close([got[0][0]], [split_heads(wanted, heads)], [engine.tolerances(case, inputs)[0] + 1e-12])


@pytest.fixture
def compressive(way):
    """A layer of the package with projections that are given, its inputs, and what it makes of them."""
    package = pytest.importorskip("compressive_transformer_pytorch.compressive_transformer_pytorch")
    heads, d, n, rate, room = 2, 8, 24, 3, 10
    torch.manual_seed(1)
    module = package.SelfAttention(heads * d, n, n, room, cmem_ratio=rate, heads=heads).double().train()
    for parameter in module.parameters():
        parameter.data = torch.from_numpy(problem.round_to(parameter.detach().numpy(), way[2]))
    module.to_out = torch.nn.Identity()
    rows = [problem.round_to(draw(number, way[2], length, heads * d), way[2]) for number, length in enumerate((room, n, n))]
    positions = draw(9, way[2], heads, room + 2 * n + 5, d)
    tensors = [torch.from_numpy(array)[None] for array in rows]
    result = module(tensors[2], (tensors[1], tensors[0]), pos_emb=torch.from_numpy(positions))
    return module, rows, positions, result, (heads, d, n, rate, room)


def test_compressive_transformer_attention(way, compressive):
    engine, _, dtype = way
    module, rows, positions, (wanted, _, _), (heads, d, n, _, room) = compressive
    project = {"q": module.to_q.weight, "kv": module.to_kv.weight}
    project = {name: weight.detach().numpy().T for name, weight in project.items()}
    query = split_heads(torch.from_numpy(rows[2] @ project["q"])[None], heads)
    keys = [split_heads(torch.from_numpy(part @ project["kv"])[None], 2 * heads) for part in rows]
    query, keys = (problem.round_to(query, dtype), [problem.round_to(part, dtype) for part in keys])
    m = room + 2 * n
    case = Case(n=n, m=m, d=d, heads=heads, layout="hi", dtype=dtype, mask=Causal(), relative="hr", positions=m,
                parts=(room, n, n))  # fmt: skip
    pairs = [(part[:heads], part[heads:]) for part in keys]
    inputs = [query, *pairs[0], positions[:, -m:], query, *pairs[1], *pairs[2]]
    got = engine.evaluate(case, inputs)[0]
    # Projections are rounded here and not in the package: as much again as a rounding of all inputs changes.
    rounding = 0 if dtype == "float64" else 8 * 2.0**-24 * np.abs(query).max() * np.abs(keys[0]).max() * d
    tolerance = 2 * engine.tolerances(case, inputs)[0] + rounding + 1e-12
    problem.assert_close([got], [split_heads(wanted, heads)], [tolerance])


def test_compressive_transformer_memory_and_loss(way, compressive):
    module, rows, _, (_, memory, loss), (heads, d, n, rate, room) = compressive
    dtype = way[2]
    run = programs.by_reference if way[0] is engines.Reference else programs.by_library
    run = functools.partial(run, dtype="float32")
    if dtype == "float64" and way[0] is not engines.Reference:
        return  # the programs of test_memories are in f32
    kept, evicted = fifo(run, rows[1], rows[2], n)
    assert np.array_equal(kept, memory.mem.detach().numpy()[0])
    weights = tuple(parameter.detach().numpy() for parameter in module.compress_mem_fn.conv.parameters())
    made = compress(run, "conv", evicted, rate, weights)
    tolerance = 1e-12 if way[0] is engines.Reference else 4 * (72**0.5 + 4) * 2.0**-24 * np.abs(evicted).max() * 24
    both = np.concatenate([rows[0], made])[-room:]
    np.testing.assert_allclose(both, memory.compressed_mem.detach().numpy()[0], rtol=0, atol=tolerance)
    kv = module.to_kv.weight.detach().numpy().T
    query = split_heads(torch.from_numpy(rows[2] @ module.to_q.weight.detach().numpy().T)[None], heads)
    results = []
    for part in (evicted, made):
        key = split_heads(torch.from_numpy(np.asarray(part) @ kv)[None], 2 * heads)
        arrays = [problem.round_to(array, dtype) for array in (query, key[:heads], key[heads:])]
        results.append(attend(way, arrays, None)[0])
    # The package takes the mean where the definition sums.
    np.testing.assert_allclose(np.mean((results[0] - results[1]) ** 2), loss.item(), rtol=1e-4 if dtype == "float32" else 1e-9)
