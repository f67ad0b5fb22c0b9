"""One process writes a run: an advisory lock on `<run>/lock`, released by the system when its holder dies."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from .errors import NotWritable, RunError, RunInUse

try:
    import fcntl
except ImportError:  # no such locks on this system: SQLite's own then keep two writers from one transaction
    fcntl = None

LOCK = "lock"
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""A folder may come from anyone: a lock that is a link would have what it points to emptied."""
PATIENCE = 0.3
"""Seconds to try for: a reader that asks who holds the lock holds it itself for microseconds."""


class RunLock:
    """The right to write a run, held until `release` or the end of the process. Raises `RunInUse` where it is taken,
    `NotWritable` where the folder cannot be written.

    The file stays behind (removing it would let two processes hold locks on two files of one name).
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | _NO_FOLLOW, 0o644)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise RunError(
                    f"{folder / LOCK} is a symbolic link, which no run has; it was not followed", "remove it"
                ) from None
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise NotWritable(
                f"the run {folder} cannot be written here ({error.strerror})",
                "open it for reading (Run.open(path)), or copy it to where you may write",
            ) from None
        deadline = time.monotonic() + PATIENCE
        while fcntl is not None:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    pid = _pid(folder)
                    os.close(self._fd)
                    raise RunInUse(
                        f"the run {folder} is being written by {f'process {pid}' if pid else 'another process'}",
                        "wait for it, end it"
                        + (f" (kill {pid})" if pid else "")
                        + ", or open the run for reading: Run.open(path)",
                        pid,
                    ) from None
                time.sleep(0.01)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let the next writer in."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def holder(folder: Path) -> int | None:
    """The id of the process that is writing the run (0 where it cannot be told), None where nobody is."""
    if fcntl is None:
        return _pid(folder)
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | _NO_FOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _pid(folder) or 0
    finally:
        os.close(fd)


def _pid(folder: Path) -> int | None:
    try:
        return int((folder / LOCK).read_text())
    except (OSError, ValueError):
        return None
