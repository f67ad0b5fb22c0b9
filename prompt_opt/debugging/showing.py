"""What the log of a search has to show: itself at a glance, its steps, candidates, cases and calls."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...runs import Event, Run
from .. import journal as log
from ..ancestry import QUICK, mean_of
from ..by_hand import opened_before
from ..candidate import Candidate
from ..fates import Fates
from ..history import OPEN, History, read_history
from .errors import DebugError
from .views import CallView, CandidateView, CaseView, Overview, StepView, Waits

_WAITS = re.compile(r"candidate ([0-9a-f]{12}) (?:waits for approval|is to be accepted)")
SHOWN = 5
"""Keys named where a beginning fits several."""


def check_search(run: Run) -> None:
    """Raises `DebugError` for a run of another kind."""
    if run.kind != "optimize":
        raise DebugError(f"{run.path} is a run of kind {run.kind!r}, no prompt search\n  this debugger opens searches")


def steps_of(run: Run) -> int:
    """How many steps are recorded."""
    row = run.log.row("SELECT max(page) FROM events WHERE kind = ?", (log.STEP,))
    return 0 if row is None or row[0] is None else row[0] + 1


def waits(run: Run, history: History | None = None) -> Waits | None:
    """The candidate before whose acceptance a search stands; None where it stands at none."""
    found = _WAITS.search(run.manifest.reason) if run.status == "paused" else None
    if found is None:
        return None
    history = history or read_history(run)
    waiting = history.candidates.get(found[1])
    if waiting is None:  # it has entered, and nothing was committed since
        return Waits(found[1], {}, "", {})
    taken = [each.accepted for each in history.decisions if each.accepted is not None]
    old = history.candidates.get(taken[-1]) if taken else history.seed_candidate
    assert old is not None
    return Waits(waiting.id, waiting.texts, old.id, old.texts)


def overview(run: Run) -> Overview:
    """A search at a glance."""
    history, made, config = read_history(run), run.calls.totals(), run.manifest.config
    begun = history.begun
    opened = history.opened or {}
    return Overview(
        path=run.path,
        name=run.manifest.name,
        status=run.status,
        reason=run.manifest.reason,
        task=str(history.task.get("name", "")),
        metric=history.metric,
        optimizer=str(config.get("optimizer", "")),
        model=str(config.get("model", "")),
        proposer=str(config.get("proposer_model") or config.get("model", "")),
        steps=steps_of(run),
        candidates=len(history.candidates),
        refused=len(history.refused),
        seed=history.seed_candidate.id if begun else "",
        best=history.best.id if begun else "",
        waits=waits(run, history) if begun else None,
        verdict=history.verdict,
        opened_before=opened.get("opened_before", []) if history.opened else opened_before(run),
        calls=made.calls,
        failed=made.calls - made.by_status.get("ok", 0),
        tokens=made.prompt_tokens + made.completion_tokens,
        cost=None if made.unpriced == made.calls else made.cost,
        parent=None if run.fork is None else run.fork.parent,
        left_at=left_at(run),
        edits=[written(event) for event in own_edits(run)],
        notes=run.manifest.notes,
    )


def left_at(run: Run) -> int | None:
    """The step before which a fork left its parent; None for a run that is no fork."""
    if run.fork is None:
        return None
    row = run.log.row("SELECT count(*) FROM events WHERE kind = ? AND barrier <= ?", (log.STEP, run.fork.barrier))
    return 0 if row is None else row[0]


def own_edits(run: Run) -> list[Event]:
    """The edits that a fork itself was made with."""
    return [] if run.fork is None else [e for e in run.events(kind=log.EDIT) if e.seq >= run.log.first]


def written(edit: Event) -> str:
    """An edit in one line."""
    return str(edit.data.get("written", ""))


def candidates(run: Run) -> list[CandidateView]:
    """Every candidate in the order it came, refused ones included."""
    history = read_history(run)
    if not history.begun:
        return []
    fates, seed = Fates(history), history.seed_candidate
    found = []
    for each in history.candidates.values():
        cases = [case for split in OPEN for case in history.cases(each.id, split)]
        mean = history.scores.mean(each.id, cases)
        both = [case for case in cases if case in history.scores.of(seed.id)]
        ahead = None if each.id == seed.id else mean_of(history.scores.difference(each.id, seed.id, both), 0, QUICK)
        fate, why = fates.of(each)
        found.append(
            _candidate(
                each,
                history.began[each.id],
                fate,
                why,
                None if math.isnan(mean) else mean,
                len(cases),
                lead=None if ahead is None else asdict(ahead),
            )
        )
    known = set(history.candidates)
    for refusal in history.refused:
        if refusal.candidate.id not in known:
            known.add(refusal.candidate.id)
            why = "; ".join(refusal.problems)
            found.append(
                _candidate(refusal.candidate, refusal.step, "refused", why, None, 0, problems=refusal.problems)
            )
    return found


def _candidate(
    made: Candidate,
    step: int,
    fate: str,
    why: str,
    score: float | None,
    cases: int,
    lead: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
) -> CandidateView:
    return CandidateView(
        made.id, made.texts, made.operator, made.parents, made.reason, made.maker,
        step, fate, why, score, cases, lead, problems, made.calls,
    )  # fmt: skip


def full_id(run: Run, id: str, among: Sequence[str] = ()) -> str:
    """The candidate whose id begins so; `seed` and `best` are names of two. Raises `DebugError` for none, or several."""
    history = read_history(run)
    if history.begun and id in ("seed", "best"):
        return history.seed_candidate.id if id == "seed" else history.best.id
    known = list(dict.fromkeys([*history.candidates, *(refusal.candidate.id for refusal in history.refused)]))
    found = [each for each in known if each.startswith(id)] if id else []
    if len(found) == 1:
        return found[0]
    some = ", ".join((found or known)[:SHOWN]) + (", …" if len(found or known) > SHOWN else "")
    if found:
        raise DebugError(f"several candidates have an id that begins with {id[:64]!r}\n  give more of it: {some}")
    raise DebugError(f"no candidate of {run.path} has an id that begins with {id[:64]!r}\n  there are {some or 'none'}")


def cases(run: Run, candidate: str = "", step: int | None = None) -> list[CaseView]:
    """Results of a candidate (empty: of all), case by case; of one step only, where it is given."""
    metric = ""
    splits: Mapping[str, str] = {}
    found = []
    for event in run.events():
        if event.kind == log.TASK:
            metric = event.data["metric"]
            splits = {case: name for name, ids in event.data["splits"].items() for case in ids}
        elif event.kind != log.SCORES or candidate not in ("", event.agent) or step not in (None, event.page):
            continue
        else:
            found += [_case(event, log.result_of(row), metric, splits) for row in event.data["rows"]]
    return found


def _case(event: Event, result: Any, metric: str, splits: Mapping[str, str]) -> CaseView:
    said = result.diagnosis
    return CaseView(
        candidate=event.agent,
        case=result.case,
        split=splits.get(result.case, event.node),
        status=result.status,
        value=None if result.missing else result.values.get(metric),
        kind=said.kind if said else "",
        text=said.text if said else "",
        answer=said.answer if said else "",
        truth=said.truth if said else "",
        tokens=result.tokens,
        calls=result.calls,
        step=event.page,
    )


def steps(run: Run) -> list[StepView]:
    """Every recorded step; after the last, what stands behind it: the choice, or what is still to be decided."""
    metric = ""
    found: list[StepView] = []
    pending: list[Event] = []
    number = 0
    for event in run.events():
        if event.kind == log.TASK:
            metric = event.data["metric"]
        if event.kind == log.STEP:
            found.append(_step(event.page, event, pending, metric))
            number, pending = event.page + 1, []
        elif event.kind in (log.SCORES, log.THOUGHT, log.OUTSIDE, log.ACCEPTED) and event.page >= 0 and found:
            found[-1] = _with(found[-1], event, metric)
        elif event.kind in (log.CANDIDATE, log.REFUSED, log.NOTE, log.ACCEPTED, log.EDIT, log.CHOICE):
            pending.append(event)
    if pending:
        found.append(_step(number, None, pending, metric))
    return found


def _step(number: int, head: Event | None, before: Sequence[Event], metric: str) -> StepView:
    choice = next((event for event in before if event.kind == log.CHOICE), None)
    view = StepView(
        step=number,
        kind=head.data["kind"] if head else "choice" if choice else "",
        stopped=head.data.get("stopped", "") if head else "",
        entered=[event.agent for event in before if event.kind == log.CANDIDATE],
        refused=[event.agent for event in before if event.kind == log.REFUSED],
        scores={},
        decided=[_decided(event) for event in before if event.kind == log.ACCEPTED],
        thoughts=[],
        notes=[{"candidate": e.agent, **e.data} for e in before if e.kind == log.NOTE]
        + ([] if choice is None else [{"candidate": choice.agent, "what": "chosen", "why": choice.data["why"]}]),
        edits=[written(event) for event in before if event.kind == log.EDIT],
        calls=[],
    )
    return view


def _decided(event: Event) -> dict[str, Any]:
    return {"candidate": event.agent, **event.data}


def _with(view: StepView, event: Event, metric: str) -> StepView:
    """The step with what one more of its events says."""
    more = asdict(view)
    if event.kind == log.SCORES:
        results = [log.result_of(row) for row in event.data["rows"]]
        values = [r.values[metric] for r in results if not r.missing and metric in r.values]
        mean = sum(values) / len(values) if values else None
        failed = sum(r.status != "ok" for r in results)
        more["scores"] = {**view.scores, event.agent: {"mean": mean, "cases": len(results), "failed": failed}}
        more["calls"] = [*view.calls, *(key for r in results for key in r.calls)]
    elif event.kind == log.THOUGHT:
        more["thoughts"] = [*view.thoughts, {"node": event.node, **event.data}]
        more["calls"] = [*view.calls, *event.data["calls"]]
    elif event.kind == log.OUTSIDE:
        more["thoughts"] = [*view.thoughts, {"node": event.node, "status": "ok", "value": event.data["answer"]}]
    else:
        more["decided"] = [*view.decided, _decided(event)]
    return StepView(**more)


def step(run: Run, number: int) -> StepView:
    """One step. Raises `DebugError` where there is none such."""
    found = steps(run)
    for view in found:
        if view.step == number:
            return view
    raise DebugError(f"{run.path} has no step {number}\n  it has {f'0 to {len(found) - 1}' if found else 'none yet'}")


def call(run: Run, key: str) -> CallView:
    """A recorded call, by its key or an unambiguous beginning of it. Raises `DebugError` for none, or several."""
    rows = run.log.rows(
        "SELECT key FROM calls WHERE key >= ? AND key < ? ORDER BY key LIMIT ?", (key, key + "\U0010ffff", SHOWN + 1)
    )
    found = [name for (name,) in rows] if key.isascii() and key else []
    if key not in found and len(found) != 1:
        if not found:
            raise DebugError(
                f"no call of {run.path} has a key that begins with {key[:64]!r}\n  keys stand with the cases"
            )
        some = ", ".join(each[:12] for each in found[:SHOWN])
        raise DebugError(f"several calls have a key that begins with {key[:64]!r}\n  give more of it: {some}")
    record = run.calls.get(key if key in found else found[0])
    assert record is not None
    request, response = _mapping(record.request), _mapping(record.response)
    messages: Any = request.get("messages") or [{"role": "text", "content": request.get("prompt", "")}]
    return CallView(
        key=record.key,
        candidate=record.agent,
        node=record.node,
        case=_case_of(run, record.key),
        model=record.model,
        status=record.status,
        error=record.error,
        messages=[_mapping(each) for each in messages],
        schema=request.get("schema"),
        raw=str(response.get("text") or ""),
        values=_scored(request, response) if record.kind == "score" else _parsed(str(response.get("text") or "")),
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        cost=record.cost,
        latency=record.latency,
        attempts=record.attempts,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _scored(request: Mapping[str, Any], response: Mapping[str, Any]) -> list[dict[str, Any]]:
    asked: list[Any] = list(request.get("questions") or ())
    values = list(response.get("values") or ())
    return [
        {"suffix": each[0], "labels": each[1], "logprobs": given} for each, given in zip(asked, values, strict=False)
    ]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _case_of(run: Run, key: str) -> str:
    """The case that a call was made for, as the results say; empty for a proposer's."""
    for event in run.events(kind=log.SCORES):
        for row in event.data["rows"]:
            if key in row.get("calls", ()):
                return str(row["case"])
    return ""
