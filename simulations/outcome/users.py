"""What the log says per user: arrays (users,) and the rivals that belong to these users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...agents.satisfaction import target_rate
from ...evaluators import bootstrap_mean
from .facts import Bools, Facts, Floats, Ints
from .numbers import Baseline, known, resamples
from .shapes import Point


def point(label: str, values: Floats) -> Point:
    """Mean of the values that are there, with its interval where there are two or more."""
    value = values[~np.isnan(values)]
    if not len(value):
        return Point(label, None, None, None, 0)
    estimate = bootstrap_mean(value, draws=resamples(len(value)))
    return Point(label, known(estimate.mean), known(estimate.low), known(estimate.high), estimate.n)


def watch_rate_per_user(facts: Facts) -> Floats:
    """Share of answered exposures taken up: (users,), NaN without one."""
    ones = np.ones(len(facts.agent))
    return divided(facts.per_user(ones, facts.positive), facts.per_user(ones, facts.answered))


def mean_rating_per_user(facts: Facts) -> Floats:
    """Mean rating given: (users,), NaN without one."""
    rated = ~np.isnan(facts.rating)
    return divided(facts.per_user(facts.rating, rated), facts.per_user(np.ones(len(facts.agent)), rated))


def last_satisfaction(facts: Facts) -> Floats:
    """Satisfaction after the last page of each user that carries one: (users,), NaN without."""
    last = np.full(len(facts.agents), np.nan)
    stated = ~np.isnan(facts.turn_satisfaction)
    for who, value in zip(facts.turn_agent[stated], facts.turn_satisfaction[stated], strict=True):
        last[who] = value  # turns are in page order
    return last


def pages_seen(facts: Facts) -> Ints:
    """Pages each user has seen: (users,)."""
    return np.bincount(facts.turn_agent, minlength=len(facts.agents))


def decided_to_leave(facts: Facts) -> Bools:
    """Users who chose to leave, on whichever page: (users,)."""
    left = np.zeros(len(facts.agents), dtype=bool)
    left[facts.turn_agent[~facts.turn_next]] = True
    return left


def list_ended(facts: Facts, config: Mapping[str, Any], finished: bool) -> Bools:
    """Users for whom the recommender had no further page, though the cap did and they wanted to go on: (users,)."""
    pages = pages_seen(facts)
    through = int(config.get("pages") or 0) if finished else int(pages.max(initial=0))
    return (pages > 0) & (pages < through) & ~decided_to_leave(facts)


def left_early(facts: Facts, config: Mapping[str, Any]) -> Bools:
    """Users who chose to leave while the cap had more pages for them: (users,)."""
    cap = int(config.get("pages") or 0)
    left = np.zeros(len(facts.agents), dtype=bool)
    left[facts.turn_agent[~facts.turn_next & (facts.turn_page < cap - 1)]] = True
    return left


def held_out(facts: Facts) -> Floats | None:
    """1 for each exposure that lies in its user's held-out rows: (n,); None where nothing was held out."""
    truth = {user: frozenset(items) for user, items in (facts.reference.get("held_out") or {}).items()}
    if not any(truth.values()):
        return None
    users = [truth.get(user, frozenset()) for user in facts.agents]
    return np.array([item in users[a] for a, item in zip(facts.agent, facts.item, strict=True)], dtype=float)


def real_like_share(facts: Facts) -> tuple[float | None, str]:
    """Share of these users' own training ratings that would count as likes, and the words for it."""
    from ...agents.actions import liked_from
    from ...data import RatingScale

    scale = RatingScale.of(tuple(facts.reference.get("scale") or ()) or None)
    counts = np.array(facts.reference.get("real_ratings") or [], dtype=float)
    if scale is None or not counts.sum():
        return None, "none: these users' own ratings are not known"
    least = liked_from(scale)
    levels = np.array(facts.reference["rating_levels"], dtype=float)
    share = float(counts[levels >= least - 1e-9].sum() / counts.sum())
    return share, f"of these users' own ratings are {least:g} or more"


def divided(a: Floats, b: Floats) -> Floats:
    """a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def targets(facts: Facts, config: Mapping[str, Any], users: list[str]) -> list[Baseline]:
    """The rate these users were set to, where a setting decided it (score mode, scripted users)."""
    if facts.calibration is not None:
        rates = [facts.calibration["target"][u] for u in users if u in facts.calibration.get("target", {})]
        words = "calibration's target for these users (a setting, not a measurement)"
    elif config.get("model") == "scripted" and config.get("watch_rate"):
        levels = [int(facts.personas.get(u, {}).get("activity") or 0) for u in users]
        rates = [target_rate(level, *config["watch_rate"]) for level in levels if level]
        words = "these scripted users over a sample of the whole catalogue (a setting)"
    else:
        return []
    return [Baseline(known(float(np.mean(rates))) if rates else None, words if rates else f"none: {words}")]
