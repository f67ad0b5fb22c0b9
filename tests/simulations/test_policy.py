"""The recommender in the loop: what is shown, in which order, what a refit learns from, with which propensity."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recloop.agents.actions import Slate
from recloop.data import Dataset, from_rows
from recloop.evaluators import Ranking
from recloop.methods.recommenders import RecommenderError, open_recommender
from recloop.simulations.policy import Policy
from rehearsing import events, rehearse, settings, status

USERS = [f"u{n}" for n in range(6)]
ITEMS = [f"m{n:02d}" for n in range(20)]


@pytest.fixture(scope="module")
def train() -> Dataset:
    """User n has seen items n and n + 1; the rest of the catalogue was seen by somebody else."""
    rows = [(user, ITEMS[n + i], 3) for n, user in enumerate(USERS) for i in (0, 1)]
    return from_rows([*rows, *(("other", item, 5) for item in ITEMS)], scale=(1, 5))


class Spy:
    """Ranks by the catalogue's order, and remembers what it was fitted on and asked."""

    name, policy_id = "spy", "spy-1"

    def __init__(self, catalogue: Sequence[str] = ITEMS) -> None:
        self.catalogue = catalogue
        self.fitted: list[Dataset] = []
        self.asked: list[tuple[tuple[str, ...], int]] = []

    def fit(self, data: Dataset) -> Spy:
        self.fitted.append(data)
        return self

    def top_many(
        self,
        users: Sequence[str],
        k: int,
        exclude_seen: bool = True,
        exclude: Mapping[str, Collection[str]] | None = None,
    ) -> list[Ranking]:
        self.asked.append((tuple(users), k))
        rankings = []
        for user in users:
            out = {*(exclude or {}).get(user, ()), *(self.fitted[-1].history(user).items if exclude_seen else ())}
            items = [item for item in self.catalogue if item not in out][:k]
            rankings.append(Ranking(items, -np.arange(len(items), dtype=float)))
        return rankings


def policy(train: Dataset, recommender: Any, **options: Any) -> Policy:
    return Policy(recommender.fit(train), train, USERS, **{"page_size": 4, "pages": 3, "seed": 1} | options)


def walk(
    policy: Policy, pages: int, who: Any = lambda page: USERS, choose: Any = lambda slate: ()
) -> list[dict[str, Slate]]:
    """Show `pages` pages to the users `who(page)`; they choose what `choose(slate)` says."""

    async def go() -> list[dict[str, Slate]]:
        await policy.open()
        shown = []
        for page in range(pages):
            shown.append(await policy.page(page, who(page)))
            for slate in shown[-1].values():
                policy.shown(slate, choose(slate))
        return shown

    return asyncio.run(go())


def everything(pages: list[dict[str, Slate]], user: str) -> list[str]:
    return [item for page in pages if user in page for item in page[user].items]


# -- what is shown


def test_one_ranking_per_user_is_cut_into_pages(train: Dataset) -> None:
    spy = Spy()
    pages = walk(policy(train, spy), 3)
    assert spy.asked == [(tuple(USERS), 12)], "ranked once, no further than the pages reach"
    for user in USERS:
        ranked = [item for item in ITEMS if item not in train.history(user).items]
        assert everything(pages, user) == ranked[:12]
        assert [e.slot for e in pages[1][user].exposures] == [0, 1, 2, 3]
        assert [e.score for e in pages[1][user].exposures] == [-4.0, -5.0, -6.0, -7.0]


@pytest.mark.parametrize("refit_every", [0, 1, 2])
@pytest.mark.parametrize("name", ["ease", "pop", "random"])
def test_nothing_is_shown_twice_and_nothing_from_training(train: Dataset, name: str, refit_every: int) -> None:
    pages = walk(policy(train, open_recommender(name), refit_every=refit_every, pages=4), 4)
    for user in USERS:
        shown = everything(pages, user)
        assert len(shown) == 16
        assert len(set(shown)) == 16
        assert not set(shown) & set(train.history(user).items)


