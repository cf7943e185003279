# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Libraries for GPUs without one: against a driver that only pretends, every call is in its place and every mistake has
a status and a message. What kernels compute is for the simulator."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

INPUTS = Path(__file__).parent / "Inputs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gpu")


@pytest.fixture(scope="module")
def driver(folder):
    path = folder / "libfake_cuda.so"
    compiler = shutil.which("clang") or shutil.which("cc")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, INPUTS / "fake_cuda.c"], check=True)
    return path


@pytest.fixture(scope="module")
def library(folder):
    path = folder / "layer.so"
    command = ["attn-compile", INPUTS / "layer.mlir", "--target=nvptx", "--sm=80,90a", "-o", path]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def call(driver, library, tmp_path, root):
    """Calls in a process of its own; gives the answers and the driver's log."""

    def run(*settings, fake="", libcuda=driver, path=library):
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        env = {**os.environ, "ATTN_LIBCUDA": str(libcuda), "FAKE_CUDA": fake, "FAKE_CUDA_LOG": str(log)}
        env["PYTHONPATH"] = str(root / "python")
        command = [sys.executable, INPUTS / "call_gpu.py", path, *settings]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), log.read_text().splitlines() if log.exists() else []

    return run


def of(log, *functions):
    return [line.strip() for line in log if line.split()[0] in functions]


def test_calls_in_order(call):
    answers, log = call("calls=2")
    assert answers == [[0, ""]] * 3
    launches = of(log, "cuLaunchKernel")
    assert len(launches) == 2 * len(of(log, "cuModuleGetFunction"))  # kernels are looked up once
    assert all(re.search(r"block (128|256) 1 1 shared \d+ stream \(nil\)", line) for line in launches)
    assert len(of(log, "cuModuleLoadDataEx")) == len(of(log, "cuMemcpyHtoD")) == 1  # the module, the constant
    assert len(of(log, "cuStreamSynchronize")) == 2
    assert len(of(log, "cuMemAllocAsync")) == len(of(log, "cuMemFreeAsync"))
    assert of(log, "cuModuleUnload")


def test_caller_stream(call):
    answers, log = call("stream=4660")
    assert answers[1] == [0, ""] and not of(log, "cuStreamSynchronize")
    assert all("stream 0x1234" in line for line in of(log, "cuLaunchKernel"))


def test_results_are_allocated_on_the_device(call):
    answers, _ = call("allocate=1")
    assert answers[1:] == [[0, ""], [2, [5, 4]], [0, ""]]


@pytest.mark.parametrize(
    "settings, status, message",
    [
        (["kind=1"], 1, "argument 0 'arg0' of 'layer': expected memory of a GPU (DLPack device type 2), got memory of "),
        (["device=1"], 1, "argument 1 'arg1' of 'layer': expected memory of GPU 1 as in argument 0 'arg0', got GPU 0"),
        (["result_device=1"], 1, "result 0 'result0' of 'layer': expected memory of GPU 0 as in argument 0"),
        (["host_memory=1"], 1, "argument 0 'arg0' of 'layer': expected memory of GPU 0, got address 0x"),
        (["strides=1"], 1, "argument 0 'arg0' of 'layer': expected row-major contiguous data with stride 1"),
        (["shift=4"], 1, "argument 0 'arg0' of 'layer': expected data aligned to 16 bytes"),
        (["rows=1"], 5, "'layer': error 1: expected more than one row"),
    ],
)
def test_wrong_arguments(call, settings, status, message):
    answers, _ = call(*settings, fake="devices=2")
    assert answers[-1][0] == status and answers[-1][1].startswith(message), answers


@pytest.mark.parametrize(
    "fake, status, message",
    [
        ("devices=0", 6, "the driver finds no NVIDIA GPU"),
        ("fail=cuInit:100", 6, "the driver finds no NVIDIA GPU: error 100: no device"),
        ("version=75", 6, "expected kernels for sm_75, which GPU 0 is, got sm_80, sm_90a"),
        ("fail=cuMemcpyHtoD:2", 4, "cuMemcpyHtoD: error 2: out of memory"),
        ("fail=cuModuleLoadDataEx:222", 5, "cuModuleLoadDataEx: error 222: failure"),
        ("fail=cuLaunchKernel:700", 5, "cuLaunchKernel: error 700: failure"),
        ("fail=cuModuleGetFunction:500", 5, "cuModuleGetFunction: error 500: failure"),
        ("fail=cuStreamSynchronize:700", 5, "cuStreamSynchronize: error 700: failure"),
    ],
)
def test_wrong_device(call, fake, status, message):
    answers, log = call(fake=fake)
    assert answers[-1] == [status, message]
    assert len(of(log, "cuLaunchKernel")) <= 3


