"""`recloop stability`: how much a search engine's ranking depends on how the query is put."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import SHOWN, json_flag, search_columns, search_set, zero_grade
from .output import FAILED, CommandError, note, print_json

SEARCHED = "What is searched"

EPILOG = """Your engine:  --retriever shop.engine:search   a function (query, k) -> document ids; or http://host/search

Your data:    --data FOLDER   with queries.csv, documents.csv, judgements.csv (may be absent), phrasings.csv"""


def command(
    data: Annotated[str, search_set(SEARCHED)] = "shop-search",
    rewrites: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=SEARCHED,
            show_default=False,
            help="Other wordings: query_id, persona, text (default: --phrasings).",
        ),
    ] = None,
    phrasings: Annotated[
        bool, typer.Option("--phrasings", rich_help_panel=SEARCHED, help="The wordings that come with the data.")
    ] = False,
    retriever: Annotated[
        str,
        typer.Option(
            metavar="SPEC,...",
            rich_help_panel=SEARCHED,
            help="bm25, dense, minilm, bm25+dense, module:object, http://...",
        ),
    ] = "bm25",
    columns: Annotated[str | None, search_columns(SEARCHED)] = None,
    zero: Annotated[float | None, zero_grade(SEARCHED)] = None,
    k: Annotated[
        int, typer.Option("-k", metavar="N", min=1, help="Depth of NDCG and overlap.", rich_help_panel=SHOWN)
    ] = 10,
    fragile: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many of the most fragile queries.", rich_help_panel=SHOWN)
    ] = 3,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg", show_default=False, help="Draw NDCG by form, and who is steady.", rich_help_panel=SHOWN
        ),
    ] = None,
    as_json: Annotated[bool, json_flag(SHOWN)] = False,
) -> None:
    """Measure how much a ranking depends on how a query is put.

    Each query is searched as it is and in its other wordings. Beside every
    figure stand two controls: random order, which is never steady, and one
    score for everything, which is always steady and worth nothing. Without
    judgements there are rank correlation and overlap only.

    Exit code 1: the scores of a retriever tell hardly anything apart.
    """
    from ..data import load_search, own_phrasings, read_phrasings
    from ..methods.search import open_retriever
    from ..methods.search.phrasing import measure
    from .stability_shown import CONTROLS, Shown, as_plain, draw, show

    if rewrites is not None and phrasings:
        raise CommandError("both --rewrites and --phrasings\n  give one of them")
    if picture is not None and picture.suffix.lower() != ".svg":
        raise CommandError(
            f"{picture.name}: pictures are drawn as SVG\n  write --picture {picture.stem or 'stability'}.svg"
        )
    names = [name.strip() for name in retriever.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise CommandError("--retriever names no retriever, or one twice\n  write --retriever bm25,dense")
    asked = [open_retriever(name) for name in names]
    loaded = load_search(data, columns=columns, zero=zero)
    if loaded.report is not None and loaded.report.skipped:
        note(
            f"{loaded.report.skipped:,} of {loaded.report.rows:,} rows left out: {'; '.join(loaded.report.warnings[:4])}"
        )
    wordings = own_phrasings(loaded) if rewrites is None else read_phrasings(rewrites, loaded)
    if not wordings.forms:
        raise CommandError(
            f"{loaded.name} comes without other wordings of its queries\n"
            "  give some: --rewrites FILE with query_id, persona, text (recloop rewrite makes them)"
        )
    for reason, count in wordings.tally.counts.items():
        note(f"{wordings.tally.file}: {count:,} x {reason}")
    shown = Shown(
        loaded,
        wordings,
        k,
        {name: measure(each, loaded, wordings.forms, k) for name, each in zip(names, asked, strict=True)},
        {name: measure(open_retriever(name), loaded, wordings.forms, k) for name in CONTROLS},
        {name: getattr(each, "problems", {}) for name, each in zip(names, asked, strict=True)},
    )
    if picture is not None:
        picture.write_text(draw(shown), encoding="utf-8")
    if as_json:
        print_json(as_plain(shown, fragile))
    else:
        show(shown, fragile, picture)
    if any(not each.stability.tells_apart for name, each in shown.measured.items() if name not in CONTROLS):
        raise typer.Exit(FAILED)
