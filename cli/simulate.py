"""`recloop simulate`: rehearse a recommender with simulated users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from . import options as shared
from . import simulate_options as flag
from .output import CommandError, print_json
from .output import say as tell

EPILOG = """Exit codes:  0 fine,  1 nothing or everything was watched (the rehearsal shows nothing),  2 bad input,  3 paused (budget \
spent, endpoint lost),  130 Ctrl-C,  143 SIGTERM; the last three print the command that goes on.

Settings, modes, tables of a run: docs/simulate.md"""


def command(
    context: typer.Context,
    config: flag.Config = None,
    data: flag.Data = None,
    columns: flag.Columns = None,
    core: flag.Core = None,
    split: flag.Split = None,
    test: flag.Test = None,
    recommender: flag.Recommender = None,
    recommender_config: flag.RecommenderConfig = None,
    refit_every: flag.RefitEvery = None,
    users: flag.Users = None,
    pages: flag.Pages = None,
    page_size: flag.PageSize = None,
    interviews: flag.Interviews = None,
    seed: flag.Seed = None,
    chance: flag.Chance = None,
    tastes: flag.Tastes = None,
    memory: flag.Memory = None,
    actions: flag.Actions = None,
    fatigue: flag.Fatigue = None,
    model: flag.Model = None,
    base_url: flag.BaseUrl = None,
    mode: flag.Mode = None,
    plan: flag.Plan = None,
    prompts: flag.Prompt = None,
    signal: flag.Signal = None,
    calibration_items: flag.CalibrationItems = None,
    watch_rate: flag.WatchRate = None,
    shuffle_slots: flag.ShuffleSlots = None,
    show_mean: flag.ShowMean = None,
    strict: flag.Strict = None,
    say: flag.Say = None,
    budget: flag.Budget = None,
    price: flag.Price = None,
    concurrency: shared.Concurrency = None,
    timeout: shared.Timeout = None,
    name: flag.Name = None,
    out: shared.Out = None,
    dry_run: flag.DryRun = False,
    as_json: shared.CarriedJson = False,
) -> None:
    """Let simulated users browse a recommender, and record every decision.

    Without a flag: ten users, three pages of four films, EASE on the embedded
    MovieTweetings ratings, played by the embedded 135M model. That model
    shows the machinery, not people; for people's behaviour give an endpoint.

      recloop simulate
      recloop simulate --recommender shop.models:best --data ratings.csv
      recloop simulate --model openai/gpt-4o-mini --users 100 --budget usd=1
      recloop simulate --model scripted --users 1000 --pages 5
      recloop simulate study.toml --seed 2

    What next: the summary names the run's folder. `recloop report RUN --open`
    shows it, `recloop runs compare A B` holds two against each other,
    `recloop replay RUN` proves it without a model.
    """
    from ..simulations import SimulateConfig, load_config

    # The parameters are named after the settings, so whatever was given is a setting or one of the last three flags.
    given = shared.settings_given(context.params, SimulateConfig.model_fields, _PARSERS)
    settings = load_config(config, given)

    if dry_run:
        from ..simulations import forecast
        from .stopping import run_stoppable

        _show(run_stoppable(forecast(settings)), as_json)
        return

    from ..simulations import simulate
    from .conclude import carry_out, conclude

    with _folder(out, settings.name) as path:
        carry_out(lambda bars: simulate(settings, out=path, progress=bars), path)
    conclude(path, as_json)


@contextmanager
def _folder(out: Path | None, name: str) -> Iterator[Path]:
    """The new run's folder. One that we name is made at once, so that no other run takes it, and goes again if unused."""
    from ..runs import new_run_path

    if out is not None:
        yield out.expanduser()  # --out=~/x reaches us as it was typed
        return
    path = new_run_path(name=name)
    while True:
        try:
            path.mkdir(parents=True)
            break
        except FileExistsError:
            if not path.exists():  # a part of it is a file
                raise
            path = new_run_path(name=name)
    try:
        yield path
    finally:
        for folder in (path, path.parent):
            with suppress(OSError):
                folder.rmdir()  # only if empty


def _columns(text: str) -> dict[str, str]:
    from ..data import parse_columns

    return parse_columns(text)


def _rates(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise CommandError(
            f"--watch-rate takes LOW,HIGH, got {text!r}\n  for example  --watch-rate 0.25,0.55"
        ) from None
    return low, high


def _pages(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise CommandError(f"--interviews takes PAGE,..., got {text!r}\n  for example  --interviews 2,4") from None


def _fields(texts: list[str]) -> dict[str, Any]:
    """KEY=VALUE, the value read as JSON where it is JSON, else as text."""
    import json

    found: dict[str, Any] = {}
    for text in texts:
        name, sep, value = (part.strip() for part in text.partition("="))
        if not sep or not name:
            raise CommandError(
                f"--recommender-config takes KEY=VALUE, got {text!r}\n  for example  --recommender-config l2=100"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _prompts(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        node, sep, file = (part.strip() for part in text.partition("="))
        if not sep or not node or not file:
            raise CommandError(f"--prompt takes NODE=FILE, got {text!r}\n  for example  --prompt page=my-page.md")
        found[node] = file
    return found


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "columns": _columns,
    "watch_rate": _rates,
    "interviews": _pages,
    "prompts": _prompts,
    "recommender_config": _fields,
}


def _show(forecast: Any, as_json: bool) -> None:
    """What a rehearsal would take, before it takes it."""
    if as_json:
        print_json(forecast.json())
        return
    for line in forecast.lines():
        tell(line)
