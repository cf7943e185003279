# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's two attention functions: scaled_dot_product_attention and compiled FlexAttention.

A window needs an N x N mask for the former; the latter gets a block mask, made outside of the timing.
"""

from __future__ import annotations

import numpy as np
import torch

from .. import patterns
from ..cases import Case
from . import Prepared, Settings, Unsupported


def to_torch(array: np.ndarray) -> torch.Tensor:
    """A tensor over the same memory; uint16 holds bfloat16 bit patterns."""
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if array.dtype == np.uint16 else tensor


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.uint16).numpy()
    return tensor.numpy()


def _prepared(call) -> Prepared:
    result = []

    def run() -> None:
        with torch.inference_mode():
            result[:] = [call()]

    return Prepared(run, lambda: to_numpy(result[0]))


def prepare_sdpa(case: Case, inputs, settings: Settings) -> Prepared:
    torch.set_num_threads(settings.threads)
    query, key, value = map(to_torch, inputs)
    options = {"is_causal": case.mask == "causal", "enable_gqa": case.heads != case.kv_heads}
    if case.mask == "window":
        mask_bytes = 5 * case.n * case.m  # boolean, then the f32 that it is converted to
        if mask_bytes > 4e9:
            raise Unsupported(f"a window needs an N x N mask: {mask_bytes / 1e9:.1f} GB")
        position = torch.arange(case.n)
        distance = position[:, None] - position[None, :]
        options["attn_mask"] = (distance >= 0) & (distance < case.window)
    return _prepared(lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value, **options))


def _sparse_block_mask(case: Case):
    """FlexAttention's block mask for windows with global tokens and for BigBird."""
    from torch.nn.attention.flex_attention import create_block_mask

    make = torch.compile(create_block_mask) if case.score_bytes > 4e9 else create_block_mask
    if case.mask == "longformer":

        def visible(batch, head, row, column):
            near = (row - column <= case.window) & (column - row <= case.window)
            return near | (column < patterns.GLOBALS) | (row < patterns.GLOBALS)

        return make(visible, None, None, case.n, case.m, device="cpu")
    blocks = case.n // patterns.BLOCK
    table = torch.from_numpy(patterns.random_table(case.heads, blocks))
    seen = torch.zeros(case.heads, blocks, blocks, dtype=torch.bool)
    own = torch.arange(blocks)
    seen[:, :, 0] = seen[:, :, -1] = seen[:, 0] = seen[:, -1] = True
    seen |= (own[:, None] - own[None, :]).abs() <= 1
    seen[:, 1:-1].scatter_(2, table, True)

    def listed(batch, head, row, column):
        return seen[head, row // patterns.BLOCK, column // patterns.BLOCK]

    return make(listed, None, case.heads, case.n, case.m, device="cpu", BLOCK_SIZE=patterns.BLOCK)


def prepare_flex(case: Case, inputs, settings: Settings) -> Prepared:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    torch.set_num_threads(settings.threads)
    query, key, value = map(to_torch, inputs)
    options = {"enable_gqa": case.heads != case.kv_heads}
    if case.mask in patterns.SPARSE:
        options["block_mask"] = _sparse_block_mask(case)
    elif case.mask:
        window = case.window if case.mask == "window" else case.n

        def visible(batch, head, row, column):
            return (row >= column) & (row - column < window)

        make = torch.compile(create_block_mask) if case.score_bytes > 4e9 else create_block_mask
        options["block_mask"] = make(visible, None, None, case.n, case.m, device="cpu")
    compiled = torch.compile(flex_attention)
    return _prepared(lambda: compiled(query, key, value, **options))
