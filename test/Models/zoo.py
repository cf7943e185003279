# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small randomly initialised Hugging Face models, the corpus that raising is tested on.

Each entry builds a module that takes plain tensors and returns one, knows example inputs for it, how many attention
ops the model holds and which extents torch.export may leave dynamic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import torch
import transformers

BATCH, LENGTH, SOURCE = 2, 10, 12


@dataclass
class Case:
    """A model to export: `build(attn_implementation)` gives the module, `inputs()` its example inputs."""

    name: str
    build: Callable[[str], torch.nn.Module]
    inputs: Callable[[], tuple]
    attentions: int
    dynamic: int = 0  # how many inputs, all of them, are (batch, length)
    implementations: tuple = ("eager", "sdpa")
    masked: int = 0  # how many of its attentions have a mask of positions
    grouped: bool = False


class Wrapper(torch.nn.Module):
    """Calls a model with named arguments and picks one output."""

    def __init__(self, model, call):
        super().__init__()
        self.model = model
        self.call = call

    def forward(self, *args):
        return self.call(self.model, *args)


def _tokens(length=LENGTH, vocabulary=60):
    return torch.arange(BATCH * length).reshape(BATCH, length).mul(7).add(3) % vocabulary


def _padding(length=LENGTH):
    mask = torch.ones(BATCH, length, dtype=torch.int64)
    mask[-1, length - 3:] = 0
    return mask


def _states(length, width):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, length, width, generator=generator)


def _model(cls, config, implementation, **kwargs):
    torch.manual_seed(0)
    config._attn_implementation = implementation
    model = cls._from_config(config, attn_implementation=implementation, **kwargs)
    return model.eval()


def bert(implementation):
    config = transformers.BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                                     vocab_size=60, max_position_embeddings=32)
    model = _model(transformers.BertModel, config, implementation, add_pooling_layer=False)
    return Wrapper(model, lambda m, ids: m(input_ids=ids).last_hidden_state)


def distilbert(implementation):
    config = transformers.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=60,
                                           max_position_embeddings=32)
    model = _model(transformers.DistilBertModel, config, implementation)
    return Wrapper(model, lambda m, ids, mask: m(input_ids=ids, attention_mask=mask).last_hidden_state)


def gpt2(implementation):
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=60, n_positions=32, use_cache=False)
    model = _model(transformers.GPT2Model, config, implementation)
    return Wrapper(model, lambda m, ids: m(input_ids=ids, use_cache=False).last_hidden_state)


def gpt2_padded(implementation):
    model = gpt2(implementation).model
    return Wrapper(model, lambda m, ids, mask: m(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state)


def _t5(implementation, cls):
    config = transformers.T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_decoder_layers=2, num_heads=4,
                                   vocab_size=60, use_cache=False)
    return _model(cls, config, implementation)


def t5_encoder(implementation):
    model = _t5(implementation, transformers.T5EncoderModel)
    return Wrapper(model, lambda m, ids: m(input_ids=ids).last_hidden_state)


def t5_decoder(implementation):
    model = _t5(implementation, transformers.T5Model)
    return Wrapper(model.decoder, lambda m, ids, states: m(input_ids=ids, encoder_hidden_states=states,
                                                          use_cache=False).last_hidden_state)


def llama(implementation):
    config = transformers.LlamaConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                                      num_key_value_heads=2, vocab_size=60, max_position_embeddings=32,
                                      use_cache=False)
    model = _model(transformers.LlamaModel, config, implementation)
    return Wrapper(model, lambda m, ids: m(input_ids=ids, use_cache=False).last_hidden_state)


def llama_padded(implementation):
    model = llama(implementation).model
    return Wrapper(model, lambda m, ids, mask: m(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state)


def vit(implementation):
    config = transformers.ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                                    image_size=16, patch_size=4)
    model = _model(transformers.ViTModel, config, implementation, add_pooling_layer=False)
    return Wrapper(model, lambda m, pixels: m(pixel_values=pixels).last_hidden_state)


