"""Ctrl-C and SIGTERM (how a cluster ends a job): the first one stops a rehearsal at its last page, a second one at once."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType
from typing import Any, TypeVar

import typer

from .output import INTERRUPTED, TERMINATED, note

T = TypeVar("T")

_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""The signals, and how Python starts out with them."""


class Stopped(typer.Exit):
    """Work that a signal ended: the command ends too, with the signal's exit code."""


def run_stoppable(
    work: Coroutine[Any, Any, T], *, under_way: Callable[[], bool] = lambda: False, unit: str = "page"
) -> T:
    """`asyncio.run` that a signal stops; raises `Stopped`.

    What is printed meanwhile, by a recommender of the user's say, goes to stderr: stdout is for what comes of it.
    While `under_way` says so, the first signal cancels the work, which then leaves things in order. At any other time,
    and at a second signal, it is interrupted where it stands, inside a long computation too. `unit`: what it is recorded by.
    """
    signals: list[signal.Signals] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def watched() -> T:
        if task := asyncio.current_task():
            running.append((asyncio.get_running_loop(), task))
        return await work

    def stop(number: int, frame: FrameType | None) -> None:
        signals.append(signal.Signals(number))
        if len(signals) > 1 or not running or not under_way():
            raise KeyboardInterrupt
        loop, task = running[0]
        loop.call_soon_threadsafe(cancel, task)

    def cancel(task: asyncio.Task[Any]) -> None:
        note(f"stopping at the last whole {unit} (again: at once)")
        task.cancel()

    try:
        with _handled(stop), redirect_stdout(sys.stderr):
            return asyncio.run(watched())
    except (KeyboardInterrupt, asyncio.CancelledError):
        for number in _USUAL:  # the command ends now; let it say how to go on
            signal.signal(number, signal.SIG_IGN)
        raise Stopped(_CODES[signals[0] if signals else signal.SIGINT]) from None


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Both signals go to `handler`; one that is ignored (nohup, a job in the background) stays so."""
    ours = [number for number, default in _USUAL.items() if signal.getsignal(number) is default]
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _USUAL[number])
