# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels assemble for every architecture that we name: no spills, no local memory, nothing unresolved."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INPUTS = Path(__file__).parent.parent
PROGRAMS = {
    "layer": INPUTS / "Runtime" / "Inputs" / "layer.mlir",
    "attention": INPUTS / "Tools" / "Inputs" / "attend.mlir",
    "lsh": INPUTS / "Emit" / "Inputs" / "lsh.mlir",
}
ARCHITECTURES = ["80", "86", "89", "90", "90a", "100", "100a", "120", "120a"]


def find(tool):
    """A tool of CUDA, from the system or from PyPI's nvidia-cuda-nvcc."""
    folders = sorted(Path(sys.prefix).glob("lib/python*/site-packages/nvidia/cu*/bin"))
    places = [shutil.which(tool), Path("/usr/local/cuda/bin") / tool, *(folder / tool for folder in folders)]
    return next((str(path) for path in places if path and Path(path).is_file()), None)


@pytest.fixture(scope="module")
def ptxas():
    return find("ptxas") or pytest.skip("ptxas is missing: install nvidia-cuda-nvcc")


@pytest.fixture(scope="module")
def ptx(tmp_path_factory):
    """The PTX of each program for all architectures, by (program, architecture)."""
    folder, texts = tmp_path_factory.mktemp("ptx"), {}
    for name, path in PROGRAMS.items():
        command = ["attn-compile", path, "--target=nvptx", f"--sm={','.join(ARCHITECTURES)}", "--emit=ptx"]
        subprocess.run([*command, "-o", folder / f"{name}.ptx"], check=True)
        texts |= {(name, sm): folder / f"{name}.sm_{sm}.ptx" for sm in ARCHITECTURES}
    return texts


@pytest.mark.parametrize("sm", ARCHITECTURES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_assembles_without_spills(ptxas, ptx, tmp_path, program, sm):
    text = ptx[program, sm].read_text()
    assert f".target sm_{sm}" in text and ".extern .func" not in text and ".local" not in text
    command = [ptxas, "-v", f"-arch=sm_{sm}", ptx[program, sm], "-o", tmp_path / "out.cubin"]
    done = subprocess.run(command, capture_output=True, text=True)
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    assert len(re.findall("Compiling entry function", report)) == text.count(".visible .entry")
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    assert frames and all(frame == ("0", "0", "0") for frame in frames), report


def test_cubin_and_fatbin(ptxas, tmp_path):
    for kind, magic in (("cubin", b"\x7fELF"), ("fatbin", bytes.fromhex("50ed55ba") if find("fatbinary") else b"ATTNGPU3")):
        path = tmp_path / f"out.{kind}"
        command = ["attn-compile", PROGRAMS["layer"], "--target=nvptx", "--sm=80", f"--emit={kind}", f"--ptxas={ptxas}"]
        subprocess.run([*command, "-o", path], check=True)
        assert path.read_bytes().startswith(magic)


def test_without_ptxas(tmp_path):
    """A library carries PTX alone, and a note says so; a cubin cannot be made."""
    command = ["attn-compile", PROGRAMS["layer"], "--target=nvptx", "--sm=80", "--ptxas=none", "-o"]
    done = subprocess.run([*command, tmp_path / "out.so"], capture_output=True, text=True)
    assert done.returncode == 0 and "warning: found no ptxas" in done.stderr
    assert b".target sm_80" in (tmp_path / "out.so").read_bytes()
    done = subprocess.run([*command, tmp_path / "out.cubin", "--emit=cubin"], capture_output=True, text=True)
    assert done.returncode == 1 and "error: expected ptxas by --ptxas" in done.stderr
    assert not (tmp_path / "out.cubin").exists()
