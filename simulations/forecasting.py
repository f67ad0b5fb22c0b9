"""What a rehearsal would take: calls, tokens and money, before any call is made.

A few of its users live all their pages, with prompts as they will be, before a stand-in that answers at once with what
is typical and always stays; what it was asked is counted, and the other users are taken to be like them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..agents.actions import Decision, Slate
from ..agents.ask import Asker, Failure, Reaction
from ..agents.personas import Persona
from ..llm import Door, open_model
from ..llm.line import Line
from ..llm.providers.base import ChatRequest, Provider, RawAnswer, RawScores, ScoreRequest
from .config import SimulateConfig
from .minds import StepMind
from .players import Players, mode_of, players, prompts_of
from .policy import Policy
from .population import Turn
from .preparation import Prepared, prepare
from .progress import Silent
from .shared import Shared

SAMPLE, PAGES = 24, 20
"""Users that are gone through, and pages of each; what is beyond is reckoned from them (prompts grow little by then)."""

SENTENCE = "x" * 60
"""A typical sentence of an answer, by its length."""

BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Forecast:
    """An upper bound: everybody stays to the last page, and reflects on each under the faithful plan. Repairs and retries
    are left out. `calls` as a budget counts them. `usd` is None where the model's price is unknown; it counts the
    schemas of answers as prompt, since endpoints that charge do, and `prompt_tokens` does not."""

    model: str
    mode: str
    users: int
    pages: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """The forecast in words."""
        if self.mode == "scripted":
            return [f"{self.users} scripted users, up to {self.users * self.pages} pages: no model call, no cost"]
        price = "the model's price is unknown" if self.usd is None else f"${self.usd:.4f}"
        return [
            f"{self.users} users x {self.pages} pages with {self.model} ({self.mode})",
            f"at most {self.calls} calls, about {self.prompt_tokens} prompt and {self.completion_tokens} answer tokens, {price}",
            "an upper bound: users who leave early make fewer calls; nothing was called",
        ]


async def forecast(config: SimulateConfig, shared: Shared | None = None) -> Forecast:
    """Count what `config` would take. No model is called, and no local one is loaded."""
    prepared = prepare(config, shared)
    n = len(prepared.personas)
    if config.scripted:
        return Forecast("scripted", "scripted", n, config.pages, 0, 0, 0, 0.0)
    door = open_model(config.model, base_url=config.base_url, api_key="not-used", concurrency=config.concurrency)
    try:
        mode = mode_of(config, door)
        stand_in = StandIn(door.provider)
        counted = Door(Line(stand_in, price=lambda: None, concurrency=config.concurrency, timeout=60.0))
        few = replace(prepared, personas=prepared.personas[:SAMPLE])
        found = await players(few, counted, prompts_of(config, mode), Silent())
        await _visit(few, found, stand_in)
        price = door.line.price() if door.provider.remote else None
    finally:
        await door.close()
    total = stand_in.count * (n / len(few.personas))
    usd = (
        None
        if price is None
        else (price.prompt * (total.prompt + total.schema) + price.completion * total.answer) / 1e6
    )
    return Forecast(
        config.model,
        mode,
        n,
        config.pages,
        round(total.calls),
        round(total.prompt),
        round(total.answer),
        usd if door.provider.remote else 0.0,
    )


async def _visit(prepared: Prepared, found: Players, stand_in: StandIn) -> None:
    """All pages of these users, before a recommender that is left as it is."""
    config, pages = prepared.config, min(prepared.config.pages, PAGES)
    assert isinstance(prepared.policy, Policy)
    users = [persona.user for persona in found.personas]
    policy = Policy(
        prepared.policy.recommender,
        prepared.split.train,
        users,
        page_size=config.page_size,
        pages=pages,
        seed=config.seed,
        shuffle_slots=config.shuffle_slots,
    )
    await policy.open()
    mind = StepMind(prepared.world, _Stays(found.asker))
    satisfied: dict[str, float | None] = dict.fromkeys(users)
    for page in range(pages):
        before, last = stand_in.count, page == pages - 1
        slates = await policy.page(page, users)
        turns = [Turn(p, slates[p.user], satisfied[p.user], last) for p in found.personas if p.user in slates]
        for turn, record in zip(turns, await mind.think(page, turns, progress=lambda: None), strict=True):
            policy.shown(turn.slate, ())
            satisfied[turn.persona.user] = record["decision"]["satisfaction"]
        if page == pages - 2:  # the last page but one stands for all that are not gone through: it has no interview
            stand_in.count += (stand_in.count - before) * (config.pages - pages)


@dataclass(frozen=True)
class Count:
    """Calls, and tokens by the rule of four bytes each: of messages, of the schemas beside them, of answers."""

    calls: float = 0
    prompt: float = 0
    schema: float = 0
    answer: float = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(self._all, other._all, strict=True)))

    def __sub__(self, other: Count) -> Count:
        return self + other * -1

    def __mul__(self, factor: float) -> Count:
        return Count(*(a * factor for a in self._all))

    @property
    def _all(self) -> tuple[float, float, float, float]:
        return self.calls, self.prompt, self.schema, self.answer


class StandIn:
    """A provider in place of another one: it answers at once, with what is typical, and counts."""

    concurrency: int | None = None
    remote = False

    def __init__(self, real: Provider) -> None:
        self.name, self.splits_score, self.abilities = real.name, real.splits_score, replace(real.abilities, score=True)
        self.count = Count()

    async def chat(self, request: ChatRequest) -> RawAnswer:
        asked = request.json_schema
        text = SENTENCE if asked is None else json.dumps(typical(asked))
        schema = 0 if asked is None else len(json.dumps(asked))
        prompt = sum(len(str(message["content"]).encode()) for message in request.messages)
        self.count += Count(1, *(size / BYTES_PER_TOKEN for size in (prompt, schema, len(text))))
        return RawAnswer(text)

    async def score(self, request: ScoreRequest) -> RawScores:
        texts = [question.suffix for question in request.questions]
        prompt = sum(len(text.encode()) for text in (request.prompt, *texts))
        self.count += Count(1, prompt / BYTES_PER_TOKEN, 0, 1)
        return RawScores([[0.0] * len(question.labels) for question in request.questions])

    async def check(self) -> None: ...
    async def close(self) -> None: ...


def typical(schema: Mapping[str, Any], place: int = 0) -> Any:
    """An answer that fits a closed schema: it takes up everything, rates it lowest and highest in turn (so that there is
    always something to reflect on), and goes on."""
    if options := schema.get("enum"):
        return "next" if "next" in options else options[-1 if isinstance(options[0], str) or place % 2 else 0]
    if "anyOf" in schema:
        return typical(schema["anyOf"][0], place)
    match schema.get("type"):
        case "object":
            return {name: typical(each, place + n) for n, (name, each) in enumerate(schema["properties"].items())}
        case "array":
            return [typical(schema["items"])] * min(3, schema.get("maxItems", 3))
        case "string":
            return SENTENCE[: schema.get("maxLength")]
        case "boolean":
            return True
    return schema.get("minimum", 0)


class _Stays:
    """An asker whose users never leave."""

    def __init__(self, asker: Asker) -> None:
        self.react, self.reflect, self.interview = asker.react, asker.reflect, asker.interview
        self._decide = asker.decide

    async def decide(
        self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> tuple[Decision, tuple[Failure, ...]]:
        decision, failures = await self._decide(user, slate, recalled, state, reaction)
        return decision.replace(next=True), failures
