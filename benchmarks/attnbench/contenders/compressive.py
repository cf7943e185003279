# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compressed memory: our kernels and compressive-transformer-pytorch, by attention alone and by the whole layer.

Alone, queries, keys and values are given and positions are relative. The layer projects them from tokens and memories,
projects the result, and moves the memories on, what leaves being compressed by a convolution of stride 4.
"""

from __future__ import annotations


import numpy as np

from .. import tensors
from ..cases import Case
from . import Prepared, Settings, ours

RATE = 4
WEIGHTS = ("to_q", "to_k", "to_v", "to_out")


def _normal(random, *shape: int, scale: float = 1.0) -> np.ndarray:
    array = tensors.aligned(shape, np.float32)
    array[...] = scale * random.standard_normal(shape, dtype=np.float32)
    return array


def operands(case: Case) -> dict[str, np.ndarray]:
    """Positions, tokens, memories and weights; projections are [in, out], the convolution is [out, in, tap]."""
    random, width, rows = np.random.default_rng(case.m), case.heads * case.d, case.n
    scale = width**-0.5
    made = {"positions": _normal(random, case.heads, case.m, case.d)}
    for name in ("compressed", "memory", "tokens"):
        made[name] = _normal(random, rows, width)
    for name in WEIGHTS:
        made[name] = _normal(random, width, width, scale=scale)
    made["bias"] = _normal(random, width)
    made["conv"] = _normal(random, width, width, RATE, scale=scale / 2)
    made["conv_bias"] = _normal(random, width)
    return made


# -- meaning ----------------------------------------------------------------------------------------------------------


def attend(case: Case, query, key, value, positions) -> np.ndarray:
    """Heads of rows in f64. The last query meets the last position at the last key."""
    n, m = case.n, case.m
    columns = np.arange(m) + np.arange(n - 1, -1, -1)[:, None]
    seen = columns < m  # positions end where the future begins
    turned = np.einsum("hid,hrd->hir", query, positions)
    rows = np.arange(n)[:, None]
    scores = np.einsum("hid,hjd->hij", query, key) + turned[:, rows, np.minimum(columns, m - 1)]
    scores = np.where(seen, scores / case.d**0.5, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hij,hjd->hid", weights / weights.sum(-1, keepdims=True), value)


def expected_layer(case: Case) -> list[np.ndarray]:
    """Result, memory and compressed memory, in f64."""
    one = {name: array.astype(np.float64) for name, array in operands(case).items()}
    rows = np.concatenate([one["compressed"], one["memory"], one["tokens"]])

    def heads(array):
        return array.reshape(len(array), case.heads, case.d).transpose(1, 0, 2)

    query, key, value = (heads(x @ one[name]) for x, name in ((one["tokens"], "to_q"), (rows, "to_k"), (rows, "to_v")))
    result = attend(case, query, key, value, one["positions"]).transpose(1, 0, 2).reshape(case.n, -1)
    old = one["memory"].reshape(case.n // RATE, RATE, -1)
    made = np.einsum("rtd,edt->re", old, one["conv"]) + one["conv_bias"]
    compressed = np.concatenate([one["compressed"], made])[-case.n :]
    return [result @ one["to_out"] + one["bias"], one["tokens"], compressed]


def _error(case: Case, inputs, outputs) -> float:
    """The largest error of any result over its largest value; infinite for any NaN."""
    if case.kind == "compressive-layer":
        wanted = expected_layer(case)
    else:
        given = [array[0].astype(np.float64) for array in inputs]
        wanted = [attend(case, *given, operands(case)["positions"].astype(np.float64))]
    worst = 0.0
    for expected, got in zip(wanted, outputs, strict=True):
        error = np.abs(expected - np.asarray(got).reshape(expected.shape)).max() / np.abs(expected).max()
        worst = max(worst, float(error)) if np.isfinite(error) else float("inf")
    return worst


def _prepared(case: Case, inputs, run, outputs) -> Prepared:
    return Prepared(run, lambda: outputs()[0], {"error": lambda: _error(case, inputs, outputs())})


# -- ours -------------------------------------------------------------------------------------------------------------


def _tensor(*shape: int) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def _dense(array: np.ndarray) -> str:
    return f'dense<"0x{array.tobytes().hex().upper()}"> : {_tensor(*array.shape)}'


def _attention(case: Case, order: str, result: str) -> str:
    """attn.attention over three parts of keys named %k0, %v0 and so on, heads and rows in the given order."""
    part = case.n
    extents = {"b": 1, "h": case.heads, "i": case.n, "j": part, "d": case.d}
    rows = _tensor(*(extents[dim] for dim in f"{order}d"))
    positions = _tensor(case.heads, case.m, case.d)
    dims = [f"{order}d", f"{order}d".replace("i", "j"), f"{order}e".replace("i", "j"), f"{order}e"]
    maps = [f"({', '.join(one)})" for one in dims] + ["(h, j - i, d)"]
    maps = ", ".join(f"affine_map<(b, h, i, j, d, e) -> {one}>" for one in maps)
    return f"""\
  %init = tensor.empty() : {rows}
  {result} = attn.attention ins(%q, %k0, %v0 : {rows}, {rows}, {rows})
      segments(%k1, %v1, %k2, %v2 : {rows}, {rows}, {rows}, {rows})
      relative(%q, %positions : {rows}, {positions}) outs(%init : {rows})
      maps [{maps}] mask #attn.causal<bottom_right> -> {rows}
