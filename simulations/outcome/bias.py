"""What else than taste may have decided: place on the page, popularity, genre; each beside what chance alone would show.

Chance means: each user takes up as many items of each page as they did, but any of them. So the band holds slate and
appetite fixed and breaks only the link between an item and being chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...evaluators import jensen_shannon, slot_bias_ratio, watch_by_slot
from .facts import Bools, Facts, Floats, Ints
from .numbers import CELLS, Baseline, Row, known, ratio_interval
from .shapes import Point, Shares
from .users import divided

TOP_GENRES = 10
SHOWN = "shown"


def bias_rows(facts: Facts, config: Mapping[str, Any], words: Mapping[str, str]) -> list[Row]:
    """Slot bias by shown position and by the recommender's rank, popularity of choices, distance of their genre mix."""
    labels = {
        "slot_bias": "Slot bias, shown position",
        "rank_bias": "Slot bias, recommender's rank",
        "popularity": f"Popularity of {words['done']} items (training rows each)",
        "genre_jsd": f"Genre mix {words['done']} vs shown, Jensen–Shannon",
    }
    there = facts.answered
    why = "" if there.any() else "no page got a usable answer"
    if not why and not facts.positive.any():
        why = f"nothing was {words['done']}"
    if why:
        return [Row(key, label, None, note=why) for key, label in labels.items()]
    draws = list(_chance(facts))
    ratio = f"highest over lowest {words['rate'].lower()} by place"
    unshuffled = "" if config.get("shuffle_slots", True) else "slots were not shuffled: position and rank are one thing"
    aims = {"slot_bias": facts.shown_at, "rank_bias": facts.slot}
    rows = [
        _slot_row(
            key, labels[key], place[there], facts.positive[there], draws, "; ".join(x for x in (ratio, unshuffled) if x)
        )
        for key, place in aims.items()
    ]
    return [*rows, _popularity_row(facts, labels["popularity"], words), _genre_row(facts, labels["genre_jsd"], draws)]


def rates_by(place: Ints, facts: Facts) -> tuple[Point, ...]:
    """Watch rate at each place of the page (counted from 1), with Wilson intervals."""
    there = facts.answered
    rates = watch_by_slot(place[there], facts.positive[there])
    return tuple(Point(str(s + 1), known(e.mean), known(e.low), known(e.high), e.n) for s, e in sorted(rates.items()))


def popularity_shares(facts: Facts, done: str) -> Shares | None:
    """Exposures and choices by popularity of the item: fifths of what was shown, least popular first."""
    value = _popularity(facts)
    there = facts.answered & ~np.isnan(value)
    if not there.any():
        return None
    edges = np.unique(np.quantile(value[there], [0, 0.2, 0.4, 0.6, 0.8, 1]).round())
    if len(edges) < 2:
        edges = np.array([edges[0], edges[0] + 1])
    inside = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2)
    labels = tuple(
        f"{a:g}–{b if last else b - 1:g}" if b - (not last) > a else f"{a:g}"
        for a, b, last in zip(edges[:-1], edges[1:], [*[False] * (len(edges) - 2), True], strict=True)
    )
    return _two(labels, inside, there, facts.positive, done)


def genre_shares(facts: Facts, done: str) -> Shares | None:
    """Exposures and choices by genre, the most shown first; an item counts once for each of its genres."""
    names, has = _genres(facts)
    if not names:
        return None
    shown, picked = has[facts.answered].sum(axis=0), has[facts.positive].sum(axis=0)
    order = np.argsort(-shown, kind="stable")
    top, rest = order[:TOP_GENRES], order[TOP_GENRES:]
    labels = [names[i] for i in top]
    series = {SHOWN: shown[top].tolist(), done: picked[top].tolist()}
    if len(rest):
        labels.append(f"{len(rest)} others")
        series[SHOWN].append(float(shown[rest].sum()))
        series[done].append(float(picked[rest].sum()))
    return Shares(tuple(labels), {name: tuple(values) for name, values in series.items()})


