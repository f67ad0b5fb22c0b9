"""What users did: pages, watching, hits in their held-out rows, leaving, satisfaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...agents.action_sets import ACTION_SETS
from ...agents.satisfaction import START
from ...agents.trait_texts import TRAIT_NAMES
from ...evaluators import proportion
from .facts import Facts
from .numbers import LEAST_HITS, Baseline, Row, known, mean_row, ratio_interval, share_row, show
from .shapes import Group, Point, Shares
from .users import (
    decided_to_leave,
    held_out,
    last_satisfaction,
    left_early,
    list_ended,
    mean_rating_per_user,
    pages_seen,
    point,
    real_like_share,
    targets,
    watch_rate_per_user,
)

NOBODY = "no user has seen a page yet"
NO_ANSWER = "no page got a usable answer"
NO_TRUTH = "no rows of these users were held out"


def browsing_rows(facts: Facts, config: Mapping[str, Any], finished: bool) -> list[Row]:
    """Users, pages seen, who left before the cap."""
    pages, left = pages_seen(facts), left_early(facts, config)
    there, cap = pages > 0, known(config.get("pages"))
    browsed = pages[there]
    ended = list_ended(facts, config, finished)
    stayed = None if cap is None else Baseline(cap, "if everybody stayed to the cap")
    if cap is not None and ended.any():
        most = float(np.where(ended, pages, cap)[there].mean())
        words = (
            f"if everybody stayed to the cap of {cap:.0f}, or to the end of their list ({ended.sum()} users: earlier)"
        )
        stayed = Baseline(most, words)
    open_note = "" if finished else "the run is not finished: pages so far"
    return [
        Row(
            "agents",
            "Users who browsed",
            float(len(browsed)),
            "count",
            n=len(browsed),
            of="users",
            baselines=(Baseline(float(config.get("users") or len(facts.agents)), "asked for"),),
        ),
        mean_row(
            "pages",
            "Pages seen per user",
            browsed,
            "",
            stayed or Baseline(None, "none: the cap is not recorded"),
            empty=NOBODY,
            note=open_note,
        ),
        share_row(
            "left_early",
            "Left before the last page",
            int(left.sum()),
            len(browsed),
            Baseline(None, "none: rating logs do not say when people leave"),
            of="users",
            empty=NOBODY,
            note=open_note,
        ),
    ]


def watch_rows(facts: Facts, config: Mapping[str, Any], words: Mapping[str, str]) -> list[Row]:
    """Watch rate beside the rate users were set to and the share of true hits shown; the same for likes."""
    rate = watch_rate_per_user(facts)
    asked = [user for user, value in zip(facts.agents, rate, strict=True) if not np.isnan(value)]
    hits = held_out(facts)
    rated = facts.positive & ~np.isnan(facts.rating)
    n_rated, liked = facts.per_user(np.ones(len(facts.agent)), rated), facts.per_user(facts.liked, rated)
    active = facts.per_user(np.ones(len(facts.agent)), facts.answered) > 0
    real_like, like_words = real_like_share(facts)
    rivals = [*targets(facts, config, asked)]
    if hits is not None:
        share = known(float(hits[facts.answered].mean())) if facts.answered.any() else None
        rivals.append(Baseline(share, "of what was shown lies in these users' held-out rows"))
    silent = int(facts.turn_silent.sum())
    n = int(facts.answered.sum())
    pooled = (
        f"mean over users; pooled over all {n:,} answered items: {show(float(facts.positive.sum()) / n, 'share')}"
        if n
        else ""
    )
    silent_note = f"{silent} of {len(facts.turn_silent)} pages got no usable answer and are left out" if silent else ""
    rows = [
        mean_row(
            "watch_rate",
            words["rate"],
            rate,
            "share",
            *rivals,
            empty=NO_ANSWER if len(facts.turn_page) else NOBODY,
            note="; ".join(x for x in (pooled, silent_note) if x),
        )
    ]
    if facts.reference.get("scale") is None:
        why = f"the data has no ratings: whatever is {words['done']} counts as liked"
    elif not asks_for_ratings(config):
        why = "these actions ask for no rating"
    elif facts.positive.any() and not rated.any():
        why = f"nothing that was {words['done']} was rated"
    else:
        why = ""
    if why:
        rows += [Row("likes", "Likes per user", None, note=why), Row("liked_share", words["liked"], None, note=why)]
        return rows
    expected = None if real_like is None or not active.any() else real_like * float(n_rated[active].mean())
    low, high = ratio_interval(0, lambda a, b: a / b, liked[active], n_rated[active])
    total = float(n_rated.sum())
    rows += [
        mean_row(
            "likes",
            "Likes per user",
            liked[active],
            "",
            Baseline(expected, "if rated items were liked as often as real ratings say"),
            empty=NO_ANSWER,
        ),
        Row(
            "liked_share",
            words["liked"],
            known(float(liked.sum()) / total) if total else None,
            "share",
            low if total else None,
            high if total else None,
            int(total),
            f"{words['done']} and rated items",
            (Baseline(real_like, like_words),),
            "" if total else f"nothing was {words['done']}",
        ),
    ]
    return rows


def asks_for_ratings(config: Mapping[str, Any]) -> bool:
    """Whether the run's actions want ratings; of a set that does not ship with RecLoop only its answers can tell."""
    shipped = ACTION_SETS.get(str(config.get("actions", "films")))
    return shipped is None or any(action.wants_rating for action in shipped.actions)


