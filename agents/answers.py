"""The schemas of what a user's model may answer: enumerated ids, enumerated actions, rating levels of the data's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from ..llm.fence import one_line
from ..llm.schemas import UnfitAnswer, closed_schema

if TYPE_CHECKING:
    from ..data import RatingScale

Ten = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

MAX_LEVELS = 21
"""Up to this many rating levels are enumerated in the schema; on a finer scale the nearest level to a bounded number counts."""

LONGEST_ID = 80
"""Characters of an id that a model is trusted to write back."""


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


NoRating = Annotated[None, BeforeValidator(lambda given: None)]
"""Null in the schema; whatever is given all the same is dropped: a rating of something passed over costs no answer."""


def _choice(actions: tuple[str, ...], rating_actions: tuple[str, ...], scale: RatingScale | None) -> Any:
    """The type of one choice. With a scale it is a union, so that an action that wants a rating cannot come without one;
    a plain one (`anyOf`), as strict endpoints take no other."""
    if scale is None:
        return _closed("Choice", actions)
    others = tuple(action for action in actions if action not in rating_actions)
    kinds = (("Unrated", others, NoRating), ("Rated", rating_actions, _rating(scale)))
    return Union[tuple(_closed(name, names, rating) for name, names, rating in kinds if names)]  # noqa: UP007


def _closed(name: str, actions: tuple[str, ...], rating: Any = None) -> type[BaseModel]:
    # An enum also where there is one action: not every endpoint takes a const.
    action = Annotated[Literal[actions], WithJsonSchema({"enum": list(actions), "type": "string"})]
    fields: dict[str, Any] = {"fits": (bool, ...), "action": (action, ...)}
    if rating is not None:
        fields["rating"] = (rating, ...)
    fields["why"] = (str, ...)
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _rating(scale: RatingScale) -> Any:
    """The type of one rating: a level of `scale`."""
    levels = scale.levels
    if len(levels) > MAX_LEVELS:

        def nearest(value: float) -> float:
            steps = min(round((value - scale.low) / scale.step), int((scale.high - scale.low) / scale.step + 1e-6))
            return round(scale.low + steps * scale.step, 6)

        return Annotated[float, Field(strict=True, ge=scale.low, le=scale.high), AfterValidator(nearest)]

    def known(value: float) -> float:
        if value not in levels:
            raise ValueError(f"not one of {', '.join(f'{level:g}' for level in levels)}")
        return value

    listed = [int(level) if level.is_integer() else level for level in levels]
    return Annotated[float, Field(strict=True), AfterValidator(known), WithJsonSchema({"enum": listed})]


def answer_keys(items: Sequence[str]) -> dict[str, str]:
    """Key -> item id, in the order given: what an item is called in a prompt and in the answer to it.

    That is its id, except where the id is long or no plain line (marks, invisible characters, double blanks): a model
    may not write that back, and could be fooled by it. Such an item is called by its place.
    """
    keys: dict[str, str] = {}
    for place, item in enumerate(items, 1):
        key = item
        if one_line(item, LONGEST_ID) != item:
            key = f"item {place}"
            while key in items:
                key += "+"
        keys[key] = item
    return keys


class Page(BaseModel):
    """The answer to one page: a choice per item key. `_page` puts the choice's own type in."""

    model_config = ConfigDict(extra="forbid")
    choices: dict[str, Any]


class DecidedPage(Page):
    """The answer to one page that also decides (call plan "fused")."""

    feeling: str
    satisfaction: Ten
    decision: Literal["next", "exit"]
    reason: str


@lru_cache(maxsize=64)
def _page(
    actions: tuple[str, ...], rating_actions: tuple[str, ...], scale: RatingScale | None, with_decision: bool
) -> tuple[type[Page], dict[str, Any]]:
    """The class that reads answers with these actions and this scale, and its closed schema: made once, not once a page."""
    base = DecidedPage if with_decision else Page
    choice = _choice(actions, rating_actions, scale)
    page = create_model(base.__name__, __base__=base, choices=(dict[str, choice], ...))  # type: ignore[valid-type]
    return page, dict(closed_schema(page))


@dataclass(frozen=True)
class PageForm:
    """What the answer to one page must look like: an object with exactly one choice per item, in the order shown.

    The items' keys (see `answer_keys`) are the object's keys, so an answer can neither leave an item out, nor repeat, nor
    invent one. With `with_decision` (call plan "fused") it also carries the feeling and the decision. `rating_actions` are
    those of `actions` that need a rating; `scale` is the data's rating scale, None asks for no rating at all. Reads into a `Page` or `DecidedPage`.
    """

    keys: tuple[str, ...]
    actions: tuple[str, ...]
    rating_actions: tuple[str, ...]
    scale: RatingScale | None
    with_decision: bool

    def _fixed(self) -> tuple[type[Page], dict[str, Any]]:
        return _page(self.actions, self.rating_actions, self.scale, self.with_decision)

    def json_schema(self) -> dict[str, Any]:
        """The schema of the fixed parts with this page's keys under `choices`."""
        fixed = self._fixed()[1]
        choices = {
            "type": "object",
            "properties": dict.fromkeys(self.keys, fixed["properties"]["choices"]["additionalProperties"]),
            "additionalProperties": False,
            "required": list(self.keys),
        }
        return {**fixed, "properties": {**fixed["properties"], "choices": choices}}

    def read(self, text: str) -> Page:
        """Raises `ValidationError` for what no page may say, `UnfitAnswer` for items left out or invented."""
        page = self._fixed()[0].model_validate_json(text)
        if page.choices.keys() != set(self.keys):
            missing = [key for key in self.keys if key not in page.choices]
            invented = [key for key in page.choices if key not in self.keys]
            parts = (("none for", missing), ("no such item:", invented))
            raise UnfitAnswer("choices: " + "; ".join(f"{why} {', '.join(which[:5])}" for why, which in parts if which))
        return page
