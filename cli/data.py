"""`recloop data`: the data sets at hand and what is in them."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from .options import Json
from .output import bar, number, print_json, print_table, say, short

app = typer.Typer(help="Data sets: which are at hand, what is in one.", no_args_is_help=True)

Columns = Annotated[
    str | None,
    typer.Option(
        metavar="ROLE=NAME,...",
        help="Which column is what: user=uid,item=movie (roles: user, item, rating, time, title, genres, year).",
    ),
]
Core = Annotated[
    int | None,
    typer.Option(metavar="K", help="Keep users and items with at least K rows; 0: all (default: the data set's own)."),
]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The data sets that --data NAME knows.

    Any table (CSV, TSV, Parquet), MovieLens folder or RecBole file works by
    its path. A folder of data sets is named by the environment variable
    RECLOOP_DATA.
    """
    from ..data import list_datasets

    known = list_datasets()
    if as_json:
        print_json([{"name": k.name, "path": k.path, "reader": k.reader, "embedded": k.embedded} for k in known])
        return
    rows = [(k.name, k.reader, "comes with RecLoop" if k.embedded else short(k.path)) for k in known]
    print_table("Data sets", ["name", "read as", "where"], rows)
    say("\nlook into one:   recloop data describe NAME\nuse one:         recloop simulate --data NAME", style="dim")


@app.command("describe")
def describe_(
    data: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A known name or a path.")] = "movietweetings",
    columns: Columns = None,
    core: Core = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse broken rows instead of counting them.")] = False,
    as_json: Json = False,
) -> None:
    """Users, items, ratings, time span, genres, and the rows that were left out.

    recloop data describe ratings.csv --columns user=uid,item=movie,rating=stars

    """
    from ..data import describe, load_dataset

    loaded = load_dataset(data, columns=columns, core=core, strict=strict)
    facts = describe(loaded)
    if as_json:
        print_json(facts)
        return
    print_table(facts["name"], ["", ""], _facts(facts))
    if facts["ratings"]:
        _bars("ratings", facts["ratings"], of=facts["interactions"])
    if facts["genres"]:
        _bars("rows by genre", facts["genres"], of=facts["interactions"])
    if loaded.report.skipped or facts["warnings"]:
        say()
        say(loaded.report)
    say(
        f"\nuse it:   recloop simulate --data {shlex.quote(str(data))}"
        + (f" --columns {shlex.quote(columns)}" if columns else ""),
        style="dim",
    )


def _facts(facts: dict[str, Any]) -> list[tuple[str, str]]:
    time = facts["time"]
    rows = [
        ("users", number(facts["users"])),
        ("items", number(facts["items"])),
        (
            "rows",
            f"{number(facts['interactions'])} of kind {facts['feedback']} ({100 * facts['density']:.2g} % of all pairs)",
        ),
        ("rating scale", facts["scale"] and f"{facts['scale']}, mean {facts['mean_rating']:.2f}"),
        ("rows per user", _quantiles(facts["per_user"])),
        ("rows per item", _quantiles(facts["per_item"])),
        ("time", time and f"{time['first'][:10]} to {time['last'][:10]}"),
        ("item fields", ", ".join(facts["fields"])),
        ("rows left out", f"{number(facts['rows_skipped'])} of {number(facts['rows_read'])} read"),
        ("notes", "; ".join(facts["notes"])),
        ("licence", facts["licence"]),
        ("source", short(facts["source"])),
        ("hash", facts["hash"][:16]),
    ]
    return [(name, text) for name, text in rows if text]


def _quantiles(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {number(value, 1)}" for name, value in values.items())


def _bars(title: str, counts: dict[str, int], of: int) -> None:
    top = max(counts.values())
    rows = [
        (name, number(n), f"{100 * n / max(1, of):.1f} %", bar(n / top if top else 0)) for name, n in counts.items()
    ]
    say()
    print_table(title, ["", "rows", "share", " "], rows, right=["rows", "share"])
