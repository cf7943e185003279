# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The error that attn-run measures for a form, against what numpy says that it is; and forms through Python."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from attention_case import Case
from masks import Window

pytestmark = pytest.mark.skipif(not shutil.which("attn-compile"), reason="attn-compile is not built")

CASE = Case(n=130, m=130, d=16, e=24, heads=3)
WINDOW = Window(9, 4, 1, "top_left")
FORM = "window,before=9,after=4"


def norm(array):
    return float(np.sqrt((array**2).sum()))


@pytest.fixture
def program(tmp_path):
    """IR of an exact attention, its inputs as f32, and the flags that give them to attn-run."""
    path = tmp_path / "attention.mlir"
    path.write_text(CASE.ir())
    inputs = [np.asarray(array, np.float32) for array in CASE.inputs()]
    flags = []
    for number, array in enumerate(inputs):
        np.save(tmp_path / f"{number}.npy", array)
        flags.append(f"--input={tmp_path / f'{number}.npy'}")
    return path, inputs, flags


def test_measured_error_is_the_true_one(program):
    path, inputs, flags = program
    command = ["attn-run", path, *flags, "--compare=exact", f"--form={FORM}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    inputs = [array.astype(np.float64) for array in inputs]
    exact = CASE.evaluate(inputs)[0]
    windowed = Case(n=130, m=130, d=16, e=24, heads=3, mask=WINDOW).evaluate(inputs)[0]
    true_error = norm(windowed - exact) / norm(exact)
    (form,) = report["forms"]
    assert form["granted"] and form["rows"] == form["rows_total"]
    # Both sides round: their difference is of the order of f32's precision.
    assert form["error"]["norm"] == pytest.approx(true_error, rel=1e-5)
    assert report["results"][0]["error"]["norm"] == pytest.approx(true_error, rel=1e-5)
    assert 0 < form["rounding"]["norm"] < 1e-6 and 0 < report["results"][0]["rounding"]["norm"] < 1e-6


@pytest.mark.parametrize("form", [FORM, {"attention0": FORM}, [FORM, "exact", f"attention*:{FORM}"]], ids=str)
def test_compile_with_a_form(program, form):
    import attn_compiler

    path, inputs, _ = program
    result = attn_compiler.compile(path, form=form).main(*inputs)
    wanted = Case(n=130, m=130, d=16, e=24, heads=3, mask=WINDOW).evaluate([array.astype(np.float64) for array in inputs])
    np.testing.assert_allclose(result, wanted[0], atol=1e-5)


def test_nothing_is_approximated_unless_asked(program):
    import attn_compiler

    path, inputs, _ = program
    plain = attn_compiler.compile(path).main(*inputs)
    exact = attn_compiler.compile(path, form=[FORM, "exact"]).main(*inputs)
    assert np.array_equal(plain, exact)
    np.testing.assert_allclose(plain, CASE.evaluate([array.astype(np.float64) for array in inputs])[0], atol=1e-5)


@pytest.mark.parametrize(
    "form, message",
    [("magic", "expected one of .* as a form, got 'magic'"), ({"attention7": "exact"}, "one of attention0, got 'attention7'")],
    ids=str,
)
def test_errors_are_raised(program, form, message):
    import attn_compiler

    with pytest.raises(attn_compiler.CompileError, match=message):
        attn_compiler.compile(program[0], form=form)
