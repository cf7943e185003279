# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The C API of include/attn/Runtime/Attn.h in ctypes; nothing but declarations and the reading of a status.

ctypes releases the interpreter's lock while the compiled code runs.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p

from ._errors import ArgumentError, AttnError, DeviceError, LibraryError, OutOfMemoryError
from ._paths import find_runtime

CPU = 1  # kDLCPU
CUDA = 2  # kDLCUDA
CUDA_HOST = 3  # kDLCUDAHost: pinned memory


class DLDevice(ctypes.Structure):
    _fields_ = [("device_type", c_int32), ("device_id", c_int32)]


class DLDataType(ctypes.Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device", DLDevice),
        ("ndim", c_int32),
        ("dtype", DLDataType),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class DLManagedTensor(ctypes.Structure):
    pass


DLManagedTensor._fields_ = [
    ("dl_tensor", DLTensor),
    ("manager_ctx", c_void_p),
    ("deleter", ctypes.CFUNCTYPE(None, POINTER(DLManagedTensor))),
]

TensorPointer = POINTER(DLTensor)
ManagedPointer = POINTER(DLManagedTensor)
ShapePointer = POINTER(c_int64)

_INPUTS = [c_void_p, c_int64, POINTER(TensorPointer), c_int64]
_FUNCTIONS = {
    "attn_runtime_message": (c_char_p, []),
    "attn_runtime_version": (c_char_p, []),
    "attn_runtime_set_num_threads": (c_int32, [c_int32]),
    "attn_runtime_num_threads": (c_int32, []),
    "attn_module_open": (c_int32, [c_char_p, POINTER(c_void_p)]),
    "attn_module_close": (None, [c_void_p]),
    "attn_module_manifest": (c_char_p, [c_void_p]),
    "attn_module_result_shapes": (c_int32, [*_INPUTS, POINTER(ShapePointer), c_int64]),
    "attn_module_allocate": (c_int32, [*_INPUTS, POINTER(ManagedPointer), c_int64]),
    "attn_module_call": (c_int32, [*_INPUTS, POINTER(TensorPointer), c_int64]),
    "attn_module_call_on_stream": (c_int32, [*_INPUTS, POINTER(TensorPointer), c_int64, c_void_p]),
}

_ERRORS = {1: ArgumentError, 2: LibraryError, 3: LibraryError, 4: OutOfMemoryError, 6: DeviceError}


@functools.cache
def runtime() -> ctypes.CDLL:
    """The runtime, loaded at the first use."""
    path = find_runtime()
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise LibraryError(f"cannot load the runtime '{path}': {error}") from error
    return library


def check(status: int) -> None:
    """Raises what a call's status means, with the runtime's message of this thread."""
    if status != 0:
        message = runtime().attn_runtime_message().decode(errors="replace")
        raise _ERRORS.get(status, AttnError)(message)
