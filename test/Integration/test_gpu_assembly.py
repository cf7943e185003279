# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every form x type x mask as machine code for every architecture: no spills, no local memory, nothing unresolved, registers
and shared memory within what a block may have, and tensor cores, ldmatrix and asynchronous copies where they are meant.

One file of kernels a family, and one run of ptxas a family and architecture: `pytest -s` prints what each kernel takes. Types
take turns along the rows of a family; with ATTN_WHOLE_MATRIX=1 every row has every type.

Without instructions of its own an architecture gets the PTX of sm_80 with another header, which test_kernels.py checks on
programs of its own; compiling it six times would be most of the time.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from attention_case import Case
from linear_case import LinearCase
from linear_step_case import LinearStepCase
from low_rank_case import LowRankCase
from lsh_case import LshCase
from masks import AllOf, AnyOf, BigBird, Causal, Global, LocalChunks, Window

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

# Architectures and the most shared memory that a block of theirs may ask for, in KiB.
ARCHITECTURES = {"80": 163, "86": 99, "89": 99, "90a": 227, "100a": 227, "120": 99}
COMPILED = ["80", "90a"]
REGISTERS = 64 * 1024  # of a multiprocessor
TYPES = ["float16", "bfloat16", "float32"]
MASKS = {"full": None, "causal": Causal("top_left"), "window": Window(255, 0, 1, "top_left")}


def exact(d, **changes):
    return Case(**{"n": 1000, "m": 1000, "d": d, "batch": 1, "heads": 8, "mask": MASKS["causal"], **changes})


def linear(feature="elu_plus_one", **changes):
    return LinearCase(**{"n": 1000, "m": 1000, "d": 64, "heads": 8, "feature": feature, "causal": "top_left", **changes})


def lsh(**changes):
    return LshCase(**{"n": 1000, "d": 64, "heads": 4, "causal": True, "rounds": 4, "chunk": 64, "buckets": (32, 16), **changes})


def low_rank(**changes):
    return LowRankCase(**{"n": 1000, "slots": 64, "columns": 1024, "d": 64, "heads": 8, **changes})


# By family and name.
FAMILIES = {
    "exact": {f"d{d}_{mask}": exact(d, mask=MASKS[mask], lse=mask == "full") for d in (64, 128) for mask in MASKS}
    | {"odd": exact(33, e=65), "wide": exact(256), "decode": exact(64, n=1, m=4500), "decode_grouped": exact(128, n=1, group=4)},
    "masks": {
        "longformer": exact(64, mask=AnyOf((Window(256, 256), Global((0, 60))))),
        "bigbird": exact(64, mask=BigBird(64)),
        "bigbird_causal": exact(64, mask=AllOf((BigBird(64), Causal()))),
        "local": exact(64, mask=LocalChunks(128, 1, 1)),
        "local_wide": exact(128, mask=LocalChunks(64, 1, 0)),
        "dilated": exact(64, mask=Window(63, 63, 4)),
    },
    "scores": {
        "alibi": exact(64, score_mod="alibi"),
        "alibi_wide": exact(128, score_mod="alibi"),
        "table": exact(128, bias="hr"),
        "bias": exact(128, bias="bhij", key_valid="bj", softcap=20.0),
        "grouped": exact(128, group=4),
        "segments": exact(64, parts=(256, 256, 488), mask=Causal()),
    },
    "relative": {
        "d64": exact(64, relative="hr"),
        "d128": exact(128, relative="hr", mask=None),
        "odd": exact(40, relative="r", group=2),
        "memory": exact(64, relative="hr", parts=(256, 256, 488), mask=Causal()),
    },
    "low_rank": {"full": low_rank(), "wide": low_rank(d=128), "causal": low_rank(block=64, slots=8, causal=True)},
    "linear": {
        "elu": linear(), "elu_wide": linear(d=128, group=2), "elu_full": linear(causal=None), "odd": linear(d=20, e=12),
        "step": LinearStepCase(d=64, e=64, batch=2, heads=8), "elu_bottom": linear(causal="bottom_right"),
    },
    "lsh": {
        "causal": lsh(), "alibi": lsh(d=128, alibi=True), "wide": lsh(d=256), "full": lsh(causal=False, rounds=1),
        "rounds": lsh(rounds=16, valid=True), "wide_any": lsh(d=256, rounds=2, same_bucket=False),
    },
    "favor": {
        "positive": linear("softmax_positive", features=256), "full": linear("softmax_positive", features=256, causal=None),
        "hyperbolic": linear("softmax_hyperbolic", features=64), "many": linear("softmax_positive", features=512, d=128),
        "step": LinearStepCase("softmax_positive", d=64, e=64, batch=2, heads=8, features=256),
    },
}  # fmt: skip


def rows_of(name):
    """(row, type, case)"""
    whole = os.environ.get("ATTN_WHOLE_MATRIX") == "1"
    for number, (row, case) in enumerate(FAMILIES[name].items()):
        for dtype in TYPES if whole else [TYPES[number % len(TYPES)]]:
            yield row, dtype, dataclasses.replace(case, dtype=dtype)


def find_ptxas():
    """From the system or from PyPI's nvidia-cuda-nvcc."""
    folders = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin"))
    places = [shutil.which("ptxas"), "/usr/local/cuda/bin/ptxas", *(folder / "ptxas" for folder in folders)]
    return next((str(path) for path in places if path and Path(path).is_file()), None)


