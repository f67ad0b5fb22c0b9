"""PO4ISR (arXiv 2312.07552, SIGIR 2024): prompts refined from single errors, kept by a bandit in a beam.

PromptInit gives the first prompt. PromptOpt runs each prompt of the beam on a batch, asks for reasons of each error, for
one refined prompt per error and for paraphrases of it. PromptSel keeps the best of a sample of these by UCB.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator

from ...llm.fence import fence
from ..candidate import Candidate
from ..context import Context
from ..selectors import PO4ISRUCB, Selector, open_selector, select_candidates
from ..steps import Accept, Ask, Choice, Enter, Evaluate, Note, OutOfBudget, Search, Step, Think
from ..tasks.building import body
from .rank_errors import is_error
from .worked import (
    SECTION,
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


class PO4ISRConfig(BaseModel):
    """Settings of `PO4ISR`. Each says what the paper or its released code uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    init: Literal["seed", "steps"] = "seed"
    """Where the search begins: the task's seed prompt, or its first text after the four steps of PromptInit. Paper: the
    four steps."""
    depth: PositiveInt = 2
    """Rounds of expansion and selection. Paper: 2."""
    beam: PositiveInt = 5
    """Prompts kept after a round. Paper: 5."""
    batch: PositiveInt = 16
    """Search cases on which a prompt of the beam is run for its errors. Paper: 16."""
    errors: PositiveInt = 16
    """Most errors of a batch that are worked on. Paper: 16."""
    error_rank: PositiveInt = 10
    """A target ranked here or lower is an error, as is a missing one. Paper: 10 of 20."""
    error_value: float = 0.29
    """For a task without ranks: a metric below this is an error. The nDCG of rank 10 is 0.289."""
    reasons: PositiveInt = 2
    """Reasons asked for per error, in one question. Paper: 2."""
    paraphrases: NonNegativeInt = 2
    """Paraphrases per refined prompt, a question each. Paper: 2."""
    candidates: PositiveInt = 8
    """Prompts sampled for the selection, out of all that a round made. Paper: 8 (as released: 8 for each parent)."""
    steps: PositiveInt = 16
    """Pulls of a selection. Paper: 16."""
    sessions: PositiveInt = 32
    """Search cases of a pull. Paper: 32."""
    explore: NonNegativeFloat = 2.0
    """c, the weight of exploration. Paper: 2."""
    selector: str = "po4isr"
    """Who keeps the best of a pool (`selectors/`). Paper: its UCB, for which the three settings above are."""
    selector_options: Mapping[str, Any] = Field(default_factory=dict)
    """Further fields of the selector's config."""
    temperature: NonNegativeFloat = 0.2
    """Of the proposer. Paper: 0.2."""
    max_tokens: PositiveInt = Field(default=1536, ge=64)
    """Of a proposer's answer. The released code sets none."""
    transfer: tuple[str | dict[str, str], ...] = ()
    """Winners of other domains, which enter the first selection: texts or files of texts for the task's first component,
    or texts by component. Paper: the best one or two prompts of each other domain."""
    as_released: bool = False
    """Search as the released code does: every parent's selection overwrites the last one's, parents are not in the pool,
    equal prompts stay in it, the selection's values are no means, and the proposer does not see the wrong answer. Where
    it ends in an exception (fewer prompts than a beam holds), this keeps those there are."""

    @field_validator("transfer", mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        """One prompt or several; files are read here and now, their headers left out."""
        several = [given] if isinstance(given, str | Mapping) else given
        return tuple(_file_text(each) if isinstance(each, str) else each for each in several)


class Reasons(BaseModel):
    """Why a prompt may have gone wrong on a case."""

    model_config = ConfigDict(extra="forbid")
    reasons: list[Text] = Field(min_length=1)


class _Error(NamedTuple):
    """A case that went wrong under a prompt of the beam, and the component to be refined for it."""

    parent: Candidate
    case: str
    component: str


@dataclass
class _State:
    """Where a search stands. `beam`: best first once a selection has ended, with `estimates` by id."""

    beam: list[Candidate]
    entered: dict[str, Candidate]
    transfers: list[Candidate] = field(default_factory=list)
    estimates: dict[str, float] = field(default_factory=dict)


class PO4ISR:
    """The paper's search: one pool over all parents, which stay in it, means as values. `as_released`: its code's.

    A selector given here goes before the config's. Where a task has several texts, errors refine them in turn.
    """

    name = "po4isr"
    config_type = PO4ISRConfig

    def __init__(self, config: PO4ISRConfig = PO4ISRConfig(), selector: Selector | None = None) -> None:
        self.config = config
        self.selector = selector
        self._reasons, self._refine = load("po4isr_reasons"), load("po4isr_refine")
        self._paraphrase = load("po4isr_paraphrase")

    def search(self, context: Context) -> Search:
        """The steps of a search (see `steps.py`)."""
        needs_a_writer(context, self.name)
        seed = context.seed_candidate
        state = _State([seed], {seed.id: seed})
        depth = 0
        try:
            yield from self._begin(context, state)
            for depth in range(1, self.config.depth + 1):
                if self.config.as_released:
                    yield from self._released_round(context, state, depth)
                else:
                    yield from self._round(context, state, depth)
            return (yield from self._finish(context, state))
        except OutOfBudget:
            # Selections show prompts different cases, so few are shared: their values decide here, not paired leads.
            best = state.beam[0] if state.estimates else seed
            tie = not self.config.as_released and not told_apart(
                context.scores.difference(best.id, seed.id, context.search)
            )
            ranking = tuple((name, value) for name, value in state.estimates.items() if not math.isnan(value))
            return Choice(best, f"the budget was spent at depth {depth} of {self.config.depth}", tie, ranking)

    def forecast(self, context: Context) -> Mapping[str, Any]:
        """Calls of a search in which every case of a batch, up to `errors`, goes wrong. Scores that are known already
        are not asked for again, so there will be fewer."""
        needs_a_writer(context, self.name)
        config = self.config
        cases, selection = len(context.search), len(context.selection)
        batch, parents = min(config.batch, cases), 1 + (config.depth - 1) * config.beam
        errors = min(config.errors, batch)
        if config.as_released:
            selections, pool = parents, config.candidates
        else:
            selections, pool = config.depth, config.beam + config.candidates
        papers = self.selector is None and config.selector == PO4ISRUCB.name
        pulls = config.steps * min(config.sessions, cases) if papers else (pool + len(config.transfer)) * cases
        finalists = config.beam + (0 if config.as_released else 1)
        return {
            "task": parents * batch + selections * pulls + finalists * selection,
            "proposals": parents * errors * (2 + config.paraphrases),
        }

    # -- the parts of a search

    def _begin(self, context: Context, state: _State) -> Generator[Step, Any, None]:
        """PromptInit, and the winners of other domains."""
        seed, first = context.seed_candidate, next(iter(context.components))
        if self.config.init == "steps":
            steps = load("po4isr_init").sections[0][1]
            text = _with_steps(steps, seed.texts[first])
            init = Candidate(
                {**seed.texts, first: text}, "init", (seed.id,), "the four steps of PromptInit", maker="bank"
            )
            state.beam = (yield from self._enter(state, [init])) or state.beam
        won = [
            Candidate(
                {**seed.texts, **({first: each} if isinstance(each, str) else each)}, "transfer", (), "it won elsewhere"
            )
            for each in self.config.transfer
        ]
        if won:
            state.transfers = yield from self._enter(state, won)

    def _round(self, context: Context, state: _State, depth: int) -> Generator[Step, Any, None]:
        """One pool of all parents, what was made of them and, at first, the transfers; its best are the next beam."""
        made = yield from self._expand(context, state.beam, depth)
        fresh = self._in_chance_order(context, made, depth)
        children: list[Candidate] = []
        while fresh and len(children) < self.config.candidates:
            # Those that are there already, and those that a guard refuses, give way to the next ones.
            wanted = self.config.candidates - len(children)
            children += yield from self._enter(state, fresh[:wanted])
            fresh = fresh[wanted:]
        others = state.transfers if depth == 1 else []
        pool = list({each.id: each for each in (*state.beam, *others, *children)}.values())
        yield from self._select(context, state, pool, depth, "pool")

    def _released_round(self, context: Context, state: _State, depth: int) -> Generator[Step, Any, None]:
        """As released: each parent's children are selected from on their own, and the last selection is the beam."""
        for i, parent in enumerate(state.beam):
            made = yield from self._expand(context, [parent], depth, i)
            drawn = self._in_chance_order(context, made, depth, i)[: self.config.candidates]
            yield from self._enter(state, drawn)
            pool = [
                state.entered[each.id] for each in drawn if each.id in state.entered
            ]  # equal prompts more than once
            pool = [*(state.transfers if depth == 1 else []), *pool]
            yield from self._select(context, state, pool, depth, f"parent {parent.id}")

    def _expand(
        self, context: Context, parents: Sequence[Candidate], depth: int, first: int = 0
    ) -> Generator[Step, Any, list[Candidate]]:
        """PromptOpt: the prompts made from the parents' errors, refined ones and their paraphrases."""
        batches = []
        for i, parent in enumerate(parents, first):
            order = context.chance("po4isr", "batch", depth, i).permutation(len(context.search))
            batches.append((parent, [context.search[int(j)] for j in order[: self.config.batch]]))
        yield Evaluate(batches)
        errors = [error for parent, cases in batches for error in self._errors(context, parent, cases)]
        if not errors:
            return []
        reasons = yield Think([self._why(context, error, i) for i, error in enumerate(errors)])
        known = [(error, why) for error, why in zip(errors, reasons, strict=True) if why.ok]
        answers = yield Think([self._better(context, error, why.value, i) for i, (error, why) in enumerate(known)])
        refined = [
            self._made(context, error, new.value, "refine", "\n".join(why.value["reasons"]), [why, new])
            for (error, why), new in zip(known, answers, strict=True)
            if new.ok
        ]
        sources = [(error, new) for (error, _), new in zip(known, answers, strict=True) if new.ok]
        twice = [each for each in zip(sources, refined, strict=True) for _ in range(self.config.paraphrases)]
        said = yield Think([self._again(context, error, one, i) for i, ((error, _), one) in enumerate(twice)])
        return refined + [
            self._made(context, error, new.value, "paraphrase", f"{one.id} in other words", [source, new])
            for ((error, source), one), new in zip(twice, said, strict=True)
            if new.ok
        ]

    def _errors(self, context: Context, parent: Candidate, cases: Sequence[str]) -> list[_Error]:
        names = list(context.components)
        known = context.scores.of(parent.id)
        wrong = [
            case
            for case in cases
            if case in known and is_error(known[case], context.metric, self.config.error_rank, self.config.error_value)
        ]
        return [_Error(parent, case, names[i % len(names)]) for i, case in enumerate(wrong[: self.config.errors])]

    def _select(
        self, context: Context, state: _State, pool: Sequence[Candidate], depth: int, over: str
    ) -> Generator[Step, Any, None]:
        """PromptSel: the best of the pool become the beam. With nothing to choose from, the beam stays as it is."""
        if len(pool) < 2:
            state.beam = list(pool) or state.beam
            yield Note("no proposal", state.beam[0].id, f"nothing to select from at depth {depth} ({over})")
            return
        keep, selector = min(self.config.beam, len(pool)), self._selector_for(len(pool))
        selection = yield from select_candidates(selector, pool, context.search, context, keep)
        if not selection.kept:
            yield Note("no selection", state.beam[0].id, f"too many answers were missing at depth {depth} ({over})")
            return
        state.estimates = {}
        for i in selection.kept:  # best first, so of equal prompts the better arm counts
            state.estimates.setdefault(pool[i].id, float(selection.estimates[i]))
        state.beam = [state.entered[name] for name in state.estimates]
        for place, each in enumerate(state.beam, 1):
            estimate = state.estimates[each.id]
            told = {"depth": depth, "estimate": None if math.isnan(estimate) else estimate, "place": place}
            yield Note("beam", each.id, f"kept at depth {depth} from {len(pool)} prompts ({over})", told)

    def _finish(self, context: Context, state: _State) -> Generator[Step, Any, Choice]:
        """The best of the beam on the selection split; the seed stands for election too, but not as released."""
        seed, cases = context.seed_candidate, context.selection or context.search
        others = [each for each in state.beam if each.id != seed.id]
        finalists = others if self.config.as_released and others else [seed, *others]  # of equals the first wins
        yield Evaluate([(each, cases) for each in finalists])
        means = self._means(context, finalists, cases)
        order = sorted(range(len(finalists)), key=lambda i: -means[i])
        ranking = tuple((finalists[i].id, means[i]) for i in order if math.isfinite(means[i]))
        for i in order:
            if finalists[i].id == seed.id:
                break
            why = f"{means[i]:.4f} on {len(cases)} cases for selection, the best of {len(finalists)}"
            accepted = yield Accept(finalists[i], seed, why)
            if accepted is not None:
                tie = not self.config.as_released and not told_apart(
                    context.scores.difference(finalists[i].id, seed.id, cases)
                )
                return Choice(accepted, why, tie, ranking)
        return Choice(seed, "no other finalist was better and accepted", not self.config.as_released, ranking)

    @staticmethod
    def _means(context: Context, finalists: Sequence[Candidate], cases: Sequence[str]) -> list[float]:
        """The first one's mean, and for the others that plus their mean lead over it on the cases known of both, so that
        nobody gains by a lost call."""
        scores, first = context.scores, finalists[0]
        base = scores.mean(first.id, cases)
        leads = [scores.difference(each.id, first.id, cases) for each in finalists]
        known = [lead[~np.isnan(lead)] for lead in leads]
        return [base + float(lead.mean()) if len(lead) else -math.inf for lead in known]

    # -- candidates

    def _enter(self, state: _State, candidates: Sequence[Candidate]) -> Generator[Step, Any, list[Candidate]]:
        entered = yield Enter(candidates)
        state.entered.update((each.id, each) for each in entered)
        return entered

    @staticmethod
    def _in_chance_order(context: Context, made: Sequence[Candidate], *at: int) -> list[Candidate]:
        return [made[int(i)] for i in context.chance("po4isr", "sample", *at).permutation(len(made))]

    @staticmethod
    def _made(
        context: Context, error: _Error, value: Mapping[str, Any], operator: str, reason: str, calls: Sequence[Any]
    ) -> Candidate:
        texts = {**error.parent.texts, error.component: str(value["prompt"]).strip()}
        return Candidate(texts, operator, (error.parent.id,), reason, (error.case,), context.proposer, calls_of(calls))

    def _selector_for(self, arms: int) -> Selector:
        """The selector given, or else the paper's. Its code fails for fewer prompts than a beam holds; here that is no end."""
        config = self.config
        if self.selector is not None:
            return self.selector
        if config.selector != PO4ISRUCB.name:
            return open_selector(config.selector, **config.selector_options)
        ours = {"steps": config.steps, "batch": config.sessions, "c": config.explore, "as_released": config.as_released}
        return open_selector(PO4ISRUCB.name, **{**ours, "beam": min(config.beam, arms), **config.selector_options})

    # -- questions to the proposer

    def _why(self, context: Context, error: _Error, i: int) -> Ask:
        return self._ask(
            self._reasons.render(**self._shown(context, error), number=self.config.reasons), Reasons, "reasons", i
        )

    def _better(self, context: Context, error: _Error, why: Mapping[str, Any], i: int) -> Ask:
        messages = self._refine.render(
            **self._shown(context, error),
            reasons=fence("\n".join(why["reasons"]), "reasons"),
            fields=fields_text(context.components[error.component]),
        )
        return self._ask(messages, Revision, "refine", i)

    def _again(self, context: Context, error: _Error, refined: Candidate, i: int) -> Ask:
        text = prompt_text(refined.texts[error.component])
        messages = self._paraphrase.render(prompt=text, fields=fields_text(context.components[error.component]))
        return self._ask(messages, Revision, "paraphrase", i)

    def _shown(self, context: Context, error: _Error) -> dict[str, str]:
        return {
            "purpose": context.components[error.component].purpose,
            "prompt": prompt_text(error.parent.texts[error.component]),
            "case": worked_case(context, error.parent, error.case, answer=not self.config.as_released),
        }

    def _ask(self, messages: Sequence[Any], schema: type[BaseModel], node: str, i: int) -> Ask:
        return Ask(messages, schema, f"po4isr/{node}", i, self.config.temperature, self.config.max_tokens)


def _with_steps(steps: str, text: str) -> str:
    """The four steps before a text; in a prompt in parts, at the top of its last part."""
    heads = list(SECTION.finditer(text))
    at = heads[-1].end() + 1 if heads else 0
    return f"{text[:at]}{steps}\n\n{text[at:]}"


def _file_text(given: str) -> str:
    """The prompt in a file where `given` is the path of one; else `given`. Raises `ValueError` for a file that is not there."""
    if "\n" in given or "{{" in given:
        return given
    path = Path(given).expanduser()
    if path.is_file():
        return body(path.read_text(encoding="utf-8"))
    if path.suffix in (".md", ".txt"):
        raise ValueError(f"{given}: there is no such file")
    return given
