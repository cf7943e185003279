# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exact attention that is asked to be linear: what becomes of it, in libraries and by attn-run's own measure."""

import dataclasses
import json
import shutil
import subprocess

import numpy as np
import pytest
from attention_case import Case
from linear_case import LinearCase
from masks import Causal

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

CASE = Case(n=200, m=200, d=16, e=24, heads=4, group=2, spread=0.5)


def run(case, form, inputs):
    import attn_compiler

    arrays = [np.asarray(array, np.float32) for array in inputs]
    return attn_compiler.compile(case.ir(), form=form).main(*arrays).astype(np.float64)


@pytest.mark.parametrize("mask", [None, "top_left", "bottom_right"])
@pytest.mark.parametrize("feature", ["elu_plus_one", "relu"])
def test_linear(mask, feature):
    case = dataclasses.replace(CASE, n=150, mask=Causal(mask) if mask else None)
    twin = LinearCase(n=150, m=200, d=16, e=24, heads=4, group=2, feature=feature, causal=mask)
    inputs = case.inputs()
    got = run(case, f"linear,feature={feature}", inputs)
    wanted = twin.evaluate(inputs)
    assert np.abs(got - wanted[0]).max() <= twin.tolerances(wanted, inputs)[0]


@pytest.mark.parametrize("mask", [None, Causal("top_left")], ids=["all", "causal"])
@pytest.mark.parametrize("options", ["", ",hyperbolic=true", ",regularized=true"])
def test_favor_comes_near_with_more_features(mask, options):
    """Sixteen times the features are a quarter of the error on average; four seeds are enough to see a half."""
    case = dataclasses.replace(CASE, mask=mask)
    inputs = case.inputs()
    exact = case.evaluate(inputs)[0]
    errors = []
    for features in (64, 1024):
        off = [run(case, f"favor,features={features},seed={seed}{options}", inputs) - exact for seed in range(4)]
        errors.append(np.sqrt(np.mean(np.square(off))))
    assert errors[1] < errors[0] / 2
    assert errors[1] < 0.05 * np.sqrt(np.mean(exact**2))


def test_measured_error(tmp_path):
    path = tmp_path / "attention.mlir"
    path.write_text(CASE.ir())
    flags = []
    for number, array in enumerate(CASE.inputs()):
        np.save(tmp_path / f"{number}.npy", np.asarray(array, np.float32))
        flags.append(f"--input={tmp_path / f'{number}.npy'}")
    command = ["attn-run", path, *flags, "--compare=exact", "--form=favor,features=512", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (form,) = json.loads(done.stdout)["forms"]
    assert form["granted"] and 1e-4 < form["error"]["norm"] < 0.2
