"""From what a model answered to a whole ranking of the candidates: one policy, stated here, for every list task.

- The answer is a list of the ids that were shown ("C3"). Case, blanks and brackets around an id do not matter, and a
  bare number n is Cn; nothing else is ever made into an id, least of all a title.
- An id that stands twice counts where it stands first (`duplicate`).
- What was not shown is dropped (`invented`).
- Candidates that were left out (`missing`) follow in an order drawn from (seed, case), so that no place in the prompt is
  favoured. They share one score, the lowest: AUC counts them as ties, a half each.
- An answer that names no candidate at all is no answer: it has the worst values.

Equal likelihoods follow the same rule: an order drawn from (seed, case), and equal scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from ...agents.randomness import shuffled
from ...evaluators import Ranking
from ...llm.schemas import UnfitAnswer

_AROUND = " \t\r\n[]()<>\"'.:`"


class Permutation(NamedTuple):
    """A ranking of all candidates, and how often the policy had to mend the answer."""

    ranking: Ranking
    counts: dict[str, int]


def permutation(answered: Sequence[object], ids: Sequence[str], seed: int, case: str) -> Permutation | None:
    """What `answered` makes of the candidates `ids`; None where it names none of them."""
    known = set(ids)
    listed: dict[str, None] = {}
    counts = {"missing": 0, "duplicate": 0, "invented": 0}
    for said in answered:
        name = said if isinstance(said, str) and said in known else spelled(said)
        if name not in known:
            counts["invented"] += 1
        elif name in listed:
            counts["duplicate"] += 1
        else:
            listed[name] = None
    if not listed:
        return None
    left = [name for name in _drawn(ids, seed, case) if name not in listed] if len(listed) < len(ids) else []
    counts["missing"] = len(left)
    scores = [*range(len(ids), len(left), -1), *[0] * len(left)]
    return Permutation(Ranking((*listed, *left), np.asarray(scores, np.float32)), counts)


def by_score(ids: Sequence[str], scores: Sequence[float], seed: int, case: str) -> Ranking:
    """The candidates by falling score; equal ones in an order drawn from (seed, case). A score that is no number is the lowest."""
    of = dict(zip(ids, np.nan_to_num(np.asarray(scores, np.float32), nan=-np.inf, neginf=-np.inf), strict=True))
    order = sorted(_drawn(ids, seed, case), key=lambda name: -of[name])  # stable: ties keep the drawn order
    return Ranking(tuple(order), np.asarray([of[name] for name in order], np.float32))


def spelled(said: object) -> str:
    """An id as it was shown, from the ways in which a model may write it."""
    text = str(said).strip(_AROUND).upper()
    return f"C{int(text)}" if re.fullmatch(r"[0-9]{1,4}", text) else text


def _drawn(ids: Sequence[str], seed: int, case: str) -> list[str]:
    return [ids[int(place)] for place in shuffled(len(ids), seed, "unlisted", case)]


class _Answer(BaseModel):
    ranking: list[str | int]


class _Topics(BaseModel):
    id: str
    topics: list[str]


class _Explained(BaseModel):
    history_topics: list[_Topics] = []
    candidate_topics: list[_Topics] = []


@dataclass(frozen=True)
class RankingForm:
    """What the answer must look like: the candidates' ids, best first.

    `reason`: a short thought stands before the list. `topics`: so do the topics of every item of the history (`history`:
    its ids) and of every candidate. Reads into plain values: {"ranking": [...]}, with {"topics": {id: [...]}} where asked.
    """

    ids: tuple[str, ...]
    history: tuple[str, ...] = ()
    reason: bool = False
    topics: bool = False

    def json_schema(self) -> dict[str, Any]:
        """The ids as an enumeration, no longer than there are candidates: a small model would write on without end. That
        each stands once is in no schema that endpoints take: the policy sees to it."""
        parts: dict[str, Any] = {"reason": {"type": "string"}} if self.reason else {}
        if self.topics:
            parts |= {"history_topics": _topic_list(self.history), "candidate_topics": _topic_list(self.ids)}
        parts["ranking"] = {
            "type": "array",
            "items": {"type": "string", "enum": list(self.ids)},
            "minItems": 1,
            "maxItems": len(self.ids),
        }
        return _closed(parts)

    def read(self, text: str) -> dict[str, Any]:
        """Raises `ValidationError` for what is no list of ids, `UnfitAnswer` where it names no candidate."""
        answered = _Answer.model_validate_json(text).ranking
        known = set(self.ids)
        if not any(spelled(said) in known for said in answered):
            raise UnfitAnswer(f"ranking: list the candidates' ids, {self.ids[0]} to {self.ids[-1]}, best first")
        value: dict[str, Any] = {"ranking": [str(said) for said in answered]}
        if self.topics:
            said = _Explained.model_validate_json(text)
            value["topics"] = {
                part.id.strip(_AROUND).upper(): part.topics for part in (*said.history_topics, *said.candidate_topics)
            }
        return value


def _topic_list(ids: Sequence[str]) -> dict[str, Any]:
    part = {"id": {"type": "string", "enum": list(ids)}, "topics": {"type": "array", "items": {"type": "string"}}}
    return {"type": "array", "items": _closed(part)}


def _closed(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(parts), "additionalProperties": False, "required": list(parts)}
