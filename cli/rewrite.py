"""`recloop rewrite`: queries in other people's words, judged, and told how well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .options import CARRIED, CarriedJson, Concurrency, Out, Timeout, endpoint_flag, flag, price_flag, settings_given
from .output import PAUSED, CommandError, console, note, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..agents.rewriter.worth import Worth
    from ..runs import Run

EPILOG = """Exit codes:  0 fine,  2 bad input,  3 paused (budget spent, endpoint lost),  130 Ctrl-C,  143 SIGTERM; the last three \
print the command that goes on.

Personas, judge, what was measured: docs/rewrite.md"""

SHOWN = 20
"""Rewrites that are printed; all are in the run's table and in --save."""

WHAT, WHO, SCORE = "What is rewritten", "Who writes and who judges", "What it is worth"


def command(
    context: typer.Context,
    queries: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]...", help="Queries, each in quotes.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        flag("--queries", metavar="FILE", panel=WHAT, text="A CSV, TSV, JSONL, Parquet or text file of queries."),
    ] = None,
    data: Annotated[
        str | None,
        flag(metavar="NAME|PATH", panel=WHAT, text="The queries of a search set: shop-search, a folder, a file."),
    ] = None,
    columns: Annotated[
        str | None,
        flag(metavar="ROLE=NAME,...", panel=WHAT, text="Columns of the file: query=search_term,query_id=id."),
    ] = None,
    limit: Annotated[int | None, flag(metavar="N", panel=WHAT, text="Take the first N queries.")] = None,
    persona: Annotated[
        list[str] | None,
        flag(
            metavar="NAME",
            panel=WHAT,
            text="A set (paper, shop) or a persona (woman, man, student, elder, hurried, expert, ...); repeatable (default: paper).",
        ),
    ] = None,
    personas: Annotated[
        str | None,
        flag(
            metavar="FILE", panel=WHAT, text="Your own personas, TOML or JSON; without --persona all of them are taken."
        ),
    ] = None,
    model: Annotated[
        str | None,
        flag(
            metavar="NAME",
            panel=WHO,
            text="rules (no model), local/smollm2, openai/NAME, http://HOST/v1#NAME, any LiteLLM provider/NAME (default: local/smollm2).",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        flag(
            metavar="NAME",
            panel=WHO,
            text="Another model that judges, or none (default: the writer's own, where it can; then the output says so).",
        ),
    ] = None,
    votes: Annotated[
        int | None, flag(metavar="N", panel=WHO, text="Verdicts asked for on each rewrite (default: 1).")
    ] = None,
    rounds: Annotated[
        int | None,
        flag(metavar="N", panel=WHO, text="Most rewrites per query and persona, then the raw query (default: 3)."),
    ] = None,
    check: Annotated[
        str | None,
        flag(metavar="NAME", panel=WHO, text="Similarity beside the judge: vectors, words or none (default: vectors)."),
    ] = None,
    least: Annotated[
        float | None,
        flag(metavar="X", panel=WHO, text="A similarity below which a rewrite does not pass (default: 0.0, off)."),
    ] = None,
    temperature: Annotated[
        float | None, flag(metavar="X", panel=WHO, text="Of rewrites and repairs (default: 0.7).")
    ] = None,
    prompts: Annotated[
        list[str] | None,
        flag(
            "--prompt",
            metavar="NODE=FILE",
            panel=WHO,
            text="A prompt of yours for intent, rewrite, judge, repair_meaning, repair_role or repair_both (repeatable).",
        ),
    ] = None,
    base_url: Annotated[str | None, endpoint_flag(WHO)] = None,
    judge_base_url: Annotated[str | None, endpoint_flag(WHO, "judge")] = None,
    price: Annotated[str | None, price_flag(WHO)] = None,
    judge_price: Annotated[str | None, flag(metavar="in=A,out=B", panel=WHO, text="The same for the judge.")] = None,
    seed: Annotated[
        int | None, flag(metavar="N", panel=CARRIED, text="Rules and draws follow from it (default: 0).")
    ] = None,
    chunk: Annotated[
        int | None, flag(metavar="N", panel=CARRIED, text="Queries written to the log at once (default: 20).")
    ] = None,
    budget: Annotated[
        str | None,
        flag(
            metavar="LIMITS",
            panel=CARRIED,
            text="Hard limits over both models: usd=1,calls=500,tokens=1e6,seconds=600.",
        ),
    ] = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    name: Annotated[str | None, flag(metavar="NAME", panel=CARRIED, text="Name of the run (default: rewrite).")] = None,
    save: Annotated[
        Path | None,
        flag(
            metavar="FILE", panel=CARRIED, text="Write all rewrites there: a name ending in .csv, .jsonl or .parquet."
        ),
    ] = None,
    score: Annotated[
        str | None,
        flag(
            metavar="NAME|PATH",
            panel=SCORE,
            text="Say what the rewrites are worth to a search in this set: shop-search, a folder, a file.",
        ),
    ] = None,
    retriever: Annotated[
        str | None,
        flag(metavar="SPEC", panel=SCORE, text="Who searches: bm25, module:object, http://... (default: bm25)."),
    ] = None,
    table: Annotated[
        Path | None,
        flag(
            metavar="FILE",
            panel=SCORE,
            text="With --score: keep each query's best rewrite there for look-up (.jsonl or .parquet).",
        ),
    ] = None,
    out: Out = None,
    dry_run: Annotated[
        bool, flag("--dry-run", panel=CARRIED, text="Say what it would take, and stop; no key needed.")
    ] = False,
    as_json: CarriedJson = False,
) -> None:
    """Put queries as other people would, and check that they still ask for the same.

    A model says what a query needs, writes it anew for each persona, and a
    judge votes on meaning and manner; what fails is repaired, a few times,
    then the raw query stands and the output says so. Personas are data, never
    guessed from a query, and all of it is simulated.

      recloop rewrite "warm gloves for cycling" --model rules
      recloop rewrite "warm gloves" --model openai/gpt-4o-mini --persona shop
      recloop rewrite --queries queries.csv --columns query=term --save all.csv
      recloop rewrite --data shop-search --model http://localhost:8000/v1#qwen
      recloop rewrite --data shop-search --model rules --score shop-search

    The embedded model cannot write: it orders what rules propose. For people's
    wordings give an endpoint, and with --judge a second model.
    """
    from ..agents.rewriter.config import RewriteConfig, checked
    from ..agents.rewriter.summary import check_format

    parsers = {"columns": _columns, "prompts": _prompts}
    settings = checked(settings_given(context.params, RewriteConfig.model_fields, parsers))
    if save is not None:
        check_format(save.expanduser())
    scoring = _scoring(score, retriever, table)
    if dry_run:
        from ..agents.rewriter.forecast import forecast

        found = forecast(settings)
        if as_json:
            print_json(found.json())
        else:
            for line in found.lines():
                say(line)
        return

    from ..agents.rewriter.carry import rewrite
    from ..runs import new_run_path
    from .conclude import carry_out

    path = out.expanduser() if out is not None else new_run_path(name=settings.name)
    carry_out(lambda bars: rewrite(settings, out=path, progress=bars), path, "chunk of queries")
    conclude_rewrite(path, as_json, None if save is None else save.expanduser(), scoring)