@dataclasses.dataclass
class Family:
    """The PTX of a family by architecture; which kernels a row has; shared memory of kernels."""

    ptx: dict
    shared: dict

    @staticmethod
    def compile(name, folder):
        text = "\n".join(case.ir().replace("@main(", f"@{row}_{dtype}(") for row, dtype, case in rows_of(name))
        source = folder / f"{name}.mlir"
        source.write_text(text, encoding="utf-8")
        command = ["attn-compile", source, "--target=nvptx", f"--sm={','.join(COMPILED)}"]
        subprocess.run([*command, "--emit=ptx", "-o", folder / f"{name}.ptx"], check=True)
        for sm in ARCHITECTURES:
            if sm not in COMPILED:
                text = (folder / f"{name}.sm_80.ptx").read_text()
                text = re.sub(r"\.version \S+", ".version 8.7", text, count=1).replace(".target sm_80", f".target sm_{sm}", 1)
                (folder / f"{name}.sm_{sm}.ptx").write_text(text)
        host = subprocess.run([*command, "--emit=mlir", "-o", "-"], check=True, capture_output=True, text=True).stdout
        names = re.findall(r'"([^"]*)"', re.search(r"attn\.kernels = \[([^\]]*)\]", host)[1])
        shared = [int(bytes) for bytes in re.search(r"attn\.kernel_shared = array<i64: ([^>]*)>", host)[1].split(",")]
        return Family({sm: folder / f"{name}.sm_{sm}.ptx" for sm in ARCHITECTURES}, dict(zip(names, shared, strict=True)))


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """Compiles a family once."""
    folder, made = tmp_path_factory.mktemp("families"), {}

    def get(name):
        if name not in made:
            made[name] = Family.compile(name, folder)
        return made[name]

    return get


def kernels_of(text):
    """The text of each kernel by its name."""
    parts = re.split(r"\.visible \.entry (\w+)\(", text)
    return dict(zip(parts[1::2], parts[2::2]))


# Sorted chunks of f32 heads of 256: the accumulators alone are half of all registers.
WAIVED = {sm: r"wide\w*_float32_lsh_chunks" for sm in ("90a", "100a", "120")}


def faults(sm, kernel, body, used, shared, limit):
    """What is wrong with a kernel; `used` is what ptxas -v says of it."""
    frame, stores, loads, registers = used
    threads = int(re.search(r"\.(?:maxntid|reqntid) (\d+)", body)[1])
    granule = -(-registers // 8) * 8 * threads
    if (frame or stores or loads) and not (sm in WAIVED and re.match(WAIVED[sm], kernel) and frame <= 64):
        yield f"a frame of {frame} bytes, {stores} stored and {loads} loaded by spills"
    if granule > REGISTERS:
        yield f"{registers} registers of {threads} threads"
    if shared > limit * 1024:
        yield f"{shared} bytes of shared memory, where the limit is {limit} KiB"
    if ".local" in body:
        yield "local memory"


@pytest.mark.parametrize("sm", ARCHITECTURES)
@pytest.mark.parametrize("name", FAMILIES)
def test_assembles(families, tmp_path, name, sm):
    ptxas = find_ptxas() or pytest.skip("ptxas is missing: install nvidia-cuda-nvcc")
    family = families(name)
    text = family.ptx[sm].read_text()
    assert f".target sm_{sm}" in text and ".extern .func" not in text
    done = subprocess.run([ptxas, "-v", f"-arch=sm_{sm}", family.ptx[sm], "-o", tmp_path / "out.cubin"], capture_output=True,
                          text=True)  # fmt: skip
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    used = {
        kernel: tuple(map(int, numbers))
        for kernel, *numbers in re.findall(
            r"Function properties for (\w+)\n\s*(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n"
            r".*Used (\d+) registers", report)
    }  # fmt: skip
    bodies = kernels_of(text)
    assert set(used) == set(bodies) == set(family.shared)
    wrong = []
    for kernel, body in bodies.items():
        print(f"sm_{sm} {kernel}: {used[kernel][-1]} registers, {family.shared[kernel]} bytes shared, "
              f"{body.count('mma.sync')} mma, {body.count('ldmatrix')} ldmatrix, {body.count('cp.async.cg')} cp.async")  # fmt: skip
        found = faults(sm, kernel, body, used[kernel], family.shared[kernel], ARCHITECTURES[sm])
        wrong += [f"{kernel}: {fault}" for fault in found]
    for row, dtype, case in rows_of(name):
        own = [body for kernel, body in bodies.items() if re.fullmatch(rf"{row}_{dtype}_(\w+_)?\d+", kernel)]
        wrong += [f"{row}_{dtype}: {fault}" for fault in missing(case, own)]
    assert not wrong, "\n".join(wrong)


def missing(case, bodies):
    """The instructions that a row should have and has not."""
    streams = isinstance(case, LinearCase) and not case.features and case.d == 64
    expected = [] if isinstance(case, LinearStepCase) else ["mma.sync"]
    if isinstance(case, Case) or streams:
        expected += ["ldmatrix"] + (["cp.async.cg"] if case.d % 8 == 0 else [])
    # Warp groups read both operands of a product through descriptors.
    stand_ins = {"mma.sync": "wgmma.mma_async", "ldmatrix": "wgmma.mma_async"}
    for instruction in expected:
        if not any(instruction in body or stand_ins.get(instruction, instruction) in body for body in bodies):
            yield f"expected {instruction}"
