"""What a layout's reader is asked for, and what it hands over to be cleaned and put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..report import Tally
from ..scale import RatingScale

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TextTable:
    """One file as text columns (pyarrow string arrays of equal length) with the line each row came from."""

    file: str
    columns: Mapping[str, pa.ChunkedArray]
    lines: NDArray[np.int64]
    tally: Tally
    """Rows that could not be taken apart; they are not in `columns`."""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class Request:
    """What the caller said: columns by role, an item table of their own, the kind of feedback."""

    columns: Mapping[str, str] = field(default_factory=dict)
    items: Path | None = None
    feedback: str | None = None


@dataclass(frozen=True)
class Pieces:
    """One dataset, read but not yet cleaned. `roles` and `item_roles` map a role to a column of the table."""

    rows: TextTable
    roles: Mapping[str, str]
    item_table: Callable[[], TextTable] | None = None
    """Reads the item table; called after the rows, so that a bad table of rows is refused first."""
    item_roles: Mapping[str, str] = field(default_factory=dict)
    genre_separator: str | None = None
    """None: found out from the texts."""
    scale: RatingScale | None = None
    core: int = 0
    """The k-core that is this dataset's default view; 0 for all rows."""
    name: str = ""
    licence: str = ""
    notes: Sequence[str] = ()


class Layout(Protocol):
    """The face of a reader module."""

    @property
    def NAME(self) -> str: ...

    def claims(self, path: Path) -> bool:
        """Whether `path` looks like this layout: cheap, by names and at most a header, never raising."""
        ...

    def read(self, path: Path, request: Request) -> Pieces:
        """Read it. Raises `DataError` only."""
        ...
