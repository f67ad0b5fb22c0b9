"""PromptGuard: labels for measuring an LLM come only from pairs whose truth no LLM has been shown.

A label is made from held-out rows. The guard knows every (user, item) pair whose ground truth has gone into a prompt,
a persona or a calibration, and every pair it has given a label for. It refuses both ways: no label for what was shown,
and no showing of what has been labelled. What it cannot know is what a model learnt before: a title may be famous.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from dataclasses import InitVar, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import DataError, LeakError

_SEAL = object()


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One measured pair: `label` is 1 where the user did meet the item in the held-out rows, with `value` its rating
    (None for label 0). Made by `PromptGuard.labelled` only: building one by hand raises `LeakError`."""

    user: str
    item: str
    label: int
    value: float | None
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise LeakError(
                f"a labelled row for user {self.user!r}, item {self.item!r} was made by hand",
                "ask PromptGuard(train, held_out).labelled(user, items): it knows what an LLM has been shown",
            )


class Audit(NamedTuple):
    """What passed a guard: distinct pairs shown, shown pairs that were held out (lost to measurement), pairs labelled
    (and how many of them 1), and refusals."""

    shown: int
    shown_held_out: int
    labelled: int
    positives: int
    refused: int


class PromptGuard:
    """The one maker of labelled rows over a train / held-out pair of datasets.

    Training rows may be shown freely and are never labelled. Raises `LeakError` where the two parts share a pair, and
    `DataError` where they are not parts of one split (different users or items).
    """

    def __init__(self, train: Dataset, held_out: Dataset) -> None:
        if train.users != held_out.users or train.items != held_out.items:
            raise DataError(
                "train and held-out rows have different users or items", "take both from one data.split(...)"
            )
        self._users, self._items = train.users, train.items
        self._train = np.sort(self._pairs(train))
        pairs = self._pairs(held_out)
        order = np.argsort(pairs)
        self._held_out, self._values = pairs[order], held_out.log.value[order]
        if shared := np.intersect1d(self._train, self._held_out).tolist():
            raise LeakError(
                f"{self._name(shared[0])} is in both train and held-out rows", "take both from one data.split(...)"
            )
        self._shown: set[int] = set()
        self._labelled: set[int] = set()
        self._refused = 0

    def _pairs(self, data: Dataset) -> NDArray[np.int64]:
        return data.log.user.astype(np.int64) * len(self._items) + data.log.item

    def _keys(self, user: str, items: Iterable[str]) -> list[int]:
        row = self._users.index(user) * len(self._items)
        return [row + position for position in self._items.indices(items).tolist()]

    def _name(self, key: int) -> str:
        user, item = divmod(key, len(self._items))
        return f"user {self._users[user]!r}, item {self._items[item]!r}"

    def _refuse(self, keys: list[int], where: Container[int], why: str, hint: str) -> None:
        if leaks := [key for key in keys if key in where]:
            self._refused += len(leaks)
            more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
            raise LeakError(f"{self._name(leaks[0])}{more}: {why}", hint)

    def show(self, user: str, items: Iterable[str]) -> None:
        """Record that an LLM is being told what `user` truly did with `items`. Call it before the prompt is built.

        Raises `LeakError` for a pair that has been labelled already (nothing is recorded then).
        """
        keys = self._keys(user, items)
        self._refuse(keys, self._labelled, "it has been labelled, so no LLM may be shown it", "show only training rows")
        self._shown.update(keys)

    def labelled(self, user: str, items: Iterable[str]) -> list[LabelledRow]:
        """Labelled rows for `items`, in order: label 1 where held out, else 0.

        Raises `LeakError` naming the pair if an LLM has been shown one of them, or if it is a training row (known to be
        met, so neither a fair positive nor a negative); no row is given then.
        """
        names = list(items)
        keys = self._keys(user, names)
        self._refuse(keys, self._shown, "an LLM has been shown its ground truth", "label pairs that were never shown")
        trained = {key for key, known in zip(keys, _among(keys, self._train), strict=True) if known}
        self._refuse(keys, trained, "it is a training row", "label held-out rows and items the user never met")
        self._labelled.update(keys)
        return [self._row(user, name, key) for name, key in zip(names, keys, strict=True)]

    def _row(self, user: str, item: str, key: int) -> LabelledRow:
        place = int(np.searchsorted(self._held_out, key))
        if place < len(self._held_out) and self._held_out[place] == key:
            return LabelledRow(user, item, 1, float(self._values[place]), _SEAL)
        return LabelledRow(user, item, 0, None, _SEAL)

    def may_label(self, user: str, item: str) -> bool:
        """Whether `labelled` would give a row for this pair now."""
        (key,) = self._keys(user, [item])
        return key not in self._shown and not _among([key], self._train)[0]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Pairs recorded by `show`, sorted: write them to a run's state, and `show` them again when it resumes."""
        width = len(self._items)
        return [(self._users[key // width], self._items[key % width]) for key in sorted(self._shown)]

    def audit(self) -> Audit:
        """Counts of what was shown, labelled and refused."""
        lost = sum(_among(self._shown, self._held_out))
        positives = sum(_among(self._labelled, self._held_out))
        return Audit(len(self._shown), lost, len(self._labelled), positives, self._refused)


def _among(keys: Collection[int], ordered: NDArray[np.int64]) -> list[bool]:
    """Whether each key is among `ordered`, which is sorted: by bisection, since a few are asked about at a time."""
    asked = np.fromiter(keys, dtype=np.int64, count=len(keys))
    if not len(ordered):
        return [False] * len(asked)
    place = np.minimum(np.searchsorted(ordered, asked), len(ordered) - 1)
    return (ordered[place] == asked).tolist()
