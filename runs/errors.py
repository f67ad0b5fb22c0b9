"""What can go wrong with a run, each with the next step to take."""

from __future__ import annotations


class RunError(Exception):
    """A run cannot be made, read or written. `what` says what happened, `next_step` what to do about it."""

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what}\n  {next_step}" if next_step else what)
        self.what = what
        self.next_step = next_step


class NotARun(RunError):
    """The path holds no run (or, for `Run.create`, holds something already)."""


class OtherVersion(RunError):
    """The run was written in another format than this RecLoop reads. Nothing has been changed."""


class CorruptRun(RunError):
    """A file of the run is damaged. Nothing has been changed."""


class RunInUse(RunError):
    """Another process (or another `Run` object of this one) is writing the run. `pid` is its process id, if known."""

    def __init__(self, what: str, next_step: str = "", pid: int | None = None) -> None:
        super().__init__(what, next_step)
        self.pid = pid


class DiskFull(RunError):
    """No space was left. What was not committed is still with the caller; the run can be opened and resumed."""


class NotWritable(RunError):
    """The run was opened for reading, or is closed."""


class BarrierOrder(RunError, ValueError):
    """A commit named a barrier that is not after the last committed one."""


class CallConflict(RunError):
    """A recorded call was about to be replaced by a different answer under the same key."""


class NotJson(RunError, TypeError):
    """A value to be recorded is not JSON; the message names its place."""


class PrunedAway(RunError, LookupError):
    """The state of a barrier was asked for that has been pruned."""


class UnknownKind(RunError, LookupError):
    """No such run kind is registered in this process."""
