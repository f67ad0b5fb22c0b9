"""Says what is waited for, where a recommender of the user's lets one wait: else a hanging one looks like a hanging RecLoop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AFTER = 10.0
"""Seconds of silence."""

_log = logging.getLogger("recloop")
"""Without a handler of somebody's, Python prints its warnings on stderr."""


@contextmanager
def told_when_slow(name: str, what: str) -> Iterator[None]:
    """Around one thing that is asked of a recommender: `what` is said once it has taken `AFTER` seconds."""
    shown = "".join(character if character.isprintable() else "?" for character in name)
    timer = threading.Timer(AFTER, _log.warning, [f"still waiting for {shown} {what} ({AFTER:g} s so far)"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
