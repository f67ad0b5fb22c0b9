"""A model that writes plays the user: structured answers keyed by id, in one call a page (fused) or in Agent4Rec's sequence (faithful)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..llm.fence import fence, plain
from ..llm.prompts import Prompt
from ..llm.schemas import Schema
from ..llm.types import Message, Model, Outcome, Place
from .actions import Action, Decision, Slate
from .answers import Feeling, GoOn, Interview, PageForm
from .ask import Failure, Reaction, Said, World, failure
from .fatigue import tiredness_text
from .personas import Persona
from .randomness import uniform
from .trait_texts import persona_text

if TYPE_CHECKING:
    from ..data import RatingScale

PROMPTS = Path(__file__).parent / "prompts"
NODES = ("page", "react", "decide", "reflect", "interview")

SENTENCE_TOKENS = 120
"""Room for one item's choice, or for one sentence with its fields, in an answer."""

LONGEST_SENTENCE = 400
"""Characters of free text kept: a model that rambles must not fill its own memory."""


def load_prompts(overrides: Mapping[str, str], nodes: tuple[str, ...] = NODES) -> dict[str, Prompt]:
    """The prompts of these nodes, our own or the user's file. Raises `PromptError` for a file whose fields do not fit."""
    return {node: Prompt.load(PROMPTS / f"{node}.md", override=overrides.get(node)) for node in nodes}


LONGEST_LIST = 50_000
"""Characters of a list of items or memories; its lines are cut one by one, so that no item is lost."""


