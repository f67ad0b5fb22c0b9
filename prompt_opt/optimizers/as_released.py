"""Parts of published code that are wrong, kept to show what they do. Nothing here scores a search."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"\d+")


def released_rank(text: str, title: str) -> int | None:
    """The rank that PO4ISR's released parser reads: the last integer before the last mention of the target's title.

    A number inside another title, or a candidate's index, is taken for the rank. None where the title or an integer is
    missing.
    """
    at = text.rfind(title)
    numbers = _INTEGER.findall(text[:at]) if at >= 0 else []
    return int(numbers[-1]) if numbers else None
