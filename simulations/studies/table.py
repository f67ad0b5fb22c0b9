"""The studies there are."""

from __future__ import annotations

import difflib
from importlib import import_module

from .study import Study, StudyError

STUDIES: dict[str, str] = {
    "ab": ".ab:AB",
    "validity": ".validity:Validity",
    "align": ".align:Align",
    "ratings": ".ratings:Ratings",
    "traits": ".traits:Traits",
    "position": ".position:Position",
    "plans": ".plans:Plans",
    "bubble": ".bubble:Bubble",
    "causal": ".causal:Causal",
    "augment": ".augment:Augment",
}
"""Name -> where its class lives. A new study is one more line."""


def open_study(name: str) -> Study:
    """The study of this name. Raises `StudyError`, naming those there are."""
    if name not in STUDIES:
        near = difflib.get_close_matches(name, STUDIES, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise StudyError(f"no study {name!r}{hint}\n  there are {', '.join(STUDIES)}")
    module, _, kind = STUDIES[name].partition(":")
    found: Study = getattr(import_module(module, __package__), kind)()
    return found
