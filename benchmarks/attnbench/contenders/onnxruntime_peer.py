# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ONNX Runtime: its fused MultiHeadAttention where that covers the case, else MatMul and Softmax.

The fused op wants (batch, length, heads x size), which the input is given in, so that no transpose is
timed; grouped heads and windows go through the plain graph.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from ..cases import Case
from . import Prepared, Settings, Unsupported, refuse_score_matrix


def _model(nodes, inputs, constants, output_shape, kind=TensorProto.FLOAT) -> bytes:
    graph = helper.make_graph(
        nodes, "attention",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs],
        [helper.make_tensor_value_info("out", kind, output_shape)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def _fused(case: Case) -> bytes:
    rows, keys = ((case.batch, length, case.heads * case.d) for length in (case.n, case.m))
    node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["out"], domain="com.microsoft",
                            num_heads=case.heads, unidirectional=int(case.mask == "causal"))
    return _model([node], [("q", rows), ("k", keys), ("v", keys)], {}, rows)


def _plain(case: Case) -> bytes:
    group = case.heads // case.kv_heads
    # queries of a group are rows of one matrix: no key is copied
    query = (case.batch, case.kv_heads, group * case.n, case.d)
    constants = {"scale": np.float32(1 / math.sqrt(case.d))}
    nodes = [
        helper.make_node("Mul", ["q", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["scaled", "kt"], ["scores"]),
    ]
    scores = "scores"
    if case.mask:
        distance = np.arange(case.n)[:, None] - np.arange(case.m)[None, :]
        reach = case.window if case.mask == "window" else case.n
        constants["mask"] = np.where((distance >= 0) & (distance < reach), 0, -1e30).astype(np.float32)
        nodes.append(helper.make_node("Add", ["scores", "mask"], ["masked"]))
        scores = "masked"
    nodes += [
        helper.make_node("Softmax", [scores], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["out"]),
    ]
    return _model(nodes, [("q", query), ("k", case.key_shape), ("v", case.key_shape)], constants, query)


def session(model: bytes | str, settings: Settings) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _merge_heads(array: np.ndarray) -> np.ndarray:
    batch, heads, length, size = array.shape
    return np.ascontiguousarray(array.transpose(0, 2, 1, 3)).reshape(batch, length, heads * size)


def prepare(case: Case, inputs, settings: Settings) -> Prepared:
    if case.dtype != "float32":
        raise Unsupported(f"its CPU provider has no {case.dtype} attention")
    fused = case.heads == case.kv_heads and case.mask != "window"
    if not fused or case.mask:
        refuse_score_matrix(case, copies=2)
    made = session(_fused(case) if fused else _plain(case), settings)
    binding = made.io_binding()
    shaped = [_merge_heads(array) for array in inputs] if fused else [
        inputs[0].reshape(case.batch, case.kv_heads, -1, case.d), *inputs[1:]]
    for name, array in zip("qkv", shaped):
        binding.bind_cpu_input(name, array)
    out = np.zeros(shaped[0].shape, np.float32)
    binding.bind_output("out", "cpu", 0, np.float32, out.shape, out.ctypes.data)

    def output() -> np.ndarray:
        if not fused:
            return out
        return out.reshape(case.batch, case.n, case.heads, case.d).transpose(0, 2, 1, 3)

    return Prepared(lambda: made.run_with_iobinding(binding), output, {"keep": shaped})
