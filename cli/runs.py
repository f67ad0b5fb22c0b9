"""`recloop runs`: what has been run, and what came of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json
from .output import CommandError, megabytes, note, number, print_json, print_table, say, short

if TYPE_CHECKING:
    from ..runs import Comparison, Divergence, Manifest, Run, RunInfo

app = typer.Typer(help="List, look at, compare and tidy recorded runs.", no_args_is_help=True)

ROOT = Path("recloop-runs")
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")]


@app.command("list")
def list_(
    root: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of runs.")] = ROOT, as_json: Json = False
) -> None:
    """The runs in a folder, newest last, forks below what they stand on: running, paused, killed, finished, unreadable."""
    from ..runs import family, is_run, list_runs

    if is_run(root):
        raise CommandError(f"{root} is a run itself\n  look at it:  recloop runs show {shlex.quote(str(root))}")
    if root != ROOT and not root.is_dir():
        raise CommandError(f"{root} is no folder\n  give the folder that holds your runs (default: {ROOT})")
    runs = [each for top in list_runs(root) for each in family(top.path)]
    infos = [info for _, info in runs]
    if as_json:
        print_json([_row(info) for info in infos])
        return
    if not infos:
        say(f"no runs in {root}; `recloop simulate` makes one")
        return
    rows = [
        ("  " * depth + i.path.name, i.status, _day(i.manifest), megabytes(i.size), _what(i.manifest))
        for depth, i in runs
    ]
    print_table(
        f"Runs in {short(root)}",
        ["run", "status", "created", "size", "what"],
        rows,
        right=["size"],
        whole=["status", "created", "size"],
    )
    for info in infos:
        problem = info.problem or (info.manifest.reason if info.manifest else "")
        if problem:
            say(f"{info.path.name}: {problem}", style="dim")


def _row(info: RunInfo) -> dict[str, Any]:
    manifest = info.manifest
    return {
        "run": info.path,
        "kind": manifest.kind if manifest else None,
        "name": manifest.name if manifest else None,
        "status": info.status,
        "created": manifest.created if manifest else None,
        "fork": manifest.fork.model_dump(include={"barrier", "agents"}) if manifest and manifest.fork else None,
        "bytes": info.size,
        "pid": info.pid,
        "problem": info.problem or (manifest.reason if manifest else ""),
    }


def _day(manifest: Manifest | None) -> str:
    return manifest.created[:16].replace("T", " ") if manifest else ""


def _what(manifest: Manifest | None) -> str:
    if manifest is None or manifest.fork is None:
        return "" if manifest is None else _asked(manifest)
    who = len(manifest.fork.agents)
    return f"fork before page {manifest.fork.barrier}" + (f", of {who:,} agent{'s' if who > 1 else ''}" if who else "")


def _asked(manifest: Manifest) -> str:
    config = manifest.config
    if manifest.kind == "rewrite":
        asked = config.get("data") or config.get("file") or "given queries"
        return f"{asked} as {', '.join(config.get('persona') or ())}, {config.get('model')}"
    if not {"users", "pages", "recommender", "model"} <= set(config):
        return manifest.kind
    return f"{config['users']} x {config['pages']}, {config['recommender']}, {config['model']}"


@app.command()
def show(
    run: Folder,
    call: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Show one recorded model call instead: prompt and answer. The start of its key will do."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """What was asked in a run, how it stands, its tables and its numbers.

    Every decision in the tables names the model call behind it; --call shows
    that call.

    """
    from ..runs import Run, table_specs
    from .kinds import kind_of, show_summary, summary_of

    with Run.open(run) as opened:
        kind_of(opened)
        if call is not None:
            from .calls import show_call

            show_call(opened, call, as_json)
            return
        manifest, digest, barrier = opened.manifest, opened.digest(), opened.barrier
        tables = {name: opened.table(name).num_rows for name in table_specs(opened.kind)}
        if as_json:
            whole = manifest.model_dump(mode="json")
            print_json(
                {
                    "manifest": whole,
                    "digest": digest,
                    "barrier": barrier,
                    "tables": tables,
                    "summary": summary_of(opened),
                }
            )
            return
        facts = [
            ("status", manifest.status + (f": {manifest.reason}" if manifest.reason else "")),
            ("created", f"{_day(manifest)} UTC, kind {manifest.kind}, seed {manifest.seed}, at barrier {barrier}"),
            ("fork", _stands_on(opened)),
            ("digest", digest),
            ("settings", _settings(manifest.config)),
            ("tables", ", ".join(f"{name} {rows:,}" for name, rows in tables.items())),
            ("notes", "; ".join(manifest.notes)),
            ("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
        ]
        print_table(f"Run {opened.path.name}", ["", ""], [(name, text) for name, text in facts if text])
        say()
        show_summary(opened)


def _stands_on(run: Run) -> str:
    if (fork := run.fork) is None:
        return ""
    who = (
        f"; only {', '.join(fork.agents[:5])}{', …' if len(fork.agents) > 5 else ''} live on otherwise"
        if fork.agents
        else ""
    )
    paid = f"{run.calls.spent().calls:,} of {len(run.calls):,} calls made here"
    return f"of {short(fork.parent)} before page {fork.barrier}{who}; {paid}"


def _settings(config: dict[str, Any]) -> str:
    given = {name: value for name, value in config.items() if value not in (None, "", {}, [])}
    return ", ".join(f"{name}={value}" for name, value in given.items())


@app.command()
def digest(run: Folder, as_json: Json = False) -> None:
    """The canonical digest of a run: equal for equal runs, whatever the concurrency, times and attempts."""
    from ..runs import Run

    with Run.open(run) as opened:
        value = opened.digest()
    if as_json:
        print_json({"run": run, "digest": value})
    else:
        say(value)


@app.command()
def export(
    run: Folder,
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="Post the spans to a collector: http://localhost:4318.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Write them into a file, a batch a line (OTLP's JSON).")
    ] = None,
    content: Annotated[
        bool,
        typer.Option(
            "--content/--no-content", help="With prompts, answers and what was done; or only what calls took."
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """A run as OpenTelemetry spans with OpenInference's names: agents, pages,
    nodes, model calls, tools.

      recloop runs export RUN --otlp http://localhost:4318
      recloop runs export RUN --file spans.jsonl --no-content

    Phoenix, Langfuse, Jaeger and others show them. A second export writes the
    same spans again. A collector's key goes into the environment variable
    OTEL_EXPORTER_OTLP_HEADERS, as name=value. Posting needs the extra `otel`.

    """
    from ..llm.traces.otlp import send, write_file
    from ..llm.traces.spans import RunSpans
    from ..runs import Run
    from .bars import Bars

    if (otlp is None) == (file is None):
        raise CommandError("say where the spans go, in one way\n  --otlp http://localhost:4318, or --file spans.jsonl")
    with Run.open(run) as opened, Bars() as bars:
        spans, project = RunSpans(opened, content=content), opened.manifest.name
        bars.stage("exporting", len(spans))
        if file is not None:
            count = write_file(spans.all(), file, project, bars)
        else:
            count = send(spans.all(), str(otlp), project, bars)
    if as_json:
        print_json({"run": run, "spans": count, "session": spans.session, "file": file, "otlp": otlp})
    else:
        say(f"{count:,} spans of session {spans.session}: {file or otlp}")


@app.command()
def prune(
    run: Annotated[Path, typer.Argument(metavar="RUN|FOLDER", help="A run's folder, or a folder of runs.")],
    keep: Annotated[
        int, typer.Option(min=1, metavar="N", help="Page barriers whose checkpoints stay (to fork from).")
    ] = 1,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the whole run, calls and events included.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    as_json: Json = False,
) -> None:
    """Drop what can be rebuilt (tables, old checkpoints) and compact the log; calls and events stay."""
    from ..runs import is_run
    from ..runs import prune as prune_runs

    if delete and not yes and is_run(run):
        _ask_before_deleting(run)
    results = prune_runs(run, keep_barriers=keep, delete=delete)
    if as_json:
        print_json([{"run": r.path, "freed": r.freed, "dropped": r.dropped, "skipped": r.skipped} for r in results])
        return
    for result in results:
        say(f"{result.path}: {result.skipped or f'{megabytes(result.freed)} freed'}")
    if not results:
        say(f"no runs in {run}")


def _ask_before_deleting(run: Path) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"{run} was not deleted: nobody could be asked\n  say that it is meant:  --delete --yes")
    note(f"Delete {run} and every call recorded in it? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError(f"{run} was not deleted")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another run's folder.")],
    as_json: Json = False,
) -> None:
    """Two runs side by side: settings that differ, the first event that differs,
    their numbers.

      recloop simulate --model scripted --out with-ease
      recloop simulate --model scripted --recommender pop --out with-pop
      recloop runs compare with-ease with-pop

    """
    import dataclasses

    from ..runs import Run, compare_runs
    from .kinds import labels_of, register_kinds

    register_kinds()
    with Run.open(a) as first:
        result = compare_runs(first, b)
        labels = {} if as_json else labels_of(first)
    if as_json:
        print_json({"same": result.same, **dataclasses.asdict(result)})
        return
    say("the same: equal digests" if result.same else "not the same: the digests differ")
    if result.config:
        say()
        print_table(
            "Asked differently", ["what", "a", "b"], [(k, _cell(x), _cell(y)) for k, (x, y) in result.config.items()]
        )
    if result.event is not None:
        _differs("event", result.event)
    elif result.call is not None:
        _differs("call", result.call)
    elif not result.same:
        say("\nevents and calls are the same: what was asked, or the agents' states, differ")
    _agents(result)
    rows = {name: pair for name, pair in result.rows.items() if any(pair)}
    say()
    print_table("Rows", ["table", "a", "b"], [(k, *map(number, v)) for k, v in rows.items()], right=["a", "b"])
    values = {
        k.removesuffix(".value"): v for k, v in result.summary.items() if k.endswith(".value") and v[:2] != (None, None)
    }
    if values or result.summary:
        table = [(labels.get(k, k), *map(number, v)) for k, v in (values or result.summary).items()]
        say()
        print_table("Numbers", ["number", "a", "b", "b - a"], table, right=["a", "b", "b - a"])
        say("differences here carry no interval; `recloop sweep` gives paired ones", style="dim")


def _differs(what: str, found: Divergence) -> None:
    where = f"user {found.agent}, page {found.page}" if found.agent else "before the first page"
    where += f", {found.node}" if found.node else ""
    say()
    if found.field:
        table = [(found.field, _cell(found.a), _cell(found.b))]
        print_table(f"First {what} that differs: {where}", ["field", "a", "b"], table)
    else:
        say(f"first {what} that only {'b' if found.a is None else 'a'} has: {where}")


SHOWN = 10
"""Agents of a comparison that are shown; --json has all of them."""


def _agents(result: Comparison) -> None:
    if not result.agents or not result.agents_alike:  # nobody did otherwise, or everybody: the first event says enough
        return
    say()
    rows = []
    for agent, found in list(result.agents.items())[:SHOWN]:
        where = ["", "state of the graph", "", ""]
        if found is not None:
            what = found.field or f"only in {'b' if found.a is None else 'a'}"
            where = [number(found.page), what, *((_cell(found.a), _cell(found.b)) if found.field else ("", ""))]
        rows.append((agent, *where))
    count = len(result.agents)
    title = f"{count:,} agent{'s' if count > 1 else ''} did otherwise, {result.agents_alike:,} did the same"
    print_table(title, ["agent", "first on page", "field", "a", "b"], rows, right=["first on page"])
    if count > SHOWN:
        say(f"and {count - SHOWN:,} more: --json", style="dim")


def _cell(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
