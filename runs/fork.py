"""Forks: a run of its own that goes on from a barrier of another and holds only what differs.

A fork lies in `<run>/forks/<name>`; forks of forks nest. What its log sees is in overlay.py. The parent is only read.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BarrierOrder, NotARun, NotWritable, PrunedAway, RunError
from .lock import RunLock, holder
from .log import LOG, LogFile
from .manifest import ForkPoint, Manifest, disk_full, sync_file, sync_folder
from .overlay import DEEPEST, FORKS, RANGE
from .records import Event
from .redact import scrub
from .run import Run, event_row, state_row, store

if TYPE_CHECKING:
    from .saver import LogSaver

LONGEST = 255
"""Bytes of a file's name, on all file systems in use."""
_MAKING = ".making-"
_STALE = 60.0
"""Seconds after which a half-made fork that nobody holds is what a killed process left."""


def fork_run(
    parent: str | Path,
    barrier: int,
    *,
    name: str = "",
    agents: Sequence[str] = (),
    events: Iterable[Event] = (),
    states: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    hashes: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    checkpoints: Callable[[LogSaver], None] | None = None,
) -> Path:
    """Make a run that shares everything with `parent` up to and with `barrier`; returns its folder, `<parent>/forks/<name>`.

    `agents`: those who live on otherwise; all others do what they did in the parent, as far as the fork gets (none:
    everybody lives on). `events`, `states` and what `checkpoints` keeps in the saver it is given stand at `barrier`, over
    the parent's. `config` and `hashes` replace top-level keys of the parent's. The fork is paused; it goes on with
    `Run.open(path, write=True)` and `commit(barrier + 1, …)`. What it asks again is taken from its ancestors' calls.

    A crash leaves no fork or a whole one. Raises `BarrierOrder` for a barrier that the parent has not committed,
    `PrunedAway`, `NotARun` for a name that is taken, `NotWritable`, `DiskFull`, and `RunError` for forks too deep.
    """
    parent = Path(parent).resolve()
    with Run.open(parent) as above:
        _leaves_at(above, barrier)
        home = parent / FORKS
        name = name or _free(home, f"at-{barrier}")
        if not re.fullmatch(r"[\w+-][\w.+-]{0,79}", name) or len(os.fsencode(name)) > LONGEST:
            raise RunError(
                f"{name!r} cannot be the name of a fork", "letters, digits, dots, dashes: at most 80, no dot in front"
            )
        if home.is_symlink():
            raise RunError(f"{home} is a symbolic link; no fork is made through one", "remove the link")
        if (home / name).exists():
            raise _taken(home / name)
        point = ForkPoint(
            parent=above.manifest.created, barrier=barrier, agents=sorted(set(agents)), range=_range(above.log)
        )
        manifest = Manifest.new(
            kind=above.kind,
            name=name,
            config={**above.manifest.config, **(config or {})},
            seed=above.manifest.seed,
            hashes={**above.manifest.hashes, **(hashes or {})},
            notes=[*above.manifest.notes, *map(scrub, notes)],
            volatile=above.manifest.volatile,
        ).model_copy(update={"fork": point, "status": "paused", "reason": f"forked at barrier {barrier}"})
    rows = [event_row(event, barrier) for event in events]
    states_ = [state_row(each, barrier, value) for each, value in (states or {}).items()]
    making = home / f"{_MAKING}{secrets.token_hex(8)}"
    try:
        home.mkdir(exist_ok=True)
        _clear(home)
        making.mkdir()
    except PermissionError as error:
        raise NotWritable(
            f"no fork can be made in {home} ({error.strerror})", "fork a copy of the run, where you may write"
        ) from None
    except OSError as error:
        raise disk_full(home, error) from None
    lock = None
    try:
        lock = RunLock(making)
        LogFile.create(making, fork=True)
        manifest.write(making)
        run = Run(making, manifest, LogFile(making, write=True, fork=point), lock)
        try:
            run.log.db.execute("PRAGMA synchronous = OFF")  # once, below
            if checkpoints:
                checkpoints(run.saver(keep="all"))
            with run.log.transaction() as db:
                store(run.log, rows, states_)
                if checkpoints:
                    run.saver(keep="all").flush(db, barrier)
        finally:
            run.log.close()
        sync_file(making / LOG)
        sync_folder(making)
        os.rename(making, home / name)  # all of it, or nothing
        sync_folder(home)
    except BaseException as error:
        shutil.rmtree(making, ignore_errors=True)
        if isinstance(error, OSError):
            raise _taken(home / name) if (home / name).exists() else disk_full(home, error) from None
        raise
    finally:
        if lock:
            lock.release()
    return home / name


def _leaves_at(above: Run, barrier: int) -> None:
    """Raises where no fork can leave this run at this barrier."""
    if above.log.row("SELECT 1 FROM barriers WHERE barrier = ?", (barrier,)) is None or barrier < 0:
        raise BarrierOrder(
            f"{above.path} has no barrier {barrier} to fork from; its last one is {above.barrier}",
            "a fork leaves a run at a committed barrier",
        )
    pruned = above.log.row("SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key = 'pruned_below'")
    if pruned and pruned[0] is not None and barrier < pruned[0]:
        raise PrunedAway(
            f"{above.path} was pruned: what it stood on before barrier {pruned[0]} is gone",
            f"fork it at barrier {pruned[0]} or later",
        )
    if len(above.log.layers) > DEEPEST:
        raise RunError(
            f"{above.path} is {DEEPEST} forks away from its root, and no fork goes deeper",
            "fork a run that is nearer to the root",
        )


def _range(log: LogFile) -> int:
    """A range of ids that no run of this line has begun."""
    highest = 0
    for number in range(len(log.layers)):
        schema = f"p{number}" if number else "main"
        for table, column in (("events", "seq"), ("texts", "id"), ("calls", "id"), ("blobs", "id")):
            row = log.row(f"SELECT max({column}) FROM {schema}.{table}")
            highest = max(highest, row[0] if row and row[0] is not None else 0)
    begun = [layer.point.range for layer in log.layers if layer.point]
    return max(highest >> RANGE, *begun, 0) + 1


def _free(home: Path, first: str) -> str:
    name, number = first, 2
    while (home / name).exists():
        name, number = f"{first}-{number}", number + 1
    return name


def _taken(path: Path) -> NotARun:
    return NotARun(f"there is a fork {path.name} already in {path.parent}", "give the new one another name")


def _clear(home: Path) -> None:
    """Remove what processes that were killed while they made a fork have left."""
    for each in home.glob(f"{_MAKING}*"):
        try:
            old = time.time() - each.lstat().st_mtime > _STALE
        except OSError:
            continue
        if old and not each.is_symlink() and holder(each) is None:
            shutil.rmtree(each, ignore_errors=True)
