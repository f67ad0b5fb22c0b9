"""Answers put in by hand: a fork's own record of a call hides that of its parent."""

from __future__ import annotations

from ...runs import Run
from .checking import record_of
from .edits import AnswerEdit
from .in_force import Edits


def put_answers(run: Run) -> None:
    """Record the answers that this fork's edits put in, where they are not there yet (a kill may have come between)."""
    if run.fork is None:
        return
    for _, edit in Edits.of(run, own=True).answers:
        assert isinstance(edit, AnswerEdit)
        if run.log.row("SELECT 1 FROM main.calls WHERE key = ?", (edit.key,)):
            continue
        with Run.open(run.fork.parent) as parent:
            call = parent.calls.get(edit.key)
        assert call is not None, edit.key  # it was there when the fork was made, and a log forgets no call
        run.calls.put(record_of(call, edit.text))
