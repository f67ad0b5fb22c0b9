"""What came of a search: its verdict, the prompts, what was tried and why it fell, the bill. From the log alone, so a
paused or killed search has one too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from ..llm.types import Status
from ..runs import Run
from .bill import ROLES, Bill, bill
from .fates import Fates
from .history import PLUMBING, SPLITS, History, read_history
from .shrinkage import shrunken_leads
from .task import MISSING

UNTESTED = "best so far, not yet tested"
WINNER = "winner"
SEED_STANDS = "the seed"


@dataclass(frozen=True)
class Tried:
    """How many candidates came how far. `refusals`: what the guards said -> how often; `twins`: proposals that said what
    another candidate says already."""

    entered: int
    refused: int
    accepted: int
    eliminated: int
    twins: int
    refusals: Mapping[str, int]


@dataclass(frozen=True)
class Answers:
    """How the cases were answered, over all splits. `missing`: calls that never arrived. `mended`: rule -> how often an
    answer had to be mended (for rankings: missing, duplicate and invented ids)."""

    evaluations: int
    status: Mapping[str, int]
    missing: int
    mended: Mapping[str, int]


@dataclass(frozen=True)
class SearchSummary:
    """A search in short. `label` says what `best` is: the winner, the seed, or the best so far."""

    name: str
    task: str
    metric: str
    optimizer: str
    model: str
    proposer: str
    seed: int
    status: str
    reason: str
    stopped: str
    plumbing: bool
    splits: Mapping[str, int]
    verdict: Mapping[str, Any] | None
    label: str
    best: str | None
    best_texts: Mapping[str, str]
    seed_prompt: str | None
    seed_texts: Mapping[str, str]
    why: str
    tie: bool
    lead: Mapping[str, float] | None
    tried: Tried
    answers: Answers
    bill: Bill
    notes: tuple[str, ...]
    outside: tuple[Mapping[str, Any], ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What verdict and task have to say about the answers on the sealed split."""
        return tuple((self.verdict or {}).get("remarks", ()))

    @property
    def headline(self) -> str:
        """The verdict as one sentence."""
        return self._said[0]

    @property
    def caveat(self) -> str:
        """What the verdict adds: baselines that are not beaten, a prompt that is not to be used. Empty without any."""
        return self._said[1]

    @property
    def _said(self) -> tuple[str, str]:
        if self.verdict is not None:
            first, _, rest = str(self.verdict["text"]).partition("; ")
            return first, rest
        why = self.reason or {"running": "it is under way, or was killed"}.get(self.status, self.status)
        if self.best is None:
            return "no verdict yet: nothing was recorded before the search stopped", why
        lead = (
            "" if self.lead is None else f", leading the seed by {self.lead['seen']:+.3f} on the cases it searched on"
        )
        which = "the seed itself" if self.best == self.seed_prompt else f"{self.best}{lead}"
        return f"no verdict yet: the best so far is {which}; not yet tested", why

    def json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "task": self.task,
            "metric": self.metric,
            "optimizer": self.optimizer,
            "model": self.model,
            "proposer": self.proposer,
            "seed": self.seed,
            "status": self.status,
            "reason": self.reason,
            "stopped": self.stopped,
            "plumbing_grade": self.plumbing,
            "headline": self.headline,
            "caveat": self.caveat,
            "splits": dict(self.splits),
            "verdict": None if self.verdict is None else dict(self.verdict),
            "best": {
                "label": self.label,
                "candidate": self.best,
                "texts": dict(self.best_texts),
                "why": self.why,
                "tie": self.tie,
                "search_lead": self.lead,
            },
            "seed_prompt": {"candidate": self.seed_prompt, "texts": dict(self.seed_texts)},
            "candidates": {
                "entered": self.tried.entered,
                "refused": self.tried.refused,
                "accepted": self.tried.accepted,
                "eliminated": self.tried.eliminated,
                "twins": self.tried.twins,
                "refusals": dict(self.tried.refusals),
            },
            "answers": {
                "evaluations": self.answers.evaluations,
                "status": dict(self.answers.status),
                "missing": self.answers.missing,
                "mended": dict(self.answers.mended),
            },
            "bill": self.bill.json()
            | {
                "candidates": {
                    name: {
                        "scoring": None if (asked := self.bill.asked.get(name)) is None else asked.json(),
                        "proposal": None if (made := self.bill.made.get(name)) is None else made.json(),
                    }
                    for name in dict.fromkeys([*self.bill.asked, *self.bill.made])
                }
            },
            "remarks": list(self.remarks),
            "notes": list(self.notes),
            "outside": [dict(each) for each in self.outside],
        }


_made: WeakKeyDictionary[Run, tuple[object, SearchSummary]] = WeakKeyDictionary()


def summarise(run: Run) -> SearchSummary:
    """Sum up a search, finished or not. Kept while the run does not change."""
    now = (run.barrier, len(run.calls), run.manifest.model_dump_json())
    made = _made.get(run)
    if made is None or made[0] != now:
        made = (now, summary_of(run, read_history(run)))
        _made[run] = made
    return made[1]


