"""Which queries are the same one: case, spaces and Unicode's several spellings of a letter make no difference."""

from __future__ import annotations

import unicodedata

_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
"""Characters that nobody sees and that come in by copying: soft hyphen, zero-width space, word joiner, byte-order mark."""


def query_key(text: str) -> str:
    """The form under which a query is kept and looked up. A key's key is itself."""
    if text.isascii():
        return " ".join(text.casefold().split())
    # Unicode's own caseless match: some letters decompose only when folded, and fold only when decomposed.
    folded = unicodedata.normalize("NFD", text.translate(_UNSEEN)).casefold()
    folded = unicodedata.normalize("NFKC", folded).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
