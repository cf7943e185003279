# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear attention: our kernel, the hand-scheduled program, and what else computes attention by features.

The peers that are packages have conventions of their own (linear-attention-transformer normalises by softmaxes and
leaves a bucket's own keys out), so only results of our convention are checked.
"""

from __future__ import annotations

import ctypes

import numpy as np

from .. import ir, tensors
from ..cases import Case
from . import Prepared, Settings, Unsupported, limit, ours

CHUNK = 64


def projection(case: Case) -> np.ndarray:
    """Directions shared by all heads; their distribution has no part in the time."""
    array = tensors.aligned((case.features, case.d), np.float32)
    array[...] = np.random.default_rng(case.features).standard_normal(array.shape, dtype=np.float32)
    return array


def text(case: Case) -> str:
    """The module, whose entry is `main(query, key, value[, projection]) -> output`."""
    x = f"tensor<{'x'.join(map(str, case.query_shape))}xf32>"
    w = f"tensor<{case.features}x{case.d}xf32>"
    argument = f", %w: {w}" if case.features else ""
    feature, operand = ("softmax_positive", f" projection(%w : {w})") if case.features else ("elu_plus_one", "")
    causal = " causal top_left" if case.mask == "causal" else ""
    return f"""\
#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
func.func @main(%query: {x}, %key: {x}, %value: {x}{argument}) -> {x} {{
  %init = tensor.empty() : {x}
  %out = attn.linear_attention {feature} ins(%query, %key, %value : {x}, {x}, {x}){operand} outs(%init : {x})
      maps [#q, #k, #v, #o]{causal} -> {x}
  return %out : {x}
}}
"""


def expected_rows(case: Case, query, key, value, w, rows) -> np.ndarray:
    """Rows of one head in f64, from the definition."""
    query, key, value = (array.astype(np.float64) for array in (query[rows], key, value))
    if w is None:
        def phi(x):
            return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))

        features, of_keys, eps = phi(query), phi(key), 1e-6
    else:
        def exponents(x):
            x = x * case.d**-0.25
            return x @ w.astype(np.float64).T - (x * x).sum(-1, keepdims=True) / 2

        own, theirs, eps = exponents(query), exponents(key), 0.0
        added = 0.0 if case.mask == "causal" else 1e-6
        features, of_keys = np.exp(own - own.max(-1, keepdims=True)) + added, np.exp(theirs - theirs.max()) + added
    weights = features @ of_keys.T
    if case.mask == "causal":
        weights[np.arange(case.n)[None] > np.asarray(rows)[:, None]] = 0
    return weights @ value / (weights.sum(-1, keepdims=True) + eps)


def _error(case: Case, inputs, w, output):
    """What checks a result of our convention."""

    def error() -> float:
        head = case.heads // 2
        rows = [0, 1, case.n - 1, *np.random.default_rng(1).integers(case.n, size=13)]
        wanted = expected_rows(case, *(array[0, head] for array in inputs), w, rows)
        return float(np.abs(wanted - np.asarray(output()).reshape(case.query_shape)[0, head, rows]).max())

    return {"error": error}


def prepare_ours(case: Case, inputs, settings: Settings) -> Prepared:
    module = ours.compiled(case, text(case), settings)
    output = tensors.aligned(case.query_shape, np.float32)
    w = projection(case) if case.features else None
    arguments = [*inputs, *([w] if case.features else [])]
    return Prepared(lambda: module.main(*arguments, out=output), lambda: output, _error(case, inputs, w, lambda: output))


def _exact(query, key, value) -> np.ndarray:
    """Exact attention of one head in f64."""
    scores = query.astype(np.float64) @ key.astype(np.float64).T / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights @ value.astype(np.float64) / weights.sum(-1, keepdims=True)


def prepare_error(case: Case, inputs, settings: Settings) -> Prepared:
    """Exact attention that is asked to become FAVOR+; what is recorded is how far off it is, in norm.

    Queries and keys have a quarter of the usual length: the variance of features grows with e^(|q + k|^2).
    """
    query, key, value = 0.25 * inputs[0], 0.25 * inputs[1], inputs[2]
    hyperbolic = "true" if case.case.startswith("favor-error-hyperbolic") else "false"
    form = f"favor,features={case.features},hyperbolic={hyperbolic}"
    module = ours.compiled(case, ir.text(case), settings, form)
    output = tensors.aligned(case.query_shape, np.float32)

    def error() -> float:
        wanted = np.stack([_exact(query[0, h], key[0, h], value[0, h]) for h in range(case.heads)])
        return float(np.linalg.norm(output[0] - wanted) / np.linalg.norm(wanted))

    notes = {"error": error, "tolerance": float("inf")}
    return Prepared(lambda: module.main(query, key, value, out=output), lambda: output, notes)


def prepare_limit(case: Case, inputs, settings: Settings) -> Prepared:
    if (case.heads, case.d, case.batch) != (8, 64, 1) or case.features not in (0, 256) or case.n % CHUNK:
        raise Unsupported("linear.c is written for 8 heads of size 64, 256 features and whole chunks")
    library = limit._library("linear", case.d, settings)
    w = projection(case) if case.features else None
    output = tensors.aligned(case.query_shape, np.float32)
    given = w if case.features else np.zeros((256, case.d), np.float32)
    library.limit_setup(settings.threads, ctypes.c_void_p(given.ctypes.data))
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*inputs, output)]
    form = (2 if case.features else 0) + (case.mask == "causal")
    notes = {**_error(case, inputs, w, lambda: output), "keep": given}
    return Prepared(lambda: library.limit_linear(form, *pointers, case.n), lambda: output, notes)


# -- PyTorch ----------------------------------------------------------------------------------------------------------


def _torch_features(case: Case, w):
    """Functions that make features of queries and of keys."""
    import torch

    if not case.features:
        def phi(x):
            return torch.nn.functional.elu(x) + 1

        return phi, phi
    eps = 0.0 if case.mask == "causal" else 1e-6

    def exponents(x):
        x = x * case.d**-0.25
        return x @ w.T - (x * x).sum(-1, keepdim=True) / 2

    def of_queries(x):
        u = exponents(x)
        return torch.exp(u - u.amax(-1, keepdim=True)) + eps

    def of_keys(x):
        u = exponents(x)
        return torch.exp(u - u.amax((-1, -2), keepdim=True)) + eps

    return of_queries, of_keys


def _attend(case: Case, w):
    """Both forms as one would write them: two products, or the chunkwise form under a causal mask."""
    import torch

    of_queries, of_keys = _torch_features(case, w)
    eps = 0.0 if case.features else 1e-6

    def whole(q, k, v):
        q, k = of_queries(q), of_keys(k)
        return (q @ (k.transpose(-1, -2) @ v)) / (q @ k.sum(-2)[..., None] + eps)

    def by_chunks(q, k, v):
        q, k = of_queries(q), of_keys(k)
        q, k, v = (x.unflatten(-2, (-1, CHUNK)) for x in (q, k, v))
        state, norm = k.transpose(-1, -2) @ v, k.sum(-2)
        state, norm = state.cumsum(-3) - state, norm.cumsum(-2) - norm
        weights = (q @ k.transpose(-1, -2)).tril()
        denominator = weights.sum(-1, keepdim=True) + q @ norm[..., None] + eps
        return ((weights @ v + q @ state) / denominator).flatten(-3, -2)

    if case.mask == "causal" and case.n % CHUNK:
        raise Unsupported("the chunkwise form is written for whole chunks")
    del torch
    return by_chunks if case.mask == "causal" else whole


def _run(call, tensors_, notes) -> Prepared:
    import torch

    kept = []

    def run():
        with torch.inference_mode():
            kept[:] = [call(*tensors_)]

    return Prepared(run, lambda: kept[0].numpy(), notes)


def prepare_compiled(case: Case, inputs, settings: Settings) -> Prepared:
    import torch

    torch.set_num_threads(settings.threads)
    w = projection(case) if case.features else None
    call = torch.compile(_attend(case, torch.from_numpy(w) if case.features else None))
    prepared = _run(call, [torch.from_numpy(array) for array in inputs], {})
    prepared.notes.update(_error(case, inputs, w, prepared.output))
    return prepared


def prepare_transformer(case: Case, inputs, settings: Settings) -> Prepared:
    """linear-attention-transformer, compiled; it may write to its operands, but does not without a mask."""
    import torch
    from linear_attention_transformer import linear_attention_transformer as package

    if case.features:
        raise Unsupported("has no random features")
    torch.set_num_threads(settings.threads)
    attend = package.causal_linear_attn if case.mask == "causal" else package.linear_attn
    return _run(torch.compile(attend), [torch.from_numpy(array) for array in inputs], {"error": lambda: None})


def prepare_performer(case: Case, inputs, settings: Settings) -> Prepared:
    """performer-pytorch; its causal form on a CPU stores every prefix of a chunk."""
    import torch
    from performer_pytorch import FastAttention

    if not case.features:
        raise Unsupported("is for random features")
    if case.mask == "causal" and case.n > 4096:
        raise Unsupported("stores a state for every position of 128 chunks")
    torch.set_num_threads(settings.threads)
    attend = FastAttention(case.d, nb_features=case.features, causal=case.mask == "causal").eval()
    attend.projection_matrix.copy_(torch.from_numpy(projection(case)))
    return _run(attend, [torch.from_numpy(array) for array in inputs], {"error": lambda: None})


# -- OpenVINO ---------------------------------------------------------------------------------------------------------


def _openvino_graph(case: Case, w):
    # lint(function-length): one formula as a graph, node by node.
    import openvino
    from openvino import opset13 as ops

    def number(value):
        return ops.constant(np.float32(value))

    def axes(*values):
        return ops.constant(np.array(values, np.int64))

    def phi(x, of):
        if not case.features:
            return ops.add(ops.elu(x, 1.0), number(1))
        x = ops.multiply(x, number(case.d**-0.25))
        half = ops.multiply(ops.reduce_sum(ops.multiply(x, x), axes(-1), True), number(0.5))
        u = ops.subtract(ops.matmul(x, ops.constant(w), False, True), half)
        top = ops.reduce_max(u, axes(-1) if of == "query" else axes(-1, -2), True)
        eps = 0.0 if case.mask == "causal" else 1e-6
        return ops.add(ops.exp(ops.subtract(u, top)), number(eps))

    inputs = [ops.parameter(case.query_shape, openvino.Type.f32) for _ in range(3)]
    q, k, v = phi(inputs[0], "query"), phi(inputs[1], "key"), inputs[2]
    eps = number(0.0 if case.features else 1e-6)
    if case.mask != "causal":
        denominator = ops.add(ops.matmul(q, ops.reduce_sum(k, axes(-2), True), False, True), eps)
        result = ops.divide(ops.matmul(q, ops.matmul(k, v, True, False), False, False), denominator)
        return openvino.Model([result], inputs)
    shape = axes(case.batch, case.heads, case.n // CHUNK, CHUNK, -1)
    q, k, v = (ops.reshape(x, shape, False) for x in (q, k, v))
    before = {"exclusive": True, "reverse": False}
    state = ops.cum_sum(ops.matmul(k, v, True, False), ops.constant(np.int64(2)), **before)
    norm = ops.cum_sum(ops.reduce_sum(k, axes(-2), True), ops.constant(np.int64(2)), **before)
    lower = ops.constant(np.tril(np.ones((CHUNK, CHUNK), np.float32)))
    weights = ops.multiply(ops.matmul(q, k, False, True), lower)
    denominator = ops.add(ops.reduce_sum(weights, axes(-1), True), ops.add(ops.matmul(q, norm, False, True), eps))
    numerator = ops.add(ops.matmul(weights, v, False, False), ops.matmul(q, state, False, False))
    result = ops.reshape(ops.divide(numerator, denominator), axes(*case.query_shape), False)
    return openvino.Model([result], inputs)


def prepare_openvino(case: Case, inputs, settings: Settings) -> Prepared:
    import openvino

    from . import openvino_peer

    if case.mask == "causal" and case.n % CHUNK:
        raise Unsupported("the chunkwise form is written for whole chunks")
    w = projection(case) if case.features else None
    graph = _openvino_graph(case, w)
    compiled = openvino.Core().compile_model(graph, "CPU", openvino_peer.configuration(settings, case.dtype))
    request = compiled.create_infer_request()
    for index, array in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
    output = lambda: request.get_output_tensor(0).data  # noqa: E731
    return Prepared(request.infer, output, _error(case, inputs, w, output))
