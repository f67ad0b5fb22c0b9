"""What came of a rehearsal: every number with its doubt and its rival, from the run's log alone.

    facts.py              the log as arrays            numbers.py           rows, intervals
    behaviour.py          watching, truth, exits       ratings.py           ratings beside real ones
    users.py              sums per user
    bias.py               place, popularity, genre     cost.py              calls, tokens, money, time
    shapes.py             what the pictures draw       printed.py           the table in the terminal

A new number: a `Row` in the file it belongs to, with a baseline and, where it can be missing, the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal
from weakref import WeakKeyDictionary

from ...runs import Run
from ..config import signal_read
from .behaviour import (
    browsing_rows,
    exit_shares,
    groups,
    satisfaction_by_page,
    satisfaction_rows,
    truth_rows,
    watch_rows,
)
from .bias import bias_rows, genre_shares, popularity_shares, rates_by
from .cost import cost_rows, failed, invalid_row, work
from .facts import PLUMBING, facts
from .numbers import Baseline, Row, values_alone
from .printed import print_summary
from .ratings import rating_rows, rating_shares
from .shapes import Failed, Group, Point, Shares, Work

__all__ = ["Baseline", "Row", "Summary", "degenerate", "numbers", "print_summary", "summarise"]

FILMS = {"rate": "Watch rate", "done": "watched", "liked": "Liked, of watched", "verb": "watch"}
OTHERS = {"rate": "Take-up rate", "done": "taken up", "liked": "Liked, of taken up", "verb": "take up"}


@dataclass(frozen=True)
class Summary:
    """The numbers of a run and the shapes behind its pictures. JSON-able by `json`; rows by `summary["watch_rate"]`."""

    name: str
    status: str
    mode: str
    """"score", "generate" or "scripted": who decided."""
    model: str
    dataset: str
    recommender: str
    seed: int
    plumbing: bool
    """The model is too small to stand for people: results show the machinery."""
    notes: tuple[str, ...]
    words: Mapping[str, str]
    """How the positive action is called: rate, done, liked, verb."""
    rows: tuple[Row, ...]
    pooled_watch_rate: float | None
    ratings: Shares | None
    exits: Shares
    by_position: tuple[Point, ...]
    by_rank: tuple[Point, ...]
    satisfaction: tuple[Point, ...]
    popularity: Shares | None
    genres: Shares | None
    groups: tuple[Group, ...]
    work: tuple[Work, ...]
    failures: tuple[Failed, ...]
    calibration: Mapping[str, Any] | None
    reads: Literal["title", "yesno"]
    """What calibrated margins are made of: titles' likelihoods, or answers yes and no."""

    def __getitem__(self, key: str) -> Row:
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(f"no number {key!r} in this summary (there are: {', '.join(row.key for row in self.rows)})")

    @property
    def asked(self) -> str:
        """Who played the users, in a few words."""
        return "scripted users, no model" if self.mode == "scripted" else f"{self.model} ({self.mode})"

    def json(self) -> dict[str, Any]:
        """All of it as a JSON-able dict; rows by key."""
        whole = asdict(self)
        whole["rows"] = {row.key: row.json() for row in self.rows}
        return whole


_made: WeakKeyDictionary[Run, tuple[object, Summary]] = WeakKeyDictionary()


def summarise(run: Run) -> Summary:
    """Sum up a finished or paused run. Intervals are over users; nothing is a number that was not measured.

    Kept while the run does not change: the terminal, the page and the picture ask for the same one.
    """
    now = (run.barrier, len(run.calls), run.manifest.model_dump_json())
    made = _made.get(run)
    if made is None or made[0] != now:
        made = (now, _summarise(run))
        _made[run] = made
    return made[1]


def numbers(run: Run) -> dict[str, Any]:
    """The summary's numbers by name, for comparing two runs: {row: {value, low, high, baseline}}."""
    found: dict[str, Any] = {}
    for row in summarise(run).rows:
        first = row.baselines[0].value if row.baselines else None
        found[row.key] = {"value": row.value, "low": row.low, "high": row.high, "baseline": first}
    return found


def values(run: Run) -> dict[str, Row]:
    """The rows by name with their values as `summarise` has them, in a fraction of its time: without intervals."""
    with values_alone():
        return {row.key: replace(row, low=None, high=None) for row in _summarise(run).rows}


def degenerate(summary: Summary) -> str | None:
    """Why a rehearsal shows nothing: everything was watched, or nothing, or no answer was usable. None where it is sound."""
    rate, done = summary.pooled_watch_rate, summary.words["done"]
    if rate is None:
        return "no page got a usable answer, so there is no behaviour to look at; see the failures in the report"
    if rate in (0.0, 1.0):
        what = "everything" if rate else "nothing"
        hint = "try another model, a calibrated mode (--mode score), or more users and pages"
        return f"{what} that was shown was {done} (rate {rate:g}): the users do not discriminate; {hint}"
    return None


def _mode(config: Mapping[str, Any], calibration: Mapping[str, Any] | None) -> str:
    if config.get("model") == "scripted":
        return "scripted"
    return "score" if calibration is not None or config.get("mode") == "score" else "generate"


def _summarise(run: Run) -> Summary:
    read, config = facts(run), run.manifest.config
    finished = run.status == "finished"
    words = FILMS if config.get("actions", "films") == "films" else OTHERS
    rows = [
        *browsing_rows(read, config, finished),
        *watch_rows(read, config, words),
        *truth_rows(read, words),
        *rating_rows(read),
        *satisfaction_rows(read),
        *bias_rows(read, config, words),
        invalid_row(run, read),
        *cost_rows(run, read),
    ]
    n = int(read.answered.sum())
    return Summary(
        name=run.manifest.name,
        status=run.status,
        mode=_mode(config, read.calibration),
        model=str(config.get("model", "")),
        dataset=str(read.reference.get("dataset") or config.get("data", "")),
        recommender=str(read.reference.get("recommender") or config.get("recommender", "")),
        seed=run.manifest.seed,
        plumbing=any(note.startswith(PLUMBING) for note in run.manifest.notes),
        notes=tuple(run.manifest.notes),
        words=words,
        rows=tuple(rows),
        pooled_watch_rate=float(read.positive.sum()) / n if n else None,
        ratings=rating_shares(read)[0],
        exits=exit_shares(read, config),
        by_position=rates_by(read.shown_at, read),
        by_rank=rates_by(read.slot, read),
        satisfaction=satisfaction_by_page(read),
        popularity=popularity_shares(read, words["done"]),
        genres=genre_shares(read, words["done"]),
        groups=groups(read, config),
        work=work(run),
        failures=failed(read),
        calibration=read.calibration,
        reads=signal_read(config.get("signal") or "auto", str(config.get("model", ""))),
    )
