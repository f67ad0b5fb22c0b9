"""The rewriting agent's prompt, judged by what its rewrites do to a search: NDCG of the union, of the worst wording, or reward.

A case is one query with judgements. The agent is the one of `recloop rewrite`, without its judge; only one prompt of it
varies. A winner is given to it by `recloop rewrite --prompt rewrite=FILE` (the prompt `choose` of a small model by code only).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ...agents.ask import BudgetReached
from ...agents.randomness import shuffled
from ...agents.rewriter.judge import PROMPTS
from ...agents.rewriter.likelihood import NODE as CHOOSE
from ...agents.rewriter.likelihood import LikelihoodWriter
from ...agents.rewriter.personas import searchers
from ...agents.rewriter.records import RewriteError, Searcher
from ...agents.rewriter.rules import FAMILIES
from ...agents.rewriter.steps import new_state
from ...agents.rewriter.writers import REWRITE, ModelWriter, Written, load_prompts, proposed
from ...data import DataError
from ...data.search import SearchSet
from ...data.search_load import load_search
from ...evaluators import NDCG
from ...llm.fence import fence, one_line
from ...llm.prompts import Prompt
from ...llm.types import Abilities, Model, Outcome, Place, Usage
from ...methods.beque import Judged, ScoreConfig, others_queries, query_key, rm3, score_rewrite, union
from ...methods.search import Retriever, SearchError, open_retriever
from ..errors import OptimizeError
from ..task import MISSING, Case, Component, Diagnosis, Result, Texts
from .building import body
from .overheard import Overheard

K = 10
METRICS = (f"union_ndcg@{K}", f"worst_ndcg@{K}", f"mean_ndcg@{K}", "reward")
DEPTH = 100
"""Documents of each ranking that enter the union."""
FEW = 5
"""A query that finds fewer relevant documents than this among its first ten is one that finds few (BEQUE's few-recall)."""
CASES = 240
SHOWN = 3


class RewriteOptions(BaseModel):
    """Options of `--task rewrite`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    personas: str = "newcomer,expert"
    """Whose words: names and sets of `recloop rewrite`, with commas. Each is one call a case, after one for the need."""
    retriever: str = "bm25"
    """Whose rankings are judged: a name, module:object or URL, as `recloop stability` takes it."""
    read: Literal["auto", "write", "choose"] = "auto"
    """"write": the model writes. "choose": rules propose, its likelihoods choose. "auto": chooses if it is a small local one."""
    intent: bool = True
    """Whether the need is asked for first, as the agent does; otherwise the query stands for it, which saves a call a case."""
    least: float | None = None
    """Least grade of a relevant document in the reward; None: half of the highest."""
    max_cases: PositiveInt | None = None
    """Most queries; None: 240."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Of the rewrites. `recloop rewrite` itself draws them at 0.7."""


@dataclass(frozen=True, eq=False)
class RewriteTask:
    """What do a prompt's rewrites do to the ranking of a query? A `Task`.

    `union_ndcg@10`: of the query's and its rewrites' rankings, fused. `worst_ndcg@10`: of the worst among them, which is a
    matter of harm: whoever changes next to nothing does well, so look at `new_words` beside it. `reward`: mean reward of
    `score_rewrite`. A rewrite that is the query itself is dropped and counted; where none is left, the union is the query's own
    ranking and the two others have the worst value.
    """

    data: SearchSet
    retriever: Retriever
    people: Sequence[Searcher]
    cases: Sequence[Case]
    choose: bool
    options: RewriteOptions
    metric: str = METRICS[0]
    seed: int = 0
    name: str = "rewrite"
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def node(self) -> str:
        """The agent's prompt under search."""
        return CHOOSE if self.choose else REWRITE

    @property
    def calls_per_case(self) -> int:
        """What a forecast counts with: the need, and each persona's words."""
        return len(self.people) + (self.options.intent and not self.choose)

    @cached_property
    def components(self) -> Mapping[str, Component]:
        """The node's own prompt; need (or query) and persona must stay in it."""
        prompt = Prompt.load(PROMPTS / f"{self.node}.md")
        text = body((PROMPTS / f"{self.node}.md").read_text(encoding="utf-8"))
        required = ("query", "persona") if self.choose else ("intent", "persona")
        return {self.node: Component(text, prompt.purpose, prompt.fields, required)}

    @cached_property
    def hash(self) -> str:
        told = {
            "task": self.name,
            "metric": self.metric,
            "seed": self.seed,
            "data": self.data.hash,
            "whole": self.data.whole,
            "retriever": self.retriever.policy_id,
            "choose": self.choose,
            "personas": [[each.name, each.description, list(each.families)] for each in self.people],
            "settings": self.options.model_dump(mode="json", exclude={"max_cases", "read", "retriever", "personas"}),
            "cases": [[case.id, dict(case.shown), dict(case.truth)] for case in self.cases],
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    async def run(self, texts: Texts, case: Case, model: Model, at: Place) -> Outcome[Any]:
        """The need, then all personas at once; `value` maps personas to rewrites."""
        query = case.shown["query"]
        prompt = Prompt.parse(texts[self.node], self.node, known=self.components[self.node].fields)
        need, outcomes = query, list[Outcome[Any]]()
        if not self.choose and self.options.intent:
            heard = Overheard(model, at)
            said = await _heard(ModelWriter(heard, seed=self.seed).intent(case.id, query))
            outcomes, need = heard.outcomes, said.text
            if said.status != "ok":
                return _joined(outcomes, None)
        # A model of its own for each: the order in which they answer is no part of what is recorded.
        models = [Overheard(model, at) for _ in self.people]
        written = await asyncio.gather(
            *(self._write(case, need, each, prompt, mine) for each, mine in zip(self.people, models, strict=True))
        )
        outcomes = [*outcomes, *(outcome for heard in models for outcome in heard.outcomes)]
        found = {each.name: said.text for each, said in zip(self.people, written, strict=True) if said.text}
        whole = all(said.status in ("ok", "none") for said in written)
        return _joined(outcomes, found if whole else None)

    async def _write(self, case: Case, need: str, searcher: Searcher, prompt: Prompt, model: Model) -> Written:
        writer: ModelWriter | LikelihoodWriter
        if self.choose:
            writer = LikelihoodWriter(model, self.seed)
            writer.prompts[CHOOSE] = prompt
        else:
            prompts = load_prompts() | {REWRITE: prompt}
            writer = ModelWriter(model, prompts, temperature=self.options.temperature, seed=self.seed)
        state = {**new_state(case.id, case.shown["query"], searcher.name), "intent": need}
        return await _heard(writer.write(state, searcher, ""))

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        """What the rewrites do to the search."""
        calls = outcome.keys or ((outcome.key,) if outcome.key else ())
        bare = Result(case.id, outcome.status, tokens=outcome.usage.total, calls=calls)
        if outcome.status in MISSING:
            return bare
        if not outcome.ok or outcome.value is None:
            said = f"The answer could not be used: {outcome.error[:200] or 'it holds no rewrite'}."
            diagnosis = Diagnosis("no answer", said, outcome.text.strip()[:200], self._truth(case))
            status = "parse_fail" if outcome.ok else outcome.status
            return replace(bare, status=status, values=dict.fromkeys(METRICS, 0.0), diagnosis=diagnosis)
        kept, counts = _kept(case.shown["query"], outcome.value)
        values = self.values(case, list(kept.values()))
        diagnosis = self._diagnosis(case, kept, counts, values)
        return replace(bare, values=values, counts=counts, diagnosis=diagnosis)

    def values(self, case: Case, texts: Sequence[str]) -> dict[str, float]:
        """Every metric of these rewrites, and `new_words`: the share of their words that the query has not."""
        query, truth = case.shown["query"], case.truth["grades"]
        forms = [query, *texts]
        if self.data.whole:
            rankings = self.retriever.search(forms, DEPTH)
        else:
            rankings = self.retriever.rank(forms, [self.data.pool(case.id)] * len(forms))
        judge = NDCG(K)
        each = [judge.per_case(ranking, truth) for ranking in rankings]
        # In an empty list of rewrites nobody was made to do anything: only the union can still be told.
        values = {
            METRICS[0]: judge.per_case(union(rankings), truth),
            **dict.fromkeys(METRICS[1:], 0.0),
            "new_words": 0.0,
        }
        if texts:
            scored = self._scored(query, texts)
            values[METRICS[1]], values[METRICS[2]] = min(each), sum(each) / len(each)
            values[METRICS[3]] = sum(s.reward for s in scored.scores) / len(scored.scores) if scored.scores else 0.0
            values["new_words"] = sum(_new_words(query, text) for text in texts) / len(texts)
        return values

    def _scored(self, query: str, texts: Sequence[str]) -> Any:
        config = ScoreConfig(k=K, judged_only=not self.data.whole)
        return score_rewrite(query, texts, self.retriever, self._people_judge, config=config)

    @cached_property
    def _people_judge(self) -> Judged:
        return Judged(self.data, self.options.least)

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        """Without any prompt: other people's queries as rewrites (the floor), the query alone, what rules propose first,
        and, before BM25, pseudo-relevance feedback."""
        queries = [case.shown["query"] for case in cases]
        arms: dict[str, list[list[str]]] = {
            "random": others_queries(queries, len(self.people), self.seed),
            "rules": [self._rules(query) for query in queries],
        }
        if self.retriever.name == "bm25":
            arms["RM3"] = [[text] for text in rm3(queries, self.retriever, self.data.documents)]
        found: dict[str, list[float]] = {}
        for name, texts in arms.items():
            kept = [
                list(_kept(query, dict(enumerate(each)))[0].values())
                for query, each in zip(queries, texts, strict=True)
            ]
            found[name] = [self.values(case, each)[self.metric] for case, each in zip(cases, kept, strict=True)]
        found["the query alone"] = [self._alone(case) for case in cases]
        return found

    def _alone(self, case: Case) -> float:
        if self.metric == "reward":
            return float(self._scored(case.shown["query"], []).alone.reward)
        return self.values(case, [])[METRICS[0]]

    def _rules(self, query: str) -> list[str]:
        first = (proposed(query, each, self.seed, FAMILIES)[:1] for each in self.people)
        return [text for found in first for _, text in found]

    def story(self, case: Case) -> str:
        """The query and who puts it otherwise, fenced."""
        people = "\n".join(f"{each.name}: {each.description}" for each in self.people)
        return f"The query:\n{fence(case.shown['query'], 'query')}\nRewritten for:\n{fence(people, 'personas')}"

    def remarks(self, cases: Sequence[Case], results: Sequence[Result]) -> list[str]:
        """How the cases came about; how often and how much the prompt's rewrites change."""
        known = [result for result in results if "new_words" in result.values]
        if not known:
            return list(self.notes)
        words = sum(result.values["new_words"] for result in known) / len(known)
        same = sum(result.counts.get("unchanged", 0) for result in known)
        return [
            *self.notes,
            f"{words:.0%} of the rewrites' words are not the query's; {same} rewrites were the query itself",
        ]

    def _truth(self, case: Case) -> str:
        """Titles of the best documents."""
        best = sorted(case.truth["grades"].items(), key=lambda pair: -pair[1])[:SHOWN]
        return "; ".join(one_line(self._title(document), 120) for document, _ in best)

    def _title(self, document: str) -> str:
        place = self.data.place[document]
        return self.data.documents.titles[place] or self.data.documents.full(place)

    def _diagnosis(
        self, case: Case, kept: Mapping[str, str], counts: Mapping[str, int], values: Mapping[str, float]
    ) -> Diagnosis:
        answer = "; ".join(f"{name}: {text}" for name, text in kept.items()) or "the query itself"
        if not kept:
            text = "No rewrite differs from the query, so nothing was tried."
            return Diagnosis("unchanged", text, answer, self._truth(case))
        scored = self._scored(case.shown["query"], list(kept.values()))
        alone = self.values(case, [])[METRICS[0]]
        added = sum(score.counts.added for score in scored.scores)
        lost = [s for s in scored.scores if s.relevance < scored.alone.relevance / 2]
        text = (
            f"NDCG@{K} was {alone:.2f} for the query, {values[METRICS[0]]:.2f} with the rewrites and {values[METRICS[1]]:.2f} for "
            f"the worst wording; the rewrites found {added} relevant documents that the query did not find."
        )
        if lost:
            return Diagnosis(
                "drifted", f"{text} What {lost[0].text!r} finds is mostly something else.", answer, self._truth(case)
            )
        worse = values[METRICS[0]] < alone - 1e-9 or values[METRICS[1]] < alone / 2
        kind = "made worse" if worse else "ok" if added or alone > 0.9 else "adds nothing"
        return Diagnosis(kind, text, answer, self._truth(case))


async def _heard(work: Any) -> Written:
    """What a writer says; a call that the budget held back is among what was overheard."""
    try:
        return await work
    except BudgetReached as held:
        return Written(status="budget", error=str(held))


def _joined(outcomes: Sequence[Outcome[Any]], value: Any) -> Outcome[Any]:
    """All calls of a case as one: the first that failed decides, a missing one before all others."""
    failed = [outcome for outcome in outcomes if not outcome.ok]
    chosen = next((each for each in failed if each.status in MISSING), failed[0] if failed else None)
    if chosen is None and value is not None and not outcomes:
        return Outcome("ok", value)  # rules had too little to say for a model to choose among
    costs = [outcome.cost for outcome in outcomes]
    last = outcomes[-1] if chosen is None else chosen
    return replace(
        last,
        value=value if chosen is None else None,
        status=last.status if chosen is not None or value is not None else "parse_fail",
        usage=Usage(
            sum(each.usage.prompt for each in outcomes),
            sum(each.usage.completion for each in outcomes),
            any(each.usage.estimated for each in outcomes),
        ),
        cost=None if None in costs else sum(cost or 0.0 for cost in costs),
        latency=max(each.latency for each in outcomes),
        attempts=sum(each.attempts for each in outcomes),
        recorded=all(each.recorded for each in outcomes),
        keys=tuple(key for each in outcomes for key in (each.keys or ((each.key,) if each.key else ()))),
        own=Usage(sum(each.own.prompt for each in outcomes), sum(each.own.completion for each in outcomes)),
    )


def _kept(query: str, written: Mapping[Any, str]) -> tuple[dict[Any, str], dict[str, int]]:
    """Rewrites that are some, each once, and how many were not."""
    seen, kept = {query_key(query)}, {}
    counts = {"unchanged": 0, "repeated": 0}
    for name, text in written.items():
        key = query_key(text)
        if key == query_key(query) or not key:
            counts["unchanged"] += 1
        elif key in seen:
            counts["repeated"] += 1
        else:
            kept[name] = text
        seen.add(key)
    return kept, counts


def _new_words(query: str, text: str) -> float:
    words = query_key(text).split()
    known = set(query_key(query).split())
    return sum(word not in known for word in words) / max(1, len(words))


def open_rewrite(
    data: str | Path | SearchSet | None,
    options: RewriteOptions,
    metric: str | None,
    seed: int,
    abilities: Abilities | None,
) -> RewriteTask:
    """Drawn queries with a relevant document, each wording once. Raises `DataError` where there is none."""
    metric = (metric or METRICS[0]).strip().lower()
    if metric not in METRICS:
        raise OptimizeError(f"rewrites are not judged by {metric!r}\n  known: {', '.join(METRICS)}")
    found = data if isinstance(data, SearchSet) else load_search(data or "shop-search")
    try:
        people = searchers([name.strip() for name in options.personas.split(",") if name.strip()])
        retriever = open_retriever(options.retriever).fit(found.documents)
    except (RewriteError, SearchError) as error:
        raise OptimizeError(str(error)) from None
    if not people:
        raise OptimizeError("no persona is named\n  for example  --task-option personas=newcomer,expert")
    if not any(found.documents.titles) and not any(found.documents.texts):
        raise DataError(f"documents of {found.name} have no text, so nothing can be searched", "take another set")
    cases, repeated = _cases(found, retriever, options, seed)
    if not cases:
        raise DataError(f"no query of {found.name} has a relevant document", "give judgements with grades above 0")
    small = abilities is not None and abilities.score and abilities.plumbing_grade
    notes = (
        f"{len(cases)} queries of {found.name}, searched with {retriever.policy_id}; personas: {options.personas} (simulated)",
        *((f"{repeated} queries are others in another spelling and were left out",) if repeated else ()),
        *(() if found.whole else ("each query's judged documents are put in order, not the whole collection",)),
    )
    choose = options.read == "choose" or (options.read == "auto" and small)
    return RewriteTask(found, retriever, people, tuple(cases), choose, options, metric, seed, notes=notes)


def _cases(data: SearchSet, retriever: Retriever, options: RewriteOptions, seed: int) -> tuple[list[Case], int]:
    """Queries in a drawn order. One that is another in other capitals would be searched on and tested on at once."""
    ids, judge = list(data.queries), Judged(data, options.least)
    seen: set[str] = set()
    repeated, chosen = 0, list[str]()
    for place in shuffled(len(ids), seed, "rewrite").tolist():
        query, key = ids[place], query_key(data.queries[ids[place]])
        if not key or not any(grade > 0 for grade in data.judgements.get(query, {}).values()):
            continue
        repeated += key in seen
        if key not in seen and len(chosen) < (options.max_cases or CASES):
            chosen.append(query)
        seen.add(key)
    texts = [data.queries[query] for query in chosen]
    firsts = [ranking.items for ranking in retriever.search(texts, K)]
    relevant = [int((verdict > 0).sum()) for verdict in judge.verdicts(texts, firsts)]
    cases = []
    for query, text, hits in zip(chosen, texts, relevant, strict=True):
        grades = {document: grade for document, grade in data.judgements[query].items() if grade > 0}
        titles = (data.documents.titles[data.place[document]] for document in data.judgements[query])
        cases.append(
            Case(
                query,
                {"query": text},
                {"grades": grades},
                titles=tuple(dict.fromkeys([one_line(text, 240), *(one_line(t, 240) for t in titles if t)])),
                group=f"finds few (under {FEW} relevant of {K})" if hits < FEW else f"finds {FEW} or more",
            )
        )
    return cases, repeated
