"""`recloop optimize`: search for a better prompt, and say honestly whether it was found."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    CARRIED,
    CarriedJson,
    Concurrency,
    Json,
    Out,
    Timeout,
    endpoint_flag,
    flag,
    price_flag,
    seed_flag,
    settings_given,
)
from .output import FAILED, PAUSED, CommandError, console, note, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..prompt_opt.asked import OptimizeConfig
    from .bars import Bars

EPILOG = """Exit codes:  0 fine (whatever the verdict),  1 nothing could be ranked,  2 bad input,  3 paused (approval wanted, \
endpoint lost, budget spent before the sealed test),  130 Ctrl-C,  143 SIGTERM; the last three print the command that goes on.

Tasks, optimizers, statistics, lineage: docs/optimize.md"""

WAITS = " waits for approval"
"""In the reason of a search that stands at a prompt for a person to approve (`prompt_opt/search.py`)."""

WHAT, HOW, WHO = "What is optimized", "How it is searched", "Who answers and who writes"

app = typer.Typer(invoke_without_command=True, no_args_is_help=False, epilog=EPILOG)


Config = Annotated[
    Path | None,
    flag("--config", metavar="FILE.toml", panel=CARRIED, text="The same settings as a file; flags win over it."),
]


@app.callback(epilog=EPILOG)
def command(
    context: typer.Context,
    task: Annotated[
        str | None,
        flag(
            metavar="NAME",
            panel=WHAT,
            text="session, news, rerank, simulator, rewrite, or dspy:module:program (default: session).",
        ),
    ] = None,
    data: Annotated[
        str | None,
        flag(
            metavar="NAME|PATH", panel=WHAT, text="Data set or file (default: the task's own; session: movietweetings)."
        ),
    ] = None,
    task_options: Annotated[
        list[str] | None,
        flag(
            "--task-option",
            metavar="KEY=VALUE",
            panel=WHAT,
            text="A field of the task's configuration: candidates=10, domain=games (repeatable).",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        flag(metavar="NAME", panel=WHAT, text="What is maximised: ndcg@10, hr@5, mrr, ... (default: the task's own)."),
    ] = None,
    seed_prompt: Annotated[
        list[str] | None,
        flag(
            "--seed-prompt",
            metavar="[PART=]FILE",
            panel=WHAT,
            text="Begin at your own prompt (PART where the task has several texts; repeatable).",
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        flag(metavar="NAME", panel=HOW, text="racing, recprompt, po4isr, mipro, gepa, copro, simba (default: racing)."),
    ] = None,
    optimizer_options: Annotated[
        list[str] | None,
        flag(
            "--option",
            metavar="KEY=VALUE",
            panel=HOW,
            text="A field of the optimizer's configuration: rounds=4 (repeatable).",
        ),
    ] = None,
    selector: Annotated[
        str | None,
        flag(
            metavar="NAME",
            panel=HOW,
            text="Who finds the best of several prompts: racing, halving, rejects, ucb1, po4isr, full (default: the optimizer's own).",
        ),
    ] = None,
    as_released: Annotated[
        bool | None,
        flag(
            "--as-released",
            panel=HOW,
            text="recprompt, po4isr: with the published code's defects, to see what they cost.",
        ),
    ] = None,
    seed: Annotated[int | None, seed_flag(HOW)] = None,
    search: Annotated[int | None, flag(metavar="N", panel=HOW, text="Most cases to search on (default: 80).")] = None,
    selection: Annotated[
        int | None, flag(metavar="N", panel=HOW, text="Most cases to choose the winner on (default: 60).")
    ] = None,
    test: Annotated[
        int | None, flag(metavar="N", panel=HOW, text="Most sealed cases for the verdict, opened once (default: 100).")
    ] = None,
    approve: Annotated[bool | None, flag("--approve", panel=HOW, text="Ask me before a prompt is accepted.")] = None,
    model: Annotated[
        str | None,
        flag(
            metavar="NAME",
            panel=WHO,
            text="local/smollm2, openai/NAME, http://HOST/v1#NAME, any LiteLLM provider/NAME (default: local/smollm2).",
        ),
    ] = None,
    base_url: Annotated[str | None, endpoint_flag(WHO)] = None,
    proposer_model: Annotated[
        str | None,
        flag(
            metavar="NAME", panel=WHO, text="Who writes prompts (default: the same; where it cannot, a bank of edits)."
        ),
    ] = None,
    proposer_base_url: Annotated[str | None, endpoint_flag(WHO, "proposer")] = None,
    price: Annotated[str | None, price_flag(WHO)] = None,
    proposer_price: Annotated[
        str | None, flag(metavar="in=A,out=B", panel=WHO, text="The same for the proposer.")
    ] = None,
    budget: Annotated[
        str | None,
        flag(
            metavar="LIMITS",
            panel=CARRIED,
            text="Hard limits over all roles: usd=1,calls=500,tokens=1e6,seconds=600; the sealed test's share is kept back.",
        ),
    ] = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    name: Annotated[
        str | None, flag(metavar="NAME", panel=CARRIED, text="Name of the run (default: optimize).")
    ] = None,
    config: Config = None,
    out: Out = None,
    dry_run: Annotated[
        bool, flag("--dry-run", panel=CARRIED, text="Say what it would take at most, and stop.")
    ] = False,
    as_json: CarriedJson = False,
) -> None:
    """Search for a better prompt, and prove it on cases that no search has seen.

    Without a flag: the embedded 135M model ranks films for MovieTweetings
    users by likelihood; prompts come from a bank of edits, since that model
    cannot write any. For real work name an endpoint.

      recloop optimize
      recloop optimize --model openai/gpt-4o-mini --budget usd=1
      recloop optimize --task news --data MIND/ --optimizer recprompt
      recloop optimize --task session --data sessions.jsonl --seed-prompt mine.md
      recloop optimize --task dspy:my.module:program --model openai/gpt-4o-mini
      recloop optimize compare --model openai/gpt-4o-mini --seeds 3 --budget calls=600

    What next: `recloop prompts show RUN`, `recloop prompts diff RUN`,
    `recloop report RUN --open`, `recloop prompts export RUN --as dspy`.
    """
    if context.invoked_subcommand is not None:
        return
    from ..prompt_opt.asked import OptimizeConfig

    parsers = {"task_options": _fields, "optimizer_options": _fields, "seed_prompt": _seed_prompts}
    settings = _settings(config, settings_given(context.params, OptimizeConfig.model_fields, parsers))
    if dry_run:
        _forecast(settings, as_json)
        return

    from ..prompt_opt.asked import optimize_as
    from ..runs import new_run_path
    from .conclude import carry_out

    path = out.expanduser() if out is not None else new_run_path(name=settings.name)
    carry_out(
        lambda bars: optimize_as(settings, out=path, approver=_approver(as_json, bars), progress=bars), path, "step"
    )
    conclude_search(path, as_json)


def _settings(config: Path | None, given: dict[str, Any]) -> OptimizeConfig:
    """A file's settings with the given ones over them; options are taken one by one."""
    from ..prompt_opt.asked import checked

    values = {} if config is None else _toml(config)
    for key in ("task_options", "optimizer_options"):
        if key in given and isinstance(values.get(key), dict):
            given[key] = {**values[key], **given[key]}
    return checked({**values, **given})


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CommandError(f"{path}: not TOML: {problem}\n  write each setting as  name = value") from None


