"""`recloop personas`: who the simulated users are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .data import Columns, Core, Json
from .output import CommandError, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..agents import Persona

app = typer.Typer(help="Personas: traits with their formulas, tastes, history.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines file to write, one persona a line.")],
    data: Annotated[str, typer.Option(metavar="NAME|PATH", help="Data set.")] = "movietweetings",
    columns: Columns = None,
    core: Core = None,
    users: Annotated[int, typer.Option(min=1, metavar="N", help="How many users to draw.")] = 10,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which users are drawn.")] = 0,
    split: Annotated[
        Literal["user_time", "random", "leave_last", "global_time"],
        typer.Option(metavar="WAY", help="Hold rows out by user_time, random, leave_last or global_time."),
    ] = "user_time",
    test: Annotated[
        float, typer.Option(min=0.0, max=0.99, metavar="SHARE", help="Rows held out first; personas never see them.")
    ] = 0.2,
    as_json: Json = False,
) -> None:
    """Compute personas from training rows: Agent4Rec's activity, conformity and
    diversity, tastes in words.

    These are the personas of `recloop simulate` with the same data, users,
    split and seed.

      recloop personas build people.jsonl --users 100 --seed 7

    """
    from ..agents import build_personas, sample_users, save_personas
    from ..data import load_dataset

    _check_place(out)
    train = load_dataset(data, columns=columns, core=core).split(how=split, test=test, seed=seed).train
    try:
        chosen = sample_users(train, users, seed)
    except ValueError as error:
        raise CommandError(f"{data}: {error}") from None
    personas = build_personas(train, chosen)
    save_personas(personas, out)
    if as_json:
        print_json([p.json_dict() for p in personas])
    else:
        say(f"{len(personas)} personas in {out}\nlook at them:   recloop personas show {out}")


@app.command()
def show(
    source: Annotated[Path, typer.Argument(metavar="FILE|RUN", help="JSON Lines file, or a run's folder.")],
    user: Annotated[str | None, typer.Option(metavar="ID", help="Only this user, with everything known.")] = None,
    as_json: Json = False,
) -> None:
    """Show the personas of a file or a run.

    recloop personas show people.jsonl
    recloop personas show recloop-runs/2026-01-31-simulate --user 1047

    """
    personas = _read(source)
    if user is not None:
        found = [p for p in personas if p.user == user]
        if not found:
            some = ", ".join(p.user for p in personas[:8])
            raise CommandError(
                f"no user {user!r} in {source}\n  there are {len(personas)}: {some}{', ...' * (len(personas) > 8)}"
            )
        personas = found
    if as_json:
        print_json([p.json_dict() for p in personas])
    elif user is not None:
        _whole(personas[0])
    else:
        rows = [
            (
                p.user,
                p.activity,
                p.conformity,
                p.diversity,
                p.n_history,
                "" if p.mean_rating is None else f"{p.mean_rating:.2f}",
                " ".join(p.tastes),
            )
            for p in personas
        ]
        columns = ["user", "act", "conf", "div", "rows", "mean", "tastes"]
        print_table("Personas", columns, rows, right=columns[1:-1], whole=["user"])
        legend = "act, conf, div: activity, conformity, diversity, levels 1 to 3\nrows, mean: training ratings"
        say(f"\n{legend}", style="dim")


def _check_place(out: Path) -> None:
    """Raises `CommandError` rather than write over something that is not ours."""
    if out.is_dir():
        raise CommandError(f"{out} is a folder\n  give the name of a file in it, for example {out / 'people.jsonl'}")
    if out.exists() and out.stat().st_size:
        try:
            _read(out)
        except CommandError:
            raise CommandError(
                f"{out} exists and holds something else than personas\n  give another file name"
            ) from None


def _read(source: Path) -> list[Persona]:
    from ..agents import Persona, load_personas

    if source.is_dir():
        from ..runs import Run

        with Run.open(source) as run:
            personas = [Persona.model_validate(event.data) for event in run.events(kind="persona")]
        if not personas:
            raise CommandError(f"{source} has no personas yet\n  go on with it:  recloop resume {source}")
        return personas
    try:
        personas = load_personas(source)
    except UnicodeDecodeError:
        raise CommandError(f"{source} is not a text file\n  `recloop personas build FILE` writes personas") from None
    except ValueError as error:
        raise CommandError(f"{error}\n  `recloop personas build FILE` writes such a file") from None
    if not personas:
        raise CommandError(f"{source} is empty\n  `recloop personas build FILE` writes personas")
    return personas


def _whole(persona: Persona) -> None:
    from ..agents.trait_texts import persona_text

    histogram = ", ".join(f"{level:g}: {count}" for level, count in persona.rating_histogram)
    facts: list[tuple[str, Any]] = [
        ("activity", f"{persona.activity} (A = {persona.a} training rows)"),
        (
            "conformity",
            persona.conformity and f"{persona.conformity} (C = {number(persona.c, 2)}, mean squared deviation)",
        ),
        ("diversity", persona.diversity and f"{persona.diversity} (D = {persona.d} genres)"),
        ("ratings", persona.mean_rating and f"mean {persona.mean_rating:.2f}; {histogram}"),
        ("tastes", "\n".join(persona.tastes)),
        ("tastes by", persona.tastes_source),
        ("tendency", persona.rating_tendency),
        ("as told", persona_text(persona)),
        ("best liked", ", ".join(persona.liked[:10]) + (", ..." if len(persona.liked) > 10 else "")),
        ("kept back", persona.withheld and f"{len(persona.withheld)} rows, for calibration"),
    ]
    print_table(f"User {persona.user}", ["", ""], [(name, text) for name, text in facts if text])
