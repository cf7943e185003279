# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where the compiler and the runtime are: what the environment says, else beside this package, else on PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Iterator

from ._errors import LibraryError

PACKAGE = Path(__file__).resolve().parent


def _roots() -> Iterator[Path]:
    """Folders with bin/ and lib/: a build folder named by ATTN_BUILD, the package's own, that of its source tree."""
    if build := os.environ.get("ATTN_BUILD"):
        yield Path(build)
    yield PACKAGE
    yield PACKAGE.parent.parent / "build"


def _explicit(variable: str) -> Path | None:
    """The file that an environment variable names; an error if it names none, since the user meant it."""
    value = os.environ.get(variable)
    if not value:
        return None
    path = Path(value)
    if not path.is_file():
        raise LibraryError(f"expected {variable} to name a file, got '{value}'")
    return path


def find_tool(name: str, variable: str) -> Path:
    """A program of the compiler, `attn-compile` for example."""
    if path := _explicit(variable):
        return path
    for root in _roots():
        if os.access(root / "bin" / name, os.X_OK):
            return root / "bin" / name
    if found := shutil.which(name):
        return Path(found)
    raise LibraryError(
        f"cannot find '{name}': expected it in {variable}, in build/bin of the source tree (run `make build`) or on PATH"
    )


def find_runtime() -> Path:
    """The shared library of the runtime."""
    if path := _explicit("ATTN_RUNTIME_LIBRARY"):
        return path
    roots = list(_roots())
    if tool := shutil.which("attn-compile"):
        roots.append(Path(tool).resolve().parent.parent)
    for root in roots:
        if (root / "lib" / "libattn_runtime.so").is_file():
            return root / "lib" / "libattn_runtime.so"
    raise LibraryError(
        "cannot find 'libattn_runtime.so': expected it in ATTN_RUNTIME_LIBRARY or in build/lib of the source tree"
        " (run `make build`)"
    )
