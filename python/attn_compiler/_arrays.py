# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays of numpy, torch and others as the DLPack tensors of the runtime, and results back, always without a copy.

numpy has no bfloat16 of its own; ml_dtypes brings it, and is imported only when such a result is asked for.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Sequence

from . import _ffi
from ._errors import ArgumentError, AttnError

_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
_BFLOAT16 = 4
_DLTENSOR = b"dltensor"  # the capsule keeps a pointer to these bytes

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


class View:
    """A DLTensor over someone's memory, and whatever must live as long as it."""

    __slots__ = ("tensor", "keep", "is_numpy")

    def __init__(self, tensor: _ffi.DLTensor, keep: Any, is_numpy: bool):
        self.tensor = tensor
        self.keep = keep
        self.is_numpy = is_numpy


def view(array: Any, what: str, writable: bool = False) -> View:
    """The memory of `array`; `what` names it in errors."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(array, numpy.ndarray):
        return _from_interface(array, _numpy_type(array.dtype, what), what, writable, True)
    if hasattr(array, "__dlpack__"):
        return _from_dlpack(array, what)
    if hasattr(array, "__array_interface__"):
        text = array.__array_interface__["typestr"]
        return _from_interface(array, _typestr(text, what), what, writable, False)
    raise ArgumentError(f"{what}: expected an array with __dlpack__ or __array_interface__, got {type(array).__name__}")


def _numpy_type(dtype: Any, what: str) -> _ffi.DLDataType:
    if dtype.name == "bfloat16":
        return _ffi.DLDataType(_BFLOAT16, 16, 1)
    return _typestr(dtype.str, what)


def _typestr(text: str, what: str) -> _ffi.DLDataType:
    order, kind, size = text[0], text[1], text[2:]
    if kind not in _CODES or not size.isdigit():
        raise ArgumentError(f"{what}: expected numbers or booleans, got elements of type '{text}'")
    if order not in "|=" + ("<" if sys.byteorder == "little" else ">"):
        raise ArgumentError(f"{what}: expected the byte order of this machine, got '{text}'")
    return _ffi.DLDataType(_CODES[kind], int(size) * 8, 1)


def _from_interface(array: Any, dtype: _ffi.DLDataType, what: str, writable: bool, is_numpy: bool) -> View:
    interface = array.__array_interface__
    address, read_only = interface["data"]
    if writable and read_only:
        raise ArgumentError(f"{what}: expected an array that can be written, got a read-only one")
    shape, strides = interface["shape"], interface.get("strides")
    rank, size = len(shape), dtype.bits // 8
    row = ctypes.c_int64 * rank
    tensor = _ffi.DLTensor(data=address, dtype=dtype, ndim=rank, shape=row(*shape))
    tensor.device.device_type = _ffi.CPU
    if strides is not None:
        if any(stride % size for stride in strides):
            raise ArgumentError(f"{what}: expected contiguous data, got strides of {strides} bytes")
        tensor.strides = row(*(stride // size for stride in strides))
    return View(tensor, (array, interface), is_numpy)


def _from_dlpack(array: Any, what: str) -> View:
    device = int(array.__dlpack_device__()[0]) if hasattr(array, "__dlpack_device__") else _ffi.CPU
    if device not in (_ffi.CPU, _ffi.CUDA, _ffi.CUDA_HOST):
        raise ArgumentError(f"{what}: expected memory of the CPU or of an NVIDIA GPU, got DLPack device type {device}")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor) and array.requires_grad:
        if torch.is_grad_enabled():
            raise ArgumentError(
                f"{what}: expected a tensor without gradient, got one that requires it; use detach() or torch.no_grad()"
            )
        array = array.detach()
    try:
        # On a GPU, the call goes to the stream that torch is on, so nothing need wait.
        is_ordered = device == _ffi.CUDA and torch is not None and isinstance(array, torch.Tensor)
        capsule = array.__dlpack__(stream=-1) if is_ordered else array.__dlpack__()
        managed = _ffi.DLManagedTensor.from_address(_capsule_pointer(capsule, _DLTENSOR))
    except (BufferError, TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{what}: cannot be shared through DLPack: {error}") from error
    # The capsule stays unconsumed, and frees the tensor's description when the view goes.
    return View(managed.dl_tensor, (capsule, managed, array), False)


def pointers(views: Sequence[View]) -> Any:
    """The C array of tensor pointers of a call."""
    return (_ffi.TensorPointer * len(views))(*(ctypes.pointer(view.tensor) for view in views))


def empty_numpy(shape: Sequence[int], dtype_name: str) -> Any:
    """A new numpy array for a result."""
    import numpy

    if dtype_name != "bfloat16":
        return numpy.empty(shape, dtype_name)
    try:
        import ml_dtypes
    except ImportError as error:
        raise AttnError("a bfloat16 result in numpy needs the package ml_dtypes; pass torch tensors instead") from error
    return numpy.empty(shape, ml_dtypes.bfloat16)


def to_torch(managed: Any) -> Any:
    """A torch tensor that owns a DLManagedTensor of the runtime."""
    import torch

    capsule = _new_capsule(ctypes.cast(managed, ctypes.c_void_p), _DLTENSOR, None)
    return torch.from_dlpack(capsule)


def empty_cuda(shape: Sequence[int], dtype_name: str, device: int) -> Any:
    """A new torch tensor on a GPU for a result."""
    import torch

    return torch.empty(shape, dtype=getattr(torch, dtype_name), device=f"cuda:{device}")


def torch_stream(views: Sequence[View]) -> int | None:
    """The stream that torch is on, for tensors of a GPU; None where there is no torch to order the work with."""
    torch = sys.modules.get("torch")
    for one in views:
        device = one.tensor.device
        if device.device_type == _ffi.CUDA and torch is not None and torch.cuda.is_initialized():
            return torch.cuda.current_stream(device.device_id).cuda_stream
    return None
