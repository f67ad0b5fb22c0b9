"""Errors of the robust ranker: each says what was found and what to do next."""

from __future__ import annotations

import importlib
from typing import Any


class RankError(ValueError):
    """The ranker cannot be trained, opened or used as asked."""


def import_torch() -> Any:
    """The module. Raises `RankError` with the command that installs it."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise RankError(
            f'the robust ranker needs the "torch" extra ({error})\n  run: pip install "recloop[torch]"'
        ) from error
