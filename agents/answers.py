"""The schemas of what a user's model may answer: enumerated ids, enumerated actions, rating levels of the data's own scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..llm.schemas import UnfitAnswer, closed_schema

if TYPE_CHECKING:
    from ..data import RatingScale

Ten = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

MAX_LEVELS = 21
"""Up to this many rating levels are enumerated in the schema; a finer scale is asked for as a bounded number."""


class Feeling(BaseModel):
    """A reflection: one sentence of feeling about the pages so far (emotional memory)."""

    model_config = ConfigDict(extra="forbid")
    feeling: str


class GoOn(BaseModel):
    """Next page or exit (Agent4Rec section 3.3, the decision after a page)."""

    model_config = ConfigDict(extra="forbid")
    satisfaction: Ten
    decision: Literal["next", "exit"]
    reason: str


class Interview(BaseModel):
    """The exit interview: satisfaction from 1 to 10 with its reason."""

    model_config = ConfigDict(extra="forbid")
    satisfaction: Ten
    reason: str


@lru_cache(maxsize=64)
def _choice(actions: tuple[str, ...], scale: RatingScale | None) -> type[BaseModel]:
    fields: dict[str, Any] = {"fits": (bool, ...), "action": (Literal[actions], ...)}
    if scale is not None:
        levels = scale.levels
        if len(levels) <= MAX_LEVELS and all(level.is_integer() for level in levels):
            rating: Any = Literal[tuple(int(level) for level in levels)]
            fields["rating"] = (rating | None, ...)
        else:
            fields["rating"] = (float | None, Field(..., ge=scale.low, le=scale.high))
    fields["why"] = (str, ...)
    return create_model("Choice", __config__=ConfigDict(extra="forbid"), **fields)


class Page(BaseModel):
    """The answer to one page: a choice per item key. Made by `_page`, which puts the choice's own type in."""

    model_config = ConfigDict(extra="forbid")
    choices: dict[str, Any]


class DecidedPage(Page):
    """The answer to one page that also decides (call plan "fused")."""

    feeling: str
    satisfaction: Ten
    decision: Literal["next", "exit"]
    reason: str


@lru_cache(maxsize=64)
def _page(actions: tuple[str, ...], scale: RatingScale | None, with_decision: bool) -> tuple[type[Page], dict[str, Any]]:
    """The class that reads answers with these actions and this scale, and its closed schema: made once, not once a page."""
    base = DecidedPage if with_decision else Page
    page = create_model(base.__name__, __base__=base, choices=(dict[str, _choice(actions, scale)], ...))
    return page, dict(closed_schema(page))


@dataclass(frozen=True)
class PageForm:
    """What the answer to one page must look like: an object with exactly one choice per item, in the order shown.

    Ids are the object's keys, so an answer can neither leave one out, nor repeat, nor invent one. With `with_decision`
    (call plan "fused") it also carries the feeling and the decision. `scale` is the data's rating scale; None asks for no
    rating. Reads into a `Page` or `DecidedPage`.
    """

    items: tuple[str, ...]
    actions: tuple[str, ...]
    scale: RatingScale | None
    with_decision: bool

    def json_schema(self) -> dict[str, Any]:
        """The schema of the fixed parts with this page's items as the keys of `choices`."""
        _, fixed = _page(self.actions, self.scale, self.with_decision)
        choice = fixed["properties"]["choices"]["additionalProperties"]
        choices = {
            "type": "object",
            "properties": dict.fromkeys(self.items, choice),
            "additionalProperties": False,
            "required": list(self.items),
        }
        return {**fixed, "properties": {**fixed["properties"], "choices": choices}}

    def read(self, text: str) -> Page:
        """Raises `ValidationError` for what no page may say, `UnfitAnswer` for items left out or invented."""
        page = _page(self.actions, self.scale, self.with_decision)[0].model_validate_json(text)
        missing = [item for item in self.items if item not in page.choices]
        invented = [item for item in page.choices if item not in self.items]
        faults = [f"{words} {', '.join(which[:5])}" for words, which in (("no choice for", missing), ("no such id:", invented)) if which]
        if faults:
            raise UnfitAnswer(f"choices: {'; '.join(faults)}")
        return page
