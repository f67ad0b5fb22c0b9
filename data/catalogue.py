"""The item table: what people and models are told of an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from .errors import DataError
from .ids import Ids


@dataclass(frozen=True, eq=False)
class ItemTable:
    """Titles, genres and other text columns, row i belonging to `ids[i]`.

    Titles are normalised (see `normalise_title`); an item without one is called by its id. Titles may repeat: ids are
    the truth. Every method raises `DataError` for an unknown id.
    """

    ids: Ids
    titles: tuple[str, ...]
    genre_sets: tuple[tuple[str, ...], ...]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other columns by name, such as "description"; one text per item, empty where unknown."""

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.titles), len(self.genre_sets), *map(len, self.fields.values())}
        if len(lengths) != 1:
            raise DataError(
                f"an item table whose columns differ in length: {sorted(lengths)}", "give one entry per item"
            )

    @classmethod
    def bare(cls, ids: Ids) -> ItemTable:
        """A table that knows nothing but the ids."""
        return cls(ids, ids.ids, ((),) * len(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"ItemTable({len(self)} items, fields: {', '.join(['title', 'genres', *self.fields])})"

    def title(self, item: str) -> str:
        """The title, or the id where there is none."""
        return self.titles[self.ids.index(item)]

    def genres(self, item: str) -> tuple[str, ...]:
        """Genres in the order of the source; empty where unknown."""
        return self.genre_sets[self.ids.index(item)]

    def field(self, name: str, item: str) -> str:
        """One other column's text for an item; raises `DataError` for an unknown column, naming those there are."""
        if name not in self.fields:
            raise DataError(
                f"no item column {name!r}", f"there are: {', '.join(self.fields) or 'none beside title, genres'}"
            )
        return self.fields[name][self.ids.index(item)]

    def text(self, item: str) -> str:
        """One line for prompts: "The Matrix (1999) — Action, Sci-Fi"."""
        position = self.ids.index(item)
        genres = ", ".join(self.genre_sets[position])
        return f"{self.titles[position]} — {genres}" if genres else self.titles[position]

    def take(self, positions: NDArray[Any]) -> ItemTable:
        """The rows at `positions`, in that order."""
        chosen = positions.tolist()
        return ItemTable(
            self.ids.take(positions),
            tuple(self.titles[position] for position in chosen),
            tuple(self.genre_sets[position] for position in chosen),
            {name: tuple(column[position] for position in chosen) for name, column in self.fields.items()},
        )
