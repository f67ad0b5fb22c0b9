"""The simulator itself as a task: the user agent's prompt, judged by whether simulated users choose what the real ones chose.

A case is one page before one user: some items that the user did meet in held-out rows, others that they never met. The
agent is the one of `recloop simulate`, with its persona from training rows; only its prompt varies. A winner is given to
it by `recloop simulate --prompt NODE=FILE`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ...agents.actions import ACTION_SETS, Exposure, Slate
from ...agents.ask import SERVICES, BudgetReached, Reaction, World
from ...agents.ask_generate import PLANS, PROMPTS, GenerateAsker, load_prompts
from ...agents.ask_score import NODES as SCORE_NODES
from ...agents.ask_score import ScoreReader
from ...agents.personas import Persona, build_personas
from ...agents.randomness import shuffled
from ...agents.unmet import Unmet
from ...data import DataError, Dataset, PromptGuard, load_dataset
from ...evaluators import auc
from ...llm.fence import fence
from ...llm.prompts import Prompt
from ...llm.types import Abilities, Model, Outcome, Place
from ..errors import OptimizeError
from ..task import MISSING, Case, Component, Diagnosis, Result, Texts
from .building import body
from .overheard import Overheard

METRICS = ("auc", "precision", "recall", "f1", "share")
CASES = 240
LEAST_HISTORY = 5
POPULAR = 100


class SimulatorOptions(BaseModel):
    """Options of `--task simulator`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    read: Literal["auto", "generate", "score"] = "auto"
    """"generate": the model plays the user in words. "score": its likelihoods are read. "auto": as `recloop simulate`."""
    plan: Literal["fused", "faithful"] = "fused"
    """generate: the prompt `page` (one call a page), or `react` (Agent4Rec's own sequence)."""
    items: int = Field(default=8, ge=4, le=20)
    """Items on a page, half of them met by the real user (fewer where fewer were held out)."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Share of each user's rows, the latest, that is held out of persona and baselines."""
    actions: Literal["films", "shop"] = "films"
    """What the items are taken for: `films` (skip, watch) or `shop` (view, click, cart, buy)."""
    max_cases: PositiveInt | None = None
    """Most users, one page each; None: 240."""


