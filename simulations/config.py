"""What a rehearsal is asked to do: one validated model behind the flags, the TOML file and the run's manifest."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, ValidationInfo, field_validator

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFAULT_MODEL = "local/smollm2"

Mode = Literal["auto", "generate", "score"]
Plan = Literal["fused", "faithful"]


class SimulateError(Exception):
    """A rehearsal that cannot start or go on; the message says what to do next."""


class SimulateConfig(BaseModel):
    """One rehearsal: whose users, before which recommender, asked by which model, for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = "movietweetings"
    """A known data set's name or a path."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Role -> column, for tables with names of their own (user, item, rating, time, title, genres)."""
    strict: bool = False
    """Refuse a data set with broken rows instead of skipping and counting them."""
    core: int | None = None
    """k-core: keep users and items with at least this many rows (None: the data set's default)."""
    recommender: str = "ease"
    """A baseline's name, `module:object`, `file.py:object`, an HTTP endpoint, or a top-k file."""
    recommender_config: dict[str, Any] = Field(default_factory=dict)
    """Fields of the recommender's own configuration: a baseline's, an endpoint's, a file's, or a factory's arguments."""
    model: str = DEFAULT_MODEL
    """`local/smollm2`, `local:FILE.gguf`, `openai/NAME`, `http://HOST/v1#NAME`, any LiteLLM `provider/NAME`, or `scripted`."""
    base_url: str | None = None
    """Endpoint of an `openai/...` model, where it is not OpenAI's own."""
    mode: Mode = "auto"
    """`generate`: the model writes a structured answer. `score`: the model's log-probabilities are read and code decides.
    `auto`: score for plumbing-grade local models, generate for all others."""
    plan: Plan = "fused"
    """`fused`: one structured answer a page. `faithful`: Agent4Rec's own sequence of calls."""
    users: PositiveInt = 10
    pages: int = Field(default=3, ge=1, le=10_000)
    page_size: PositiveInt = 4
    interviews: tuple[PositiveInt, ...] = ()
    """Pages after which everybody still there is interviewed, besides the interview at the exit."""
    seed: int = Field(default=0, ge=0)
    chance: int | None = Field(default=None, ge=0)
    """Another seed for what users do and for the order of slots alone: the same users and recommender, other chance (None: `seed`)."""
    split: Literal["user_time", "random", "leave_last", "global_time"] = "user_time"
    test: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of rows held out of everything a user or the recommender is built from."""
    shuffle_slots: bool = True
    """Show the slate in an order drawn per page, so that a model's position bias is not mistaken for taste."""
    show_mean: bool = False
    """Show each item's mean rating. Off: it leaks the answer (ratings then follow the displayed mean)."""
    fatigue: float = Field(default=1.0, ge=0.0, le=1.0)
    """Weight of fatigue; 0 takes it out of prompts and of exits (its hint otherwise shapes the exit histogram)."""
    refit_every: int = Field(default=0, ge=0)
    """Refit the recommender on what was watched every k pages; 0 keeps it frozen."""
    tastes: Literal["genres", "llm"] = "genres"
    """Who summarises a user's tastes: a deterministic count of genres and words, or the model."""
    memory: Literal["words", "vectors"] = "words"
    """What relevance in memory is measured by: hashed `words`, or static text `vectors` (fetched once, 19 MB)."""
    calibration_items: int = Field(default=8, ge=2)
    """Held-in items per user (half their own, half unobserved) from which score mode learns the model's margins."""
    watch_rate: tuple[float, float] = (0.25, 0.55)
    """Score mode: expected watch rate of the least and the most active group. A choice, not a measurement."""
    signal: Literal["auto", "title", "yesno"] = "auto"
    """Score mode: what tells how well an item suits. `title`: how much more likely this person's list makes its title (local
    models). `yesno`: the log-odds of yes when asked whether they would watch it. `auto`: title where the model can."""
    say: bool = False
    """Score mode: let the model add one short sentence at the exit interview (code decides everything else)."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """Node -> file: replaces a prompt of the user agent (`react`, `page`, `decide`, `reflect`, `interview`, ...)."""
    actions: str = "films"
    """The action set: `films`, `shop`, or `module:object` naming an `ActionSet`."""
    budget: str = ""
    """Hard limits, e.g. `usd=1,calls=500`. The run pauses at a page barrier when one would be overshot."""
    price: str = ""
    """What an endpoint's tokens cost where no table knows: `in=0.2,out=0.6`, US dollars per million."""
    concurrency: PositiveInt = 64
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Seconds one call to the model may take."""
    name: str = "simulate"

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_a_number(cls, value: Any, field: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(field.field_name)].annotation is not bool:
            raise ValueError(f"takes no {str(value).lower()}")  # which would be taken for 1 or 0
        return value

    @field_validator("watch_rate")
    @classmethod
    def _rates(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] < 1:
            raise ValueError("takes two rates with 0 < low <= high < 1, for example 0.25 and 0.55")
        return value

    @field_validator("budget")
    @classmethod
    def _limits(cls, value: str) -> str:
        from ..llm import Budget, BudgetError

        try:
            Budget.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("price")
    @classmethod
    def _price(cls, value: str) -> str:
        from ..llm import BudgetError, Price

        try:
            Price.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def reads(self) -> Literal["title", "yesno"]:
        """The signal really read: endpoints list single next tokens only, so they are asked yes or no."""
        return signal_read(self.signal, self.model)

    @property
    def luck(self) -> int:
        """The seed of what users do and of the order of slots."""
        return self.seed if self.chance is None else self.chance

    @property
    def scripted(self) -> bool:
        return self.model == "scripted"


def signal_read(signal: Literal["auto", "title", "yesno"], model: str) -> Literal["title", "yesno"]:
    """What `signal` comes to with this model."""
    if signal != "auto":
        return signal
    return "title" if model.startswith("local") else "yesno"


VOLATILE = frozenset({"concurrency", "budget", "price", "timeout", "name", "base_url"})
"""Fields that say how a run is carried out, not what it does: left out of its digest."""


def load_config(path: Path | None, overrides: Mapping[str, Any]) -> SimulateConfig:
    """The TOML file's values under the given flags. Raises `SimulateError` naming each setting that is wrong."""
    values = {} if path is None else settings_in(read_toml(path), path)
    config = checked({**values, **overrides})
    if config.scripted and config.mode != "auto":
        raise SimulateError(
            f"scripted users have no mode {config.mode}: no model is asked\n  leave --mode out, or name a model with --model"
        )
    return config


