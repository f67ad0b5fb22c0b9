"""What the run took: calls, tokens, money, time, and the answers that could not be used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from ...runs import CallTotals, Run
from .facts import INTERVIEW, Facts
from .numbers import Baseline, Row, share_row
from .shapes import Failed, Work

AGENT4REC = "Agent4Rec's published run of 1,000 agents"
AGENT4REC_CALLS, AGENT4REC_TOKENS, AGENT4REC_PAGES_PER_SECOND = 2.5, 2_135.0, 0.79
"""Calls, chat tokens and speed per page, counted in the logs and results its authors published (3,234 pages, 4,068 s)."""


def cost_rows(run: Run, facts: Facts) -> list[Row]:
    """Calls, tokens, cost, seconds; per page where that compares. A scripted run has no calls, and says so."""
    calls = run.calls.totals()
    pages = len(facts.turn_page)
    scripted = run.manifest.config.get("model") == "scripted"
    no_model = "scripted users: no model was asked" if scripted else "no call was recorded"
    tokens = calls.prompt_tokens + calls.completion_tokens
    cost, cost_note = priced(calls.calls, calls.unpriced, calls.cost)
    seconds = elapsed(run)
    per_page = None if not pages else calls.calls / pages
    other = f"{calls.calls - in_pages(run):,} of them before the first page" if calls.calls else no_model
    if run.fork and calls.calls:
        other += f"; {_paid(run.calls.spent())}"
    speed = pages / seconds if seconds and pages and not run.fork else None
    return [
        Row(
            "calls",
            "Model calls",
            float(calls.calls),
            "count",
            baselines=(Baseline(0.0, "a scripted run"),),
            note=other,
        ),
        Row(
            "calls_per_page",
            "Calls per page",
            per_page if calls.calls else None,
            "",
            n=pages,
            of="agent-pages",
            baselines=(Baseline(AGENT4REC_CALLS, AGENT4REC),),
            note="" if calls.calls else no_model,
        ),
        Row(
            "tokens",
            "Tokens",
            float(tokens) if calls.calls else None,
            "count",
            baselines=(Baseline(None, "see tokens per page"),),
            note=f"{calls.prompt_tokens:,} sent, {calls.completion_tokens:,} received" if calls.calls else no_model,
        ),
        Row(
            "tokens_per_page",
            "Tokens per page",
            tokens / pages if pages and calls.calls else None,
            "count",
            n=pages,
            of="agent-pages",
            baselines=(Baseline(AGENT4REC_TOKENS, AGENT4REC),),
            note="" if calls.calls else no_model,
        ),
        Row(
            "cost",
            "Cost",
            cost,
            "usd",
            baselines=(Baseline(0.0, "a scripted run or a local model"),),
            note=cost_note or ("" if calls.calls else no_model),
        ),
        Row(
            "seconds",
            "Seconds",
            seconds,
            "seconds",
            baselines=(Baseline(None, "see pages per second"),),
            note="from the run's creation to its last change, pauses included" if seconds else "not known",
        ),
        Row(
            "pages_per_second",
            "Pages per second",
            speed,
            "",
            n=pages,
            of="agent-pages",
            baselines=(Baseline(AGENT4REC_PAGES_PER_SECOND, f"{AGENT4REC}, another model and machine"),),
            note=""
            if speed
            else "a fork shares pages with the run it stands on"
            if run.fork
            else "no page, or no time on record",
        ),
    ]


def invalid_row(run: Run, facts: Facts) -> Row:
    """Share of agent-pages with at least one answer that could not be used, and what went wrong; interviews apart."""
    label = "Pages with an unusable answer"
    if run.manifest.config.get("model") == "scripted":
        return Row("invalid", label, None, "share", note="scripted users: no model was asked")
    found = failed(facts)
    kinds = ", ".join(f"{f.status} in {f.node} {f.count}" for f in found if f.node != INTERVIEW)
    lost = sum(f.count for f in found if f.node == INTERVIEW)
    apart = f"interviews apart: {lost} of {len(facts.interviews)} without a usable answer" if lost else ""
    return share_row(
        "invalid",
        label,
        int(facts.turn_failed.sum()),
        len(facts.turn_failed),
        Baseline(0.0, "every answer usable"),
        of="agent-pages",
        empty="no page was asked about yet",
        note="; ".join(x for x in (kinds, apart) if x),
    )


def failed(facts: Facts) -> tuple[Failed, ...]:
    """Failures of the pages by step and kind, most frequent first."""
    return tuple(
        Failed(node, status, n)
        for (node, status), n in sorted(facts.failures.items(), key=lambda each: (-each[1], each[0]))
    )


def work(run: Run) -> tuple[Work, ...]:
    """What each step took, the most called first."""
    table = run.table("calls")
    if not table.num_rows:
        return ()
    columns: dict[str, Any] = {
        name: table.column(name).to_numpy(zero_copy_only=False)
        for name in ("node", "status", "prompt_tokens", "completion_tokens", "cost", "latency")
    }
    costs = columns["cost"].astype(float)
    found = []
    for node in sorted(set(columns["node"])):
        mine = columns["node"] == node
        unpriced = int(np.isnan(costs[mine]).sum())
        latency = columns["latency"][mine].astype(float)
        found.append(
            Work(
                str(node) or "(none)",
                int(mine.sum()),
                int((columns["status"][mine] != "ok").sum()),
                int(columns["prompt_tokens"][mine].sum()),
                int(columns["completion_tokens"][mine].sum()),
                priced(int(mine.sum()), unpriced, float(np.nansum(costs[mine])))[0],
                unpriced,
                float(latency.mean()),
                float(np.quantile(latency, 0.95)),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.calls, each.node)))


def priced(calls: int, unpriced: int, cost: float) -> tuple[float | None, str]:
    """A sum of prices, or None with the reason where no call's price is known; a part that is unknown is named."""
    if not calls:
        return None, ""
    if unpriced == calls:
        return None, "the price of this model is not known"
    return cost, f"{unpriced:,} of {calls:,} calls have no known price and are not in the sum" if unpriced else ""


def _paid(own: CallTotals) -> str:
    """What a fork paid of what its whole line of calls took."""
    if not own.calls:
        return "none made by this fork itself"
    cost, _ = priced(own.calls, own.unpriced, own.cost)
    tokens = own.prompt_tokens + own.completion_tokens
    return f"{own.calls:,} made by this fork itself ({tokens:,} tokens, {'price unknown' if cost is None else f'${cost:.4f}'})"


def in_pages(run: Run) -> int:
    """Calls made while pages were browsed (not while calibrating or summarising tastes)."""
    page = run.table("calls").column("page").to_numpy(zero_copy_only=False)
    return int((page >= 0).sum())


def elapsed(run: Run) -> float | None:
    """Seconds between the manifest's creation and its last change; None where the manifest does not say."""
    try:
        begin, end = (datetime.fromisoformat(t) for t in (run.manifest.created, run.manifest.updated))
    except ValueError:
        return None
    seconds = (end - begin).total_seconds()
    return seconds if seconds > 0 else None
