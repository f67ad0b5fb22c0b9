"""What `validity` puts in order, and by what."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ..config import SimulateConfig
from ..sweep.measures import MEASURES, Measure
from .stand_ins import HERE
from .study import StudyConfig

REAL = ("ndcg@10", "recall@20")
LEAST, FEW = 5, 10
"""Recommenders: fewer than `LEAST` are not ranked at all; fewer than `FEW` carry little, and a note says so."""
USERS = 300
LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of random places in the positive control: six recommenders whose right order is known."""
Metric = Literal["watch_rate", "likes", "lift", "satisfaction", "pages"]
BY_KEY: dict[str, Measure] = {measure.key: measure for measure in MEASURES}
SHOWN: tuple[Metric, ...] = ("watch_rate", "likes", "satisfaction", "pages", "lift")


class ValidityConfig(StudyConfig):
    seeds: int = Field(default=3, ge=1)
    """Repetitions, each with other users and other chance; test-retest needs two."""
    recommenders: tuple[str, ...] = ("ease", "itemknn", "ials", "bpr", "pop", "random")
    """The recommenders to put in order: names, `module:object`, endpoints or files."""
    degraded: str = "ease"
    """The baseline that degraded versions are made of."""
    shares: tuple[float, ...] = ()
    """A degraded version for each share: so many places of each list are random. A ladder of known order."""
    metric: Metric = "watch_rate"
    """The simulated metric that the verdict speaks of."""
    real: Literal["ndcg@10", "recall@20"] = "ndcg@10"
    """The real metric that the order is held against."""
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Other ways to play the same users: name -> settings of `simulate` (model, mode, prompts, …)."""

    @field_validator("shares")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in value):
            raise ValueError("takes shares between 0 and 1, for example 0.25, 0.5, 0.75")
        return value

    @model_validator(mode="after")
    def _of_all(self) -> ValidityConfig:
        if self.rehearsal.get("recommender"):
            raise ValueError("recommender is no setting of these rehearsals: name them in recommenders")
        return self

    @property
    def opened(self) -> tuple[str, ...]:
        return (*self.recommenders, *([self.degraded] if self.shares else []))

    def rehearsals(self, **changes: Any) -> SimulateConfig:
        """The rehearsals' settings; more users than other studies play, since small differences are asked about."""
        return self.settings(**{"users": self.rehearsal.get("users", USERS)} | changes)

    @property
    def arms(self) -> dict[str, dict[str, Any]]:
        """Arm -> settings of its recommender."""
        config = self.rehearsal.get("recommender_config") or {}
        named = {name: {"recommender": name, "recommender_config": dict(config)} for name in self.recommenders}
        worse = {
            f"{self.degraded}, {share:.0%} random": {
                "recommender": f"{HERE}:Degraded",
                "recommender_config": {"base": self.degraded, "share": share},
            }
            for share in self.shares
        }
        return named | worse
