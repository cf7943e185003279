# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""OpenVINO's CPU plugin on its scaled-dot-product-attention op, with f32 kept f32.

By default the plugin may compute f32 models in bf16; the precision hint forbids that, as no other
contender rounds its inputs.
"""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset13 as ops

from ..cases import Case
from . import Prepared, Settings, Unsupported


def configuration(settings: Settings, dtype: str) -> dict:
    return {
        "INFERENCE_NUM_THREADS": settings.threads,
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == "bfloat16" else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }


def _graph(case: Case) -> openvino.Model:
    kind = openvino.Type.bf16 if case.dtype == "bfloat16" else openvino.Type.f32
    group = case.heads // case.kv_heads
    # with one query a head, those of a group are rows of one matrix: no key is copied
    rows = (case.batch, case.kv_heads, group * case.n, case.d)
    inputs = [ops.parameter(shape, kind) for shape in (rows, case.key_shape, case.key_shape)]
    if case.mask == "window":
        mask = np.full((case.n, case.m), -np.inf, np.float32)
        for row in range(case.n):
            mask[row, slice(*case.key_range(row))] = 0
        result = ops.scaled_dot_product_attention(*inputs, ops.constant(mask, shared_memory=True))
    else:
        result = ops.scaled_dot_product_attention(*inputs, causal=case.mask == "causal")
    return openvino.Model([result], inputs)


def _tensor(array: np.ndarray) -> openvino.Tensor:
    if array.dtype == np.uint16:
        return openvino.Tensor(array, array.shape, openvino.Type.bf16)
    return openvino.Tensor(array, shared_memory=True)


def prepare(case: Case, inputs, settings: Settings) -> Prepared:
    if case.heads != case.kv_heads and (case.mask or case.n > 1):
        raise Unsupported("grouped heads are written for one query without a mask")
    mask_bytes = 4 * case.n * case.m
    if case.mask == "window" and mask_bytes > 4e9:
        raise Unsupported(f"a window needs an N x N mask: {mask_bytes / 1e9:.1f} GB")
    core = openvino.Core()
    compiled = core.compile_model(_graph(case), "CPU", configuration(settings, case.dtype))
    request = compiled.create_infer_request()
    group = case.heads // case.kv_heads
    shaped = [inputs[0].reshape(case.batch, case.kv_heads, group * case.n, case.d), *inputs[1:]]
    for index, array in enumerate(shaped):
        request.set_input_tensor(index, _tensor(array))
    return Prepared(request.infer, lambda: _output(request))


def _output(request) -> np.ndarray:
    tensor = request.get_output_tensor(0)
    data = tensor.data
    if tensor.element_type == openvino.Type.bf16:
        return data.view(np.uint16)
    return data