class Scoring(NamedTuple):
    """What is to be scored on, by whose search, and where the table goes."""

    data: str
    retriever: str
    table: Path | None


def _scoring(score: str | None, retriever: str | None, table: Path | None) -> Scoring | None:
    """What --score asks for. Raises before anything is paid for what could not be scored."""
    if score is None:
        if table is not None:
            raise CommandError("--table keeps what was scored\n  say on which documents:  --score shop-search")
        if retriever is not None:
            raise CommandError("--retriever searches to score rewrites\n  say on which documents:  --score shop-search")
        return None
    from ..data.search_load import load_search
    from ..methods.search import open_retriever

    retriever = retriever or "bm25"
    load_search(score)
    open_retriever(retriever)
    if table is not None and table.suffix not in (".jsonl", ".parquet"):
        raise CommandError(f"{table.name}: a table is a .jsonl or a .parquet file\n  for example  --table table.jsonl")
    return Scoring(score, retriever, None if table is None else table.expanduser())


def conclude_rewrite(path: Path, as_json: bool, save: Path | None = None, scoring: Scoring | None = None) -> None:
    """Print rewrites and numbers, write `save` and the table of `scoring`; exit 3 for a paused run."""
    from ..agents.rewriter.summary import numbers, rows_of, save_rows
    from ..runs import Run
    from .conclude import larger_budget, say_resume

    with Run.open(path) as run:
        rows, found = rows_of(run), numbers(run)
        status, reason, digest = run.status, run.manifest.reason, run.digest()
        budget = str(run.manifest.config.get("budget", ""))
        model = str(run.manifest.config.get("model", ""))
        if save is not None:
            save_rows(rows, save)
        found_worth = None
        if scoring is not None and rows:
            from ..agents.rewriter.worth import worth

            found_worth = worth(rows, scoring.data, scoring.retriever)
            if scoring.table is not None:
                found_worth.table(model).save(scoring.table)
        if as_json:
            facts = {"run": path, "status": status, "reason": reason, "digest": digest, "saved": save}
            told = {} if found_worth is None else {"worth": found_worth.json()}
            print_json({**facts, **found, **told, "rewrites": rows})
        else:
            show_rewrite(run)
            if found_worth is not None:
                _print_worth(found_worth)
            say(f"\nrun      {path}")
            if save is not None:
                say(f"saved    {save}")
            if scoring is not None and scoring.table is not None:
                say(f"table    {scoring.table}")
    if status != "finished":
        note(f"{status}: {reason}")
        say_resume(path, larger_budget(budget, reason))
        raise typer.Exit(PAUSED)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    signs = {1: "yes", 0: "?", -1: "no", None: "–"}
    shown = [
        (
            row["query"],
            row["persona"],
            row["text"] if not row["fell_back"] else f"(raw query: {row['problem']})",
            signs[row["meaning"]],
            signs[row["fit"]],
            number(row["similarity"], 2),
        )
        for row in rows[:SHOWN]
    ]
    columns = ["query", "persona", "text", "same need", "in role", "similar"]
    print_table(
        f"{len(rows):,} rewrite{'' if len(rows) == 1 else 's'}" + (f", the first {SHOWN}" if len(rows) > SHOWN else ""),
        columns,
        shown,
        right=["similar"],
    )


