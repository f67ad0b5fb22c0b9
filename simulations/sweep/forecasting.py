"""What a sweep would take, before it takes it: the forecasts of its cells, added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...runs.progress import Progress, Silent
from ..forecasting import Forecast
from ..forecasting import forecast as forecast_cell
from ..shared import Shared
from .checks import check
from .grid import Grid

NO_KEY = "not-used"
"""Stands where a key would: a forecast calls nothing."""


@dataclass(frozen=True)
class Cost:
    """An upper bound of what some cells take, and what is likely where users leave as scripted ones do. `usd` None: a
    model's price is unknown."""

    arm: str
    cells: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    likely_calls: int
    likely_usd: float | None

    @classmethod
    def of(cls, arm: str, forecasts: Iterable[Forecast]) -> Cost:
        """The sum of some cells' forecasts."""
        each = list(forecasts)
        likely = [f.likely for f in each]
        return cls(
            arm,
            len(each),
            sum(f.calls for f in each),
            sum(f.prompt_tokens for f in each),
            sum(f.completion_tokens for f in each),
            _sum([f.usd for f in each]),
            sum(f.calls for f in likely),
            _sum([f.usd for f in likely]),
        )


def _sum(prices: list[float | None]) -> float | None:
    known = [price for price in prices if price is not None]
    return sum(known) if len(known) == len(prices) else None


@dataclass(frozen=True)
class SweepForecast:
    """What a sweep takes at most, by arm and in all."""

    arms: tuple[Cost, ...]
    total: Cost

    def json(self) -> dict[str, Any]:
        return {"arms": [asdict(arm) for arm in self.arms], "total": asdict(self.total)}


async def forecast(grid: Grid, *, progress: Progress | None = None) -> SweepForecast:
    """Check every cell and render its first page's prompts; no model is called. Raises `SweepError` for what cannot work."""
    shared, progress = Shared(), progress or Silent()
    await check(grid, shared, progress, api_key=NO_KEY, ask=False)
    found = [(cell.arm, await forecast_cell(cell.config, shared)) for cell in grid.cells]
    arms = tuple(Cost.of(arm, (each for name, each in found if name == arm)) for arm in grid.arms)
    return SweepForecast(arms, Cost.of("all", (each for _, each in found)))
