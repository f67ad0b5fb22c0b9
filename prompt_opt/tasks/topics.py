"""TopicScore of a news answer: its topics merged, each judged by a model (see `evaluators/topic_score.py` on its bias).

Asked for with `topics=true`. It is no metric of the search: the judge would be asked on every case of every candidate, and
overrates. It is for the few prompts that are reported.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...evaluators.topic_score import Embed, TopicScore, judge_topics, merge_topics, topic_score
from ...llm.types import Model, Outcome, Place
from ..task import Case
from .items import line


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


def word_vectors() -> Embed | None:
    """The static text vectors where their files are at hand; None elsewhere, for nothing is fetched for this."""
    from ...llm.local.store import MODELS
    from ...llm.local.vectors import static_vectors

    return static_vectors().embed if MODELS["wordllama"].present else None
