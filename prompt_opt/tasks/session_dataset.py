"""Sessions made of any data set: what each person liked, in order; the last one is to be found among drawn others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...agents.randomness import keys, shuffled, uniforms
from ...data import DataError
from ..task import Case
from .baskets import Baskets
from .items import Item, band, ranking_case

if TYPE_CHECKING:
    from ...data import Dataset

Negatives = Literal["popularity", "uniform", "half"]

LIKED_FROM = 0.7
"""A rating from this share of the scale on is a liked one (7 of 0 to 10, 4 of 1 to 5), unless a threshold is given."""


class Drawing(NamedTuple):
    """How sessions are made. `like`: the least rating of a liked item, None: 0.7 of the scale."""

    history: int
    min_history: int
    candidates: int
    negatives: Negatives
    like: float | None
    most: int
    seed: int


class Sessions(NamedTuple):
    """Cases with what a task needs to know besides. `popular`: titles, most popular first."""

    cases: list[Case]
    baskets: Baskets
    popular: tuple[str, ...]
    notes: tuple[str, ...]


class _Person(NamedTuple):
    user: str
    history: NDArray[np.int32]
    target: int
    met: NDArray[np.int32]


def threshold(data: Dataset, like: float | None) -> float | None:
    """The least rating that says "liked"; None where nothing is rated."""
    if data.scale is None:
        if like is not None:
            raise DataError(f"like={like:g} needs ratings, and these interactions are {data.feedback}s", "leave it out")
        return None
    if like is None:
        wanted = data.scale.low + LIKED_FROM * (data.scale.high - data.scale.low)
        return min(level for level in data.scale.levels if level >= wanted - 1e-6)
    if like not in data.scale:
        raise DataError(f"like={like:g} is not on the scale {data.scale}", "give a rating of the scale")
    return like


def liked_by(data: Dataset, user: str, like: float | None) -> NDArray[np.int32]:
    """Positions of the items that the user liked, oldest first, each where it stands first."""
    rows = data.history(user)
    liked = rows.positions if like is None else rows.positions[rows.values >= like]
    return np.asarray(list(dict.fromkeys(liked.tolist())), dtype=np.int32)


def sessions_of(data: Dataset, drawing: Drawing) -> Sessions:
    """One case per drawn user with enough liked items. Raises `DataError` where no user has enough, or items are too few.

    The negatives are items that the user never met. With "popularity" they are drawn in proportion to how many others
    liked them: targets are, too, by the nature of things, so that what is famous is little help and the history has to
    tell (on MovieTweetings popularity alone reaches an NDCG@10 of 0.30 among 20, a random order 0.23). "uniform" draws all
    alike, which whoever knows what is famous finds easy (0.60); "half" is half of each (0.41).
    """
    like = threshold(data, drawing.like)
    people, few = _people(data, drawing, like)
    if not people:
        raise DataError(
            f"no user of {data.name or 'this data set'} has {drawing.min_history} liked items before the last one",
            "ask for less: --task-option min_history=2, or like=RATING",
        )
    held_out = {person.user: person.target for person in people}
    baskets = list(_baskets(data, like, held_out))
    popularity = np.bincount([item for _, items in baskets for item in items], minlength=len(data.items))
    names = data.items.ids
    cases = [_case(data, person, drawing, popularity) for person in people]
    known = Baskets((user, [names[item] for item in items]) for user, items in baskets)
    least = "liked" if like is None else f"rated {like:g} or more"
    notes = (
        f"{len(cases)} sessions of {data.name or 'a data set'}: up to {drawing.history} items {least}, the next one is the "
        f"target; {few} drawn users with fewer than {drawing.min_history} such items before it were passed over",
        f"{drawing.candidates - 1} other candidates a case, {_HOW[drawing.negatives]}, none that the user met",
    )
    if not data.log.timed:
        notes += ("the data has no times: the order of rows stands for the order of events",)
    return Sessions(cases, known, tuple(data.catalogue.title(item) for item in known.most_popular[:200]), notes)


_HOW = {
    "popularity": "drawn in proportion to popularity",
    "uniform": "drawn alike from all items",
    "half": "half drawn in proportion to popularity, half alike from all items",
}


def _people(data: Dataset, drawing: Drawing, like: float | None) -> tuple[list[_Person], int]:
    """Users in a drawn order until there are enough; how many were passed over for having liked too little."""
    found, few = [], 0
    for place in shuffled(len(data.users), drawing.seed, "sessions").tolist():
        user = data.users.ids[place]
        liked = liked_by(data, user, like)
        if len(liked) <= drawing.min_history:
            few += 1
            continue
        found.append(_Person(user, liked[:-1][-drawing.history :], int(liked[-1]), data.history(user).positions))
        if len(found) == drawing.most:
            break
    return found, few


def _baskets(data: Dataset, like: float | None, held_out: dict[str, int]) -> Iterator[tuple[str, list[int]]]:
    """What each user liked, without the items that are to be found."""
    for user in data.users.ids:
        yield user, [item for item in liked_by(data, user, like).tolist() if item != held_out.get(user)]


def _case(data: Dataset, person: _Person, drawing: Drawing, popularity: NDArray[np.int64]) -> Case:
    wanted = drawing.candidates - 1
    free = np.ones(len(data.items), dtype=bool)
    free[person.met] = False
    by_popularity = {"popularity": wanted, "uniform": 0, "half": wanted // 2}[drawing.negatives]
    taken = {data.catalogue.titles[item] for item in (*person.history.tolist(), person.target)}
    chosen: list[int] = []
    for count, weight, purpose in (
        (by_popularity, popularity.astype(float), "popular"),
        (wanted - by_popularity, np.ones(len(free)), "alike"),
    ):
        chosen += _draw(data, person.user, np.where(free, weight, 0.0), count, taken, (drawing.seed, purpose))
        free[chosen] = False
    if len(chosen) < wanted:
        raise DataError(
            f"only {len(chosen)} items are left as other candidates for user {person.user!r}",
            f"ask for fewer than {drawing.candidates}: --task-option candidates=NUMBER",
        )
    return ranking_case(
        f"user {person.user}",
        [_item(data, item) for item in person.history.tolist()],
        [_item(data, item) for item in (person.target, *chosen)],
        {data.items.ids[person.target]},
        seed=drawing.seed,
        owner=person.user,
        group=band(len(person.history)),
    )


def _draw(
    data: Dataset,
    user: str,
    weight: NDArray[np.float64],
    count: int,
    taken: set[str],
    address: tuple[int, str],
) -> list[int]:
    """`count` different items with different titles, drawn without replacement in proportion to `weight` (Efraimidis and
    Spirakis 2006: exponential waiting times, the shortest ones). `taken`: titles in use, which grows."""
    if not count:
        return []
    seed, purpose = address
    waiting = -np.log1p(-uniforms(seed, "negatives", purpose, user, keys(data.items.ids)))
    waiting = np.divide(waiting, weight, out=np.full(len(weight), np.inf), where=weight > 0)
    found: list[int] = []
    for item in np.argsort(waiting, kind="stable").tolist():
        if len(found) == count or not np.isfinite(waiting[item]):
            break
        title = data.catalogue.titles[item]
        if title not in taken:
            taken.add(title)
            found.append(item)
    return found


def _item(data: Dataset, position: int) -> Item:
    genres: Sequence[str] = data.catalogue.genre_sets[position]
    return Item(data.items.ids[position], data.catalogue.titles[position], ", ".join(genres))
