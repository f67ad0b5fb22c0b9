"""Which charts a report holds, and what they are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from ...agents.calibration import LEAST_Z
from ...agents.satisfaction import START
from .charts import Chart, Series, bars, empty, line, percent, plain, rows
from .ratings import REAL, SIMULATED
from .shapes import Point, Shares
from .summary import Summary

MARGIN_BINS = 8
MARGINS = {"title": "likelihood of the title, this user's list over nobody's", "yesno": "margin of yes over no"}
"""What a margin is, by the signal that was read."""


def chart_ratings(summary: Summary) -> Chart:
    """Ratings given beside these users' own."""
    key, title = "ratings", "Ratings: simulated and real"
    shares = summary.ratings
    if shares is None:
        return empty(key, title, "the data has no ratings")
    if not shares.total(SIMULATED):
        return empty(key, title, "no rating was given")
    n, real = shares.total(SIMULATED), shares.total(REAL)
    return _shares_chart(
        key, title, shares, (SIMULATED, REAL), x="rating", y="% of ratings",
        note=f"n = {n:,.0f} simulated ratings, {real:,.0f} training ratings of the same users",
    )  # fmt: skip


def chart_slots(summary: Summary) -> Chart:
    """Watch rate by the place on the page, as shown and as ranked."""
    labels = [p.label for p in summary.by_position]
    series = [_series("by shown position", summary.by_position), _series("by recommender's rank", summary.by_rank)]
    n = sum(p.n for p in summary.by_position)
    rate = summary.pooled_watch_rate
    reference = None if rate is None else (rate, f"pooled: {percent(rate)} %")
    mean = summary["watch_rate"]
    beside = f"; mean over users: {mean.value_text}" if mean.value is not None else ""
    return bars(
        "slots", f"{summary.words['rate']} by place on the page", labels, series, x="place on the page, 1 is first",
        y=f"% {summary.words['done']}", note=f"pooled over n = {n:,} exposures{beside}; whiskers: 95 %", reference=reference,
        why_empty="no page got a usable answer",
    )  # fmt: skip


def chart_exits(summary: Summary) -> Chart:
    """Where users left, and how many were still there."""
    names = tuple(summary.exits.series)
    n = sum(summary.exits.total(name) for name in names)
    series = [Series(name, summary.exits.series[name]) for name in names]
    if not n:
        return empty("exits", "Last page seen", "no user has seen a page yet")
    open_note = "" if summary.status == "finished" else "; the run is not finished"
    return bars(
        "exits", "Last page seen", summary.exits.labels, series, x="page", y="users",
        note=f"n = {n:,.0f} users; no real counterpart in rating logs{open_note}", form=plain,
        stacked=True,
    )  # fmt: skip


def chart_satisfaction(summary: Summary) -> Chart:
    """Mean satisfaction after each page, over those still there."""
    points = summary.satisfaction
    ns = " / ".join(f"{p.n:,}" for p in points)
    return line(
        "satisfaction", "Satisfaction after each page", [p.label for p in points], _series("mean", points),
        x="page", y="satisfaction, 1 to 10", span=(1, 10), note=f"users still there: {ns}; whiskers: 95 %",
        reference=(START, f"middle of the scale: {START:g}"),
        why_empty="no decision carries a satisfaction",
    )  # fmt: skip


def chart_margins(summary: Summary) -> Chart:
    """Margins of held-in liked items against unobserved ones: how far apart the model puts them."""
    key, title = "margins", "Calibration: corrected margins of held-in items"
    calibration = summary.calibration or {}
    positives, negatives = (_finite(calibration.get(f"{sign}_margins")) for sign in ("positive", "negative"))
    together = np.array([*positives, *negatives], dtype=float)
    if not len(positives) or not len(negatives):
        return empty(key, title, "no calibration margins were recorded")
    edges = np.linspace(together.min(), max(together.max(), together.min() + 1e-6), MARGIN_BINS + 1)
    series = [
        Series(name, (np.histogram(values, edges)[0] / len(values)).tolist())
        for name, values in (("liked, held-in", positives), ("unobserved", negatives))
    ]
    digits = max(0, 1 - math.floor(math.log10(edges[1] - edges[0])))
    labels = [f"{middle:+.{digits}f}" for middle in (edges[:-1] + edges[1:]) / 2]
    return bars(
        key, title, labels, series, x=f"{MARGINS[summary.reads]}, nats", y="% of items",
        note=f"n = {len(positives):,} liked and {len(negatives):,} unobserved items; middles of the bins",
    )  # fmt: skip


def chart_popularity(summary: Summary) -> Chart:
    """Popularity of what was shown and of what was taken up."""
    shares = summary.popularity
    if shares is None:
        return empty("popularity", "Popularity of shown and chosen items", "the popularity of these items is not known")
    return _shares_chart(
        "popularity", "Popularity of shown and chosen items", shares, tuple(shares.series),
        x="training rows of the item", y="% of items", note=_counts(shares),
    )  # fmt: skip


def chart_genres(summary: Summary) -> Chart:
    """Genres of what was shown and of what was taken up."""
    shares = summary.genres
    if shares is None:
        return empty("genres", "Genres of shown and chosen items", "the items have no genres")
    series = [Series(name, shares.shares(name)) for name in shares.series]
    return rows(
        "genres",
        "Genres of shown and chosen items",
        shares.labels,
        series,
        x="% of genre mentions",
        note=_counts(shares, "genre mentions"),
    )


