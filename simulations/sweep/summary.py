"""What came of a sweep: its arms beside each other, and each against one of them, from the sweep's log alone (what calls
cost stands in the cells' own logs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...runs import NotARun, Run, RunError
from ...runs.log import LOG
from ..outcome.facts import Floats
from ..outcome.numbers import LEAST_HITS, known
from .contrast import Difference, holm, interval, paired, ratio, unpaired
from .grid import SEED, grid_in
from .measures import COST, MEASURES, Measure, cost_per_user
from .tables import CELL

HELD = "its numbers here are those of then, what it cost is not known"
LEVEL = 0.05
"""Of Holm's correction: one family of differences in twenty has a false one."""


@dataclass(frozen=True)
class Number:
    """A number of an arm over its users and seeds, with its 95 % interval. `n`: users it stands on."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Against:
    """A number's difference to the baseline arm. `holds`: its interval leaves out 0, also after Holm's correction."""

    difference: Difference
    by_seed: Mapping[int, float | None]
    p_holm: float | None = None

    @property
    def found(self) -> bool:
        return self.difference.found

    @property
    def holds(self) -> bool:
        return self.found and self.p_holm is not None and self.p_holm < LEVEL

    def json(self) -> dict[str, Any]:
        return {
            **self.difference._asdict(),
            "p_holm": self.p_holm,
            "found": self.found,
            "holds": self.holds,
            "by_seed": {str(seed): value for seed, value in self.by_seed.items()},
        }


@dataclass(frozen=True)
class Arm:
    """One combination of all axes but the seed."""

    name: str
    seeds: tuple[int, ...]
    """Those whose cells are done."""
    numbers: Mapping[str, Number]
    against: Mapping[str, Against]
    """By measure; empty for the baseline itself and for arms that nothing is known of yet."""
    paired: bool
    """Whether the differences are between the same users."""
    same: bool
    """Whether its cells have the baseline's digests, seed by seed: the same rehearsal."""
    problem: str = ""
    """Why its cells show nothing, where they do not."""

    def json(self) -> dict[str, Any]:
        return {
            "arm": self.name,
            "seeds": list(self.seeds),
            "numbers": {key: asdict(number) for key, number in self.numbers.items()},
            "differences": {key: against.json() for key, against in self.against.items()},
            "paired": self.paired,
            "same_as_baseline": self.same,
            "problem": self.problem,
        }


@dataclass(frozen=True)
class SweepSummary:
    """The arms of a sweep. `measures`: those that some arm has a number for, in the table's order."""

    name: str
    status: str
    reason: str
    axes: Mapping[str, list[Any]]
    seeds: tuple[int, ...]
    cells: tuple[int, int]
    """Done, and all."""
    baseline: str
    arms: tuple[Arm, ...]
    measures: tuple[Measure, ...]
    words: Mapping[str, str]
    plumbing: bool
    lost: tuple[str, ...] = ()
    """Done cells whose folders are not what they were, in words."""

    def __getitem__(self, arm: str) -> Arm:
        return next(each for each in self.arms if each.name == arm)

    @property
    def looked(self) -> list[Against]:
        """All differences that were tested: the family of Holm's correction."""
        return [each for arm in self.arms for each in arm.against.values() if each.p_holm is not None]

    @property
    def problems(self) -> list[str]:
        return [f"{arm.name}: {arm.problem}" for arm in self.arms if arm.problem]

    def label(self, measure: Measure) -> str:
        """The measure's name in the words of the cells' action set."""
        if measure.key == "watch_rate":
            return self.words.get("rate", measure.label)
        return measure.label.replace("watched", self.words.get("done", "watched"))

    def json(self) -> dict[str, Any]:
        """All of it as a JSON-able dict."""
        return {
            "name": self.name,
            "status": self.status,
            "reason": self.reason,
            "axes": dict(self.axes),
            "cells": {"done": self.cells[0], "all": self.cells[1]},
            "baseline": self.baseline,
            "measures": {m.key: {"label": self.label(m), "unit": m.unit} for m in self.measures},
            "arms": [arm.json() for arm in self.arms],
            "tested": len(self.looked),
            "found": sum(each.found for each in self.looked),
            "hold": sum(each.holds for each in self.looked),
            "notes": notes(self),
        }


