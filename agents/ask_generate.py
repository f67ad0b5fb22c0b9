"""A model that writes plays the user: structured answers keyed by id, in one call a page (fused) or in Agent4Rec's sequence (faithful)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..llm.fence import fence, one_line
from ..llm.prompts import Prompt
from ..llm.schemas import Schema
from ..llm.types import Message, Model, Outcome, Place
from .actions import Action, Decision, Slate
from .answers import Feeling, GoOn, Interview, PageForm, answer_keys
from .ask import Failure, Reaction, Said, World, failure, sampling_seed
from .fatigue import tiredness_text
from .personas import Persona
from .trait_texts import persona_text

PROMPTS = Path(__file__).parent / "prompts"
PLANS = {"fused": ("page", "interview"), "faithful": ("react", "reflect", "decide", "interview")}
"""The prompts of each call plan."""
NODES = tuple(dict.fromkeys(node for nodes in PLANS.values() for node in nodes))

SENTENCE_TOKENS = 120
"""Room for one item's choice, or for one sentence with its fields, in an answer."""

LONGEST_VISIT = 50_000
"""Characters of memories that an interview is given; where a long visit has more, the oldest go."""

RATE = "With an action that you are to rate always give a rating from {scale}; with any other the rating is null."


def load_prompts(overrides: Mapping[str, str], nodes: tuple[str, ...] = NODES) -> dict[str, Prompt]:
    """The prompts of these nodes, our own or the user's file. Raises `PromptError` for a file whose fields do not fit."""
    return {node: Prompt.load(PROMPTS / f"{node}.md", override=overrides.get(node)) for node in nodes}


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
        """One structured answer of at most `room` tokens."""
        seed = sampling_seed(self.world.seed, at)
        return await self.model.complete(
            messages, schema=schema, at=at, temperature=self.temperature, max_tokens=room, seed=seed
        )

    async def react(self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any]) -> Reaction:
        world, fused = self.world, self.plan == "fused"
        node = "page" if fused else "react"
        at = Place(user.user, slate.page, node)
        keys = _keys(slate)
        room = SENTENCE_TOKENS * (len(keys) + 3)
        outcome = await self._ask(self._page_messages(user, slate, recalled, keys), self._form(keys), at, room)
        if not outcome.ok or outcome.value is None:
            return Reaction(failures=(failure(outcome, at),), call=outcome.key)
        answer = outcome.value
        actions = []
        for key, item in keys.items():
            choice = answer.choices[key]
            spec = world.actions[choice.action]
            rating = getattr(choice, "rating", None)
            actions.append(
                Action(
                    item=item,
                    action=spec.name,
                    rating=rating,
                    liked=world.liked(spec, rating),
                    fits=choice.fits,
                    feeling=one_line(choice.why),
                    call=outcome.key,
                )
            )
        if not fused:
            return Reaction(actions=tuple(actions), call=outcome.key)
        decision = Decision(
            next=answer.decision == "next",
            reason=one_line(answer.reason),
            satisfaction=float(answer.satisfaction),
            call=outcome.key,
        )
        return Reaction(tuple(actions), one_line(answer.feeling), decision, call=outcome.key)

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
        return Said(one_line(outcome.value.feeling), call=outcome.key)

    async def decide(
        self, user: Persona, slate: Slate, recalled: list[str], state: dict[str, Any], reaction: Reaction
    ) -> tuple[Decision, tuple[Failure, ...]]:
        if reaction.decision is not None:
            return reaction.decision, ()
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
            return Decision(True, "no usable answer", call=outcome.key, invalid=True, source="code"), (lost,)
        go = outcome.value
        return Decision(go.decision == "next", one_line(go.reason), float(go.satisfaction), call=outcome.key), ()

    async def interview(self, user: Persona, memories: list[str], state: dict[str, Any]) -> Said:
        at = Place(user.user, state["page"], "interview")
        while sum(map(len, memories)) > LONGEST_VISIT:
            memories = memories[1:]
        messages = self.prompts["interview"].render(
            traits=persona_text(user),
            tastes=_tastes(user),
            memories=_memories(memories),
            pages=str(state["page"] + 1),
        )
        outcome = await self._ask(messages, Interview, at, 3 * SENTENCE_TOKENS)
        if not outcome.ok or outcome.value is None:
            return Said(failures=(failure(outcome, at),), call=outcome.key)
        return Said(one_line(outcome.value.reason), float(outcome.value.satisfaction), call=outcome.key)

    def _page_messages(
        self, user: Persona, slate: Slate, recalled: list[str], keys: Mapping[str, str]
    ) -> list[Message]:
        world = self.world
        fields: dict[str, Any] = {
            "service": world.service,
            "traits": persona_text(user),
            "tastes": _tastes(user),
            "tendency": user.rating_tendency,
            "memories": _memories(recalled),
            "page": str(slate.page + 1),
            "items": _listed([f"[{key}] {world.line(item)}" for key, item in keys.items()], "items"),
            "actions": world.actions.describe(),
            "rating": "" if world.rated is None else RATE.format(scale=world.rated),
        }
        if self.plan == "fused":
            return self.prompts["page"].render(**fields, fatigue=self._tired(user, slate.page))
        return self.prompts["react"].render(**fields)

    def _form(self, keys: Mapping[str, str]) -> PageForm:
        actions = self.world.actions
        return PageForm(
            keys=tuple(keys),
            actions=actions.names,
            rating_actions=tuple(name for name in actions.names if actions[name].wants_rating),
            scale=self.world.rated,
            with_decision=self.plan == "fused",
        )

    def _tired(self, user: Persona, page: int) -> str:
        return tiredness_text(page, user.activity) if self.world.fatigue > 0 else ""


def _keys(slate: Slate) -> dict[str, str]:
    """Answer key -> item, in the order the user meets them."""
    return answer_keys([exposure.item for exposure in slate.as_shown()])


def _tastes(user: Persona) -> str:
    """Taste sentences can quote titles, so they are data too."""
    return _tastes_listed(user.tastes)


@lru_cache(maxsize=4096)
def _tastes_listed(tastes: tuple[str, ...]) -> str:
    return _listed([one_line(taste) for taste in tastes] or ["No particular tastes are known."], "tastes")


def _memories(texts: list[str]) -> str:
    return _listed(texts, "memories") if texts else "Nothing yet."


def _listed(lines: list[str], label: str) -> str:
    """Lines as data. Each has been cut on its own, so the list is not: no item may be lost from its end."""
    text = "\n".join(lines)
    return fence(text, label, longest=len(text))