def test_no_driver(call):
    answers, _ = call(libcuda="/no/such/libcuda.so.1")
    assert answers[-1][0] == 6
    assert answers[-1][1].startswith("found no driver for NVIDIA GPUs: cannot load '/no/such/libcuda.so.1'")


def test_driver_without_a_function(call, folder):
    old = folder / "libold_cuda.so"
    subprocess.run(["clang", "-shared", "-x", "c", "/dev/null", "-o", old], check=True)
    answers, _ = call("host_memory=1", libcuda=old)
    assert answers[-1] == [6, f"the driver '{old}' is too old: expected function 'cuInit', got none"]


def images(data):
    """Where the table of images is, and of each its record's place, kind, offset and size."""
    table = data.index(b"ATTNGPU3")
    (count,) = struct.unpack_from("<I", data, table + 8)
    records = [(at, *struct.unpack_from("<I12x2Q", data, at)) for at in range(table + 24, table + 24 + 32 * count, 32)]
    return table, records


def spoil(data, damage):
    """Damages what the library carries for its devices."""
    table, records = images(data)
    place, kind, offset, size = next(one for one in records if one[1] == (2 if damage == "text" else 1))
    if damage == "magic":
        data[table + 7 : table + 8] = b"9"
    elif damage == "count":
        struct.pack_into("<I", data, table + 8, 2**32 - 1)
    elif damage == "launches":
        struct.pack_into("<I", data, table + 12, 2**32 - 1)
    elif damage == "maps":
        struct.pack_into("<I", data, table + 16, 2**32 - 1)
    elif damage == "offset":
        struct.pack_into("<Q", data, place + 16, 2**63)
    elif damage == "kind":
        struct.pack_into("<I", data, place, 77)
    elif damage == "name":
        data[place + 4 : place + 16] = b"x" * 12
    elif damage in ("cut", "text"):
        struct.pack_into("<Q", data, place + 24, size // 2)
    elif damage == "empty":
        struct.pack_into("<Q", data, place + 24, 8)
    else:
        data[table + offset : table + offset + 4] = b"FATE"


@pytest.mark.parametrize(
    "damage, message",
    [
        ("magic", "expected images of kernels, got "),
        ("count", "expected images of kernels, got "),
        ("launches", "expected images of kernels, got "),
        ("maps", "expected images of kernels, got "),
        ("offset", "expected images of kernels, got "),
        ("name", "expected images of kernels, got "),
        ("kind", "expected whole kernels for sm_80, got an image of a kind that is not known"),
        ("cut", "expected whole kernels for sm_80, got an ELF file without all its section"),
        ("empty", "expected whole kernels for sm_80, got fewer bytes than an ELF header has"),
        ("header", "expected whole kernels for sm_80, got bytes that are no ELF file of 64 bits"),
        ("text", "expected whole kernels for sm_80, got text that does not end in a zero"),
    ],
)
def test_damaged_images(call, library, tmp_path, damage, message):
    data, path = bytearray(library.read_bytes()), tmp_path / "damaged.so"
    if all(kind != 1 for _, kind, _, _ in images(data)[1]):
        pytest.skip("ptxas is missing: install nvidia-cuda-nvcc")
    spoil(data, damage)
    path.write_bytes(data)
    answers, log = call(path=path)
    assert answers[-1][0] == 3 and f"damaged.so': {message}" in answers[-1][1], answers
    assert not of(log, "cuModuleLoadDataEx")


def test_chooses_images(call, library):
    has_machine_code = b"\x7fELF" in library.read_bytes()[4:]
    loaded = {}
    for version in (80, 86, 90, 100):
        answers, log = call(fake=f"version={version}")
        assert answers[-1] == [0, ""]
        loaded[version] = [line.split()[1] for line in of(log, "cuModuleLoadDataEx")]
    expected = "cubin" if has_machine_code else "ptx"
    assert loaded == {80: [expected], 86: [expected], 90: [expected], 100: ["ptx"]}


@pytest.fixture(scope="module")
def halves(folder):
    """Attention on halves, which has warp groups and tensor maps on sm_90a."""
    path = folder / "halves.so"
    command = ["attn-compile", INPUTS / "attend_halves.mlir", "--target=nvptx", "--sm=80,90a", "-o", path]
    subprocess.run(command, check=True)
    return path


def test_encodes_tensor_maps(call, halves):
    """One of queries, keys and values each, before every launch, for the image that reads them and no other."""
    answers, log = call("calls=2", fake="version=90", path=halves)
    assert answers == [[0, ""]] * 3
    # f16, 5 rows of 8 elements, boxes of 128 rows of 64 columns; swizzle of 128 bytes, 128 bytes a miss, zeros outside.
    wanted = "cuTensorMapEncodeTiled type 6 extents 8 5 strides 16 box 64/1 128/1 modes 0 3 2 0 aligned 1 1"
    assert of(log, "cuTensorMapEncodeTiled") == [wanted] * 6
    order = [line.split()[0] for line in log if line.split()[0] in ("cuTensorMapEncodeTiled", "cuLaunchKernel")]
    per_call = order[: len(order) // 2]
    at = per_call.index("cuTensorMapEncodeTiled")
    assert order == 2 * per_call and per_call[at : at + 4] == ["cuTensorMapEncodeTiled"] * 3 + ["cuLaunchKernel"]
    for version in (80, 120):
        answers, log = call(fake=f"version={version}", path=halves)
        assert answers[-1] == [0, ""] and not of(log, "cuTensorMapEncodeTiled")


def test_refused_tensor_map(call, halves):
    answers, log = call(fake="version=90 fail=cuTensorMapEncodeTiled:1", path=halves)
    assert answers[-1] == [5, "cuTensorMapEncodeTiled: error 1: failure"]
    assert len(of(log, "cuTensorMapEncodeTiled")) == 1


def test_driver_without_tensor_maps(call, halves, folder):
    """Too old for sm_90a's kernel alone."""
    old = folder / "libolder_cuda.so"
    compiler = shutil.which("clang") or shutil.which("cc")
    subprocess.run([compiler, "-DWITHOUT_MAPS", "-shared", "-fPIC", "-o", old, INPUTS / "fake_cuda.c"], check=True)
    answers, _ = call(fake="version=90", libcuda=old, path=halves)
    message = "the driver is too old for this library's kernels: expected function 'cuTensorMapEncodeTiled', got none"
    assert answers[-1] == [6, message]
    answers, _ = call(fake="version=80", libcuda=old, path=halves)
    assert answers[-1] == [0, ""]


def test_launches_as_the_image_wants(call, halves):
    """The kernel for warp groups of sm_90a has other blocks and more shared memory than the one for all."""
    path = halves
    blocks = {}
    for version in (80, 86, 90, 120):
        answers, log = call("calls=2", fake=f"version={version}", path=path)
        assert answers == [[0, ""]] * 3
        launches = [line for line in of(log, "cuLaunchKernel") if "shared 0 " not in line]
        blocks[version] = {line.split("block ")[1].split(" stream")[0] for line in launches}
        assert len(launches) == 2 and len(blocks[version]) == 1
    shared = blocks[90].pop().removeprefix("384 1 1 shared ")
    assert blocks[80] == blocks[86] == blocks[120] and shared.isdigit() and int(shared) > 48 * 1024
    _, log = call(fake="version=90", path=path)
    assert any(line.endswith(shared) for line in of(log, "cuFuncSetAttribute"))
    answers, _ = call(fake="version=90 shared=65536", path=path)
    assert answers[-1][0] == 5 and f"{shared} bytes of shared memory for a block, got 65536" in answers[-1][1]


def test_falls_back_to_ptx(call):
    answers, log = call(fake="fail=cuModuleLoadDataEx:209")
    assert answers[-1] == [5, "cuModuleLoadDataEx: error 209: failure"]
    assert of(log, "cuModuleLoadDataEx")[-1] == "cuModuleLoadDataEx ptx"
