# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Longformer's whole self-attention, with the second projections of its global tokens, as one program of two attentions:
the sliding window with the global keys for all other rows, and full attention for the global rows. Against the module
of Hugging Face, with its weights, from hidden states to the joined heads.

The rows from `globals` on are queries at the end of the keys, so `bottom_right` gives them their positions; no row is
computed twice.
"""

import numpy as np
import programs
import pytest

torch = pytest.importorskip("torch")

HEADS, SIZE, REACH, GLOBALS = 4, 16, 8, 5
WIDTH = HEADS * SIZE
NAMES = ("query", "key", "value", "query_global", "key_global", "value_global")

PROJECT = """
func.func private @project_{rows}(%x: tensor<{rows}x{c}xf32>, %w: tensor<{c}x{c}xf32>, %b: tensor<{c}xf32>)
    -> tensor<{rows}x{h}x{d}xf32> {{
  %e = tensor.empty() : tensor<{rows}x{c}xf32>
  %init = linalg.broadcast ins(%b : tensor<{c}xf32>) outs(%e : tensor<{rows}x{c}xf32>) dimensions = [0]
  %y = linalg.matmul ins(%x, %w : tensor<{rows}x{c}xf32>, tensor<{c}x{c}xf32>) outs(%init : tensor<{rows}x{c}xf32>)
      -> tensor<{rows}x{c}xf32>
  %r = tensor.expand_shape %y [[0], [1, 2]] output_shape [{rows}, {h}, {d}]
      : tensor<{rows}x{c}xf32> into tensor<{rows}x{h}x{d}xf32>
  return %r : tensor<{rows}x{h}x{d}xf32>
}}
"""

MAIN = """
#q = affine_map<(b, h, i, j, d, e) -> (i, h, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, h, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, h, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, h, e)>
func.func @main(%x: tensor<{n}x{c}xf32>, {weights}) -> tensor<{n}x{h}x{d}xf32> {{
  %late = tensor.extract_slice %x[{g}, 0] [{rest}, {c}] [1, 1] : tensor<{n}x{c}xf32> to tensor<{rest}x{c}xf32>
  %early = tensor.extract_slice %x[0, 0] [{g}, {c}] [1, 1] : tensor<{n}x{c}xf32> to tensor<{g}x{c}xf32>
  %q = call @project_{rest}(%late, %w0, %b0) : {types_rest}
  %k = call @project_{n}(%x, %w1, %b1) : {types_n}
  %v = call @project_{n}(%x, %w2, %b2) : {types_n}
  %qg = call @project_{g}(%early, %w3, %b3) : {types_g}
  %kg = call @project_{n}(%x, %w4, %b4) : {types_n}
  %vg = call @project_{n}(%x, %w5, %b5) : {types_n}
  %e0 = tensor.empty() : tensor<{rest}x{h}x{d}xf32>
  %local = attn.attention ins(%q, %k, %v : tensor<{rest}x{h}x{d}xf32>, tensor<{n}x{h}x{d}xf32>, tensor<{n}x{h}x{d}xf32>)
      outs(%e0 : tensor<{rest}x{h}x{d}xf32>) maps [#q, #k, #v, #o]
      mask #attn.any_of<[#attn.window<before = {w}, after = {w}, bottom_right>,
                         #attn.global<tokens = [0 to {g}], keys, bottom_right>]>
      -> tensor<{rest}x{h}x{d}xf32>
  %e1 = tensor.empty() : tensor<{g}x{h}x{d}xf32>
  %global = attn.attention ins(%qg, %kg, %vg : tensor<{g}x{h}x{d}xf32>, tensor<{n}x{h}x{d}xf32>, tensor<{n}x{h}x{d}xf32>)
      outs(%e1 : tensor<{g}x{h}x{d}xf32>) maps [#q, #k, #v, #o] -> tensor<{g}x{h}x{d}xf32>
  %r = tensor.concat dim(0) %global, %local : (tensor<{g}x{h}x{d}xf32>, tensor<{rest}x{h}x{d}xf32>) -> tensor<{n}x{h}x{d}xf32>
  return %r : tensor<{n}x{h}x{d}xf32>
}}
"""


def ir(n):
    """The layer on `n` rows."""
    rest = n - GLOBALS
    names = {"n": n, "c": WIDTH, "h": HEADS, "d": SIZE, "g": GLOBALS, "rest": rest, "w": REACH}
    for key, rows in (("n", n), ("g", GLOBALS), ("rest", rest)):
        names[f"types_{key}"] = (f"(tensor<{rows}x{WIDTH}xf32>, tensor<{WIDTH}x{WIDTH}xf32>, tensor<{WIDTH}xf32>) "
                                 f"-> tensor<{rows}x{HEADS}x{SIZE}xf32>")  # fmt: skip
    names["weights"] = ", ".join(f"%w{i}: tensor<{WIDTH}x{WIDTH}xf32>, %b{i}: tensor<{WIDTH}xf32>" for i in range(6))
    helpers = "".join(PROJECT.format(rows=rows, c=WIDTH, h=HEADS, d=SIZE) for rows in (n, rest, GLOBALS))
    return MAIN.format(**names) + helpers


@pytest.mark.parametrize("engine", programs.ENGINES)
@pytest.mark.parametrize("n", [64, 160])
def test_layer_of_transformers(engine, n):
    longformer = pytest.importorskip("transformers.models.longformer.modeling_longformer")
    config = longformer.LongformerConfig(hidden_size=WIDTH, num_attention_heads=HEADS, attention_window=[2 * REACH],
                                         attention_probs_dropout_prob=0.0, num_hidden_layers=1)  # fmt: skip
    torch.manual_seed(n)
    module = longformer.LongformerSelfAttention(config, layer_id=0).eval()
    hidden = torch.randn(1, n, WIDTH)
    marks = torch.zeros(1, n)
    marks[0, :GLOBALS] = 10000
    inputs = [hidden[0].numpy()]
    for name in NAMES:
        layer = getattr(module, name)
        inputs += [layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy()]
    with torch.no_grad():
        wanted = module.double()(hidden.double(), marks.double(), marks < 0, marks > 0, True)[0][0].numpy()
    result = programs.evaluate(engine, ir(n), inputs)[0].reshape(n, WIDTH)
    assert not np.isnan(result).any()
    assert np.abs(result - wanted).max() < 2e-6
