"""Ids: the ordered names of users or items, and their positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, near


def natural_order(ids: Iterable[str]) -> list[str]:
    """Ids in the order people expect: by number where all are plain digits ("2" before "10"), else by text."""
    names = list(ids)
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (len(name), name))
    return sorted(names)


@dataclass(frozen=True, eq=False)
class Ids:
    """Ordered distinct ids (strings) of one `kind` ("user" or "item"); position i is row or column i everywhere.

    `index` raises `DataError` for an unknown id, naming near matches.
    """

    ids: tuple[str, ...]
    kind: str = "item"

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def __getitem__(self, position: int) -> str:
        return self.ids[position]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and self.ids == other.ids

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        return f"Ids({len(self.ids)} {self.kind}s)"

    def index(self, name: str) -> int:
        """Position of one id."""
        try:
            return self._positions[name]
        except KeyError:
            hint = (
                near(str(name), self.ids[:20_000]) or f"ids are strings, such as {', '.join(map(repr, self.ids[:3]))}"
            )
            raise DataError(f"no {self.kind} with id {name!r} among {len(self.ids):,} {self.kind}s", hint) from None

    def indices(self, names: Iterable[str]) -> NDArray[np.int32]:
        """Positions of many ids: int32, in the order given."""
        known = self._positions
        chosen = list(names)
        try:
            return np.fromiter((known[name] for name in chosen), dtype=np.int32, count=len(chosen))
        except KeyError:
            for name in chosen:
                self.index(name)
            raise

    def take(self, positions: NDArray[Any]) -> Ids:
        """The ids at `positions`, in that order."""
        return Ids(tuple(self.ids[position] for position in positions.tolist()), self.kind)
