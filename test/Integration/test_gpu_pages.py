# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Caches in pages on a GPU, in the simulator, against f64: pages lie anywhere in the pool, and what nobody owns is NaN."""

import dataclasses
import subprocess

import engines
import numpy as np
import pytest
from problem import MLIR_TYPES, ROUNDOFF, round_to
from simulated import _load, _save
from step_programs import ATTENTION, CAUSAL, DOMAIN

pytestmark = pytest.mark.skipif(len(engines.ENGINES) < 2, reason="there is no attn-compile")


@dataclasses.dataclass(frozen=True)
class Case:
    dtype: str = "float16"
    page: int = 16
    batch: int = 2
    heads: int = 4
    kv_heads: int = 2
    d: int = 32
    e: int = 24
    capacity: int = 512

    def __str__(self):
        return "-".join(map(str, dataclasses.astuple(self)))

    def text(self):
        element = MLIR_TYPES[self.dtype]
        types = {name: f"tensor<{self.batch}x?x{heads}x{columns}x{element}>"
                 for name, heads, columns in [("q", self.heads, self.d), ("k", self.kv_heads, self.d),
                                              ("v", self.kv_heads, self.e), ("o", self.heads, self.e)]}
        group = self.heads // self.kv_heads
        return f"""\
#q = affine_map<{DOMAIN} -> (b, i, h, d)>
#k = affine_map<{DOMAIN} -> (b, j, h floordiv {group}, d)>
#v = affine_map<{DOMAIN} -> (b, j, h floordiv {group}, e)>
#o = affine_map<{DOMAIN} -> (b, i, h, e)>
func.func @main(%q: {types["q"]}, %k: {types["k"]}, %v: {types["v"]}) -> {types["o"]} {{
  %c1 = arith.constant 1 : index
  %n = tensor.dim %q, %c1 : {types["q"]}
  %init = tensor.empty(%n) : {types["o"]}
  %r = {ATTENTION.format(mask=CAUSAL, end="", **types)} -> {types["o"]}
  return %r : {types["o"]}
}}
"""

    def inputs(self, length):
        rng = np.random.default_rng(length)
        shapes = [(self.batch, length, self.heads, self.d), (self.batch, length, self.kv_heads, self.d),
                  (self.batch, length, self.kv_heads, self.e)]
        return [round_to(rng.standard_normal(shape), self.dtype) for shape in shapes]

    def evaluate(self, q, k, v):
        k, v = (np.repeat(x, self.heads // self.kv_heads, axis=2) for x in (k, v))
        scores = np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(self.d)
        scores[:, :, np.triu(np.ones(scores.shape[2:], bool), 1)] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.einsum("bhij,bjhe->bihe", weights / weights.sum(axis=-1, keepdims=True), v)

    def pages(self, rows, first):
        """The table, shuffled, with numbers of no page where none is needed, and a pool with the rows before `first`."""
        entries = -(-self.capacity // self.page)
        count = self.batch * entries + 3
        table = np.random.default_rng(7).permutation(count)[: self.batch * entries].reshape(self.batch, entries)
        pool = np.full((count, self.kv_heads, self.page, rows.shape[-1]), np.nan)
        for position in range(first):
            for batch in range(self.batch):
                pool[table[batch, position // self.page], :, position % self.page] = rows[batch, position]
        return table.astype(np.int32), pool


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """Runs positions first to first + count - 1; the process, and what it gave."""
    folder, made = tmp_path_factory.mktemp("pages"), {}

    def run(case, inputs, first, count, change=lambda table: table):
        if case not in made:
            source, made[case] = folder / f"{len(made)}.mlir", folder / f"{len(made)}.so"
            source.write_text(case.text(), encoding="utf-8")
            command = ["attn-compile", source, "--target=nvptx", "--sm=80", "--embed-ir", "--ptxas=none",
                       f"--steps={case.capacity}", f"--page-size={case.page}", "-o", made[case]]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        table, keys = case.pages(inputs[1], first)
        arrays = [*((array[:, first : first + count], case.dtype) for array in inputs), (np.array(first), "int64"),
                  (change(table), "int32"), (keys, case.dtype), (case.pages(inputs[2], first)[1], case.dtype)]
        command = ["attn-run", made[case], f"--entry=main_{'token' if count == 1 else 'step'}", "--simulate",
                   "--simulation-order=5"]
        for number, (array, dtype) in enumerate(arrays):
            if array.ndim:
                _save(folder / f"{number}.npy", array, dtype)
            else:
                np.save(folder / f"{number}.npy", array)
            command.append(f"--input={folder / f'{number}.npy'}")
        output = folder / "out.npy"
        done = subprocess.run([*command, f"--output={output}"], capture_output=True, text=True)
        return done, _load(output) if done.returncode == 0 else None

    return run


def check(call, case, first, count, inputs=None, change=lambda table: table):
    inputs = inputs or case.inputs(first + count)
    done, result = call(case, inputs, first, count, change)
    assert done.returncode == 0, done.stderr
    wanted = case.evaluate(*inputs)[:, first:]
    assert result.shape == wanted.shape and not np.isnan(result).any()
    # of probabilities, of the result, and of sums of f32
    tolerance = (4 * ROUNDOFF[case.dtype] + 4 * ROUNDOFF["float32"] * np.sqrt(first + count)) * np.abs(inputs[2]).max()
    assert np.abs(result - wanted).max() <= tolerance
    return done.stdout


@pytest.mark.parametrize("first, count", [(0, 1), (37, 1), (255, 1), (0, 20), (250, 40), (31, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_types(call, dtype, first, count):
    check(call, Case(dtype), first, count)


@pytest.mark.parametrize("first, count", [(300, 1), (300, 33)])
@pytest.mark.parametrize("page", [32, 64, 128, 256])
def test_page_sizes(call, page, first, count):
    check(call, Case(page=page), first, count)


@pytest.mark.parametrize("first, count", [(70, 1), (70, 9)])
@pytest.mark.parametrize("case", [Case(batch=1), Case(batch=5), Case(heads=2), Case(heads=6, kv_heads=1), Case(d=20, e=12),
                                  Case(d=64, e=64, heads=8), Case("float32", d=33, e=7), Case(d=128, e=128, page=64)], ids=str)
def test_shapes(call, case, first, count):
    check(call, case, first, count)


def test_keys_of_several_blocks(call):
    check(call, Case(batch=1, heads=2, d=16, e=16, page=64, capacity=4608), 4300, 1)


@pytest.mark.parametrize("count", [1, 9])
def test_sequences_share_a_page(call, count):
    case = Case()
    inputs = case.inputs(37 + count)
    for array in inputs[1:]:
        array[1, : case.page] = array[0, : case.page]

    def change(table):
        table[1, 0] = table[0, 0]
        return table

    check(call, case, 37, count, inputs, change)


def test_a_remark_says_what_sm_90a_lacks(tmp_path):
    (tmp_path / "case.mlir").write_text(Case(d=64, e=64).text(), encoding="utf-8")
    command = ["attn-compile", tmp_path / "case.mlir", "--target=nvptx", "--sm=90a", "--emit=ptx", "--steps=512",
               "--page-size=64", "--remarks", "-o", tmp_path / "out.ptx"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    missed = [line for line in done.stderr.splitlines() if "NoWarpGroups" in line and "main_step" in line]
    assert len(missed) == 1 and "keys in pages" in missed[0], done.stderr
    assert "CopiedPages" not in done.stderr and "NoKernel" not in done.stderr


def test_rows_are_read_where_they_lie(call):
    """Nothing but the attention and the copies of new rows has to do with pages."""
    report = check(call, Case(), 37, 1)
    kernels = [line.split()[1].rstrip(":") for line in report.splitlines() if line.startswith("kernel")]
    # of the table's entries, and of the rows of keys and values in the order of a cache
    assert sum("generic" in name for name in kernels) == 3, kernels
    assert sum("scatter" in name for name in kernels) == 2, kernels


@pytest.mark.parametrize("page", [-1, 2**31 - 1, -(2**31), 67])
@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("count", [1, 9])
def test_a_page_out_of_the_pool(call, page, number, count):
    case = Case()
    inputs = case.inputs(37 + count)

    def change(table):
        table[1, number] = page
        return table

    done, _ = call(case, inputs, 37, count, change)
    assert done.returncode == 1 and "expected pages of the pool, got one out of range" in done.stderr, done.stderr
    assert "simulation" not in done.stderr
