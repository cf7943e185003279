# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiling and loading from Python: what is handed to `attn-compile`, and how its failures come back."""

import pathlib
import subprocess
import sys

import attn_compiler
import numpy
import pytest
from attn_compiler import CompileError, LibraryError

IR = "func.func @add() {\n  return\n}\n"


def test_compiles_text_bytes_paths_and_objects(fake_compiler, tmp_path):
    file = tmp_path / "model.mlir"
    file.write_text(IR)

    class Printable:
        def __str__(self):
            return IR

    for source in (IR, IR.encode(), file, str(file), Printable()):
        module = attn_compiler.compile(source)
        assert module.add(*[numpy.ones((2, 2), "f4")] * 2).sum() == 8


def test_options_become_flags(fake_compiler, tmp_path):
    output = tmp_path / "kept.so"
    options = dict(dump_phases="d", remarks=True, exact=False, sm=[80, 90], to=None)
    attn_compiler.compile(IR, form="lsh,rounds=4", cpu="x86-64-v3", output=output, **options)
    words = fake_compiler.read_text().split()
    assert words[:8] == [
        *("--emit=so", "--target=cpu", "--form=lsh,rounds=4", "--cpu=x86-64-v3"),
        *("--dump-phases=d", "--remarks", "--exact=false", "--sm=80,90"),
    ]
    assert words[-2:] == ["-o", str(output)] and output.is_file()


@pytest.mark.parametrize(
    "form, flags",
    [
        (None, []),
        ("lsh,rounds=4", ["--form=lsh,rounds=4"]),
        ({"*": "exact", "attention0": "lsh"}, ["--form=*:exact", "--form=attention0:lsh"]),
        (["@forms.json", "attention1:exact"], ["--form=@forms.json", "--form=attention1:exact"]),
    ],
)
def test_forms(fake_compiler, form, flags):
    attn_compiler.compile(IR, form=form)
    assert [word for word in fake_compiler.read_text().split() if word.startswith("--form")] == flags


def test_no_file_is_left(fake_compiler, tmp_path):
    attn_compiler.compile(IR)
    assert not pathlib.Path(fake_compiler.read_text().split()[-1]).exists()


def test_diagnostics_are_raised(fake_compiler):
    with pytest.raises(CompileError, match="input.mlir:1:2: error: unknown op 'foo.bar'") as caught:
        attn_compiler.compile(IR, fail=True)
    assert caught.value.status == 1
    with pytest.raises(CompileError, match="ended by signal 11"):
        attn_compiler.compile(IR, crash=True)


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("ATTN_COMPILER_BIN", str(tmp_path / "none"))
    with pytest.raises(LibraryError, match="expected ATTN_COMPILER_BIN to name a file, got"):
        attn_compiler.compile(IR)
    monkeypatch.delenv("ATTN_COMPILER_BIN")
    monkeypatch.setattr("attn_compiler._paths._roots", lambda: iter(()))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LibraryError, match="cannot find 'attn-compile'.*make build"):
        attn_compiler.find_compiler()


def test_missing_input(fake_compiler):
    with pytest.raises(FileNotFoundError, match="expected a file of MLIR, got 'no-such.mlir'"):
        attn_compiler.compile("no-such.mlir")
    with pytest.raises(ValueError, match="expected target 'cpu' or 'nvptx', got 'abacus'"):
        attn_compiler.compile(IR, target="abacus")


@pytest.mark.parametrize(
    "name, message",
    [
        ("no-manifest", "without attn_manifest"),
        ("bad-json", "expected JSON text"),
        ("bad-symbol", "expected function 'attn_entry_f'"),
        ("missing", "cannot open"),
    ],
)
def test_bad_libraries(build, name, message):
    with pytest.raises(LibraryError, match=message):
        attn_compiler.load(build / "fixtures" / f"{name}.so")


def test_threads():
    before = attn_compiler.num_threads()
    try:
        attn_compiler.set_num_threads(3)
        assert attn_compiler.num_threads() == 3
        with pytest.raises(ValueError, match="expected a number of threads in 0..1024, got -1"):
            attn_compiler.set_num_threads(-1)
    finally:
        attn_compiler.set_num_threads(before)


def test_forked_child_can_call(library):
    program = """if 1:
        import multiprocessing, sys, numpy, attn_compiler
        module = attn_compiler.load(sys.argv[1])
        attn_compiler.set_num_threads(2)
        x = numpy.ones((64, 64), "f4")
        def total(i):
            return float(module.add(x, x).sum())
        total(0)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(total, range(4)))
    """
    environment = {"PYTHONPATH": str(pathlib.Path(attn_compiler.__file__).parent.parent)}
    environment["ATTN_BUILD"] = str(library.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program, str(library)], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.strip() == str([8192.0] * 4), done.stderr


def test_package_needs_neither_numpy_nor_torch():
    program = "import sys, attn_compiler; attn_compiler.runtime_version(); print({'numpy', 'torch'} & set(sys.modules))"
    folder = pathlib.Path(attn_compiler.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.stdout.strip() == "set()", done.stderr
