# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Entries for generation on a GPU, in the simulator: a token and a piece after what a library for CPUs left in the buffers."""

import subprocess

import engines
import linear_engines
import numpy as np
import pytest
from linear_step_case import LinearStepCase
from simulated import Simulated
from step_programs import CAPACITY, LENGTH, PROGRAMS, arrays, buffers, compiled, step
from test_linear_step import make, walk

pytestmark = pytest.mark.skipif(len(engines.ENGINES) < 2, reason="there is no attn-compile")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Compiles a program for GPUs once."""
    folder, made = tmp_path_factory.mktemp("steps"), {}

    def get(name):
        if name not in made:
            text, options = PROGRAMS[name]
            source, made[name] = folder / f"{len(made)}.mlir", folder / f"{len(made)}.so"
            source.write_text(text, encoding="utf-8")
            flags = [f"--{key.replace('_', '-')}={value}" for key, value in {"steps": CAPACITY, **options}.items()]
            command = ["attn-compile", source, "--target=nvptx", "--sm=80", "--embed-ir", "--ptxas=none", *flags]
            done = subprocess.run([*command, "-o", made[name]], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        return made[name]

    return get


@pytest.mark.parametrize("first, count", [(0, 12), (37, 1), (37, 13)])
@pytest.mark.parametrize("name", PROGRAMS)
def test_pieces_after_what_a_cpu_left(library, tmp_path, name, first, count):
    module, inputs = compiled(name), arrays()
    state = buffers(module, np.nan)
    for position in range(first):
        step(module, inputs, position, 1, state)
    part = [np.ascontiguousarray(array[:, first : first + count]) for array in inputs]
    command = ["attn-run", library(name), f"--entry=main_{'token' if count == 1 else 'step'}", "--simulate"]
    for number, array in enumerate([*part, np.array(first, np.int64), *state]):
        np.save(tmp_path / f"{number}.npy", array)
        command.append(f"--input={tmp_path / f'{number}.npy'}")
    done = subprocess.run([*command, f"--output={tmp_path / 'out.npy'}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result, whole = np.load(tmp_path / "out.npy"), module.main(*inputs)
    assert not np.isnan(result).any()
    error = np.abs(result - whole[:, first : first + count]).max()
    assert error <= 2e-6 * np.abs(whole).max() * np.sqrt(LENGTH)


class Steps(Simulated):
    """With a sequence's tolerances."""

    tolerances = staticmethod(linear_engines.Compiled.tolerances)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("feature", ["elu_plus_one", "custom", "softmax_positive", "softmax_hyperbolic", "generalized_relu"])
def test_linear_step(feature, dtype):
    walk(make(feature, dtype=dtype, d=24, e=20, group=2, key_valid=True), Steps, tokens=3)


@pytest.mark.parametrize("case", [LinearStepCase(d=64, e=64), LinearStepCase(d=33, e=130, batch=None), LinearStepCase(in_place=False)])
def test_linear_step_shapes(case):
    walk(case, Steps, tokens=2)


def test_linear_step_raises_its_reference():
    walk(make("softmax_positive", d=16, e=16), Steps, tokens=3, spread=6.0)
