# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The autoregressive image models of Katharopoulos et al. 2020, with random weights: pixels as tokens, 8 heads of 32.

`decoder` builds one in PyTorch; `softmax` and `sdpa` are what its attention may be there, and exports have the latter.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ImageModel:
    """Width 256 and 10 logistics of 3 numbers a pixel, as in the paper's section 4.2."""

    name: str
    steps: int
    layers: int
    gain: float  # the paper's images/s of linear over softmax without a cache
    heads: int = 8
    width: int = 256
    values: int = 256
    outputs: int = 30

    def gflop(self, tokens: int) -> float:
        """Of so many tokens, attention left out."""
        return 2e-9 * tokens * (self.layers * 12 * self.width**2 + self.width * self.outputs)


MODELS = {model.name: model for model in (ImageModel("mnist", 784, 8, 317), ImageModel("cifar10", 3072, 16, 4462))}


def softmax(query, key, value):
    """Every score is stored, as a program without a fused attention does."""
    import torch

    count = query.shape[2]
    hidden = torch.ones(count, count, dtype=torch.bool).triu(1)
    scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
    return torch.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1) @ value


def sdpa(query, key, value):
    import torch

    return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


def decoder(model: ImageModel, attend=sdpa):
    """Tokens and positions (batch, length) to the outputs of every pixel."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            width = model.width
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            h = self.before(x)
            heads = (part(h).unflatten(2, (model.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value))
            x = x + self.out(attend(*heads).transpose(1, 2).flatten(2))
            return x + self.down(nn.functional.gelu(self.up(self.between(x))))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = nn.Embedding(model.values, model.width), nn.Embedding(model.steps, model.width)
            self.blocks = nn.ModuleList(Block() for _ in range(model.layers))
            self.norm, self.head = nn.LayerNorm(model.width), nn.Linear(model.width, model.outputs)

        def forward(self, tokens, positions):
            x = self.tokens(tokens) + self.positions(positions)
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    torch.manual_seed(0)
    return Decoder().eval()
