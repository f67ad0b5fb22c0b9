"""A few users, page by page, for the report: what they saw, did, remembered and decided, with the call behind each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...agents.trait_texts import TRAIT_NAMES
from ...runs import Run
from ...runs.visible import visible
from .facts import Facts, facts
from .users import pages_seen, watch_rate_per_user

SAMPLE = 3
LONGEST = 400
"""Characters of one memory or reason on the page."""


def sample_users(run: Run, done: str = "taken up") -> list[dict[str, Any]]:
    """Up to three users who differ: most, middling and least given to take things up; ready for the template.

    `done`: what taking something up is called ("watched").
    """
    read = facts(run)
    return [_user(run, read, who, f"{why} share {done}") for who, why in pick(read)]


def pick(read: Facts) -> list[tuple[int, str]]:
    """Index and reason of the users to show, without drawing: the same run always shows the same users."""
    pages, rate = pages_seen(read), watch_rate_per_user(read)
    there = np.flatnonzero(pages > 0)
    if not len(there):
        return []
    value = np.nan_to_num(rate[there], nan=-1.0)
    order = there[np.lexsort((-pages[there], value))]
    places = [(len(order) - 1, "largest"), (len(order) // 2, "middling"), (0, "smallest")]
    chosen: dict[int, str] = {}
    for place, why in places[:SAMPLE]:
        chosen.setdefault(int(order[place]), why)
    return list(chosen.items())


def _user(run: Run, read: Facts, who: int, why: str) -> dict[str, Any]:
    name = read.agents[who]
    persona = read.personas.get(name, {})
    traits = [
        f"{trait}: {TRAIT_NAMES[trait].get(level, level)}"
        for trait in ("activity", "conformity", "diversity")
        if (level := persona.get(trait)) is not None
    ]
    return {
        "user": visible(name),
        "why": why,
        "traits": traits,
        "history": persona.get("n_history"),
        "mean_rating": persona.get("mean_rating"),
        "tendency": visible(persona.get("rating_tendency") or ""),
        "tastes": [visible(taste) for taste in persona.get("tastes") or ()],
        "tastes_source": visible(persona.get("tastes_source") or ""),
        "pages": list(_pages(run, read, name)),
    }


def _pages(run: Run, read: Facts, name: str) -> Iterator[dict[str, Any]]:
    truth = set((read.reference.get("held_out") or {}).get(name) or ())
    for event in run.events(kind="page", agent=name):
        data = event.data
        acts = {action["item"]: action for action in data["actions"]}
        shown = sorted(data["exposures"], key=lambda exposure: exposure["shown_at"])
        decision = data["decision"]
        calls = [x.get("call") for x in (*data["actions"], *data["memories"], decision, *(data.get("failures") or ()))]
        interview = data.get("interview")
        yield {
            "number": event.page + 1,
            "feeling": _short(data.get("feeling")),
            "slate": [
                _item(read, exposure, acts.get(exposure["item"]), exposure["item"] in truth) for exposure in shown
            ],
            "memories": [{"kind": visible(m["kind"]), "text": _short(m["text"])} for m in data["memories"]],
            "decision": {
                "word": "next page" if decision["next"] else "leaves",
                "reason": _short(decision.get("reason")),
                "satisfaction": decision.get("satisfaction"),
                "fatigue": decision.get("fatigue"),
                "invalid": decision.get("invalid"),
            },
            "interview": interview and {"satisfaction": interview["satisfaction"], "text": _short(interview["text"])},
            "failures": [
                f"{visible(f['status'])} in {visible(f['node'])}: {_short(f.get('error'))}"
                for f in data.get("failures") or ()
            ],
            "calls": [visible(key) for key in dict.fromkeys(key for key in calls if key)],
        }


def _item(read: Facts, exposure: dict[str, Any], act: dict[str, Any] | None, held_out: bool) -> dict[str, Any]:
    item = exposure["item"]
    act = act or {}
    return {
        "place": exposure["shown_at"] + 1,
        "rank": exposure["slot"] + 1,
        "id": visible(item),
        "title": visible((read.reference.get("titles") or {}).get(item) or item),
        "action": visible(act.get("action") or "no usable answer"),
        "positive": bool(act.get("positive")),
        "rating": act.get("rating"),
        "liked": bool(act.get("liked")),
        "probability": act.get("probability"),
        "margin": act.get("margin"),
        "feeling": _short(act.get("feeling")),
        "held_out": held_out,
    }


def _short(text: Any) -> str:
    shown = visible("" if text is None else text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