def _whisper(implementation):
    config = transformers.WhisperConfig(d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                                        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
                                        vocab_size=60, num_mel_bins=8, max_source_positions=SOURCE,
                                        max_target_positions=32, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                                        decoder_start_token_id=1, suppress_tokens=[], use_cache=False)
    return _model(transformers.WhisperModel, config, implementation)


def whisper_encoder(implementation):
    return Wrapper(_whisper(implementation).encoder, lambda m, mel: m(mel).last_hidden_state)


def whisper_decoder(implementation):
    return Wrapper(_whisper(implementation).decoder,
                   lambda m, ids, states: m(input_ids=ids, encoder_hidden_states=states,
                                            use_cache=False).last_hidden_state)


def led_decoder(implementation):
    """Longformer's encoder-decoder: its decoder is full causal attention, and full attention to the encoder's rows."""
    config = transformers.LEDConfig(d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                                    decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, vocab_size=60,
                                    attention_window=[4, 4], max_encoder_position_embeddings=32,
                                    max_decoder_position_embeddings=32, use_cache=False)
    model = _model(transformers.LEDModel, config, implementation)
    return Wrapper(model.decoder, lambda m, ids, states: m(input_ids=ids, encoder_hidden_states=states,
                                                          use_cache=False).last_hidden_state)


def mistral(implementation):
    config = transformers.MistralConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                        num_attention_heads=4, num_key_value_heads=2, head_dim=8, vocab_size=60,
                                        sliding_window=4, max_position_embeddings=32, use_cache=False)
    model = _model(transformers.MistralModel, config, implementation)
    return Wrapper(model, lambda m, ids: m(input_ids=ids, use_cache=False).last_hidden_state)


def gemma2(implementation):
    config = transformers.Gemma2Config(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                       num_attention_heads=4, num_key_value_heads=2, head_dim=8, vocab_size=60,
                                       sliding_window=4, max_position_embeddings=32, attn_logit_softcapping=50.0,
                                       query_pre_attn_scalar=8, use_cache=False)
    model = _model(transformers.Gemma2Model, config, implementation)
    return Wrapper(model, lambda m, ids: m(input_ids=ids, use_cache=False).last_hidden_state)


CASES = [
    Case("bert", bert, lambda: (_tokens(),), 2, 1),
    Case("distilbert", distilbert, lambda: (_tokens(), _padding()), 2, 2),
    Case("gpt2", gpt2, lambda: (_tokens(),), 2, 1, masked=2),
    Case("gpt2_padded", gpt2_padded, lambda: (_tokens(), _padding()), 2, 2, masked=2),
    Case("t5_encoder", t5_encoder, lambda: (_tokens(),), 2, 1),
    Case("t5_decoder", t5_decoder, lambda: (_tokens(), _states(SOURCE, 32)), 4, masked=2),
    Case("llama", llama, lambda: (_tokens(),), 2, 1, masked=2, grouped=True),
    Case("llama_padded", llama_padded, lambda: (_tokens(), _padding()), 2, 2, masked=2, grouped=True),
    Case("vit", vit, lambda: (torch.randn(BATCH, 3, 16, 16, generator=torch.Generator().manual_seed(1)),), 2),
    Case("whisper_encoder", whisper_encoder, lambda: (_states(8, 2 * SOURCE),), 2),
    Case("whisper_decoder", whisper_decoder, lambda: (_tokens(), _states(SOURCE, 32)), 4, masked=2),
    Case("led_decoder", led_decoder, lambda: (_tokens(), _states(SOURCE, 32)), 4, implementations=("eager",), masked=2),
    Case("mistral", mistral, lambda: (_tokens(),), 2, 1, masked=2, grouped=True),
    Case("gemma2", gemma2, lambda: (_tokens(),), 2, 1, ("eager",), masked=2, grouped=True),
]


def dynamic_shapes(case: Case, extent: str):
    """The `dynamic_shapes` that make the batch, the length or both dynamic."""
    batch, length = torch.export.Dim("batch", min=2, max=64), torch.export.Dim("length", min=2, max=32)
    dims = {"batch": {0: batch}, "length": {1: length}, "both": {0: batch, 1: length}}[extent]
    return (tuple(dict(dims) for _ in range(case.dynamic)),)
