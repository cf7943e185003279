# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bad numbers in forms, bad lengths at run time, and rows that have nothing to attend to: an error that names the
constraint, a status with a message, or the value that the specification gives; never a crash or a NaN."""

import shutil
import subprocess

import numpy as np
import pytest
from attention_case import Case
from engines import Compiled
from lsh_case import LshCase
from masks import Causal, Window

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

STATIC = Case(n=64, m=64, d=16, dynamic=False)
DYNAMIC = Case(n=64, m=64, d=16)
CAUSAL = Case(n=64, m=64, d=16, mask=Causal("top_left"), dynamic=False)

NUMBERS = [
    ("lsh,buckets=7", "expected an even number of buckets in [0, 2^20] (C3), got 7"),
    ("lsh,chunk=0", "expected a chunk in [1, 65536] (C2), got 0"),
    ("lsh,rounds=0", "expected rounds in [1, 64] (C1), got 0"),
    ("lsh,look_back=-1", "expected look_back and look_ahead in [0, 1024] (C2), got -1"),
    ("low-rank,k=0", "expected k in [1, 2^16], causal_blocks and length in [0, 2^31) (C1), got 0, 0 and 0"),
    ("low-rank,k=8,causal_blocks=4", "expected k to be at most causal_blocks (C2), got 8 and 4"),
    ("window,before=4,after=4,globals=-2", "expected globals in [0, 2^20] (C3), got -2"),
    ("window,before=4,dilation=0", "(C2), got 0"),
    ("local,chunk=0", "expected a chunk in [1, 2^40] (C1), got 0"),
    ("bigbird,block=0", "expected a block in [1, 2^20] (C1), got 0"),
    ("bigbird,block=16,random=100", "expected random in [0, 16] (C2), got 100"),
    ("favor,features=0", "expected features in [1, 4096] (C1), got 0"),
]

REFUSALS = [
    (STATIC, "lsh,chunk=65", "a chunk of 65 is longer than its 64 tokens"),
    (CAUSAL, "lsh,look_ahead=1", "a causal mask has no look_ahead"),
    (STATIC, "low-rank,k=65", "65 slots are more than its 64 keys"),
    (STATIC, "low-rank,k=8,length=32", "its 64 keys are more than the form's length, 32"),
    (STATIC, "low-rank,k=8,causal_blocks=128", "causal_blocks is for causal masks"),
    (CAUSAL, "low-rank,k=8", "a causal mask needs causal_blocks"),
    (STATIC, "window,before=4,after=4,globals=65", "expected global tokens below 64, the number of keys (C2), got 64"),
    (STATIC, "local,chunk=65", "expected a chunk of at most 64, the number of keys (C3), got 65"),
]

LENGTHS = [
    (10, "lsh,chunk=64", "expected at least one chunk of 64 queries"),
    (8, "window,before=4,after=4,globals=16", "expected at least 16 keys for the global tokens of a mask"),
    (65, "low-rank,k=8,length=64", "expected a column of the projections for every key, got a longer sequence"),
]


@pytest.mark.parametrize("form, message", NUMBERS, ids=lambda value: value.split(" ")[0])
def test_numbers_of_a_form_are_checked(form, message):
    import attn_compiler

    with pytest.raises(attn_compiler.CompileError) as error:
        attn_compiler.compile(STATIC.ir(), form=form)
    assert message in str(error.value)


@pytest.mark.parametrize("case, form, message", REFUSALS, ids=str)
def test_what_does_not_fit_stays_exact_and_says_why(case, form, message, tmp_path):
    source = tmp_path / "case.mlir"
    source.write_text(case.ir())
    command = ["attn-compile", str(source), "-o", "-", "--to=rewrite", "--emit=mlir", "--remarks", f"--form={form}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert message in done.stderr and "warning: 'attention0' stays exact" in done.stderr
    assert "attn.attention" in done.stdout and "attn.rewritten" not in done.stdout


@pytest.mark.parametrize("length, form, message", LENGTHS, ids=str)
def test_lengths_of_a_call_are_checked(length, form, message):
    import attn_compiler

    module = attn_compiler.compile(DYNAMIC.ir(), form=form)
    short = Case(n=length, m=length, d=16)
    with pytest.raises(attn_compiler.AttnError, match=message):
        Compiled.call(module, short, short.inputs())
    fitting = Case(n=64, m=64, d=16)
    assert not np.isnan(Compiled.call(module, fitting, fitting.inputs())[0]).any()


def test_lengths_of_a_run_are_checked(tmp_path):
    """The same through the program: a status, its message, and no file of results."""
    source, library, output = tmp_path / "case.mlir", tmp_path / "case.so", tmp_path / "out.npy"
    source.write_text(DYNAMIC.ir())
    subprocess.run(["attn-compile", source, "-o", library, "--form=lsh,chunk=32"], check=True, capture_output=True)
    run = ["attn-run", library, "--entry=main", "--random-inputs=1", f"--output={output}"]
    names = subprocess.run([*run, "--dim=none=1"], capture_output=True, text=True).stderr
    assert "expected --dim" in names
    done = subprocess.run([*run, *dims(library, 31)], capture_output=True, text=True)
    assert done.returncode == 1 and "expected at least one chunk of 32 queries" in done.stderr
    assert not output.exists()


def dims(library, length):
    """`--dim` for every symbol of a library's arguments: batch 1, else `length`."""
    import attn_compiler

    arguments = attn_compiler.load(library).main.args
    symbols = {symbol: axis for spec in arguments for axis, symbol in enumerate(spec["shape"]) if isinstance(symbol, str)}
    return [f"--dim={symbol}={1 if axis == 0 else length}" for symbol, axis in symbols.items()]


