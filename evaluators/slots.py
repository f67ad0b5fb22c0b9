"""How much the place on the page decides, whatever stands there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .estimate import Estimate, proportion


def watch_by_slot(slots: ArrayLike, watched: ArrayLike) -> dict[int, Estimate]:
    """Watch rate of each slot, with its Wilson interval. `slots`: int (n,); `watched`: bool (n,), one per exposure."""
    slot = np.asarray(slots, dtype=int).ravel()
    seen = np.asarray(watched, dtype=bool).ravel()
    if slot.shape != seen.shape:
        raise ValueError(f"{len(slot)} slots for {len(seen)} exposures")
    return {int(s): proportion(int(seen[slot == s].sum()), int((slot == s).sum())) for s in np.unique(slot)}


def slot_bias_ratio(rates: Mapping[int, Estimate | float]) -> float:
    """Largest over smallest watch rate of the slots: 1 is no bias.

    Infinite where a slot was never watched and another one was; NaN where nothing was watched, or fewer than two slots.
    """
    values = [rate.mean if isinstance(rate, Estimate) else float(rate) for rate in rates.values()]
    if len(values) < 2 or max(values) <= 0:
        return float("nan")
    return max(values) / min(values) if min(values) > 0 else float("inf")
