# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The directions of FAVOR+: orthogonal, of the right lengths and distribution, and what they make of a softmax.

Draws are seeded, so nothing here is left to chance; bounds are those that a fresh draw would pass with the confidence
that is stated: four standard errors, 99.994 % for one mean.
"""

import re
import subprocess

import attn_compiler
import numpy as np
import pytest

MAPS = ", ".join(f"affine_map<(b, h, i, j, d, e) -> (h, {dims})>" for dims in ("i, d", "j, d", "j, e", "i, e"))


def directions(operations=1, heads=2, features=64, size=16, **form):
    """[operations, heads, features, size], as the rewrite draws them."""
    kind = f"tensor<{heads}x4x{size}xf64>"
    text = ", ".join(f"{key} = {str(value).lower()}" for key, value in {"features": features, **form}.items())
    lines = [f"func.func @main(%x: {kind}) -> {kind} {{"]
    for number in range(operations):
        lines += [f"  %{number} = attn.attention ins(%x, %x, %x : {kind}, {kind}, {kind}) outs(%x : {kind})",
                  f"      maps [{MAPS}] {{attn.form = #attn.favor_form<{text}>}} -> {kind}"]
    lines += [f"  return %{operations - 1} : {kind}", "}"]
    done = subprocess.run(["attn-opt", "--attn-rewrite-to-favor", "--mlir-print-elementsattrs-with-hex-if-larger=1", "-"],
                          input="\n".join(lines), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = re.findall(r'dense<"0x([0-9A-F]+)">', done.stdout)
    assert len(found) == operations
    return np.stack([np.frombuffer(bytes.fromhex(one)).reshape(heads, features, size) for one in found])


@pytest.fixture(scope="module")
def many():
    """2^18 directions of size 4, in blocks: [blocks, 4, 4]."""
    return directions(operations=32, features=4096, size=4).reshape(-1, 4, 4)


def test_blocks_are_orthogonal():
    w = directions(features=40, size=16)
    w = w / np.linalg.norm(w, axis=-1, keepdims=True)
    for first in (0, 16, 32):
        block = w[..., first : first + 16, :]
        gram = block @ block.swapaxes(-1, -2)
        assert np.abs(gram - np.eye(block.shape[-2])).max() < 1e-5
    # Blocks have no more to do with each other than chance would have it.
    assert np.abs(w[..., :16, :] @ w[..., 16:32, :].swapaxes(-1, -2)).max() > 0.1


def test_draws_differ():
    base = directions(operations=2)
    assert not np.isclose(base[0], base[1]).any() and not np.isclose(base[:, 0], base[:, 1]).any()
    assert not np.isclose(base, directions(operations=2, seed=1)).any()
    assert not np.isclose(base, directions(operations=2, draw=1)).any()
    assert np.array_equal(base, directions(operations=2))
    # More features begin with the fewer.
    assert np.array_equal(base, directions(operations=2, features=128)[:, :, :64])


def test_lengths(many):
    square = (many**2).sum(-1).ravel()
    # Chi-squared with 4 degrees of freedom: mean 4, variance 8.
    assert abs(square.mean() - 4) < 4 * np.sqrt(8 / square.size)
    assert square.var() == pytest.approx(8, rel=0.05)
    regular = directions(features=64, size=16, regularized=True)
    np.testing.assert_allclose((regular**2).sum(-1), 16, rtol=1e-6)


def means(values):
    """The mean over all and its standard error, from blocks: rows of one are not independent."""
    own = values.mean(axis=1)
    return own.mean(), own.std() / np.sqrt(len(own))


def test_mean_is_zero(many):
    for axis in range(4):
        mean, error = means(many[..., axis])
        assert abs(mean) < 4 * error


DIRECTIONS = [np.array([1, 0, 0, 0]), np.array([1, 1, 1, -1]) / 2, np.array([0, 1, -1, 0]) / np.sqrt(2)]


@pytest.mark.parametrize("along", range(len(DIRECTIONS)))
@pytest.mark.parametrize("hyperbolic", [False, True])
def test_kernel_is_unbiased_along_fixed_directions(many, along, hyperbolic):
    """A basis from a library's QR passes along random directions and fails along these."""
    x = y = DIRECTIONS[along] / 2
    lowering = np.exp(-(x @ x + y @ y) / 2)
    estimate = np.exp(many @ (x + y)) * lowering
    if hyperbolic:
        estimate = (estimate + np.exp(-(many @ (x + y))) * lowering) / 2
    mean, error = means(estimate)
    assert abs(mean - np.exp(x @ y)) < 4 * error


def test_variances(many):
    """Each direction by itself is a Gaussian vector: the exact variances hold, to 10 % at this number of draws."""
    x, y = np.array([0.4, 0.2, 0.0, 0.1]), np.array([0.3, -0.1, 0.2, 0.1])
    z, kernel = x + y, np.exp(x @ y)
    lowering = np.exp(-(x @ x + y @ y) / 2)
    up, down = (np.exp(sign * (many @ z)) * lowering for sign in (1, -1))
    positive = kernel**2 * (np.exp(z @ z) - 1)
    assert up.var() == pytest.approx(positive, rel=0.1)
    assert ((up + down) / 2).var() == pytest.approx(positive * (1 - np.exp(-(z @ z))) / 2, rel=0.1)
    # Orthogonal directions vary less together than independent ones.
    assert up.mean(axis=1).var() < positive / 4


def test_error_falls_with_the_square_root(many):
    x, y = np.array([0.4, 0.2, 0.0, 0.1]), np.array([0.3, -0.1, 0.2, 0.1])
    estimate = np.exp(many @ (x + y)) * np.exp(-(x @ x + y @ y) / 2)
    counts, errors = 4 ** np.arange(1, 6), []
    for count in counts:
        groups = estimate.reshape(-1, count).mean(axis=1)
        errors.append(np.sqrt(((groups - np.exp(x @ y)) ** 2).mean()))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)


def test_error_of_attention_falls_with_the_square_root():
    """Against exact attention, compiled, of the norms that the benchmark draws it for (`favor-error`).

    Heads draw independently, so each has a slope of its own. Their mean is within four standard errors of -1/2, which a
    fresh draw would be with a confidence of 99.9 % (Student's t, 15 degrees of freedom).
    """
    heads, n, size = 16, 256, 16
    rng = np.random.default_rng(11)
    # norms of 1/2 on average: the variance of features grows with e^(|q + k|^2)
    q, k, v = (rng.standard_normal((heads, n, size)) * scale for scale in (0.25, 0.25, 1))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(size)
    weights = np.exp(scores)
    wanted = weights @ v / weights.sum(-1, keepdims=True)
    counts, errors = np.array([16, 64, 256, 1024]), []
    kind = f"tensor<{heads}x{n}x{size}xf32>"
    text = f"""func.func @main(%q: {kind}, %k: {kind}, %v: {kind}) -> {kind} {{
      %init = tensor.empty() : {kind}
      %o = attn.attention ins(%q, %k, %v : {kind}, {kind}, {kind}) outs(%init : {kind}) maps [{MAPS}] -> {kind}
      return %o : {kind}
    }}"""
    for count in counts:
        module = attn_compiler.compile(text, form=f"favor,features={count},seed=3")
        got = module.main(*(array.astype(np.float32) for array in (q, k, v)))
        errors.append(np.linalg.norm(got - wanted, axis=(1, 2)) / np.linalg.norm(wanted, axis=(1, 2)))
    slopes = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    error = slopes.std(ddof=1) / np.sqrt(heads)
    assert error < 0.05
    assert abs(slopes.mean() + 0.5) < 4 * error
