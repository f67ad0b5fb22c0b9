"""Several optimizers under one budget: k seeds each, held against the first on the sealed cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluators import paired_difference, proportion
from ..runs import Manifest, Run, is_run
from ..runs.progress import Progress, Silent
from . import journal as log
from .asked import OptimizeConfig, checked, forecast, optimize_as, optimizer_of, resume
from .errors import OptimizeError
from .search import finished
from .tables import VOLATILE
from .verdict import estimate

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Row:
    """One optimizer over all seeds. `gain`: winner over seed prompt on sealed cases, pooled over seeds and cases;
    `ahead`: its winners over the first optimizer's on the same cases (None for the first). `claims`: share of searches
    whose verdict is "better", with Wilson's interval. `calls` and `tokens` are means over its searches."""

    optimizer: str
    searches: int
    paused: int
    winner_mean: float
    gain: dict[str, Any] | None
    ahead: dict[str, Any] | None
    wins: int
    claims: dict[str, Any]
    calls: float
    tokens: float


@dataclass(frozen=True)
class Comparison:
    """Rows, the first optimizer first."""

    metric: str
    seeds: int
    rows: tuple[Row, ...]

    def json(self) -> dict[str, Any]:
        return asdict(self)


async def compare_optimizers(
    config: OptimizeConfig, optimizers: Sequence[str], seeds: int, *, out: Path, progress: Progress | None = None
) -> Comparison:
    """Search with every optimizer and seed into `out/<optimizer>-<seed>`, going on with what is there; then compare.

    Seed s means the same splits for every optimizer. Raises `OptimizeError`, before anything runs, for fewer than two
    optimizers, for one that there is none of, and for a search in `out` that was asked for with other settings.
    """
    progress = progress or Silent()
    names = list(dict.fromkeys(optimizers))
    if len(names) < 2:
        raise OptimizeError("a comparison takes two optimizers or more\n  for example  --optimizers racing,po4isr")
    if config.approve:
        raise OptimizeError("a comparison asks nobody for approval\n  leave approve out")
    asked = [
        checked({**config.model_dump(), "optimizer": name, "seed": seed, "name": f"{name}-{seed}"})
        for seed in range(config.seed, config.seed + seeds)
        for name in names
    ]
    for each in asked:
        optimizer_of(each)
        if each.seed == config.seed and not is_run(out / each.name):
            await forecast(each)  # what one of them cannot do shows before another has been paid for
        _same_settings(out / each.name, each)
    for each in asked:
        path = out / each.name
        progress.note(f"{each.optimizer}, seed {each.seed}")
        if is_run(path):
            await resume(path, progress=progress)
        else:
            await optimize_as(each, out=path, progress=progress)
    return compared(out, names, range(config.seed, config.seed + seeds))


def _same_settings(path: Path, asked: OptimizeConfig) -> None:
    """Refuse to go on with a search that other settings began; how it is carried out may differ, but not its budget."""
    if not is_run(path):
        return
    free = VOLATILE - {"budget"}
    was, now = Manifest.read(path).config, asked.model_dump(mode="json")
    if other := [key for key in now if key not in free and was.get(key) != now[key]]:
        told = "; ".join(f"{key} was {was.get(key)!r}, now it is {now[key]!r}" for key in other)
        raise OptimizeError(
            f"{path} is another search: {told}\n  give the settings it began with, or a new folder with --out"
        )


def compared(out: Path, names: Sequence[str], seeds: Sequence[int]) -> Comparison:
    """The comparison of finished searches in a folder."""
    found = {name: [_search(out / f"{name}-{seed}") for seed in seeds] for name in names}
    metric = next((s["metric"] for rows in found.values() for s in rows if s), "")
    first = found[names[0]]
    return Comparison(metric, len(seeds), tuple(_row(name, found[name], first, i == 0) for i, name in enumerate(names)))


