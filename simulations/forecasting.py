"""What a rehearsal would take: calls, tokens and money, before any call is made.

A few of its users live all their pages, with prompts as they will be, before a stand-in that answers at once with what
is typical and always stays; what it was asked is counted, and the other users are taken to be like them. That is the most
there can be. How long people stay only the model knows: scripted users before the same pages say what is likely.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..agents.actions import Decision, Slate
from ..agents.ask import Asker, Failure, Reaction, Said
from ..agents.personas import Persona
from ..llm import Door, Price, open_model
from ..llm.line import Line
from ..llm.providers.base import ChatRequest, Provider, RawAnswer, RawScores, ScoreRequest
from ..runs.progress import Silent
from .config import SimulateConfig
from .minds import StepMind
from .players import Players, mode_of, players, prompts_of, scripted_mind
from .policy import Policy
from .population import Turn
from .preparation import Prepared, prepare
from .shared import Shared

SAMPLE, PAGES = 24, 20
"""Users that are gone through, and pages of each; what is beyond is reckoned from them (prompts grow little by then)."""

SENTENCE = "x" * 60
"""A typical sentence of an answer, by its length."""

BYTES_PER_TOKEN = 4

Counts = npt.NDArray[np.float64]
"""(4,): calls, tokens of messages, of schemas, of answers."""


@dataclass(frozen=True)
class Amount:
    """What calls take. `calls` as a budget counts them. `usd` is None where the model's price is unknown; it counts the
    schemas of answers as prompt, since endpoints that charge do, and `prompt_tokens` does not."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None


NOTHING = Amount(0, 0, 0, 0.0)


@dataclass(frozen=True)
class Forecast(Amount):
    """An upper bound: everybody stays to the last page, and reflects on each under the faithful plan. Repairs and retries
    are left out. `likely`: users leave as scripted ones do before these pages. `least`: everybody leaves after one."""

    model: str
    mode: str
    users: int
    pages: int
    likely: Amount
    least: Amount

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """The forecast in words."""
        if self.mode == "scripted":
            return [f"{self.users} scripted users, up to {self.users * self.pages} pages: no model call, no cost"]
        likely = "" if self.likely.usd is None else f", ${self.likely.usd:.4f}"
        price = "the model's price is unknown" if self.usd is None else f"${self.usd:.4f}"
        return [
            f"{self.users} users x {self.pages} pages with {self.model} ({self.mode})",
            f"at most {self.calls} calls, about {self.prompt_tokens} prompt and {self.completion_tokens} answer tokens, {price}",
            f"likely {self.likely.calls} calls, if they leave as scripted users do{likely}; {self.least.calls} if all leave after a page",
            "repairs and retries come on top; nothing was called",
        ]


async def forecast(config: SimulateConfig, shared: Shared | None = None) -> Forecast:
    """Count what `config` would take. No model is called, and no local one is loaded."""
    prepared = prepare(config, shared)
    n = len(prepared.personas)
    if config.scripted:
        return Forecast(0, 0, 0, 0.0, "scripted", "scripted", n, config.pages, NOTHING, NOTHING)
    door = open_model(
        config.model,
        base_url=config.base_url,
        api_key="not-used",
        concurrency=config.concurrency,
        price=Price.parse(config.price),
    )
    try:
        mode = mode_of(config, door)
        stand_in = StandIn(door.provider)
        counted = Door(Line(stand_in, price=lambda: None, concurrency=config.concurrency, timeout=60.0))
        few = replace(prepared, personas=prepared.personas[:SAMPLE])
        found = await players(few, counted, prompts_of(config, mode), Silent())
        counts = await _visit(few, found, stand_in)
        price = door.line.price() if door.provider.remote else None
    finally:
        await door.close()

    def amount(count: Counts) -> Amount:
        calls, prompt, schema, answer = (count * (n / len(few.personas))).tolist()
        usd = None if price is None else (price.prompt * (prompt + schema) + price.completion * answer) / 1e6
        return Amount(round(calls), round(prompt), round(answer), usd if door.provider.remote else 0.0)

    most, likely, least = map(amount, counts)
    return Forecast(
        **asdict(most), model=config.model, mode=mode, users=n, pages=config.pages, likely=likely, least=least
    )