def chart_groups(summary: Summary) -> Chart:
    """Watch rate by activity group, beside the rate they were set to where a setting decided it."""
    title = f"{summary.words['rate']} by activity group"
    labels = [f"{g.name} (n = {g.users})" for g in summary.groups]
    series = [_series("observed", [g.watch_rate for g in summary.groups])]
    if any(g.target is not None for g in summary.groups):
        series.append(Series("set to (not measured)", [g.target for g in summary.groups]))
    return bars(
        "groups", title, labels, series, x="activity in the training rows", y=f"% {summary.words['done']}",
        note="whiskers: 95 % over users", why_empty="no activity group has an answer",
    )  # fmt: skip


def chart_work(summary: Summary) -> Chart:
    """Tokens by step of the agent's graph."""
    series = [
        Series("sent", [float(w.prompt_tokens) for w in summary.work]),
        Series("received", [float(w.completion_tokens) for w in summary.work]),
    ]
    why = "no model was asked" if not summary.work else "the calls' tokens are not known"
    if not any(w.prompt_tokens or w.completion_tokens for w in summary.work):
        return empty("tokens", "Tokens by step", why)
    return rows("tokens", "Tokens by step", [w.node for w in summary.work], series, x="tokens", form=plain)


def chart_failures(summary: Summary) -> Chart:
    """Unusable answers by step and kind."""
    labels = [f"{f.status} in {f.node}" for f in summary.failures]
    why = "no model was asked" if summary.mode == "scripted" else "every answer was usable"
    return rows(
        "failures", "Unusable answers by kind", labels, [Series("answers", [float(f.count) for f in summary.failures])],
        x="answers", form=plain, why_empty=why,
    )  # fmt: skip


def main_charts(summary: Summary) -> list[Chart]:
    """The four that fit one picture."""
    return [chart_ratings(summary), chart_slots(summary), chart_exits(summary), chart_satisfaction(summary)]


def calibration_words(summary: Summary) -> list[str]:
    """What the calibration found, in plain sentences."""
    found: dict[str, Any] = dict(summary.calibration or {})
    if not found:
        return []
    lines = []
    raw = found.get("uncalibrated_rate")
    if raw is not None and summary.reads == "yesno":  # a title's likelihood alone is no verdict
        lines.append(
            f"Taken at its word (yes above no, no correction), the model would take up {100 * raw:.1f} % of these items."
        )
    area, low, high = (found.get(key) for key in ("auc", "auc_low", "auc_high"))
    if area is None:
        lines.append("AUC of liked against unobserved items: not known (no user has both kinds).")
    else:
        bounded = _number(low) and _number(high)
        bounds = f" [{low:.3f}, {high:.3f}]" if bounded else " (too few users for an interval)"
        lines.append(f"AUC of liked against unobserved held-in items, within users: {area:.3f}{bounds}; 0.5 is chance.")
    lines += _verdict(found)
    slope, n = found.get("slope"), found.get("n")
    if slope is not None:
        used = "applied" if found.get("signal") else f"since it is less than {LEAST_Z} standard errors above 0"
        lines.append(
            f"Slope of the margins: {slope:.3f} over {n or 0:,} items, {used}. The rate itself is a setting, not a measurement."
        )
    spearman, rating_n = found.get("rating_spearman"), found.get("rating_n") or 0
    if spearman is not None:
        lines.append(
            f"Ratings: rank correlation of the model's verdicts with held-in ratings {spearman:+.2f} over {rating_n:,} items."
        )
    elif summary.ratings is not None:
        lines.append("Ratings: no rank correlation could be computed on held-in items.")
    return lines


def _verdict(found: Mapping[str, Any]) -> list[str]:
    """One verdict from both tests: whether a slope was applied, and whether the AUC can be told from chance."""
    area, low, high = (found.get(key) for key in ("auc", "auc_low", "auc_high"))
    # Without an interval nothing can be claimed; below 0.5 the order is the wrong way round.
    above = area is not None and _number(low) and low > 0.5
    if area is not None and _number(high) and high < 0.5:
        return ["The order is the wrong way round: the model prefers what these users did not choose."]
    if not found.get("signal"):
        beside = "though the AUC is above chance, " if above else ""
        return [f"No signal found: {beside}no slope was believed, so these choices follow the set rate and chance."]
    if above:
        return []
    return [
        "Weak: a slope was found and applied, but the AUC of these few held-in items cannot be told from chance"
        + ("." if area is not None and _number(low) else ": it has no interval.")
    ]


def _shares_chart(key: str, title: str, shares: Shares, names: Sequence[str], *, x: str, y: str, note: str) -> Chart:
    return bars(key, title, shares.labels, [Series(name, shares.shares(name)) for name in names], x=x, y=y, note=note)


def _series(name: str, points: Sequence[Point]) -> Series:
    return Series(name, [p.value for p in points], [p.low for p in points], [p.high for p in points])


def _counts(shares: Shares, what: str = "items") -> str:
    return ", ".join(f"n = {shares.total(name):,.0f} {what} {name}" for name in shares.series)


def _number(value: Any) -> TypeGuard[float]:
    return value is not None and bool(np.isfinite(value))


def _finite(values: Any) -> list[float]:
    return [float(v) for v in values or () if _number(v)]
