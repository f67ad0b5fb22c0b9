"""What selectors share that show the same cases to all arms they still consider, in rounds."""

from __future__ import annotations

import numpy as np

from .contract import FloatArray, IntArray, Pulls, Selection
from .pairs import Pairs


class Shared:
    """Arms still considered (`inside`), over one order of the cases, of which `done` have been shown."""

    def __init__(self, arms: int, keep: int, max_missing: float) -> None:
        self.keep, self.max_missing = keep, max_missing
        self.inside = np.ones(arms, dtype=bool)
        self.pairs = Pairs(arms)
        self.eliminated: dict[int, str] = {}
        self.done = 0

    def next(self, order: IntArray, until: int) -> Pulls:
        """The arms inside on the cases of `order` from where they are to `until`."""
        rows, batch = np.flatnonzero(self.inside), order[self.done : until]
        return Pulls(np.repeat(rows, len(batch)), np.tile(batch, len(rows)))

    def take(self, values: FloatArray) -> None:
        """Take in the answer to `next`; arms of which too little is known leave."""
        rows = np.flatnonzero(self.inside)
        if not len(rows) or not values.size:
            return
        values = values.reshape(len(rows), -1)
        self.pairs.add(rows, values)
        self.done += values.shape[1]
        for arm in np.flatnonzero(self.inside & self.pairs.unknown(self.max_missing)):
            asked, known = int(self.pairs.asked[arm]), int(self.pairs.known[arm])
            self.inside[arm] = False
            self.eliminated[int(arm)] = f"too many missing: {asked - known} of {asked} cases"

    def cut(self, size: int) -> None:
        """Leave the best `size` inside."""
        ranked = self.pairs.ranked(self.inside)
        for place, arm in enumerate(ranked[size:], size + 1):
            self.inside[arm] = False
            self.eliminated[int(arm)] = f"place {place} of {len(ranked)} after {self.done} cases"

    def result(self, z: float) -> Selection:
        ranked = self.pairs.ranked(self.inside)
        kept = tuple(int(arm) for arm in ranked[: self.keep])
        estimates = self.pairs.estimates(kept[0]) if kept else np.full(len(self.inside), np.nan)
        # The last to leave was the closest: the winner of a knock-out is held against it, over the cases they share.
        rival = ranked[1] if len(ranked) > 1 else self._last_out(kept)
        tie = rival is not None and self.pairs.tied(kept[0], int(rival), z)
        return Selection(kept, tie, estimates, int(self.pairs.asked.sum()), self.eliminated)

    def _last_out(self, kept: tuple[int, ...]) -> int | None:
        out = [arm for arm, why in self.eliminated.items() if not why.startswith("too many")]
        return max(out, key=lambda arm: self.pairs.n[kept[0], arm]) if out and kept else None
