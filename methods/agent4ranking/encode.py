"""Texts to vectors by a frozen encoder, each computed once on this machine."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatTable = NDArray[np.float32]
Embed = Callable[[Sequence[str]], FloatTable]
Tell = Callable[[str], None]

AT_ONCE = 256
"""Texts between two writes to the cache: what is lost when the process is killed."""
EVERY = 10.0
"""Seconds between two words about how far it is."""


class Encoder:
    """Text vectors with a memory: float32 (texts, width), a blank text is a row of zeros.

    `identity` names the model and its settings; vectors of two identities are never mixed. Vectors are kept as float16, in
    one SQLite file, a row per text by the SHA-256 of identity and text, and are rounded so before they are used the first
    time, too: what is learnt does not depend on whether the cache was warm.
    """

    def __init__(self, embed: Embed, identity: str, width: int, folder: Path | None = None) -> None:
        self.identity, self.width = identity, width
        self._embed = embed
        if folder is None:
            from ...llm.local.store import cache_folder

            folder = cache_folder() / "vectors"
        self.file = folder / "texts.sqlite"

    def __call__(self, texts: Sequence[str], tell: Tell | None = None) -> FloatTable:
        """The vectors of `texts`; only new ones are computed, and `tell` hears how long that takes."""
        rows: dict[str, FloatTable] = {}
        with closing(self._open()) as cache:
            missing = []
            for text in dict.fromkeys(texts):
                found = cache.execute("SELECT vector FROM texts WHERE key = ?", (self._key(text),)).fetchone()
                if found is not None and len(found[0]) == 2 * self.width:
                    rows[text] = np.frombuffer(found[0], np.float16).astype(np.float32)
                else:
                    missing.append(text)
            # Long texts last: the pace of the first ones never promises too little.
            missing.sort(key=len)
            self._compute(missing, rows, cache, tell)
        return np.stack([rows[text] for text in texts]) if texts else np.empty((0, self.width), np.float32)

    def _compute(self, missing: list[str], rows: dict[str, FloatTable], cache: Any, tell: Tell | None) -> None:
        began = told = time.monotonic()
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            vectors = self._embed(part).astype(np.float16)
            with cache:
                cache.executemany(
                    "INSERT OR REPLACE INTO texts VALUES (?, ?)",
                    [(self._key(text), row.tobytes()) for text, row in zip(part, vectors, strict=True)],
                )
            rows.update(zip(part, vectors.astype(np.float32), strict=True))
            done, now = start + len(part), time.monotonic()
            if tell is not None and now - told > EVERY and done < len(missing):
                told = now
                left = (now - began) / done * (len(missing) - done)
                tell(f"encoded {done:,} of {len(missing):,} texts, about {left:.0f} s left")

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.identity}\n{text}".encode("utf-8", errors="surrogatepass")).digest()

    def _open(self) -> sqlite3.Connection:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged: it is only a cache
            self.file.unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        cache = sqlite3.connect(self.file, timeout=60)
        try:
            cache.execute("PRAGMA journal_mode = WAL")
            cache.execute("CREATE TABLE IF NOT EXISTS texts (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
        except sqlite3.DatabaseError:
            cache.close()
            raise
        return cache


def minilm_encoder(max_tokens: int = 48, folder: Path | None = None) -> Encoder:
    """The shipped encoder: MiniLM-L6, 384 wide; its identity has the weights' SHA-256 and the tokens looked at in it."""
    from ...llm.local.minilm import minilm
    from ...llm.local.store import MODELS

    def embed(texts: Sequence[str]) -> FloatTable:
        return minilm().embed(texts, max_tokens)

    return Encoder(embed, f"minilm-{MODELS['minilm'].members[0].sha256[:16]}-{max_tokens}", 384, folder)
