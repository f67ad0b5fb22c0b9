"""What a search came to otherwise than another: settings, where they part, candidates, scores, verdicts, what was paid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...runs import Run
from ...runs.compare import compare_runs
from .. import journal as log
from .errors import DebugError
from .showing import candidates, check_search, overview
from .views import CandidateView, Difference, Overview


def diff(run: Run, other: str | Path | None = None) -> Difference:
    """See `SearchDebugger.diff`."""
    if other is None:
        if run.fork is None:
            raise DebugError(f"{run.path} is no fork, so it has no parent\n  name the run it is to be held against")
        other = run.fork.parent
    with Run.open(other) as held:
        check_search(held)
        return _difference(held, run)


def _difference(a: Run, b: Run) -> Difference:
    compared = compare_runs(a, b)
    left, right = ({each.id: each for each in candidates(run)} for run in (a, b))
    seen = overview(a), overview(b)
    return Difference(
        a=a.path,
        b=b.path,
        same=compared.same,
        config=compared.config,
        parts=_parts(a, b),
        only_a=[view for id, view in left.items() if id not in right],
        only_b=[view for id, view in right.items() if id not in left],
        scores=_scores(left, right),
        best=(seen[0].best, seen[1].best),
        verdict=(_verdict(seen[0]), _verdict(seen[1])),
        fresh=(not seen[0].opened_before, not seen[1].opened_before),
        metrics=compared.summary,
        calls=(a.calls.spent().calls, b.calls.spent().calls),
    )


def _verdict(seen: Overview) -> str:
    return "" if seen.verdict is None else str(seen.verdict["text"])


def _scores(
    left: Mapping[str, CandidateView], right: Mapping[str, CandidateView]
) -> dict[str, tuple[float | None, float | None]]:
    both = {id: (left[id].score, right[id].score) for id in left if id in right}
    return {id: pair for id, pair in both.items() if pair[0] != pair[1]}


def _parts(a: Run, b: Run) -> int | None:
    """The first step that asks something else, or is answered otherwise; None where there is none."""
    left, right = _steps(a), _steps(b)
    for number in range(max(len(left), len(right))):
        if number >= min(len(left), len(right)) or left[number] != right[number]:
            return number
    return None


def _steps(run: Run) -> list[list[object]]:
    """Step by step, what was asked (its hash) and answered."""
    found: list[list[object]] = []
    for event in run.events():
        if event.kind == log.STEP:
            found.append([event.data["print"], event.data.get("stopped", "")])
        elif event.kind in (log.SCORES, log.THOUGHT, log.ACCEPTED, log.OUTSIDE) and event.page >= 0 and found:
            found[-1].append([event.agent, event.data])
    return found
