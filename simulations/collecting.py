"""Python's search for garbage, kept off what was there before the work began."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

NEW = 10_000
"""New objects that start a search; Python's own 700 are those of a page or two."""


@contextmanager
def set_aside() -> Iterator[None]:
    """What is in memory now is not searched for garbage meanwhile: libraries and data make a full search take as long as a
    hundred replayed pages, and nothing of them becomes garbage. What comes after is searched, less often: a page makes
    much that lives until it is committed, and little that refers to itself."""
    if gc.get_freeze_count():  # somebody's own, or that of a rehearsal around this one
        yield
        return
    often = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(NEW, often[0]) if often[0] else 0, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()
