# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products of bf16 through AMX tiles: the instructions are there, and they compute attention.

Few machines have AMX. The program is compiled for one that does, each of its tile intrinsics becomes a call of a function
that does the same on vectors (Inputs/amx.mlir), and what comes out runs on any CPU with the other instructions.
"""

import re
import subprocess
from pathlib import Path

import engines
import problem
import pytest
from attention_case import Case
from masks import AnyOf, Causal, Global, Window

CPU = "sapphirerapids"
STAND_INS = Path(__file__).parent / "Inputs" / "amx.mlir"
LOWER = ["--convert-vector-to-llvm=vector-contract-lowering=outerproduct", "--convert-scf-to-cf"]
LOWER += [f"--convert-{dialect}-to-llvm" for dialect in ("vector", "index", "arith", "cf", "func", "ub")]
LOWER += ["--reconcile-unrealized-casts"]

CASES = [
    Case(n=96, m=128, d=64, heads=2, dtype="bfloat16"),
    Case(n=70, m=333, d=64, heads=2, mask=Causal("bottom_right"), lse=True, dtype="bfloat16"),
    Case(n=300, m=300, d=128, heads=1, mask=Window(40, 3), dtype="bfloat16"),
    Case(n=45, m=77, d=80, e=72, heads=4, group=2, batch=2, key_valid="bj", dtype="bfloat16"),
    Case(n=64, m=90, d=7, e=5, bias="hij", softcap=2.5, dtype="bfloat16"),
    Case(n=65, m=65, d=96, mask=AnyOf((Window(8, 0), Global((1, 40)))), dtype="bfloat16"),
    Case(n=40, m=64, d=32, heads=2, score_mod="alibi", layout="bih", dtype="bfloat16"),
]


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stand_ins():
    text = run("attn-opt", STAND_INS, *LOWER)
    body = text[text.index("{") + 1 : text.rindex("}")]
    return re.sub(r"llvm\.func (@.*) \{\n", r"llvm.func internal \1 attributes {no_inline} {\n", body)


def without_tiles(text, stand_ins):
    """The LLVM dialect with tiles as vectors and their intrinsics as calls."""
    text = re.sub(r'llvm\.call_intrinsic "llvm\.x86\.(\w+)\.internal"', r"llvm.call @\1", text)
    text = text.replace("!llvm.x86_amx", "vector<256xf32>")
    text = text.replace(f'attn.cpu = "{CPU}"', 'attn.cpu = "native"')
    # The manifest no longer asks for what is not used; its length must stay.
    text = re.sub(r"\+(amx-|avx512fp16)", r"-\1", text)
    end = text.rindex("}")
    return text[:end] + stand_ins + text[end:]


def compile_for_amx(case, folder, *flags):
    source, output = folder / "in.mlir", folder / "out"
    source.write_text(case.ir())
    run("attn-compile", source, f"--cpu={CPU}", *flags, "-o", output)
    return output


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_numpy(case, stand_ins, tmp_path):
    attn_compiler = pytest.importorskip("attn_compiler")
    if "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the machine lacks AVX512-BF16")
    text = compile_for_amx(case, tmp_path, "--to=target", "--emit=mlir").read_text()
    assert "tdpbf16ps" in text
    dump, library = tmp_path / "dump.mlir", tmp_path / "library.so"
    dump.write_text(without_tiles(text, stand_ins))
    run("attn-compile", dump, "--from=emit", "-o", library)
    inputs = case.inputs()
    results = engines.Compiled.call(attn_compiler.Module(library), case, inputs)
    problem.assert_close(results, case.evaluate(inputs), case.tolerances(inputs))


@pytest.mark.parametrize("d", [64, 128])
def test_tiles_stay_in_registers(d, tmp_path):
    case = Case(n=1024, m=1024, d=d, heads=8, mask=Causal(), dtype="bfloat16")
    text = compile_for_amx(case, tmp_path, "--emit=asm").read_text()
    assert len(re.findall(r"\btdpbf16ps\b", text)) >= 8
    assert "ldtilecfg" in text
    assert not re.search(r"%tmm\d.*Folded|\(%rsp.*%tmm\d|%tmm\d.*\(%rsp", text)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_negative_other_types(dtype, tmp_path):
    case = Case(n=128, m=128, d=64, dtype=dtype)
    assert "tmm" not in compile_for_amx(case, tmp_path, "--emit=asm").read_text()