def _search(path: Path) -> dict[str, Any] | None:
    """Per-case values of seed and winner on the sealed split, the verdict and the bill; None for an unfinished search."""
    with Run.open(path) as run:
        done = finished(run)
        if done.verdict is None:
            return None
        metric, verdict = done.verdict["metric"], done.verdict
        values: dict[str, dict[str, float]] = {}
        for event in run.events(kind=log.SCORES):
            if event.node == "test":
                values[event.agent] = {
                    row["case"]: row.get("values", {}).get(metric, np.nan) for row in event.data["rows"]
                }
        totals = run.calls.totals()
        return {
            "metric": metric,
            "outcome": verdict["outcome"],
            "winner": values[verdict["winner"]],
            "seed": values[verdict["seed"]],
            "calls": totals.attempts,
            "tokens": totals.prompt_tokens + totals.completion_tokens,
        }


def _row(
    name: str, searches: Sequence[dict[str, Any] | None], first: Sequence[dict[str, Any] | None], base: bool
) -> Row:
    done = [search for search in searches if search is not None]
    both = [(mine, theirs) for mine, theirs in zip(searches, first, strict=True) if mine and theirs]
    means = [float(np.nanmean(list(search["winner"].values()))) for search in done]
    wins = sum(np.nanmean(list(m["winner"].values())) > np.nanmean(list(t["winner"].values())) for m, t in both)
    claims = proportion(sum(search["outcome"] == "better" for search in done), len(done))
    return Row(
        name,
        len(done),
        len(searches) - len(done),
        float(np.mean(means)) if means else float("nan"),
        _pooled([(search["winner"], search["seed"]) for search in done]),
        None if base else _pooled([(mine["winner"], theirs["winner"]) for mine, theirs in both]),
        0 if base else int(wins),
        estimate(claims),
        float(np.mean([search["calls"] for search in done])) if done else 0.0,
        float(np.mean([search["tokens"] for search in done])) if done else 0.0,
    )


def _pooled(pairs: Sequence[tuple[dict[str, float], dict[str, float]]]) -> dict[str, Any] | None:
    """Paired difference over all (seed, case) pairs."""
    a = [mine[case] for mine, theirs in pairs for case in mine if case in theirs]
    b = [theirs[case] for mine, theirs in pairs for case in mine if case in theirs]
    if not a:
        return None
    found = paired_difference(a, b)
    return estimate(found) | {"p_value": found.p_value}


def print_comparison(found: Comparison, console: Console) -> None:
    """A table for people."""
    from rich.table import Table

    title = f"{found.metric or 'Nothing yet'} on sealed cases, {found.seeds} seed{'s' * (found.seeds > 1)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in (
        "optimizer",
        "winner",
        "over the seed prompt",
        "over the first",
        "wins",
        "claims",
        "calls",
        "tokens",
    ):
        table.add_column(column, justify="left" if column == "optimizer" else "right")
    for row in found.rows:
        table.add_row(
            row.optimizer,
            f"{row.winner_mean:.3f}" if row.searches else "",
            _shown(row.gain),
            _shown(row.ahead),
            "" if row.ahead is None else f"{row.wins}/{row.searches}",
            f"{row.claims['mean']:.0%}" if row.searches else "",
            f"{row.calls:,.0f}" if row.searches else "",
            f"{row.tokens:,.0f}" if row.searches else "",
        )
    console.print(table)
    for line in _legend(found):
        console.print(line, style="dim", markup=False, highlight=False)


def _legend(found: Comparison) -> list[str]:
    """What the columns mean, and which searches are left out."""
    first = found.rows[0].optimizer
    lines = [
        f"over ...: paired over all (seed, case), 95 % interval; the first is {first}; wins: seeds in which its winner's mean is "
        "the higher one; claims: searches whose verdict is better; calls, tokens: a search",
    ]
    lines += [f"{row.optimizer}: {row.paused} without a verdict, left out" for row in found.rows if row.paused]
    return lines


def _shown(found: dict[str, Any] | None) -> str:
    return "" if found is None else f"{found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
