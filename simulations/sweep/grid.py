"""A grid of settings: the axes that vary, the arms and cells that follow, and the names people read."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...methods.recommenders import RecommenderError
from ...methods.recommenders.open import check_address
from ...runs import Run
from ..config import VOLATILE as CELL_VOLATILE
from ..config import SimulateConfig, SimulateError, in_words, read_toml, settings_in

SEED = "seed"
"""The axis of repetitions: what a number is averaged over, never an arm."""
OWN = ("budget", "name")
"""Settings that belong to the sweep as a whole."""
VOLATILE = frozenset({"budget", "jobs", *(f"settings.{name}" for name in CELL_VOLATILE)})
"""What of a sweep says how it is carried out, not what it does: left out of its digest, free to change when it goes on."""
LONGEST = 60
"""Characters of a cell's folder, its seed apart."""


class SweepError(SimulateError):
    """A sweep that cannot start or go on; the message says what to do next."""


@dataclass(frozen=True)
class Cell:
    """One rehearsal of the grid."""

    name: str
    """Its folder below `runs/`: the arm and the seed."""
    arm: str
    seed: int
    config: SimulateConfig

    @property
    def path(self) -> str:
        return f"runs/{self.name}"


@dataclass(frozen=True)
class Grid:
    """The product of all axes over common settings. Cells come seed by seed, so that what stopped early is still paired."""

    settings: Mapping[str, Any]
    """All settings that do not vary, defaults included (JSON)."""
    axes: Mapping[str, list[Any]]
    """Setting -> the values it takes (JSON)."""
    name: str
    budget: str
    arms: tuple[str, ...]
    cells: tuple[Cell, ...]

    def arm(self, text: str) -> str:
        """The arm that a person names. Raises `SweepError` naming those there are."""
        return find_arm(text, self.arms)


