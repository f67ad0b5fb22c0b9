"""What the page offers while somebody writes a condition or an edit: the engine's own tables."""

from __future__ import annotations

from typing import Any, get_args

from ..simulations.debugging import edits
from ..simulations.debugging.fields import FIELDS as _FIELDS

_OF = {each.model_fields["what"].default: each for each in get_args(edits.Edit)}

FIELDS: list[dict[str, Any]] = [
    {"name": each.name, "kind": each.kind, "about": each.doc, "words": each.words} for each in _FIELDS
]
"""What a condition may ask; `words`: all that a text can be, where that is known."""
EDITS: list[dict[str, Any]] = [
    {"verb": verb, "form": form, "about": (_OF[verb].__doc__ or "").strip()} for verb, form in edits.FORMS.items()
]
"""How edits are written. `AGENT: ` before one makes it one agent's."""
