"""What was shown once, shown again: a replay needs no recommender, and the user's own may be gone or have learnt since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ..agents.actions import Slate
from ..runs import Run
from .config import SimulateError


class RecordedPolicy:
    """Gives out the slates of a recorded run, page by page (see `Policy` for what each method promises)."""

    def __init__(self, run: Run) -> None:
        reference = next(run.events(kind="reference"), None)
        if reference is None:
            raise SimulateError(
                f"{run.path} does not hold what its results are held against (no event `reference`): it cannot be replayed\n"
                "  restore its log, or rehearse again with `recloop simulate`"
            )
        self.policy_id = str(reference.data["policy"])
        self.problems: list[str] = []
        self._pages = _pages(run)
        self._page: tuple[int, dict[str, dict[str, Any]]] = (-1, {})

    async def open(self) -> None:
        """Nothing is ranked."""

    async def page(self, page: int, users: Sequence[str]) -> dict[str, Slate]:
        """What each of these users was shown on this page. Pages are asked for in rising order."""
        while self._page[0] < page:
            self._page = next(self._pages, (page, {}))
        records = self._page[1] if self._page[0] == page else {}
        shown = {user: records[user]["exposures"] for user in users if user in records}
        return {user: Slate.from_json({"agent": user, "page": page, "exposures": e}) for user, e in shown.items()}

    def more(self, slate: Slate) -> bool:
        """Whether the user was not interviewed after this slate: where there was nothing more to show, they were."""
        return "interview" not in self._page[1][slate.agent]

    def shown(self, slate: Slate, chosen: Iterable[tuple[str, float | None]]) -> None:
        """Nothing learns from it."""


def _pages(run: Run) -> Iterator[tuple[int, dict[str, dict[str, Any]]]]:
    # By page, since a fork's own events come after all that it has of its parent.
    events = (
        run.events(kind="page") if run.fork is None else sorted(run.events(kind="page"), key=lambda each: each.page)
    )
    for page, found in groupby(events, key=lambda event: event.page):
        yield page, {event.agent: dict(event.data) for event in found}
