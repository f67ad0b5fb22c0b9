"""Progress bars with the time left, fed by a rehearsal's stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from .output import note

SILENT = 30.0
"""Seconds after which a plain line is due, however little has been done."""


class Bars:
    """One bar per stage, on stderr; where stderr is no terminal a plain line per fifth, and at least every half minute."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.plain = not self.console.is_terminal
        self.bars = RichProgress(
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left", style="dim"),
            TimeRemainingColumn(),
            console=self.console,
            disable=self.plain,
        )
        self.task: TaskID | None = None
        self._done = self._total = 0
        self._said = 0.0
        self._name = ""

    @property
    def begun(self) -> bool:
        """Whether a stage has begun: until then there is nothing that could be lost."""
        return self.task is not None

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """No bars while a person is asked something in the terminal."""
        self.bars.stop()
        try:
            yield
        finally:
            self.bars.start()

    def stage(self, name: str, total: int) -> None:
        """A new bar begins."""
        self._name, self._done, self._total, self._said = name, 0, total, time.monotonic()
        self.task = self.bars.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        """`steps` more are done."""
        if steps <= 0:
            return
        if self.task is not None:
            self.bars.advance(self.task, steps)
        before, self._done = self._done, self._done + steps
        fifth = max(1, self._total // 5)
        due = before // fifth != self._done // fifth or self._done == self._total
        if self.plain and (due or time.monotonic() - self._said > SILENT):
            self._said = time.monotonic()
            note(f"{self._name}: {self._done}/{self._total}")

    def note(self, text: str) -> None:
        """One line a person should see, above the bars."""
        note(text)
