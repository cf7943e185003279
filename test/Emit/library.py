# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls compiled libraries as the contract says, with nothing but ctypes: what a runtime does, without the runtime."""

import ctypes
import json
import subprocess

import numpy


def compile_library(text, folder, *flags):
    """Compiles IR; returns the loaded library."""
    source, output = folder / "input.mlir", folder / "library.so"
    source.write_text(text)
    result = subprocess.run(
        ["attn-compile", source, "-o", output, *flags], capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr
    return Library(output)


class Library:
    """A compiled library; `call` runs an entry on NumPy arrays."""

    def __init__(self, path):
        self.handle = ctypes.CDLL(str(path))
        self.handle.attn_last_error.restype = ctypes.c_char_p
        text = ctypes.addressof(ctypes.c_char.in_dll(self.handle, "attn_manifest"))
        self.manifest = json.loads(ctypes.string_at(text))

    def call(self, name, *arrays):
        entry = next(one for one in self.manifest["entries"] if one["name"] == name)
        arguments = pointers([descriptor(array) for array in arrays])
        sizes = [(ctypes.c_int64 * len(one["shape"]))() for one in entry["results"]]
        getattr(self.handle, entry["shape_symbol"])(arguments, pointers(sizes))
        results = [numpy.empty(tuple(size), one["dtype"]) for size, one in zip(sizes, entry["results"])]
        status = getattr(self.handle, entry["symbol"])(arguments, pointers([descriptor(one) for one in results]))
        if status != 0:
            raise RuntimeError(self.handle.attn_last_error().decode())
        return results


def descriptor(array):
    """The memref descriptor of a contiguous array."""
    address = array.ctypes.data
    strides = [stride // array.itemsize for stride in array.strides]
    words = [address, address, 0, *array.shape, *strides]
    return (ctypes.c_int64 * len(words))(*words)


def pointers(objects):
    array = (ctypes.c_void_p * max(len(objects), 1))(*[ctypes.addressof(one) for one in objects])
    array.keep = objects
    return array
