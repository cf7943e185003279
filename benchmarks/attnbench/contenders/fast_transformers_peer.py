# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""pytorch-fast-transformers, the reference code of linear attention, where it builds.

Its extensions are compiled against the installed PyTorch, so it is not among the packages that `make bench` installs.
"""

from __future__ import annotations

import types

from ..cases import Case
from . import Prepared, Settings, Unsupported, linear


def prepare(case: Case, inputs, settings: Settings) -> Prepared:
    import torch

    try:
        from fast_transformers.attention.causal_linear_attention import CausalLinearAttention
        from fast_transformers.attention.linear_attention import LinearAttention
    except ImportError as error:
        raise Unsupported(f"is not installed, see benchmarks/README.md ({error})") from error
    if case.features:
        raise Unsupported("is measured without random features")
    torch.set_num_threads(settings.threads)
    causal = case.mask == "causal"
    attend = (CausalLinearAttention if causal else LinearAttention)(case.d).eval()
    # its own masks store n^2 flags, of which it reads what they are alone
    mask = types.SimpleNamespace(lower_triangular=causal, all_ones=not causal)
    lengths = types.SimpleNamespace(float_matrix=torch.ones(case.batch, case.n))
    # it takes [batch, position, head, feature]
    query, key, value = (torch.from_numpy(array).transpose(1, 2) for array in inputs)
    kept = []

    def run():
        with torch.inference_mode():
            kept[:] = [attend(query, key, value, mask, lengths, lengths)]

    def output():
        return kept[0].transpose(1, 2).contiguous().numpy()

    return Prepared(run, output, linear._error(case, inputs, None, output))
