"""What can go wrong under the glass: one line on what, one on what to do next."""

from __future__ import annotations

from ..config import SimulateError


class DebugError(SimulateError):
    """Something that cannot be shown or done; the message says what to do next."""


class ConditionError(DebugError):
    """A breakpoint's condition that does not hold together; the message points at the place."""
