"""A task whose right answers are planted: a prompt is worth what the instructions in it are worth. FROZEN, as the engine
it stands on (`planted_prompts.py`) is.

    task = PlantedTask("main", cases_count=400)   # a `recloop.prompt_opt.task.Task`
    task.rank(text, 17)                           # where a prompt puts the target of case 17: the planted model
    task.propose(shown, rng)                      # the planted proposer: a prompt, from what it is shown
    task.quality(texts)                           # the truth, which no optimizer sees

`planted_models.py` puts the two models behind doors.

Effects of the sixteen instructions are drawn by seed and have nothing to do with what they say; `FAMILIES` tells the
kinds of truth there are. A prompt's length costs a little. What the words around the instructions say changes luck, not
quality. A diagnosis drops a hint which instruction might help: in three of ten cases one that would, else any.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import planted_prompts as engine
from pydantic import BaseModel
from recloop.agents.randomness import generator, normals, shuffled, uniforms
from recloop.llm import Outcome, Place
from recloop.prompt_opt.task import MISSING, Case, Component, Diagnosis, Result

OPENING = "Rank the twenty candidates for this session, the likeliest next choice first, and answer with the ids of all of them."

INSTRUCTIONS = {
    "recency": "Give the latest items of the session more weight than the early ones.",
    "intent": "First name the intent behind the session, then rank by it.",
    "company": "Look for items that people often choose together with those of the session.",
    "category": "Prefer candidates of the category that most of the session belongs to.",
    "contrast": "Set aside candidates that contradict the taste that the session shows.",
    "series": "Put sequels and parts of a series from the session near the top.",
    "price": "Keep to the price range in which the session moves.",
    "fame": "Where nothing else decides, put the better known candidate first.",
    "novelty": "Surprise the user: unusual candidates come before familiar ones.",
    "listing": "Leave candidates in the order of the list unless something speaks against it.",
    "titles": "Prefer candidates whose titles are long and descriptive.",
    "person": "Imagine that you are the user and say what you would open next.",
    "steps": "Think in steps: topics of the session, topics of the candidates, then matches.",
    "mood": "Judge the mood of the session and keep to it.",
    "season": "Consider what the time of the year makes attractive.",
    "doubt": "When in doubt between two candidates, put the cheaper one first.",
}
"""Topic -> the sentence by which the planted model knows it. Which of them help is drawn, see `PlantedTask.effects`."""

TOPICS = tuple(INSTRUCTIONS)
BYTES_PER_TOKEN = 4
WORDING = 0.25
"""Share of luck's variance that depends on the wording around the instructions, not on the instructions."""


HINT = 0.3


class Truth(NamedTuple):
    """A kind of truth. `helpful` of the instructions help (effect up to `strength`, half of that at least), `harmful`
    harm as much, the others do nothing. `pairs`: so many pairs among the helpful cancel (together no better than the
    better one), and as many pairs of the idle help together. `length`: cost of a hundred tokens beyond the opening."""

    kind: str
    helpful: int
    harmful: int
    strength: float
    pairs: int = 0
    length: float = 0.04


FAMILIES = {
    "main": Truth("small", 5, 5, 0.30),
    "strong model": Truth("large", 5, 5, 0.30),
    "interactions": Truth("small", 6, 4, 0.30, pairs=2),
    "heavy ties": Truth("heavy ties", 5, 5, 0.45),
    "rare": Truth("small", 2, 8, 0.40),
    "none": Truth("small", 0, 0, 0.0, length=0.0),
}
"""In "none" no instruction has any effect and length is free: whoever finds an improvement there is wrong."""


class Answer(BaseModel):
    """What the planted model is asked for."""

    ranking: list[str]


