# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The C API as its users see it: the documented program compiles as C and as C++, and runs."""

import re
import subprocess

import pytest


@pytest.fixture
def program(root, tmp_path):
    """The example of docs/Runtime.md as a file."""
    text = (root / "docs" / "Runtime.md").read_text(encoding="utf-8")
    path = tmp_path / "example.c"
    path.write_text(re.search(r"```c\n(.*?)```", text, re.DOTALL).group(1), encoding="utf-8")
    return path


@pytest.mark.parametrize("language, standard", [("c", "c11"), ("c++", "c++14")])
def test_documented_program(program, root, build, tmp_path, library, language, standard):
    binary = tmp_path / "example"
    command = ["clang", "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    command += [f"-I{root}/include", str(program), f"-L{build}/lib", "-lattn_runtime"]
    subprocess.run([*command, f"-Wl,-rpath,{build}/lib", "-o", str(binary)], check=True)
    done = subprocess.run([binary, library], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("66\n", "", 0)
    done = subprocess.run([binary, program], capture_output=True, text=True)
    assert done.returncode == 1 and "expected a shared library, got a file that is not ELF" in done.stderr


def test_runtime_needs_nothing_but_libc(build):
    done = subprocess.run(["llvm-readelf", "-d", build / "lib" / "libattn_runtime.so"], capture_output=True, text=True)
    needed = re.findall(r"NEEDED.*\[(.*)\]", done.stdout)
    assert needed and all(re.match(r"(libc|libm|libdl|libpthread|ld-linux.*)\.so", name) for name in needed), needed


def test_runtime_exports_only_its_api(build):
    done = subprocess.run(
        ["llvm-nm", "-D", "--defined-only", "--format=just-symbols", build / "lib" / "libattn_runtime.so"],
        capture_output=True,
        text=True,
    )
    names = done.stdout.split()
    assert "attn_module_call" in names
    assert [name for name in names if not re.match("attn_(module|runtime)_", name)] == []
