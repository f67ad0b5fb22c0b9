"""The schemas of what a user's model may answer: enumerated ids, enumerated actions, rating levels of the data's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

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


def page_schema(
    items: Sequence[str],
    actions: Sequence[str],
    scale: RatingScale | None,
    *,
    with_decision: bool,
) -> type[BaseModel]:
    """The answer to one page: an object with exactly one choice per item id, in the order shown.

    Ids are the object's keys, so an answer can neither leave one out, nor repeat, nor invent one. With `with_decision`
    (call plan "fused") it also carries the feeling and the decision. `scale` is the data's rating scale; None asks for no rating.
    """
    choice = _choice(tuple(actions), scale)
    choices = create_model(
        "Choices",
        __config__=ConfigDict(extra="forbid", validate_by_name=False, validate_by_alias=True),
        **{f"item_{i}": (choice, Field(..., alias=item)) for i, item in enumerate(items)},  # type: ignore[call-overload]
    )
    fields: dict[str, Any] = {"choices": (choices, ...)}
    if with_decision:
        fields |= {
            "feeling": (str, ...),
            "satisfaction": (Ten, ...),
            "decision": (Literal["next", "exit"], ...),
            "reason": (str, ...),
        }
    return create_model("Page", __config__=ConfigDict(extra="forbid"), **fields)


def choices_of(answer: BaseModel) -> dict[str, Any]:
    """Item id -> its choice, as plain values."""
    return answer.model_dump(by_alias=True)["choices"]