def _slot_row(key: str, label: str, place: Ints, picked: Bools, draws: list[Bools], note: str) -> Row:
    value = known(slot_bias_ratio(watch_by_slot(place, picked)))
    if len(np.unique(place)) < 2:
        return Row(key, label, None, "ratio", note="a page holds one item only")
    if value is None:
        note = "; ".join(x for x in (note, "one place was never chosen: the ratio has no end") if x)
    n_at = np.bincount(place)
    chance = np.array([_ratio(np.bincount(place[draw], minlength=len(n_at)), n_at) for draw in draws])
    finite = chance[np.isfinite(chance)]
    words = "chance alone (choices of a page shuffled"
    words += f", 95 % below {np.quantile(chance, 0.95):.2f})" if len(finite) == len(chance) else ")"
    return Row(
        key,
        label,
        value,
        "ratio",
        n=len(place),
        of="exposures",
        baselines=(Baseline(float(np.median(finite)) if len(finite) else None, words), Baseline(1.0, "no bias")),
        note=note,
    )


def _ratio(picked: Ints, shown: Ints) -> float:
    rates = picked[shown > 0] / shown[shown > 0]
    return float("inf") if rates.min() == 0 else float(rates.max() / rates.min())


def _popularity_row(facts: Facts, label: str, words: Mapping[str, str]) -> Row:
    value = _popularity(facts)
    known_there = ~np.isnan(value)
    if not (known_there & facts.positive).any():
        return Row("popularity", label, None, note="the popularity of these items is not known")
    ones, filled = np.ones(len(value)), np.nan_to_num(value)
    picked, shown = facts.positive & known_there, facts.answered & known_there
    sums = facts.per_user(filled, picked), facts.per_user(ones, picked)
    rivals = facts.per_user(filled, shown), facts.per_user(ones, shown)
    users = sums[1] > 0
    mean = float(divided(*sums)[users].mean())
    # Each user's own slates are the rival, so the comparison is within users.
    beside = float(divided(*rivals)[users].mean())
    low, high = ratio_interval(0, lambda a, b: a / b, divided(*sums)[users], np.ones(int(users.sum())))
    return Row(
        "popularity",
        label,
        mean,
        "count",
        low,
        high,
        int(users.sum()),
        "users with a choice",
        (Baseline(beside, "of all items shown to the same users"),),
    )


def _genre_row(facts: Facts, label: str, draws: list[Bools]) -> Row:
    names, has = _genres(facts)
    there = has[facts.answered]
    shown, picked = there.sum(axis=0), has[facts.positive].sum(axis=0)
    if not names or not picked.sum():
        return Row(
            "genre_jsd",
            label,
            None,
            "bits",
            note="the items have no genres" if not names else "no chosen item has a genre",
        )
    chance = [jensen_shannon(mix, shown) for draw in draws if (mix := draw.astype(np.float32) @ there).sum()]
    words = f"chance alone (95 % below {np.quantile(chance, 0.95):.3g})" if chance else "chance alone"
    return Row(
        "genre_jsd",
        label,
        jensen_shannon(picked, shown),
        "bits",
        n=int(facts.positive.sum()),
        of="chosen items",
        baselines=(Baseline(float(np.mean(chance)) if chance else None, words),),
    )


def _chance(facts: Facts) -> Iterator[Bools]:
    """Choices of answered exposures, shuffled within each agent-page: masks aligned with the answered exposures."""
    agent, page, picked = (x[facts.answered] for x in (facts.agent, facts.page, facts.positive))
    group = agent * (int(page.max()) + 1) + page
    home = np.argsort(group, kind="stable")
    rng = np.random.default_rng(0)
    for _ in range(min(500, max(60, CELLS // len(group)))):
        mask = np.empty(len(group), dtype=bool)
        # Adding less than one to a whole number keeps groups apart and orders each at random.
        mask[home] = picked[np.argsort(group + rng.random(len(group)))]
        yield mask


def _popularity(facts: Facts) -> Floats:
    counts = facts.reference.get("popularity") or {}
    return np.array([counts.get(item, np.nan) for item in facts.item], dtype=float)


def _genres(facts: Facts) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float32]]]:
    of = facts.reference.get("genres") or {}
    names = sorted({genre for item in set(facts.item) for genre in of.get(item) or ()})
    place = {name: i for i, name in enumerate(names)}
    has = np.zeros((len(facts.item), len(names)), dtype=np.float32)
    for row, item in enumerate(facts.item):
        for genre in of.get(item) or ():
            has[row, place[genre]] = 1.0
    return names, has


def _two(labels: tuple[str, ...], inside: Ints, there: Bools, picked: Bools, done: str) -> Shares:
    n = len(labels)
    series = {
        SHOWN: np.bincount(inside[there], minlength=n),
        done: np.bincount(inside[there & picked], minlength=n),
    }
    return Shares(labels, {name: tuple(counts.astype(float).tolist()) for name, counts in series.items()})
