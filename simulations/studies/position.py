"""Does the place on the page decide? Watch rate by slot against truth, in shuffled and unshuffled pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...agents.scripted import ScriptedConfig
from ...runs import Run, RunError
from ..outcome.facts import Facts, Floats, facts
from ..outcome.numbers import Baseline, Row, known, ratio_interval
from .honesty import who_played, who_played_in
from .position_recorded import RecordedRun, read_recorded
from .slot_counts import BySlot, Exposures, bias, by_chance, count, of_run, rate_bounds, rates
from .study import Plot, Result, Series, StudyConfig, StudyError
from .workshop import Workshop

BAR = 1.2
"""A slot-bias ratio up to this passes."""
WHOLE_WATCHED = (0.91, 0.54, 0.37, 0.19)
WHOLE_TRUE = (0.456, 0.418, 0.399, 0.382)
WHOLE_PRECISION, WHOLE_BASE = 0.452, 0.414
"""Agent4Rec's recorded run over all 1,000 avatars: watched and true by slot; precision of what was called fitting."""


ONE_PLACE = "a page holds one item only, so there is one place\n  set page_size to 2 or more"


class PositionConfig(StudyConfig):
    seeds: int = 1
    """Repetitions; each seed's users count as users of their own."""
    run: str = ""
    """A rehearsal's run folder to look at, instead of rehearsing."""
    recorded: str = ""
    """Agent4Rec's recorded behaviour (the file or its folder) to look at, instead of rehearsing."""

    @property
    def looks_back(self) -> bool:
        return bool(self.run or self.recorded)


class Position:
    """Rehearses with the same users twice, in shuffled pages and in the recommender's order, and looks at each place."""

    name: ClassVar[str] = "position"
    question: ClassVar[str] = "Does the place on the page decide what is watched?"
    config_type: ClassVar[type[StudyConfig]] = PositionConfig

    async def carry_out(self, config: PositionConfig, workshop: Workshop) -> Result:
        if config.run and config.recorded:
            raise StudyError("run and recorded are two sources\n  give one of them")
        if config.recorded:
            return _recorded(read_recorded(Path(config.recorded)))
        if config.run:
            return _given(Path(config.run))
        if config.settings().page_size < 2:
            raise StudyError(ONE_PLACE)
        arms = {}
        for arm, shuffled in (("shuffled", True), ("in order", False)):
            seen = []
            for seed in config.all_seeds:
                name = f"{arm.replace(' ', '-')}-seed{seed}"
                settings = config.settings(shuffle_slots=shuffled, seed=seed)
                await workshop.rehearse(name, settings)
                with workshop.opened(name) as run:
                    seen.append(_checked(facts(run)))
            arms[arm] = _joined(seen)
        settings = config.settings()
        return _result(arms, who_played(workshop), settings.scripted)


def _checked(read: Facts) -> Exposures:
    seen = of_run(read)
    if not len(seen.slot) or not seen.watched.any():
        raise StudyError("nothing was watched, so no place has a rate\n  look at the run with `recloop runs show`")
    if seen.slot.max() < 1:
        raise StudyError(ONE_PLACE)
    return seen


def _joined(each: Sequence[Exposures]) -> Exposures:
    """Several seeds' exposures as if of so many more users."""
    users = np.cumsum([0, *(e.users for e in each)])
    pages = np.cumsum([0, *(int(e.page.max()) + 1 for e in each)])
    true = None if any(e.true is None for e in each) else np.concatenate([e.true for e in each if e.true is not None])
    return Exposures(
        np.concatenate([e.user + u for e, u in zip(each, users, strict=False)]),
        np.concatenate([e.page + p for e, p in zip(each, pages, strict=False)]),
        np.concatenate([e.slot for e in each]),
        np.concatenate([e.watched for e in each]),
        true,
    )


def _given(path: Path) -> Result:
    try:
        with Run.open(path) as run:
            seen, config = _checked(facts(run)), run.manifest.config
    except RunError as error:
        raise StudyError(str(error)) from None
    arm = "shuffled" if config.get("shuffle_slots", True) else "in order"
    return _result({arm: seen}, who_played_in([path]), config.get("model") == "scripted")


