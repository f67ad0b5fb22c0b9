"""What can go wrong before or between the steps of a search."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class OptimizeError(Exception):
    """A search that cannot start or go on; the message says what to do next."""


class SearchChanged(OptimizeError):
    """A resumed search asks for something else than its log says it did: its code, data or settings have changed."""


class Waiting(OptimizeError):
    """The search stands at a prompt that a person is to approve."""


class EndpointLost(OptimizeError):
    """Most calls of a step never reached the model: the search pauses instead of counting them as the prompt's failures."""


def wrong_options(owner: str, error: ValidationError, known: Iterable[str]) -> OptimizeError:
    """What is wrong with the options of a task, an optimizer or a selector, and which there are."""
    names: Sequence[str] = list(known)
    faults = []
    for each in error.errors():
        name = ".".join(map(str, each["loc"]))
        if each["type"] != "extra_forbidden":
            faults.append(f"{name}: {each['msg'].removeprefix('Value error, ')}")
            continue
        near = difflib.get_close_matches(name, names, n=1)
        faults.append(f"no option {name!r}" + (f" (did you mean {near[0]}?)" if near else ""))
    return OptimizeError(f"{owner}: {'; '.join(faults)}\n  its options: {', '.join(names)}")