def checked(values: Mapping[str, Any]) -> SimulateConfig:
    """Settings from a file, a command line or a run's manifest. Raises `SimulateError` naming each that is wrong."""
    try:
        return SimulateConfig(**values)
    except ValidationError as error:
        lines = "\n  ".join(map(in_words, error.errors()))
        raise SimulateError(
            f"the settings do not hold\n  {lines}\n  `recloop simulate --help` explains every setting"
        ) from None


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file of settings holds. Raises `SimulateError` naming the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SimulateError(f"no such file: {path}\n  give a TOML file of settings, or flags alone") from None
    except UnicodeDecodeError as error:
        raise SimulateError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start})\n  save it as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SimulateError(f"{path} is not valid TOML: {error}\n  a setting is a line like  users = 100") from None


def settings_in(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The settings of a file: all that it holds, or its table [simulate] and then nothing beside that."""
    inner = values.pop("simulate", None)
    if inner is None:
        return values
    if not isinstance(inner, dict) or values:
        what = (
            f"{', '.join(values)} beside [simulate]" if values else "simulate = ... where a table [simulate] is meant"
        )
        raise SimulateError(f"{path} has {what}\n  put every setting into [simulate], or leave that heading out")
    return inner


def in_words(error: ErrorDetails) -> str:
    """One wrong setting in words: its name, what it should be, what it is."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, SimulateConfig.model_fields, n=3)
        return f"{name}: no such setting" + (f" (did you mean {', '.join(near)}?)" if near else "")
    if error["type"] == "value_error":  # our own words say it all
        return f"{name}: {error['msg'].removeprefix('Value error, ')}"
    given = error["input"]
    text = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:57]}..."
    nan = isinstance(given, float) and math.isnan(given)
    should = "should be a number" if nan else error["msg"].removeprefix("Input ")
    return f"{name}: {should}, got {text}"
