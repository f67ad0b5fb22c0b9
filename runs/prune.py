"""Makes runs smaller: drops what can be rebuilt, and the states and checkpoints of old barriers."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .checkpoints import refs_of
from .errors import NotARun, RunError
from .folders import folder_size, forks_of, is_run, list_runs
from .lock import RunLock
from .log import LOG, LogFile
from .manifest import Manifest
from .overlay import FORKS
from .run import Run
from .tables import tables_folder


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did (or, as a dry run, would do) to one run. Sizes in bytes, of the whole folder."""

    path: Path
    before: int
    after: int
    dropped: dict[str, int] = field(default_factory=dict)
    """What -> how many: table files, states, checkpoints."""
    skipped: str = ""
    """Why the run was left alone, where it was."""

    @property
    def freed(self) -> int:
        """Bytes given back."""
        return self.before - self.after


def prune(
    target: Run | str | Path, *, tables: bool = True, states: bool = True, keep_barriers: int = 1, delete: bool = False
) -> list[Pruned]:
    """Prune a run, or every run right below a folder; says what each gave back.

    Goes: Parquet tables (they can be rebuilt), and states and checkpoints that the last `keep_barriers` barriers do not
    need (then no fork from before them). Stays: the manifest, every call, every event, what resuming needs, and from the
    barrier of the earliest fork on all that forks stand on; so no digest changes. A run given by its path is pruned after
    its forks. `delete=True` removes a whole run without forks, given by its own path. A run in use, or damaged, is left
    alone: raises `RunInUse` and the like where it was named itself, is reported as `skipped` below a folder.
    """
    if keep_barriers < 1:
        raise ValueError("keep_barriers is at least 1: the last barrier is what a run is resumed from")
    if isinstance(target, Run):
        return [_prune_open(target, tables, states, keep_barriers)]
    path = Path(target)
    if is_run(path):
        return [_delete(path)] if delete else _prune_tree(path, tables, states, keep_barriers)
    if delete or not path.is_dir():
        what = "the folder of the one run to delete" if delete else "a run's folder, or a folder of runs"
        raise NotARun(f"{path} is no run", f"give {what}; `recloop runs list` shows them")
    results: list[Pruned] = []
    for info in list_runs(path):
        if info.problem:
            results.append(Pruned(info.path, info.size, info.size, skipped=info.problem))
            continue
        try:
            results += _prune_tree(info.path, tables, states, keep_barriers)
        except RunError as error:
            results.append(Pruned(info.path, info.size, info.size, skipped=error.what))
    return results


def _prune_tree(path: Path, tables: bool, states: bool, keep: int) -> list[Pruned]:
    """A run's forks, then the run: what they no longer need is then free to go."""
    results: list[Pruned] = []
    for fork in forks_of(path):
        try:
            results += _prune_tree(fork, tables, states, keep)
        except RunError as error:
            size = folder_size(fork)
            results.append(Pruned(fork, size, size, skipped=error.what))
    return [*results, _prune_path(path, tables, states, keep)]


def _prune_path(path: Path, tables: bool, states: bool, keep: int) -> Pruned:
    before = folder_size(path)
    run = Run.open(path, write=True)
    try:
        dropped = _drop(run, tables, states, keep)
    finally:
        run.close()
    return Pruned(path, before, folder_size(path), dropped)


def _prune_open(run: Run, tables: bool, states: bool, keep: int) -> Pruned:
    before = folder_size(run.path)
    dropped = _drop(run, tables, states, keep)
    return Pruned(run.path, before, folder_size(run.path), dropped)


def _delete(path: Path) -> Pruned:
    if path.is_symlink():
        raise RunError(
            f"{path} is a symbolic link to a run", f"give the run's own folder ({path.resolve()}), or remove the link"
        )
    if forks := forks_of(path):
        raise RunError(
            f"{path} has forks that stand on it: {', '.join(each.name for each in forks)}",
            f"delete them first: they lie in {path / FORKS}",
        )
    before = folder_size(path)
    Manifest.read(path)
    lock = RunLock(path)
    try:
        # The log first: should this be cut short, no half run is left that looks like a whole one.
        (path / LOG).unlink(missing_ok=True)
        shutil.rmtree(path)
    finally:
        lock.release()
    return Pruned(path, before, 0, {"runs": 1})


