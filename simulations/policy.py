"""The recommender in the loop: what each user is shown on each page, in which order, with which propensity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..agents.actions import Exposure, Slate
from ..agents.randomness import keys, uniforms
from ..methods.recommenders import RecommenderError

if TYPE_CHECKING:
    from ..data import Dataset
    from ..methods.recommenders import Ranking, Recommender


class Shows(Protocol):
    """What decides who is shown what: a `Policy`, the slates of a recording, a fork's."""

    @property
    def policy_id(self) -> str: ...
    @property
    def problems(self) -> list[str]: ...
    async def open(self) -> None: ...
    async def page(self, page: int, users: Sequence[str]) -> dict[str, Slate]: ...
    def more(self, slate: Slate) -> bool: ...
    def shown(self, slate: Slate, chosen: Iterable[tuple[str, float | None]]) -> None: ...


class Policy:
    """Turns a recommender into slates. Frozen (default): one ranking per user, cut into pages. With `refit_every` = k the
    recommender is refitted every k pages on the training rows plus what was chosen so far.

    Nothing seen in training and nothing already shown (`shown` takes note) is shown again. The ranking's own order is
    `slot`; the order a user sees is `shown_at` (shuffled per page unless turned off). The propensity is what the
    recommender's `propensity(user, page, item)` says if it has that method, else what its ranking says: 1 unless it
    draws its slates.
    """

    def __init__(
        self,
        recommender: Recommender,
        train: Dataset,
        users: Sequence[str],
        *,
        page_size: int,
        pages: int,
        seed: int,
        refit_every: int = 0,
        shuffle_slots: bool = True,
    ) -> None:
        self.recommender, self.train, self.users = recommender, train, list(users)
        self.page_size, self.pages, self.seed = page_size, pages, seed
        self.refit_every, self.shuffle_slots = refit_every, shuffle_slots
        self._rankings: dict[str, Ranking] = {}
        self._asked: dict[str, int] = {}
        """How many items each ranking was asked for."""
        self._chosen: list[tuple[str, str, float | None]] = []
        self._shown: dict[str, set[str]] = {user: set() for user in self.users}
        self._fit_page = 0

    @property
    def policy_id(self) -> str:
        base = getattr(self.recommender, "policy_id", self.recommender.name)
        return base if not self.refit_every else f"{base}+refit{self.refit_every}@{self._fit_page}"

    @property
    def problems(self) -> list[str]:
        """What was wrong with the recommender's answers, a line for each kind."""
        return [f"{self.recommender.name}: {line}" for line in self.recommender.problems.lines()]

    async def open(self) -> None:
        """Rank for every user once (frozen), or for the first stretch (refitting)."""
        await self._rank(self.users, 0)

    async def page(self, page: int, users: Sequence[str]) -> dict[str, Slate]:
        """The slates of one page. Users whose ranking is used up are left out: there is nothing more to show."""
        if self._refits_at(page) and self._fit_page != page:
            self.recommender.fit(augmented(self.train, self._chosen))
            self._fit_page = page
            self._rankings.clear()
        await self._rank([user for user in users if user not in self._rankings or self._runs_out(user)], page)
        places = {user: left for user in users if (left := self._left(user)[: self.page_size])}
        return self._slates(page, places)

    def more(self, slate: Slate) -> bool:
        """Whether anything is left to show its user beside this slate (True where a refit will decide that)."""
        left = (self._rankings[slate.agent].items[place] for place in self._left(slate.agent))
        more = any(item not in slate.items for item in left)
        return more or self._refits_at(slate.page + 1) or self._cut_short(slate.agent)

    def shown(self, slate: Slate, chosen: Iterable[tuple[str, float | None]]) -> None:
        """Take note, at commit time, of what was shown and chosen (item, rating): refits learn from it."""
        self._shown[slate.agent].update(slate.items)
        self._chosen.extend((slate.agent, item, rating) for item, rating in chosen)

    def _runs_out(self, user: str) -> bool:
        """Whether a page cannot be filled from a ranking that goes on further down: more was shown than pages hold (a slate
        put in by hand, larger pages before a fork)."""
        return self._cut_short(user) and len(self._left(user)) < self.page_size

    def _cut_short(self, user: str) -> bool:
        """Whether the user's ranking was as long as it was asked for, so that there may be more."""
        return len(self._rankings[user].items) >= self._asked.get(user, 0) > 0

    def _refits_at(self, page: int) -> bool:
        return self.refit_every > 0 and page > 0 and page % self.refit_every == 0

    def _left(self, user: str) -> list[int]:
        """Places in the user's ranking that have not been shown, best first."""
        shown = self._shown[user]
        return [place for place, item in enumerate(self._rankings[user].items) if item not in shown]

    async def _rank(self, users: Sequence[str], page: int) -> None:
        """Rank for these users, as far as is needed until the next refit or the end."""
        if not users:
            return
        ahead = self.pages - page
        if self.refit_every:
            ahead = min(ahead, self.refit_every - page % self.refit_every)
        k = max(1, ahead) * self.page_size
        exclude = {user: tuple(sorted(self._shown[user])) for user in users if self._shown[user]} or None
        many: Any = getattr(self.recommender, "atop_many", None)
        if many is not None:
            rankings = await many(users, k, exclude_seen=True, exclude=exclude)
        else:
            rankings = self.recommender.top_many(users, k, exclude_seen=True, exclude=exclude)
        self._rankings.update(zip(users, rankings, strict=True))
        self._asked.update(dict.fromkeys(users, k))

    def _slates(self, page: int, places: dict[str, list[int]]) -> dict[str, Slate]:
        """One slate per user from places in that user's ranking; all orders of the page are drawn in one go."""
        owners = [user for user, own in places.items() for _ in own]
        items = [self._rankings[user].items[place] for user, own in places.items() for place in own]
        draws = (
            uniforms(self.seed, "slot", keys(owners), page, keys(items))
            if self.shuffle_slots
            else np.arange(len(items))
        )
        policy, propensity = self.policy_id, getattr(self.recommender, "propensity", None)
        slates, start = {}, 0
        for user, own in places.items():
            shown_at = draws[start : start + len(own)].argsort(kind="stable").argsort(kind="stable").tolist()
            start += len(own)
            slates[user] = self._slate(user, page, own, shown_at, policy, propensity)
        return slates

    def _slate(
        self,
        user: str,
        page: int,
        places: Sequence[int],
        shown_at: Sequence[int],
        policy: str,
        propensity: Callable[[str, int, str], float] | None,
    ) -> Slate:
        ranking = self._rankings[user]
        exposures = []
        for slot, place in enumerate(places):
            item, p = ranking.items[place], ranking.propensities[place]
            exposures.append(
                Exposure(
                    item=item,
                    slot=slot,
                    shown_at=shown_at[slot],
                    score=float(ranking.scores[place]),
                    propensity=float(p) if propensity is None else self._stated(propensity, user, page, item),
                    policy=policy,
                )
            )
        return Slate(user, page, tuple(exposures))

    def _stated(self, propensity: Callable[[str, int, str], float], user: str, page: int, item: str) -> float:
        """The recommender's own propensity. Raises `RecommenderError` where it is no probability."""
        where = f"{self.recommender.name}: propensity for user {user!r}, page {page}, item {item!r}"
        try:
            stated = propensity(user, page, item)
            chance = float(stated)
        except (Exception, SystemExit) as error:
            raise RecommenderError(
                f"{where} failed: {type(error).__name__}: {error}\n  recloop --traceback shows where"
            ) from error
        if not 0 <= chance <= 1:  # NaN is not either
            raise RecommenderError(f"{where} is {stated!r:.40}\n  it must be a probability, from 0 to 1")
        return chance


def augmented(train: Dataset, chosen: Sequence[tuple[str, str, float | None]]) -> Dataset:
    """The training data plus simulated interactions: the given rating, or without one the top of the scale (1 for implicit data)."""
    if not chosen:
        return train
    plain = train.scale.high if train.scale is not None else 1.0
    users = [train.users.index(user) for user, _, _ in chosen]
    items = [train.items.index(item) for _, item, _ in chosen]
    values = [plain if rating is None else rating for _, _, rating in chosen]
    return train.with_rows(users, items, values)
