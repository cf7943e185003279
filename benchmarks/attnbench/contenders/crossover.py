# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Forms of attention against each other, each compiled from the same exact attention; and what the compiler predicts.

Values differ by form, so none is checked here. A form that the compiler does not grant takes no part.
"""

from __future__ import annotations

import functools
import pathlib
import re
import subprocess

from .. import ir, tensors
from ..cases import Case
from . import Prepared, Settings, Unsupported

FORMS = ("window", "local", "bigbird", "lsh", "low-rank", "linear", "favor")
_RANKED = re.compile(r"fastest first: ([^;]*);")
_ENTRY = re.compile(r"([a-z-]+) ([0-9.e+-]+) us")


def _source(case: Case, folder: pathlib.Path) -> pathlib.Path:
    path = folder / "ir" / f"{case.id}.mlir"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ir.text(case))
    return path


def _prepare(form: str, case: Case, inputs, settings: Settings) -> Prepared:
    import attn_compiler

    source = _source(case, pathlib.Path(settings.build) / form)
    attn_compiler.set_num_threads(settings.threads)
    rewritten = source.with_suffix(".rewritten.mlir")
    command = [attn_compiler.find_compiler(), source, f"--form={form}", "--to=rewrite", "--emit=mlir", "-o", rewritten]
    subprocess.run(command, capture_output=True, check=True)
    if "attn.rewritten" not in rewritten.read_text():
        raise Unsupported(f"the compiler does not grant {form} here")
    module = attn_compiler.compile(source, form=form)
    output = tensors.aligned(case.query_shape, inputs[0].dtype)
    return Prepared(lambda: module.main(*inputs, out=output), lambda: output, {"error": lambda: None})


for _form in FORMS:
    globals()[f"prepare_{_form.replace('-', '_')}"] = functools.partial(_prepare, _form)


def predict(case: Case, folder: pathlib.Path, compiler: str, gflops: float, read_gbs: float) -> dict[str, float]:
    """The compiler's estimates in milliseconds by form, for a machine of these rates."""
    source = _source(case, folder)
    command = [compiler, source, "--remarks", "--to=rewrite", "--emit=mlir", "-o", source.with_suffix(".ranked.mlir"),
               f"--machine=gflops={gflops:.0f},gbs={read_gbs:.0f}"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    ranked = _RANKED.search(made.stderr)
    return {form: float(time) / 1e3 for form, time in _ENTRY.findall(ranked[1])} if ranked else {}