def summarise(run: Run, against: str | None = None) -> SweepSummary:
    """Sum up a sweep, finished or not. `against`: the arm that the others are held against (the first one unless given)."""
    grid = grid_in(run)
    baseline = grid.arms[0] if against is None else grid.arm(against)
    cells = [dict(event.data) for event in run.events(kind=CELL)]
    lost = _add_costs(run, cells)
    by_arm = {arm: {c["seed"]: c for c in cells if c["arm"] == arm} for arm in grid.arms}
    measures = [m for m in (*MEASURES, COST) if any(m.key in c["sums"] for c in cells)]
    if not any(any(c["sums"][COST.key][0]) for c in cells if COST.key in c["sums"]):
        measures = [m for m in measures if m is not COST]  # nobody paid anything
    arms = [_arm(name, by_arm[name], by_arm[baseline], measures, name == baseline) for name in grid.arms]
    return SweepSummary(
        name=run.manifest.name,
        status=run.status,
        reason=run.manifest.reason,
        axes=grid.axes,
        seeds=tuple(grid.axes[SEED]),
        cells=(len(cells), len(grid.cells)),
        baseline=baseline,
        arms=tuple(_corrected(arms)),
        measures=tuple(measures),
        words=cells[0]["words"] if cells else {},
        plumbing=any(c["plumbing"] for c in cells),
        lost=tuple(lost),
    )


def numbers(run: Run) -> dict[str, Any]:
    """The sweep's numbers by arm and name, for comparing two sweeps."""
    found: dict[str, Any] = {}
    for arm in summarise(run).arms:
        mine = found[arm.name] = {}
        for key, number in arm.numbers.items():
            mine[key] = {"value": number.value, "low": number.low, "high": number.high}
            if key in arm.against:
                mine[key]["difference"] = arm.against[key].difference.value
    return found


def notes(summary: SweepSummary) -> list[str]:
    """What a reader must know beside the table, a line each."""
    looked = summary.looked
    lines = ["intervals: 95 %, over users; a user who occurs under several seeds is drawn with all of them"]
    others = [arm for arm in summary.arms if arm.against]
    if others:
        ways = {arm.paired for arm in others}
        if True in ways:
            lines.append(f"differences to {summary.baseline}: paired, over the same (seed, user) pairs")
        if False in ways:
            names = "; ".join(arm.name for arm in others if not arm.paired)
            lines.append(f"not paired, since users or data are others than {summary.baseline}'s: {names}")
        found, hold = sum(each.found for each in looked), sum(each.holds for each in looked)
        if found:
            lines.append(
                f"{len(looked)} differences were looked at: the interval of {found} leaves out 0 (*), {hold} of them also hold "
                "after Holm's correction over all (**)"
            )
        else:
            lines.append(f"{len(looked)} differences were looked at: no difference found")
    lines += [f"{arm.name}: digests equal {summary.baseline}'s, the same rehearsal" for arm in summary.arms if arm.same]
    few = [arm.name for arm in summary.arms if (hits := arm.numbers.get("hits")) and _few(hits)]
    if few:
        lines.append(
            f"fewer than {LEAST_HITS} held-out items were {summary.words['done']} in: {'; '.join(few)} (too few to say)"
        )
    lines += [
        f"{arm.name}: {len(arm.seeds)} of {len(summary.seeds)} seeds are done"
        for arm in summary.arms
        if len(arm.seeds) < len(summary.seeds)
    ]
    return [*lines, *summary.lost]


def _few(hits: Number) -> bool:
    return hits.value is not None and hits.value * hits.n < LEAST_HITS


def _add_costs(run: Run, cells: Sequence[dict[str, Any]]) -> list[str]:
    """Each user's cost, from the cells' own logs; what is said of those that are not there any more, or are others."""
    lost = []
    for cell in cells:
        try:
            with Run.open(run.path / cell["path"]) as opened:
                if _changed(run, opened, cell):
                    lost.append(f"{cell['path']} was changed since: {HELD}")
                elif (cost := cost_per_user(opened, cell["users"])) is not None:
                    cell["sums"] = {**cell["sums"], COST.key: [cost.tolist(), [1.0] * len(cost)]}
        except NotARun:
            lost.append(f"{cell['path']} is missing: {HELD}")
        except RunError as error:
            lost.append(f"{cell['path']} cannot be read ({error}): {HELD}")
    return lost


def _changed(sweep: Run, cell: Run, then: Mapping[str, Any]) -> bool:
    """Whether a cell is another run than when it was done. Its digest is reckoned only where its log was touched later
    than the sweep's own."""
    return cell.status != "finished" or (_touched(cell) > _touched(sweep) and cell.digest() != then["digest"])


def _touched(run: Run) -> float:
    """When a run's log was last written to."""
    files = [each.stat() for each in (run.path / LOG, run.path / f"{LOG}-wal") if each.exists()]
    return max(file.st_mtime for file in files if file.st_size)  # an empty -wal is a reader's


