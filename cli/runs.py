"""`recloop runs`: what has been run, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .output import console, print_json, print_table

app = typer.Typer(help="List, look at, compare and tidy recorded runs.", no_args_is_help=True)

ROOT = Path("recloop-runs")
Folder = Annotated[Path, typer.Argument(help="The run's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(root: Annotated[Path, typer.Argument(help="Folder of runs.")] = ROOT, as_json: Json = False) -> None:
    """The runs in a folder, newest last."""
    from ..runs import list_runs

    rows = []
    for info in list_runs(root):
        manifest = info.manifest
        rows.append(
            {
                "run": str(info.path),
                "kind": manifest.kind if manifest else None,
                "status": info.status,
                "created": manifest.created if manifest else None,
                "size_mb": round(info.size / 1e6, 2),
                "problem": info.problem or (manifest.reason if manifest else ""),
            }
        )
    if as_json:
        print_json(rows)
    elif rows:
        print_table("Runs", list(rows[0]), [list(row.values()) for row in rows])
    else:
        console.print(f"no runs in {root}; `recloop simulate` makes one", markup=False, highlight=False)


@app.command()
def show(run: Folder, as_json: Json = False) -> None:
    """The manifest of a run, its tables and its summary."""
    from ..runs import Run, table_specs
    from .kinds import kind_of

    with Run.open(run) as opened:
        kind = kind_of(opened)
        manifest = opened.manifest.model_dump(mode="json")
        tables = {name: opened.table(name).num_rows for name in table_specs()}
        summary = kind.call("summary", opened)
    if as_json:
        print_json({"manifest": manifest, "tables": tables, "summary": summary})
        return
    print_table("Manifest", ["field", "value"], manifest.items())
    print_table("Tables", ["table", "rows"], tables.items())
    print_table("Numbers", ["number", "value"], flat(summary).items())


@app.command()
def digest(run: Folder, as_json: Json = False) -> None:
    """The canonical digest of a run: equal for equal runs, whatever the concurrency, times and attempts."""
    from ..runs import Run

    with Run.open(run) as opened:
        value = opened.digest()
    if as_json:
        print_json({"run": str(run), "digest": value})
    else:
        console.print(value, highlight=False)


@app.command()
def prune(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")],
    keep: Annotated[int, typer.Option(min=1, help="Page barriers whose checkpoints stay (to fork from).")] = 1,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the whole run, calls and events included.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False,
    as_json: Json = False,
) -> None:
    """Drop what can be rebuilt (tables, old checkpoints) and compact the log; calls and events stay."""
    from ..runs import prune as prune_runs

    if delete and not yes:
        typer.confirm(f"Delete {run} and every call recorded in it?", abort=True)
    results = prune_runs(run, keep_barriers=keep, delete=delete)
    if as_json:
        print_json([{"run": str(r.path), "freed": r.freed, "dropped": r.dropped, "skipped": r.skipped} for r in results])
        return
    for result in results:
        done = result.skipped or f"{result.freed / 1e6:.2f} MB freed"
        console.print(f"{result.path}: {done}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def compare(a: Folder, b: Folder, as_json: Json = False) -> None:
    """Two runs side by side: settings that differ, the first event that differs, the summaries' numbers."""
    import dataclasses

    from ..runs import compare_runs
    from .kinds import register_kinds

    register_kinds()
    result = compare_runs(a, b)
    if as_json:
        print_json({"same": result.same, **dataclasses.asdict(result)})
        return
    console.print("the same" if result.same else "different digests", highlight=False)
    if result.config:
        print_table("Asked differently", ["what", "a", "b"], [(k, *v) for k, v in result.config.items()])
    if result.event is not None:
        e = result.event
        console.print(
            f"first event that differs: agent {e.agent or '-'}, page {e.page}, {e.field or 'one run ended'}: {e.a!r} / {e.b!r}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    print_table("Rows", ["table", "a", "b"], [(k, *v) for k, v in result.rows.items()])
    print_table("Numbers", ["number", "a", "b", "b - a"], [(k, *v) for k, v in result.summary.items()])


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """A nested dict by dotted paths; long lists are left to --json."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        path = f"{prefix}{key}"
        if isinstance(inner, dict):
            found |= flat(inner, f"{path}.")
        elif not isinstance(inner, list):
            found[path] = inner
    return found
