# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What others offer for the same attention on a GPU. Each peer is a function of (case, q, k, v) that gives a function to
time, or raises with the reason why it does not run here."""

from __future__ import annotations

from typing import Any, Callable

from cases import Case


def sdpa(backend: str) -> Callable[..., Callable[[], Any]]:
    def prepare(case: Case, q: Any, k: Any, v: Any) -> Callable[[], Any]:
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        if case.mask == "window" or case.form:
            raise NotImplementedError("exact, full or causal alone")

        def call() -> Any:
            with sdpa_kernel(getattr(SDPBackend, backend)):
                return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=case.mask == "causal")

        return call

    return prepare


def flex(case: Case, q: Any, k: Any, v: Any) -> Callable[[], Any]:
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    if case.form:
        raise NotImplementedError("exact alone")
    masks = {
        "causal": lambda b, h, i, j: i >= j,
        "window": lambda b, h, i, j: (i >= j) & (i - j <= 255),
    }
    n, block = q.shape[2], None
    if case.mask in masks:
        block = create_block_mask(masks[case.mask], None, None, n, n, device=q.device)
    compiled = torch.compile(flex_attention)
    return lambda: compiled(q, k, v, block_mask=block)


def linear(case: Case, q: Any, k: Any, v: Any) -> Callable[[], Any]:
    from fla.ops.linear_attn import chunk_linear_attn

    if case.form != "linear" or case.mask != "causal":
        raise NotImplementedError("causal linear attention alone")
    feature = lambda x: (1 + x.where(x > 0, x.exp() - 1)).transpose(1, 2).contiguous()  # noqa: E731
    values = v.transpose(1, 2).contiguous()
    return lambda: chunk_linear_attn(feature(q), feature(k), values, normalize=True)


def reformer(case: Case, q: Any, k: Any, v: Any) -> Callable[[], Any]:
    from reformer_pytorch import LSHAttention

    if not case.form.startswith("lsh"):
        raise NotImplementedError("LSH alone")
    layer = LSHAttention(bucket_size=64, n_hashes=4, causal=case.mask == "causal").to(q.device)
    heads = q.shape[1]
    return lambda: layer(q.reshape(heads, -1, case.d), v.reshape(heads, -1, case.d))


PEERS = {
    "sdpa-flash": sdpa("FLASH_ATTENTION"),
    "sdpa-cudnn": sdpa("CUDNN_ATTENTION"),
    "sdpa-efficient": sdpa("EFFICIENT_ATTENTION"),
    "flex-attention": flex,
    "fla": linear,
    "reformer-pytorch": reformer,
}