def _arm(
    name: str,
    mine: Mapping[int, Mapping[str, Any]],
    theirs: Mapping[int, Mapping[str, Any]],
    measures: Sequence[Measure],
    is_baseline: bool,
) -> Arm:
    common = [] if is_baseline else [seed for seed in mine if seed in theirs]
    pairs = bool(common) and all(_same_users(mine[seed], theirs[seed]) for seed in common)
    found: dict[str, Number] = {}
    against: dict[str, Against] = {}
    for measure in measures:
        having = [seed for seed in mine if measure.key in mine[seed]["sums"]]
        if not having or len(having) < len(mine):
            continue
        rows = _by_user([_rows(mine[seed], measure) for seed in having], [_keys(mine[seed]) for seed in having])
        low, high = interval(rows, share=measure.unit == "share") if measure.tells(rows) else (None, None)
        cases = int(np.count_nonzero(rows[:, 1]))
        found[measure.key] = Number(known(float(ratio(*rows.sum(axis=0)))), low, high, cases)
        if common and all(measure.key in theirs[seed]["sums"] for seed in theirs):
            against[measure.key] = _against(mine, theirs, common, measure, pairs)
    return Arm(
        name,
        tuple(mine),
        found,
        against,
        pairs,
        bool(common) and all(mine[seed]["digest"] == theirs[seed]["digest"] for seed in common),
        _problem(mine),
    )


def _against(
    mine: Mapping[int, Mapping[str, Any]],
    theirs: Mapping[int, Mapping[str, Any]],
    common: Sequence[int],
    measure: Measure,
    pairs: bool,
) -> Against:
    if not pairs:
        sides = [
            _by_user([_rows(c, measure) for c in cells.values()], [_keys(c) for c in cells.values()])
            for cells in (mine, theirs)
        ]
        each = {seed: _gap(_rows(mine[seed], measure), _rows(theirs[seed], measure)) for seed in common}
        return Against(_floored(unpaired(*sides), measure, *sides), each)
    a, b, keys = [], [], []
    for seed in common:
        place = {user: at for at, user in enumerate(theirs[seed]["users"])}
        first = _rows(mine[seed], measure)
        second = _rows(theirs[seed], measure)[[place[user] for user in mine[seed]["users"]]]
        if not measure.pooled:  # a mean over pairs: both must have a value
            both = (first[:, 1] > 0) & (second[:, 1] > 0)
            first, second = first * both[:, None], second * both[:, None]
        a.append(first)
        b.append(second)
        keys.append(_keys(mine[seed]))
    each = {seed: _gap(first, second) for seed, first, second in zip(common, a, b, strict=True)}
    sides = [_by_user(a, keys), _by_user(b, keys)]
    return Against(_floored(paired(*sides), measure, *sides), each)


def _floored(found: Difference, measure: Measure, *sides: Floats) -> Difference:
    """A difference of two arms; its value alone where one of them has counted too little."""
    return found if all(map(measure.tells, sides)) else found._replace(low=None, high=None, p=None)


def _corrected(arms: Sequence[Arm]) -> list[Arm]:
    """The arms with Holm's p values over all differences of all of them."""
    tested = [(arm.name, key) for arm in arms for key, each in arm.against.items() if each.difference.p is not None]
    p_values = {(arm.name, key): each.difference.p for arm in arms for key, each in arm.against.items()}
    adjusted = dict(zip(tested, holm([p for place in tested if (p := p_values[place]) is not None]), strict=True))
    return [
        replace(
            arm,
            against={key: replace(each, p_holm=adjusted.get((arm.name, key))) for key, each in arm.against.items()},
        )
        for arm in arms
    ]


def _rows(cell: Mapping[str, Any], measure: Measure) -> Floats:
    """The sums of a cell: (users, sums); laid out alike everywhere, so that equal columns add up to equal last bits."""
    return np.ascontiguousarray(np.array(cell["sums"][measure.key], dtype=float).T)


def _keys(cell: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Who the users of a cell are: an id alone does not say, where data sets differ."""
    return [(cell["data"], user) for user in cell["users"]]


def _by_user(rows: Sequence[Floats], keys: Sequence[Sequence[tuple[str, str]]]) -> Floats:
    """Rows of several cells added up by user: (users, sums), users in the order in which they first occur."""
    place: dict[tuple[str, str], int] = {}
    at = [[place.setdefault(key, len(place)) for key in each] for each in keys]
    total = np.zeros((len(place), rows[0].shape[1]))
    for where, each in zip(at, rows, strict=True):
        total[where] += each  # a cell has each user once
    return total


def _gap(a: Floats, b: Floats) -> float | None:
    return known(float(ratio(*a.sum(axis=0)) - ratio(*b.sum(axis=0))))


def _same_users(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return a["data"] == b["data"] and set(a["users"]) == set(b["users"])


def _problem(cells: Mapping[int, Mapping[str, Any]]) -> str:
    """Why an arm shows nothing: everything was taken up, or nothing, or no answer was usable."""
    if not cells:
        return ""
    taken, answered = (sum(cell["shown"][i] for cell in cells.values()) for i in (0, 1))
    done = next(iter(cells.values()))["words"]["done"]
    if not answered:
        return "no page got a usable answer"
    if taken in (0, answered):
        return f"{'everything' if taken else 'nothing'} that was shown was {done}: its users do not discriminate"
    return ""
