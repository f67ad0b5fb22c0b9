"""What can go wrong with a recommender. Every message says what to do next."""

from __future__ import annotations


class RecommenderError(ValueError):
    """A recommender cannot be opened, fitted or asked."""


class UnknownRecommender(RecommenderError):
    """No recommender of that name or place."""


class NotFitted(RecommenderError):
    """Asked before `fit`."""


class UnknownItem(RecommenderError):
    """Asked for the score of an item that is not in the catalogue."""


class CatalogueTooLarge(RecommenderError):
    """The model's memory grows too fast for so many items. Names a recommender that scales."""


class UnusableAnswer(RecommenderError):
    """The user's own recommender answered, and nothing of the answer can be shown."""
