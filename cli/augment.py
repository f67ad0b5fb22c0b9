"""`recloop augment`: the study `augment` under its own name, and its simulated rows for other tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .options import (
    ASKED,
    CARRIED,
    REHEARSED,
    CarriedJson,
    StudyBudget,
    StudyColumns,
    StudyData,
    StudyFile,
    StudyModel,
    StudySeed,
    StudySettings,
    flag,
)
from .output import note
from .study import EPILOG, carry_study_out, columns_of, given, values_of

__all__ = ["EPILOG", "command"]

EXPORTED = "What is written for other tools"


def command(
    policy: Annotated[
        Literal["viewed", "liked", "rated", "unviewed"] | None,
        typer.Option(
            rich_help_panel=ASKED, show_default=False, help="Which simulated actions become rows (default: viewed)."
        ),
    ] = None,
    per_user: Annotated[
        int | None, flag(metavar="N", panel=ASKED, text="Simulated rows of a user at most (default: all).")
    ] = None,
    weight: Annotated[
        float | None,
        flag(metavar="0..1", panel=ASKED, text="Probability with which a simulated row stays (default: 1)."),
    ] = None,
    retrain: Annotated[
        str | None,
        flag(metavar="NAME,...", panel=ASKED, text="Recommenders to train again (default: ease,itemknn)."),
    ] = None,
    options: Annotated[
        list[str] | None,
        flag(
            "--option",
            metavar="KEY=VALUE",
            panel=ASKED,
            text="Any other setting of the study, see recloop study augment --help (repeatable).",
        ),
    ] = None,
    seed: StudySeed = None,
    seeds: Annotated[
        int | None, flag(metavar="K", panel=ASKED, text="Repetitions with other seeds (default: 5).")
    ] = None,
    data: StudyData = None,
    columns: StudyColumns = None,
    users: Annotated[int | None, flag(metavar="N", panel=REHEARSED, text="Simulated users (default: 500).")] = None,
    pages: Annotated[
        int | None, flag(metavar="N", panel=REHEARSED, text="Pages before everybody leaves (default: 5).")
    ] = None,
    recommender: Annotated[
        str | None, flag(metavar="SPEC", panel=REHEARSED, text="Whose pages the users browse (default: ease).")
    ] = None,
    model: StudyModel = None,
    settings: StudySettings = None,
    export: Annotated[
        Path | None,
        flag(metavar="DIR", panel=EXPORTED, text="Write the first seed's simulated rows into this folder."),
    ] = None,
    form: Annotated[
        Literal["parquet", "csv", "recbole"],
        typer.Option("--as", rich_help_panel=EXPORTED, help="As augmented.parquet, .csv, or RecBole's .inter."),
    ] = "parquet",
    whole: Annotated[
        bool,
        typer.Option("--whole", rich_help_panel=EXPORTED, help="The real training rows before them (simulated: 0)."),
    ] = False,
    budget: StudyBudget = None,
    config: StudyFile = None,
    out: Annotated[
        Path | None,
        flag(
            metavar="DIR",
            panel=CARRIED,
            text="The study's folder (default: ./recloop-runs/<date>-augment); goes on with one.",
        ),
    ] = None,
    as_json: CarriedJson = False,
) -> None:
    """Turn what simulated users do into training rows, and judge on real ones.

    Users browse a recommender; what they did is added to the training rows,
    recommenders are trained again and judged on real held-out rows, against
    no added rows, as many random ones and as many popular ones.

      recloop augment
      recloop augment --policy liked --per-user 5 --retrain ease,bpr
      recloop augment --export augmented --as recbole
    """
    rehearsal: dict[str, Any] = {
        "data": data,
        "columns": None if columns is None else columns_of(columns),
        "users": users,
        "pages": pages,
        "recommender": recommender,
        "model": model,
    }
    asked = {
        "policy": policy,
        "per_user": per_user,
        "weight": weight,
        "recommenders": retrain,
        "seed": seed,
        "seeds": seeds,
        "budget": budget,
    }
    values = values_of("augment", config, settings or [], options or [], given(rehearsal), given(asked), None)

    def written(path: Path) -> dict[str, Any]:
        return {} if export is None else _export(path, export, form, whole)

    carry_study_out("augment", values, out, as_json, written)


def _export(path: Path, folder: Path, form: Literal["parquet", "csv", "recbole"], whole: bool) -> dict[str, Any]:
    from ..simulations.studies.augment import export

    file, rows = export(path, folder, form, whole=whole)
    read = f"recloop data describe {shlex.quote(str(file))}"
    note(f"{rows:,} simulated rows are in {file}; read them with  {read}")
    return {"export": file, "exported": rows}
