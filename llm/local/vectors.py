"""Text vectors without a neural network: the mean of static token vectors (WordLlama, 32 000 x 256, MIT)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .store import MODELS, get

BATCH = 64
"""Texts at once: their token vectors stay in the processor's cache (1024 were half as fast)."""


class StaticVectors:
    """A table of token vectors and its tokenizer, read from two files.

    State: `table` float32 (tokens, width). A text's row depends on that text only.
    """

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        (table,) = load_file(weights).values()
        self.table: npt.NDArray[np.float32] = table.astype(np.float32)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @property
    def width(self) -> int:
        return self.table.shape[1]

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(texts), width), rows of length 1; an empty or blank text is a row of zeros."""
        rows = np.zeros((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            part = [text.strip() for text in texts[start : start + BATCH]]
            filled = [i for i, text in enumerate(part) if text]
            if not filled:
                continue
            encoded = self._tokenizer.encode_batch_fast([part[i] for i in filled], add_special_tokens=False)
            ids = [encoding.ids for encoding in encoded]
            starts = np.cumsum([0, *(len(tokens) for tokens in ids[:-1])])
            sums = np.add.reduceat(self.table[np.concatenate(ids)], starts, axis=0)
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            rows[[start + i for i in filled]] = sums / np.where(lengths > 0, lengths, 1)
        return rows


@cache
def static_vectors() -> StaticVectors:
    """The WordLlama vectors, fetched once from the package registry (19 MB). Raises `ModelConfigError` (see `store.get`)."""
    get("wordllama")
    return StaticVectors(*MODELS["wordllama"].paths)