def _print_worth(found: Worth) -> None:
    from ..agents.rewriter.worth import ALONE, FIGURES

    rows = []
    for arm, row in found.estimates().items():
        count = len(found.scored) if arm == ALONE else len(found.by_persona[arm])
        for n, (name, e) in enumerate(row.items()):
            of = arm if n == 0 else ""
            low, high = ("", "") if e is None or e.n < 2 else (number(e.low, 3), number(e.high, 3))
            interval = f"[{low}, {high}]" if low else ""
            mean = None if e is None else e.mean
            rows.append((of, number(count) if n == 0 else "", name.replace("_", " "), number(mean), interval))
    say()
    print_table("Is it worth it?", ["", "queries", "", "mean", "95 % interval"], rows, right=["queries", "mean"])
    dropped = ", ".join(f"{count} x {reason}" for reason, count in found.dropped.items()) or "none"
    say(
        f"· relevance by {found.judge}; searched with {found.index}; texts left out: {dropped}", style="dim", to=console
    )
    for name, what in FIGURES.items():
        say(f"· {name.replace('_', ' ')}: {what}", style="dim", to=console)


def show_rewrite(run: Run) -> None:
    """Print the first rewrites, their numbers, and what must be said beside them."""
    from ..agents.rewriter.summary import LABELS, numbers, rows_of

    _print_rows(rows_of(run))
    say()
    found = numbers(run)
    rows = []
    for key, value in found["numbers"].items():
        share = key not in ("rewrites", "rounds", "similarity")
        rows.append((LABELS[key], _told(value["value"], share), _interval(value, share)))
    print_table("Numbers", ["", "value", "95 % interval"], rows, right=["value"])
    for line in found["notes"]:
        say(line, style="dim", to=console)


def _told(value: float | None, share: bool) -> str:
    return number(value) if value is None or not share else f"{100 * value:.1f} %"


def _interval(value: dict[str, float | None], share: bool) -> str:
    if value.get("low") is None or value.get("high") is None:
        return ""
    return f"[{_told(value['low'], share)}, {_told(value['high'], share)}]"


def _columns(text: str) -> dict[str, str]:
    from ..data.search_columns import parse_search_columns

    return parse_search_columns(text)


def _prompts(texts: list[str]) -> dict[str, str]:
    from .simulate import _prompts as parse

    return parse(texts)
