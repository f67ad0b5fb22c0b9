"""What a search is asked to do: one validated model behind the flags, the TOML file and the run's manifest; and carrying it out."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from ..llm import Budget, BudgetError, Door, Price, Usage, open_model
from ..runs import Manifest, Run, check_vacant, is_run, new_run_path
from ..runs.progress import Progress, Silent
from .account import Account
from .conductor import Watch
from .context import Context, Optimizer
from .errors import OptimizeError
from .search import Approver, Finished, finished, first_candidate, make_context, optimize
from .splits import Sizes, draw_splits
from .task import Task
from .tasks.building import body

DEFAULT_MODEL = "local/smollm2"


class OptimizeConfig(BaseModel):
    """One search: which prompts, on which cases, by which optimizer, with whose models, for how much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = "session"
    """`session`, `news`, `rerank`, `simulator`, `rewrite`, or `dspy:module:program`."""
    data: str | None = None
    """A known data set's name or a path (None: the task's own default, the embedded MovieTweetings)."""
    task_options: dict[str, Any] = Field(default_factory=dict)
    """Fields of the task's own configuration, e.g. `candidates=10`, `domain="games"`."""
    metric: str | None = None
    """What is maximised (None: the task's own, mostly ndcg@10)."""
    optimizer: str = "racing"
    """`racing`, `recprompt`, `po4isr`, `mipro`, `gepa`, …"""
    optimizer_options: dict[str, Any] = Field(default_factory=dict)
    """Fields of the optimizer's own configuration, e.g. `rounds=4`."""
    selector: str | None = None
    """Who finds the best of several prompts: `racing`, `halving`, `ucb1`, `full`, … (None: the optimizer's own)."""
    as_released: bool = False
    """recprompt and po4isr: with the published code's defects, to see what they cost."""
    model: str = DEFAULT_MODEL
    """Who answers the cases: `local/smollm2`, `openai/NAME`, `http://HOST/v1#NAME`, any LiteLLM `provider/NAME`."""
    base_url: str | None = None
    proposer_model: str | None = None
    """Who writes prompts (None: the same model; a small local one cannot, then our own bank of edits is used)."""
    proposer_base_url: str | None = None
    seed_prompt: dict[str, str] = Field(default_factory=dict)
    """Component -> file (or a file alone): where the search begins instead of at the task's own prompt."""
    seed: int = Field(default=0, ge=0)
    search: PositiveInt = Sizes().search
    selection: PositiveInt = Sizes().selection
    test: PositiveInt = Sizes().test
    budget: str = ""
    """Hard limits over all roles, e.g. `usd=1,calls=500`. What the sealed test will take is kept back from the search."""
    price: str = ""
    """What tokens of the model cost where no table knows: `in=0.2,out=0.6`, US dollars per million."""
    proposer_price: str = ""
    approve: bool = False
    """Ask a person before a prompt is accepted."""
    concurrency: PositiveInt = 64
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    name: str = "optimize"

    @field_validator("seed_prompt", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        """A file alone is for a task with one text."""
        return {"": value} if isinstance(value, str) else value

    @field_validator("budget")
    @classmethod
    def _limits(cls, value: str) -> str:
        try:
            Budget.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("price", "proposer_price")
    @classmethod
    def _price(cls, value: str) -> str:
        try:
            Price.parse(value)
        except BudgetError as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def sizes(self) -> Sizes:
        return Sizes(search=self.search, selection=self.selection, test=self.test)


def checked(values: Mapping[str, Any]) -> OptimizeConfig:
    """Settings from a file, a command line or a manifest. Raises `OptimizeError` naming each that is wrong."""
    try:
        return OptimizeConfig(**values)
    except ValidationError as error:
        raise OptimizeError("\n  ".join(["a setting is wrong", *(_problem(each) for each in error.errors())])) from None


def _problem(error: Any) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, OptimizeConfig.model_fields, n=1)
        return f"no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"


class Opened(NamedTuple):
    """All that a search needs."""

    task: Task
    optimizer: Optimizer
    model: Door
    proposer: Door
    budget: Budget | None


async def optimize_as(
    config: OptimizeConfig,
    *,
    out: Path | None = None,
    approver: Approver | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    proposer_api_key: str | None = None,
) -> Finished:
    """Carry a search out as configured. The models are asked once before anything is written: a wrong key shows at once."""
    path = out if out is not None else new_run_path(name=config.name)
    check_vacant(path)
    progress = progress or Silent()
    progress.note(f"preparing {config.task}" + (f" from {config.data}" if config.data else ""))
    async with opened_for(config, api_key, proposer_api_key) as opened:
        return await _carry_out(config, opened, path, approver, progress)


