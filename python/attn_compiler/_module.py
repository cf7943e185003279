# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A compiled library as a Python object whose attributes are its entries."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import weakref
from typing import Any, Iterator, Sequence

from . import _arrays, _ffi


class Entry:
    """One function of a compiled library. Call it with arrays; any number of threads may do so at once."""

    def __init__(self, module: Module, index: int, spec: dict[str, Any]):
        self._module = module  # keeps the library loaded
        self._index = index
        self._handle = module._handle
        self.name: str = spec["name"]
        self.args: list[dict[str, Any]] = spec["args"]
        self.results: list[dict[str, Any]] = spec["results"]

    def __call__(self, *arrays: Any, out: Any = None) -> Any:
        """Runs the entry: one result, a tuple of several, or None.

        Arguments are numpy arrays, torch tensors or anything with `__dlpack__` or `__array_interface__`; they are read
        in place and must be contiguous. Results are numpy arrays when all arguments are, and torch tensors otherwise;
        or they are written into `out`, an array or a sequence of them, which is then returned. A library for GPUs takes
        arrays of one GPU; with torch, it works on torch's current stream, as torch's own functions do.
        """
        views = [_arrays.view(array, f"argument {i} of '{self.name}'") for i, array in enumerate(arrays)]
        inputs = _arrays.pointers(views)
        if out is not None:
            results = list(out) if isinstance(out, (tuple, list)) else [out]
        elif any(view.tensor.device.device_type == _ffi.CUDA for view in views) and "torch" in sys.modules:
            results = self._allocate_cuda(inputs, views)
        elif all(view.is_numpy for view in views) or "torch" not in sys.modules:
            results = self._allocate_numpy(inputs, len(views))
        else:
            results = self._allocate_torch(inputs, len(views))
        targets = [_arrays.view(x, f"result {i} of '{self.name}'", True) for i, x in enumerate(results)]
        arguments = [self._handle, self._index, inputs, len(views), _arrays.pointers(targets), len(targets)]
        stream = _arrays.torch_stream([*views, *targets])
        if stream is None:
            _ffi.check(_ffi.runtime().attn_module_call(*arguments))
        else:
            _ffi.check(_ffi.runtime().attn_module_call_on_stream(*arguments, stream))
        if out is not None:
            return out
        return results[0] if len(results) == 1 else tuple(results) or None

    def _shapes(self, inputs: Any, count: int) -> list[tuple[int, ...]]:
        rows = [(ctypes.c_int64 * len(result["shape"]))() for result in self.results]
        shapes = (_ffi.ShapePointer * len(rows))(*(ctypes.cast(row, _ffi.ShapePointer) for row in rows))
        runtime = _ffi.runtime()
        _ffi.check(
            runtime.attn_module_result_shapes(self._handle, self._index, inputs, count, shapes, len(self.results))
        )
        return [tuple(row) for row in rows]

    def _allocate_numpy(self, inputs: Any, count: int) -> list[Any]:
        shapes = self._shapes(inputs, count)
        return [_arrays.empty_numpy(shape, result["dtype"]) for shape, result in zip(shapes, self.results)]

    def _allocate_cuda(self, inputs: Any, views: list[_arrays.View]) -> list[Any]:
        device = next(one.tensor.device for one in views if one.tensor.device.device_type == _ffi.CUDA)
        shapes = self._shapes(inputs, len(views))
        return [
            _arrays.empty_cuda(shape, result["dtype"], device.device_id) for shape, result in zip(shapes, self.results)
        ]

    def _allocate_torch(self, inputs: Any, count: int) -> list[Any]:
        tensors = (_ffi.ManagedPointer * len(self.results))()
        runtime = _ffi.runtime()
        _ffi.check(runtime.attn_module_allocate(self._handle, self._index, inputs, count, tensors, len(self.results)))
        return [_arrays.to_torch(tensor) for tensor in tensors]

    def __repr__(self) -> str:
        def extents(tensor: dict[str, Any]) -> str:
            return ", ".join("?" if extent is None else str(extent) for extent in tensor["shape"])

        def text(tensors: Sequence[dict[str, Any]]) -> str:
            return ", ".join(f"{tensor['dtype']}[{extents(tensor)}]" for tensor in tensors)

        return f"<entry {self.name}({text(self.args)}) -> ({text(self.results)})>"


class Module:
    """A loaded library: `module.NAME(...)` or `module["NAME"](...)` calls an entry. It is unloaded with its last user."""

    def __init__(self, path: str | os.PathLike[str]):
        handle = ctypes.c_void_p()
        runtime = _ffi.runtime()
        _ffi.check(runtime.attn_module_open(os.fsencode(path), ctypes.byref(handle)))
        self._handle = handle.value
        # Not at exit: a daemon thread may still be inside.
        weakref.finalize(self, runtime.attn_module_close, self._handle).atexit = False
        #: What the library says of itself: target, CPU features, and each entry's arguments and results.
        self.manifest: dict[str, Any] = json.loads(runtime.attn_module_manifest(self._handle))
        self._specs = {spec["name"]: (index, spec) for index, spec in enumerate(self.manifest["entries"])}

    def __getitem__(self, name: str) -> Entry:
        index, spec = self._specs[name]
        return Entry(self, index, spec)

    def __getattr__(self, name: str) -> Entry:
        specs = self.__dict__.get("_specs", {})
        if name in specs:
            return self[name]
        known = ", ".join(f"'{entry}'" for entry in specs) or "none"
        raise AttributeError(f"no entry '{name}'; this library has {known}")

    def __iter__(self) -> Iterator[str]:
        """The names of the entries."""
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._specs]

    def __repr__(self) -> str:
        return f"<attn_compiler.Module for {self.manifest['target']}: {', '.join(self)}>"


def load(path: str | os.PathLike[str]) -> Module:
    """Loads a library that `attn-compile` wrote."""
    return Module(path)


def set_num_threads(count: int) -> None:
    """Threads used by one call, the calling one included; 0 restores the default (ATTN_NUM_THREADS,
    else OMP_NUM_THREADS, else the CPUs that this process may run on)."""
    _ffi.check(_ffi.runtime().attn_runtime_set_num_threads(count))


def num_threads() -> int:
    """Threads used by one call."""
    return _ffi.runtime().attn_runtime_num_threads()


def runtime_version() -> str:
    """The version of the runtime that is loaded."""
    return _ffi.runtime().attn_runtime_version().decode()
