"""`recloop data`: the data sets at hand and what is in them."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from .output import console, print_json, print_table

app = typer.Typer(help="Data sets: what is at hand, what is in one.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The data sets that `--data NAME` knows; any table or folder works by its path."""
    from ..data import list_datasets

    rows = [dataclasses.asdict(entry) for entry in list_datasets()]
    if as_json:
        print_json(rows)
        return
    columns = list(rows[0]) if rows else ["name"]
    print_table("Data sets", columns, [[row[c] for c in columns] for row in rows])


@app.command("describe")
def describe_(
    data: Annotated[str, typer.Argument(help="Name or path.")] = "movietweetings",
    columns: Annotated[str | None, typer.Option(help="Map columns: `user=uid,item=movie,rating=stars,time=when`.")] = None,
    core: Annotated[int | None, typer.Option(help="Keep users and items with at least this many rows.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse broken rows.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Users, items, ratings, time span, and every row that was skipped with its line and reason."""
    from ..data import describe, load_dataset

    facts = describe(load_dataset(data, columns=columns, core=core, strict=strict))
    if as_json:
        print_json(facts)
        return
    print_table(f"Data set {data}", ["fact", "value"], facts.items())
    console.print("")
