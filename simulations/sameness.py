"""What must not change while a run is paused: its data, its prompts, who is active when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..data import DataError
from ..llm import Prompt, PromptError
from ..runs import Run
from .config import SimulateConfig, SimulateError
from .population import Population
from .preparation import Prepared


def hashes_of(prepared: Prepared, prompts: Mapping[str, Prompt], population: type[Population]) -> dict[str, str]:
    """Hashes of data and prompts, and the population by name, where that is not ours."""
    hashes = {"data": prepared.data.hash} | {f"prompt:{name}": prompt.hash for name, prompt in prompts.items()}
    return (
        hashes
        if population is Population
        else hashes | {"population": f"{population.__module__}:{population.__qualname__}"}
    )


def check_same(run: Run, now: Mapping[str, str]) -> None:
    """Raises `SimulateError` naming the first that is not what the run began with."""
    old = run.manifest.hashes
    for name in sorted({*old, *now}):
        if now.get(name) != old.get(name):
            raise SimulateError(
                f"{name}{_file(run, name)} is not what this run began with: its hash was {_short(old.get(name))}, "
                f"now it is {_short(now.get(name))}\n  restore it, or start a new run with `recloop simulate`"
            )


@contextmanager
def as_begun(run: Run, config: SimulateConfig) -> Iterator[None]:
    """An error about data or a prompt that is not there says what the run began with, and where it was looked for."""
    try:
        yield
    except (DataError, PromptError) as error:
        of_data = isinstance(error, DataError)
        names = ["data"] if of_data else [f"prompt:{node}" for node in config.prompts]
        known = [f"{name}{_file(run, name)}, hash {_short(run.manifest.hashes.get(name))}" for name in names]
        first, *hints = str(error).splitlines()
        raise SimulateError(
            f"{first}\n  this run began with {'; '.join(known)}\n  relative paths are read from the folder one works in,"
            f" now {Path.cwd()}: go to where the run was begun" + "".join(f"\n{hint}" for hint in hints if not of_data)
        ) from error


def _file(run: Run, name: str) -> str:
    """Where what a hash is of was read from, as the settings have it: ` (ratings.csv)`; nothing for what ships with us."""
    part, _, node = name.partition(":")
    config = run.manifest.config
    path = config.get("data") if part == "data" else (config.get("prompts") or {}).get(node)
    return f" ({path})" if path else ""


def _short(value: str | None) -> str:
    return "none" if value is None else value if ":" in value else value[:12]
