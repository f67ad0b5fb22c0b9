"""A fork with its edits, going on from it, and the tree that forks make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runs import Manifest, Run, RunError, fork_run, forks_of
from ...runs.folders import folder_size, run_info
from ...runs.overlay import FORKS
from ...runs.progress import Progress
from .answering import put_answers
from .checking import plan
from .edits import Edit, parse, read
from .errors import DebugError
from .in_force import Edits
from .reading import check_rehearsal
from .session import Session
from .views import Fork, Stop


def fork(
    run: Run, page: int, edits: Sequence[Edit | str] = (), *, agents: Sequence[str] | None = None, name: str = ""
) -> Path:
    """A run below this one that leaves it before `page` (see `Debugger.fork`). Raises `DebugError`."""
    check_rehearsal(run)
    said = [parse(edit) if isinstance(edit, str) else edit for edit in edits]
    last, first = run.barrier, 0 if run.fork is None else run.fork.barrier
    if last < 0:
        raise DebugError(f"{run.path} stopped before anybody was in it\n  go on with it: recloop resume {run.path}")
    if not 0 <= page <= last:
        raise DebugError(
            f"{run.path} cannot be forked at page {page}\n  it has lived {last} pages: give 0 to {last}, the page before which "
            "the fork leaves it"
        )
    if run.fork is not None and page < first:
        raise DebugError(
            f"{run.path} is itself a fork, and begins at page {first}: what lies before is its parent's\n"
            f"  fork that: {run.fork.parent}"
        )
    made = plan(run, page, said, agents)
    try:
        path = fork_run(
            run.path,
            page,
            name=name,
            agents=made.agents,
            events=made.events,
            config=made.config,
            notes=made.notes,
        )
    except RunError as error:
        raise DebugError(str(error)) from error
    with Run.open(path) as there:
        answered = bool(Edits.of(there, own=True).answers)
    if answered:
        with Run.open(path, write=True) as there:
            put_answers(there)
    Session.of(path).inherit(Session.of(run.path))
    return path


async def go_on(
    path: Path,
    *,
    pages: int | None = None,
    stop: bool = True,
    budget: str | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
) -> Stop:
    """Live on from the last committed page (see `Debugger.go_on`). Raises what `resume` raises."""
    from ..rehearsal import resume
    from .breakpoints import BreakpointWatch

    if pages is not None and pages < 1:
        raise DebugError(f"{pages} pages further is nowhere\n  give 1 or more, or none to go to the end")
    with Run.open(path) as run:
        check_rehearsal(run)
    watch = BreakpointWatch(Session.of(path).breakpoints if stop else (), pages=pages)
    try:
        await resume(path, budget=budget, progress=progress, api_key=api_key, watch=watch)
    finally:
        watch.close()
    with Run.open(path) as run:
        return Stop(path, run.status, run.manifest.reason, run.barrier, watch.hit)


def tree(path: Path) -> Fork:
    """The root of a run's forks, with all of them below. Forks that cannot be read are in it too, with their status."""
    root = path.resolve()
    while root.parent.name == FORKS and _is_fork(root):
        root = root.parent.parent
    return _branch(root)


def _is_fork(path: Path) -> bool:
    try:
        return Manifest.read(path).fork is not None
    except (RunError, OSError):
        return False


def _branch(path: Path) -> Fork:
    info, below = run_info(path), tuple(_branch(each) for each in forks_of(path))
    manifest = info.manifest
    point = None if manifest is None else manifest.fork
    page, edits = 0, tuple[str, ...]()
    try:
        with Run.open(path) as run:
            page = max(0, run.barrier)
            events = run.events(kind="edit", since=run.log.first - 1) if run.fork else ()
            edits = tuple(str(read(event.data, event.agent)) for event in events)
    except (RunError, DebugError):
        pass  # its status says so
    return Fork(
        path=path,
        name=manifest.name if manifest else path.name,
        status=info.status,
        barrier=None if point is None else point.barrier,
        page=page,
        touched=() if point is None else tuple(point.agents),
        edits=edits,
        size=folder_size(path),
        forks=below,
    )
