# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Feed-forward layers, plain with GELU and gated with SiLU, whose weights are constants as in a model.

The hand-scheduled plain layer has the tanh form of GELU, which costs a little less than the exact one of the others.
"""

from __future__ import annotations

import ctypes
import math
import pathlib

import numpy as np

from .. import memory, tensors
from ..cases import Case
from . import Prepared, Settings, Unsupported, limit


def weights(case: Case) -> dict[str, np.ndarray]:
    """Matrices [out, in] as PyTorch's Linear has them; a plain layer has biases."""
    random = np.random.default_rng(case.hidden)

    def draw(scale: float, *shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    made = {"up": draw(case.d**-0.5, case.hidden, case.d), "down": draw(case.hidden**-0.5, case.d, case.hidden)}
    if case.gated:
        return {**made, "gate": draw(case.d**-0.5, case.hidden, case.d)}
    return {**made, "up_bias": draw(0.1, case.hidden), "down_bias": draw(0.1, case.d)}


def rows(case: Case) -> np.ndarray:
    """The input, [n, d]."""
    array = tensors.aligned((case.n, case.d), np.float32)
    np.random.default_rng(case.n).standard_normal(array.shape, dtype=np.float32, out=array)
    return array


def _error(case: Case, x, given, output, tanh: bool = False):
    """What checks a result on some rows against f64."""

    def gelu(h):
        if tanh:
            return h / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        return h / 2 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))

    def error() -> float:
        got = np.asarray(output()).reshape(x.shape)
        if not np.isfinite(got).all():
            return math.inf
        chosen = [0, case.n - 1, *np.random.default_rng(1).integers(case.n, size=14)]
        wide = {name: array.astype(np.float64) for name, array in given.items()}
        some = x[chosen].astype(np.float64)
        hidden = some @ wide["up"].T + wide.get("up_bias", 0)
        if case.gated:
            gate = some @ wide["gate"].T
            hidden = hidden * gate / (1 + np.exp(-gate))
        else:
            hidden = gelu(hidden)
        wanted = hidden @ wide["down"].T + wide.get("down_bias", 0)
        return float(np.abs(wanted - got[chosen]).max())

    return {"error": error}


def text(case: Case, given: dict[str, np.ndarray]) -> str:
    """The module, whose entry is `main(x) -> y`; weights are resources after the code."""
    def tensor(shape):
        return f"tensor<{'x'.join(map(str, shape))}xf32>"

    x = tensor((case.n, case.d))
    order = ["up", "up_bias", "gate", "down", "down_bias"]
    names = [name for name in order if name in given]
    constants = "\n".join(f"  %{name} = arith.constant dense_resource<{name}> : {tensor(given[name].shape)}" for name in names)
    operands = " ".join(f"{name}(%{name} : {tensor(given[name].shape)})" for name in names)
    maps = ", ".join(["#up"] * (1 + case.gated) + ["#down"])
    blobs = ",\n".join(f'      {name}: "0x40000000{given[name].tobytes().hex().upper()}"' for name in names)
    return f"""\
#up = affine_map<(m, k, h, n) -> (h, k)>
#down = affine_map<(m, k, h, n) -> (n, h)>
func.func @main(%x: {x}) -> {x} {{
{constants}
  %init = tensor.empty() : {x}
  %y = attn.feed_forward {"silu" if case.gated else "gelu"} ins(%x : {x}) {operands} outs(%init : {x}) maps [{maps}] -> {x}
  return %y : {x}
}}
{{-#
  dialect_resources: {{
    builtin: {{
{blobs}
    }}
  }}
#-}}
"""


def prepare_ours(case: Case, inputs, settings: Settings) -> Prepared:
    import attn_compiler

    x, given = rows(case), weights(case)
    source = pathlib.Path(settings.build) / "ir" / f"{case.id}.mlir"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text(case, given))
    attn_compiler.set_num_threads(settings.threads)
    library = source.with_suffix(".so")
    module = attn_compiler.compile(source, output=library)
    output = tensors.aligned(x.shape, np.float32)
    memory.populate(library.name)
    return Prepared(lambda: module.main(x, out=output), lambda: output, _error(case, x, given, lambda: output))


def prepare_limit(case: Case, inputs, settings: Settings) -> Prepared:
    library = limit._library("feed_forward", 64, settings)
    library.limit_pack.restype = ctypes.c_void_p
    if library.limit_setup(settings.threads, case.n) != case.d * case.hidden and not case.gated:
        raise Unsupported("matmul.c is written for 512 and 2048")
    x, given, output = rows(case), weights(case), tensors.aligned((case.n, case.d), np.float32)
    address = {name: ctypes.c_void_p(array.ctypes.data) for name, array in {"x": x, "y": output, **given}.items()}
    for name, array in given.items():
        if array.ndim == 2:
            turned = np.ascontiguousarray(array.T)
            address[name] = ctypes.c_void_p(library.limit_pack(ctypes.c_void_p(turned.ctypes.data), *turned.shape))
    if case.gated:
        arguments = [address[name] for name in ("x", "up", "gate", "down", "y")]
        call = lambda: library.limit_gated(*arguments, case.n, case.d, case.hidden)  # noqa: E731
    else:
        arguments = [address[name] for name in ("x", "up", "up_bias", "down", "down_bias", "y")]
        call = lambda: library.limit_feed_forward(*arguments, case.n)  # noqa: E731
    return Prepared(call, lambda: output, {**_error(case, x, given, lambda: output, tanh=True), "keep": given})


def prepare_openvino(case: Case, inputs, settings: Settings) -> Prepared:
    import openvino
    from openvino import opset13 as ops

    from .openvino_peer import configuration

    x, given = rows(case), weights(case)
    parameter = ops.parameter(x.shape, openvino.Type.f32)

    def linear(value, name):
        product = ops.matmul(value, ops.constant(given[name]), False, True)
        return ops.add(product, ops.constant(given[f"{name}_bias"][None])) if f"{name}_bias" in given else product

    hidden = linear(parameter, "up")
    hidden = ops.multiply(ops.swish(linear(parameter, "gate")), hidden) if case.gated else ops.gelu(hidden, "erf")
    graph = openvino.Model([linear(hidden, "down")], [parameter])
    request = openvino.Core().compile_model(graph, "CPU", configuration(settings, case.dtype)).create_infer_request()
    request.set_input_tensor(0, openvino.Tensor(x, shared_memory=True))
    output = lambda: request.get_output_tensor(0).data  # noqa: E731
    return Prepared(request.infer, output, _error(case, x, given, output))


def prepare_compiled(case: Case, inputs, settings: Settings) -> Prepared:
    """Frozen, so that the compiler may pack the weights."""
    import torch
    import torch._inductor.config

    torch._inductor.config.freezing = True
    torch.set_num_threads(settings.threads)
    x, given, kept = rows(case), weights(case), []

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, array in given.items():
                self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(array), requires_grad=False))

        def forward(self, value):
            linear = torch.nn.functional.linear
            if case.gated:
                return linear(torch.nn.functional.silu(linear(value, self.gate)) * linear(value, self.up), self.down)
            return linear(torch.nn.functional.gelu(linear(value, self.up, self.up_bias)), self.down, self.down_bias)

    call, value = torch.compile(Layer().eval()), torch.from_numpy(x)

    def run():
        with torch.no_grad():
            kept[:] = [call(value)]

    return Prepared(run, lambda: kept[0].numpy(), _error(case, x, given, lambda: kept[0].numpy()))
