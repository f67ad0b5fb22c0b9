"""RecPrompt (arXiv 2312.10463, CIKM 2024): one prompt is revised again and again, from worked samples, under a monitor.

Each round shows the proposer the current prompt, the best one so far, k worked samples and an observation of them; the
prompt that comes back is scored on the same cases as all others, becomes the current one, and the best one if it leads.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator

from ...llm.fence import fence
from ..candidate import Candidate
from ..context import Context
from ..scores import FloatArray
from ..steps import Accept, Ask, Choice, Enter, Evaluate, Note, OutOfBudget, Search, Step, Think
from .worked import (
    Revision,
    Text,
    calls_of,
    fields_text,
    load,
    needs_a_writer,
    prompt_text,
    told_apart,
    worked_case,
)

PAPER_MONITOR = ("auc", "mrr", "ndcg@5", "ndcg@10")
"""The paper's four metrics; their mean is its monitor."""

MANUAL = {"news": "recprompt_manual_news", "session": "recprompt_manual_session", "rerank": "recprompt_manual_session"}
"""Instructions of manual observation by task; other tasks take `recprompt_manual_any`."""


class RecPromptConfig(BaseModel):
    """Settings of `RecPrompt`. Each says what the paper or its released code uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: PositiveInt = 10
    """T, rounds of revision. Paper: 10, and 3 where GPT-4 recommends."""
    cases: PositiveInt = 100
    """|V|, search cases that every prompt is scored on; all of them where there are fewer. Paper: 100."""
    samples: PositiveInt = 3
    """k, worked samples a request. A parameter of the paper; the released code shows 1."""
    observation: Literal["automatic", "manual"] = "automatic"
    """Who says what to look at in the samples: the proposer, in a question of its own, or a text. Paper: both variants."""
    observation_text: str = ""
    """The text of manual observation; empty takes ours for the task. The released code has one by pair of models."""
    monitor: tuple[str, ...] = ()
    """Values whose mean is maximised. Empty: the paper's AUC, MRR, nDCG@5 and nDCG@10 where the task reports all four,
    else the task's own metric."""
    reasks: NonNegativeInt = 3
    """Further requests in a round, with other samples and more tokens, after an answer that cannot be used (no prompt,
    a field lost, a prompt seen before). Paper: without bound."""
    temperature: NonNegativeFloat = 0.0
    """Of the proposer. Paper: 0."""
    max_tokens: PositiveInt = Field(default=1024, ge=64)
    """Of the proposer's answer; a repeated request gets as many again. Paper: 1024, 1024 more after a bad answer."""
    as_released: bool = False
    """Search as the released code does: the slots of the current and of the best prompt always hold the first prompt,
    every round shows the same single sample (its answer is the latest prompt's), and the observation is a fixed text.
    Its endless loops are not reproduced: `reasks` bounds them here too."""

    @field_validator("monitor", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        """Names apart or in one text, with commas."""
        return tuple(name.strip() for name in given.split(",")) if isinstance(given, str) else given


class Observation(BaseModel):
    """What the proposer saw in the worked samples."""

    model_config = ConfigDict(extra="forbid")
    observation: Text = Field(
        description="What went right and wrong in the samples, and what the prompt should change."
    )


@dataclass
class _State:
    """Where a search stands. `order`: the cases in their order of being shown; `next`: where the next samples begin."""

    order: list[str]
    current: Candidate
    best: Candidate
    monitor: tuple[str, ...]
    scored: list[Candidate] = field(default_factory=list)
    next: int = 0
    round: int = 0


class RecPrompt:
    """The paper's search; `as_released` its code's. Where a task has several texts, rounds revise them in turn."""

    name = "recprompt"
    config_type = RecPromptConfig

    def __init__(self, config: RecPromptConfig = RecPromptConfig()) -> None:
        self.config = config
        self._revise, self._observe = load("recprompt_revise"), load("recprompt_observe")

    def search(self, context: Context) -> Search:
        """The steps of a search (see `steps.py`)."""
        needs_a_writer(context, self.name)
        seed = context.seed_candidate
        state = _State(self._cases(context), seed, seed, (context.metric,))
        try:
            yield from self._rounds(context, state)
            why = f"the best of {len(state.scored)} prompts on {len(state.order)} cases"
        except OutOfBudget:
            why = f"the best of {len(state.scored)} prompts when the budget was spent, in round {state.round}"
        return self._choice(context, state, why)

    def forecast(self, context: Context) -> Mapping[str, Any]:
        """Calls of a search in which no answer can be used; `likely`: in which every one can."""
        needs_a_writer(context, self.name)
        config = self.config
        asks = config.rounds * (1 if self._manual else 2)
        cases = min(config.cases, len(context.search))
        task = (config.rounds + 1) * cases
        return {"task": task, "proposals": asks * (1 + config.reasks), "likely": task + asks}

    @property
    def _manual(self) -> bool:
        return self.config.as_released or self.config.observation == "manual"

    def _cases(self, context: Context) -> list[str]:
        order = context.chance("recprompt", "cases").permutation(len(context.search))
        return [context.search[int(i)] for i in order[: self.config.cases]]

    def _rounds(self, context: Context, state: _State) -> Generator[Step, Any, None]:
        yield Evaluate([(state.best, state.order)])
        state.scored.append(state.best)
        state.monitor = self._monitor(context, state)
        for state.round in range(1, self.config.rounds + 1):
            candidate = yield from self._propose(context, state)
            if candidate is None:
                why = f"no usable prompt in {self.config.reasks + 1} requests of round {state.round}"
                yield Note("no proposal", state.current.id, why)
                continue
            yield from self._judge(context, state, candidate)

    def _judge(self, context: Context, state: _State, candidate: Candidate) -> Generator[Step, Any, None]:
        """Score a new prompt; it becomes the current one and, if it leads, the best one."""
        yield Evaluate([(candidate, state.order)])
        state.scored.append(candidate)
        state.current = candidate
        lead = self._lead(context, state, candidate, state.best)
        if not lead > 0:
            yield Note("not better", candidate.id, f"monitor {lead:+.4f} against the best so far")
            return
        accepted = yield Accept(candidate, state.best, f"monitor {lead:+.4f} on {len(state.order)} cases")
        if accepted is None:
            state.current = state.best
            return
        state.current = state.best = accepted
        if accepted.id != candidate.id:  # a person has edited it, and their word stands whatever it scores
            yield Evaluate([(accepted, state.order)])
            state.scored.append(accepted)

    def _propose(self, context: Context, state: _State) -> Generator[Step, Any, Candidate | None]:
        """A new prompt that the guards let in; None after too many answers that cannot be used."""
        first = context.seed_candidate
        current, best = (first, first) if self.config.as_released else (state.current, state.best)
        names = list(context.components)
        component = names[(state.round - 1) % len(names)]
        for attempt in range(self.config.reasks + 1):
            cases = self._samples(context, state, attempt)
            samples = "\n\n".join(
                f"Sample {i}\n{worked_case(context, state.current, case)}" for i, case in enumerate(cases, 1)
            )
            asked = []
            shared = {
                "purpose": context.components[component].purpose,
                "current": prompt_text(current.texts[component]),
                "samples": samples,
            }
            if self._manual:
                observation = self._manual_text(context)
            else:
                asked += yield Think([self._ask(self._observe.render(**shared), Observation, "observe", attempt)])
                if not asked[-1].ok:
                    continue
                observation = str(asked[-1].value["observation"])  # its words may be the items' own
            messages = self._revise.render(
                **shared,
                best=prompt_text(best.texts[component]),
                fields=fields_text(context.components[component]),
                observation=observation if self._manual else fence(observation, "observation"),
            )
            asked += yield Think([self._ask(messages, Revision, "revise", attempt)])
            if not asked[-1].ok:
                continue
            entered = yield Enter(
                [
                    Candidate(
                        {**current.texts, component: str(asked[-1].value["prompt"]).strip()},
                        operator="revise",
                        parents=tuple(dict.fromkeys((current.id, best.id))),
                        reason=observation,
                        shown=tuple(cases),
                        maker=context.proposer,
                        calls=calls_of(asked),
                    )
                ]
            )
            if entered:
                return entered[0]
        return None

    def _ask(self, messages: Sequence[Any], schema: type[BaseModel], node: str, attempt: int) -> Ask:
        config = self.config
        return Ask(
            messages, schema, f"recprompt/{node}", attempt, config.temperature, config.max_tokens * (attempt + 1)
        )

    def _samples(self, context: Context, state: _State, attempt: int) -> list[str]:
        """The next k cases that the current prompt has an answer for; as released, the same one in every round."""
        if self.config.as_released:
            state.next = attempt
        known = {case for case, result in context.scores.of(state.current.id).items() if not result.missing}
        turned = state.order[state.next :] + state.order[: state.next]
        shown = [case for case in turned if case in known][: 1 if self.config.as_released else self.config.samples]
        if shown:
            state.next = (state.order.index(shown[-1]) + 1) % len(state.order)
        return shown

    def _manual_text(self, context: Context) -> str:
        if self.config.observation_text:
            return self.config.observation_text
        name = MANUAL.get(context.task.partition(":")[0], "recprompt_manual_any")
        return load(name).sections[0][1]

    def _monitor(self, context: Context, state: _State) -> tuple[str, ...]:
        """The names of the values to maximise, as the task spells them."""
        results = context.scores.of(state.best.id).values()
        spelled = {name.lower(): name for result in results for name in result.values}
        if self.config.monitor:
            return tuple(spelled.get(name.lower(), name) for name in self.config.monitor)
        if all(name in spelled for name in PAPER_MONITOR):
            return tuple(spelled[name] for name in PAPER_MONITOR)
        return (context.metric,)

    def _values(self, context: Context, state: _State, candidate: Candidate) -> FloatArray:
        """The monitor on each case, NaN where it is missing."""
        known = context.scores.of(candidate.id)
        rows = [
            [
                known[case].values.get(name, np.nan) if case in known and not known[case].missing else np.nan
                for name in state.monitor
            ]
            for case in state.order
        ]
        return np.array(rows, dtype=np.float64).mean(axis=1)

    def _lead(self, context: Context, state: _State, a: Candidate, b: Candidate) -> float:
        """The mean lead of `a` over `b` in the monitor, on the cases known of both."""
        return _mean(self._values(context, state, a) - self._values(context, state, b))

    def _choice(self, context: Context, state: _State, why: str) -> Choice:
        """The best prompt. Prompts are compared where both are known, so the best leads although its mean may not."""
        means = [(each.id, _mean(self._values(context, state, each))) for each in state.scored]
        ranking = sorted(means, key=lambda row: (row[0] != state.best.id, -row[1]))
        lead = self._values(context, state, state.best) - self._values(context, state, context.seed_candidate)
        tie = not self.config.as_released and not told_apart(lead)
        return Choice(state.best, why, tie, tuple(ranking))


def _mean(values: FloatArray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")