def _result(arms: dict[str, Exposures], notes: list[str], scripted: bool) -> Result:
    rows: list[Row] = []
    for arm, seen in arms.items():
        rows += _arm_rows(arm, seen, scripted)
    notes = list(notes)
    if "in order" in arms:
        notes.append(
            "in order, the first place holds what suits best: what is true by slot says how much of a fall is right"
        )
    main = next(iter(arms))
    return Result(
        _verdict(rows[0], f"{main} pages", by_chance(arms[main])[1]),
        rows,
        {"users": [row for arm, seen in arms.items() for row in _cases(arm, count(seen))]},
        [_plot(arm, count(seen)) for arm, seen in arms.items()],
        notes,
    )


def _arm_rows(arm: str, seen: Exposures, scripted: bool) -> list[Row]:
    """The ratio first, then each slot; truth beside."""
    by, key = count(seen), arm.replace(" ", "_")
    middle, most = by_chance(seen)
    value, low, high = bias(by.watched, by.shown)
    true = None if by.true is None or not by.true.sum() else bias(by.true, by.shown)
    rivals = [
        Baseline(
            middle, f"choices of a page shuffled (95 % below {most:.2f})" if most else "choices of a page shuffled"
        ),
        Baseline(None if true is None else true[0], "the same ratio of what is true"),
    ]
    if scripted:
        slots = by.shown.shape[1]
        rivals.append(
            Baseline(1 + ScriptedConfig().position * (slots - 1), "scripted users' falling attention, by formula")
        )
    n = by.shown.shape[0]
    rows = [
        Row(f"bias_{key}", f"Slot bias, {arm}", value, "ratio", low, high, n, "users", tuple(rivals),
            "highest over lowest watch rate by place" if value is not None else "one place was never watched"),
    ]  # fmt: skip
    rows += _slot_rows(arm, by)
    rows.append(_first_row(arm, by))
    return rows


def _slot_rows(arm: str, by: BySlot, words: str = "Watch rate") -> list[Row]:
    found = rates(by.watched, by.shown)
    truth = None if by.true is None else rates(by.true, by.shown)
    bounds = rate_bounds(by.watched, by.shown)
    key = arm.replace(" ", "_")
    return [
        Row(
            f"{key}_slot{s + 1}",
            f"{words} at place {s + 1}, {arm}",
            known(float(found[s])),
            "share",
            *bounds[s],
            int(by.shown[:, s].sum()),
            "shown",
            (Baseline(None if truth is None else known(float(truth[s])), "of these are true (held-out rows)"),),
        )
        for s in range(by.shown.shape[1])
    ]


def _first_row(arm: str, by: BySlot) -> Row:
    """First against last place, in watched and in true: what the place takes beyond what is right."""
    gap = by.watched.shape[1] - 1

    def fall(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
        return a / b - c / d

    first, last = by.watched[:, 0], by.watched[:, gap]
    sums = (first, by.shown[:, 0], last, by.shown[:, gap])
    low, high = ratio_interval(0, fall, *sums)
    value = known(float(fall(*(np.array(s.sum()) for s in sums))))
    truth = None
    if by.true is not None:
        truth = known(float(fall(*(np.array(s.sum()) for s in (by.true[:, 0], by.shown[:, 0], by.true[:, gap], by.shown[:, gap])))))  # fmt: skip
    return Row(
        f"fall_{arm.replace(' ', '_')}",
        f"Watch rate, first minus last place, {arm}",
        value,
        "pp",
        low,
        high,
        len(first),
        "users",
        (Baseline(truth, "the same of what is true"), Baseline(0.0, "if the place decided nothing")),
    )


def _verdict(row: Row, what: str, most: float | None) -> str:
    """`most`: what 95 of 100 shuffles of each page's choices stay below; None where they may leave a place unwatched."""
    if row.value is None:
        never = f"in {what} one place was never watched"
        return (
            f"the place decides: {never}" if most else f"not settled, more users would tell: {never}, as may be by luck"
        )
    bounds = "" if row.low is None else f" [{row.low:.2f}, {row.high:.2f}]"
    said = f"slot bias {row.value:.2f}{bounds} in {what}, against a bar of {BAR:g}"
    by_luck = most is None or row.value <= most  # the interval of a highest over a lowest leaves 1 even then
    if row.low is not None and row.low > BAR and not by_luck:
        return f"the place decides: {said}"
    if row.high is not None and row.high <= BAR:
        return f"the place decides little: {said}"
    luck = f"; shuffled choices reach {'any' if most is None else f'{most:.2f}'} by luck" if by_luck else ""
    return f"not settled, more users would tell: {said}{luck}"


def _cases(arm: str, by: BySlot) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm,
            "user": user,
            "slot": slot + 1,
            "shown": int(by.shown[user, slot]),
            "watched": int(by.watched[user, slot]),
            "true": None if by.true is None else int(by.true[user, slot]),
        }
        for user in range(by.shown.shape[0])
        for slot in range(by.shown.shape[1])
    ]


