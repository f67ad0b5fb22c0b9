"""What a rewriting is asked to do: one validated model behind the flags and the run's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from ...llm import Budget, BudgetError, Price
from .records import RewriteError

RULES = "rules"
"""In place of a model's name: rules alone."""
NOBODY = "none"
"""In place of a judge's name: nothing is judged."""

VOLATILE = frozenset({"concurrency", "budget", "price", "judge_price", "timeout", "name", "base_url", "judge_base_url"})
"""Settings that say how a rewriting is carried out: left out of its digest."""

Check = Literal["vectors", "words", "none"]


class RewriteConfig(BaseModel):
    """One rewriting: which queries, as whom, by whose words, judged by whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queries: tuple[str, ...] = ()
    """Queries as they were typed."""
    file: str | None = None
    """A file of them: CSV, TSV, JSONL, Parquet, or text with one on each line."""
    data: str | None = None
    """A search set, whose queries are taken: `shop-search`, a folder, a file of judged pairs."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is what: `query`, `query_id`."""
    limit: PositiveInt | None = None
    """Take the first so many queries."""
    persona: tuple[str, ...] = Field(default=("paper",), min_length=1)
    """Sets (`paper`, `shop`) and personas."""
    personas: str | None = None
    """A TOML or JSON file of your own; alone, all of its personas are taken."""
    model: str = "local/smollm2"
    """Who writes: `rules`, `local/smollm2` (orders what rules propose), `openai/NAME`, `http://HOST/v1#NAME`, ..."""
    judge: str | None = None
    """Who judges: another model's name, or `none`. By default the writer's own model, where that can judge; the output says so."""
    votes: PositiveInt = 1
    """How often the judge is asked about each rewrite; the majority counts."""
    rounds: PositiveInt = 3
    """Most rewrites per query and persona, the first one included; then the raw query stands."""
    check: Check = "vectors"
    """The similarity beside the judge: `vectors` (static word vectors, fetched once), `words` (no file needed), `none`."""
    least: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    """A similarity below which a rewrite counts as asking for something else; 0 leaves it to the judge."""
    temperature: float = Field(default=0.7, ge=0, le=2, allow_inf_nan=False)
    """Of rewrites and repairs."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Prompt -> file of yours: `intent`, `rewrite`, `judge`, `repair_meaning`, `repair_role`, `repair_both`."""
    seed: int = Field(default=0, ge=0)
    chunk: PositiveInt = 20
    """Queries written to the log at once."""
    budget: str = ""
    """Hard limits over writer and judge, e.g. `usd=1,calls=500`."""
    price: str = ""
    judge_price: str = ""
    base_url: str | None = None
    judge_base_url: str | None = None
    concurrency: PositiveInt = 64
    """Calls in flight at once, of the writer and of another model that judges each."""
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    name: str = "rewrite"

    @field_validator("budget")
    @classmethod
    def _limits(cls, value: str) -> str:
        try:
            Budget.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("price", "judge_price")
    @classmethod
    def _price(cls, value: str) -> str:
        try:
            Price.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value


def checked(values: Mapping[str, Any]) -> RewriteConfig:
    """Settings from a command line or a manifest. Raises `RewriteError` naming each that is wrong."""
    try:
        config = RewriteConfig(**values)
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()
        )
        raise RewriteError("\n  ".join(["a setting is wrong", *wrong])) from None
    given = [name for name in ("queries", "file", "data") if getattr(config, name)]
    if len(given) != 1:
        told = "no queries were given" if not given else f"queries were given in {len(given)} ways ({', '.join(given)})"
        raise RewriteError(
            f"{told}\n  give queries as words, or --queries FILE, or --data NAME: one of them\n"
            "  for example  recloop rewrite 'warm gloves for cycling'"
        )
    return config
