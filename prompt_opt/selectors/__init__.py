"""Which of several prompts is best, for few evaluations; one selector per file, all behind `contract.Selector`.

    racing.py       paired racing, the default             pairs.py, sequences.py   paired sums; bounds at every look at once
    full.py, halving.py, rejects.py   shared cases         shared.py                what they have in common
    ucb1.py, po4isr.py                cases per arm        alone.py                 what they have in common
    race.py         a selector inside a search

A new selector: a class with `name`, `config_type`, `shared` (whether all arms see the same cases) and `select`, made from its
config alone, and a line in `SELECTORS`.
"""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ValidationError

from ..errors import OptimizeError
from .contract import Pulls, Selecting, Selection, Selector
from .full import Full
from .halving import Halving
from .po4isr import PO4ISRUCB
from .race import Picked, select_candidates
from .racing import Racing
from .rejects import Rejects
from .ucb1 import UCB1

SELECTORS: dict[str, Any] = {kind.name: kind for kind in (Racing, Full, Halving, Rejects, UCB1, PO4ISRUCB)}


def open_selector(name: str, **options: Any) -> Selector:
    """The selector of this name; `options` are fields of its config.

    Raises `OptimizeError` for an unknown name, and for options that its config does not take.
    """
    if name not in SELECTORS:
        near = difflib.get_close_matches(name.lower(), SELECTORS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise OptimizeError(f"no selector {name!r}{hint}\n  known: {', '.join(SELECTORS)}")
    kind = SELECTORS[name]
    known = kind.config_type.model_fields
    if unknown := sorted(options.keys() - known.keys()):
        raise OptimizeError(f"{name} has no option {', '.join(unknown)}\n  its options: {', '.join(known)}")
    try:
        return kind(kind.config_type(**options))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise OptimizeError(f"{name}: {wrong}\n  its options: {', '.join(known)}") from None


__all__ = ["SELECTORS", "Picked", "Pulls", "Selecting", "Selection", "Selector", "open_selector", "select_candidates"]