@dataclass(frozen=True)
class PlantedTask:
    """See the top of this file. `seed` draws which instructions help and all cases. Satisfies `Task`."""

    family: str = "main"
    cases_count: int = 400
    seed: int = 0

    @property
    def name(self) -> str:
        return f"planted {self.family}"

    @property
    def metric(self) -> str:
        return "ndcg"

    @property
    def components(self) -> Mapping[str, Component]:
        return {"instructions": Component(OPENING, "Tells a model how to rank candidates for a session.")}

    @cached_property
    def cases(self) -> Sequence[Case]:
        return tuple(self._case(number) for number in range(self.cases_count))

    @property
    def parts(self) -> Mapping[str, Sequence[str]]:
        return {}

    @cached_property
    def hash(self) -> str:
        told = json.dumps([self.family, self.truth, self.cases_count, self.seed, engine.SEED])
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def truth(self) -> Truth:
        return FAMILIES[self.family]

    def _case(self, number: int) -> Case:
        order = shuffled(engine.CANDIDATES, self.seed, "order", number)
        ids = [f"s{number}i{int(place)}" for place in order]
        return Case(f"s{number}", {"session": f"s{number}", "candidates": ids}, {"target": f"s{number}i0"})

    # -- the planted truth

    @cached_property
    def effects(self) -> dict[str, float]:
        """Main effect of every instruction, on the target's score (units of the distractors' standard deviation)."""
        truth, rng = self.truth, generator(engine.SEED, "task", self.family, self.seed)
        size = truth.strength * (0.5 + 0.5 * rng.random(len(TOPICS)))
        sign = np.zeros(len(TOPICS))
        sign[: truth.helpful], sign[truth.helpful : truth.helpful + truth.harmful] = 1.0, -1.0
        return dict(zip((TOPICS[int(i)] for i in rng.permutation(len(TOPICS))), (size * sign).tolist(), strict=True))

    @cached_property
    def together(self) -> dict[frozenset[str], float]:
        """What pairs of instructions add to their main effects."""
        helpful = [topic for topic in TOPICS if self.effects[topic] > 0]
        idle = [topic for topic in TOPICS if self.effects[topic] == 0]
        added = {}
        for number in range(self.truth.pairs):
            one, two = helpful[2 * number : 2 * number + 2]
            added[frozenset((one, two))] = -min(self.effects[one], self.effects[two])
            added[frozenset(idle[2 * number : 2 * number + 2])] = self.truth.strength
        return added

    def effect(self, text: str) -> float:
        """The effect of a prompt: its instructions', their pairs', less its length's."""
        held = frozenset(instructions_in(text))
        value = sum(self.effects[topic] for topic in TOPICS if topic in held)
        value += sum(more for pair, more in self.together.items() if pair <= held)
        tokens = max(0, len(" ".join(text.split()).encode()) - len(OPENING)) / BYTES_PER_TOKEN
        return value - self.truth.length * tokens / 100.0

    def quality(self, texts: Mapping[str, str]) -> float:
        """True mean NDCG of a prompt over all cases there could be."""
        return float(engine.expected(self.truth.kind, self.effect(texts["instructions"])))

    @cached_property
    def _cases_drawn(self) -> tuple[engine.FloatArray, engine.FloatArray, engine.FloatArray]:
        at = np.arange(self.cases_count)
        rivals = normals(engine.SEED, self.family, self.seed, "rivals", at[:, None], np.arange(engine.CANDIDATES - 1))
        open_ = uniforms(engine.SEED, self.family, self.seed, "open", at) >= engine.FAMILIES[self.truth.kind].sticky
        return normals(engine.SEED, self.family, self.seed, "difficulty", at), open_.astype(np.float64), rivals

    def rank(self, text: str, number: int) -> int:
        """Where a prompt puts the target of a case: 1 to 20. The same for equal texts."""
        difficulty, open_, rivals = (drawn[number : number + 1] for drawn in self._cases_drawn)
        where = (engine.SEED, self.family, self.seed, "luck", number)
        own = normals(*where, "instructions", " ".join(sorted(instructions_in(text))))
        wording = normals(*where, "wording", " ".join(text.split()))
        luck = np.sqrt(1.0 - WORDING) * own + np.sqrt(WORDING) * wording
        kind, effect = engine.FAMILIES[self.truth.kind], np.full((1, 1), self.effect(text))
        return int(engine.ranks(kind, difficulty, open_, luck.reshape(1, 1), effect, rivals)[0, 0])

    # -- the planted proposer

    def propose(self, shown: str, rng: np.random.Generator) -> str:
        """A new prompt, from all that the proposer is shown: an instruction more (of those hinted at, four times in five
        where there are hints; else any) or less, two shown prompts merged, or the same in other words."""
        flat = " ".join(shown.replace("\\n", " ").split())
        parts = flat.split(OPENING)[1:] or [flat]
        parents = list(dict.fromkeys(tuple(instructions_in(part)) for part in parts))
        parent = set(parents[int(rng.integers(len(parents)))])
        hints = [topic for topic in re.findall(r"seems blind to: (\w+)", flat) if topic in INSTRUCTIONS]
        move = rng.random()
        if len(parents) > 1 and move < 0.25:
            return write(sorted(set().union(*parents)))
        if parent and move < 0.45:
            parent.discard(sorted(parent)[int(rng.integers(len(parent)))])
            return write(sorted(parent))
        if 0.45 <= move < 0.55:
            return "Take your time.\n" + write(sorted(parent))
        pool = hints if hints and rng.random() < 0.8 else list(TOPICS)
        fresh = (
            [topic for topic in pool if topic not in parent] or [t for t in TOPICS if t not in parent] or list(TOPICS)
        )
        parent.add(fresh[int(rng.integers(len(fresh)))])
        return write(sorted(parent))

    # -- the task

    async def run(self, texts: Mapping[str, str], case: Case, model: Any, at: Place) -> Outcome[Any]:
        return await model.complete(self.messages(texts, case), schema=Answer, at=at, max_tokens=256)

    def messages(self, texts: Mapping[str, str], case: Case) -> list[Any]:
        return [
            {"role": "system", "content": texts["instructions"]},
            {"role": "user", "content": self.story(case)},
        ]

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        tokens, calls = outcome.usage.total, outcome.keys or ((outcome.key,) if outcome.key else ())
        if outcome.status in MISSING:
            return Result(case.id, outcome.status, tokens=tokens, calls=calls)
        if not outcome.ok:
            why = Diagnosis("no answer", f"the answer could not be used: {outcome.error}", outcome.text)
            return Result(case.id, outcome.status, {"ndcg": 0.0}, why, tokens=tokens, calls=calls)
        value = outcome.value
        ranking = list(value.ranking if isinstance(value, Answer) else value["ranking"])
        return self.judge(case, ranking, tokens, tuple(calls))

    def judge(self, case: Case, ranking: Sequence[str], tokens: int = 0, calls: tuple[str, ...] = ()) -> Result:
        """Score a ranking: ids that are no candidates and repeated ids are dropped, an absent target has value 0."""
        known = [id_ for id_ in dict.fromkeys(ranking) if id_ in case.shown["candidates"]]
        counts = {
            "invented": len([id_ for id_ in ranking if id_ not in case.shown["candidates"]]),
            "missing": engine.CANDIDATES - len(known),
        }
        target = case.truth["target"]
        rank = known.index(target) + 1 if target in known else 0
        value = float(engine.VALUES[rank - 1]) if rank else 0.0
        kind = "incomplete list" if not rank else "ok" if rank < engine.CANDIDATES // 2 else "low rank"
        told = f"The right candidate was put at rank {rank or 'none'} of {engine.CANDIDATES}."
        if kind != "ok":
            told += f" The answer seems blind to: {self.hint(case, known)}."
        return Result(
            case.id,
            "ok",
            {"ndcg": value, "hr@1": float(rank == 1), "hr@5": float(0 < rank <= 5)},
            Diagnosis(kind, told, " ".join(known[:5]), target),
            counts,
            tokens,
            calls,
        )

    def hint(self, case: Case, answer: Sequence[str]) -> str:
        """A topic: one that would help with a chance of `HINT`, else any."""
        rng = generator(engine.SEED, "hint", self.family, self.seed, case.id, " ".join(answer))
        good = [topic for topic in TOPICS if self.effects[topic] > 0]
        pool = good if good and rng.random() < HINT else TOPICS
        return pool[int(rng.integers(len(pool)))]

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        return {"random": [float(engine.VALUES.mean())] * len(cases)}

    def story(self, case: Case) -> str:
        return f"Session: {case.shown['session']}\nCandidates: {', '.join(case.shown['candidates'])}"


