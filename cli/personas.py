"""`recloop personas`: who the simulated users are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import BAD_INPUT, console, errors, print_json, print_table

app = typer.Typer(help="Personas computed from a ratings table: traits with their formulas, tastes, history.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    data: Annotated[str, typer.Option(help="Data set: name or path.")] = "movietweetings",
    users: Annotated[int, typer.Option(min=1, help="How many users to draw.")] = 10,
    seed: Annotated[int, typer.Option(help="Which users are drawn.")] = 0,
    test: Annotated[float, typer.Option(help="Share of rows held out first; personas never see them.")] = 0.2,
    core: Annotated[int | None, typer.Option(help="Keep users and items with at least this many rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the personas as JSON too.")] = False,
) -> None:
    """Compute personas from training rows (Agent4Rec's activity, conformity, diversity; deterministic taste sentences)."""
    from ..agents import build_personas, sample_users, save_personas
    from ..data import load_dataset

    train = load_dataset(data, core=core).split(how="user_time", test=test, seed=seed).train
    personas = build_personas(train, sample_users(train, users, seed))
    save_personas(personas, out)
    if as_json:
        print_json([p.json_dict() for p in personas])
    else:
        console.print(f"{len(personas)} personas in {out}", markup=False, highlight=False)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="JSONL file, or a run's folder.")],
    user: Annotated[str | None, typer.Option(help="Only this user, with everything known.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show personas of a file or a run."""
    from ..agents import Persona, load_personas

    if file.is_dir():
        from ..runs import Run

        with Run.open(file) as run:
            personas = [Persona.model_validate(event.data) for event in run.events(kind="persona")]
    else:
        personas = load_personas(file)
    if user is not None:
        personas = [p for p in personas if p.user == user]
        if not personas:
            errors.print(f"recloop: no user {user!r} in {file}", markup=False, highlight=False)
            raise typer.Exit(BAD_INPUT)
    if as_json:
        print_json([p.json_dict() for p in personas])
        return
    if user is not None:
        print_table(f"Persona {user}", ["field", "value"], personas[0].json_dict().items())
        return
    rows = [(p.user, p.activity, p.conformity, p.diversity, p.n_history, p.mean_rating, " ".join(p.tastes)) for p in personas]
    print_table("Personas", ["user", "activity", "conformity", "diversity", "history", "mean rating", "tastes"], rows)
