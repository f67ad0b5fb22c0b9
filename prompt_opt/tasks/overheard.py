"""`Overheard`: a model for an agent that makes its own calls, at the place of a search's case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...llm.schemas import Schema
from ...llm.types import Abilities, Message, Model, Outcome, Place, Question


class Overheard:
    """Passes calls on to `model`, at `at` with the agent's own node appended, and keeps their outcomes.

    An agent names its calls by user and page, so that two prompts on the same page would be one place. Here the place is
    the search's: (candidate, case).
    """

    def __init__(self, model: Model, at: Place) -> None:
        self.model, self.at = model, at
        self.outcomes: list[Outcome[Any]] = []

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def abilities(self) -> Abilities:
        return self.model.abilities

    def _here(self, at: Place) -> Place:
        return replace(self.at, node=f"{self.at.node}/{at.node}", sample=self.at.sample + at.sample)

    def _kept(self, outcome: Outcome[Any]) -> Outcome[Any]:
        self.outcomes.append(outcome)
        return outcome

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        at: Place = Place(),
        temperature: float = 0.0,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Outcome[Any]:
        return self._kept(
            await self.model.complete(
                messages,
                schema=schema,
                at=self._here(at),
                temperature=temperature,
                max_tokens=max_tokens,
                stop=stop,
                seed=seed,
            )
        )

    async def score(
        self, prompt: str, questions: Sequence[Question], *, at: Place = Place()
    ) -> Outcome[list[list[float]]]:
        return self._kept(await self.model.score(prompt, questions, at=self._here(at)))

    async def choices(self, prompt: str, labels: Sequence[str], *, at: Place = Place()) -> Outcome[list[float]]:
        return self._kept(await self.model.choices(prompt, labels, at=self._here(at)))

    async def loglik(self, prompt: str, continuations: Sequence[str], *, at: Place = Place()) -> Outcome[list[float]]:
        return self._kept(await self.model.loglik(prompt, continuations, at=self._here(at)))

    async def check(self) -> None:
        await self.model.check()

    async def close(self) -> None:
        """The model belongs to whoever opened it."""
