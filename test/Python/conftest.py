# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The hand-written library that most tests of the Python package call, and a compiler that only pretends."""

import attn_compiler
import pytest

FAKE_COMPILER = """#!/bin/sh
# Stands in for attn-compile: notes its arguments and copies a ready library to the file after -o.
echo "$@" > "{log}"
for last; do :; done
case "$*" in *--fail*) echo "input.mlir:1:2: error: unknown op 'foo.bar'" >&2; exit 1;; esac
case "$*" in *--crash*) kill -SEGV $$;; esac
cp "{library}" "$last"
"""


@pytest.fixture(scope="session")
def library(build):
    """The path of test/Unit/Runtime/Inputs/good.c, compiled."""
    return build / "fixtures" / "good.so"


@pytest.fixture(scope="session")
def module(library):
    return attn_compiler.load(library)


@pytest.fixture
def fake_compiler(tmp_path, library, monkeypatch):
    """Makes `compile` run the script above; gives the file with its arguments."""
    log = tmp_path / "arguments"
    program = tmp_path / "fake-compile"
    program.write_text(FAKE_COMPILER.format(log=log, library=library))
    program.chmod(0o755)
    monkeypatch.setenv("ATTN_COMPILER_BIN", str(program))
    return log