def find_arm(text: str, arms: Sequence[str]) -> str:
    """The arm of this name, written as in the table or as in a folder's name, whatever its case."""
    for form in (str, str.lower, slug):
        found = [arm for arm in arms if form(arm) == form(text)]
        if len(found) == 1:
            return found[0]
    near = difflib.get_close_matches(text, arms, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SweepError(f"no arm {text!r} in this sweep{hint}\n  there are: {'; '.join(arms)}")


def load_grid(path: str | Path, budget: str | None = None) -> Grid:
    """The grid in a TOML file, perhaps with another budget. Raises `SweepError` naming each setting that is wrong, and in
    which cells."""
    path = Path(path)
    values = read_toml(path)
    axes = values.pop("grid", None)
    if not isinstance(axes, dict) or not axes:
        raise SweepError(
            f"{path} has no table [grid]\n  add one that says what varies:\n\n  [grid]\n"
            '  seed = [0, 1, 2]\n  recommender = ["ease", "pop"]'
        )
    settings = settings_in(values, path)
    _check_addresses(settings, axes, str(path))
    return grid_of(settings if budget is None else {**settings, "budget": budget}, axes, str(path))


def _check_addresses(settings: Mapping[str, Any], axes: Mapping[str, Any], source: str) -> None:
    """Raises `SweepError` where a recommender's address holds a credential: before arms and cells are named after it."""
    varied = axes.get("recommender", [])
    for spec in [settings.get("recommender"), *(varied if isinstance(varied, list) else [varied])]:
        try:
            check_address(spec if isinstance(spec, str) else "")
        except RecommenderError as error:
            raise SweepError(f"{source}: recommender: {error}") from None


def grid_in(run: Run) -> Grid:
    """The grid of a sweep's run."""
    config = run.manifest.config
    return grid_of({**config["settings"], "budget": config["budget"], "name": run.manifest.name}, config["grid"])


def grid_of(settings: Mapping[str, Any], axes: Mapping[str, Any], source: str = "the grid") -> Grid:
    """The grid of common settings and axes (setting -> list of values). Raises `SweepError` naming all that is wrong."""
    _check_axes(settings, axes, source)
    budget, name = str(settings.get("budget", "")), str(settings.get("name", "sweep"))
    common = {key: value for key, value in settings.items() if key not in OWN}
    across = [axis for axis in axes if axis != SEED]
    seeds = axes.get(SEED, [settings.get(SEED, SimulateConfig.model_fields[SEED].default)])
    combinations = [dict(zip(across, values, strict=True)) for values in itertools.product(*(axes[a] for a in across))]
    arms = _arm_names(common, axes, across, combinations)
    folders = _distinct(map(slug, arms))
    cells: list[Cell] = []
    problems = Problems()
    for seed, (arm, folder, values) in itertools.product(seeds, zip(arms, folders, combinations, strict=True)):
        cell_name = f"{folder}-seed{seed}"
        whole = {"name": cell_name, "budget": budget, **common, **values, SEED: seed}
        try:
            cells.append(Cell(cell_name, arm, seed, SimulateConfig(**whole)))
        except ValidationError as error:
            for each in error.errors():
                field, _, words = in_words(each).partition(": ")
                problems.add(cell_name, field, words)
    problems.raise_any(source)
    base = cells[0].config.model_dump(mode="json")
    kept = {key: value for key, value in base.items() if key not in {*axes, *OWN, SEED}}
    return Grid(kept, {SEED: list(seeds), **axes}, name, budget, tuple(arms), tuple(cells))


class Problems:
    """What is wrong with a grid, by setting, with the cells that it is wrong in."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[str]] = {}

    def add(self, cell: str, field: str, words: str) -> None:
        self.found.setdefault((field, words), []).append(cell)

    def raise_any(self, source: str) -> None:
        """Raises `SweepError` with all of them, if there are any."""
        if not self.found:
            return
        lines = []
        for (field, words), cells in self.found.items():
            more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
            lines.append(f"cell {cells[0]}{more}: {field}: " + words.replace("\n", "\n  "))
        raise SweepError(f"{source} cannot be rehearsed\n  " + "\n  ".join(lines))


def _check_axes(settings: Mapping[str, Any], axes: Mapping[str, Any], source: str) -> None:
    """Raises `SweepError` where an axis is no list of different values of a setting."""
    known = list(SimulateConfig.model_fields)
    for axis, values in axes.items():
        if axis not in known:
            near = difflib.get_close_matches(axis, known, n=3)
            hint = f" (did you mean {', '.join(near)}?)" if near else ""
            raise SweepError(f"{source}: grid.{axis}: no such setting{hint}\n  `recloop simulate --help` lists them")
        if axis in OWN:
            raise SweepError(
                f"{source}: grid.{axis}: a sweep has one {axis} for all its cells\n  write it above [grid]"
            )
        if axis in settings:
            raise SweepError(f"{source}: {axis} stands above [grid] and in it\n  leave one of the two out")
        if not isinstance(values, list) or not values:
            raise SweepError(
                f"{source}: grid.{axis}: takes a list of values\n  for example  {axis} = {_example(values)}"
            )
        if axis == SEED and (odd := [value for value in values if type(value) is not int]):
            raise SweepError(
                f"{source}: grid.{axis}: takes whole numbers, got {json.dumps(odd[0], default=str)}"
                "\n  for example  seed = [0, 1, 2]"
            )
        spelled = [json.dumps(value, sort_keys=True, default=str) for value in values]
        if twice := next((text for n, text in enumerate(spelled) if text in spelled[:n]), None):
            raise SweepError(f"{source}: grid.{axis}: {twice} is there twice\n  leave one of the two out")


def _example(values: Any) -> str:
    return "[0, 1, 2]" if values == [] else f"[{json.dumps(values, default=str)}]"


def _arm_names(
    settings: Mapping[str, Any],
    axes: Mapping[str, list[Any]],
    across: Sequence[str],
    combinations: Sequence[Mapping[str, Any]],
) -> list[str]:
    """One readable name per combination, from the axes that really vary."""
    varying = [axis for axis in across if len(axes[axis]) > 1]
    if not varying:
        only = combinations[0].get("recommender", settings.get("recommender", "ease"))
        return [_spelled("recommender", only, short=True)]
    words = {axis: _axis_words(axis, axes[axis]) for axis in varying}
    places = {axis: [json.dumps(v, sort_keys=True, default=str) for v in axes[axis]] for axis in varying}

    def name(combination: Mapping[str, Any]) -> str:
        at = {a: places[a].index(json.dumps(combination[a], sort_keys=True, default=str)) for a in varying}
        return ", ".join(words[axis][at[axis]] for axis in varying)

    return _distinct(map(name, combinations))


def _axis_words(axis: str, values: Sequence[Any]) -> list[str]:
    """How an axis' values are called: the last part of a name or path where that tells them apart, else all of it."""
    brief = [_spelled(axis, value, short=True) for value in values]
    return brief if len(set(brief)) == len(brief) else [_spelled(axis, value, short=False) for value in values]


def _spelled(axis: str, value: Any, short: bool) -> str:
    if isinstance(value, bool):
        return f"{axis}={'yes' if value else 'no'}"
    if isinstance(value, str) and value:
        return _tail(value) if short else value
    if isinstance(value, Mapping):
        inner = ",".join(f"{key}={_tail(str(each)) if short else each}" for key, each in value.items())
        return inner or f"{axis}=default"
    if isinstance(value, list | tuple):
        return f"{axis}={'-'.join(map(str, value))}"
    return f"{axis}={value}"


def _tail(text: str) -> str:
    """What follows the last / or # of a name, an address or a path."""
    return re.split(r"[/#\\]", text.rstrip("/"))[-1] or text


def slug(text: str) -> str:
    """A name as a folder's: what cannot stand there becomes a dash."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w.+=-]+", "-", text)).strip("-.")[:LONGEST].rstrip("-.").lower() or "cell"


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, with -2, -3, … behind those that are taken."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        found.append(next(each for each in itertools.chain([name], numbered) if each not in found))
    return found