async def resume(
    path: Path,
    *,
    budget: str | None = None,
    concurrency: int | None = None,
    base_url: str | None = None,
    price: str | None = None,
    pages: int | None = None,
    approver: Approver | None = None,
    progress: Progress | None = None,
    api_key: str | None = None,
    proposer_api_key: str | None = None,
    watch: Watch | None = None,
) -> Path:
    """Go on with a paused or killed search. Recorded answers are not asked for again. A finished one is returned as it
    is: its test split has been opened, so no further search may be judged on it."""
    if pages is not None:
        raise OptimizeError("a search has no pages\n  leave --pages out")
    manifest = Manifest.read(path)
    if manifest.status == "finished":
        return path
    given = {"budget": budget, "concurrency": concurrency, "base_url": base_url, "price": price}
    changes = {name: value for name, value in given.items() if value is not None}
    if not configured(manifest):
        raise OptimizeError(
            "this search was started from Python, so only Python can go on with it\n"
            f"  call optimize(...) again with out={str(path)!r}"
        )
    config = checked({**manifest.config, **changes})
    async with opened_for(config, api_key, proposer_api_key, path) as opened:
        if changes:
            with Run.open(path, write=True) as run:
                run.revise(changes, "resumed with " + ", ".join(f"{k}={v}" for k, v in changes.items()))
        await _carry_out(config, opened, path, approver, progress or Silent(), watch=watch)
    return path


async def replay(path: Path, *, out: Path, progress: Progress | None = None) -> tuple[str, str]:
    """Search again from the recorded calls, without a model, into `out`; returns both digests. A person's decisions are
    taken from the log. Raises `ReplayDiverged` naming the first call that is not in the recording."""
    with Run.open(path) as old:
        if not configured(old.manifest):
            raise OptimizeError(
                "this search was started from Python, so it can be replayed only there\n"
                "  its task and optimizer were given as objects, which no setting names"
            )
        config = checked(old.manifest.config)
        said = {e.agent: e.data.get("texts", e.data["accepted"]) for e in old.events(kind="accepted") if e.page >= 0}

        async def as_then(wanted: Mapping[str, Any]) -> Any:
            return said.get(wanted["candidate"])

        async with opened_for(config, None, None, replay_of=old) as opened:
            await _carry_out(config, opened, out, as_then, progress or Silent(), replay_of=old)
        with Run.open(out, write=True) as new:
            new.calls.adopt(old.calls)
            return old.digest(), new.digest()


def configured(manifest: Manifest) -> bool:
    """Whether settings name all that the search needs: one started from Python had its task and optimizer as objects."""
    return "task_options" in manifest.config


async def _carry_out(
    config: OptimizeConfig,
    opened: Opened,
    path: Path,
    approver: Approver | None,
    progress: Progress,
    replay_of: Run | None = None,
    watch: Watch | None = None,
) -> Finished:
    return await optimize(
        opened.task,
        opened.optimizer,
        model=opened.model,
        proposer=opened.proposer,
        out=path,
        seed=config.seed,
        budget=opened.budget,
        sizes=config.sizes,
        approve=config.approve,
        approver=approver,
        progress=progress,
        config=config.model_dump(mode="json"),
        name=config.name,
        seed_texts=seed_texts_of(config, opened.task),
        record=replay_of is None,
        follows=replay_of,
        watch=watch,
    )


@asynccontextmanager
async def opened_for(
    config: OptimizeConfig,
    api_key: str | None,
    proposer_api_key: str | None,
    going_on: Path | None = None,
    replay_of: Run | None = None,
    ask: bool = True,
) -> AsyncIterator[Opened]:
    budget = Budget.parse(config.budget) if config.budget else None
    if budget is not None and going_on is not None and is_run(going_on):
        with Run.open(going_on) as run:
            spent = run.calls.spent()  # a fork's limits are for what it pays itself
        tokens = spent.prompt_tokens + spent.completion_tokens
        budget.resume(
            {"spent": {"calls": spent.attempts, "tokens": tokens, "usd": spent.cost, "seconds": spent.seconds}}
        )
    common: dict[str, Any] = {"budget": budget, "concurrency": config.concurrency, "timeout": config.timeout}
    if replay_of is not None:
        common |= {"cassette": replay_of.calls, "replay_only": True, "budget": None}  # nothing is paid
    optimizer = optimizer_of(config)
    model = open_model(
        config.model, api_key=api_key, base_url=config.base_url, price=Price.parse(config.price), **common
    )
    proposer = model
    try:
        if config.proposer_model is not None and config.proposer_model != config.model:
            proposer = open_model(
                config.proposer_model,
                api_key=proposer_api_key or api_key,
                base_url=config.proposer_base_url,
                price=Price.parse(config.proposer_price),
                **common,
            )
        if ask:
            await _check(dict.fromkeys((model, proposer)), going_on)
        yield Opened(task_of(config, model), optimizer, model, proposer, budget)
    finally:
        for door in dict.fromkeys((model, proposer)):
            await door.close()