def _drop(run: Run, tables: bool, states: bool, keep: int) -> dict[str, int]:
    dropped: dict[str, int] = {}
    if tables:
        folder = tables_folder(run)
        files = [path for path in folder.glob("*") if path.suffix in (".parquet", ".tmp")]
        for path in files:
            path.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        dropped["table files"] = len(files)
    if states:
        dropped |= _drop_old(run, keep)
    run.log.compact()
    return dropped


def _drop_old(run: Run, keep: int) -> dict[str, int]:
    """Delete the states and checkpoints that no barrier from the `keep`-th last on needs."""
    row = run.log.row("SELECT barrier FROM barriers ORDER BY barrier DESC LIMIT 1 OFFSET ?", (keep - 1,))
    if row is None:
        return {"states": 0, "checkpoints": 0}
    with ExitStack() as held:
        below = _below(run.path)
        for fork in below:  # one that is being written may be about to refer to a value here
            held.callback(RunLock(fork.path).release)
        cut = min([row[0], *(fork.barrier for fork in below)])
        with run.log.transaction() as db:
            return _drop_before(run.log, db, cut, set[int]().union(*(fork.values for fork in below)))


class _Below(NamedTuple):
    """A fork at any depth: where it is, where it leaves its parent, which channel values it refers to."""

    path: Path
    barrier: int
    values: set[int]


def _below(path: Path) -> list[_Below]:
    found: list[_Below] = []
    for fork in forks_of(path):
        try:
            with Run.open(fork) as run:
                assert run.fork is not None
                found.append(_Below(fork, run.fork.barrier, _values(run.log)))
        except RunError as error:
            raise type(error)(
                f"what the fork {fork} stands on cannot be told: {error.what}", f"mend or delete it. {error.next_step}"
            ) from None
        found += _below(fork)
    return found


def _values(log: LogFile) -> set[int]:
    """The channel values that the checkpoints of a run's own log refer to."""
    return {
        ref
        for (channels,) in log.rows("SELECT channels FROM main.checkpoints")
        for ref in refs_of(log, channels).values()
    }


def _drop_before(log: LogFile, db: sqlite3.Connection, cut: int, needed: set[int]) -> dict[str, int]:
    """Delete from the run's own log what no barrier from `cut` on needs, and values that are neither used nor `needed`."""
    states = db.execute(
        "DELETE FROM main.states WHERE barrier < (SELECT max(s.barrier) FROM main.states AS s "
        "WHERE s.name = states.name AND s.barrier <= ?)",
        (cut,),
    ).rowcount
    checkpoints = db.execute(
        "DELETE FROM main.checkpoints WHERE barrier < (SELECT max(c.barrier) FROM main.checkpoints AS c "
        "WHERE c.thread = checkpoints.thread AND c.ns = checkpoints.ns AND c.barrier <= ?) "
        # A chained thread is rebuilt from all of its checkpoints.
        "AND NOT EXISTS (SELECT 1 FROM main.checkpoints AS c WHERE c.thread = checkpoints.thread AND c.chained)",
        (cut,),
    ).rowcount
    db.execute(
        "DELETE FROM main.writes WHERE NOT EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.thread = writes.thread "
        "AND c.ns = writes.ns AND c.id = writes.checkpoint)"
    )
    db.execute(
        "UPDATE main.checkpoints SET parent = NULL WHERE parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM checkpoints AS c "
        "WHERE c.thread = checkpoints.thread AND c.ns = checkpoints.ns AND c.id = checkpoints.parent)"
    )
    used = needed | _values(log)
    unused = [(ref,) for (ref,) in db.execute("SELECT id FROM main.blobs") if ref not in used]
    db.executemany("DELETE FROM main.blobs WHERE id = ?", unused)
    db.execute("INSERT OR REPLACE INTO main.meta VALUES ('pruned_below', ?)", (str(cut),))
    return {"states": states, "checkpoints": checkpoints}