@pytest.mark.parametrize("refit_every", [0, 2])
def test_a_user_who_sits_pages_out_misses_nothing_and_meets_nothing_again(train: Dataset, refit_every: int) -> None:
    """A population of one's own may let users come and go."""
    spy = Spy()
    pages = walk(
        policy(train, spy, refit_every=refit_every, pages=4), 4, who=lambda page: USERS[:3] if page in (0, 2) else USERS
    )
    for user in USERS[3:]:
        ranked = [item for item in ITEMS if item not in train.history(user).items]
        assert everything(pages, user) == ranked[:8]


@pytest.mark.parametrize("refit_every", [0, 1])
def test_a_ranking_that_is_used_up_ends_the_visit(train: Dataset, refit_every: int) -> None:
    """Seven items, of which user 0 has seen two and the users from 6 on none."""
    pages = walk(policy(train, Spy(ITEMS[:7]), refit_every=refit_every), 3)
    assert [len(page["u0"].items) for page in pages if "u0" in page] == [4, 1]
    assert "u0" not in pages[2]


def test_whether_there_is_more_is_known_before_the_page_is_lived(train: Dataset) -> None:
    frozen = policy(train, Spy(ITEMS[:9]))
    pages = walk(frozen, 1)
    assert frozen.more(pages[0]["u0"]), "three of seven are left"
    second = asyncio.run(frozen.page(1, USERS))
    assert not frozen.more(second["u0"])
    frozen.shown(second["u0"], ())
    assert not frozen.more(second["u0"])


def test_users_whose_list_ends_are_interviewed_on_its_last_page(tmp_path: Path) -> None:
    lists = ["user,item,score", *(f"u{u},m{i},{60 - i}" for u in range(40) for i in range(60) if i % 8 == u % 8)]
    (tmp_path / "lists.csv").write_text("\n".join(lists))
    given = {"model": "scripted", "recommender": str(tmp_path / "lists.csv"), "pages": 5, "users": 20, "fatigue": 0.0}
    path = rehearse(settings(tmp_path, **given), tmp_path / "run")
    assert status(path)[0] == "finished"
    last = {event.agent: event for event in events(path)}
    short = [event for event in last.values() if event.page < 4 and event.data["decision"]["next"]]
    assert short, "some lists ended before the visit would have"
    assert all(event.data.get("interview") for event in last.values())
    assert sum("interview" in event.data for event in events(path)) == len(last), "once each"


# -- in which order


def test_the_shown_order_is_a_permutation_drawn_per_user_and_page(train: Dataset) -> None:
    pages = walk(policy(train, Spy()), 3)
    again = walk(policy(train, Spy()), 3)
    other = walk(policy(train, Spy(), seed=2), 3)
    orders = {(page, user): _order(slate) for page, slates in enumerate(pages) for user, slate in slates.items()}
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders.values())
    assert len(set(orders.values())) > 6
    assert orders == {(p, user): _order(slate) for p, slates in enumerate(again) for user, slate in slates.items()}
    assert orders != {(p, user): _order(slate) for p, slates in enumerate(other) for user, slate in slates.items()}


def _order(slate: Slate) -> tuple[int, ...]:
    return tuple(exposure.shown_at for exposure in slate.exposures)


def test_a_users_order_does_not_depend_on_who_else_is_there(train: Dataset) -> None:
    all_of_them = walk(policy(train, Spy()), 1)[0]
    alone = walk(policy(train, Spy()), 1, who=lambda page: USERS[4:5])[0]
    assert alone["u4"] == all_of_them["u4"]


def test_over_many_users_every_order_is_as_likely() -> None:
    """2,000 users, 24 orders of four items: chi-square with 23 degrees of freedom, 1 in 1,000 is above 49.7."""
    users = [f"u{n}" for n in range(2000)]
    data = from_rows([(user, "seen") for user in users] + [("other", item) for item in ITEMS])
    drawn = Policy(Spy().fit(data), data, users, page_size=4, pages=1, seed=3)

    async def first() -> dict[str, Slate]:
        await drawn.open()
        return await drawn.page(0, users)

    counts = Counter(_order(slate) for slate in asyncio.run(first()).values())
    expected = len(users) / 24
    assert len(counts) == 24
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < 49.7


def test_without_shuffling_the_recommenders_order_is_shown(train: Dataset) -> None:
    pages = walk(policy(train, Spy(), shuffle_slots=False), 3)
    assert {_order(slate) for page in pages for slate in page.values()} == {(0, 1, 2, 3)}


