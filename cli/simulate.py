"""`recloop simulate`: rehearse a recommender with simulated users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .output import BAD_INPUT, FAILED, INTERRUPTED, PAUSED, console, errors, print_json

Pairs = Annotated[list[str] | None, typer.Option()]


def command(
    config: Annotated[
        Path | None, typer.Argument(help="A TOML file of the same settings (flags win over it).", show_default=False)
    ] = None,
    data: Annotated[str | None, typer.Option(help="Data set: a known name (`recloop data list`) or a path. [movietweetings]")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Map columns: `user=uid,item=movie,rating=stars,time=when`.", show_default=False)
    ] = None,
    core: Annotated[int | None, typer.Option(help="Keep users and items with at least this many rows.")] = None,
    strict: Annotated[bool | None, typer.Option("--strict", help="Refuse broken rows instead of skipping them.")] = None,
    recommender: Annotated[
        str | None,
        typer.Option(help="`ease`, `itemknn`, `pop`, `random`, `bpr`, `ials`; yours: `module:object`, `http://...`, a top-k file. [ease]"),
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Simulated users. [10]")] = None,
    pages: Annotated[int | None, typer.Option(min=1, help="Pages each may browse. [3]")] = None,
    page_size: Annotated[int | None, typer.Option(min=1, help="Items on a page. [4]")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="`local/smollm2`, `local:FILE.gguf`, `openai/NAME`, `http://HOST/v1#NAME`, any LiteLLM name, or `scripted`."),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Endpoint of an `openai/...` model.")] = None,
    mode: Annotated[str | None, typer.Option(help="`generate`, `score`, or `auto`. [auto]")] = None,
    plan: Annotated[str | None, typer.Option(help="Calls of generate mode: `fused` (one a page) or `faithful` (Agent4Rec's). [fused]")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Replace a prompt: `react=FILE` (repeatable).")] = None,
    seed: Annotated[int | None, typer.Option(help="Everything random follows from it. [0]")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls in flight at once. [64]")] = None,
    budget: Annotated[str | None, typer.Option(help="Hard limits: `usd=1,calls=500,tokens=100000,seconds=600`.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds one model call may take. [60]")] = None,
    shuffle_slots: Annotated[bool | None, typer.Option(help="Shuffle the order in which a slate is shown. [yes]")] = None,
    show_mean: Annotated[bool | None, typer.Option(help="Show mean ratings (leaks the answer). [no]")] = None,
    fatigue: Annotated[float | None, typer.Option(min=0, max=1, help="Weight of fatigue; 0 takes it out. [1]")] = None,
    refit_every: Annotated[int | None, typer.Option(min=0, help="Refit the recommender every k pages; 0: frozen. [0]")] = None,
    tastes: Annotated[str | None, typer.Option(help="Taste summaries by `genres` (no model) or `llm`. [genres]")] = None,
    actions: Annotated[str | None, typer.Option(help="Action set: `films`, `shop`, or `module:object`. [films]")] = None,
    signal: Annotated[str | None, typer.Option(help="Score mode: read `title` likelihoods or `yesno` answers. [title]")] = None,
    say: Annotated[bool | None, typer.Option("--say", help="Score mode: one generated sentence at the exit interview.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. [./recloop-runs/<date>-<name>]", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run. [simulate]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Let simulated users browse a recommender, page by page, and record every decision.

    Without any flag: ten users, three pages, EASE on the embedded MovieTweetings ratings, the embedded 135M model.

        recloop simulate --recommender mypackage.model:recommender --data ratings.csv

        recloop simulate --model openai/gpt-4o-mini --users 100 --pages 5 --budget usd=1

        recloop simulate --model scripted --users 1000 --pages 5
    """
    import asyncio

    from ..data import parse_columns
    from ..simulations import load_config

    given: dict[str, Any] = {
        "data": data,
        "columns": None if columns is None else parse_columns(columns),
        "core": core,
        "strict": strict,
        "recommender": recommender,
        "users": users,
        "pages": pages,
        "page_size": page_size,
        "model": model,
        "base_url": base_url,
        "mode": mode,
        "plan": plan,
        "prompts": None if prompt is None else pairs(prompt, "--prompt"),
        "seed": seed,
        "concurrency": concurrency,
        "budget": budget,
        "timeout": timeout,
        "shuffle_slots": shuffle_slots,
        "show_mean": show_mean,
        "fatigue": fatigue,
        "refit_every": refit_every,
        "tastes": tastes,
        "actions": actions,
        "signal": signal,
        "say": say,
        "name": name,
    }
    settings = load_config(config, {key: value for key, value in given.items() if value is not None})

    if dry_run:
        from ..simulations import forecast

        show_forecast(asyncio.run(forecast(settings)), as_json)
        return

    from ..runs import new_run_path
    from ..simulations import simulate
    from .bars import Bars

    path = out if out is not None else new_run_path(Path("recloop-runs"), settings.name)
    with Bars(quiet=as_json) as bars:
        interruptible(simulate(settings, out=path, progress=bars), path)
    conclude(path, as_json)


def interruptible(work: Any, path: Path) -> None:
    """Run a coroutine; Ctrl-C pauses the run and prints the command that goes on."""
    import asyncio

    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        errors.print(f"\npaused; nothing recorded is lost. Go on with:\n  recloop resume {path}", markup=False, highlight=False)
        raise typer.Exit(INTERRUPTED) from None


def conclude(path: Path, as_json: bool) -> None:
    """Print the summary, draw the picture and the page, and fail where the rehearsal shows nothing."""
    from ..runs import Run
    from ..simulations import degenerate, print_summary, summarise, write_picture, write_report

    with Run.open(path) as run:
        if run.status == "paused":
            errors.print(
                f"paused: {run.manifest.reason}\n  go on with:  recloop resume {path}", markup=False, highlight=False
            )
        summary = summarise(run)
        page, picture = write_report(run), write_picture(run)
        status = run.status
        digest = run.digest()
    if as_json:
        print_json({"run": str(path), "status": status, "digest": digest, "report": str(page), "summary": summary.json()})
    else:
        print_summary(summary, console)
        console.print(f"run      {path}\nreport   {page}\npicture  {picture}", markup=False, highlight=False, soft_wrap=True)
    if status == "paused":
        raise typer.Exit(PAUSED)
    problem = degenerate(summary)
    if problem:
        errors.print(f"recloop: {problem}", markup=False, highlight=False)
        raise typer.Exit(FAILED)


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a mapping."""
    found = {}
    for text in texts:
        key, sep, value = text.partition("=")
        if not sep or not key.strip() or not value.strip():
            errors.print(f"recloop: {option} takes KEY=VALUE, got {text!r}", markup=False, highlight=False)
            raise typer.Exit(BAD_INPUT)
        found[key.strip()] = value.strip()
    return found


def show_forecast(forecast: Any, as_json: bool) -> None:
    """What a rehearsal would take, before it takes it."""
    if as_json:
        print_json(forecast.json())
        return
    for line in forecast.lines():
        console.print(line, markup=False, highlight=False)