class GenerateAsker:
    """Asks a chat model for structured answers (Agent4Rec section 3.3).

    Plan "fused" asks once a page for choices, feeling and decision together; "faithful" makes the paper's calls:
    react, reflect (when importance has gathered), decide. Both interview at the exit.
    """

    def __init__(
        self,
        model: Model,
        world: World,
        *,
        plan: Literal["fused", "faithful"] = "fused",
        prompts: Mapping[str, Prompt] | None = None,
        temperature: float = 0.2,
    ) -> None:
        self.model, self.world, self.plan = model, world, plan
        self.prompts = dict(prompts) if prompts is not None else load_prompts({})
        self.temperature = temperature

    async def _ask(self, messages: list[Message], schema: Schema, at: Place, room: int) -> Outcome[Any]:
        """One structured answer of at most `room` tokens; where the endpoint takes a seed, the draw is repeatable."""
        seed = int(uniform(self.world.seed, "sampling", at.agent, at.page, at.node) * 2**31)
        return await self.model.complete(
            messages, schema=schema, at=at, temperature=self.temperature, max_tokens=room, seed=seed
        )

    async def react(self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any]) -> Reaction:
        world, fused = self.world, self.plan == "fused"
        node = "page" if fused else "react"
        at = Place(user.user, slate.page, node)
        shown = [e.item for e in slate.as_shown()]
        schema = PageForm(tuple(shown), world.actions.names, self._scale, fused)
        room = SENTENCE_TOKENS * (len(shown) + 3)
        outcome = await self._ask(self._page_messages(user, slate, recalled), schema, at, room)
        if not outcome.ok or outcome.value is None:
            return Reaction(failures=(failure(outcome, at),), call=outcome.key)
        answer = outcome.value
        actions = []
        for item in shown:
            choice = answer.choices[item]
            spec = world.actions[choice.action]
            rating = getattr(choice, "rating", None) if spec.wants_rating else None
            actions.append(
                Action(
                    item=item,
                    action=spec.name,
                    rating=None if rating is None else float(rating),
                    liked=spec.positive and world.liked(rating),
                    fits=choice.fits,
                    feeling=_cut(choice.why),
                    call=outcome.key,
                )
            )
        if not fused:
            return Reaction(actions=tuple(actions), call=outcome.key)
        decision = Decision(
            next=answer.decision == "next",
            reason=_cut(answer.reason),
            satisfaction=float(answer.satisfaction),
            fatigue=0.0,
            call=outcome.key,
        )
        return Reaction(tuple(actions), _cut(answer.feeling), decision, call=outcome.key)

    async def reflect(
        self, user: Persona, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> Said | None:
        if self.plan == "fused":
            return Said(reaction.feeling, call=reaction.call) if reaction.feeling else None
        at = Place(user.user, state["page"], "reflect")
        messages = self.prompts["reflect"].render(traits=persona_text(user), memories=_memories(recalled))
        outcome = await self._ask(messages, Feeling, at, 2 * SENTENCE_TOKENS)
        if not outcome.ok or outcome.value is None:
            return Said(failures=(failure(outcome, at),), call=outcome.key)
        return Said(_cut(outcome.value.feeling), call=outcome.key)

    async def decide(
        self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> tuple[Decision, tuple[Failure, ...]]:
        if reaction.decision is not None:
            return reaction.decision, ()
        if self.plan == "fused":  # the page's one call failed, and it was the one that decides
            return Decision(next=True, reason="no usable answer on this page", invalid=True, call=reaction.call), ()
        at = Place(user.user, slate.page, "decide")
        messages = self.prompts["decide"].render(
            service=self.world.service,
            traits=persona_text(user),
            memories=_memories(recalled),
            page=str(slate.page + 1),
            fatigue=self._tired(user, slate.page),
        )
        outcome = await self._ask(messages, GoOn, at, 2 * SENTENCE_TOKENS)
        if not outcome.ok or outcome.value is None:
            lost = failure(outcome, at)
            return Decision(next=True, reason="no usable answer", invalid=True, call=outcome.key), (lost,)
        go = outcome.value
        return Decision(go.decision == "next", _cut(go.reason), float(go.satisfaction), call=outcome.key), ()

    async def interview(self, user: Persona, memories: list[str], state: dict[str, Any]) -> Said:
        at = Place(user.user, state["page"], "interview")
        messages = self.prompts["interview"].render(
            traits=persona_text(user),
            tastes=_tastes(user),
            memories=_memories(memories),
            pages=str(state["page"] + 1),
        )
        outcome = await self._ask(messages, Interview, at, 3 * SENTENCE_TOKENS)
        if not outcome.ok or outcome.value is None:
            return Said(failures=(failure(outcome, at),), call=outcome.key)
        return Said(_cut(outcome.value.reason), float(outcome.value.satisfaction), call=outcome.key)

    def _page_messages(self, user: Persona, slate: Slate, recalled: list[str]) -> list[Message]:
        world, scale = self.world, self._scale
        shown = slate.as_shown()
        fields: dict[str, Any] = {
            "service": world.service,
            "traits": persona_text(user),
            "tastes": _tastes(user),
            "tendency": user.rating_tendency,
            "memories": _memories(recalled),
            "page": str(slate.page + 1),
            "items": fence(
                "\n".join(f"[{e.item}] {one_line(world.line(e.item))}" for e in shown), "items", LONGEST_LIST
            ),
            "actions": world.actions.describe(),
            "scale": "no rating" if scale is None else f"{scale.low:g} to {scale.high:g}",
        }
        if self.plan == "fused":
            return self.prompts["page"].render(**fields, fatigue=self._tired(user, slate.page))
        return self.prompts["react"].render(**fields)

    def prompt_bytes(self, user: Persona, slate: Slate) -> int:
        """Size of a first page's prompt and schema, for forecasts."""
        shown = [e.item for e in slate.as_shown()]
        form = PageForm(tuple(shown), self.world.actions.names, self._scale, self.plan == "fused")
        texts = [*(m["content"] for m in self._page_messages(user, slate, [])), json.dumps(form.json_schema())]
        return sum(len(text.encode()) for text in texts)

    @property
    def _scale(self) -> RatingScale | None:
        """The scale to rate on, if any action asks for a rating."""
        rated = any(self.world.actions[name].wants_rating for name in self.world.actions.names)
        return self.world.scale if rated else None

    def _tired(self, user: Persona, page: int) -> str:
        return tiredness_text(page, user.activity) if self.world.fatigue > 0 else ""


def _tastes(user: Persona) -> str:
    """Taste sentences can quote titles, so they are data too."""
    return fence(
        "\n".join(one_line(t) for t in user.tastes) or "No particular tastes are known.", "tastes", LONGEST_LIST
    )


def _memories(texts: list[str]) -> str:
    return fence("\n".join(texts), "memories", LONGEST_LIST) if texts else "Nothing yet: this is the first page."


def one_line(text: str) -> str:
    """Item or memory text as one line, without anything a model or a terminal could read as a mark."""
    return " ".join(plain(text, LONGEST_SENTENCE).split())


def _cut(text: str) -> str:
    return " ".join(text.split())[:LONGEST_SENTENCE]
