# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Our compiler, through its Python package: the case's IR is compiled to a library and called.

Inputs and output are the benchmark's own arrays, as a program that reuses its buffers has them.
"""

from __future__ import annotations

import pathlib

from .. import ir, tensors
from ..cases import Case
from . import Prepared, Settings


def typed(array):
    """The array as the package takes it: bfloat16 patterns get their type."""
    if array.dtype.name != "uint16":
        return array
    import ml_dtypes

    return array.view(ml_dtypes.bfloat16)


def compiled(case: Case, text: str, settings: Settings, form: str | None = None):
    """The module of a case's IR, which stays in the build folder for those who want to look at it."""
    import attn_compiler

    source = pathlib.Path(settings.build) / "ir" / f"{case.id}.mlir"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    attn_compiler.set_num_threads(settings.threads)
    return attn_compiler.compile(source, form=form)


def prepare(case: Case, inputs, settings: Settings) -> Prepared:
    module = compiled(case, ir.text(case), settings)
    output = tensors.aligned(case.query_shape, inputs[0].dtype)
    arguments = [typed(array) for array in inputs]
    result = typed(output)
    return Prepared(lambda: module.main(*arguments, out=result), lambda: output)
