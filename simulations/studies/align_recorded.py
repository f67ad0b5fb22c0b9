"""Agent4Rec's recorded run, judged again: what its users "aligned" with, against what they had met.

Reads its `behaviour_lightgcn_1000.jsonl.gz` (a line per avatar: pages with recommended ids, aligned ids and ground truth)
and, where it lies beside it, `cf_train.csv.gz` for a rival by popularity.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...agents.randomness import key, uniforms
from ...evaluators import paired_difference
from ..outcome.facts import Floats
from ..outcome.numbers import Baseline, Row, known, ratio_interval, resamples
from .study import Plot, Result, Series, StudyError

FILE, TRAIN = "behaviour_lightgcn_1000.jsonl.gz", "cf_train.csv.gz"

WHOLE: dict[str, float] = {"precision": 0.452, "base": 0.414, "recall": 0.707, "share": 0.65}
"""The same numbers over all 1,000 avatars of the original."""


class RecordedPage(NamedTuple):
    """A page of one avatar, by slot: item, whether it is among the avatar's held-out items, whether it was "aligned"."""

    avatar: str
    items: tuple[int, ...]
    met: tuple[bool, ...]
    aligned: tuple[bool, ...]


def read_pages(path: Path) -> list[RecordedPage]:
    """The recorded pages. Raises `StudyError` for a file that is not there or says something else."""
    file = path / FILE if path.is_dir() else path
    try:
        return list(_pages(file))
    except (OSError, EOFError) as error:
        raise StudyError(f"align: {file} cannot be read ({error})\n  give the folder that holds {FILE}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"align: {file} is no recorded behaviour ({type(error).__name__}: {error})") from None


def _pages(file: Path) -> Iterator[RecordedPage]:
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            avatar = json.loads(line)
            for page in avatar["pages"].values():
                items, met, aligned = page["recommended_id"], set(page["ground_truth"]), set(page["align_id"])
                yield RecordedPage(
                    str(avatar["avatar_id"]),
                    tuple(items),
                    tuple(item in met for item in items),
                    tuple(item in aligned for item in items),
                )


def judge_recorded(path: Path, seed: int = 0) -> Result:
    """Precision, recall, base rate and lift of the recorded choices, beside as many choices per page made otherwise."""
    pages = read_pages(path)
    avatars = list(dict.fromkeys(page.avatar for page in pages))
    if len(avatars) < 2:
        raise StudyError(f"align: {path} holds {len(avatars)} avatars with pages")
    own = _sums(pages, avatars, [page.aligned for page in pages])
    rivals = {
        "chance": _sums(pages, avatars, [_best(page, _lots(page, seed)) for page in pages]),
        "the top of the page": _sums(pages, avatars, [_best(page, -np.arange(len(page.items))) for page in pages]),
    }
    popularity = _popularity(path)
    if popularity:
        level = [np.array([popularity[item] for item in page.items]) for page in pages]
        rivals["popularity"] = _sums(pages, avatars, [_best(p, values) for p, values in zip(pages, level, strict=True)])
    rows = list(_rows(own, rivals, seed))
    by_slot = _by_slot(pages)
    gaps = {row.key: row for row in rows if row.key.startswith("minus_")}
    return Result(
        verdict=_verdict(own, gaps),
        rows=rows,
        cases={
            "avatars": [
                {"avatar": a, **dict(zip(NAMES, v, strict=True))} for a, v in zip(avatars, own.tolist(), strict=True)
            ]
        },
        plots=[_plot(by_slot)],
        notes=[
            f"{len(avatars)} avatars, {len(pages):,} pages; over all 1,000 of the original: precision {WHOLE['precision']:g}, "
            f"base rate {WHOLE['base']:g}, recall {WHOLE['recall']:g}, {100 * WHOLE['share']:.0f} % aligned",
            "rivals choose as many items of each page as the avatar did",
            "the recommender never showed test items, so the ground truth of a page is what the avatar met in validation rows",
            "the base rate is high because a page shows what a good recommender put first: no 1:m page of drawn items",
        ],
        data={"by_slot": by_slot},
    )


NAMES = ("hits", "aligned", "met", "shown")


def _sums(pages: list[RecordedPage], avatars: list[str], taken: list[Any]) -> Floats:
    """Counts by avatar: (avatars, 4) as `NAMES`."""
    place = {avatar: i for i, avatar in enumerate(avatars)}
    sums = np.zeros((len(avatars), 4))
    for page, chosen in zip(pages, taken, strict=True):
        met, took = np.array(page.met, dtype=bool), np.array(chosen, dtype=bool)
        sums[place[page.avatar]] += ((met & took).sum(), took.sum(), met.sum(), len(met))
    return sums


def _best(page: RecordedPage, scores: Any) -> np.ndarray:
    """As many of the page's best items as the avatar aligned with."""
    chosen = np.zeros(len(page.items), dtype=bool)
    chosen[np.argsort(-np.asarray(scores), kind="stable")[: sum(page.aligned)]] = True
    return chosen


def _lots(page: RecordedPage, seed: int) -> np.ndarray:
    return uniforms(seed, "recorded", key(page.avatar), np.array(page.items, dtype=np.int64))


def _popularity(path: Path) -> Counter[int]:
    file = (path if path.is_dir() else path.parent) / TRAIN
    if not file.is_file():
        return Counter()
    with gzip.open(file, "rt", encoding="utf-8") as rows:
        return Counter(int(item) for row in csv.DictReader(rows) for item in row["movie_ids"].split())


def _rows(own: Floats, rivals: dict[str, Floats], seed: int) -> Iterator[Row]:
    hits, aligned, met, shown = own.sum(axis=0)

    def row(name: str, label: str, value: float, columns: tuple[int, ...], *baselines: Baseline) -> Row:
        parts = [own[:, i] for i in columns]
        lift = len(parts) == 4
        low, high = ratio_interval(
            seed, (lambda a, b, c, d: (a / b) / (c / d)) if lift else (lambda a, b: a / b), *parts
        )
        return Row(name, label, value, "ratio" if lift else "share", low, high, len(own), "avatars", baselines)

    def theirs(a: int, b: int) -> list[Baseline]:
        return [Baseline(float(s[:, a].sum() / s[:, b].sum()), name) for name, s in rivals.items()]

    base = Baseline(float(met / shown), "of everything shown (base rate)")
    yield row("precision", "Precision of what was aligned", float(hits / aligned), (0, 1), base, *theirs(0, 1),
              Baseline(WHOLE["precision"], "over the 1,000 avatars"))  # fmt: skip
    yield row("base", "Base rate: met, of everything shown", float(met / shown), (2, 3),
              Baseline(WHOLE["base"], "over the 1,000 avatars"))  # fmt: skip
    yield row("lift", "Lift of precision over the base rate", float(hits / aligned / (met / shown)), (0, 1, 2, 3),
              Baseline(1.0, "picking at random"), Baseline(WHOLE["precision"] / WHOLE["base"], "over the 1,000 avatars"))  # fmt: skip
    yield row("recall", "Recall of what was met", float(hits / met), (0, 2),
              Baseline(float(aligned / shown), "whoever aligns with as many"), *theirs(0, 2),
              Baseline(WHOLE["recall"], "over the 1,000 avatars"))  # fmt: skip
    yield row("share", "Aligned, of everything shown", float(aligned / shown), (1, 3),
              Baseline(WHOLE["share"], "over the 1,000 avatars"))  # fmt: skip
    for name, sums in rivals.items():
        gap = paired_difference(_each(own), _each(sums), seed=seed, draws=resamples(len(own)))
        yield Row(
            f"minus_{name.replace(' ', '_')}",
            f"Precision by avatar: the avatars minus {name}",
            gap.mean,
            "pp",
            known(gap.low),
            known(gap.high),
            gap.n,
            "avatars",
            (Baseline(0.0, f"if {name} were as good"),),
            "" if gap.found and gap.p_value < 0.05 else "no difference found",
        )


def _each(sums: Floats) -> Floats:
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def _verdict(own: Floats, gaps: dict[str, Row]) -> str:
    hits, aligned, met, shown = own.sum(axis=0)
    said = (
        f"of what the recorded avatars align with {100 * hits / aligned:.0f} % was met, of everything shown "
        f"{100 * met / shown:.0f} % (lift {hits / aligned / (met / shown):.2f})"
    )
    row = gaps.get("minus_popularity")
    if row is None or row.value is None:
        return said
    stands = "no better than" if row.note else "better than" if row.value > 0 else "worse than"
    return f"{said}: {stands} taking the most popular of each page"


def _by_slot(pages: list[RecordedPage]) -> dict[str, list[float]]:
    """Share of each slot that was aligned, and that was met."""
    most = max(len(page.items) for page in pages)
    counted = np.zeros((most, 3))
    for page in pages:
        for slot, (met, aligned) in enumerate(zip(page.met, page.aligned, strict=True)):
            counted[slot] += (aligned, met, 1)
    return {"aligned": (counted[:, 0] / counted[:, 2]).tolist(), "met": (counted[:, 1] / counted[:, 2]).tolist()}


def _plot(by_slot: dict[str, list[float]]) -> Plot:
    places = [str(slot + 1) for slot in range(len(by_slot["met"]))]
    series = [Series("aligned", by_slot["aligned"]), Series("met", by_slot["met"])]
    return Plot(
        "slots", "The recorded run by slot", "lines", places, series, axis="share of what was shown", across="slot"
    )
