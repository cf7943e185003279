# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Steps: any split of a sequence equals one call, bad steps change nothing, and a decoder from PyTorch generates the
tokens that PyTorch does."""

import functools

import engines
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(len(engines.ENGINES) < 2, reason="there is no attn-compile")

LENGTH, CAPACITY = 50, 64
SPLITS = [[50], [1] * 50, [20, 1, 7, 22], [49, 1], [1, 49]]
# batch, query heads, key heads, head size, value size; keys as [B, N, H, D]
SHAPE = (2, 4, 2, 16, 24)
DOMAIN = "(b, h, i, j, d, e)"
ATTENTION = "attn.attention ins(%q, %k, %v : {q}, {k}, {v}) outs(%init : {o}) maps [#q, #k, #v, #o] mask #attn.causal<top_left>"
LINEAR = "attn.linear_attention {map} ins(%q, %k, %v : {q}, {k}, {v}) outs(%init : {o}) maps [#q, #k, #v, #o] causal top_left"


def text(operation, **names):
    batch, heads, kv_heads, d, e = SHAPE
    types = {"q": f"tensor<{batch}x?x{heads}x{d}xf32>", "k": f"tensor<{batch}x?x{kv_heads}x{d}xf32>",
             "v": f"tensor<{batch}x?x{kv_heads}x{e}xf32>", "o": f"tensor<{batch}x?x{heads}x{e}xf32>"}
    body = operation.format(**types, **names)
    return f"""\
#q = affine_map<{DOMAIN} -> (b, i, h, d)>
#k = affine_map<{DOMAIN} -> (b, j, h floordiv {heads // kv_heads}, d)>
#v = affine_map<{DOMAIN} -> (b, j, h floordiv {heads // kv_heads}, e)>
#o = affine_map<{DOMAIN} -> (b, i, h, e)>
func.func @main(%q: {types["q"]}, %k: {types["k"]}, %v: {types["v"]}) -> {types["o"]} {{
  %c1 = arith.constant 1 : index
  %n = tensor.dim %q, %c1 : {types["q"]}
  %init = tensor.empty(%n) : {types["o"]}
  %r = {body} -> {types["o"]}
  return %r : {types["o"]}
}}
"""


PROGRAMS = {
    "softmax": text(ATTENTION),
    "elu": text(LINEAR, map="elu_plus_one"),
    "relu": text(LINEAR, map="relu"),
}


@functools.lru_cache
def compiled(name):
    import attn_compiler

    return attn_compiler.compile(PROGRAMS[name], steps=CAPACITY)


def arrays(seed=0):
    batch, heads, kv_heads, d, e = SHAPE
    rng = np.random.default_rng(seed)
    shapes = [(batch, LENGTH, heads, d), (batch, LENGTH, kv_heads, d), (batch, LENGTH, kv_heads, e)]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def buffers(module, fill):
    """Keys and values may hold anything; sums begin as zero."""
    specs = module.main_step.args[4:]
    return [np.full(spec["shape"], fill if "_cache" in spec["name"] else 0, spec["dtype"]) for spec in specs]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: f"{len(split)} steps")
@pytest.mark.parametrize("name", PROGRAMS)
def test_any_split_equals_one_call(name, split):
    module, inputs = compiled(name), arrays()
    whole = module.main(*inputs)
    state, done, outputs = buffers(module, np.nan), 0, []
    for count in split:
        part = [np.ascontiguousarray(array[:, done:done + count]) for array in inputs]
        outputs.append(module.main_step(*part, np.array(done, np.int64), *state))
        done += count
    result = np.concatenate(outputs, axis=1)
    assert not np.isnan(result).any()
    # both are within rounding of the same sums, in another order
    assert np.abs(result - whole).max() <= 2e-6 * np.abs(whole).max() * np.sqrt(LENGTH)


@pytest.mark.parametrize("length, count", [(50, 20), (64, 1), (-1, 2), (0, 65)])
def test_a_step_out_of_the_cache_changes_nothing(length, count):
    import attn_compiler

    module = compiled("softmax")
    state = buffers(module, 3)
    inputs = [np.ones((2, count, *array.shape[2:]), np.float32) for array in arrays()]
    with pytest.raises(attn_compiler.AttnError, match="within the cache's capacity of 64 positions"):
        module.main_step(*inputs, np.array(length, np.int64), *state)
    assert all((buffer == 3).all() for buffer in state)


def test_a_cache_of_another_shape_or_type():
    import attn_compiler

    module, inputs = compiled("softmax"), [array[:, :1].copy() for array in arrays()]
    key, value = buffers(module, 0)
    for wrong in (key[:, :, :32].copy(), key.astype(np.float64), key[:1].copy()):
        with pytest.raises(attn_compiler.AttnError, match="key_cache0"):
            module.main_step(*inputs, np.array(0, np.int64), wrong, value)


class TestDecoder:
    """A small decoder of random weights, exported from PyTorch."""

    VOCABULARY, WIDTH, HEADS, LAYERS, LONGEST = 61, 32, 4, 2, 48

    @pytest.fixture(scope="class")
    def decoder(self):
        torch = pytest.importorskip("torch")
        nn = torch.nn

        class Block(nn.Module):
            def __init__(self, width, heads):
                super().__init__()
                self.heads = heads
                self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
                self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
                self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

            def forward(self, x):
                h = self.before(x)
                q, k, v = (p(h).unflatten(2, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value))
                a = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
                x = x + self.out(a.transpose(1, 2).flatten(2))
                return x + self.down(nn.functional.gelu(self.up(self.between(x))))

        class Decoder(nn.Module):
            def __init__(self, vocabulary, width, heads, layers, longest):
                super().__init__()
                self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(longest, width)
                self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
                self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

            def forward(self, tokens, positions):
                x = self.tokens(tokens) + self.positions(positions)
                for block in self.blocks:
                    x = block(x)
                return self.head(self.norm(x))

        torch.manual_seed(5)
        return Decoder(self.VOCABULARY, self.WIDTH, self.HEADS, self.LAYERS, self.LONGEST).eval()

    @pytest.fixture(scope="class")
    def generator(self, decoder):
        pytest.importorskip("torch_mlir")
        import attn_compiler
        import torch
        from attn_compiler import export, generation

        example = (torch.zeros(1, 7, dtype=torch.int64), torch.arange(7)[None])
        length = torch.export.Dim("length", min=1, max=self.LONGEST)
        exported = export.export_mlir(decoder, example, dynamic_shapes=({1: length}, {1: length}))
        return generation.Generator(attn_compiler.compile(exported, steps=self.LONGEST))

    def test_greedy_tokens_are_those_of_pytorch(self, decoder, generator):
        import torch

        for seed in range(3):
            prompt = np.random.default_rng(seed).integers(0, self.VOCABULARY, (1, 5 + seed))
            result = generator.generate(prompt, 40)
            tokens = torch.from_numpy(prompt)
            with torch.no_grad():
                for _ in range(40):
                    logits = decoder(tokens, torch.arange(tokens.shape[1])[None])
                    tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
            np.testing.assert_array_equal(result.tokens, tokens[:, prompt.shape[1]:].numpy())
            assert result.tokens_per_second > 0

    def test_sampling_is_seeded(self, generator):
        from attn_compiler.generation import Sampling

        prompt = np.array([[1, 2, 3]])
        first, second, other = (generator.generate(prompt, 30, Sampling(1.0, 8, seed)).tokens for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, second)
        assert (first != other).any()
        greedy = generator.generate(prompt, 30).tokens
        np.testing.assert_array_equal(generator.generate(prompt, 30, Sampling(0.5, 1)).tokens, greedy)