MEMORY = """func.func @main(%memory: tensor<?x4xf32>, %added: tensor<?x4xf32>, %kept: tensor<6x4xf32>, %evicted: tensor<2x4xf32>)
    -> (tensor<6x4xf32>, tensor<2x4xf32>) {
  %r:2 = attn.update_memory ins(%memory, %added : tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%kept, %evicted : tensor<6x4xf32>, tensor<2x4xf32>) -> tensor<6x4xf32>, tensor<2x4xf32>
  return %r#0, %r#1 : tensor<6x4xf32>, tensor<2x4xf32>
}
"""


def test_a_memory_must_hold_a_segment():
    import attn_compiler

    module = attn_compiler.compile(MEMORY)
    rows = np.arange(36, dtype=np.float32).reshape(9, 4)
    outputs = np.zeros((6, 4), np.float32), np.zeros((2, 4), np.float32)
    kept, evicted = module.main(rows[:5], rows[5:8], *outputs)
    assert np.array_equal(np.concatenate([evicted, kept]), rows[:8])
    with pytest.raises(attn_compiler.AttnError, match="expected room for all rows of memory and added"):
        module.main(rows[:5], rows[5:9], *outputs)


@pytest.mark.parametrize("bucket", [-5, 8, 1000, 2**31 - 1, -(2**31)])
def test_buckets_out_of_range_are_only_buckets(bucket):
    """Injected numbers are data: whatever they are, nothing is read or written elsewhere."""
    case = LshCase(n=70, causal=True, injected=True, heads=1)
    import attn_compiler

    module = attn_compiler.compile(case.ir())
    random = np.random.default_rng(0)
    x, value = (random.standard_normal((1, 1, 70, 16)).astype(np.float32) for _ in range(2))
    buckets = random.integers(0, 8, (1, 1, 1, 70)).astype(np.int32)
    buckets[..., 11] = bucket
    output, lse = module.main(x, value, buckets)
    assert not np.isnan(output).any() and not np.isnan(lse).any()


def test_a_token_alone_in_its_bucket_gives_its_value():
    import attn_compiler

    case = LshCase(n=70, causal=True, injected=True, heads=1, buckets=(128,))
    module = attn_compiler.compile(case.ir())
    random = np.random.default_rng(0)
    x, value = (random.standard_normal((1, 1, 70, 16)).astype(np.float32) for _ in range(2))
    output, lse = module.main(x, value, np.arange(70, dtype=np.int32).reshape(1, 1, 1, 70))
    assert np.array_equal(output, value) and np.isneginf(lse).all()


@pytest.mark.parametrize("mask", [Window(3, 0), Causal("bottom_right")], ids=str)
def test_a_row_without_keys_gives_zero(mask):
    import attn_compiler

    case = Case(n=40, m=40, d=16, mask=mask, key_valid="bj", lse=True)
    query, key, value, valid = case.inputs()
    valid[:, :20] = 0
    key[:, :, :20], value[:, :, :20] = np.nan, np.inf
    output, lse = Compiled.call(attn_compiler.compile(case.ir()), case, [query, key, value, valid])
    assert (output[:, :, :20] == 0).all() and np.isneginf(lse[:, :, :20]).all()
    assert np.isfinite(output).all() and np.isfinite(lse[:, :, 20:]).all()
