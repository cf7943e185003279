# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs `attn-compile` on a model's IR and loads what it wrote.

A process of its own keeps LLVM out of this one, where torch and others bring theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

from ._errors import ArgumentError, AttnError
from ._module import Module, load
from ._paths import find_tool


class CompileError(AttnError):
    """The compiler refused the program; the message is what it said."""

    def __init__(self, diagnostics: str, status: int):
        super().__init__(diagnostics)
        self.diagnostics = diagnostics
        self.status = status


def find_compiler() -> Path:
    """The compiler that `compile` runs."""
    return find_tool("attn-compile", "ATTN_COMPILER_BIN")


def compile(
    ir_or_path: Any,
    form: str | dict[str, str] | list[str] | None = None,
    target: str = "cpu",
    *,
    output: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Module:
    """Compiles IR and loads the library.

    `form` is what every attention is rewritten to, such as "lsh,rounds=4", or a dict from labels (patterns with `*`) to
    forms, the last that fits counting, or a list of `--form`'s arguments; without it nothing is approximated.
    `ir_or_path` is a path, MLIR text, bytecode, or an object that prints as MLIR (torch-mlir's modules do). `output`
    keeps the library in a file. Every other option is a flag of `attn-compile`: `cpu="x86-64-v3"` becomes
    `--cpu=x86-64-v3`, `dump_phases=folder` becomes `--dump-phases=folder`, and True a flag without a value.
    """
    if target not in ("cpu", "nvptx"):
        raise ArgumentError(f"expected target 'cpu' or 'nvptx', got '{target}'")
    command = [str(find_compiler()), "--emit=so", f"--target={target}"]
    command += [f"--form={one}" for one in _forms(form)]
    command += _flags(options)
    with tempfile.TemporaryDirectory(prefix="attn-") as folder:
        source = _source(ir_or_path, Path(folder))
        library = Path(output) if output is not None else Path(folder) / "library.so"
        _run([*command, str(source), "-o", str(library)])
        return load(library)  # stays mapped when the folder goes


def _forms(form: str | dict[str, str] | list[str] | None) -> list[str]:
    if form is None:
        return []
    if isinstance(form, str):
        return [form]
    if isinstance(form, dict):
        return [f"{label}:{one}" for label, one in form.items()]
    return list(form)


def _flags(options: dict[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            yield flag
        elif value is None:
            continue
        elif isinstance(value, (list, tuple)):
            yield f"{flag}={','.join(str(item) for item in value)}"
        else:
            yield f"{flag}={str(value).lower() if value is False else value}"


def _source(ir_or_path: Any, folder: Path) -> Path:
    """The file to compile; text and bytecode are written into `folder`."""
    if isinstance(ir_or_path, (bytes, bytearray)):
        path = folder / "input.mlirbc"
        path.write_bytes(ir_or_path)
        return path
    if isinstance(ir_or_path, os.PathLike):
        return _existing(Path(ir_or_path))
    text = str(ir_or_path)
    if isinstance(ir_or_path, str) and "\n" not in text and "(" not in text and "{" not in text:
        return _existing(Path(text))
    path = folder / "input.mlir"
    path.write_text(text, encoding="utf-8")
    return path


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"expected a file of MLIR, got '{path}'")
    return path


def _run(command: list[str]) -> None:
    try:
        # ptxas may be a package of this environment.
        environment = {"VIRTUAL_ENV": sys.prefix, **os.environ}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment)
    except OSError as error:
        raise CompileError(f"cannot run '{command[0]}': {error}", -1) from error
    if done.returncode == 0:
        return
    text = done.stderr.decode(errors="replace").strip()
    if done.returncode < 0:
        text = f"{text}\n'{command[0]}' ended by signal {-done.returncode}".strip()
    raise CompileError(text or f"'{command[0]}' failed with status {done.returncode} and said nothing", done.returncode)
