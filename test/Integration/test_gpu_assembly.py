# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every form x type x mask as machine code for every architecture, each from its own code generation: no spills, no local
memory, nothing unresolved, registers and shared memory within what a block may have, and tensor cores, ldmatrix and
asynchronous copies where they are meant.

Programs take turns: of a form's nine types and masks three, one of each, for an architecture each. ATTN_WHOLE_MATRIX=1 is
all programs for all architectures; docs/Gpu.md says what that found last. Several programs share one run of the
compiler and one of ptxas, unless these fail.
`pytest -s` prints what each kernel takes.
"""

import dataclasses
import functools
import itertools
import os
import re
import shutil
import subprocess

import gpu_programs
import libraries
import pytest
from attention_case import Case
from linear_case import LinearCase

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

# Architectures and the most shared memory that a block of theirs may ask for, in KiB.
ARCHITECTURES = {"80": 163, "86": 99, "89": 99, "90a": 227, "100a": 227, "120": 99}
REGISTERS = 64 * 1024  # of a multiprocessor
WHOLE_MATRIX = os.environ.get("ATTN_WHOLE_MATRIX") == "1"


def turn_of(number):
    """Architectures take turns, so that each of them meets every form, type and mask in some program."""
    dtype, mask, form = number % 3, number // 3 % 3, number // 9
    return list(ARCHITECTURES)[(form + 2 * dtype + mask) % len(ARCHITECTURES)]


def batches():
    """(family, names of programs, architectures)"""
    number, together = itertools.count(), 6 if WHOLE_MATRIX else 24
    for family, programs in gpu_programs.FAMILIES.items():
        names = {}
        for name in programs:
            architectures = tuple(ARCHITECTURES) if WHOLE_MATRIX else (turn_of(next(number)),)
            names.setdefault(architectures, []).append(name)
        for architectures, chosen in names.items():
            for first in range(0, len(chosen), together):
                yield family, tuple(chosen[first : first + together]), architectures


def rows():
    for family, names, architectures in batches():
        group = pytest.mark.xdist_group(f"assembly-{names[0]}")
        for name in names:
            for sm in architectures:
                yield pytest.param(family, names, name, architectures, sm, id=f"{name}-sm_{sm}", marks=group)


@dataclasses.dataclass
class Kernel:
    """The PTX of a kernel, what ptxas says that it takes, and the launch."""

    body: str
    frame: int
    stores: int
    loads: int
    registers: int
    threads: int
    shared: int


def kernels_of(text):
    """The text of each kernel by its name."""
    parts = re.split(r"\.visible \.entry (\w+)\(", text)
    return dict(zip(parts[1::2], parts[2::2]))


def compile_together(programs, architectures):
    """A folder with the PTX of programs by name for each architecture, and with the target's MLIR."""

    def make(folder):
        source = folder / "in.mlir"
        source.write_text(gpu_programs.together(programs), encoding="utf-8")
        command = ["attn-compile", source, "--target=nvptx", f"--sm={','.join(architectures)}", "--emit=ptx"]
        done = subprocess.run([*command, f"--dump-phases={folder}", "-o", folder / "out.ptx"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if len(architectures) == 1:
            (folder / "out.ptx").rename(folder / f"out.sm_{architectures[0]}.ptx")

    return libraries.kept((programs, architectures, "assembly"), make)


def shared_memory(folder, sm):
    """Bytes of a block by kernel."""
    text = (folder / "05-target.mlir").read_text(encoding="utf-8")
    names = re.findall(r'"([^"]*)"', re.search(r"attn\.kernels = \[([^\]]*)\]", text)[1])
    shared = re.search(r"attn\.kernel_shared = array<i64: ([^>]*)>", text)[1].split(",")
    shared = {name: int(size) for name, size in zip(names, shared, strict=True)}
    own = re.findall(rf'llvm\.func @(\w+)\([^{{\n]*passthrough = \[[^\n]*\["attn-launch-sm_{sm}", "\d+,(\d+),\d+"\]', text)
    return shared | {name: int(size) for name, size in own}


@functools.lru_cache(maxsize=None)
def assemble(family, names, architectures, sm):
    """The kernels of programs."""
    ptxas = gpu_programs.find_ptxas() or pytest.skip("ptxas is missing: install nvidia-cuda-nvcc")
    folder = compile_together(tuple((name, gpu_programs.FAMILIES[family][name].ir()) for name in names), architectures)
    path, shared = folder / f"out.sm_{sm}.ptx", shared_memory(folder, sm)
    text = path.read_text(encoding="utf-8")
    assert f".target sm_{sm}" in text and ".extern .func" not in text
    done = subprocess.run([ptxas, "-v", f"-arch=sm_{sm}", path, "-o", "/dev/null"], capture_output=True, text=True)
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    used = {
        kernel: tuple(map(int, numbers))
        for kernel, *numbers in re.findall(
            r"Function properties for (\w+)\n\s*(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n"
            r".*Used (\d+) registers", report)
    }  # fmt: skip
    bodies = kernels_of(text)
    assert set(used) == set(bodies) == set(shared)
    return {
        name: Kernel(body, *used[name], int(re.search(r"\.(?:maxntid|reqntid) (\d+)", body)[1]), shared[name])
        for name, body in bodies.items()
    }


def faults(kernel, limit):
    """What is wrong with a kernel."""
    if kernel.frame or kernel.stores or kernel.loads:
        yield f"a frame of {kernel.frame} bytes, {kernel.stores} stored and {kernel.loads} loaded by spills"
    if -(-kernel.registers // 8) * 8 * kernel.threads > REGISTERS:
        yield f"{kernel.registers} registers of {kernel.threads} threads"
    if kernel.shared > limit * 1024:
        yield f"{kernel.shared} bytes of shared memory, where the limit is {limit} KiB"
    if ".local" in kernel.body:
        yield "local memory"


def missing(case, bodies):
    """The instructions that a program should have and has not."""
    expected = ["mma.sync"] if gpu_programs.multiplies(case) else []
    streams = isinstance(case, LinearCase) and not case.features and case.d == 64
    if isinstance(case, Case) or streams:
        expected += ["ldmatrix"] + (["cp.async.cg"] if case.d % 8 == 0 else [])
    # Warp groups read both operands of a product through descriptors, and copy through tensor maps.
    stand_ins = {"mma.sync": "wgmma.mma_async", "ldmatrix": "wgmma.mma_async", "cp.async.cg": "cp.async.bulk.tensor"}
    for instruction in expected:
        if not any(instruction in body or stand_ins.get(instruction, instruction) in body for body in bodies):
            yield f"expected {instruction}"


def check(family, name, kernels, sm):
    """What is wrong with a program's kernels."""
    own = {kernel: it for kernel, it in kernels.items() if re.fullmatch(rf"{name}(_[a-z_]*)?_\d+", kernel)}
    wrong = [] if own else [f"expected kernels of {name}, got {sorted(kernels)}"]
    for kernel, it in own.items():
        print(f"sm_{sm} {kernel}: {it.registers} registers, {it.shared} bytes shared, {it.stores} + {it.loads} bytes spilled, "
              f"{it.body.count('mma.sync')} mma, {it.body.count('ldmatrix')} ldmatrix")  # fmt: skip
        wrong += [f"{kernel} on sm_{sm}: {fault}" for fault in faults(it, ARCHITECTURES[sm])]
    return wrong + [f"{name}: {fault}" for fault in missing(gpu_programs.FAMILIES[family][name], [it.body for it in own.values()])]


@pytest.mark.parametrize("family, names, name, architectures, sm", list(rows()))
def test_assembles(family, names, name, architectures, sm):
    try:
        kernels = assemble(family, names, architectures, sm)
    except AssertionError:  # one of them is at fault, and tells so alone
        kernels = assemble(family, (name,), (sm,), sm)
    wrong = check(family, name, kernels, sm)
    assert not wrong, "\n".join(wrong)
