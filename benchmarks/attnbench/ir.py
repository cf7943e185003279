# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Our compiler's input for a case: one function with one `attn.attention`.

Lengths are static, as a model engineer's export has them; dynamic lengths are the tests' business.
"""

from __future__ import annotations

from . import patterns
from .cases import Case

_TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_DOMAIN = "(b, h, i, j, d, e)"


def _tensor(shape: tuple[int, ...], dtype: str) -> str:
    return f"tensor<{'x'.join(map(str, shape))}x{_TYPES[dtype]}>"


def _mask(case: Case) -> str:
    if case.mask == "causal":
        return " mask #attn.causal<bottom_right>"
    if case.mask == "window":
        return f" mask #attn.window<before = {case.window - 1}, after = 0, bottom_right>"
    if case.mask in patterns.SPARSE:
        return f" mask {patterns.text(case)}"
    return ""


def text(case: Case) -> str:
    """The module, whose entry is `main(query, key, value) -> output`."""
    query, key = _tensor(case.query_shape, case.dtype), _tensor(case.key_shape, case.dtype)
    group = case.heads // case.kv_heads
    head = "h" if group == 1 else f"h floordiv {group}"
    return f"""\
#q = affine_map<{_DOMAIN} -> (b, h, i, d)>
#k = affine_map<{_DOMAIN} -> (b, {head}, j, d)>
#v = affine_map<{_DOMAIN} -> (b, {head}, j, e)>
#o = affine_map<{_DOMAIN} -> (b, h, i, e)>
func.func @main(%query: {query}, %key: {key}, %value: {key}) -> {query} {{
  %init = tensor.empty() : {query}
  %out = attn.attention ins(%query, %key, %value : {query}, {key}, {key}) outs(%init : {query})
      maps [#q, #k, #v, #o]{_mask(case)} -> {query}
  return %out : {query}
}}
"""
