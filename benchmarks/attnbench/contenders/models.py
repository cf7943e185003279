# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MiniLM's encoder with its real weights, as each contender runs and compiles a whole model.

All start from the same PyTorch module and the same token ids; results are compared with that module
evaluated in f64.
"""

from __future__ import annotations

import pathlib
import resource

import numpy as np

from ..cases import Case
from . import Prepared, Settings
from .onnxruntime_peer import session
from .openvino_peer import configuration

# Components of embeddings of length one, after six layers in f32.
TOLERANCE = 2e-5


def tokens(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of ordinary words, all valid."""
    ids = np.random.default_rng(7).integers(1000, 30000, (case.batch, case.n), dtype=np.int64)
    return ids, np.ones_like(ids)


def _module(settings: Settings, attention: str = "sdpa"):
    import torch
    from attn_compiler import export

    torch.set_num_threads(settings.threads)
    return export.minilm_module(attn_implementation=attention)


def _tensors(case: Case):
    import torch

    return tuple(map(torch.from_numpy, tokens(case)))


def _reference(case: Case, settings: Settings) -> np.ndarray:
    """The embeddings in f64, kept in the build folder since every contender needs them."""
    path = pathlib.Path(settings.build) / f"{case.case}-{case.batch}x{case.n}-reference.npy"
    if path.exists():
        return np.load(path)
    import torch

    with torch.inference_mode():
        result = _module(settings, "eager").double()(*_tensors(case)).numpy()
    np.save(path, result)
    return result


def _prepared(case: Case, settings: Settings, run, output) -> Prepared:
    def error() -> float:
        got = np.asarray(output(), dtype=np.float64)
        worst = np.abs(got - _reference(case, settings)).max()
        return float(worst) if np.isfinite(got).all() else float("inf")

    return Prepared(run, output, {"error": error, "tolerance": TOLERANCE})


def _torch_prepared(case: Case, settings: Settings, module) -> Prepared:
    import torch

    inputs = _tensors(case)
    result = []

    def run() -> None:
        with torch.inference_mode():
            result[:] = [module(*inputs)]

    return _prepared(case, settings, run, lambda: result[0].numpy())


def prepare_eager(case: Case, _, settings: Settings) -> Prepared:
    return _torch_prepared(case, settings, _module(settings))


def prepare_compiled(case: Case, _, settings: Settings) -> Prepared:
    import torch

    return _torch_prepared(case, settings, torch.compile(_module(settings)))


def _openvino_model(case: Case, settings: Settings):
    import openvino

    model = openvino.convert_model(_module(settings), example_input=_tensors(case))
    model.reshape({port: [case.batch, case.n] for port in model.inputs})
    return model


def prepare_openvino(case: Case, _, settings: Settings) -> Prepared:
    import openvino

    compiled = openvino.Core().compile_model(
        _openvino_model(case, settings), "CPU", configuration(settings, "float32"))
    request = compiled.create_infer_request()
    inputs = tokens(case)
    for index, array in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
    made = _prepared(case, settings, request.infer, lambda: request.get_output_tensor(0).data)
    made.notes["keep"] = inputs
    return made


def prepare_onnxruntime(case: Case, _, settings: Settings) -> Prepared:
    import torch

    path = pathlib.Path(settings.build) / f"minilm-{case.batch}x{case.n}.onnx"
    if not path.exists():
        torch.onnx.export(_module(settings), _tensors(case), str(path), dynamo=True, external_data=False,
                          verbose=False)
    made = session(str(path), settings)
    feeds = {one.name: array for one, array in zip(made.get_inputs(), tokens(case))}
    result = []

    def run() -> None:
        result[:] = made.run(None, feeds)

    return _prepared(case, settings, run, lambda: result[0])


def _exported(case: Case, settings: Settings) -> pathlib.Path:
    from attn_compiler import export

    path = pathlib.Path(settings.build) / f"minilm-{case.batch}x{case.n}.mlir"
    if not path.exists():
        export.export_minilm(path, batch=case.batch, length=case.n)
    return path


def prepare_ours(case: Case, _, settings: Settings) -> Prepared:
    import attn_compiler

    attn_compiler.set_num_threads(settings.threads)
    module = attn_compiler.compile(_exported(case, settings))
    inputs = tokens(case)
    result = []

    def run() -> None:
        result[:] = [module.main(*inputs)]

    return _prepared(case, settings, run, lambda: result[0])


def compile_ours(case: Case, _, settings: Settings) -> Prepared:
    """From IR with weights to a loaded library; memory is the compiler process's."""
    import attn_compiler

    path = _exported(case, settings)

    def memory() -> dict:
        return {"peak_rss_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1)}

    return Prepared(lambda: attn_compiler.compile(path), lambda: None, {"after": memory})


def compile_openvino(case: Case, _, settings: Settings) -> Prepared:
    import openvino

    model = _openvino_model(case, settings)
    options = configuration(settings, "float32")
    return Prepared(lambda: openvino.Core().compile_model(model, "CPU", options), lambda: None)


def compile_torch(case: Case, _, settings: Settings) -> Prepared:
    """The first call of a compiled module, without caches of earlier sessions."""
    import torch
    import torch._inductor.config

    torch._inductor.config.force_disable_caches = True
    return _torch_prepared(case, settings, torch.compile(_module(settings)))