def summary_of(run: Run, history: History) -> SearchSummary:
    """The summary of a search whose log has been read."""
    manifest, config = run.manifest, run.manifest.config
    paid = bill(run, history)
    best = history.best if history.begun else None
    first = history.seed_candidate if history.begun else None
    chosen = history.choice or {}
    lead = (history.verdict or {}).get("search_lead")
    if lead is None and best is not None and first is not None and best.id != first.id:
        lead = shrunken_leads(history, list(history.candidates)).get(best.id)
    label = UNTESTED
    if history.verdict is not None:
        label = SEED_STANDS if best is first else WINNER
    return SearchSummary(
        name=manifest.name,
        task=str(history.task.get("name") or config.get("task", "")),
        metric=history.metric,
        optimizer=str(config.get("optimizer", "")),
        model=str(config.get("model") or _models(paid, "task") or _models(paid, "test")),
        proposer=str(config.get("proposer_model") or _models(paid, "proposer")),
        seed=manifest.seed,
        status=manifest.status,
        reason=manifest.reason,
        stopped=history.stopped,
        plumbing=any(note.startswith(PLUMBING) for note in manifest.notes),
        splits={name: len(history.splits.get(name, ())) for name in SPLITS},
        verdict=history.verdict,
        label=label,
        best=None if best is None else best.id,
        best_texts={} if best is None else best.texts,
        seed_prompt=None if first is None else first.id,
        seed_texts={} if first is None else first.texts,
        why=str(chosen.get("why", "")),
        tie=bool(chosen.get("tie", False)),
        lead=lead,
        tried=_tried(history),
        answers=_answers(history),
        bill=paid,
        notes=tuple(history.task.get("notes", ())),
        outside=tuple(
            {"name": name, "tried": len(answer.get("candidates", ())), "ended": str(answer.get("ended", ""))}
            for name, answer in history.outside
        ),
    )


def numbers(run: Run) -> dict[str, Any]:
    """The summary's numbers by name, for comparing two searches: {name: {value, low, high, baseline}}."""
    summary = summarise(run)
    verdict = summary.verdict or {}
    found: dict[str, Any] = {}
    for name, key in (("test_winner", "winner_mean"), ("test_seed", "seed_mean"), ("test_difference", "difference")):
        if (estimate := verdict.get(key)) is not None:
            found[name] = {"value": estimate["mean"], "low": estimate["low"], "high": estimate["high"]}
    if "test_winner" in found and "test_seed" in found:
        found["test_winner"]["baseline"] = found["test_seed"]["value"]
    found["test_detectable"] = {"value": verdict.get("detectable")}
    for row in verdict.get("baselines", ()):
        found[f"ahead_of_{row['name']}"] = {
            "value": row["ahead"]["mean"],
            "low": row["ahead"]["low"],
            "high": row["ahead"]["high"],
        }
    lead = summary.lead or {}
    found |= {f"search_lead_{name}": {"value": lead.get(name)} for name in ("seen", "shrunken")}
    tried, answers = summary.tried, summary.answers
    for name in ("entered", "refused", "accepted", "eliminated"):
        found[f"candidates_{name}"] = {"value": getattr(tried, name)}
    found["evaluations"] = {"value": answers.evaluations}
    found["missing"] = {"value": answers.missing}
    for role, spent in summary.bill.roles.items():
        for name in ("calls", "tokens", "usd"):
            found[f"{role}_{name}"] = {"value": getattr(spent, name)}
    return found


LABELS = {
    "test_winner": "Winner on the sealed split",
    "test_seed": "Seed on the sealed split",
    "test_difference": "Winner against seed",
    "test_detectable": "Smallest difference it could find",
    "search_lead_seen": "Lead seen while searching",
    "search_lead_shrunken": "That lead, shrunken",
    "candidates_entered": "Candidates",
    "candidates_refused": "Refused by guards",
    "candidates_accepted": "Accepted",
    "candidates_eliminated": "Eliminated",
    "evaluations": "Evaluated cases",
    "missing": "Cases without an answer",
    **{f"{role}_calls": f"Calls: {words}" for role, words in ROLES.items()},
    **{f"{role}_tokens": f"Tokens: {words}" for role, words in ROLES.items()},
    **{f"{role}_usd": f"US$: {words}" for role, words in ROLES.items()},
}
"""What the numbers are called."""


def _models(paid: Bill, role: Any) -> str:
    return ", ".join(paid.models.get(role, ()))


def _tried(history: History) -> Tried:
    refusals = Counter(_reason(problem) for each in history.refused for problem in each.problems)
    accepted = {each.accepted for each in history.decisions if each.accepted is not None}
    fates = Fates(history) if history.begun else None
    fate = Counter(fates.of(each)[0] for each in history.candidates.values()) if fates is not None else Counter()
    return Tried(
        entered=len(history.candidates),
        refused=len(history.refused),
        accepted=len(accepted),
        eliminated=fate["eliminated"],
        twins=sum(remark.what == "duplicate" for remarks in history.notes.values() for remark in remarks),
        refusals=dict(sorted(refusals.items(), key=lambda row: (-row[1], row[0]))),
    )


def _reason(problem: str) -> str:
    """What a guard said, without the passage it quotes, so that equal reasons are counted together."""
    return re.sub(r"\b\d+ tokens long, and", "too long:", re.sub(r": ['\"].*", "", problem, flags=re.DOTALL))


def _answers(history: History) -> Answers:
    status: Counter[Status] = Counter()
    mended: Counter[str] = Counter()
    for name in history.scores:
        for result in history.scores.of(name).values():
            status[result.status] += 1
            mended.update(result.counts)
    missing = sum(count for name, count in status.items() if name in MISSING)
    return Answers(status.total(), dict(sorted(status.items())), missing, dict(sorted(mended.items())))
