"""The verdict: the winner against the seed on the sealed split, with its doubt, its rivals, and what chance would do.

A difference is claimed where the bootstrap interval and the sign-flip test say so, both. The interval alone claims too
much where many cases tie: of two prompts that are worth the same it calls the second better in 4 to 5% of tests of 30 cases
and in 3 to 4% of tests of 100, where 2.5% are stated.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluators import bootstrap_mean, paired_difference
from ..evaluators.estimate import Estimate, PairedEstimate
from .scores import FloatArray, Scores
from .shrinkage import shrunken_leads
from .task import Result

if TYPE_CHECKING:
    from .conductor import Conductor

TOO_MANY = 0.1
"""Share of test cases without an answer above which nothing is ranked."""
LEVEL = 0.05
"""Of the two-sided test that goes with the 95% interval."""
POWER = 0.8


def judged(conductor: Conductor, seed: Sequence[Result], winner: Sequence[Result]) -> dict[str, Any]:
    """The verdict as plain values. `seed` and `winner`: results on the sealed split, in its order."""
    context, choice, ids = conductor.context, conductor.choice, conductor.splits.test
    assert choice is not None
    test = Scores(context.metric)
    test.add("seed", seed)
    test.add("winner", winner)
    same = choice.candidate.id == context.seed_candidate.id
    missing = {"seed": sum(r.missing for r in seed), "winner": sum(r.missing for r in winner)}
    values = {name: test.values(name, ids) for name in ("seed", "winner")}
    both = ~np.isnan(values["seed"]) & ~np.isnan(values["winner"])
    said: dict[str, Any] = {
        "metric": context.metric,
        "cases": len(ids),
        "pairs": int(both.sum()),
        "missing": missing,
        "winner": choice.candidate.id,
        "seed": context.seed_candidate.id,
        "answers": {"seed": _answers(seed), "winner": _answers(winner)},
    }
    if max(missing.values()) > TOO_MANY * len(ids):
        text = (
            f"not ranked: {max(missing.values())} of {len(ids)} test cases have no answer (calls that never arrived), "
            f"more than {TOO_MANY:.0%}"
        )
        return {**said, "outcome": "not ranked", "text": text}
    # Means are taken over the pairs, so that they differ by what the paired difference says.
    for name in ("seed", "winner"):
        said[f"{name}_mean"] = estimate(bootstrap_mean(values[name][both], seed=context.seed))
    said["metrics"] = {
        name: {"seed": _mean(seed, name, ids), "winner": _mean(winner, name, ids)}
        for name in sorted({name for result in (*seed, *winner) for name in result.values})
    }
    said["detectable"] = None  # where nothing was tested against the seed, or nothing varies
    if not same:
        found = paired_difference(values["winner"], values["seed"], seed=context.seed)
        said["difference"] = estimate(found) | {"p_value": found.p_value, "found": told(found)}
        said["detectable"] = _detectable((values["winner"] - values["seed"])[both])
    said["baselines"] = _baselines(conductor, values["winner"])
    leads = shrunken_leads(context, list(conductor.candidates))
    if not same and (lead := leads.get(choice.candidate.id)):
        said["search_lead"] = lead
    said["remarks"] = _alike([*seed, *winner], context.metric)
    if (remarks := getattr(conductor.task, "remarks", None)) is not None:
        cases = [context.cases[case] for case in ids]
        notes = getattr(conductor.task, "notes", ())  # the log has those already
        said["remarks"] += [line for line in remarks(cases, list(winner)) if line not in notes]
    return {**said, **_words(said, same, choice.tie)}


def no_fresh_test(verdict: Mapping[str, Any], before: Sequence[str]) -> dict[str, Any]:
    """The verdict of a run whose sealed split others of its family (`before`) had opened: it claims no fresh test."""
    if not before:
        return dict(verdict)
    text = f"not a fresh test (the sealed split was opened before, by {', '.join(before)}): {verdict['text']}"
    return {**verdict, "fresh": False, "opened_before": list(before), "text": text}


def estimate(found: Estimate) -> dict[str, Any]:
    """An estimate as plain values."""
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n, "method": found.method}


def told(found: PairedEstimate) -> bool:
    """Whether there is a difference beyond doubt; see the top of this file."""
    return found.found and found.p_value <= LEVEL


def _answers(results: Sequence[Result]) -> dict[str, Any]:
    """How the answers came: statuses, and how often a rule had to mend one."""
    mended: Counter[str] = Counter()
    for result in results:
        mended.update(result.counts)
    return {"status": dict(sorted(Counter(r.status for r in results).items())), "mended": dict(sorted(mended.items()))}


def _mean(results: Sequence[Result], metric: str, ids: Sequence[str]) -> float | None:
    scores = Scores(metric)
    scores.add("", results)
    mean = scores.mean("", ids)
    return None if math.isnan(mean) else mean


def _detectable(differences: FloatArray) -> float | None:
    """The smallest true difference that a two-sided 5% test of so many pairs finds in four of five cases; None where all
    differences are the same, so that their spread is not known."""
    if len(differences) < 2 or not np.ptp(differences):
        return None
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(POWER)
    return z * float(np.std(differences, ddof=1)) / math.sqrt(len(differences))


def _alike(results: Sequence[Result], metric: str) -> list[str]:
    """A remark where all answers, of both prompts, scored the same: such a test tells nothing."""
    known = [result for result in results if not result.missing]
    scores = {result.values.get(metric) for result in known}
    if len(known) < 2 or len(scores) != 1 or (score := scores.pop()) is None:
        return []
    if score:
        return [f"every answer scored {score:.3f}: nothing can be told from them"]
    calls = next((result.calls for result in known if result.calls), ())
    look = f": look at one with  recloop runs show RUN --call {calls[0]}" if calls else ""
    return [f"every answer scored 0{look}"]


def _baselines(conductor: Conductor, winner: Any) -> list[dict[str, Any]]:
    """Each baseline beside the winner on the same cases; `beaten`: the winner is better beyond doubt."""
    context = conductor.context
    cases = [context.cases[case] for case in conductor.splits.test]
    rows = []
    for name, values in conductor.task.baselines(cases).items():
        value = np.asarray(values, dtype=float)
        pairs = ~np.isnan(value) & ~np.isnan(winner)
        if not pairs.any():
            continue
        found = paired_difference(winner, value, seed=context.seed)
        rows.append(
            {
                "name": name,
                "mean": float(value[pairs].mean()),
                "ahead": estimate(found) | {"p_value": found.p_value},
                "beaten": told(found) and found.mean > 0,
            }
        )
    return rows


def _words(said: Mapping[str, Any], same: bool, tie: bool) -> dict[str, Any]:
    if same:
        outcome = "seed stands"
        text = "no better prompt was found: the seed stands"
    else:
        difference = said["difference"]
        shown = f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"
        if difference["found"] and difference["mean"] > 0:
            outcome, text = "better", f"better than the seed on the sealed test split: {said['metric']} {shown}"
        elif difference["found"]:
            outcome, text = (
                "worse",
                f"worse than the seed on the sealed test split: {said['metric']} {shown}; keep the seed",
            )
        else:
            if difference["low"] > 0 or difference["high"] < 0:
                shown += f", but p = {difference['p_value']:.2g}"
            outcome, text = (
                "no difference found",
                f"no difference to the seed found on the sealed test split: {said['metric']} {shown}",
            )
    unbeaten = [row["name"] for row in said["baselines"] if not row["beaten"]]
    below = [row["name"] for row in said["baselines"] if row["ahead"]["mean"] <= 0]
    if below:
        text += f"; it adds nothing over {', '.join(below)}, which need{'s' * (len(below) == 1)} no prompt"
    elif unbeaten:
        text += f"; not told apart from {', '.join(unbeaten)}"
    return {"outcome": outcome, "text": text, "tie": tie}
