# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The hand-scheduled C programs of a limits folder, run on the benchmark's inputs.

Their main functions fix sizes, so a shim includes a program with `main` renamed; another head size
takes a copy of the folder with the constant replaced. They show what the machine can do and are never
part of the compiler.
"""

from __future__ import annotations

import ctypes
import pathlib
import re

import numpy as np

from .. import probe, tensors
from ..cases import Case
from . import Prepared, Settings, Unsupported

NATIVE = pathlib.Path(__file__).resolve().parents[2] / "native"
_HEAD_SIZE = re.compile(r"enum \{ D = \d+,")


def folder(path: str) -> pathlib.Path:
    """The folder itself, or its `forms` inside, whichever has the programs."""
    for candidate in (pathlib.Path(path) / "forms", pathlib.Path(path)):
        if (candidate / "softmax.c").exists() and (candidate / "lim.h").exists():
            return candidate.resolve()
    raise Unsupported(f"no softmax.c and lim.h in {path} or {path}/forms")


def _with_head_size(source: pathlib.Path, size: int, build: pathlib.Path) -> pathlib.Path:
    """A copy of the programs for another head size."""
    copy = build / f"limits-d{size}"
    copy.mkdir(parents=True, exist_ok=True)
    for file in [*source.glob("*.c"), *source.glob("*.h")]:
        (copy / file.name).write_text(_HEAD_SIZE.sub(f"enum {{ D = {size},", file.read_text()))
    return copy


def _library(program: str, size: int, settings: Settings) -> ctypes.CDLL:
    if not settings.limits:
        raise Unsupported("no limits folder given")
    build = pathlib.Path(settings.build)
    copy = _with_head_size(folder(settings.limits), size, build)
    # the folder's content belongs to the key of the compiled library
    content = "".join(file.read_text() for file in sorted(copy.iterdir()))
    key = f"-DLIMIT_KEY=0x{hash_text(content)}"
    return probe.build(NATIVE / f"limit_{program}.c", build, "-fopenmp=libomp", "-w", key, f"-I{copy}")


def hash_text(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:8]


def prepare(case: Case, inputs, settings: Settings) -> Prepared:
    decode = case.n == 1
    program = "other" if decode or case.dtype == "bfloat16" else "softmax"
    if decode and (case.heads, case.kv_heads, case.d, case.batch) != (32, 8, 128, 1):
        raise Unsupported("decode is written for 32 query and 8 key heads of size 128")
    if case.mask == "window" and case.window != 256:
        raise Unsupported("the window is written for 256 keys")
    library = _library(program, 64 if decode else case.d, settings)
    size = library.limit_setup(settings.threads, case.m)
    if not decode and size != case.d:
        raise Unsupported(f"head size is fixed to {size}")
    output = tensors.aligned(case.query_shape, inputs[0].dtype)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*_padded(inputs), output)]
    heads = case.batch * case.heads
    if decode:
        call = lambda: library.limit_decode(*pointers, case.m)  # noqa: E731
    elif program == "other":
        call = lambda: library.limit_bf16(*pointers, case.n, heads)  # noqa: E731
    else:
        mask = (None, "causal", "window").index(case.mask)
        call = lambda: library.limit_run(mask, *pointers, case.n, heads)  # noqa: E731
    return Prepared(call, lambda: output)


def _padded(inputs) -> list[np.ndarray]:
    """The kernels may read a little past an input's end; `aligned` leaves 64 KiB there."""
    return list(inputs)
