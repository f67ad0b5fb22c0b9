"""The studies there are."""

from __future__ import annotations

import ast
import difflib
from importlib import import_module
from pathlib import Path

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


def questions() -> dict[str, str]:
    """Study -> what it asks, read from the sources: a list of all questions need not load all that answers them."""
    return {name: asked for name in STUDIES if (asked := _question(name))}


def _question(name: str) -> str:
    module, _, kind = STUDIES[name].partition(":")
    source = Path(__file__).parent / f"{module.removeprefix('.')}.py"
    body = ast.parse(source.read_text(encoding="utf-8")).body if source.exists() else []
    for line in (line for each in body if isinstance(each, ast.ClassDef) and each.name == kind for line in each.body):
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and target.id == "question" and value is not None:
            return str(ast.literal_eval(value))
    return ""
