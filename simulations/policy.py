"""The recommender in the loop: what each user is shown on each page, in which order, with which propensity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..agents.actions import Exposure, Slate
from ..agents.randomness import uniform

if TYPE_CHECKING:
    from ..data import Dataset
    from ..methods.recommenders import Ranking, Recommender


class Policy:
    """Turns a recommender into slates. Frozen (default): one ranking per user, cut into pages. With `refit_every` = k the
    recommender is refitted every k pages on the training rows plus what was chosen so far.

    Nothing seen in training and nothing already shown is shown again. The ranking's own order is `slot`; the order a
    user sees is `shown_at` (shuffled per page unless turned off). Propensities are the ranking's own: 1 for a
    deterministic recommender.
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
        self._chosen: list[tuple[str, str, float | None]] = []
        self._shown: dict[str, list[str]] = {user: [] for user in self.users}
        self._fit_page = 0

    @property
    def policy_id(self) -> str:
        base = getattr(self.recommender, "policy_id", self.recommender.name)
        return base if not self.refit_every else f"{base}+refit{self.refit_every}@{self._fit_page}"

    async def open(self) -> None:
        """Rank for every user once (frozen), or for the first stretch (refitting)."""
        await self._rank(self.users, self.refit_every or self.pages)

    async def page(self, page: int, users: Sequence[str]) -> dict[str, Slate]:
        """The slates of one page. Users whose ranking is used up are left out: there is nothing more to show."""
        if self.refit_every and page > 0 and page % self.refit_every == 0 and self._fit_page != page:
            self.recommender.fit(augmented(self.train, self._chosen))
            self._fit_page = page
            await self._rank(users, min(self.refit_every, max(1, self.pages - page)))
        start = (page - self._fit_page) * self.page_size
        slates = {}
        for user in users:
            ranking, here = self._rankings[user], slice(start, start + self.page_size)
            if ranking.items[here]:
                slates[user] = self._slate(user, page, ranking, here)
        return slates

    def shown(self, slate: Slate, chosen: Iterable[tuple[str, float | None]]) -> None:
        """Take note, at commit time, of what was shown and chosen (item, rating): refits learn from it."""
        self._shown[slate.agent].extend(e.item for e in slate.exposures)
        self._chosen.extend((slate.agent, item, rating) for item, rating in chosen)

    async def _rank(self, users: Sequence[str], pages: int) -> None:
        k = pages * self.page_size
        exclude = {user: tuple(self._shown[user]) for user in users} if any(self._shown[u] for u in users) else None
        many: Any = getattr(self.recommender, "atop_many", None)
        if many is not None:
            rankings = await many(users, k, exclude_seen=True, exclude=exclude)
        else:
            rankings = self.recommender.top_many(users, k, exclude_seen=True, exclude=exclude)
        self._rankings.update(zip(users, rankings, strict=True))

    def _slate(self, user: str, page: int, ranking: Ranking, here: slice) -> Slate:
        items, scores, propensities = ranking.items[here], ranking.scores[here], ranking.propensities[here]
        order = range(len(items))
        if self.shuffle_slots:
            draws = [uniform(self.seed, "slot", user, page, item) for item in items]
            order = np.argsort(np.argsort(draws, kind="stable"), kind="stable")
        exposures = tuple(
            Exposure(
                item=item,
                slot=slot,
                shown_at=int(order[slot]),
                score=float(scores[slot]),
                propensity=float(propensities[slot]),
                policy=self.policy_id,
            )
            for slot, item in enumerate(items)
        )
        return Slate(user, page, exposures)


def augmented(train: Dataset, chosen: Sequence[tuple[str, str, float | None]]) -> Dataset:
    """The training data plus simulated interactions: the given rating, or without one the top of the scale (1 for implicit data)."""
    if not chosen:
        return train
    plain = train.scale.high if train.scale is not None else 1.0
    users = [train.users.index(user) for user, _, _ in chosen]
    items = [train.items.index(item) for _, item, _ in chosen]
    values = [plain if rating is None else rating for _, _, rating in chosen]
    return train.with_rows(users, items, values)
