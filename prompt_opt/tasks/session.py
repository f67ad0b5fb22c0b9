"""Session recommendation (PO4ISR): which of the candidates does somebody take up next?"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PositiveInt

from ...data import DataError, Dataset, load_dataset
from ...data.shelf import find_dataset
from ...llm.types import Abilities
from .asking import choose
from .building import FILMS, ITEMS, ListOptions, asking_of, build
from .listwise import ListTask
from .session_dataset import Drawing, Negatives, sessions_of
from .session_files import Reading, claims, parse_roles, read_sessions

ABOUT = "from what one person took up so far"
MANY, FEW = 20, 10
"""Candidates of a case by default: of a list that is written (PO4ISR's number), of titles that are read."""
CASES = 300
"""Cases made of a data set where `max_cases` does not say."""


class SessionOptions(ListOptions):
    """Options of `--task session`."""

    candidates: PositiveInt | None = Field(None, ge=2)
    """From a data set: candidates of a case, the target among them. None: 20, and 10 where likelihoods are read, since a
    small model reads every title twice."""
    negatives: Negatives = "popularity"
    """From a data set: how the other candidates are drawn: "popularity" (in proportion to it, as targets are), "uniform"
    (alike from all items), "half" (half of each)."""
    min_history: PositiveInt = 5
    """From a data set: least liked items before the target."""
    like: float | None = None
    """From a data set: least rating of a liked item; None: 0.7 of the scale."""
    domain: str = ""
    """From PO4ISR's files: bundle, games or ml-1m."""
    train: PositiveInt = 150
    """From PO4ISR's files: the training sample of 50 or 150 sessions."""
    test_seed: int = 0
    """From PO4ISR's files: which draw of the test candidates (0, 10, 42, 625, 2023)."""
    columns: str = ""
    """From files: columns by role, "session=hist,candidates=cands,target=label"."""
    items: Path | None = None
    """From files: a table of item_id and title; the rows then hold ids."""
    merge: bool = False
    """From files: count a candidate that stands twice in a row once, instead of refusing the row."""


def open_session(
    data: str | Path | Dataset | None, options: SessionOptions, metric: str, seed: int, abilities: Abilities | None
) -> ListTask:
    """From files of sessions, or made of a data set (None: the embedded MovieTweetings). Raises `DataError`."""
    roles = parse_roles(options.columns)
    path = None if data is None or isinstance(data, Dataset) else find_dataset(data)
    if path is not None and claims(path, roles):
        return _from_files(path, options, metric, seed, abilities)
    dataset = data if isinstance(data, Dataset) else _interactions(data)
    likelihood = choose(options.read, abilities) == "likelihood"
    drawing = Drawing(
        options.history,
        options.min_history,
        options.candidates or (FEW if likelihood else MANY),
        options.negatives,
        options.like,
        options.max_cases or CASES,
        seed,
    )
    found = sessions_of(dataset, drawing)
    asking = asking_of(options, abilities, words_of(dataset), found.popular)
    return build(
        "session",
        found.cases,
        asking,
        options,
        metric=metric,
        seed=seed,
        about=ABOUT,
        baskets=found.baskets,
        notes=found.notes,
    )


def _interactions(data: str | Path | None) -> Dataset:
    """A data set of interactions. A file that is neither that nor one of sessions is told how to become one."""
    try:
        return load_dataset(data or "movietweetings")
    except DataError as error:
        if data is None or not Path(data).is_file():
            raise
        raise DataError(
            str(error).splitlines()[0],
            "rows of sessions: --task-option columns=session=COLUMN,candidates=COLUMN,target=COLUMN;"
            " rows of interactions: call the columns user, item, rating, time",
        ) from None


def words_of(data: Dataset) -> tuple[str, str]:
    """What a data set is about, as ("films", "a film")."""
    return FILMS if "movie" in data.name.lower() or "ml-" in data.name.lower() else ITEMS


def _from_files(path: Path, options: SessionOptions, metric: str, seed: int, abilities: Abilities | None) -> ListTask:
    reading = Reading(
        options.history,
        options.domain,
        options.train,
        options.test_seed,
        parse_roles(options.columns),
        options.items,
        options.merge,
        options.max_cases,
        seed,
    )
    found = read_sessions(path, reading)
    asking = asking_of(options, abilities, found.words or ITEMS, found.popular)
    return build(
        "session",
        found.cases,
        asking,
        options,
        metric=metric,
        seed=seed,
        about=ABOUT,
        baskets=found.baskets,
        parts=found.parts,
        notes=found.notes,
    )
