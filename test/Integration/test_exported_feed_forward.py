# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Feed-forward layers as torch-mlir writes them, with static and dynamic lengths: raised to one operation, and PyTorch's
result."""

import subprocess

import numpy as np
import pytest
import torch
from attn_compiler import compile as compile_module
from attn_compiler import export
from torch import nn

WIDTH, HIDDEN = 24, 40


class Plain(nn.Module):
    def __init__(self, activation, bias=True):
        super().__init__()
        self.up = nn.Linear(WIDTH, HIDDEN, bias=bias)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=bias)
        self.activation = activation

    def forward(self, x):
        return self.down(self.activation(self.up(x)))


class Gated(Plain):
    def __init__(self, activation, bias=True):
        super().__init__(activation, bias)
        self.gate = nn.Linear(WIDTH, HIDDEN, bias=bias)

    def forward(self, x):
        return self.down(self.activation(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """As a transformer has it: a norm before, the residual after."""

    def __init__(self, layer):
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(WIDTH), layer

    def forward(self, x):
        return x + self.layer(self.norm(x))


LAYERS = {
    "gelu": lambda: Plain(nn.GELU()),
    "gelu_tanh": lambda: Plain(nn.GELU("tanh")),
    "relu": lambda: Plain(nn.ReLU()),
    "silu": lambda: Plain(nn.SiLU(), bias=False),
    "swiglu": lambda: Gated(nn.SiLU(), bias=False),
    "geglu": lambda: Gated(nn.GELU("tanh")),
}
NAMES = {"swiglu": "silu", "geglu": "gelu_tanh"}


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    torch.manual_seed(7)
    return request.param, Block(LAYERS[request.param]()).eval()


def sample(length):
    # far enough out that the forms of GELU differ by more than the tolerance
    return 2 * torch.randn(3, length, WIDTH, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_layer(layer, dynamic, tmp_path):
    name, block = layer
    shapes = ({1: torch.export.Dim("length", min=2, max=4096)},) if dynamic else None
    source = export.export_linalg(block, (sample(10),), tmp_path / "layer.mlir", shapes)
    raised = subprocess.run(["attn-opt", source, "--attn-import-pipeline", "--raise-linalg-to-feed-forward"],
                            capture_output=True, text=True, check=True).stdout
    assert raised.count(f"attn.feed_forward {NAMES.get(name, name)} ") == 1
    module = compile_module(source)
    for length in (10, 2, 131) if dynamic else (10,):
        x = sample(length)
        with torch.no_grad():
            wanted = block.double()(x.double()).numpy()
            block.float()
        got = np.asarray(module.main(x.numpy()))
        assert not np.isnan(got).any()
        assert np.abs(got - wanted).max() <= 2e-6 * max(1, np.abs(wanted).max()), name
