"""`Operator`: one way to make new prompts out of old ones, by asking a model that can write."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

from pydantic import BaseModel, Field

from ...llm.fence import fence
from ...llm.prompts import Prompt
from ...llm.types import Message, Outcome
from ..candidate import Candidate
from ..context import Context
from ..steps import Ask, Think
from .errors import Cluster

PROMPTS = Path(__file__).parents[1] / "prompts"
LONGEST = 20_000
"""Characters of a prompt that is shown to a proposer; a component's own cap is far below."""


class Proposed(NamedTuple):
    """What an operator made, and the tokens that it took."""

    candidates: list[Candidate]
    tokens: int


Proposing: TypeAlias = Generator[Think, "list[Outcome[Any]]", Proposed]


class Rewrite(BaseModel):
    """A new text for one component, as a proposer answers."""

    change: str = Field(max_length=600)
    """What was changed and why, in one or two sentences."""
    text: str = Field(max_length=LONGEST)
    """The whole new text."""


@dataclass(frozen=True)
class Brief:
    """What an operator works from. `parents`: best first. `errors`: of the first parent, costliest cluster first.

    `count`: candidates wanted. `round`: part of every question's place, so that equal questions draw anew.
    """

    context: Context
    parents: tuple[Candidate, ...]
    errors: tuple[Cluster, ...]
    count: int
    round: int

    @property
    def parent(self) -> Candidate:
        return self.parents[0]

    def component(self, i: int) -> str:
        """The component that the i-th question is about: they take turns, over rounds too."""
        names = list(self.context.components)
        return names[(self.round + i) % len(names)]

    def ask(self, operator: str, i: int, messages: Sequence[Message], temperature: float, schema: Any = Rewrite) -> Ask:
        """The i-th question of an operator, at a place of its own."""
        cap = max(component.max_tokens for component in self.context.components.values())
        return Ask(messages, schema, f"{self.round} {operator}", i, temperature, max_tokens=2 * cap + 400)

    def about(self, component: str) -> dict[str, str]:
        """Fields that all proposers' prompts share: what the text is for, what it may and must hold, how long it may be."""
        known = self.context.components[component]
        lines = [f"- {{{{{name}}}}}: {what}" for name, what in known.fields.items()]
        musts = ["one of " * ("|" in group) + " or ".join(_braced(group)) for group in known.required]
        return {
            "purpose": known.purpose,
            "rules": "\n".join(
                [
                    "Fields it may hold, each written in double braces; each is replaced by data before the model reads it:"
                    if lines
                    else "It holds no fields in double braces.",
                    *lines,
                    *([f"It must keep {'; '.join(musts)}."] if musts else []),
                    f"It may be {known.max_tokens} tokens long at most. Shorter is better where nothing is lost.",
                ]
            ),
        }

    def rewritten(
        self, i: int, outcome: Outcome[Any], operator: str, *, parents: int = 1, reason: str = "", shown: Any = ()
    ) -> Candidate | None:
        """The first parent with the answered text in the i-th question's component; None without a usable answer."""
        if not outcome.ok or not isinstance(outcome.value, dict):
            return None
        text = tidy(str(outcome.value.get("text", "")))
        return Candidate(
            {**self.parent.texts, self.component(i): text},
            operator=operator,
            parents=tuple(parent.id for parent in self.parents[:parents]),
            reason=reason or str(outcome.value.get("change", "")),
            shown=tuple(shown),
            maker=self.context.proposer,
            calls=outcome.keys or ((outcome.key,) if outcome.key else ()),
        )


class Operator(ABC):
    """One way to make new prompts. `requests` and `read` are pure; `propose` joins them into steps."""

    name: ClassVar[str]
    parents: ClassVar[int] = 1
    """How many parents it works from."""

    def fits(self, brief: Brief) -> bool:
        """Whether there is anything for it to work on."""
        return len(brief.parents) >= self.parents

    @abstractmethod
    def requests(self, brief: Brief) -> list[Ask]:
        """The questions to the proposer, one per candidate wanted."""

    @abstractmethod
    def read(self, brief: Brief, outcomes: Sequence[Outcome[Any]]) -> list[Candidate]:
        """The candidates in the answers; an unusable answer makes none."""

    def propose(self, brief: Brief) -> Proposing:
        """Ask, and read the answers."""
        outcomes = yield Think(self.requests(brief))
        return Proposed(self.read(brief, outcomes), spent(outcomes))


@lru_cache(maxsize=32)
def load(name: str) -> Prompt:
    """A proposer's own prompt."""
    return Prompt.load(PROMPTS / f"propose_{name}.md")


def fenced_prompt(text: str) -> str:
    """A prompt as it is shown to a proposer: between marks, whole."""
    return fence(text, "prompt", LONGEST)


def spent(outcomes: Sequence[Outcome[Any]]) -> int:
    """Tokens of some answers."""
    return sum(outcome.usage.total for outcome in outcomes)


def tidy(text: str) -> str:
    """A text without the marks that models like to put around one."""
    text = text.strip()
    for pattern in (r"```[\w-]*\n(.*?)\n?```", r"<<<prompt\n(.*?)\n?>>>"):
        if whole := re.fullmatch(pattern, text, re.DOTALL):
            text = whole[1].strip()
    return text


def _braced(group: str) -> list[str]:
    return ["{{" + name + "}}" for name in group.split("|")]
