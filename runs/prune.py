"""Makes runs smaller: drops what can be rebuilt, and the states and checkpoints of old barriers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .checkpoints import refs_of
from .errors import NotARun, RunError
from .folders import folder_size, is_run, list_runs
from .lock import RunLock
from .log import LOG, LogFile
from .manifest import Manifest
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
    need (then no fork from before them). Stays: the manifest, every call, every event, and what resuming needs; so the
    digest does not change. `delete=True` removes a whole run, given by its own path. A run in use, or damaged, is left
    alone: raises `RunInUse` and the like where it was named itself, is reported as `skipped` below a folder.
    """
    if keep_barriers < 1:
        raise ValueError("keep_barriers is at least 1: the last barrier is what a run is resumed from")
    if isinstance(target, Run):
        return [_prune_open(target, tables, states, keep_barriers)]
    path = Path(target)
    if is_run(path):
        return [_delete(path) if delete else _prune_path(path, tables, states, keep_barriers)]
    if delete or not path.is_dir():
        what = "the folder of the one run to delete" if delete else "a run's folder, or a folder of runs"
        raise NotARun(f"{path} is no run", f"give {what}; `recloop runs list` shows them")
    results: list[Pruned] = []
    for info in list_runs(path):
        if info.problem:
            results.append(Pruned(info.path, info.size, info.size, skipped=info.problem))
            continue
        try:
            results.append(_prune_path(info.path, tables, states, keep_barriers))
        except RunError as error:
            results.append(Pruned(info.path, info.size, info.size, skipped=error.what))
    return results


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
    with run.log.lock, run.log.translated():
        run.log.db.execute("VACUUM")
        run.log.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return dropped


def _drop_old(run: Run, keep: int) -> dict[str, int]:
    """Delete the states and checkpoints that no barrier from the `keep`-th last on needs."""
    row = run.log.row("SELECT barrier FROM barriers ORDER BY barrier DESC LIMIT 1 OFFSET ?", (keep - 1,))
    if row is None:
        return {"states": 0, "checkpoints": 0}
    cut = row[0]
    with run.log.transaction() as db:
        states = db.execute(
            "DELETE FROM states WHERE barrier < (SELECT max(s.barrier) FROM states AS s "
            "WHERE s.name = states.name AND s.barrier <= ?)",
            (cut,),
        ).rowcount
        checkpoints = db.execute(
            "DELETE FROM checkpoints WHERE barrier < (SELECT max(c.barrier) FROM checkpoints AS c "
            "WHERE c.thread = checkpoints.thread AND c.ns = checkpoints.ns AND c.barrier <= ?) "
            # A chained thread is rebuilt from all of its checkpoints.
            "AND NOT EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.thread = checkpoints.thread AND c.chained)",
            (cut,),
        ).rowcount
        db.execute(
            "DELETE FROM writes WHERE NOT EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.thread = writes.thread "
            "AND c.ns = writes.ns AND c.id = writes.checkpoint)"
        )
        db.execute(
            "UPDATE checkpoints SET parent = NULL WHERE parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM checkpoints AS c "
            "WHERE c.thread = checkpoints.thread AND c.ns = checkpoints.ns AND c.id = checkpoints.parent)"
        )
        _drop_unused_values(run.log, db)
        db.execute("INSERT OR REPLACE INTO meta VALUES ('pruned_below', ?)", (str(cut),))
    return {"states": states, "checkpoints": checkpoints}


def _drop_unused_values(log: LogFile, db: Any) -> None:
    used: set[int] = set()
    for (channels,) in db.execute("SELECT channels FROM checkpoints"):
        used.update(refs_of(log, channels).values())
    unused = [(ref,) for (ref,) in db.execute("SELECT id FROM blobs") if ref not in used]
    db.executemany("DELETE FROM blobs WHERE id = ?", unused)
