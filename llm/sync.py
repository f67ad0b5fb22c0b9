"""A way into the door for code that is not async (LangChain's `invoke`, DSPy programs)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end and return its result, from any thread, also one whose own event loop is running.

    All such work shares one event loop in one background thread, so that connections are kept between calls.
    """
    return asyncio.run_coroutine_threadsafe(work, _background()).result()


def _background() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="recloop-sync", daemon=True).start()
        return _loop
