"""What can go wrong before or between the steps of a search."""

from __future__ import annotations


class OptimizeError(Exception):
    """A search that cannot start or go on; the message says what to do next."""


class SearchChanged(OptimizeError):
    """A resumed search asks for something else than its log says it did: its code, data or settings have changed."""


class Waiting(OptimizeError):
    """The search stands at a prompt that a person is to approve."""


class EndpointLost(OptimizeError):
    """Most calls of a step never reached the model: the search pauses instead of counting them as the prompt's failures."""
