# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""MiniLM's tokenizer and inputs for the demo, and the original model's embeddings for them.

The reference is the original module evaluated in f64 by PyTorch, stored as f32; a hash of the tokens beside it tells when
it no longer belongs to the texts.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from .. import export
from .sentences import QUESTIONS, SENTENCES

REFERENCE = Path(__file__).with_name("reference.npz")


def tokenize(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(ids, mask), both int64 (texts, longest), padded at the end."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(export.minilm_directory() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    ids = np.array([one.ids for one in encoded], dtype=np.int64)
    mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
    return ids, mask


def long_inputs(batch: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """All sentences as one text, cut into `batch` rows of `length` tokens; the last row ends in padding."""
    ids, _ = tokenize([" ".join(SENTENCES * (batch * length // 256 + 1))])
    flat = np.resize(ids[0], batch * length).reshape(batch, length)
    mask = np.ones_like(flat)
    mask[-1, length - length // 8 :] = 0
    return np.where(mask == 1, flat, 0), mask


def documents(count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts of `length` tokens, each of three sentences that follow each other at random, so that they differ in subject."""
    random = np.random.default_rng(0)
    rows, masks = [], []
    for _ in range(count):
        chosen = random.choice(len(SENTENCES), 3, replace=False)
        text = " ".join(SENTENCES[index] for index in random.choice(chosen, length // 4))
        ids, mask = tokenize([text])
        rows.append(np.append(ids[0, : length - 1], ids[0, -1]))  # the last token ends a text
        masks.append(mask[0, :length])
    return np.stack(rows), np.stack(masks)


def inputs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The demo's inputs by name."""
    return {
        "sentences": tokenize(SENTENCES + QUESTIONS),
        "1x128": long_inputs(1, 128),
        "8x512": long_inputs(8, 512),
    }


def digest(ids: np.ndarray, mask: np.ndarray) -> str:
    return hashlib.sha256(ids.tobytes() + mask.tobytes()).hexdigest()[:16]


def store_reference() -> None:
    """Evaluates the original model in f64 and writes the reference file."""
    import torch

    module = export.minilm_module(attn_implementation="eager").double()
    # The module makes its mask in f32; in f64 the same constant serves.
    original, export.additive_mask = export.additive_mask, lambda mask, dtype: original(mask, torch.float64)
    arrays = {}
    with torch.no_grad():
        for name, (ids, mask) in inputs().items():
            result = module(torch.from_numpy(ids), torch.from_numpy(mask))
            arrays[name] = result.numpy().astype(np.float32)
            arrays[f"{name}-digest"] = np.array(digest(ids, mask))
    export.additive_mask = original
    np.savez_compressed(REFERENCE, **arrays)


def reference(name: str, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The stored embeddings of one input."""
    stored = np.load(REFERENCE)
    if str(stored[f"{name}-digest"]) != digest(ids, mask):
        raise RuntimeError(f"expected the tokens of '{name}' that {REFERENCE.name} was made from; run with --store")
    return stored[name]
