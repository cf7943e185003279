# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The files that the convention tests look at: what git tracks, or would track."""

import functools
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))


@functools.cache
def files(*suffixes):
    """Tracked and new files whose names end in one of `suffixes`, relative to the root."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [Path(name) for name in sorted(set(names)) if name.endswith(suffixes) and (ROOT / name).is_file()]


def lines(file):
    return (ROOT / file).read_text(encoding="utf-8").splitlines()
