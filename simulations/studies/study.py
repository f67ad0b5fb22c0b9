"""`Study`: the contract of a question asked of rehearsals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from ...llm import Budget, BudgetError
from ..config import SimulateConfig, SimulateError, checked
from ..outcome.numbers import Baseline, Row

if TYPE_CHECKING:
    from .workshop import Workshop


class StudyError(SimulateError):
    """A study that cannot start or go on; the message says what to do next."""


class StudyConfig(BaseModel):
    """What all studies are asked. A study's own settings are fields of its subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rehearsal: dict[str, Any] = Field(default_factory=dict)
    """Settings of `recloop simulate` for every rehearsal of the study (model, data, users, pages, …)."""
    seed: int = Field(default=0, ge=0)
    seeds: PositiveInt = 5
    """Repetitions with seeds `seed`, `seed` + 1, …"""
    budget: str = ""
    """Hard limits over all rehearsals together."""
    name: str = "study"

    @field_validator("budget")
    @classmethod
    def _limits(cls, value: str) -> str:
        try:
            Budget.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value

    def settings(self, **changes: Any) -> SimulateConfig:
        """The rehearsals' settings with some of them changed. Studies play scripted users unless a model is named.

        Raises `SimulateError` naming each that is wrong.
        """
        return checked({"model": "scripted", "users": 100, "seed": self.seed, **self.rehearsal, **changes})

    @property
    def opened(self) -> tuple[str, ...]:
        """The recommenders that the study is going to open; one that there is not is refused before anything is played."""
        return () if self.looks_back else (self.settings().recommender,)

    @property
    def looks_back(self) -> bool:
        """Whether it looks at recorded runs alone and rehearses nothing."""
        return False

    @property
    def all_seeds(self) -> range:
        return range(self.seed, self.seed + self.seeds)


PlotKind = Literal["bars", "dots", "lines"]


@dataclass(frozen=True)
class Series:
    """One row of marks in a plot: a value per place (None: nothing there), with bounds where they are known."""

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True)
class Plot:
    """What a study draws: series over named places. "bars" and "lines" stand upright, "dots" lie (a row per place, with
    its interval). `reference`: a value to draw a line at (chance, nought), with its name."""

    key: str
    title: str
    kind: PlotKind
    places: Sequence[str]
    series: Sequence[Series]
    axis: str = ""
    across: str = ""
    """What the places are (page, slot, negatives per positive)."""
    reference: tuple[float, str] | None = None


@dataclass(frozen=True)
class Result:
    """What came of a study.

    `verdict`: one line for a decision; "no difference found" is one. `rows`: numbers with intervals, each beside its
    baseline and its control. `cases`: table name -> rows of per-case values (user, item, arm, …) behind the numbers.
    `notes`: what a reader must know to believe none of it too much.
    """

    verdict: str
    rows: Sequence[Row]
    cases: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """Anything else worth keeping, as JSON (matrices, edges)."""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Result:
        """From `json`'s plain values; the per-case rows stay in their tables."""
        rows = [
            Row(**{**row, "baselines": tuple(Baseline(**each) for each in row["baselines"])})
            for row in kept["rows"].values()
        ]
        plots = [
            Plot(
                **{
                    **plot,
                    "series": [Series(**each) for each in plot["series"]],
                    "reference": None if plot["reference"] is None else tuple(plot["reference"]),
                }
            )
            for plot in kept["plots"]
        ]
        return cls(kept["verdict"], rows, {}, plots, kept["notes"], kept["data"])

    def json(self) -> dict[str, Any]:
        """As plain values, without the per-case rows, which have tables of their own."""
        return {
            "verdict": self.verdict,
            "rows": {row.key: row.json() for row in self.rows},
            "plots": [asdict(plot) for plot in self.plots],
            "notes": list(self.notes),
            "data": dict(self.data),
        }


class Study(Protocol):
    """A question. `carry_out` rehearses through the workshop (which skips what is done) and computes; it draws chance from
    addresses only, so that a study gone on with ends as an unbroken one."""

    name: ClassVar[str]
    """As in `recloop study NAME`."""
    question: ClassVar[str]
    """In one sentence."""
    config_type: ClassVar[type[StudyConfig]]

    async def carry_out(self, config: Any, workshop: Workshop) -> Result: ...
