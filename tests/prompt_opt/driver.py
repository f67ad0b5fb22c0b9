"""Drives an optimizer in this process: no log and no model. A rule ranks the targets, a script writes the prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recloop.llm.types import Outcome
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context, Optimizer
from recloop.prompt_opt.guards import problems
from recloop.prompt_opt.scores import Scores
from recloop.prompt_opt.steps import Accept, Ask, Choice, Enter, Evaluate, Note, OutOfBudget, Step, Think
from recloop.prompt_opt.task import Case, Component, Diagnosis, Result, Texts

Rule = Callable[[Texts, str], "int | str"]
"""(texts, case) -> the target's rank among 20; 0 for an unusable answer, "transport" for a lost call."""

Script = Callable[[Ask, int], "Mapping[str, Any] | None"]
"""(question, how many came before it) -> the answer's value; None for one that cannot be read."""

CANDIDATES = 20
SEED_TEXT = "Order the candidates. {{case}}"


def setting(
    search: int = 50,
    selection: int = 100,
    *,
    texts: Mapping[str, str] | None = None,
    task: str = "session",
    can_write: bool = True,
    seed: int = 7,
    left: float = 1.0,
) -> Context:
    """A context of cases "s0", "s1", … to search on and "v0", "v1", … to select on; each text holds the field `case`."""
    texts = texts or {"rank": SEED_TEXT}
    ids = [f"s{i}" for i in range(search)], [f"v{i}" for i in range(selection)]
    return Context(
        task=task,
        metric="ndcg@10",
        components={
            name: Component(text, f"to {name} films", {"case": "the case"}, ("case",)) for name, text in texts.items()
        },
        cases={name: Case(name, {"case": name}, {}) for name in (*ids[0], *ids[1])},
        search=ids[0],
        selection=ids[1],
        seed_candidate=Candidate(texts),
        scores=Scores("ndcg@10"),
        seed=seed,
        can_write=can_write,
        proposer="test/script",
        story=lambda case: f"STORY OF {case.id}.",
        remaining=lambda: left,
    )


def judged(texts: Texts, case: str, rank: int | str) -> Result:
    """The result of a rank: every value that a ranking task reports for one target among 20."""
    if isinstance(rank, str):
        return Result(case, "transport")
    gain = 1 / math.log2(1 + rank) if rank else 0.0
    values = {
        "ndcg@10": gain if rank <= 10 else 0.0,
        "ndcg@5": gain if rank <= 5 else 0.0,
        "mrr": 1 / rank if rank else 0.0,
        "auc": (CANDIDATES - rank) / (CANDIDATES - 1) if rank else 0.0,
    }
    told = Diagnosis(
        "ok" if rank == 1 else "low rank" if rank else "no answer",
        f"The target of {case} came out at {rank}.",
        answer=f"ANSWER TO {case} UNDER {'|'.join(texts.values())}",
        truth=f"TRUTH OF {case}",
    )
    return Result(case, "ok" if rank else "parse_fail", values, told)


@dataclass
class Driven:
    """A search that has ended. `steps`: those that were answered. `wanted`: evaluations asked for, `calls`: those that were not known; `entered` by id."""

    context: Context
    steps: list[Step] = field(default_factory=list)
    entered: dict[str, Candidate] = field(default_factory=dict)
    wanted: int = 0
    calls: int = 0
    stopped: bool = False
    choice: Choice = None  # type: ignore[assignment]

    @property
    def asks(self) -> list[Ask]:
        return [ask for step in self.steps if isinstance(step, Think) for ask in step.asks]

    def asked(self, node: str) -> list[str]:
        """The questions at a node, each as one text."""
        return [said(ask) for ask in self.asks if ask.node.endswith(node)]

    def notes(self, what: str) -> list[Note]:
        return [step for step in self.steps if isinstance(step, Note) and step.what == what]


def said(ask: Ask) -> str:
    """All that a question says."""
    return "\n".join(message["content"] for message in ask.messages)


def drive(
    optimizer: Optimizer,
    context: Context,
    rule: Rule,
    script: Script,
    *,
    budget: int | None = None,
    approve: Callable[[Accept], Candidate | None] = lambda step: step.candidate,
) -> Driven:
    """Answer every step until the search ends. With `budget`, a step that would take more calls than are left is answered
    by `OutOfBudget`; a search that goes on after that fails here."""
    driven = Driven(context, entered={context.seed_candidate.id: context.seed_candidate})
    search, answer, left = optimizer.search(context), None, math.inf if budget is None else budget
    questions = 0
    while True:
        try:
            step = search.send(answer)
        except StopIteration as ended:
            driven.choice = ended.value
            return driven
        fresh: dict[tuple[str, str], Candidate] = {}
        match step:
            case Evaluate(work):
                assert all(each.id in driven.entered for each, _ in work), "scored before it entered"
                fresh = {
                    (each.id, case): each for each, cases in work for case in context.scores.unknown(each.id, cases)
                }
                need = len(fresh)
            case Think(asks):
                need = len(asks)
            case _:
                need = 0
        if need > left:
            driven.stopped = True
            try:
                extra = search.throw(OutOfBudget("the budget is spent"))
            except StopIteration as ended:
                driven.choice = ended.value
                return driven
            raise AssertionError(f"went on with {extra} after the budget was spent")
        driven.steps.append(step)
        left -= need
        match step:
            case Evaluate(work):
                driven.wanted += sum(len(cases) for _, cases in work)
                driven.calls += len(fresh)
                for (name, case), each in fresh.items():
                    context.scores.add(name, [judged(each.texts, case, rule(each.texts, case))])
                answer = context.scores
            case Think(asks):
                answer = [_outcome(script(ask, questions + i), questions + i) for i, ask in enumerate(asks)]
                questions += len(asks)
            case Enter(candidates):
                answer = [each for each in candidates if _let_in(driven, each)]
            case Accept():
                answer = approve(step)
                if answer is not None:
                    driven.entered.setdefault(answer.id, answer)
            case _:
                answer = None


def _outcome(value: Mapping[str, Any] | None, n: int) -> Outcome[Any]:
    key = f"call {n}"
    return Outcome("ok", value, key=key) if value is not None else Outcome("parse_fail", key=key)


def _let_in(driven: Driven, candidate: Candidate) -> bool:
    if candidate.id in driven.entered or problems(candidate, driven.context, driven.entered.values()):
        return False
    driven.entered[candidate.id] = candidate
    return True


def numbered(texts: Sequence[str]) -> Script:
    """A script that writes these prompts in turn, the last one again and again, and observes and reasons in between."""
    written = 0

    def answer(ask: Ask, n: int) -> Mapping[str, Any]:
        nonlocal written
        if ask.node.endswith("observe"):
            return {"observation": f"OBSERVATION {n}"}
        if ask.node.endswith("reasons"):
            return {"reasons": [f"REASON A{n}", f"REASON B{n}"]}
        written += 1
        return {"prompt": texts[min(written, len(texts)) - 1]}

    return answer
