"""The options that several commands share, so that a flag reads the same wherever it stands.

One that always stands under the same heading is the type of a parameter (`timeout: Timeout = None`). One whose heading is the
command's own is made for it: `seed: Annotated[int | None, seed_flag(ASKED)] = None`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

CARRIED, SHOWN = "How it is carried out", "What is shown"
REHEARSED, ASKED = "What is rehearsed", "What the study asks"


def flag(*names: str, panel: str, text: str, metavar: str | None = None) -> Any:
    """An option that is None unless given, so that a file's or the settings' own value stays; the text says the default."""
    return typer.Option(*names, metavar=metavar, rich_help_panel=panel, show_default=False, help=text)


def settings_given(
    params: Mapping[str, Any], settings: Container[str], parsers: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """The flags that were given among a command's `params` and are named after one of `settings`; `parsers` read their texts."""
    given = {name: value for name, value in params.items() if name in settings and value not in (None, [], ())}
    return {name: parsers[name](value) if name in parsers else value for name, value in given.items()}


# Under a heading of the command's own


def json_flag(panel: str | None = None) -> Any:
    return typer.Option("--json", rich_help_panel=panel, help="Print JSON, nothing else, on stdout.")


def seed_flag(panel: str) -> Any:
    return flag(metavar="N", panel=panel, text="Everything random follows from it (default: 0).")


def endpoint_flag(panel: str, whose: str = "model") -> Any:
    return flag(metavar="URL", panel=panel, text=f"Endpoint of an openai/... {whose}.")


def price_flag(panel: str) -> Any:
    text = "US dollars per million tokens of the model, where no table knows."
    return flag(metavar="in=A,out=B", panel=panel, text=text)


def search_set(panel: str) -> Any:
    text = "Search set: a known name, a folder, or a file of judged pairs."
    return typer.Option(metavar="NAME|PATH", rich_help_panel=panel, help=text)


def search_columns(panel: str) -> Any:
    text = "Which column is what: query=search_term,title=name,grade=stars."
    return flag(metavar="ROLE=NAME,...", panel=panel, text=text)


def zero_grade(panel: str) -> Any:
    return flag(metavar="GRADE", panel=panel, text="The grade that means not relevant, where it is not 0.")


# Anywhere

Json: TypeAlias = Annotated[bool, json_flag()]

# How it is carried out

Concurrency: TypeAlias = Annotated[
    int | None, flag(metavar="N", panel=CARRIED, text="Calls in flight at once (default: 64).")
]
Timeout: TypeAlias = Annotated[
    float | None, flag(metavar="SECONDS", panel=CARRIED, text="What one call to the model may take (default: 60.0).")
]
Out: TypeAlias = Annotated[
    Path | None, flag(metavar="DIR", panel=CARRIED, text="The run's folder (default: ./recloop-runs/<date>-<name>).")
]
CarriedJson: TypeAlias = Annotated[bool, json_flag(CARRIED)]

# Studies

StudyData: TypeAlias = Annotated[
    str | None, flag(metavar="NAME|PATH", panel=REHEARSED, text="Data set (default: movietweetings).")
]
StudyColumns: TypeAlias = Annotated[
    str | None, flag(metavar="ROLE=NAME,...", panel=REHEARSED, text="Which column is what: user=uid,item=movie.")
]
StudyModel: TypeAlias = Annotated[
    str | None, flag(metavar="NAME", panel=REHEARSED, text="Who plays the users (default: scripted).")
]
StudySettings: TypeAlias = Annotated[
    list[str] | None,
    flag("--set", metavar="KEY=VALUE", panel=REHEARSED, text="Any other setting of recloop simulate (repeatable)."),
]
StudySeed: TypeAlias = Annotated[int | None, seed_flag(ASKED)]
StudyBudget: TypeAlias = Annotated[
    str | None, flag(metavar="LIMITS", panel=CARRIED, text="Hard limits over all rehearsals together: usd=1,calls=500.")
]
StudyFile: TypeAlias = Annotated[
    Path | None,
    flag(
        metavar="FILE.toml",
        panel=CARRIED,
        text=r"The study's settings, and a table \[rehearsal] of those of recloop simulate; flags win.",
    ),
]
