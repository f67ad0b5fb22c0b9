"""A run folder as a rehearsal leaves it, written with seeded numbers: for tests of summaries, reports and charts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from recloop.runs import CallRecord, Event, Run
from recloop.simulations import SimulateConfig

GENRES = ("Drama", "Comedy", "Action", "Thriller", "Romance", "Horror")
HOSTILE = "<script>alert(1)</script> \x1b[31mred\x1b[0m \u202eevil & co"
PLUMBING = "plumbing-grade model: results show the machinery, not people"


CASES: dict[str, dict[str, Any]] = {
    "one user": {"users": 1},
    "nothing watched": {"watch": 0.0},
    "everything watched": {"watch": 1.1},
    "no answer": {"watch": None},
    "every call failed": {"failing": 1.1},
    "no ratings": {"ratings": False},
    "no interviews": {"interviews": False},
    "nothing held out": {"truth": 0.0},
    "scripted": {"model": "scripted"},
    "generate": {"mode": "generate", "model": "openai/x"},
    "one item a page": {"page_size": 1},
    "one page": {"pages": 1},
    "paused": {"status": "paused"},
    "never started": {"start": False},
    "a shop": {"actions": "shop", "ratings": False},
    "a shop on rated data": {"actions": "shop"},
    "short lists": {"short_lists": 3},
    "lost interviews": {"lost_interviews": True},
}
"""What can be missing or odd about a run: name -> options of `write_run`."""


def write_run(
    path: Path,
    *,
    users: int = 12,
    pages: int = 3,
    page_size: int = 4,
    seed: int = 7,
    watch: float | None = 0.4,
    first_slot: float = 0.0,
    ratings: bool = True,
    truth: float = 0.3,
    taste: float = 0.0,
    interviews: bool = True,
    model: str = "local/tiny",
    mode: str = "score",
    price: float | None = 0.0,
    failing: float = 0.0,
    status: str = "finished",
    title: str = HOSTILE,
    actions: str = "films",
    start: bool = True,
    signal: bool = False,
    auc: tuple[float, float, float] | None = None,
    reads: Literal["auto", "title", "yesno"] = "auto",
    short_lists: int = 0,
    lost_interviews: bool = False,
) -> Run:
    """Create the run and return it, open for writing.

    `watch`: watch rate (None: no page has an answer); `first_slot`: added to it at the first place; `truth`: share of
    catalogue items in everybody's held-out rows; `taste`: added to the rate of held-out items; `failing`: share of
    agent-pages with a timeout; `start`: whether anything was committed at all; `auc`: value, low, high of a calibration that
    says otherwise than `signal`; `short_lists`: users for whom the recommender has one page only; `lost_interviews`:
    no interview gets an answer.
    """
    rng = np.random.default_rng(seed)
    config = SimulateConfig(
        users=users, pages=pages, page_size=page_size, model=model, seed=seed, actions=actions, signal=reads
    )
    run = Run.create(
        path,
        kind="simulate",
        name="rehearsal",
        config=config.model_dump(mode="json"),
        seed=seed,
        notes=[PLUMBING] if model.startswith("local") else [],
    )
    if not start:
        run.set_status("paused", "interrupted")
        return run
    names = [f"u{i}" for i in range(users)]
    items = [f"i{i}" for i in range(pages * page_size + 8)]
    personas = {name: _persona(name, i, ratings) for i, name in enumerate(names)}
    held = {name: [item for item in items if rng.random() < truth] for name in names}
    events = [Event("reference", data=_reference(items, held, ratings, users, title, rng))]
    if mode == "score" and model != "scripted":
        events.append(Event("calibration", data=_calibration(personas, signal, rng) | _area(auc)))
    events += [Event("persona", agent=name, data=persona) for name, persona in personas.items()]
    run.commit(0, events=events)
    there = list(names)
    asked = model != "scripted"
    for page in range(pages):
        records = []
        for name in list(there):
            failed = asked and rng.random() < failing
            key = f"{name}-{page}" if asked else ""
            if asked:
                run.calls.put(_call(name, page, key, failed, price, model))
            slate = items[page * page_size : (page + 1) * page_size]
            record = _page(rng, name, page, slate, held[name], key, watch, first_slot, taste, ratings, failed, actions)
            last = page == pages - 1
            stays = bool(rng.random() < 0.8)
            record["decision"]["next"] = stays
            if interviews and (last or not stays):
                record["interview"] = {
                    "satisfaction": 5.0 + page,
                    "text": f"it was {title}",
                    "source": "model",
                    "call": key,
                }
            if not stays or name in names[:short_lists]:
                there.remove(name)
            if lost_interviews and "interview" in record:
                record["interview"]["satisfaction"] = None
                record["failures"].append({"node": "interview", "status": "parse_fail", "error": "no", "call": key})
            records.append(Event("page", agent=name, page=page, data=record))
        run.commit(page + 1, events=records)
    run.write_tables()
    run.set_status(status, "" if status == "finished" else "interrupted")  # type: ignore[arg-type]
    return run


def _page(
    rng: np.random.Generator,
    name: str,
    page: int,
    slate: list[str],
    held: list[str],
    key: str,
    watch: float | None,
    first_slot: float,
    taste: float,
    ratings: bool,
    failed: bool,
    action_set: str,
) -> dict[str, Any]:
    order = rng.permutation(len(slate))
    exposures = [
        {
            "item": item,
            "slot": slot,
            "shown_at": int(order[slot]),
            "score": 1.0 - 0.1 * slot,
            "propensity": 1.0,
            "policy": "ease-1",
        }
        for slot, item in enumerate(slate)
    ]
    acts = []
    yes, no = ("watch", "skip") if action_set == "films" else ("buy", "view")
    for exposure in exposures if watch is not None and not failed else ():
        chance = (watch or 0.0) + first_slot * (exposure["shown_at"] == 0) + taste * (exposure["item"] in held)
        positive = bool(rng.random() < chance)
        rating = float(rng.integers(3, 11)) if positive and ratings and action_set == "films" else None
        acts.append(
            {
                "item": exposure["item"],
                "action": yes if positive else no,
                "rating": rating,
                "liked": positive and (rating is None or rating >= 9),
                "fits": None,
                "margin": float(rng.normal()),
                "probability": float(np.clip(chance, 0, 1)),
                "feeling": "",
                "call": key,
                "positive": positive,
            }
        )
    failures = [{"node": "react", "status": "timeout", "error": "no answer in 60 s", "call": key}] if failed else []
    return {
        "exposures": exposures,
        "recalled": [],
        "actions": acts,
        "memories": [{"kind": "factual", "text": f"Page {page + 1}: saw {HOSTILE}", "importance": 3.0, "call": key}],
        "decision": {
            "next": True,
            "reason": "chance of leaving 0.20",
            "satisfaction": float(np.clip(5 + rng.normal(), 1, 10)),
            "fatigue": 0.1 * page,
            "call": key,
            "invalid": failed,
            "source": "code",
        },
        "failures": failures,
        "feeling": "",
    }


def _persona(name: str, i: int, ratings: bool) -> dict[str, Any]:
    return {
        "user": name,
        "activity": 1 + i % 3,
        "conformity": 2 if ratings else None,
        "diversity": 1,
        "n_history": 20 + i,
        "mean_rating": 7.0 + 0.05 * i if ratings else None,
        "tastes": ["You often choose Drama.", f"You liked “{HOSTILE}”."],
        "tastes_source": "genres",
        "rating_tendency": "You rate generously.",
    }


def _reference(
    items: list[str], held: Mapping[str, list[str]], ratings: bool, users: int, title: str, rng: np.random.Generator
) -> dict[str, Any]:
    levels = [float(x) for x in range(11)] if ratings else []
    return {
        "dataset": "Films & Co",
        "licence": "MIT",
        "users": 10 * users,
        "items": len(items),
        "interactions": 1000,
        "feedback": "rating" if ratings else "view",
        "scale": [0.0, 10.0, 1.0] if ratings else None,
        "rating_levels": levels,
        "real_ratings": [1, 2, 2, 4, 6, 14, 30, 50, 48, 25, 18] if ratings else [],
        "real_ratings_all": [10, 20, 20, 40, 60, 140, 300, 500, 480, 250, 180] if ratings else [],
        "held_out": dict(held),
        "popularity": {item: int(rng.integers(5, 400)) for item in items},
        "titles": {item: title if i == 0 else f"Title {i}" for i, item in enumerate(items)},
        "genres": {item: [GENRES[i % 6], GENRES[(i * 5 + 1) % 6]] for i, item in enumerate(items)},
        "recommender": "ease",
        "policy": "ease-1",
    }


def _calibration(personas: Mapping[str, Any], signal: bool, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "slope": 1.2 if signal else 0.0,
        "auc": 0.71 if signal else 0.53,
        "auc_low": 0.62 if signal else 0.44,
        "auc_high": 0.80 if signal else 0.61,
        "n": 8 * len(personas),
        "signal": signal,
        "target": {name: 0.25 + 0.15 * (persona["activity"] - 1) for name, persona in personas.items()},
        "raw_margin_quantiles": [-3.0, -2.0, -1.5, -1.0, 0.2],
        "uncalibrated_rate": 0.01,
        "positive_margins": rng.normal(0.3 if signal else 0.0, 1, 4 * len(personas)).tolist(),
        "negative_margins": rng.normal(0.0, 1, 4 * len(personas)).tolist(),
        "rating_spearman": None,
        "rating_n": 0,
    }


def _area(auc: tuple[float, float, float] | None) -> dict[str, float]:
    return {} if auc is None else dict(zip(("auc", "auc_low", "auc_high"), auc, strict=True))


def _call(name: str, page: int, key: str, failed: bool, price: float | None, model: str) -> CallRecord:
    return CallRecord(
        key=key,
        agent=name,
        page=page,
        node="score",
        model=model,
        kind="score",
        request={"prompt": "which?"},
        status="timeout" if failed else "ok",
        response=None if failed else [[-1.0, -2.0]],
        error="no answer in 60 s" if failed else "",
        prompt_tokens=500,
        completion_tokens=20,
        cost=price,
        latency=0.25,
        at=1.0,
    )
