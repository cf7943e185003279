# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's two attention functions: scaled_dot_product_attention and compiled FlexAttention.

A window needs an N x N mask for the former; the latter gets a block mask, made outside of the timing.
"""

from __future__ import annotations

import numpy as np
import torch

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


def prepare_flex(case: Case, inputs, settings: Settings) -> Prepared:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    torch.set_num_threads(settings.threads)
    query, key, value = map(to_torch, inputs)
    options = {"enable_gqa": case.heads != case.kv_heads}
    if case.mask:
        window = case.window if case.mask == "window" else case.n

        def visible(batch, head, row, column):
            return (row >= column) & (row - column < window)

        make = torch.compile(create_block_mask) if case.score_bytes > 4e9 else create_block_mask
        options["block_mask"] = make(visible, None, None, case.n, case.m, device="cpu")
    compiled = torch.compile(flex_attention)
    return _prepared(lambda: compiled(query, key, value, **options))