"""


def attention_text(case: Case) -> str:
    """The module of attention alone: `main(q, k0, v0, k1, v1, k2, v2, positions) -> output`, the oldest part first."""
    rows, positions = _tensor(1, case.heads, case.n, case.d), _tensor(case.heads, case.m, case.d)
    arguments = ", ".join(f"%{name}: {rows}" for name in ("q", "k0", "v0", "k1", "v1", "k2", "v2"))
    return (f"func.func @main({arguments}, %positions: {positions}) -> {rows} {{\n{_attention(case, 'bhi', '%o')}"
            f"  return %o : {rows}\n}}\n")


def layer_text(case: Case) -> str:
    """The module of the layer: `main(tokens, memory, compressed, positions) -> result, memory, compressed`."""
    width, made = case.heads * case.d, case.n // RATE
    rows, heads, short = _tensor(case.n, width), _tensor(case.n, case.heads, case.d), _tensor(made, width)
    given = operands(case)
    weights = "".join(f"  %{name} = arith.constant {_dense(given[name])}\n"
                      for name in (*WEIGHTS, "bias", "conv", "conv_bias"))
    body = f"  %zero = arith.constant 0.0 : f32\n  %empty = tensor.empty() : {rows}\n"
    body += f"  %filled = linalg.fill ins(%zero : f32) outs(%empty : {rows}) -> {rows}\n"

    def product(result: str, source: str, weight: str) -> str:
        return (f"  {result} = linalg.matmul ins({source}, %{weight} : {rows}, {_tensor(width, width)}) "
                f"outs(%filled : {rows}) -> {rows}\n")

    def split(result: str, source: str, weight: str) -> str:
        return (product(f"{result}_rows", source, weight) + f"  {result} = tensor.expand_shape {result}_rows [[0], [1, 2]] "
                f"output_shape [{case.n}, {case.heads}, {case.d}] : {rows} into {heads}\n")

    body += split("%q", "%tokens", "to_q")
    for part, source in enumerate(("%compressed", "%memory", "%tokens")):
        body += split(f"%k{part}", source, "to_k") + split(f"%v{part}", source, "to_v")
    body += _attention(case, "ih", "%o")
    body += f"  %joined = tensor.collapse_shape %o [[0], [1, 2]] : {heads} into {rows}\n"
    body += product("%projected", "%joined", "to_out")
    body += f"""\
  %result = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}} ins(%projected, %bias : {rows}, {_tensor(width)}) outs(%empty : {rows}) {{
  ^bb0(%x: f32, %y: f32, %z: f32):
    %sum = arith.addf %x, %y : f32
    linalg.yield %sum : f32
  }} -> {rows}
  %short = tensor.empty() : {short}
  %moved:2 = attn.update_memory ins(%memory, %tokens : {rows}, {rows}) outs(%empty, %empty : {rows}, {rows}) -> {rows}, {rows}
  %made = attn.compress conv ins(%moved#1 : {rows}) weights(%conv, %conv_bias : {_tensor(width, width, RATE)}, {_tensor(width)})
      outs(%short : {short}) rate {RATE} -> {short}
  %next:2 = attn.update_memory ins(%compressed, %made : {rows}, {short}) outs(%empty, %short : {rows}, {short}) -> {rows}, {short}
"""
    arguments = f"%tokens: {rows}, %memory: {rows}, %compressed: {rows}, %positions: {_tensor(case.heads, case.m, case.d)}"
    return (f"func.func @main({arguments}) -> ({rows}, {rows}, {rows}) {{\n{weights}{body}"
            f"  return %result, %moved#0, %next#0 : {rows}, {rows}, {rows}\n}}\n")


def prepare_ours(case: Case, inputs, settings: Settings) -> Prepared:
    is_layer = case.kind == "compressive-layer"
    module = ours.compiled(case, layer_text(case) if is_layer else attention_text(case), settings)
    given = operands(case)
    if is_layer:
        arguments = [given[name] for name in ("tokens", "memory", "compressed", "positions")]
        outputs = [tensors.aligned(given["tokens"].shape, np.float32) for _ in range(3)]
    else:
        query, key, value = inputs
        cuts = [slice(first, first + case.n) for first in range(0, case.m, case.n)]
        parts = [np.ascontiguousarray(array[:, :, cut]) for cut in cuts for array in (key, value)]
        arguments = [query, *parts, given["positions"]]
        outputs = [tensors.aligned(case.query_shape, np.float32)]
    return _prepared(case, inputs, lambda: module.main(*arguments, out=outputs), lambda: outputs)


# -- the peer ---------------------------------------------------------------------------------------------------------


def _give_weights(module, given) -> None:
    """The layer's weights; torch keeps a projection as [out, in]."""
    module.to_q.weight.data = given["to_q"].T.contiguous()
    module.to_kv.weight.data = given["to_kv"].T.contiguous()
    module.to_out.weight.data = given["to_out"].T.contiguous()
    module.to_out.bias.data = given["bias"]
    module.compress_mem_fn.conv.weight.data = given["conv"]
    module.compress_mem_fn.conv.bias.data = given["conv_bias"]


def prepare_peer(case: Case, inputs, settings: Settings, compiled: bool = False) -> Prepared:
    import torch
    from compressive_transformer_pytorch.compressive_transformer_pytorch import SelfAttention

    from .hf_sparse import Given

    torch.set_num_threads(settings.threads)
    is_layer, width = case.kind == "compressive-layer", case.heads * case.d
    made = operands(case)
    made["to_kv"] = np.concatenate([made.pop("to_k"), made.pop("to_v")], 1)
    given = {name: torch.from_numpy(array) for name, array in made.items()}
    module = SelfAttention(width, case.n, case.n, case.n, RATE, case.heads).eval()
    if is_layer:
        _give_weights(module, given)
    else:
        query, key, value = (torch.from_numpy(array).transpose(1, 2).reshape(1, -1, width) for array in inputs)
        module.to_q, module.to_kv = Given(query), Given(torch.cat([key, value], -1))
        module.to_out = torch.nn.Identity()
    attend, kept = torch.compile(module) if compiled else module, []
    tokens, memory, compressed = (given[name][None] for name in ("tokens", "memory", "compressed"))

    def run():
        with torch.inference_mode():
            result, memories, _ = attend(tokens, memories=(memory, compressed), pos_emb=given["positions"],
                                         calc_memory=is_layer)
            kept[:] = [result, *memories] if is_layer else [result]

    def outputs():
        if is_layer:
            return [tensor.numpy() for tensor in kept]
        return [kept[0].view(1, case.n, case.heads, case.d).transpose(1, 2).numpy()]

    return _prepared(case, inputs, run, outputs)


def prepare_compiled(case: Case, inputs, settings: Settings) -> Prepared:
    return prepare_peer(case, inputs, settings, compiled=True)
