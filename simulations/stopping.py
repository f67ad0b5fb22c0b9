"""Why a rehearsal stops before its end: its model is lost, or whoever watches has a reason."""

from __future__ import annotations

from typing import Protocol

from ..llm import Door
from ..runs import Run
from .config import SimulateError
from .population import PageRecord

LOST = ("transport", "timeout")
FEW = 3
"""Fewer users than this without an answer are no proof that the endpoint is lost."""


class EndpointLost(SimulateError):
    """Most of a page's calls never reached the model: the run pauses instead of counting everybody as invalid."""


class Watch(Protocol):
    """Looks on while a run is lived."""

    def __call__(self, run: Run) -> str:
        """Called with the open run after each committed page. A reason to pause there, or "" to go on."""
        ...


class WatchStopped(Exception):
    """Whoever watches the run has a reason to pause it."""


def answered(run: Run, node: str, asked: int) -> None:
    """Raises `EndpointLost` where more than half of the users' calls before the first page were lost."""
    lost = [call for status in LOST for call in run.calls.all(page=-1, status=status) if call.node == node]
    if len(lost) * 2 > asked:
        raise EndpointLost(f"{len(lost)} of {asked} users got no answer from the model ({lost[0].error})")


async def reachable(records: list[tuple[str, PageRecord]], door: Door | None) -> None:
    """Raises `EndpointLost` where most users of a page got no answer. Of the last few users that alone says little: they
    may be ones that the model has no answer for, so the endpoint itself is asked."""
    lost = [f for _, r in records for f in r["failures"] if f["status"] in LOST]
    users = {user for user, r in records if any(f["status"] in LOST for f in r["failures"])}
    if len(users) * 2 <= len(records) or (len(users) < FEW and door is not None and await door.answers()):
        return
    raise EndpointLost(f"{len(users)} of {len(records)} users got no answer from the model ({lost[0]['error']})")
