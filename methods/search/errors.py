"""Errors of search engines: each says what was found and what to do next."""

from __future__ import annotations


class SearchError(ValueError):
    """A retriever cannot be opened or used as asked."""


class UnknownRetriever(SearchError):
    """No retriever has this name."""


class NotIndexed(SearchError):
    """Searched before `fit`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no documents yet: call fit(documents) first")
