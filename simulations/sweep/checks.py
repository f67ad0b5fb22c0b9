"""All that can be wrong with a sweep and be known without rehearsing, said before the first run starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ...llm import Door, MemoryCassette, Price, open_model
from ...methods.recommenders import open_recommender
from ...runs import CallRecord
from ...runs.progress import Progress
from ..config import SimulateConfig, SimulateError
from ..players import can_play, mode_of, prompts_of
from ..preparation import open_actions
from ..shared import Shared
from .grid import Cell, Grid, Problems

MODEL_FIELDS = ("model", "base_url")


@dataclass
class Checked:
    """What was found while looking: what must not change while a sweep is paused, and the calls that asking the models took."""

    hashes: dict[str, str] = field(default_factory=dict)
    calls: list[CallRecord] = field(default_factory=list)


async def check(
    grid: Grid, shared: Shared, progress: Progress, *, api_key: str | None = None, ask: bool = True
) -> Checked:
    """Look at data, split, users, recommender, actions, model and prompts of every cell; fit nothing, write nothing.

    `ask`: each model is asked for one token, so that a wrong name, a dead endpoint and a missing ability show now. Raises
    `SweepError` with everything that is wrong, each by cell and setting.
    """
    problems, checked = Problems(), Checked()
    doors: dict[tuple[Any, ...], Door | str | None] = {}
    progress.note(f"checking {len(grid.cells)} cells")
    for cell in grid.cells:
        await asyncio.sleep(0)  # here a cancelled check stops
        _world(cell, shared, problems)
        key = _model_key(cell.config)
        if key not in doors:
            doors[key] = await _open(cell.config, shared, checked, api_key, ask, len(doors))
        door = doors[key]
        if isinstance(door, str):
            problems.add(cell.name, "model", door)
        else:
            _mind(cell, door, ask, checked, problems)
    problems.raise_any("the grid")
    checked.hashes |= hashes(grid, shared)
    return checked


def hashes(grid: Grid, shared: Shared) -> dict[str, str]:
    """Hashes of the data sets: what cells that come later must find as it is."""
    sets = {_data_name(cell.config): cell.config for cell in grid.cells}
    return {name: shared.data(config).hash for name, config in sets.items()}


def _data_name(config: SimulateConfig) -> str:
    more = [f"{key}={value}" for key, value in sorted(config.columns.items())]
    more += [] if config.core is None else [f"core={config.core}"]
    return " ".join(["data", config.data, *more])


def _world(cell: Cell, shared: Shared, problems: Problems) -> None:
    """What the simulated users stand in: nothing here asks a model."""
    config = cell.config

    def fits(name: str, look: Callable[[], Any]) -> bool:
        try:
            look()
        except Exception as error:
            if not ours(error):
                raise
            problems.add(cell.name, name, str(error))
            return False
        return True

    fits("actions", lambda: open_actions(config.actions))
    fits(
        "recommender",
        lambda: open_recommender(config.recommender, seed=config.seed, config=config.recommender_config or None),
    )
    if fits("data", lambda: shared.data(config)) and fits("split", lambda: shared.split(config)):
        fits("users", lambda: shared.personas(config))
        fits("show_mean", lambda: _has_ratings(config, shared))
    if config.memory == "vectors":
        from ...llm import static_vectors

        fits("memory", static_vectors)


def _has_ratings(config: SimulateConfig, shared: Shared) -> None:
    if config.show_mean and shared.data(config).scale is None:
        raise SimulateError("needs ratings, and this data set has none")


async def _open(
    config: SimulateConfig, shared: Shared, checked: Checked, api_key: str | None, ask: bool, number: int
) -> Door | str | None:
    """The door to a cell's model, asked once and closed again; None for scripted users; the words of what is wrong."""
    if config.scripted:
        return None
    cassette = MemoryCassette()
    try:
        door = open_model(
            config.model,
            cassette=cassette,
            budget=shared.budget,
            concurrency=config.concurrency,
            timeout=config.timeout,
            api_key=api_key,
            base_url=config.base_url,
            price=Price.parse(config.price),
        )
        try:
            if ask:
                await door.check()
        finally:
            await door.close()
    except Exception as error:
        if not ours(error):
            raise
        return str(error)
    # Two endpoints may serve a model of one name: the number keeps their records apart.
    checked.calls += [replace(record, key=f"{number}:{record.key}") for record in cassette.all()]
    return door


def _mind(cell: Cell, door: Door | None, asked: bool, checked: Checked, problems: Problems) -> None:
    """Whether the model can play the mode, and the prompts suit it."""
    config = cell.config
    name = "mode"
    try:
        if door is not None and asked:  # until then nobody knows what an endpoint can do
            can_play(config, door)
        name = "prompts"
        prompts = prompts_of(config, mode_of(config, door))
    except Exception as error:
        if not ours(error):
            raise
        problems.add(cell.name, name, str(error))
        return
    for node, file in config.prompts.items():
        checked.hashes[f"prompt {node} {file}"] = prompts[node].hash


def _model_key(config: SimulateConfig) -> tuple[Any, ...]:
    return tuple(getattr(config, name) for name in MODEL_FIELDS)


def ours(error: BaseException) -> bool:
    """Whether an error's text was written for people: RecLoop's own, or a file that cannot be read."""
    return type(error).__module__.partition(".")[0] == "recloop" or isinstance(error, OSError)
