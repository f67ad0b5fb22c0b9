"""`Conductor`: answers an optimizer's steps, records every answer, and finds its way back after a kill.

The graph (`graph.py`) says in what order things happen; the conductor does them. One barrier of the run per answered step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from pydantic import BaseModel

from ..llm import Door
from ..llm.types import Outcome, Place
from ..runs import Event, Run
from ..runs.progress import Progress
from . import journal as log
from .account import Account
from .by_hand import ByHand, edited
from .candidate import Candidate
from .context import Context
from .errors import EndpointLost, SearchChanged
from .fallback import best_known
from .guards import problems
from .journal import Journal
from .splits import Splits
from .steps import Accept, Bench, Choice, Enter, Evaluate, Note, OutOfBudget, Outside, Search, Step, Think
from .task import Case, Result, Task, Texts

FEW = 3
"""Fewer evaluations than this without an answer are no proof that the endpoint is lost."""


class Watch(Protocol):
    """Who looks on while a search goes on, and may hold it between two steps."""

    def asks(self, run: Run, ahead: Sequence[Event], step: int, accept: Accept) -> bool:
        """Whether a person is asked about a candidate that a rule would accept. Raises `Waiting` to stop before it."""
        ...

    def passed(self, run: Run, ahead: Sequence[Event]) -> None:
        """A step is committed; `ahead`: what is to stand before the next one. Raises `Waiting` to stop here."""
        ...


class Conductor:
    """Between an optimizer and the world. `n` numbers the steps that are recorded; `current` is the one under way."""

    def __init__(
        self,
        run: Run,
        task: Task,
        context: Context,
        search: Search,
        splits: Splits,
        account: Account,
        *,
        model: Door,
        proposer: Door,
        approve: bool,
        progress: Progress,
        follows: Run | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.run, self.task, self.context, self.splits, self.account = run, task, context, splits, account
        self.model, self.proposer, self.approve, self.progress = model, proposer, approve, progress
        self.search = search
        self.journal = Journal(run)
        self.followed: Mapping[int, Mapping[str, Any]] = {} if follows is None else Journal(follows).heads()
        """Steps of the run that is replayed: where its budget stopped it and what it had left is taken from there."""
        self.watch, self.follows = watch, follows
        self.by_hand = ByHand(run if follows is None else follows)
        self._count_attempts()
        self.n = 0
        self.current: Step | None = None
        self.choice: Choice | None = None
        self.candidates: dict[str, Candidate] = {context.seed_candidate.id: context.seed_candidate}
        self.barred: set[str] = set()
        """Candidates that a person has refused, or put another text in place of: never the search's choice."""
        self._cases = context.cases
        self._aside: list[Event] = []
        self._answers: dict[int, Any] = {}
        self._jobs: list[tuple[Candidate, list[str]]] = []
        self._begun = self._sent = False
        self._refusal = ""

    # -- what the graph calls

    async def decide(self) -> dict[str, Any]:
        """Record the answers of the step under way, give them to the optimizer, and say what is to be done next."""
        if not self.begin() and self.current is not None:
            self._settle()
        if self.watch is not None:
            self.watch.passed(self.run, self._aside)
        if self.current is None:
            return {"step": self.n, "kind": "verdict", "parts": 0}
        return {"step": self.n, "kind": log.kind_of(self.current), "parts": self._parts()}

    def begin(self) -> bool:
        """Run the optimizer over the recorded answers to where the log ends; False where that has been done."""
        if self._begun:
            return False
        self._begun = True
        self._follow(None)
        return True

    async def evaluate(self, part: int) -> None:
        """Ask about every unknown case of one candidate."""
        candidate, cases = self._jobs[part]
        self._answers[part] = await self.results(candidate.texts, candidate.id, cases)

    async def results(self, texts: Texts, candidate: str, cases: Sequence[str]) -> list[Result]:
        """One result per case, asked for at once: the door bounds what is in flight."""

        async def one(case: Case) -> Result:
            outcome = await self.task.run(texts, case, self.model, Place(candidate, 0, case.id))
            result = self.task.score(case, outcome)
            if (
                outcome.own.total
            ):  # tries that were lost are no part of what a prompt takes, and differ between equal runs
                result = replace(result, tokens=outcome.own.total)
            self.progress.advance()
            return result

        return list(await asyncio.gather(*(one(self._cases[case]) for case in cases)))

    async def think(self, part: int) -> None:
        """Ask the proposer one question."""
        assert isinstance(self.current, Think)
        ask = self.current.asks[part]
        outcome = await self.proposer.complete(
            ask.messages,
            schema=ask.schema,
            at=Place("proposer", self.n, ask.node, ask.sample),
            temperature=ask.temperature,
            max_tokens=ask.max_tokens,
        )
        value = outcome.value
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        self._answers[part] = replace(outcome, value=plain, usage=outcome.own if outcome.own.total else outcome.usage)

    async def outside(self) -> None:
        """Let another library work."""
        assert isinstance(self.current, Outside)
        calls, tokens = self.account.room()
        bench = Bench(self.task, self.model, self.proposer, calls, tokens, self.account.test_cases)
        self._answers[0] = await self.current.work(bench)

    def approval(self) -> dict[str, Any]:
        """What a person is asked to approve."""
        step = self.current
        assert isinstance(step, Accept)
        return {
            "candidate": step.candidate.id,
            "texts": dict(step.candidate.texts),
            "instead_of": step.instead_of.id,
            "old_texts": dict(step.instead_of.texts),
            "why": step.why,
        }

    def approved(self, decision: Any) -> None:
        """A person's word: True, False, or other texts in place of the candidate's."""
        self._answers[0] = decision

    # -- one step after the other

    def _follow(self, answer: Any, stop: str = "") -> None:
        """Send an answer to the optimizer and go on to the next step that is not recorded yet."""
        while True:
            try:
                if stop:
                    step = self.search.throw(OutOfBudget(stop))
                elif self._sent:
                    step = self.search.send(answer)
                else:
                    self._sent = True
                    step = next(self.search)
            except StopIteration as ended:
                self._end(ended.value)
                return
            except OutOfBudget as spent:
                self._end(self._best(str(spent)))
                return
            if stop:  # it was to return, and asks for more
                self.search.close()
                self._end(self._best(stop))
                return
            if (inline := self._inline(step)) is not None:
                answer = inline[0]
                continue
            if self.n not in self.journal:
                self._open(step)
                if self.current is not None:
                    return
                answer, stop = None, self._refusal
                continue
            answer, stop = self._recorded(step)

    def _inline(self, step: Step) -> tuple[Any] | None:
        """The answer of a step that follows from what is known (in a tuple), None for one that must be worked for."""
        match step:
            case Note(what, candidate, why, data):
                said = {"what": what, "why": why, **({"data": dict(data)} if data else {})}
                self._aside.append(Event(log.NOTE, candidate, self.n, "", said))
                return (None,)
            case Enter(candidates):
                return ([entered for each in candidates if (entered := self._enter(each)) is not None],)
            case Evaluate(work):
                if not any(self.context.scores.unknown(candidate.id, cases) for candidate, cases in work):
                    return (self.context.scores,)
            case Accept(candidate, instead_of, why):
                if not self._asks(step):
                    said = {"instead_of": instead_of.id, "why": why, "by": "rule", "accepted": True}
                    self._aside.append(Event(log.ACCEPTED, candidate.id, -1, "", said))
                    return (candidate,)
            case Think(asks):
                if not asks:
                    return ([],)
            case _:
                pass
        return None

    def _asks(self, step: Accept) -> bool:
        """Whether a person is asked before a candidate is accepted: in what is recorded, where one was."""
        if kind := self.journal.kind(self.n) or self.followed.get(self.n, {}).get("kind", ""):
            return kind == log.kind_of(step)
        return self.approve or (self.watch is not None and self.watch.asks(self.run, self._aside, self.n, step))

    def _enter(self, candidate: Candidate) -> Candidate | None:
        """Let a candidate in, or what a person has put in its place."""
        entered = self._let_in(candidate)
        mine = self.by_hand.instead(candidate, self.n)
        return entered if mine is None else self._let_in(mine)

    def _let_in(self, candidate: Candidate) -> Candidate | None:
        wrong = ["there is such a prompt already"] if candidate.id in self.candidates else []
        wrong = wrong or problems(candidate, self.context, self.candidates.values())
        if wrong:
            self._aside.append(
                Event(log.REFUSED, candidate.id, self.n, candidate.operator, {**candidate.json(), "problems": wrong})
            )
            return None
        self.candidates[candidate.id] = candidate
        self._aside.append(log.candidate_event(candidate, self.n))
        return candidate

    def _open(self, step: Step) -> None:
        """Make a step the current one, or, where the budget does not allow it, note the refusal as its answer."""
        self._answers, self._jobs, self._refusal = {}, [], ""
        if isinstance(step, Evaluate):
            self._jobs = self._unknown(step)
            self._refusal = self.account.short(cases=sum(len(cases) for _, cases in self._jobs))
        elif isinstance(step, Think):
            self._refusal = self.account.short(questions=len(step.asks))
        if (then := self.followed.get(self.n)) is not None:
            self._refusal = then.get("stopped", "")
        self.current = step
        if self._refusal:
            self._commit([], stopped=self._refusal)
            self.current = None

    def _unknown(self, step: Evaluate) -> list[tuple[Candidate, list[str]]]:
        wanted: dict[str, tuple[Candidate, dict[str, None]]] = {}
        for candidate, cases in step.work:
            if candidate.id not in self.candidates:
                raise SearchChanged(f"the optimizer scores {candidate.id}, which never entered the search")
            unknown = self.context.scores.unknown(candidate.id, cases)
            wanted.setdefault(candidate.id, (candidate, {}))[1].update(dict.fromkeys(unknown))
        return [(candidate, list(cases)) for candidate, cases in wanted.values() if cases]

    def _parts(self) -> int:
        match self.current:
            case Evaluate():
                return len(self._jobs)
            case Think(asks):
                return len(asks)
            case _:
                return 1

    def _settle(self) -> None:
        """Commit the answers of the current step and follow the optimizer to its next."""
        step, answers = self.current, [self._answers[i] for i in range(self._parts())]
        assert step is not None
        spent = _budget_stop(answers)
        if spent:
            self._commit([], stopped=spent)
            self.current = None
            self._follow(None, stop=spent)
            return
        events, answer = self._take(step, answers)
        self._commit(events)
        self.current = None
        self._follow(answer)

    def _take(self, step: Step, answers: list[Any]) -> tuple[list[Event], Any]:
        match step:
            case Evaluate():
                found = {job[0].id: results for job, results in zip(self._jobs, answers, strict=True)}
                self._reachable([result.missing for results in found.values() for result in results])
                self._learn(found)
                return [
                    log.scores_event(c, self._split(results), results, self.n) for c, results in found.items()
                ], self.context.scores
            case Think(asks):
                self._reachable([not outcome.ok and outcome.status in ("transport", "timeout") for outcome in answers])
                self.account.think(answers)
                return [
                    log.thought_event(i, asks[i].node, outcome, self.n) for i, outcome in enumerate(answers)
                ], answers
            case Accept(candidate, instead_of, why):
                entered, said = self._decided(candidate, answers[0])
                event = Event(log.ACCEPTED, candidate.id, self.n, "", {"instead_of": instead_of.id, "why": why, **said})
                return [event], entered
            case Outside(name, _):
                self.account.outside(answers[0])
                return [Event(log.OUTSIDE, "", self.n, name, {"answer": answers[0]})], answers[0]
            case _:
                raise AssertionError(f"a {type(step).__name__} is answered in place")

    def _decided(self, candidate: Candidate, decision: Any) -> tuple[Candidate | None, dict[str, Any]]:
        if isinstance(decision, Mapping):
            mine = edited(candidate, decision, "edited at its approval")
            if mine.id == candidate.id:
                return candidate, {"by": "person", "accepted": True}
            self.barred.add(candidate.id)
            entered = self.candidates.get(mine.id) or self._let_in(mine)
            return entered, {"by": "person", "accepted": entered is not None, "texts": dict(mine.texts)}
        if not decision:
            self.barred.add(candidate.id)
        return (candidate if decision else None), {"by": "person", "accepted": bool(decision)}

    def _best(self, why: str) -> Choice:
        """The best of what is known and may be chosen."""
        able = {name: candidate for name, candidate in self.candidates.items() if name not in self.barred}
        return best_known(self.context, able, why)

    def _recorded(self, step: Step) -> tuple[Any, str]:
        """The answer that the log has for a step, and why the budget stopped the search there (empty if it did not)."""
        head = self.journal.head(self.n, step)
        self._aside = []
        self.account.left = head.get("left", self.account.left)
        self.account.told = head.get("remaining", self.account.told)
        if stopped := head.get("stopped", ""):
            self.n += 1
            return None, stopped
        answer: Any
        match step:
            case Evaluate():
                self._learn(self.journal.results(self.n))
                if self._shared():
                    self.account.shared = self.account.cases
                answer = self.context.scores
            case Think():
                answer = self.journal.thoughts(self.n)
                self.account.think(answer)
            case Accept(candidate, _, _):
                said = self.journal.accepted(self.n)
                answer, _ = self._decided(candidate, said.get("texts", said["accepted"]))
                self._aside = []
            case _:
                answer = self.journal.outside(self.n)
                self.account.outside(answer)
        self.n += 1
        return answer, ""

    def _shared(self) -> bool:
        """Whether the step is one of the run that this fork leaves."""
        return self.run.fork is not None and self.journal.steps[self.n][0].barrier <= self.run.fork.barrier

    def _learn(self, found: Mapping[str, Sequence[Result]]) -> None:
        for candidate, results in found.items():
            self.context.scores.add(candidate, results)
            self.account.take(results, candidate)

    def _split(self, results: Sequence[Result]) -> str:
        held = set(self.splits.selection)
        return "selection" if all(result.case in held for result in results) else "search"

    def _commit(self, events: list[Event], stopped: str = "") -> None:
        assert self.current is not None
        head: dict[str, Any] = {"kind": log.kind_of(self.current), "print": log.print_of(self.current)}
        if stopped:
            head["stopped"] = stopped
        if (then := self.followed.get(self.n)) is not None:
            head |= {name: then[name] for name in ("left", "remaining") if name in then}
        elif self.account.budget is not None:
            self._count_attempts()
            if (left := self.account.measure()) is not None:
                head["left"] = self.account.left = left
            head["remaining"] = self.account.share()
        self.account.told = head.get("remaining", self.account.told)
        barrier = self.run.barrier + 1
        self.run.commit(
            barrier,
            events=[*self._aside, Event(log.STEP, "", self.n, "", head), *events, *self.put_again(barrier)],
            states={"clock": {"step": self.n + 1}},
        )
        self._aside = []
        self.n += 1

    def put_again(self, barrier: int) -> list[Event]:
        """In the replay of a fork: the edits that stand at a barrier."""
        return self.by_hand.at(barrier) if self.follows is not None else []

    def _count_attempts(self) -> None:
        made = self.run.calls.totals()
        self.account.attempts_per_call = max(1.0, made.attempts / max(1, made.calls))

    def _end(self, choice: Choice) -> None:
        if choice.candidate.id in self.barred:
            choice = self._best(f"{choice.candidate.id}, the optimizer's choice, was refused by a person")
        self.current, self.choice = None, choice
        if self.journal.choice is None:
            said = {
                "candidate": choice.candidate.id,
                "why": choice.why,
                "tie": choice.tie,
                "ranking": [list(row) for row in choice.ranking],
            }
            self.run.commit(self.run.barrier + 1, [*self._aside, Event(log.CHOICE, choice.candidate.id, -1, "", said)])
        elif self.journal.choice["candidate"] != choice.candidate.id:
            raise SearchChanged(
                f"the log chose {self.journal.choice['candidate']}, and now the search would choose {choice.candidate.id}\n"
                "  data, settings and code must be those it began with"
            )
        self._aside = []

    def _reachable(self, missing: Sequence[bool]) -> None:
        if len(missing) >= FEW and sum(missing) * 2 > len(missing):
            raise EndpointLost(f"{sum(missing)} of {len(missing)} calls of a step never reached the model")


def _budget_stop(answers: Sequence[Any]) -> str:
    """Why the budget ended a step midway; empty where it did not."""
    for answer in answers:
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, Result | Outcome) and each.status == "budget":
                return getattr(each, "error", "") or "the budget is spent"
    return ""