def instructions_in(text: str) -> list[str]:
    """Topics of the known instructions that a text holds, however its blanks run."""
    flat = " ".join(text.replace("\\n", " ").split())
    return [topic for topic, sentence in INSTRUCTIONS.items() if sentence in flat]


def write(topics: Sequence[str]) -> str:
    """A prompt that holds these instructions, in the order in which they are known."""
    return "\n".join([OPENING, *(INSTRUCTIONS[topic] for topic in TOPICS if topic in topics)])


def fingerprint() -> dict[str, str]:
    """SHA-256 over effects, ranks of some prompts, and proposals, per family."""
    found = {}
    for family in FAMILIES:
        digest = hashlib.sha256()
        for seed in (0, 1):
            task = PlantedTask(family, cases_count=60, seed=seed)
            digest.update(json.dumps({t: round(e, 9) for t, e in task.effects.items()}).encode())
            text, hints = OPENING, ""
            for step in range(12):
                digest.update(bytes(task.rank(text, number) for number in range(60)))
                digest.update(f"{task.quality({'instructions': text}):.6f}".encode())
                hints = f" The answer seems blind to: {task.hint(task.cases[step], ())}."
                text = task.propose(text + hints, generator(seed, family, step))
                digest.update(text.encode())
        found[family] = digest.hexdigest()
    return found
