"""Counts of what was wrong with a recommender's answers: dropped and counted, never hidden."""

from __future__ import annotations

from collections import Counter

MEANING = {
    "cold_user": "rankings by popularity, because the recommender knows nothing about the user",
    "unknown_item": "items that are not in the catalogue, dropped",
    "duplicate": "items listed twice, the later one dropped",
    "excluded": "items that were to be left out, dropped",
    "bad_score": "items whose score is no finite number, dropped",
    "too_few": "rankings shorter than asked for, although items were left",
    "empty": "empty rankings, although items were left",
    "retry": "requests sent again after a failure",
}


class Problems(Counter[str]):
    """kind -> how often (see `MEANING`); `first` holds one example of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, str] = {}

    def note(self, kind: str, example: str, times: int = 1) -> None:
        self[kind] += times
        self.first.setdefault(kind, example)

    def lines(self) -> list[str]:
        """One readable line per kind, most frequent first."""
        return [
            f"{n} x {kind}: {MEANING.get(kind, kind)} (first: {self.first.get(kind, '-')})"
            for kind, n in self.most_common()
        ]
