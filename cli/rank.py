"""`recloop rank`: train a ranker that is steady under rewording, measure it on held-out queries, and use it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import SHOWN, json_flag, search_columns, search_set, zero_grade
from .output import FAILED, CommandError, note, print_json, print_table, say, short

app = typer.Typer(
    help="A ranker whose order does not hang on the wording: train, measure, use.",
    no_args_is_help=True,
    epilog="Needs the torch extra. Exit code 1: the robust loss did not earn its place on the held-out queries.",
)

DATA, LEARNING = "What is ranked", "How it learns"

Data = Annotated[str, search_set(DATA)]
Columns = Annotated[str | None, search_columns(DATA)]
Zero = Annotated[float | None, zero_grade(DATA)]
Rewrites = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=DATA,
        show_default=False,
        help="Wordings to learn from: query_id, persona, text (default: rules by family).",
    ),
]
HeldOut = Annotated[
    str,
    typer.Option(
        metavar="FAMILY,...", rich_help_panel=DATA, help="Families of wordings that are only tested with, never learnt."
    ),
]
Json = Annotated[bool, json_flag(SHOWN)]


@app.command("fit")
def fit_(
    data: Data = "shop-search",
    rewrites: Rewrites = None,
    held_out: HeldOut = "register,terse,question",
    columns: Columns = None,
    zero: Zero = None,
    alphas: Annotated[
        str,
        typer.Option(metavar="A,...", rich_help_panel=LEARNING, help="Weights of the robust loss; validation chooses."),
    ] = "0,1,3,10",
    folds: Annotated[
        int,
        typer.Option(metavar="N", min=3, rich_help_panel=LEARNING, help="Parts of the queries; each is tested once."),
    ] = 5,
    epochs: Annotated[
        int, typer.Option(metavar="N", min=1, rich_help_panel=LEARNING, help="Passes over the pairs, at most.")
    ] = 20,
    products: Annotated[
        bool,
        typer.Option("--products", rich_help_panel=LEARNING, help="Learn from the vectors' product, too (slower)."),
    ] = False,
    rate: Annotated[
        float, typer.Option(metavar="X", min=1e-6, max=1.0, rich_help_panel=LEARNING, help="Step size.")
    ] = 0.002,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, rich_help_panel=LEARNING, help="Everything random follows from it.")
    ] = 0,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", rich_help_panel=SHOWN, help="Folder of the ranker; goes on with a killed one."),
    ] = Path("ranker"),
    as_json: Json = False,
) -> None:
    """Train the robust ranker and its rivals on every fold of the queries.

    Queries are learnt from in several wordings at once; the robust loss asks
    for the same grades in all of them. Whatever is tested on was seen in
    training neither as a query nor as a family of wordings.

      recloop rank fit --data shop-search --out ranker
    """
    from ..methods.agent4ranking.arms import fit
    from ..methods.agent4ranking.config import RankConfig
    from ..methods.agent4ranking.errors import import_torch

    import_torch()
    loaded = _load(data, columns, zero)
    config = RankConfig(alphas=_numbers(alphas), folds=folds, epochs=epochs, products=products, rate=rate, seed=seed)
    try:
        manifest = fit(loaded, _views(loaded, rewrites, held_out), out, config, tell=note)
    except KeyboardInterrupt:
        note("interrupted; the same command again goes on after the last training that was kept")
        raise
    facts = {
        "folder": out,
        "data": manifest.data,
        "learnt": manifest.learnt,
        "grades": manifest.grades,
        "alphas": [fold.alpha for fold in manifest.folds],
        "trainings": len(manifest.trainings),
    }
    if as_json:
        print_json(facts)
        return
    shown = [f"{fold.alpha:g}" for fold in manifest.folds if fold.alpha is not None]
    say(f"learnt    {', '.join(manifest.learnt)}")
    say(f"trained   {len(manifest.trainings)} heads on {len(manifest.folds)} folds of {len(loaded.queries)} queries")
    say(f"chosen    weight of the robust loss by fold: {', '.join(shown)}")
    say(f"ranker    {short(out)}")
    more = "".join(
        f" {flag} {shlex.quote(str(value))}" for flag, value in _given(data, rewrites, columns, zero, held_out)
    )
    say(f"\nmeasure it:   recloop rank eval {shlex.quote(str(out))}{more}", style="dim")


@app.command("eval")
def eval_(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="What recloop rank fit made; several: other seeds of one fit."),
    ],
    data: Data = "shop-search",
    rewrites: Rewrites = None,
    held_out: HeldOut = "register,terse,question",
    columns: Columns = None,
    zero: Zero = None,
    as_json: Json = False,
) -> None:
    """Measure every arm on the queries its fold held out, in wordings it never learnt.

    Full against the ranker with the same data but without the robust loss,
    paired by query. Exit code 1 where a condition of the pass rule fails.

      recloop rank eval ranker --data shop-search
    """
    from ..methods.agent4ranking.errors import import_torch
    from ..methods.agent4ranking.evaluate import evaluate, together

    import_torch()
    loaded = _load(data, columns, zero)
    views = _views(loaded, rewrites, held_out)
    measured = together([evaluate(folder, loaded, views, tell=note) for folder in folders])
    if as_json:
        print_json({"folders": folders, "data": loaded.name, **measured.json()})
    else:
        from .rank_shown import show_measured

        show_measured(measured)
    if not all(check.holds for check in measured.checks()):
        raise typer.Exit(FAILED)


@app.command("query")
def query_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that recloop rank fit made.")],
    text: Annotated[str, typer.Argument(metavar="QUERY", help="What is searched for.")],
    docs: Annotated[
        Path,
        typer.Option(
            metavar="FILE", rich_help_panel=DATA, help="Documents: CSV, TSV or JSONL with document, title, text."
        ),
    ],
    persona: Annotated[
        str | None,
        typer.Option(metavar="FORM", rich_help_panel=DATA, show_default=False, help="A learnt form, if it was said."),
    ] = None,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, rich_help_panel=SHOWN, help="How many are shown.")] = 10,
    as_json: Json = False,
) -> None:
    """Put documents in order for a query, and say how much that depends on its wording.

    recloop rank query ranker "warm jumper" --docs products.csv

    """
    from ..agents.rewriter.rules import proposals
    from ..methods.agent4ranking.errors import import_torch
    from ..methods.agent4ranking.rank import Ranker

    import_torch()
    if not text.strip():
        raise CommandError("the query is empty\n  give what is searched for")
    documents = _documents(docs)
    ranker = Ranker.open(folder)
    scored = ranker.score(text, documents, persona)
    steady = ranker.stability(text, documents, [other for _, other in proposals(text, n=1)])
    titles = dict(zip(documents.ids, documents.titles, strict=True))
    if as_json:
        rows = [{"id": each.id, "score": each.score, "p": each.p.tolist()} for each in scored[:n]]
        print_json({"query": text, "grades": ranker.manifest.grades, "documents": rows, **steady._asdict()})
        return
    rows = [(place, each.id, titles[each.id], f"{each.score:.3f}") for place, each in enumerate(scored[:n], start=1)]
    print_table(text, ["", "document", "title", "expected grade"], rows, right=["", "expected grade"])
    say(
        f"\nin other wordings: first ten in common {steady.top10_overlap:.2f}, smallest Kendall tau {steady.kendall_tau_min:.2f}",
        style="dim",
    )


def _load(data: str, columns: str | None, zero: float | None) -> Any:
    from ..data import load_search

    return load_search(data, columns=columns, zero=zero)


def _views(data: Any, rewrites: Path | None, held_out: str) -> Any:
    from .rank_forms import LEARNT, by_file, by_rules

    names = tuple(dict.fromkeys(name.strip() for name in held_out.split(",") if name.strip()))
    if rewrites is not None:
        return by_file(data, rewrites, names)
    return by_rules(data, tuple(name for name in LEARNT if name not in names), names)


def _documents(file: Path) -> Any:
    from ..data import Documents
    from ..data.search_columns import DOCUMENT_ROLES, columns_of
    from ..data.search_load import clean_text
    from ..data.search_tables import read_rows

    if not file.is_file():
        raise CommandError(f"no file of documents at {file}\n  give a CSV, TSV or JSONL file")
    rows = read_rows(file)
    found: dict[str, tuple[str, str]] = {}
    for _, row in rows.take(columns_of(rows, "documents", DOCUMENT_ROLES, {})):
        if name := row["document"].strip():
            found.setdefault(name, (clean_text(row.get("title", "")), clean_text(row.get("text", ""))))
    if not found:
        raise CommandError(f"{file} has no document\n  columns: document, title, text")
    return Documents(tuple(found), tuple(t for t, _ in found.values()), tuple(t for _, t in found.values()))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or not all(0 <= alpha < float("inf") for alpha in found):
        raise CommandError(f"--alphas {text!r} are no numbers of 0 and above\n  such as: --alphas 0,1,3,10")
    return found


def _given(
    data: str, rewrites: Path | None, columns: str | None, zero: float | None, held_out: str
) -> list[tuple[str, object]]:
    asked = [("--data", data), ("--rewrites", rewrites), ("--columns", columns), ("--zero", zero)]
    asked.append(("--held-out", None if held_out == "register,terse,question" else held_out))
    return [(flag, value) for flag, value in asked if value is not None]
