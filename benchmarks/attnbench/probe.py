# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FMA peak and read bandwidth of this machine, measured between the turns of a case.

Clock and memory speed drift by tens of percent, so a share of the peak means something only when the
peak was taken in the same minute as the time that it divides.
"""

from __future__ import annotations

import ctypes
import hashlib
import pathlib
import shutil
import subprocess
import threading

import numpy as np

from . import tensors

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "native" / "peak.c"
COMPILERS = ("clang-22", "clang", "cc", "gcc")


def compiler() -> str:
    """The first C compiler found, LLVM 22's before others."""
    for name in COMPILERS:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"no C compiler found, looked for {', '.join(COMPILERS)}")


def build(source: pathlib.Path, folder: pathlib.Path, *flags: str) -> ctypes.CDLL:
    """Compiles one C file into a shared library, once per content and flags."""
    command = [compiler(), "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", *flags]
    text = source.read_bytes() + " ".join(command).encode()
    library = folder / f"{source.stem}-{hashlib.sha256(text).hexdigest()[:12]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = subprocess.run([*command, "-shared", "-fPIC", str(source), "-o", f"{library}.part", "-lm"],
                              capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"{command[0]} failed on {source.name}: {made.stderr.strip()[-400:]}")
        pathlib.Path(f"{library}.part").rename(library)
    return ctypes.CDLL(str(library))


class Probe:
    """Keeps the best rates seen; `sample` refreshes them in a few milliseconds."""

    def __init__(self, folder: pathlib.Path, threads: int):
        self.library = build(SOURCE, folder)
        self.threads = threads
        self.data: np.ndarray | None = None
        for name in ("fma_seconds", "dot_seconds", "read_seconds"):
            getattr(self.library, name).restype = ctypes.c_double
        for name in ("fma_flops", "dot_flops"):
            getattr(self.library, name).restype = ctypes.c_int64
        self.reset()

    def reset(self) -> None:
        self.fma_gflops = self.dot_gflops = self.read_gbs = 0.0

    def _rate(self, work_of_one: float, call) -> float:
        """Work per second of all threads together; each thread times its own part."""
        seconds = [0.0] * self.threads
        gate = threading.Barrier(self.threads)

        def body(index: int) -> None:
            sink = np.zeros(64, np.float32)
            gate.wait()
            seconds[index] = call(index, sink.ctypes.data_as(ctypes.c_void_p))

        workers = [threading.Thread(target=body, args=(index,)) for index in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return work_of_one * self.threads / max(seconds)

    def sample(self, bfloat16: bool = False, bandwidth: bool = False, iterations: int = 1_000_000) -> None:
        """One measurement of about 5 ms each; the best of all samples is kept."""
        count = ctypes.c_int64(iterations)
        self.fma_gflops = max(self.fma_gflops, self._rate(
            1e-9 * iterations * self.library.fma_flops(),
            lambda _, sink: self.library.fma_seconds(count, sink)))
        if bfloat16 and self.library.dot_flops():
            self.dot_gflops = max(self.dot_gflops, self._rate(
                1e-9 * iterations * self.library.dot_flops(),
                lambda _, sink: self.library.dot_seconds(count, sink)))
        if bandwidth:
            self._sample_bandwidth()

    def _sample_bandwidth(self) -> None:
        if self.data is None:
            self.data = tensors.aligned((64 << 20,), np.float32)
        part = self.data.size // self.threads
        start = self.data.ctypes.data
        self.read_gbs = max(self.read_gbs, self._rate(
            4e-9 * part,
            lambda index, sink: self.library.read_seconds(
                ctypes.c_void_p(start + 4 * part * index), ctypes.c_int64(part), sink)))
