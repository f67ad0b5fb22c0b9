"""Python's search for garbage, kept off what was there before the work began."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def set_aside() -> Iterator[None]:
    """What is in memory now is not searched for garbage meanwhile: libraries and data make a full search take as long as a
    hundred replayed pages, and nothing of them becomes garbage. What comes after is searched as ever."""
    if gc.get_freeze_count():  # somebody's own, or that of a rehearsal around this one
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
