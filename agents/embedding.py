"""Text to vectors for memory retrieval: a hashing bag of words that needs no model, and a cache around any embedder."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .randomness import key

Vectors: TypeAlias = npt.NDArray[np.floating[Any]]
Embed: TypeAlias = Callable[[list[str]], Vectors]
"""Texts -> one row each. A row depends on its own text only."""

_WORD = re.compile(r"\w+")
WIDTH = 256


def hashed_words(texts: list[str], width: int = WIDTH) -> Vectors:
    """Signed hashing of words and of their first five letters, log counts, unit rows (Weinberger et al., ICML 2009).

    float32 (n, width); a text without a word is a row of zeros. The same on every machine.
    """
    rows = np.zeros((len(texts), width), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        counts: dict[int, int] = {}
        for word in _WORD.findall(text.casefold()):
            for feature in {word, word[:5]}:
                hashed = key(feature)
                counts[hashed] = counts.get(hashed, 0) + 1
        for hashed, count in sorted(counts.items()):
            row[hashed % width] += (1.0 if hashed >> 63 else -1.0) * np.log1p(count)
        length = float(np.linalg.norm(row))
        if length > 0:
            row /= length
    return rows


class CachedEmbedder:
    """An embedder that asks for each text once; the least recently used of `size` texts are dropped."""

    def __init__(self, embed: Embed, size: int = 20_000) -> None:
        self.embed, self.size = embed, size
        self._rows: OrderedDict[str, Vectors] = OrderedDict()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        found = {text: self._rows[text] for text in texts if text in self._rows}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            rows = np.asarray(self.embed(missing), dtype=np.float32)
            if rows.ndim != 2 or len(rows) != len(missing) or not np.isfinite(rows).all():
                raise ValueError(
                    f"the embedder gave an array of shape {rows.shape} for {len(missing)} texts: one finite row each is needed"
                )
            found |= dict(zip(missing, rows, strict=True))
        for text in texts:
            self._rows[text] = found[text]
            self._rows.move_to_end(text)
        while len(self._rows) > self.size:
            self._rows.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, 1), dtype=np.float32)


@lru_cache(maxsize=8)
def cached(embed: Embed | None = None) -> CachedEmbedder:
    """The one cache of this embedder in this process; None is `hashed_words`."""
    return embed if isinstance(embed, CachedEmbedder) else CachedEmbedder(embed or hashed_words)
