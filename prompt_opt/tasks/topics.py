"""Lists that give their reasons as topics, and TopicScore of these (`topics=true`).

A second call has the topics judged, by the very model that gave them: nobody else is behind a task's door. So the score is
doubly kind (see `evaluators/topic_score.py` on how far models overrate), which a report says beside it. To have another
model judge, call `judged_topics` on outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from ...evaluators.topic_score import JUDGE_BIAS, Embed, TopicScore, judge_topics, merge_topics, topic_score
from ...llm.types import Model, Outcome, Place, Usage
from ..task import Case
from .asking import WritesList
from .items import line

CORRECTNESS, COMPLETENESS = "topic correctness", "topic completeness"
REMARK = f"TopicScore: {JUDGE_BIAS}; here the model judged its own topics"


class JudgedTopics(NamedTuple):
    """`score`: None where the answer holds no topics, or the judge's answer could not be used. `judge`: its outcome."""

    score: TopicScore | None
    judge: Outcome[Any] | None


async def judged_topics(
    case: Case, outcome: Outcome[Any], judge: Model, at: Place, embed: Embed | None = None
) -> JudgedTopics:
    """One call to `judge` over the topics of one answer. `embed`: merges near topics (`word_vectors()`), without it equal
    words only."""
    given = outcome.value.get("topics", {}) if outcome.ok and outcome.value else {}
    rows = {row["id"]: row for row in (*case.shown["history"], *case.shown["candidates"])}
    one = merge_topics([topic for news in given if news in rows for topic in given[news]], embed)
    topics = {news: list(dict.fromkeys(one[topic] for topic in given[news])) for news in given if news in rows}
    if not one:
        return JudgedTopics(None, None)
    said, right = await judge_topics(judge, {news: line(row) for news, row in rows.items()}, topics, at.at("judge"))
    history = [row["id"] for row in case.shown["history"]]
    return JudgedTopics(topic_score(history, topics, right) if said.ok else None, said)


@dataclass(frozen=True)
class GivesTopics(WritesList):
    """The model writes topics and list; then it is asked whether the topics are right. The ranking stands without that."""

    topics: bool = True
    remarks: ClassVar[tuple[str, ...]] = (REMARK,)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**super().settings, "vectors": self._embed is not None}

    @cached_property
    def _embed(self) -> Embed | None:
        return word_vectors()

    async def ask(self, text: str, case: Case, model: Model, at: Place) -> Outcome[Any]:
        outcome = await super().ask(text, case, model, at)
        score, judge = await judged_topics(case, outcome, model, at, self._embed)
        if judge is None:
            return outcome
        also = {} if score is None else {CORRECTNESS: score.correctness, COMPLETENESS: score.completeness}
        cost = None if outcome.cost is None or judge.cost is None else outcome.cost + judge.cost
        return replace(
            outcome,
            value={**(outcome.value or {}), "also": also},
            usage=Usage(
                outcome.usage.prompt + judge.usage.prompt,
                outcome.usage.completion + judge.usage.completion,
                outcome.usage.estimated or judge.usage.estimated,
            ),
            cost=cost,
            latency=outcome.latency + judge.latency,
            keys=tuple(key for part in (outcome, judge) for key in (part.keys or (part.key,)) if key),
        )


def word_vectors() -> Embed | None:
    """The static text vectors where their files are at hand; None elsewhere, for nothing is fetched for this."""
    from ...llm.local.store import MODELS
    from ...llm.local.vectors import static_vectors

    return static_vectors().embed if MODELS["wordllama"].present else None