# -- refits


def test_a_refit_learns_from_what_was_chosen_with_the_rating_given(train: Dataset) -> None:
    """Of each page the first item is taken up and rated 2, the second taken up without a rating."""
    spy = Spy()
    loop = policy(train, spy, refit_every=2, pages=5)
    pages = walk(loop, 5, choose=lambda slate: [(slate.items[0], 2.0), (slate.items[1], None)])
    assert [len(data.log.user) - len(train.log.user) for data in spy.fitted] == [0, 24, 48]
    learned = spy.fitted[1].history("u0")
    added = dict(zip(learned.items, learned.values, strict=True))
    for page in pages[:2]:
        assert added[page["u0"].items[0]] == 2.0
        assert added[page["u0"].items[1]] == 5.0, "without a rating: the top of the scale"
        assert page["u0"].items[2] not in added
    policies = [{e.policy for slate in page.values() for e in slate.exposures} for page in pages]
    assert policies == [{"spy-1+refit2@0"}] * 2 + [{"spy-1+refit2@2"}] * 2 + [{"spy-1+refit2@4"}]
    assert [k for _, k in spy.asked] == [8, 8, 4], "no further than to the next refit, or the end"


def test_without_refits_the_recommender_is_left_alone(train: Dataset) -> None:
    spy = Spy()
    pages = walk(policy(train, spy), 3, choose=lambda slate: [(slate.items[0], 5.0)])
    assert len(spy.fitted) == 1
    assert {e.policy for page in pages for slate in page.values() for e in slate.exposures} == {"spy-1"}


def test_a_page_asked_for_again_is_the_same_page(train: Dataset) -> None:
    spy = Spy()
    loop = policy(train, spy, refit_every=1)
    walk(loop, 1)

    async def twice() -> tuple[dict[str, Slate], dict[str, Slate]]:
        return await loop.page(1, USERS), await loop.page(1, USERS)

    one, two = asyncio.run(twice())
    assert one == two
    assert len(spy.fitted) == 2


# -- propensities


def test_a_fixed_ranking_has_propensity_one_and_a_drawn_one_what_it_says(train: Dataset) -> None:
    fixed = walk(policy(train, open_recommender("ease")), 1)[0]
    assert {e.propensity for slate in fixed.values() for e in slate.exposures} == {1.0}
    drawn = walk(policy(train, open_recommender("random")), 1)[0]
    assert [e.propensity for slate in drawn.values() for e in slate.exposures] == pytest.approx([1 / 18] * 24)


EPSILON = """
class Explorer:
    def top(self, user, k, exclude):
        return [f"m{n}" for n in range(60) if f"m{n}" not in exclude][:k]

    def propensity(self, user, page, item):
        return 0.9 if int(item[1:]) % 2 else 0.1 / (page + 1)
"""


def test_a_recommender_of_ones_own_states_its_propensities(tmp_path: Path) -> None:
    (tmp_path / "explorer.py").write_text(EPSILON)
    given = {"model": "scripted", "recommender": f"{tmp_path / 'explorer.py'}:Explorer", "fatigue": 0.0, "pages": 2}
    path = rehearse(settings(tmp_path, **given), tmp_path / "run")
    shown = [(event.page, e) for event in events(path) for e in event.data["exposures"]]
    assert {page for page, _ in shown} == {0, 1}
    for page, e in shown:
        assert e["propensity"] == (0.9 if int(e["item"][1:]) % 2 else 0.1 / (page + 1))


@pytest.mark.parametrize("stated", [float("nan"), float("inf"), -0.1, 1.5, "often", None, KeyError("m"), SystemExit(1)])
def test_a_propensity_that_is_no_probability_names_user_page_and_item(train: Dataset, stated: Any) -> None:
    class Explorer:
        def top(self, user: str, k: int, exclude: Collection[str] = ()) -> list[str]:
            return [item for item in ITEMS if item not in exclude][:k]

        def propensity(self, user: str, page: int, item: str) -> Any:
            if isinstance(stated, BaseException):
                raise stated
            return stated

    with pytest.raises(RecommenderError, match=r"propensity for user 'u0', page 0, item 'm02' (is|failed)"):
        walk(policy(train, open_recommender(Explorer())), 1)
