"""Re-ranking: can a prompt put a recommender's best items into a better order than the recommender did?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, PositiveFloat, PositiveInt

from ...agents.randomness import shuffled
from ...data import DataError, Dataset, load_dataset
from ...llm.types import Abilities
from ...methods.recommenders import open_recommender
from ..task import Case
from .baskets import Baskets
from .building import ListOptions, asking_of, build
from .items import Item, band, ranking_case
from .listwise import ListTask
from .session import words_of
from .session_dataset import liked_by, threshold

if TYPE_CHECKING:
    from ...evaluators import Ranking

ABOUT = "from what one person liked, among the best items of a recommender"
CASES = 300
"""Cases where `max_cases` does not say."""


class RerankOptions(ListOptions):
    """Options of `--task rerank`."""

    recommender: str = "ease"
    """Whose list: a name, module:object, URL or file, as `recloop simulate` takes it."""
    top: PositiveInt = Field(20, ge=2)
    """How many of its items are the candidates."""
    test: PositiveFloat = Field(0.2, lt=1)
    """Share of each user's rows that is held out: the latest ones, or drawn ones where the data has no times."""
    like: float | None = None
    """Least rating of a liked item; None: 0.7 of the scale."""
    min_history: PositiveInt = 5
    """Least liked items of a user in the training rows."""


def open_rerank(
    data: str | Path | Dataset | None, options: RerankOptions, metric: str, seed: int, abilities: Abilities | None
) -> ListTask:
    """The recommender is fitted on the training rows. Cases are held-out users with a liked item among its best; that is a
    condition on the truth, so figures speak of lists that can be put right, not of the recommender."""
    dataset = data if isinstance(data, Dataset) else load_dataset(data or "movietweetings")
    like = threshold(dataset, options.like)
    how = "user_time" if dataset.log.timed else "random"
    split = dataset.split(how, test=options.test, seed=seed)
    recommender = open_recommender(options.recommender, seed=seed).fit(split.train)
    found: list[Case] = []
    order: dict[str, Sequence[float]] = {}
    tally = {"too little history": 0, "nothing liked held out": 0, "nothing liked among the best": 0}
    wanted = options.max_cases or CASES
    people = [dataset.users.ids[place] for place in shuffled(len(dataset.users), seed, "rerank").tolist()]
    for start in range(0, len(people), BLOCK):
        block = people[start : start + BLOCK]
        for user, ranking in zip(block, recommender.top_many(block, options.top), strict=True):
            history = liked_by(split.train, user, like)
            truth = {dataset.items.ids[item] for item in liked_by(split.test, user, like).tolist()}
            why = _why_not(len(history), options.min_history, truth, ranking)
            if why:
                tally[why] += 1
                continue
            case = _case(dataset, user, history[-options.history :].tolist(), ranking, truth, seed)
            place = {item: n for n, item in enumerate(ranking.items)}
            order[case.id] = [-float(place[item]) for item in case.truth["items"].values()]
            found.append(case)
            if len(found) == wanted:
                break
        if len(found) == wanted:
            break
    if not found:
        raise DataError(
            f"no user of {dataset.name or 'this data set'} makes a case: "
            + ", ".join(f"{n} x {w}" for w, n in tally.items()),
            "ask for more: --task-option top=50, or like=RATING",
        )
    baskets = Baskets(
        (user, [dataset.items.ids[item] for item in liked_by(split.train, user, like).tolist()])
        for user in dataset.users.ids
    )
    popular = [dataset.catalogue.title(item) for item in baskets.most_popular[:200]]
    left_out = ", ".join(f"{count} x {why}" for why, count in tally.items() if count) or "nobody"
    notes = (
        f"{len(found)} users with the {options.top} best items of {recommender.policy_id} on {dataset.name or 'a data set'}; "
        f"relevant are the liked ones among {options.test:.0%} held-out rows ({how}); passed over: {left_out}",
        "only lists that hold a relevant item are cases, so figures are of lists that can be put right",
        *recommender.problems.lines(),
    )
    return build(
        "rerank",
        found,
        asking_of(options, abilities, words_of(dataset), popular),
        options,
        metric=metric,
        seed=seed,
        about=ABOUT,
        baskets=baskets,
        notes=notes,
        own_order={f"{recommender.name} (own order)": order},
    )


BLOCK = 256
"""Users ranked at once: a few blocks give the cases wanted, and no more lists are asked for than needed."""


def _why_not(history: int, least: int, truth: set[str], ranking: Ranking) -> str:
    if history < least:
        return "too little history"
    if not truth:
        return "nothing liked held out"
    hits = len(truth.intersection(ranking.items))
    return "" if 0 < hits < len(ranking) else "nothing liked among the best"


def _case(data: Dataset, user: str, history: list[int], ranking: Ranking, truth: set[str], seed: int) -> Case:
    def item(position: int) -> Item:
        return Item(
            data.items.ids[position], data.catalogue.titles[position], ", ".join(data.catalogue.genre_sets[position])
        )

    candidates = [item(data.items.index(name)) for name in ranking.items]
    return ranking_case(
        f"user {user}",
        [item(position) for position in history],
        candidates,
        truth.intersection(ranking.items),
        seed=seed,
        owner=user,
        group=band(len(history)),
    )
