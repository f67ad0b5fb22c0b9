"""`Selector`: which of several prompts is best, for as few evaluations as possible.

A selector knows arms and cases by number only, so the same code races prompts in a search and ten thousand simulated
prompts in a benchmark.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]


class Pulls(NamedTuple):
    """Evaluations wanted next: arm `arms[i]` on case `cases[i]`. All of them may run at once."""

    arms: IntArray
    cases: IntArray


@dataclass(frozen=True)
class Selection:
    """What a selector found: arms `kept`, best first. `tie`: the best could not be told from the second.

    `estimates`: one per arm, the value it was judged by (NaN: never pulled). `pulls`: evaluations asked for.
    `eliminated`: arm -> why and after how many cases.
    """

    kept: tuple[int, ...]
    tie: bool
    estimates: FloatArray
    pulls: int
    eliminated: Mapping[int, str] = field(default_factory=dict)


Selecting: TypeAlias = Generator[Pulls, FloatArray, Selection]
"""Yields pulls and is sent their values, float64 like `arms` (NaN: the case is missing for this arm)."""


class Selector(Protocol):
    """Made from a Pydantic config. `select` finds the best `keep` of `arms` over `cases`; values are higher-is-better,
    in [0, 1] unless the config says otherwise. Chance comes from `rng` only."""

    name: str

    def select(self, arms: int, cases: int, keep: int, rng: np.random.Generator) -> Selecting: ...
