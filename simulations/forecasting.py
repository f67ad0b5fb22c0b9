"""What a rehearsal would take: calls, tokens, money and the least time, before any call is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..agents.ask_generate import GenerateAsker
from ..agents.ask_score import ScoreReader
from ..llm import open_model
from .config import SimulateConfig
from .preparation import Prepared, prepare
from .shared import Shared

CHOICE_TOKENS, DECISION_TOKENS, SENTENCE_TOKENS = 45, 60, 40
"""Completion tokens of one item's choice, of a decision, of a sentence: typical of the answers our schemas ask for."""

REFLECTIONS = 0.5
"""Reflections a page under the faithful plan: importance gathers for about two pages."""


@dataclass(frozen=True)
class Forecast:
    """An upper bound: everybody stays to the last page. `usd` is None where the model's price is unknown."""

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
    """Render the first page's prompts of every user and count; no model is called."""
    from .rehearsal import mode_of, prompts_of

    prepared = prepare(config, shared)
    n, pages = len(prepared.personas), config.pages
    if config.scripted:
        return Forecast("scripted", "scripted", n, pages, 0, 0, 0, 0.0)
    door = open_model(config.model, base_url=config.base_url, api_key="not-used", concurrency=config.concurrency)
    mode = mode_of(config, door)
    prompts = prompts_of(config, mode)
    await prepared.policy.open()
    slates = await prepared.policy.page(0, [p.user for p in prepared.personas])
    if mode == "score":
        reader = ScoreReader(door, prepared.world, prompts, config.reads)
        page = sum(_score_bytes(reader, p, slates[p.user].items) for p in prepared.personas if p.user in slates)
        calls, prompt, answer = n * (pages + 1), page * (pages + 1) / 4, n * (pages + 1)
        if config.say:
            calls, prompt, answer = calls + n, prompt + 60 * n, answer + 32 * n
    else:
        asker = GenerateAsker(door, prepared.world, plan=config.plan, prompts=prompts)
        calls, prompt, answer = _generate(prepared, asker, slates)
    await door.close()
    usd = door.line.price() if door.provider.remote else None
    cost = (
        0.0
        if not door.provider.remote
        else None
        if usd is None
        else (usd.prompt * prompt + usd.completion * answer) / 1e6
    )
    return Forecast(config.model, mode, n, pages, round(calls), round(prompt), round(answer), cost)


def _score_bytes(reader: ScoreReader, persona: Any, items: Any) -> int:
    questions = reader.questions(items)
    return len(reader.prompt(persona).encode()) + sum(len(q.suffix.encode()) for q in questions)


def _generate(prepared: Prepared, asker: GenerateAsker, slates: Any) -> tuple[float, float, float]:
    """Calls, prompt tokens (bytes / 4) and completion tokens if everybody sees every page."""
    config = prepared.config
    n, pages = len(prepared.personas), config.pages
    page = sum(asker.prompt_bytes(p, slates[p.user]) for p in prepared.personas if p.user in slates) / 4
    choices = CHOICE_TOKENS * config.page_size
    if config.plan == "fused":
        calls, answer = n * pages, n * pages * (choices + DECISION_TOKENS)
        prompt = page * pages
    else:
        calls, answer = (
            n * pages * (2 + REFLECTIONS),
            n * pages * (choices + DECISION_TOKENS + REFLECTIONS * SENTENCE_TOKENS),
        )
        prompt = page * pages * 1.6  # the decision and reflection prompts leave out items and tastes
    return calls + n, prompt + 0.5 * page, answer + n * DECISION_TOKENS
