"""How alike two texts are, word by word: n-grams as hashes, and the overlap of their sets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..agents.randomness import key

WORD = re.compile(r"\{\{\s*\w+\s*\}\}|[^\W_]+(?:['’][^\W_]+)*")
_STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers never vanish modulo 2**64


def words(text: str) -> list[str]:
    """The words of a text as they are spelled, without punctuation; a `{{field}}` is one word."""
    return WORD.findall(unicodedata.normalize("NFKC", text))


def folded(text: str) -> list[str]:
    """The words of a text without regard to capitals."""
    return [word.casefold().replace("’", "'") for word in words(text)]


def normal(text: str) -> str:
    """A text without regard to capitals and blanks: equal ones are one prompt."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def ngrams(folds: Sequence[str], n: int) -> NDArray[np.uint64]:
    """A 64-bit hash of every `n` words in a row, in order, shape (len(folds) - n + 1,)."""
    count = len(folds) - n + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64)
    keys = np.fromiter((key(word) for word in folds), dtype=np.uint64, count=len(folds))
    hashes = np.zeros(count, dtype=np.uint64)
    for i in range(n):  # Horner's scheme, modulo 2**64
        hashes = hashes * _STEP + keys[i : i + count]
    return hashes


def jaccard(first: Sequence[str], second: Sequence[str], n: int = 1) -> float:
    """Shared n-grams over all n-grams of two texts, 0 to 1; texts shorter than n are compared whole."""
    n = max(1, min(n, len(first), len(second)))
    a, b = (set(zip(*(text[i:] for i in range(n)), strict=False)) for text in (first, second))
    return len(a & b) / len(a | b) if a or b else 1.0