def truth_rows(facts: Facts, words: Mapping[str, str]) -> list[Row]:
    """Precision against held-out rows, beside what the recommender alone reaches, and the lift between the two."""
    label, lift_label = f"In held-out rows, of {words['done']}", "Lift over the shown"
    hits = held_out(facts)
    if hits is None:
        return [
            Row("precision", label, None, "share", note=NO_TRUTH),
            Row("lift", lift_label, None, "ratio", note=NO_TRUTH),
        ]
    ones = np.ones(len(facts.agent))
    shown, watched = facts.per_user(ones, facts.answered), facts.per_user(ones, facts.positive)
    hit_shown, hit_watched = facts.per_user(hits, facts.answered), facts.per_user(hits, facts.positive)
    n_shown, n_watched, n_hit, n_hit_watched = (float(x.sum()) for x in (shown, watched, hit_shown, hit_watched))
    base = n_hit / n_shown if n_shown else None
    rival = Baseline(base, f"of all shown items ({n_hit:,.0f} of {n_shown:,.0f}), whoever picks")
    why = NO_ANSWER if not n_shown else f"nothing was {words['done']}" if not n_watched else ""
    hit_words = {0: "no hit among them", 1: "only one of them is a hit"}.get(
        int(n_hit_watched), f"only {n_hit_watched:.0f} of them are hits"
    )
    few = f"{hit_words}: too few to say" if n_hit_watched < LEAST_HITS else ""
    low = high = None
    if not why and not n_hit_watched:
        # Resampling users who all have none would claim certainty.
        exact = proportion(0, int(n_watched))
        low, high = exact.low, exact.high
    elif not why:
        low, high = ratio_interval(0, lambda a, b: a / b, hit_watched, watched)
    precision = Row(
        "precision",
        label,
        None if why else n_hit_watched / n_watched,
        "share",
        low,
        high,
        int(n_watched),
        f"{words['done']} items",
        (rival,),
        why or few,
    )
    why = why or ("" if n_hit else "no shown item lies in the held-out rows")
    low, high = (
        (None, None)
        if why or n_hit_watched < LEAST_HITS
        else ratio_interval(0, lambda a, b, c, d: (a / b) / (c / d), hit_watched, watched, hit_shown, shown)
    )
    value = None if why or not base else (n_hit_watched / n_watched) / base
    note = why or (f"{few}, and no interval below {LEAST_HITS} hits" if few else "")
    if not note and low is not None and high is not None and low <= 1.0 <= high:
        note = "no difference from picking at random found"
    lift = Row(
        "lift",
        lift_label,
        value,
        "ratio",
        low,
        high,
        int(n_hit),
        "hits shown",
        (Baseline(1.0, "picking at random"),),
        note,
    )
    return [precision, lift]


def satisfaction_rows(facts: Facts) -> list[Row]:
    """What users said at the exit interview, beside what their behaviour says and the middle of the scale."""
    said = np.array([np.nan if (v := facts.interviews.get(user)) is None else v for user in facts.agents], dtype=float)
    behaved = last_satisfaction(facts)
    both = ~np.isnan(said) & ~np.isnan(behaved)
    beside = float(behaved[both].mean()) if both.any() else None
    middle = Baseline(START, "the middle of 1 to 10")
    by_code = facts.interview_sources == ("code",)
    return [
        mean_row(
            "satisfaction_said",
            "Satisfaction at the exit interview",
            said,
            "points",
            Baseline(beside, "the same users' running estimate on their last page"),
            middle,
            empty="no interview was held" if not facts.interviews else "no interview got a usable answer",
            note="computed by code from behaviour, not said by a model" if by_code else "",
        ),
        mean_row(
            "satisfaction_shown",
            "Satisfaction at the last decision",
            behaved,
            "points",
            middle,
            empty="no decision carries a satisfaction" if len(facts.turn_page) else NOBODY,
        ),
    ]


def exit_shares(facts: Facts, config: Mapping[str, Any]) -> Shares:
    """Users by the last page they saw: those who decided to leave there (the cap's page too), and those who did not."""
    pages, left = pages_seen(facts), decided_to_leave(facts)
    last = max([int(config.get("pages") or 0), *pages.tolist()], default=0)
    counts = np.array([np.bincount(pages[who], minlength=last + 1)[1:] for who in (left, ~left & (pages > 0))])
    return Shares(
        tuple(str(p) for p in range(1, last + 1)),
        {"decided to leave": tuple(counts[0].tolist()), "wanted to go on": tuple(counts[1].tolist())},
    )


def satisfaction_by_page(facts: Facts) -> tuple[Point, ...]:
    """Mean satisfaction after each page, over the users who were still there."""
    points = []
    for page in np.unique(facts.turn_page):
        values = facts.turn_satisfaction[facts.turn_page == page]
        points.append(point(str(int(page) + 1), values))
    return tuple(points)


def groups(facts: Facts, config: Mapping[str, Any]) -> tuple[Group, ...]:
    """Behaviour by activity level, so that a trait that changes nothing is seen to change nothing."""
    level = np.array([int(facts.personas.get(u, {}).get("activity") or 0) for u in facts.agents], dtype=int)
    pages, rate, rating, content = (
        pages_seen(facts).astype(float),
        watch_rate_per_user(facts),
        mean_rating_per_user(facts),
        last_satisfaction(facts),
    )
    pages[pages == 0] = np.nan
    found = []
    for activity in sorted({int(x) for x in level} - {0}):
        mine = level == activity
        users = [u for u, there in zip(facts.agents, mine, strict=True) if there]
        target = targets(facts, config, users)
        found.append(
            Group(
                TRAIT_NAMES["activity"].get(activity, str(activity)),
                int(mine.sum()),
                point("pages", pages[mine]),
                point("watch rate", rate[mine]),
                target[0].value if target else None,
                point("rating", rating[mine]),
                point("satisfaction", content[mine]),
            )
        )
    return tuple(found)
