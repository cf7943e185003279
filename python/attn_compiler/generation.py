# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Autoregressive generation with a library that was compiled with `--steps=CAPACITY`.

    module = attn_compiler.compile("decoder.mlir", steps=1024)
    generator = Generator(module)  # main(tokens, positions) -> logits, main_step and main_token
    result = generator.generate(prompt, count=100)
    print(result.tokens, result.tokens_per_second)

A decoder is a function of token numbers and their positions, both int64 (batch, length), to logits
(batch, length, vocabulary). Its steps have the caches of keys and values (in one piece, in pages, or
rings where attention has a window), or the states of linear attention, as arguments that they write
in place; this class owns them.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Iterable, Iterator

import numpy as np

from ._errors import ArgumentError
from ._module import Module


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: the likeliest (temperature 0), or drawn, from the `top_k` likeliest if given."""

    temperature: float = 0.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self):
        if not self.temperature >= 0:
            raise ArgumentError(f"expected a temperature of at least 0, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ArgumentError(f"expected a positive top_k, got {self.top_k}")

    def choose(self, logits: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """One token for each row of (batch, vocabulary)."""
        if self.temperature == 0:
            return logits.argmax(axis=-1)
        scores = np.asarray(logits, np.float64) / self.temperature
        if self.top_k is not None and self.top_k < scores.shape[-1]:
            least = np.partition(scores, -self.top_k, axis=-1)[:, -self.top_k, None]
            scores = np.where(scores < least, -np.inf, scores)
        # the largest of scores plus Gumbel noise is a draw from their softmax
        return (scores + random.gumbel(size=scores.shape)).argmax(axis=-1)


@dataclasses.dataclass(frozen=True)
class Generated:
    """Tokens (batch, count) that follow a prompt, and the seconds that prompt and tokens took."""

    tokens: np.ndarray
    prompt_seconds: float
    token_seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Of all sequences together, the first token not counted: it comes with the prompt."""
        batch, count = self.tokens.shape
        return batch * (count - 1) / self.token_seconds if self.token_seconds else float("nan")


class Generator:
    """Sequences that grow by steps. One at a time: the caches belong to the object."""

    def __init__(self, module: Module, entry: str = "main"):
        self._step, self._token = module[f"{entry}_step"], module[f"{entry}_token"]
        names = [argument["name"] for argument in self._step.args]
        self._first = names.index("length")
        self._specs = self._step.args[self._first + 1 :]
        # Pages lie in order here; a server with a pool for many has tables of its own.
        pages = int(np.prod(self._specs[0]["shape"])) if self._specs and self._specs[0]["name"] == "pages" else 0
        self._buffers = [
            np.zeros([extent if isinstance(extent, int) else pages for extent in spec["shape"]], spec["dtype"]) for spec in self._specs
        ]
        self.reset()

    def reset(self) -> None:
        """Forgets all positions. Keys and values need not be cleared, states do."""
        self.length = 0
        for spec, buffer in zip(self._specs, self._buffers, strict=True):
            if spec["name"] == "pages":
                buffer[...] = np.arange(buffer.size).reshape(buffer.shape)
            elif "_state" in spec["name"]:
                buffer[...] = -1e30 if spec["name"].startswith("reference") else 0

    def feed(self, tokens: Any) -> np.ndarray:
        """Takes the next tokens (batch, n) of every sequence and returns their logits (batch, n, vocabulary)."""
        tokens = np.ascontiguousarray(tokens, np.int64)
        if tokens.ndim != 2 or tokens.shape[1] == 0:
            raise ArgumentError(f"expected tokens (batch, length) with a length of at least 1, got {tokens.shape}")
        positions = np.arange(self.length, self.length + tokens.shape[1], dtype=np.int64)
        positions = np.ascontiguousarray(np.broadcast_to(positions, tokens.shape))
        length = np.array(self.length, np.int64)
        entry = self._token if tokens.shape[1] == 1 else self._step
        logits = entry(tokens, positions, length, *self._buffers)
        self.length += tokens.shape[1]
        return logits

    def stream(self, prompt: Any, count: int, sampling: Sampling = Sampling()) -> Iterator[np.ndarray]:
        """The tokens that follow a prompt (batch, n), one (batch,) at a time."""
        random = np.random.default_rng(sampling.seed)
        self.reset()
        logits = self.feed(prompt)
        for number in range(count):
            tokens = sampling.choose(logits[:, -1], random)
            yield tokens
            if number + 1 < count:
                logits = self.feed(tokens[:, None])

    def generate(self, prompt: Any, count: int, sampling: Sampling = Sampling(), progress: bool = False) -> Generated:
        """The tokens that follow a prompt (batch, n), with a progress bar if asked (and tqdm is there)."""
        if count < 1:
            raise ArgumentError(f"expected a positive count of tokens, got {count}")
        tokens = []
        begin = time.perf_counter()
        first = begin
        for token in _progress(self.stream(prompt, count, sampling), count, progress):
            if not tokens:
                first = time.perf_counter()
            tokens.append(token)
        return Generated(np.stack(tokens, axis=1), first - begin, time.perf_counter() - first)


def _progress(tokens: Iterable[np.ndarray], count: int, shown: bool) -> Iterable[np.ndarray]:
    if not shown:
        return tokens
    from tqdm import tqdm

    return tqdm(tokens, total=count, unit="token")
