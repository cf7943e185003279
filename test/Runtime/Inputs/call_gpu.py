# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One process that calls layer.mlir's library on a GPU that is not there; prints every call's status and message.

usage: call_gpu.py LIBRARY [SETTING=VALUE]…; the settings spoil the first argument or choose the call.
"""

import ctypes
import json
import os
import sys

from attn_compiler import _ffi

library, settings = sys.argv[1], dict(pair.split("=") for pair in sys.argv[2:])
rows = int(settings.get("rows", 5))
runtime, answers = _ffi.runtime(), []
handle = ctypes.c_void_p()


def note(status):
    answers.append([status, runtime.attn_runtime_message().decode()])
    return status == 0


def device_memory(count, device):
    """Memory of the pretended device."""
    cuda = ctypes.CDLL(os.environ["ATTN_LIBCUDA"])
    address = ctypes.c_uint64()
    cuda.cuCtxPushCurrent_v2(ctypes.c_void_p(device + 1))
    assert cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(4 * count)) == 0
    return address.value


def tensor(*shape, device=0, kind=2):
    count = 1
    for extent in shape:
        count *= extent
    row = ctypes.c_int64 * len(shape)
    made = _ffi.DLTensor(dtype=_ffi.DLDataType(2, 32, 1), ndim=len(shape), shape=row(*shape))
    if kind == 2 and os.path.exists(os.environ["ATTN_LIBCUDA"]) and "host_memory" not in settings:
        made.data = device_memory(count + 4, device)
    else:
        made.keep = (ctypes.c_float * (count + 64))()
        made.data = (ctypes.addressof(made.keep) + 63) // 64 * 64
    made.device = _ffi.DLDevice(kind, device)
    return made


def pointers(tensors):
    return (_ffi.TensorPointer * len(tensors))(*(ctypes.pointer(one) for one in tensors))


if note(runtime.attn_module_open(os.fsencode(library), ctypes.byref(handle))):
    bias = tensor(4)
    x = tensor(rows, 8, device=int(settings.get("device", 0)), kind=int(settings.get("kind", 2)))
    y = tensor(rows, 4, device=int(settings.get("result_device", 0)))
    if "strides" in settings:
        x.strides = (ctypes.c_int64 * 2)(1, rows)
    x.data += int(settings.get("shift", 0))
    inputs, outputs = [x, bias], [y]
    if "allocate" in settings:
        made = (_ffi.ManagedPointer * 1)()
        if note(runtime.attn_module_allocate(handle, 0, pointers(inputs), 2, made, 1)):
            answers.append([made[0].contents.dl_tensor.device.device_type, made[0].contents.dl_tensor.shape[:2]])
            made[0].contents.deleter(made[0])
    for _ in range(int(settings.get("calls", 1))):
        if "stream" in settings:
            stream = ctypes.c_void_p(int(settings["stream"]))
            note(runtime.attn_module_call_on_stream(handle, 0, pointers(inputs), 2, pointers(outputs), 1, stream))
        else:
            note(runtime.attn_module_call(handle, 0, pointers(inputs), 2, pointers(outputs), 1))
    runtime.attn_module_close(handle)
json.dump(answers, sys.stdout)
