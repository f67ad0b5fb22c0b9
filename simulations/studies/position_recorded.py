"""Agent4Rec's recorded run as exposures by slot. What was watched is told by title: its stored ids are not what was watched."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...data import normalise_title
from .slot_counts import Exposures
from .study import StudyError

_YEAR = re.compile(r"\s*\(\d{4}\)$")
FILE = "behaviour_lightgcn_1000.jsonl.gz"


class RecordedRun(NamedTuple):
    """`seen`: by title. `by_id`: the same with the stored ids of watched items. `aligned`: with what was called fitting.

    Counts of watched titles: `exact` as they stand on the page, `turned` once articles are put in their place and the
    year is left out, `lost` not at all. `first`: of all `pages`, those whose stored ids are just the first of the page.
    """

    avatars: tuple[str, ...]
    seen: Exposures
    by_id: Exposures
    aligned: Exposures
    exact: int
    turned: int
    lost: int
    first: int
    pages: int


def read_recorded(path: Path) -> RecordedRun:
    """Read the run; `path` is the file or its folder. Raises `StudyError` for a file that is not there or says something else."""
    file = path / FILE if path.is_dir() else path
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
            return _read([json.loads(line) for line in lines])
    except (OSError, EOFError) as error:
        raise StudyError(f"position: {file} cannot be read ({error})\n  give the folder that holds {FILE}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"position: {file} is no recorded behaviour ({type(error).__name__}: {error})") from None


def _spoken(title: str) -> str:
    """A title without its year, articles turned back: an avatar that writes one rarely writes the year."""
    return _YEAR.sub("", normalise_title(title)).casefold()


def _read(avatars: list[dict[str, Any]]) -> RecordedRun:
    rows: list[tuple[int, int, int, bool, bool, bool, bool]] = []
    exact = turned = lost = first = page_number = 0
    for who, avatar in enumerate(avatars):
        for page in avatar["pages"].values():
            titles, ids = page["recommended"], page["recommended_id"]
            spoken = [_spoken(title) for title in titles]
            watched: set[int] = set()
            for title in page["watched"]:
                if title in titles:
                    exact, place = exact + 1, titles.index(title)
                elif (said := _spoken(title)) in spoken:
                    turned, place = turned + 1, spoken.index(said)
                else:
                    lost += 1
                    continue
                watched.add(place)
            true, stored, fits = set(page["ground_truth"]), set(page["watch_id"]), set(page["align_id"])
            first += page["watch_id"] == ids[: len(page["watch_id"])]
            for slot, item in enumerate(ids):
                rows.append((who, page_number, slot, slot in watched, item in stored, item in fits, item in true))
            page_number += 1
    if not rows:
        raise ValueError("no page")
    user, number, slot, watched_, stored_, fits_, true_ = (np.array(column) for column in zip(*rows, strict=True))

    def exposures(chosen: Any) -> Exposures:
        return Exposures(user, number, slot, chosen, true_)

    ids = tuple(str(avatar["avatar_id"]) for avatar in avatars)
    return RecordedRun(
        ids, exposures(watched_), exposures(stored_), exposures(fits_), exact, turned, lost, first, page_number
    )
