"""How long work tells how far it is: stages with totals. The command line draws bars; a notebook or test may stay silent."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def stage(self, name: str, total: int) -> None:
        """A new stage of `total` steps begins."""
        ...

    def advance(self, steps: int = 1) -> None: ...

    def note(self, text: str) -> None:
        """One line a person should see."""
        ...


class Silent:
    """Says nothing."""

    def stage(self, name: str, total: int) -> None: ...
    def advance(self, steps: int = 1) -> None: ...
    def note(self, text: str) -> None: ...
