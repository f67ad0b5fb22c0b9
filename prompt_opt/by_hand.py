"""What a person has put into a search: candidates edited in a fork, and whether its sealed test is still a fresh one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..runs import Event, Manifest, Run, RunError, forks_of
from ..runs.overlay import FORKS
from . import journal as log
from .candidate import Candidate

OPERATOR = "edited by hand"


def edited(original: Candidate, texts: Mapping[str, str], reason: str) -> Candidate:
    """A person's text in place of a candidate's; components that `texts` leaves out stay."""
    return Candidate({**original.texts, **texts}, OPERATOR, (original.id,), reason, maker="person")


class ByHand:
    """The edits of a fork (and of the forks it stands on), as their events say."""

    def __init__(self, run: Run | None) -> None:
        self.events: list[Event] = []
        """Those of every barrier, in order: a replay commits them where they stood."""
        self._texts: dict[tuple[str, int], Mapping[str, str]] = {}
        self.metric = ""
        """What the search maximised before an edit changed it; empty where none did."""
        if run is None:
            return
        tasks = list(run.events(kind=log.TASK))
        self.metric = tasks[0].data["metric"] if len(tasks) > 1 else ""
        self.events = sorted([*run.events(kind=log.EDIT), *tasks[1:]], key=lambda event: event.seq)
        self.put(self.events)

    def put(self, events: Iterable[Event]) -> None:
        """Let these edits be in force."""
        for event in events:
            if event.kind == log.EDIT and event.agent:
                self._texts[event.agent, event.page] = event.data["texts"]

    def at(self, barrier: int) -> list[Event]:
        """The events that stand at a barrier."""
        return [event for event in self.events if event.barrier == barrier]

    def instead(self, candidate: Candidate, step: int) -> Candidate | None:
        """What goes on in place of a candidate that enters before `step`; None where nobody has edited it."""
        texts = self._texts.get((candidate.id, step))
        return None if texts is None else edited(candidate, texts, "edited in a fork")


def opened_before(run: Run) -> list[str]:
    """Names of the other runs of this one's family (its root, forks of forks) that have opened the sealed test split. They
    share its cases, so that what one of them found there may be known to whoever goes on with another."""
    root = run.path.resolve()
    while root.parent.name == FORKS and _is_fork(root):
        root = root.parent.parent
    return sorted(_opened(root, root, run.path.resolve()))


def _opened(path: Path, root: Path, but: Path) -> Iterator[str]:
    if path != but:
        try:
            with Run.open(path) as run:
                if run.log.row("SELECT 1 FROM events WHERE kind = ?", (log.OPENED,)):
                    yield str(path.relative_to(root)) if path != root else "the run they leave"
        except RunError:
            yield f"{path.relative_to(root)} (cannot be read)"
    for each in forks_of(path):
        yield from _opened(each.resolve(), root, but)


def _is_fork(path: Path) -> bool:
    try:
        return Manifest.read(path).fork is not None
    except (RunError, OSError):
        return False
