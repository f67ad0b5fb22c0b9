"""Pages of held-out and unmet items: what an agent, or a baseline, has to tell apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ...agents.randomness import shuffled
from ...agents.unmet import Negatives, Unmet
from ...data import Dataset, Ids, ItemTable, PromptGuard, Split

LEAST_HISTORY = 5
"""Training rows of a user below which there is nothing to make a persona of."""

_YEAR = re.compile(r"\((\d{4})\)\s*$")


class TastePage(NamedTuple):
    """One user's page: `labels` are 1 where the item was held out, 0 where the user never met it."""

    user: str
    kind: Negatives
    ratio: int
    items: tuple[str, ...]
    labels: tuple[int, ...]


def positives_on(page: int, ratio: int) -> int:
    """Held-out items among `page` at one to `ratio` (Agent4Rec section 4.1: 20 / (m + 1) of 20)."""
    return max(1, round(page / (ratio + 1)))


def judgeable(split: Split, least: int, seed: int) -> list[str]:
    """Users with `least` held-out rows and a history to make a persona of, in an order drawn from the seed."""
    train, held = split.train.activity(), split.test.activity()
    order = shuffled(len(train), seed, "align").tolist()
    return [split.train.users.ids[i] for i in order if held[i] >= least and train[i] >= LEAST_HISTORY]


def draw_pages(
    split: Split,
    guard: PromptGuard,
    users: Sequence[str],
    kinds: Sequence[Negatives],
    ratios: Sequence[int],
    size: int,
    seed: int,
) -> list[TastePage]:
    """A page for every user, kind of negatives and ratio. Held-out items nest: a higher ratio's are among a lower one's.

    A user for whom a page of `size` items cannot be filled has none of that kind and ratio. Labels come from the guard.
    """
    train, held, unmet = split.train, split.test, Unmet(split.train, seed)
    pages: list[TastePage] = []
    for user in users:
        own = held.history(user)
        met = [*train.history(user).positions.tolist(), *own.positions.tolist()]
        if split.valid is not None:
            met += split.valid.history(user).positions.tolist()
        chosen = [int(own.positions[i]) for i in shuffled(len(own), seed, "held out", user)]
        for kind in kinds:
            for ratio in ratios:
                positives = chosen[: positives_on(size, ratio)]
                drawn = [*positives, *unmet.draw(user, met, size - len(positives), kind, near=positives)]
                if len(drawn) < size:
                    continue
                order = shuffled(size, seed, "page", user, kind, ratio).tolist()
                items = tuple(train.items.ids[drawn[i]] for i in order)
                labels = tuple(row.label for row in guard.labelled(user, items))
                pages.append(TastePage(user, kind, ratio, items, labels))
    return pages


def masked(train: Dataset, genres_in_title: bool) -> Dataset:
    """The same rows over items that are called by a neutral code; year and genres stay, positions stay.

    Ids are replaced as well: a model may know those of a public catalogue. `genres_in_title`: where titles alone are read.
    """
    count = len(train.items)
    codes = tuple(f"item {place + 1:05d}" for place in shuffled(count, 0, "codes").tolist())
    titles = []
    for code, title, genres in zip(codes, train.catalogue.titles, train.catalogue.genre_sets, strict=True):
        year = _YEAR.search(title)
        name = f"{', '.join(genres)}, {code}" if genres_in_title and genres else code
        titles.append(f"{name} ({year[1]})" if year else name)
    ids = Ids(codes, kind=train.items.kind)
    table = ItemTable(ids, tuple(titles), train.catalogue.genre_sets)
    return replace(train, items=ids, catalogue=table, name=f"{train.name}, titles masked")
