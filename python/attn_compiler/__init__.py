# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles attention models and calls the result with numpy arrays and torch tensors, without copies.

    import attn_compiler

    module = attn_compiler.compile("model.mlir", cpu="native")
    output = module.main(queries, keys, values)

The compiler runs as a program of its own (`attn-compile`); what it writes is loaded through the C runtime. This package
has no compiled part, and needs neither numpy nor torch unless it is given their arrays.
"""

from ._compiler import CompileError, compile, find_compiler
from ._errors import ArgumentError, AttnError, DeviceError, LibraryError, OutOfMemoryError
from ._module import Entry, Module, load, num_threads, runtime_version, set_num_threads

__all__ = [
    "ArgumentError",
    "DeviceError",
    "AttnError",
    "CompileError",
    "Entry",
    "LibraryError",
    "Module",
    "OutOfMemoryError",
    "compile",
    "find_compiler",
    "load",
    "num_threads",
    "runtime_version",
    "set_num_threads",
]
