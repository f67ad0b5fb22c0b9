"""Progress bars with the time left, fed by a rehearsal's stages."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Bars:
    """One bar per stage, on stderr; plain lines where the output is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.plain = not self.console.is_terminal
        self.bars = RichProgress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or self.plain,
        )
        self.task: TaskID | None = None
        self._done = self._total = 0
        self._name = ""

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.bars.stop()

    def stage(self, name: str, total: int) -> None:
        self._name, self._done, self._total = name, 0, total
        self.task = self.bars.add_task(name, total=total)

    def advance(self, steps: int = 1) -> None:
        if self.task is not None:
            self.bars.advance(self.task, steps)
        before, self._done = self._done, self._done + steps
        tenth = max(1, self._total // 10)
        if self.plain and (before // tenth != self._done // tenth or self._done == self._total):
            self.console.print(f"{self._name}: {self._done}/{self._total}", markup=False, highlight=False)

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)
