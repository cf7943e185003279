# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Hugging Face's Longformer and BigBird, their attention alone: projections are replaced by given tensors.

BigBird gets our table of random blocks, so that all contenders compute the same.
"""

from __future__ import annotations

import itertools

import torch

from .. import patterns
from ..cases import Case
from . import Prepared, Settings, Unsupported
from .torch_peers import to_numpy, to_torch


class Given(torch.nn.Module):
    """In place of a projection: a copy of what it would have returned."""

    def __init__(self, tensor: torch.Tensor):
        super().__init__()
        self.tensor = tensor

    def forward(self, _hidden):
        return self.tensor.clone()


def _longformer(case: Case, inputs):
    from transformers.models.longformer.modeling_longformer import LongformerConfig, LongformerSelfAttention

    width = case.heads * case.d
    config = LongformerConfig(hidden_size=width, num_attention_heads=case.heads, attention_window=[2 * case.window],
                              attention_probs_dropout_prob=0.0)
    module = LongformerSelfAttention(config, 0).eval()
    query, key, value = (to_torch(one).transpose(1, 2).reshape(case.batch, case.n, width) for one in inputs)
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        setattr(module, name, Given(tensor.transpose(0, 1).contiguous()))
    first = query[:, : patterns.GLOBALS]
    for name, tensor in (("query_global", first), ("key_global", key), ("value_global", value)):
        setattr(module, name, Given(tensor.transpose(0, 1).contiguous()))
    mask = torch.zeros(case.batch, case.n)
    mask[:, : patterns.GLOBALS] = 10000.0
    is_global = mask > 0
    hidden = torch.zeros(case.batch, case.n, width)

    def call():
        rows = module(hidden, attention_mask=mask, is_index_masked=mask < 0, is_index_global_attn=is_global,
                      is_global_attn=True)[0]
        return rows.view(case.batch, case.n, case.heads, case.d).transpose(1, 2)

    return call


def _bigbird(case: Case, inputs):
    import numpy as np
    from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention, BigBirdConfig

    config = BigBirdConfig(hidden_size=case.heads * case.d, num_attention_heads=case.heads,
                           block_size=patterns.BLOCK, num_random_blocks=patterns.RANDOM, use_bias=False,
                           attention_probs_dropout_prob=0.0, max_position_embeddings=case.n)
    module = BigBirdBlockSparseAttention(config, seed=0).train()
    query, key, value = map(to_torch, inputs)
    table = patterns.random_table(case.heads, case.n // patterns.BLOCK).astype(np.int32)
    one_by_one = itertools.cycle(table)  # it is asked for each head in turn
    module._bigbird_block_rand_mask = lambda *_, **__: next(one_by_one)
    module._bigbird_block_rand_mask_with_head = lambda *_, **__: list(table)
    lengths = {"from_seq_len": case.n, "to_seq_len": case.n, "seed": 0, "plan_from_length": None,
               "plan_num_rand_blocks": None}
    ones = torch.ones(case.batch, case.n)
    band = module_band(ones)
    blocked = ones.view(case.batch, case.n // patterns.BLOCK, patterns.BLOCK)

    def call():
        rows, _ = module.bigbird_block_sparse_attention(
            query, key, value, band, ones[:, None, :, None], ones[:, None, None, :], blocked, blocked, case.heads,
            patterns.RANDOM, case.d, patterns.BLOCK, patterns.BLOCK, case.batch, **lengths)
        return rows.transpose(1, 2)

    return call


def module_band(ones: torch.Tensor) -> torch.Tensor:
    """The mask of the rows of blocks 2 to -3 against three neighbours each, all set."""
    blocks = ones.shape[1] // patterns.BLOCK
    return torch.ones(ones.shape[0], 1, blocks - 4, patterns.BLOCK, 3 * patterns.BLOCK)


def prepare(case: Case, inputs, settings: Settings) -> Prepared:
    if case.mask not in patterns.SPARSE:
        raise Unsupported("is for windows with global tokens and for BigBird")
    torch.set_num_threads(settings.threads)
    call = (_longformer if case.mask == "longformer" else _bigbird)(case, inputs)
    result = []

    def run() -> None:
        with torch.inference_mode():
            result[:] = [call()]

    return Prepared(run, lambda: to_numpy(result[0].contiguous()))