async def _visit(prepared: Prepared, found: Players, stand_in: StandIn) -> tuple[Counts, Counts, Counts]:
    """All pages of these users, before a recommender that is left as it is; what the stand-in was asked if all stay, if
    they leave as scripted users do, and if all leave after a page, with what it was asked before the first one.

    The last page gone through is the last of all; the pages left out before it are like those before them, and have
    their interviews."""
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
    scripted = _Leaves(prepared, found.personas)
    satisfied: dict[str, float | None] = dict.fromkeys(users)
    setup = stand_in.count.sum(axis=0)
    took: list[Counts] = []  # by each page, without interviews
    there: list[float] = []  # the share of scripted users who come to it
    interviews, held = np.zeros(4), 0
    for page in range(pages):
        before = stand_in.count.copy()
        asked = page == pages - 1 or page + 1 in config.interviews
        slates = await policy.page(page, users)
        turns = [
            Turn(p, slate, satisfied[p.user], asked or not policy.more(slate))
            for p in found.personas
            if (slate := slates.get(p.user))
        ]
        there.append(len(scripted.left) / len(users))
        await scripted.page(page, turns)
        for turn, record in zip(turns, await mind.think(page, turns, progress=lambda: None), strict=True):
            policy.shown(turn.slate, ())
            satisfied[turn.persona.user] = record["decision"]["satisfaction"]
        own, asides = stand_in.count - before
        took.append(own)
        interviews, held = interviews + asides, held + sum(turn.interview for turn in turns)
    beyond = config.pages - pages
    took += beyond * [took[-1]]
    # Who is still there after so many pages leaves as slowly as people did on the average page.
    stay = there[-1] ** (1 / max(1, pages - 1))
    there += [there[-1] * stay**number for number in range(1, beyond + 1)]
    one = interviews / max(1, held)  # all that came of one interview
    left_out = len(users) * sum(pages <= number < config.pages for number in config.interviews)
    most = setup + sum(took) + one * (held + left_out)
    on_the_way = len(users) * sum(there[number] for number in config.interviews if number < config.pages)
    likely = (
        setup + sum(share * each for share, each in zip(there, took, strict=True)) + one * (len(users) + on_the_way)
    )
    return most, likely, setup + took[0] + one * len(users)


class StandIn:
    """A provider in place of another one: it answers at once, with what is typical, and counts.

    `count`, of pages and of interviews: calls, and by the rule of four bytes a token those of messages, of schemas beside
    them, of answers.
    """

    concurrency: int | None = None
    remote = False

    def __init__(self, real: Provider) -> None:
        self.name, self.splits_score, self.abilities = real.name, real.splits_score, replace(real.abilities, score=True)
        self.count = np.zeros((2, 4))

    async def chat(self, request: ChatRequest) -> RawAnswer:
        asked = request.json_schema
        text = SENTENCE if asked is None else json.dumps(typical(asked))
        schema = 0 if asked is None else len(json.dumps(asked))
        prompt = sum(len(str(message["content"]).encode()) for message in request.messages)
        self._counted(prompt, schema, len(text))
        return RawAnswer(text)

    async def score(self, request: ScoreRequest) -> RawScores:
        texts = [question.suffix for question in request.questions]
        self._counted(sum(len(text.encode()) for text in (request.prompt, *texts)), 0, BYTES_PER_TOKEN)
        return RawScores([[0.0] * len(question.labels) for question in request.questions])

    def _counted(self, *sizes: int) -> None:
        self.count[int(_interview.get())] += np.array([1.0, *(size / BYTES_PER_TOKEN for size in sizes)])

    async def check(self) -> None: ...
    async def close(self) -> None: ...


def typical(schema: Mapping[str, Any], place: int = 0) -> Any:
    """An answer that fits a closed schema: it takes up everything, rates it lowest and highest in turn (so that there is
    always something to reflect on), and goes on."""
    if options := schema.get("enum"):
        return "next" if "next" in options else options[-1 if isinstance(options[0], str) or place % 2 else 0]
    if "anyOf" in schema:
        return typical([each for each in schema["anyOf"] if each.get("type") != "null"][-1], place)
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


_interview: ContextVar[bool] = ContextVar("interview", default=False)
"""Whether what is asked belongs to an interview."""


class _Stays:
    """An asker whose users never leave."""

    def __init__(self, asker: Asker) -> None:
        self.react, self.reflect = asker.react, asker.reflect
        self._decide, self._interview = asker.decide, asker.interview

    async def interview(self, user: Persona, memories: list[str], state: dict[str, Any]) -> Said:
        token = _interview.set(True)
        try:
            return await self._interview(user, memories, state)
        finally:
            _interview.reset(token)

    async def decide(
        self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> tuple[Decision, tuple[Failure, ...]]:
        decision, failures = await self._decide(user, slate, recalled, state, reaction)
        return decision.replace(next=True), failures


class _Leaves:
    """Scripted users before the same pages. `left`: those who are still there."""

    def __init__(self, prepared: Prepared, personas: list[Persona]) -> None:
        self._mind = scripted_mind(prepared, personas)
        self.left: dict[str, float | None] = {persona.user: None for persona in personas}

    async def page(self, page: int, turns: list[Turn]) -> None:
        mine = [
            Turn(t.persona, t.slate, self.left[t.persona.user], False) for t in turns if t.persona.user in self.left
        ]
        self.left = {}
        for turn, record in zip(mine, await self._mind.think(page, mine, progress=lambda: None), strict=True):
            if record["decision"]["next"]:
                self.left[turn.persona.user] = record["decision"]["satisfaction"]