@dataclass(frozen=True, eq=False)
class SimulatorTask:
    """Which of a page's items did this user really take up? A `Task`.

    `auc`: the chance that an item the user met is rated above one they did not, by margin; for yes-or-no answers it is
    the mean of the hit rate and the rate of rightly passed items (balanced accuracy), 0.5 for whoever takes all or none.
    `share`: items taken up of those shown, which is no goal but shows an agent that takes everything. Whether a user goes
    on or leaves is not judged: rows of ratings do not say when somebody left.
    """

    world: World
    personas: Mapping[str, Persona]
    cases: Sequence[Case]
    rivals: Mapping[str, Mapping[str, float]]
    score_mode: bool
    plan: Literal["fused", "faithful"]
    settings: Mapping[str, Any]
    metric: str = "auc"
    name: str = "simulator"
    parts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def node(self) -> str:
        """The agent's prompt under search."""
        return "score_user" if self.score_mode else PLANS[self.plan][0]

    @cached_property
    def components(self) -> Mapping[str, Component]:
        """The node's own prompt; of what the agent knows, the items and the tastes (or liked titles) must stay in it."""
        prompt = Prompt.load(PROMPTS / f"{self.node}.md")
        text = body((PROMPTS / f"{self.node}.md").read_text(encoding="utf-8"))
        required = ("liked",) if self.score_mode else ("items", "tastes", "actions")
        return {self.node: Component(text, prompt.purpose, prompt.fields, required)}

    @cached_property
    def hash(self) -> str:
        told = {
            "task": self.name,
            "metric": self.metric,
            "settings": dict(self.settings),
            "cases": [[case.id, dict(case.shown), dict(case.truth)] for case in self.cases],
            "personas": [persona.json_dict() for persona in self.personas.values()],
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    async def run(self, texts: Texts, case: Case, model: Model, at: Place) -> Outcome[Any]:
        """One page of one user, as the agent lives it; `value` maps items to margins, or to 1 and 0."""
        heard = Overheard(model, at)
        user = self.personas[case.shown["user"]]
        prompt = Prompt.parse(texts[self.node], self.node, known=self.components[self.node].fields)
        if self.score_mode:
            reader = ScoreReader(heard, self.world, load_prompts({}, SCORE_NODES) | {self.node: prompt}, "title")
            outcome, scores = await reader.read(user, case.shown["items"], at=at)
            pairs = zip(case.shown["items"], scores, strict=False)
            return replace(outcome, value={item: s.margin for item, s in pairs} if scores else None)
        prompts = load_prompts({}, PLANS[self.plan]) | {self.node: prompt}
        asker = GenerateAsker(heard, self.world, plan=self.plan, prompts=prompts)
        try:
            reaction = await asker.react(user, _slate(case), [], {})
        except BudgetReached:
            reaction = Reaction()
        positive = {action.item: float(self.world.actions[action.action].positive) for action in reaction.actions}
        outcome = heard.outcomes[-1]
        return replace(outcome, value=positive or None)

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        """Choices against what the user did."""
        calls = outcome.keys or ((outcome.key,) if outcome.key else ())
        bare = Result(case.id, outcome.status, tokens=outcome.usage.total, calls=calls)
        if outcome.status in MISSING:
            return bare
        met = set(case.truth["met"])
        truth = ", ".join(self.world.title(item) for item in case.shown["items"] if item in met)
        if not outcome.ok or not outcome.value:
            status = "parse_fail" if outcome.ok else outcome.status
            said = Diagnosis(
                "no answer", f"The answer could not be used: {outcome.error[:200]}.", outcome.text[:200], truth
            )
            return replace(bare, status=status, values=dict.fromkeys(METRICS, 0.0), diagnosis=said)
        items = case.shown["items"]
        margins = np.array([outcome.value[item] for item in items])
        labels = np.array([item in met for item in items])
        taken = margins > (np.median(margins) if self.score_mode else 0.5)
        values = _values(labels, margins, taken)
        return replace(bare, values=values, diagnosis=self._diagnosis(items, labels, taken, values, truth))

    def _diagnosis(
        self, items: Sequence[str], labels: Any, taken: Any, values: Mapping[str, float], truth: str
    ) -> Diagnosis:
        wrong, missed = int((taken & ~labels).sum()), int((~taken & labels).sum())
        answer = ", ".join(self.world.title(item) for item, took in zip(items, taken, strict=True) if took) or "nothing"
        text = f"The agent took {wrong} that this person never met and passed {missed} that they did take up."
        kind = (
            "ok"
            if values["auc"] > 0.75
            else "takes too much"
            if wrong > missed
            else "passes too much"
            if missed > wrong
            else "mixed up"
        )
        return Diagnosis(kind, text, answer, truth)

    def baselines(self, cases: Sequence[Case]) -> Mapping[str, Sequence[float]]:
        """Half for chance, popularity, and item-item neighbours of the user's training rows, by AUC; chance for other metrics."""
        found: dict[str, list[float]] = {}
        if self.metric != "auc":
            return {"random": [0.5] * len(cases)}
        for case in cases:
            labels = np.array([item in set(case.truth["met"]) for item in case.shown["items"]])
            found.setdefault("random", []).append(0.5)
            for name, values in self.rivals.items():
                scores = np.array([values[f"{case.id}/{item}"] for item in case.shown["items"]])
                found.setdefault(name, []).append(float(auc(labels, scores)))
        return found

    def story(self, case: Case) -> str:
        """The persona and the page, fenced."""
        user = self.personas[case.shown["user"]]
        tastes = fence("\n".join(user.tastes) or "nothing is known", "tastes")
        page = fence("\n".join(self.world.line(item) for item in case.shown["items"]), "items")
        return f"The person:\n{tastes}\nThe page:\n{page}"


def _values(labels: Any, margins: Any, taken: Any) -> dict[str, float]:
    hits = float((taken & labels).sum())
    precision = hits / max(1.0, float(taken.sum()))
    recall = hits / max(1.0, float(labels.sum()))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {
        "auc": float(auc(labels, margins)),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "share": float(taken.mean()),
    }


def _slate(case: Case) -> Slate:
    items = case.shown["items"]
    return Slate(case.shown["user"], 0, tuple(Exposure(item, slot, slot) for slot, item in enumerate(items)))


def open_simulator(
    data: str | Path | Dataset | None,
    options: SimulatorOptions,
    metric: str | None,
    seed: int,
    abilities: Abilities | None,
) -> SimulatorTask:
    """Pages of held-out and unmet items for drawn users. Raises `DataError` where too few users have held-out rows."""
    metric = metric or "auc"
    if metric not in METRICS[:4]:
        raise OptimizeError(f"the simulator is not judged by {metric!r}\n  known: {', '.join(METRICS[:4])}")
    dataset = data if isinstance(data, Dataset) else load_dataset(data or "movietweetings")
    split = dataset.split("user_time", test=options.test, seed=seed)
    train, held = split.train, split.test
    guard = PromptGuard(train, held)
    service, noun, one = SERVICES[options.actions]
    popularity = train.popularity()
    world = World(
        catalogue=train.catalogue,
        scale=train.scale,
        actions=ACTION_SETS[options.actions],
        seed=seed,
        pages=1,
        service=service,
        noun=noun,
        one=one,
        popular=tuple(train.items.ids[i] for i in np.argsort(-popularity, kind="stable")[:POPULAR]),
    )
    cases, users = _cases(train, held, guard, options, seed)
    if not cases:
        raise DataError(
            "no user has two held-out items beside five training rows",
            "give more data, or a larger share: --task-option test=0.3",
        )
    personas = {persona.user: persona for persona in build_personas(train, users)}
    for user, persona in personas.items():
        guard.show(user, persona.history)
    small = abilities is not None and abilities.score and abilities.plumbing_grade
    return SimulatorTask(
        world,
        personas,
        tuple(cases),
        _rivals(train, cases),
        score_mode=options.read == "score" or (options.read == "auto" and small),
        plan=options.plan,
        settings=options.model_dump(mode="json", exclude={"max_cases"}),
        metric=metric,
        notes=(
            f"{len(cases)} users of {dataset.name}, one page of {options.items} items each; labels are rows held out of the "
            "personas; other items were never met, drawn in proportion to popularity",
        ),
    )


def _cases(
    train: Dataset, held: Dataset, guard: PromptGuard, options: SimulatorOptions, seed: int
) -> tuple[list[Case], list[str]]:
    most, half = options.max_cases or CASES, options.items // 2
    unmet = Unmet(train, seed)
    cases: list[Case] = []
    users: list[str] = []
    for place in shuffled(len(train.users), seed, "simulator").tolist():
        user = train.users.ids[place]
        real, known = held.history(user), train.history(user)
        if len(known.items) < LEAST_HISTORY or len(real.items) < 2:
            continue
        order = shuffled(len(real.items), seed, "held out", user).tolist()
        met = [real.items[i] for i in order[:half]]
        drawn = unmet.draw(user, [*known.positions, *real.positions], options.items - len(met))
        shown = [*met, *(train.items.ids[i] for i in drawn)]
        if len(shown) < options.items:
            continue
        items = [shown[i] for i in shuffled(len(shown), seed, "page", user).tolist()]
        labels = {row.item: row.label for row in guard.labelled(user, items)}
        cases.append(
            Case(
                f"user {user}",
                {"user": user, "items": items},
                {"met": [item for item in items if labels[item]]},
                titles=tuple(train.catalogue.title(item) for item in items),
            )
        )
        users.append(user)
        if len(cases) == most:
            break
    return cases, users


def _rivals(train: Dataset, cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Scores of every case's items by what needs no prompt: popularity, and cosine neighbours of the training rows."""
    popularity, binary = train.popularity(), train.matrix(binary=True).tocsc()
    norm = np.sqrt(np.maximum(popularity, 1))
    found: dict[str, dict[str, float]] = {"popularity": {}, "co-occurrence": {}}
    for case in cases:
        items = train.items.indices(case.shown["items"])
        past = train.history(case.shown["user"]).positions
        near = np.asarray((binary[:, items].T @ binary[:, past]).todense(), dtype=float) / np.outer(
            norm[items], norm[past]
        )
        for row, (item, index) in enumerate(zip(case.shown["items"], items.tolist(), strict=True)):
            found["popularity"][f"{case.id}/{item}"] = float(popularity[index])
            found["co-occurrence"][f"{case.id}/{item}"] = float(near[row].sum())
    return found
