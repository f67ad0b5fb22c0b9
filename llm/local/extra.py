"""The runtimes of the `local` extra, and the one clear error where they are missing."""

from __future__ import annotations

import importlib
import importlib.metadata
from types import ModuleType

from ..providers.base import ConfigProblem

RUNTIMES = ("cyllama", "xllamacpp")
"""Log-likelihoods; text generation."""


def runtime(module: str) -> ModuleType:
    """Import a module of the extra. Raises `ConfigProblem` with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigProblem(
            f'local models need the "local" extra ({error})\n  run: pip install "recloop[local]"'
        ) from error


def installed(package: str) -> str | None:
    """Its version, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
