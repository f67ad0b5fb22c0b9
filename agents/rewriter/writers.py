"""Who writes: a chat model (intent, rewrite, repair), or rules in the order of their families. `likelihood.py` has a third."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Protocol, cast

from pydantic import BaseModel, ConfigDict, StringConstraints

from ...llm.fence import fence, one_line
from ...llm.prompts import Prompt
from ...llm.schemas import Schema
from ...llm.types import Message, Model, Place
from ..ask import BudgetReached
from ..randomness import key
from .judge import PROMPTS, draw_seed
from .records import Searcher
from .rules import FAMILIES, Family, proposals

INTENT = "intent"
REWRITE = "rewrite"
REPAIRS = {"meaning": "repair_meaning", "role": "repair_role", "both": "repair_both"}
"""What was wrong with a rewrite -> the node, and the prompt, that mends it."""
NODES = (INTENT, REWRITE, *REPAIRS.values())

LONGEST_REWRITE = 400
"""Characters of a rewrite that are kept."""
INTENT_TOKENS, REWRITE_TOKENS = 160, 120

Fault = Literal["", "meaning", "role", "both"]


class Intent(BaseModel):
    """What somebody needs, in one sentence."""

    model_config = ConfigDict(extra="forbid")

    need: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)]


class Rewriting(BaseModel):
    """The query in the persona's words."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REWRITE)]


class Written(NamedTuple):
    """A text, or why there is none. `status` as of a call; "none": there is nothing more to propose. `family`: of the rule."""

    text: str = ""
    calls: tuple[str, ...] = ()
    status: str = "ok"
    error: str = ""
    family: str = ""


class Writer(Protocol):
    """Never raises for a model's failure, `BudgetReached` apart. `how` is what a `Rewrite` says of who wrote it."""

    @property
    def how(self) -> Literal["model", "likelihood", "rules"]: ...
    async def intent(self, query_id: str, query: str) -> Written:
        """What is needed, for all personas alike; an empty text where the writer needs no intent."""
        ...

    async def write(self, state: Mapping[str, Any], searcher: Searcher, fault: Fault) -> Written:
        """The next rewrite for this state; `fault` says what was wrong with the last one ("": this is the first)."""
        ...


class ModelWriter:
    """A chat model writes. A query's intent is asked for once, whoever of its personas comes first."""

    how: Literal["model", "likelihood", "rules"] = "model"

    def __init__(
        self, model: Model, prompts: Mapping[str, Prompt] | None = None, *, temperature: float = 0.7, seed: int = 0
    ) -> None:
        self.model, self.temperature, self.seed = model, temperature, seed
        self.prompts = dict(prompts) if prompts is not None else load_prompts()
        self._intents: dict[str, Written] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def intent(self, query_id: str, query: str) -> Written:
        async with self._locks.setdefault(query_id, asyncio.Lock()):
            if query_id not in self._intents:
                messages = self.prompts[INTENT].render(query=fence(query, "query"))
                self._intents[query_id] = await self._ask(
                    messages, Intent, Place(query_id, 0, INTENT), INTENT_TOKENS, 0.0
                )
            return self._intents[query_id]

    async def write(self, state: Mapping[str, Any], searcher: Searcher, fault: Fault) -> Written:
        node = REPAIRS[fault] if fault else REWRITE
        fields = {"intent": fence(state["intent"], "intent"), "persona": fence(searcher.description, "persona")}
        if fault:
            fields |= {"rewrite": fence(state["text"], "rewrite"), "reason": fence(state["reason"], "reason")}
        at = Place(f"{state['query_id']}/{state['persona']}", state["round"], node)
        return await self._ask(self.prompts[node].render(**fields), Rewriting, at, REWRITE_TOKENS, self.temperature)

    def forget(self, query_id: str) -> None:
        """The query is done; its intent is not needed any more."""
        self._intents.pop(query_id, None)
        self._locks.pop(query_id, None)

    async def _ask(self, messages: list[Message], schema: Schema, at: Place, most: int, temperature: float) -> Written:
        outcome = await self.model.complete(
            messages,
            schema=schema,
            at=at,
            temperature=temperature,
            max_tokens=most,
            seed=draw_seed(self.seed, at),
        )
        if outcome.status == "budget":
            raise BudgetReached(outcome.error)
        value = outcome.value
        text = value.need if isinstance(value, Intent) else value.query if isinstance(value, Rewriting) else ""
        if outcome.ok and not (text := one_line(text, 600)):
            return Written("", outcome.keys, "parse_fail", "the answer holds nothing that can be shown")
        return Written(text, outcome.keys, outcome.status, outcome.error[:300])


class RulesWriter:
    """Rules write, in the order of the persona's families: the n-th round takes the n-th proposal. No model."""

    how: Literal["model", "likelihood", "rules"] = "rules"

    def __init__(self, seed: int = 0, families: tuple[Family, ...] = FAMILIES) -> None:
        self.seed, self.families = seed, families

    async def intent(self, query_id: str, query: str) -> Written:
        return Written()

    async def write(self, state: Mapping[str, Any], searcher: Searcher, fault: Fault) -> Written:
        found = proposed(state["query"], searcher, self.seed, self.families)
        return nth(found, state["round"])


def proposed(query: str, searcher: Searcher, seed: int, families: tuple[Family, ...]) -> list[tuple[Family, str]]:
    """What rules propose for a persona: of its own families first, then, where those have nothing to say, of the others."""
    held = {*families, *(("formal", "casual") if "register" in families else ())}
    own: list[Family] = [cast("Family", family) for family in (searcher.families or families) if family in held]
    address = (seed + key(f"{searcher.name}/{query}")) & 0x7FFFFFFFFFFFFFFF
    return proposals(query, own, address) or proposals(query, (f for f in families if f not in own), address)


def nth(found: list[tuple[Family, str]], n: int, calls: tuple[str, ...] = ()) -> Written:
    """The n-th proposal, from 0."""
    if n >= len(found):
        return Written("", calls, "none", "no rule has anything to say" if not found else "no rule has anything more")
    family, text = found[n]
    return Written(text, calls, family=family)


def load_prompts(overrides: Mapping[str, str] | None = None) -> dict[str, Prompt]:
    """The writer's prompts by node. Raises `PromptError` for a file of the user's whose fields do not fit."""
    return {node: Prompt.load(PROMPTS / f"{node}.md", override=(overrides or {}).get(node)) for node in NODES}
