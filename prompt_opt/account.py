"""What a search has used, by its recorded answers alone, and what it may use before the sealed test must be paid for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..llm import Budget
from ..llm.types import Outcome
from .errors import OptimizeError
from .task import Result

TRIES = 1.1
"""Calls set aside per case of the test: some answers are asked for again."""


class Account:
    """Calls and tokens of the answers so far. A function of the log, so a resumed search stops where an unbroken one does.

    `test_cases`: evaluations that the sealed test will take, half of them by the prompt `seed`; their cost is kept back from
    the search. The seed's half is reckoned at what the seed has cost: one that is often asked again costs twice.
    """

    def __init__(self, budget: Budget | None, test_cases: int, seed: str = "") -> None:
        self.budget, self.test_cases, self.seed = budget, test_cases, seed
        self.calls = self.tokens = self.cases = self.task_calls = self.task_tokens = 0
        self.shared = 0
        """Of the cases, those that a fork shares with its parent, which has paid for them."""
        self.seed_cases = self.seed_calls = self.seed_tokens = 0
        self.total_calls = None if budget is None else budget.calls
        self.total_tokens = None if budget is None else budget.tokens
        self.left: float | None = None
        """Share of money and time left at the last recorded step; None without such limits."""
        self.told = 1.0
        """What `remaining` says: the share left at the last recorded step, under the budget of that time."""
        self.attempts_per_call = 1.0
        """What a call takes of the budget: a busy endpoint turns many away, and each attempt counts. By the recorded calls."""
        if self.total_calls is not None and self.total_calls <= (need := self._test_calls()):
            raise OptimizeError(
                f"a budget of {self.total_calls} calls leaves nothing for the search: the sealed test of "
                f"{test_cases} evaluations needs {need}\n  give more, or a smaller test split"
            )

    def take(self, results: Iterable[Result], candidate: str = "") -> None:
        """Count evaluated cases of a candidate."""
        for result in results:
            calls = max(1, len(result.calls))
            self.cases += 1
            self.task_calls += calls
            self.task_tokens += result.tokens
            self.calls += calls
            self.tokens += result.tokens
            if candidate == self.seed:
                self.seed_cases += 1
                self.seed_calls += calls
                self.seed_tokens += result.tokens

    def think(self, outcomes: Iterable[Outcome[Any]]) -> None:
        """Count a proposer's answers."""
        for outcome in outcomes:
            self.calls += max(1, len(outcome.keys))
            self.tokens += outcome.usage.total

    def outside(self, answer: Mapping[str, Any]) -> None:
        """Count what another library's work took."""
        self.calls += int(answer.get("calls", 0))
        self.tokens += int(answer.get("tokens", 0))

    def room(self) -> tuple[int | None, int | None]:
        """Calls and tokens that the search may still take; None where there is no such limit."""
        calls = (
            None
            if self.total_calls is None
            else max(0, self.total_calls - self._test_calls() - math.ceil(self.calls * self.attempts_per_call))
        )
        tokens = None if self.total_tokens is None else max(0, self.total_tokens - self._test_tokens() - self.tokens)
        return calls, tokens

    @property
    def calls_per_case(self) -> float:
        return self.task_calls / self.cases if self.cases else 1.0

    @property
    def tokens_per_case(self) -> float:
        return self.task_tokens / self.cases if self.cases else 0.0

    def _test_calls(self) -> int:
        seed = self.seed_calls / self.seed_cases if self.seed_cases else self.calls_per_case
        return math.ceil(self.test_cases * (seed + self.calls_per_case) / 2 * TRIES * self.attempts_per_call)

    def _test_tokens(self) -> int:
        seed = self.seed_tokens / self.seed_cases if self.seed_cases else self.tokens_per_case
        return math.ceil(self.test_cases * (seed + self.tokens_per_case) / 2 * TRIES)

    def short(self, cases: int = 0, questions: int = 0) -> str:
        """Why a step of so many evaluations and questions may not begin; empty where it may."""
        if self.total_calls is not None:
            need = math.ceil(cases * self.calls_per_case) + questions
            if (self.calls + need) * self.attempts_per_call > self.total_calls - self._test_calls():
                return f"budget of calls {self.total_calls} is spent but for the sealed test"
        if self.total_tokens is not None:
            need = math.ceil(cases * self.tokens_per_case)
            if self.tokens + need > self.total_tokens - self._test_tokens():
                return f"budget of tokens {self.total_tokens} is spent but for the sealed test"
        if self.left is not None and self.left <= 0:
            return "the budget is spent but for the sealed test"
        return ""

    def remaining(self) -> float:
        """Share of the search's budget that is left, 0 to 1, as the log has it: a search that goes on under another budget
        decides what it decided before."""
        return self.told

    def share(self) -> float:
        """Share of the search's budget that is left now, 0 to 1, by the scarcest limit; 1 without a budget."""
        shares = [1.0 if self.left is None else self.left]
        if self.total_calls is not None:
            shares.append(1 - self.calls * self.attempts_per_call / max(1, self.total_calls - self._test_calls()))
        if self.total_tokens is not None:
            shares.append(1 - self.tokens / max(1, self.total_tokens - self._test_tokens()))
        return round(min(1.0, max(0.0, min(shares))), 6)

    def measure(self) -> float | None:
        """The share of money and time that is left beside what the test will take; None where neither is limited."""
        budget = self.budget
        if budget is None or (budget.usd is None and budget.seconds is None):
            return None
        shares: list[float] = []
        for limit, spent in ((budget.usd, budget.spent.usd), (budget.seconds, budget.elapsed)):
            if limit is not None:
                per_case = spent / max(1, self.cases - self.shared)
                kept = min(limit, TRIES * self.test_cases * per_case)
                shares.append((limit - kept - spent) / max(limit - kept, 1e-12))
        return round(max(0.0, min(shares)), 3)
