# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A decoder exported from PyTorch generates the tokens that PyTorch does, with every kind of cache."""

import engines
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(len(engines.ENGINES) < 2, reason="there is no attn-compile")


def causal(query, key, value):
    import torch

    return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


def windowed(query, key, value, count=10):
    import torch

    distance = torch.arange(query.shape[2])[:, None] - torch.arange(query.shape[2])
    mask = (distance >= 0) & (distance < count)
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def linear(query, key, value):
    import torch

    query, key = (torch.nn.functional.elu(x * x.shape[3] ** -0.25) + 1 for x in (query, key))
    weights = (query @ key.transpose(2, 3)).tril()
    return weights @ value / (weights.sum(-1, keepdim=True) + 1e-6)


# what PyTorch computes, and what the exported causal decoder is compiled with
KINDS = {
    "cache": (causal, {}),
    "pages": (causal, {"page_size": 8}),
    "ring": (windowed, {"form": "window,before=9,after=0"}),
    "linear": (linear, {"form": "linear"}),
}


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
                self.heads, self.attend = heads, causal
                self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
                self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
                self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

            def forward(self, x):
                h = self.before(x)
                q, k, v = (p(h).unflatten(2, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value))
                x = x + self.out(self.attend(q, k, v).transpose(1, 2).flatten(2))
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
    def exported(self, decoder):
        pytest.importorskip("torch_mlir")
        import torch
        from attn_compiler import export

        example = (torch.zeros(2, 7, dtype=torch.int64), torch.arange(7)[None].expand(2, 7).contiguous())
        length = torch.export.Dim("length", min=1, max=self.LONGEST)
        return export.export_mlir(decoder, example, dynamic_shapes=({1: length}, {1: length}))

    @pytest.fixture(scope="class", params=KINDS)
    def kind(self, request, exported):
        import attn_compiler
        from attn_compiler import generation

        attend, options = KINDS[request.param]
        return attend, generation.Generator(attn_compiler.compile(exported, steps=self.LONGEST, **options))

    @staticmethod
    def greedy(decoder, prompt, count):
        import torch

        tokens = torch.from_numpy(prompt)
        with torch.no_grad():
            for _ in range(count):
                logits = decoder(tokens, torch.arange(tokens.shape[1])[None].expand(tokens.shape))
                tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
        return tokens[:, prompt.shape[1] :].numpy()

    def test_greedy_tokens_are_those_of_pytorch(self, decoder, kind):
        attend, generator = kind
        for block in decoder.blocks:
            block.attend = attend
        for seed in range(3):
            prompt = np.random.default_rng(seed).integers(0, self.VOCABULARY, (2, (5, 1, 17)[seed]))
            result = generator.generate(prompt, 30)
            np.testing.assert_array_equal(result.tokens, self.greedy(decoder, prompt, 30))
            assert result.tokens_per_second > 0

    def test_sampling_is_seeded(self, kind):
        from attn_compiler.generation import Sampling

        generator, prompt = kind[1], np.array([[1, 2, 3], [3, 1, 2]])
        first, second, other = (generator.generate(prompt, 30, Sampling(1.0, 8, seed)).tokens for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, second)
        assert (first != other).any()
        greedy = generator.generate(prompt, 30).tokens
        np.testing.assert_array_equal(generator.generate(prompt, 30, Sampling(0.5, 1)).tokens, greedy)
