"""The `torch` extra: the one clear error where it is missing, and how training uses it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import RecommenderError


def import_torch(whose: str) -> Any:
    """The module. Raises `RecommenderError` with the command that installs it."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise RecommenderError(
            f'the recommender {whose} needs the "torch" extra ({error})\n  run: pip install "recloop[torch]"\n'
            "  or take one that needs nothing more: ease, bpr, ials"
        ) from error


@contextmanager
def one_thread(torch: Any) -> Iterator[None]:
    """Torch on one thread, whatever the machine has, and as it was afterwards.

    Sums then run in one order, so that a seed learns the same on two cores as on sixteen; and for matrices of this size
    threads cost more processor time than they save, most of all on a busy machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
