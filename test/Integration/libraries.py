# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What compilations of a session made, kept by what it was made from, for all of the session's processes.

Dynamic lengths make one library serve many cases, and engines of several files compile the same programs.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path


def kept(made_from, make):
    """A folder that `make(folder)` has filled; `repr(made_from)` must say all that its contents depend on."""
    key = hashlib.sha256(repr(made_from).encode()).hexdigest()
    place = Path(os.environ["ATTN_TEST_LIBRARIES"]) / key
    if not place.is_dir():
        # named by the process until it is whole: another one may be making the same
        own = place.with_suffix(f".{os.getpid()}")
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        make(own)
        try:
            own.rename(place)
        except OSError:  # it was
            shutil.rmtree(own)
    return place


def for_simulation(ir, sm="80", flags=()):
    """A library for `attn-run --simulate`. It has no machine code, which the simulator does not read: that is for
    test_gpu_assembly.py."""

    def make(folder):
        (folder / "case.mlir").write_text(ir, encoding="utf-8")
        command = ["attn-compile", folder / "case.mlir", *flags, "--target=nvptx", f"--sm={sm}", "--embed-ir", "--ptxas=none"]
        done = subprocess.run([*command, "-o", folder / "case.so"], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(map(str, command))} failed:\n{done.stderr}"
        (folder / "log.txt").write_text(done.stderr, encoding="utf-8")

    return kept((ir, sm, tuple(flags), "for_simulation"), make) / "case.so"


def remarks(library):
    """What the compiler said when it made a library with the flag --remarks."""
    return (library.parent / "log.txt").read_text(encoding="utf-8")
