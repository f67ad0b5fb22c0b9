"""What somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 12
"""Names listed where none is near."""
LONGEST = 100
"""Characters of a wrong name that are looked at, or said again."""


def near(name: str, there: Iterable[str]) -> str:
    """`did you mean ...?` where a name is near, else an empty text."""
    found = get_close_matches(name[:LONGEST], list(there), n=3)
    return f"did you mean {', '.join(found)}?" if found else ""


def near_or_all(name: str, there: Iterable[str]) -> str:
    """The near names, or those that there are, as the second line of an error."""
    names = list(there)
    more = ", …" if len(names) > MOST else ""
    return near(name, names) or f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:MOST]) or 'none'}{more}"
