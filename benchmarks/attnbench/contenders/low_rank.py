# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Low-rank attention: keys and values are projected to slots by two matrices that all heads share.

A model's projections are weights: the peers get them as constants, we as arguments like any other.
"""

from __future__ import annotations

import ctypes

import numpy as np

from .. import tensors
from ..cases import Case
from . import Prepared, Settings, Unsupported, limit, ours

DOMAIN = "(b, h, i, j, s, d, e)"


def projections(case: Case) -> list[np.ndarray]:
    """One matrix for keys and one for values, [slots, positions], as a Linformer begins."""
    random = np.random.default_rng(case.m + case.slots)
    made = []
    for _ in range(2):
        array = tensors.aligned((case.slots, case.m), np.float32)
        array[...] = random.standard_normal(array.shape, dtype=np.float32) / case.slots**0.5
        made.append(array)
    return made


def text(case: Case) -> str:
    """The module, whose entry is `main(query, key, value, e, f) -> output`."""
    rows = f"tensor<{'x'.join(map(str, case.query_shape))}xf32>"
    matrix = f"tensor<{case.slots}x{case.m}xf32>"
    names = ("b, h, i, d", "b, h, j, d", "b, h, j, e", "s, j", "s, j", "b, h, i, e")
    maps = ", ".join(f"affine_map<{DOMAIN} -> ({one})>" for one in names)
    return f"""\
func.func @main(%q: {rows}, %k: {rows}, %v: {rows}, %e: {matrix}, %f: {matrix}) -> {rows} {{
  %init = tensor.empty() : {rows}
  %o = attn.low_rank_attention ins(%q, %k, %v : {rows}, {rows}, {rows}) projections(%e, %f : {matrix}, {matrix})
      outs(%init : {rows}) maps [{maps}] -> {rows}
  return %o : {rows}
}}
"""


def _worst_error(case: Case, inputs, matrices, output: np.ndarray) -> float:
    """The largest error over sampled rows of two heads, in f64; infinite for any NaN."""
    output = output.reshape(case.query_shape)
    if not np.isfinite(output).all():
        return float("inf")
    rows = [0, case.n - 1, *np.random.default_rng(1).integers(case.n, size=22)]
    worst = 0.0
    for head in (1, case.heads - 2):
        query, key, value = (array[0, head].astype(np.float64) for array in inputs)
        key, value = matrices[0].astype(np.float64) @ key, matrices[1].astype(np.float64) @ value
        scores = query[rows] @ key.T / case.d**0.5
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        expected = weights @ value / weights.sum(-1, keepdims=True)
        worst = max(worst, float(np.abs(output[0, head, rows] - expected).max() / np.abs(expected).max()))
    return worst


def _prepared(case: Case, inputs, matrices, run, output) -> Prepared:
    return Prepared(run, output, {"error": lambda: _worst_error(case, inputs, matrices, output())})


def prepare_ours(case: Case, inputs, settings: Settings) -> Prepared:
    module = ours.compiled(case, text(case), settings)
    output, matrices = tensors.aligned(case.query_shape, np.float32), projections(case)
    return _prepared(case, inputs, matrices, lambda: module.main(*inputs, *matrices, out=output), lambda: output)


def prepare_limit(case: Case, inputs, settings: Settings) -> Prepared:
    if (case.heads, case.d, case.batch, case.slots) != (8, 64, 1, 256):
        raise Unsupported("matmul.c is written for 8 heads of size 64 and 256 slots")
    library = limit._library("matmul", case.d, settings)
    library.limit_setup(settings.threads, case.n)
    output, matrices = tensors.aligned(case.query_shape, np.float32), projections(case)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*inputs, output, *matrices)]
    return _prepared(case, inputs, matrices, lambda: library.limit_low_rank(*pointers, case.n), lambda: output)


def prepare_openvino(case: Case, inputs, settings: Settings) -> Prepared:
    import openvino
    from openvino import opset13 as ops

    from .openvino_peer import configuration

    matrices = projections(case)
    query, key, value = parameters = [ops.parameter(case.query_shape, openvino.Type.f32) for _ in range(3)]
    key, value = (ops.matmul(ops.constant(matrix[None, None]), rows, False, False)
                  for matrix, rows in zip(matrices, (key, value)))
    graph = openvino.Model([ops.scaled_dot_product_attention(query, key, value)], parameters)
    request = openvino.Core().compile_model(graph, "CPU", configuration(settings, case.dtype)).create_infer_request()
    for index, array in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
    return _prepared(case, inputs, matrices, request.infer, lambda: request.get_output_tensor(0).data)


def prepare_torch(case: Case, inputs, settings: Settings, compiled: bool = False) -> Prepared:
    import torch

    torch.set_num_threads(settings.threads)
    matrices = projections(case)
    query, key, value, e, f = map(torch.from_numpy, (*inputs, *matrices))

    def attend(query, key, value, e, f):
        return torch.nn.functional.scaled_dot_product_attention(query, e @ key, f @ value)

    call, kept = torch.compile(attend) if compiled else attend, []

    def run():
        with torch.inference_mode():
            kept[:] = [call(query, key, value, e, f)]

    return _prepared(case, inputs, matrices, run, lambda: kept[0].numpy())


def prepare_compiled(case: Case, inputs, settings: Settings) -> Prepared:
    return prepare_torch(case, inputs, settings, compiled=True)
