"""What goes wrong, as the page is told: a status, what happened, what to do next; never a credential."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..llm.errors import ModelConfigError, ModelFailed, ReplayDiverged
from ..runs import (
    CorruptRun,
    NotARun,
    NotWritable,
    OtherVersion,
    PrunedAway,
    RunError,
    RunInUse,
    UnknownKind,
    scrub,
)
from ..runs.redact import REDACTED, is_secret_name

SHORTEST_SECRET = 8
"""Characters: what is shorter is a word that may stand in any text."""


class Refused(Exception):
    """A request that is not answered as asked. `what` and `hint` are for a person."""

    def __init__(self, status: int, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.hint = status, what, hint


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotARun, 410),
    (RunInUse, 409),
    (OtherVersion, 409),
    (UnknownKind, 409),
    (NotWritable, 409),
    (PrunedAway, 422),
    (CorruptRun, 500),
    (RunError, 500),
    (ModelConfigError, 502),
    (ModelFailed, 502),
    (ReplayDiverged, 422),
)
"""The first that fits counts. What else of ours is raised is what an engine refuses: 422."""


def refusal(error: BaseException, secrets: Iterable[str] = ()) -> Refused:
    """Any error as a `Refused` without credentials. One that nobody wrote for people is named by its type alone: its text
    may quote anything."""
    if isinstance(error, Refused):
        return Refused(error.status, clean(error.what, secrets), clean(error.hint, secrets))
    if type(error).__module__.split(".")[0] == "recloop":
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 422)
        what, _, hint = str(error).partition("\n  ")
        if isinstance(error, RunError):
            what, hint = error.what, error.next_step
        elif "^" in hint:  # a caret points at the line above it: what belongs together stays together
            what, _, hint = str(error).rpartition("\n  ")
        return Refused(status, clean(what, secrets), clean(hint.replace("\n  ", "\n"), secrets))
    if isinstance(error, OSError) and error.filename is not None:
        return Refused(
            500, clean(f"{error.filename}: {error.strerror}", secrets), "look whether it is there and may be read"
        )
    return Refused(
        500,
        f"something went wrong inside RecLoop ({type(error).__name__})",
        "the terminal that the server runs in has the details",
    )


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets and without what looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return scrub(text)


def known_secrets(*given: str | None) -> frozenset[str]:
    """What must never be shown: those given, and the values of environment variables whose names say that they hold one
    (no paths: PWD is a folder)."""
    named = [value for name, value in os.environ.items() if is_secret_name(name) and not os.path.exists(value)]
    return frozenset(value for value in (*given, *named) if value and len(value) >= SHORTEST_SECRET)