def _fields(texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"write it as KEY=VALUE, got {text!r}\n  for example  --option rounds=4")
        try:
            found[key.strip()] = json.loads(value)
        except ValueError:
            found[key.strip()] = value
    return found


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """`{"task_options.candidates": 5}` as `{"task_options": {"candidates": 5}}`."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        owner, dot, key = name.partition(".")
        if dot:
            found.setdefault(owner, {})[key] = value
        else:
            found[name] = value
    return found


def _seed_prompts(texts: list[str]) -> dict[str, str]:
    """PART=FILE, or a bare FILE for a task with one text (its name is then "")."""
    found: dict[str, str] = {}
    for text in texts:
        part, equals, file = text.partition("=")
        if not equals:
            part, file = "", text
        if part in found:
            raise CommandError(f"--seed-prompt gives {part or 'the text'} twice\n  write PART=FILE, each part once")
        found[part] = file
    return found


def _forecast(settings: OptimizeConfig, as_json: bool) -> None:
    from ..prompt_opt.asked import forecast
    from .stopping import run_stoppable

    found = run_stoppable(forecast(settings))
    if as_json:
        print_json({**found._asdict(), "calls": found.calls})
        return
    rows = [
        ("cases of the search", number(found.task_calls)),
        ("proposals", number(found.proposals)),
        ("the sealed test", number(found.test_calls)),
        ("all", number(found.calls)),
    ]
    if found.likely is not None:
        rows.append(("likely, of all", number(found.likely)))
    print_table("At most", ["calls for", "number"], rows, right=["number"])
    price = "price unknown"
    if found.usd is not None:
        price = f"the cases take at most about ${found.usd:.2f}" if found.usd else "costs nothing"
    say(f"about {number(found.tokens_per_case)} tokens of prompt a case; {price}")
    say("answers that cannot be read are asked for once more; --budget calls=N is a limit that nothing oversteps")


def _approver(as_json: bool, bars: Bars) -> Any:
    """Ask on the terminal; None where nobody is there to be asked (the search then waits)."""
    import sys

    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    async def ask(wanted: Any) -> Any:
        import asyncio

        with bars.away():
            return await asyncio.to_thread(_ask, wanted)

    return ask


def _ask(wanted: Any) -> Any:
    import difflib

    import click

    note(f"\ncandidate {wanted['candidate']} instead of {wanted['instead_of']}: {wanted['why']}")
    for part, text in wanted["texts"].items():
        old = wanted["old_texts"].get(part, "")
        if text != old:
            note(f"--- {part}")
            for line in difflib.unified_diff(old.splitlines(), text.splitlines(), lineterm="", n=2):
                note(line)
    while True:
        word = typer.prompt("accept it? [y]es, [n]o, [e]dit, [w]ait", default="w", err=True).strip().lower()[:1]
        if word in ("y", "n"):
            return word == "y"
        if word == "w":
            return None
        if word == "e":
            texts = {part: click.edit(text) or text for part, text in wanted["texts"].items()}
            return {part: text.rstrip("\n") for part, text in texts.items()}


def resume_search(path: Path, changes: dict[str, Any], accept: str | None, as_json: bool) -> None:
    """Go on with a search; `accept` answers the approval that it waits for, the next ones are asked for as usual."""
    from ..prompt_opt.asked import resume
    from ..runs import Manifest
    from .conclude import carry_out

    if changes.get("pages") is not None:
        raise CommandError("a search has no pages\n  leave --pages out")
    decision = None if accept is None else _decision(path, accept)
    manifest = Manifest.read(path)
    if manifest.status == "finished" and accept is not None:
        raise CommandError(f"{path} is finished: no prompt waits in it\n  leave --accept out")
    if manifest.status == "finished":
        note(f"{path} is finished already; this is what came of it")
        conclude_search(path, as_json)
        return
    if accept is not None and WAITS not in manifest.reason:
        raise CommandError(
            f"{path} waits for no approval: it is {manifest.status}"
            + (f" ({manifest.reason})" if manifest.reason else "")
            + "\n  go on with it without --accept"
        )
    answers = [] if decision is None else [decision]

    async def work(bars: Bars) -> None:
        usual = _approver(as_json, bars)

        async def approver(wanted: Any) -> Any:
            if answers:
                return answers.pop()
            return None if usual is None else await usual(wanted)

        await resume(path, approver=approver, progress=bars, **changes)

    carry_out(work, path, "step")
    conclude_search(path, as_json)


def _decision(path: Path, accept: str) -> bool | dict[str, str]:
    """What `recloop resume --accept` says: yes, no, or a file with the text to accept instead (its header is left out).

    Raises `CommandError`, before anything runs, for anything else, and for a text that the search could not use.
    """
    if accept in ("yes", "no"):
        return accept == "yes"
    if not Path(accept).is_file():
        raise CommandError(
            f"--accept takes yes, no or the file of a prompt, got {accept!r}\n  for example  --accept yes"
        )
    from ..prompt_opt.guards import contract
    from ..prompt_opt.task import Component
    from ..prompt_opt.tasks.building import body
    from ..runs import Run

    with Run.open(path) as run:
        told = next((event.data["components"] for event in run.events(kind="task")), {})
    if len(told) != 1:
        raise CommandError(
            f"{path} searches over {len(told)} texts ({', '.join(told)})\n  answer with --accept yes or no"
        )
    ((part, said),) = told.items()
    try:
        text = body(Path(accept).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise CommandError(f"{accept} is no text in UTF-8\n  save it as UTF-8") from None
    component = Component(said["text"], said["purpose"], said["fields"], tuple(said["required"]))
    if wrong := list(contract(text, component)):
        known = ", ".join("{{" + name + "}}" for name in component.fields) or "none"
        raise CommandError(f"the prompt in {accept} " + "; it ".join(wrong) + f"\n  fields it may hold: {known}")
    return {part: text}


def conclude_search(path: Path, as_json: bool) -> None:
    """Print verdict, baselines and bill; write the page; exit 3 for a paused search, 1 where nothing could be ranked."""
    from ..prompt_opt.lineage import write_lineage
    from ..prompt_opt.printed import print_summary
    from ..prompt_opt.summary import summarise
    from ..runs import Run
    from .conclude import larger_budget

    with Run.open(path) as run:
        summary = summarise(run)
        page, digest = write_lineage(run), run.digest()
        status, reason = run.status, run.manifest.reason
        budget = str(run.manifest.config.get("budget", ""))
    name = shlex.quote(str(path))
    if as_json:
        print_json(
            {"run": path, "status": status, "reason": reason, "digest": digest, "report": page, **summary.json()}
        )
    else:
        print_summary(summary, console)
        say()
        say(f"run      {path}\nreport   {page}")
        if status == "finished":
            say(f"prompt   recloop prompts show {name}")
            if summary.best != summary.seed_prompt:
                say(f"changes  recloop prompts diff {name}")
    if status != "finished":
        note(f"{status}: {reason}")
        more = larger_budget(budget, reason)
        if WAITS in reason:
            note(f"look at it:  recloop prompts diff {name} seed {reason.partition(WAITS)[0].split()[-1]}")
            more = "--accept yes|no|FILE"
        elif "budget" in reason:
            more = f"--budget {more or 'LIMITS'}"
        note(f"go on with:  recloop resume {name} {more}".rstrip())
        raise typer.Exit(PAUSED)
    if (summary.json().get("verdict") or {}).get("outcome") == "not ranked":
        raise typer.Exit(FAILED)


@app.command("compare")
def compare(
    optimizers: Annotated[
        str, typer.Option(metavar="NAME,...", help="Which ones; the others are held against the first.")
    ] = "racing,recprompt,po4isr",
    seeds: Annotated[
        int, typer.Option(min=1, metavar="K", help="Seeds per optimizer: other splits, other chance.")
    ] = 3,
    budget: Annotated[str | None, typer.Option(metavar="LIMITS", help="The same hard limits for every search.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Who answers the cases.")] = None,
    proposer_model: Annotated[str | None, typer.Option(metavar="NAME", help="Who writes prompts.")] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="session, news, rerank, ...")] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="Data set or file.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of `recloop optimize`: search=40, task_options.candidates=5 (repeatable).",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings as a file.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the searches; goes on with one.")] = None,
    as_json: Json = False,
) -> None:
    """Hold optimizers against each other under an equal budget, on sealed cases.

    Every optimizer searches with every seed; each search is a run of its own
    below DIR. The same line with the same --out goes on with what is there.

      recloop optimize compare --model openai/gpt-4o-mini --budget calls=800
      recloop optimize compare --seeds 5 --config settings.toml --out study

    Exit code 3 where a search is paused: the same line goes on with it.
    """
    from ..prompt_opt.comparing import compare_optimizers, print_comparison
    from ..runs import new_run_path
    from .bars import Bars
    from .stopping import run_stoppable

    given = {"budget": budget, "model": model, "proposer_model": proposer_model, "task": task, "data": data}
    values = {key: value for key, value in given.items() if value is not None} | _nested(_fields(settings or []))
    base = _settings(config, values)
    names = [name.strip() for name in optimizers.split(",") if name.strip()]
    path = out.expanduser() if out is not None else new_run_path(name="compare")
    with Bars() as bars:
        found = run_stoppable(compare_optimizers(base, names, seeds, out=path, progress=bars))
    if as_json:
        print_json({"folder": path, **found.json()})
    else:
        print_comparison(found, console)
        say(f"\nsearches  {path}")
    if sum(row.paused for row in found.rows):
        note("paused: some searches have no verdict yet; the same line with the same --out goes on with them")
        raise typer.Exit(PAUSED)