async def _check(doors: Iterable[Door], going_on: Path | None) -> None:
    """Ask each model once, so that a wrong key shows before any work, and its abilities are known."""
    if going_on is None:
        for door in doors:
            await door.check()
        return
    with Run.open(going_on) as run:  # what the first check found is recorded there: it is not to be recorded twice
        for door in doors:
            door.cassette = run.calls
            await door.check()
            door.cassette = None


def task_of(config: OptimizeConfig, model: Door) -> Task:
    """The configured task."""
    from .tasks.open import open_task

    if config.task.startswith("dspy:"):
        from .programs.program_task import open_program

        return open_program(config.task.removeprefix("dspy:"), data=config.data, **config.task_options)
    return open_task(
        config.task,
        config.data,
        abilities=model.abilities,
        seed=config.seed,
        metric=config.metric,
        options={"max_cases": config.sizes.total, **config.task_options},
    )


def seed_texts_of(config: OptimizeConfig, task: Task) -> dict[str, str]:
    """The texts of a person's prompt files (a header is left out), by component. Raises `OptimizeError`."""
    texts: dict[str, str] = {}
    for part, file in config.seed_prompt.items():
        if not part and len(task.components) == 1:
            (part,) = task.components
        if part not in task.components:
            raise OptimizeError(
                f"--seed-prompt: {task.name} has no text {part!r}\n  it has {', '.join(task.components)}: write PART=FILE"
            )
        try:
            texts[part] = body(Path(file).read_text(encoding="utf-8"))
        except OSError as problem:
            reason = (problem.strerror or type(problem).__name__).lower()
            raise OptimizeError(f"--seed-prompt: {file} cannot be read: {reason}\n  check the path") from None
        except UnicodeDecodeError:
            raise OptimizeError(f"--seed-prompt: {file} is no text in UTF-8\n  save it as UTF-8") from None
    return texts


def optimizer_of(config: OptimizeConfig) -> Optimizer:
    """The configured optimizer."""
    from .optimizers import open_optimizer

    options = dict(config.optimizer_options)
    if config.selector is not None:
        options["selector"] = config.selector
    if config.as_released:
        options["as_released"] = True
    return open_optimizer(config.optimizer, **options)


class Forecast(NamedTuple):
    """What a search would take at most, before it takes it: one call a case (or the task's `calls_per_case`), proposals, the
    sealed test.

    `likely`: all calls that are to be expected, None where the optimizer cannot tell. `usd`: of the cases at most, None where
    the price is unknown.
    """

    cases: int
    task_calls: int
    proposals: int
    test_calls: int
    likely: int | None
    tokens_per_case: int
    usd: float | None

    @property
    def calls(self) -> int:
        return self.task_calls + self.proposals + self.test_calls


async def forecast(config: OptimizeConfig) -> Forecast:
    """Most calls and tokens of a search: its optimizer's own count, prompts measured on the first cases. No model is
    called, and no key is needed."""
    async with opened_for(config, "not-used", "not-used", ask=False) as opened:
        task = opened.task
        splits = draw_splits(task, config.sizes, config.seed)
        first = first_candidate(task, seed_texts_of(config, task))
        writes = not opened.proposer.abilities.plumbing_grade
        context: Context = make_context(
            task, splits, first, config.seed, can_write=writes, proposer=opened.proposer.name
        )
        said = opened.optimizer.forecast(context)
        size = _tokens(task, context)
        cases, test = int(said.get("task", 0)), 2 * len(splits.test)
        Account(
            Budget.parse(config.budget) if config.budget else None, test
        )  # whether that leaves anything to search with
        each = getattr(task, "calls_per_case", 1)
        likely = None if "likely" not in said else (int(said["likely"]) + test) * each
        return Forecast(
            len(task.cases),
            cases * each,
            int(said.get("proposals", 0)),
            test * each,
            likely,
            size,
            _usd(opened.model, (cases + test) * each, size),
        )


def _usd(model: Door, cases: int, tokens: int) -> float | None:
    """Dollars of so many cases; a model in this process costs nothing."""
    if not model.provider.remote:
        return 0.0
    price = model.line.price()
    return None if price is None else cases * price.of(Usage(tokens, 64))


def _tokens(task: Task, context: Context) -> int:
    """Tokens of one case's prompt, by bytes, over the first cases."""
    texts = sum(len(text.encode()) for text in context.seed_candidate.texts.values())
    shown = [len(task.story(context.cases[case]).encode()) for case in context.search[:10]]
    return round((texts + sum(shown) / len(shown)) / 4)


__all__ = [
    "Finished",
    "Forecast",
    "OptimizeConfig",
    "checked",
    "finished",
    "forecast",
    "optimize_as",
    "replay",
    "resume",
]
