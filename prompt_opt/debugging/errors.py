"""What the debugger of a search refuses: the message says what to do next."""

from __future__ import annotations

from ..errors import OptimizeError


class DebugError(OptimizeError):
    """Something that cannot be looked at, stopped at, edited or forked."""


class ConditionError(DebugError):
    """A condition that cannot be read; the message points at the place."""
