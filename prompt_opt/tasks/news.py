"""News recommendation (RecPrompt): which of the news shown does a reader click, after the news clicked before?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import PositiveInt

from ...data import DataError
from ...data.shelf import find_dataset
from ...llm.types import Abilities
from ..task import Case
from .asking import WritesList
from .baskets import Baskets
from .building import ListOptions, asking_of, build, limited
from .items import Item, band, ranking_case
from .listwise import ListTask
from .news_files import Impression, read_impressions
from .topics import GivesTopics

ABOUT = "from the headlines that one reader clicked; each has its category"
WORDS = ("news", "a headline")


class NewsOptions(ListOptions):
    """Options of `--task news`."""

    history: PositiveInt = 25
    """Most headlines of a history that are shown, the latest ones (RecPrompt's is 25)."""
    max_candidates: PositiveInt = 50
    """Impressions that show more are left out, and counted: MIND has lists of 300."""
    categories: bool = True
    """Show each headline's category and subcategory. Half of RecPrompt's published gain is this information, not the prompt:
    compare prompts only with the same setting."""
    topics: bool = False
    """In lists, ask for the topics of history and candidates first, and have them judged in a second call (TopicScore)."""


def open_news(
    data: str | Path | None, options: NewsOptions, metric: str, seed: int, abilities: Abilities | None
) -> ListTask:
    """From MIND's files or JSONL. Raises `DataError`."""
    if data is None:
        raise DataError(
            "the news task needs data",
            "give a folder with MIND's behaviors.tsv and news.tsv, or JSONL files: --data PATH",
        )
    path = find_dataset(data)
    tally = {
        "nobody clicked": 0,
        "everything was clicked": 0,
        "no history": 0,
        "too many candidates": 0,
        "clicked before": 0,
    }
    everything = list(read_impressions(path))
    usable = [impression for impression in everything if _usable(impression, options, tally)]
    if not usable:
        raise DataError(
            f"no usable impression in {path.name}", ", ".join(f"{n} x {why}" for why, n in tally.items() if n)
        )
    kept = limited(usable, lambda impression: impression.part, options.max_cases, seed)
    cases = [_case(impression, options, seed) for impression in kept]
    parts: dict[str, list[str]] = {}
    for impression, case in zip(kept, cases, strict=True):
        if impression.part:
            parts.setdefault(impression.part, []).append(case.id)
    baskets = Baskets(_known(everything, kept))
    titles = {
        item.id: item.title for impression in everything for item in (*impression.history, *impression.candidates)
    }
    popular = [titles[item] for item in baskets.most_popular[:200]]
    asking = asking_of(options, abilities, WORDS, popular, GivesTopics if options.topics else WritesList)
    left_out = [f"{count} impressions left out: {why}" for why, count in tally.items() if count]
    notes = [f"{len(cases)} of {len(everything)} impressions of {path.name}", *left_out]
    return build(
        "news",
        cases,
        asking,
        options,
        metric=metric,
        seed=seed,
        about=ABOUT,
        baskets=baskets,
        parts=parts,
        notes=notes,
    )


def _usable(impression: Impression, options: NewsOptions, tally: dict[str, int]) -> bool:
    ids = [item.id for item in impression.candidates]
    if len(set(ids)) < len(ids):
        twice = next(item for item in ids if ids.count(item) > 1)
        raise DataError(f"{impression.where}: candidate {twice!r} stands twice", "write each once")
    if strangers := impression.clicked.difference(ids):
        raise DataError(
            f"{impression.where}: the clicked {sorted(strangers)[0]!r} is not among the candidates",
            "every click must be one of them",
        )
    why = None
    if not impression.clicked:
        why = "nobody clicked"
    elif len(impression.clicked) == len(ids):
        why = "everything was clicked"
    elif not impression.history:
        why = "no history"
    elif len(ids) > options.max_candidates:
        why = "too many candidates"
    elif impression.clicked.intersection(item.id for item in impression.history):
        why = "clicked before"
    if why:
        tally[why] += 1
    return why is None


def _case(impression: Impression, options: NewsOptions, seed: int) -> Case:
    def shown(items: Sequence[Item]) -> list[Item]:
        return [item if options.categories else item._replace(detail="") for item in items]

    return ranking_case(
        f"impression {impression.id}",
        shown(impression.history[-options.history :]),
        shown(impression.candidates),
        impression.clicked,
        seed=seed,
        owner=_owner(impression),
        group=band(len(impression.history)),
    )


def _known(everything: Sequence[Impression], kept: Sequence[Impression]) -> Iterator[tuple[str, list[str]]]:
    """What baselines may know: the histories, and the clicks of impressions that are no case or are there to search on;
    nothing of the test part."""
    cases = {impression.id for impression in kept}
    for impression in everything:
        if impression.part == "test":
            continue
        items = [item.id for item in impression.history]
        if impression.part == "search" or impression.id not in cases:
            items += sorted(impression.clicked)
        yield _owner(impression), items


def _owner(impression: Impression) -> str:
    """The reader; where the data does not say, readers of the same history are one."""
    return impression.user or "\n".join(item.id for item in impression.history)