def _plot(arm: str, by: BySlot) -> Plot:
    bounds = rate_bounds(by.watched, by.shown)
    series = [
        Series(
            "watched", rates(by.watched, by.shown).tolist(), [low for low, _ in bounds], [high for _, high in bounds]
        )
    ]
    if by.true is not None:
        edges = rate_bounds(by.true, by.shown)
        series.append(
            Series("true", rates(by.true, by.shown).tolist(), [low for low, _ in edges], [high for _, high in edges])
        )
    places = [str(s + 1) for s in range(by.shown.shape[1])]
    return Plot(arm.replace(" ", "_"), f"Watched and true by place, {arm}", "lines", places, series, "share", "place")


def _recorded(run: RecordedRun) -> Result:
    """Agent4Rec's run by title, beside its own stored ids and the figures of the whole of it."""
    by, stored = count(run.seen), count(run.by_id)
    rows = _arm_rows("recorded", run.seen, scripted=False)
    found = rates(by.watched, by.shown)
    for s, row in enumerate(rows[1 : 1 + len(found)]):
        whole = (Baseline(WHOLE_WATCHED[s], "over all 1,000 avatars"),) if s < len(WHOLE_WATCHED) else ()
        rows[1 + s] = Row(**{**_fields(row), "baselines": (*row.baselines, *whole)})
    rows += _slot_rows("by stored id", stored, "Watch rate by stored ids")
    rows += _fit_rows(run.aligned)
    watched = run.exact + run.turned + run.lost
    notes = [
        f"{len(run.avatars)} avatars; the whole run had 1,000: watched by slot"
        f" {', '.join(f'{x:.2f}' for x in WHOLE_WATCHED)}, true {', '.join(f'{x:.2f}' for x in WHOLE_TRUE)}; these differ"
        f" by {', '.join(f'{a - b:+.3f}' for a, b in zip(found, WHOLE_WATCHED, strict=False))}",
        f"of {watched:,} watched titles {run.exact:,} stand so on their page, {run.turned:,} without the year and with articles turned back,"
        f" {run.lost} not at all and are left out; on {run.first:,} of {run.pages:,} pages the stored ids are just the first ones shown",
        "pages were shown in the recommender's order: place and rank are one thing here",
    ]
    return Result(
        _verdict(rows[0], "the recorded run", by_chance(run.seen)[1]),
        rows,
        {"users": [row | {"user": run.avatars[row["user"]]} for row in _cases("recorded", by)]},
        [_plot("recorded", by), _plot("by stored id", stored)],
        notes,
    )


def _fields(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _fit_rows(aligned: Exposures) -> list[Row]:
    """Precision of what was called fitting, beside the base rate of what was shown."""
    assert aligned.true is not None
    users = aligned.users

    def per_user(mask: Any) -> Floats:
        return np.bincount(aligned.user, weights=mask.astype(float), minlength=users).astype(np.float64)

    hits, chosen = per_user(aligned.watched & aligned.true), per_user(aligned.watched)
    true, shown = per_user(aligned.true), per_user(np.ones(len(aligned.user)))
    return [
        Row(
            "precision",
            "Precision of what was called fitting",
            known(float(hits.sum() / chosen.sum())),
            "share",
            *ratio_interval(0, lambda a, b: a / b, hits, chosen),
            users,
            "avatars",
            (
                Baseline(known(float(true.sum() / shown.sum())), "of what was shown is true"),
                Baseline(WHOLE_PRECISION, "over all 1,000 avatars"),
            ),
        ),
        Row(
            "base_rate",
            "True of what was shown",
            known(float(true.sum() / shown.sum())),
            "share",
            *ratio_interval(0, lambda a, b: a / b, true, shown),
            users,
            "avatars",
            (Baseline(WHOLE_BASE, "over all 1,000 avatars"),),
        ),
    ]
