# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear attention against the packages that introduced it to PyTorch, where conventions agree: their epsilons are 0.

performer-pytorch lowers exponents of keys by another number than we do; without epsilons it cancels. In
linear-attention-transformer features are exponentials, and buckets of one token are the causal form.
"""

import linear_engines
import numpy as np
import pytest
from linear_case import LinearCase

torch = pytest.importorskip("torch")

engine = pytest.mark.parametrize("engine", linear_engines.ENGINES, ids=lambda engine: engine.name)


def tensors(inputs):
    return [torch.from_numpy(np.array(array)) for array in inputs]


def check_performer(engine, causal, make_features, **conventions):
    """Our result against performer-pytorch's; `make_features` calls its kernel for queries or keys."""
    peer = pytest.importorskip("performer_pytorch.performer_pytorch")
    case = LinearCase(n=96, m=96, d=16, batch=2, features=40, causal=causal, **conventions)
    inputs = case.inputs()
    q, k, v, w = tensors(inputs)
    q, k = make_features(peer, q, w, True), make_features(peer, k, w, False)
    wanted = peer.causal_linear_attention_noncuda(q, k, v, eps=0.0) if causal else peer.linear_attention(q, k, v)
    linear_engines.check(case, engine, inputs, [wanted.numpy()])


@engine
@pytest.mark.parametrize("causal", [None, "top_left"])
def test_performer_softmax_kernel(engine, causal):
    def make_features(peer, x, w, is_query):
        return peer.softmax_kernel(x, projection_matrix=w, is_query=is_query, eps=0.0)

    check_performer(engine, causal, make_features, feature="softmax_positive", feature_eps=0.0)


@engine
@pytest.mark.parametrize("causal", [None, "top_left"])
def test_performer_generalized_kernel(engine, causal):
    def make_features(peer, x, w, is_query):
        return peer.generalized_kernel(x, projection_matrix=w)

    check_performer(engine, causal, make_features, feature="generalized_relu", denominator_eps=0.0)


@engine
def test_linear_attention_transformer(engine):
    """Its queries are normalised by a softmax, which a ratio does not see; e^(x/2) of 2 x is its feature."""
    peer = pytest.importorskip("linear_attention_transformer.linear_attention_transformer")
    case = LinearCase(n=96, m=96, d=16, batch=2, feature="custom", causal="top_left", denominator_eps=0.0)
    inputs = case.inputs()
    q, k, v = tensors(inputs)
    wanted = peer.causal_linear_attn(q / 2, k / 2, v, bucket_size=1, eps=0.0)
    linear_engines.check(case, engine, inputs, [wanted.numpy()])
