"""`recloop study NAME`: a question asked of rehearsals, answered with interval, control, picture and verdict.

One command per study of `simulations/studies/table.py`, made when the group is first looked into: `recloop --help` need not
load them. A study's own settings are fields of its config; they come by --option, and the help lists them from there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import click
import typer
from typer.core import TyperCommand, TyperGroup

from .options import (
    ASKED,
    CARRIED,
    REHEARSED,
    CarriedJson,
    Json,
    StudyBudget,
    StudyColumns,
    StudyData,
    StudyFile,
    StudyModel,
    StudySeed,
    StudySettings,
    endpoint_flag,
    flag,
)
from .output import PAUSED, CommandError, console, note, print_json, print_table, say

if TYPE_CHECKING:
    from ..runs import Run
    from ..simulations.studies.study import StudyConfig

EPILOG = """Exit codes:  0 fine (whatever the verdict),  2 bad input,  3 paused (budget spent, endpoint lost),  130 Ctrl-C,  \
143 SIGTERM; the last three print the command that goes on.

What each study asks and how: docs/studies.md"""


class _Studies(TyperGroup):
    """The group: its commands are made when somebody asks for them."""

    @property
    def commands(self) -> dict[str, click.Command]:  # type: ignore[override]
        if not self._all:
            from ..simulations.studies.table import questions

            for name, question in questions().items():
                _each.command(name, cls=_OneStudy, epilog=EPILOG, help=question)(_command(name))
            made: Any = typer.main.get_command(_each)
            self._all = {**self._own, **{name: each for name, each in made.commands.items() if name != "-"}}
        return self._all

    @commands.setter
    def commands(self, value: dict[str, click.Command]) -> None:
        self._own, self._all = value, dict[str, click.Command]()


class _OneStudy(TyperCommand):
    """A study's command: its help is followed by the study's own settings, read where somebody wants to see them."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        asked, self.help = self.help, f"{self.help}\n\n{_own_settings(str(self.name))}"
        try:
            super().format_help(ctx, formatter)
        finally:
            self.help = asked


app = typer.Typer(
    cls=_Studies,
    help="Ask a question of rehearsals: answers with interval, control and verdict.",
    no_args_is_help=True,
    epilog=EPILOG,
)
_each = typer.Typer(rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
_each.command("-", hidden=True)(lambda: None)  # with one command alone Typer would make no group


@app.command("list")
def list_(
    as_json: Json = False,
) -> None:
    """The studies there are, and what each asks."""
    from ..simulations.studies.table import questions

    found = list(questions().items())
    if as_json:
        print_json([{"study": name, "question": question} for name, question in found])
        return
    print_table("Studies", ["study", "question"], found, whole=["study"])


def _command(study: str) -> Callable[..., None]:
    def command(
        data: StudyData = None,
        columns: StudyColumns = None,
        users: Annotated[
            int | None,
            flag(metavar="N", panel=REHEARSED, text="Simulated users (default: the study's own, else 100)."),
        ] = None,
        pages: Annotated[
            int | None, flag(metavar="N", panel=REHEARSED, text="Pages before everybody leaves (default: 3).")
        ] = None,
        page_size: Annotated[
            int | None, flag(metavar="N", panel=REHEARSED, text="Items on a page (default: 4).")
        ] = None,
        recommender: Annotated[
            str | None,
            flag(
                metavar="SPEC",
                panel=REHEARSED,
                text="As in recloop simulate; several, as a,b,c, where the study compares them.",
            ),
        ] = None,
        model: StudyModel = None,
        base_url: Annotated[str | None, endpoint_flag(REHEARSED)] = None,
        settings: StudySettings = None,
        options: Annotated[
            list[str] | None,
            flag(
                "--option",
                metavar="KEY=VALUE",
                panel=ASKED,
                text="A setting of the study: JSON or text, lists as a,b,c, parts as key.part (repeatable).",
            ),
        ] = None,
        seed: StudySeed = None,
        seeds: Annotated[
            int | None,
            flag(metavar="K", panel=ASKED, text="Repetitions with other seeds (default: the study's own, else 5)."),
        ] = None,
        budget: StudyBudget = None,
        config: StudyFile = None,
        out: Annotated[
            Path | None,
            flag(
                metavar="DIR",
                panel=CARRIED,
                text="The study's folder (default: ./recloop-runs/<date>-<study>); goes on with one.",
            ),
        ] = None,
        as_json: CarriedJson = False,
    ) -> None:
        rehearsal = {
            "data": data,
            "columns": None if columns is None else columns_of(columns),
            "users": users,
            "pages": pages,
            "page_size": page_size,
            "model": model,
            "base_url": base_url,
        }
        asked = {"seed": seed, "seeds": seeds, "budget": budget}
        values = values_of(study, config, settings or [], options or [], given(rehearsal), given(asked), recommender)
        carry_study_out(study, values, out, as_json)

    return command


def carry_study_out(
    study: str,
    values: dict[str, Any],
    out: Path | None,
    as_json: bool,
    then: Callable[[Path], dict[str, Any]] | None = None,
) -> None:
    """Carry a study out and print what came of it; `then` is done with the folder of a finished one, and adds to the JSON."""
    from ..runs import new_run_path
    from ..simulations.studies import carry
    from ..simulations.studies.table import open_study
    from .conclude import carry_out

    asked = carry.config_of(open_study(study), values)
    path = out.expanduser() if out is not None else new_run_path(name=asked.name)
    carry_out(lambda bars: carry.study(study, values, out=path, progress=bars), path)
    conclude_study(path, as_json, then)


def conclude_study(path: Path, as_json: bool, then: Callable[[Path], dict[str, Any]] | None = None) -> None:
    """Print the verdict, the numbers and the files; write the page; exit 3 for a paused study."""
    from ..runs import Run
    from ..simulations.studies.carry import result_of
    from ..simulations.studies.page import write_page
    from .conclude import larger_budget

    with Run.open(path) as run:
        page, digest, kept = write_page(run), run.digest(), result_of(run)
        status, reason, asked = run.status, run.manifest.reason, run.manifest.config
        if not as_json:
            show_study(run)
    more = then(path) if then is not None and status == "finished" else {}
    if as_json:
        facts = {"run": path, "study": asked["study"], "status": status, "reason": reason, "digest": digest, **more}
        print_json({**facts, "report": page, **(kept or {})})
    else:
        say()
        say(f"study       {path}\nreport      {page}")
        if (runs := path / "runs").is_dir():  # a study of recorded runs makes none of its own
            say(f"rehearsals  {runs}")
    if status != "finished":
        note(f"{status}: {reason}")
        larger = larger_budget(str(asked["config"]["budget"]), reason)
        note(f"go on with:  recloop resume {shlex.quote(str(path))}{f' --budget {larger}' if larger else ''}")
        raise typer.Exit(PAUSED)


def show_study(run: Run) -> None:
    """Print what came of a study, or that nothing did so far."""
    from ..simulations.studies.carry import result_of
    from ..simulations.studies.printed import print_result
    from ..simulations.studies.study import Result

    kept = result_of(run)
    if kept is None:
        say(f"the study is {run.status}: it has no result yet")
        return
    print_result(Result.of(kept), console)


def report_study(run: Run, show: bool, as_json: bool) -> None:
    """Write the page of a study again."""
    from ..simulations.studies.page import write_page

    page = write_page(run)
    if as_json:
        print_json({"run": run.path, "report": page, "picture": None})
    else:
        say(f"report   {page}")
    if show:
        typer.launch(str(page.resolve()))


def values_of(
    study: str,
    config: Path | None,
    settings: Iterable[str],
    options: Iterable[str],
    rehearsal: dict[str, Any],
    asked: dict[str, Any],
    recommender: str | None,
) -> dict[str, Any]:
    """The study's settings: those of the file, those given one by one, and the flags, which win."""
    from ..simulations.config import SimulateConfig, read_toml
    from ..simulations.studies.table import open_study

    fields = open_study(study).config_type.model_fields
    values: dict[str, Any] = {"name": study} | ({} if config is None else read_toml(config))
    inner = values.get("rehearsal") or {}
    if not isinstance(inner, Mapping):
        raise CommandError(f"{config}: rehearsal should be a table\n  write it as [rehearsal] and settings below it")
    for key, text in _pairs("--option", options):
        first, *parts = key.split(".")
        if first == "rehearsal":
            raise CommandError(f"{key} is no setting of the study but of its rehearsals\n  give it by --set KEY=VALUE")
        value = _typed(text, fields[first].annotation if first in fields and not parts else None)
        _put(values, [first, *parts], value)
    inner = dict(inner)
    for key, text in _pairs("--set", settings):
        field = SimulateConfig.model_fields.get(key)
        inner[key] = _typed(text, None if field is None else field.annotation)
    if recommender is not None:
        if "recommenders" in fields:
            values["recommenders"] = [each.strip() for each in recommender.split(",")]
        else:
            inner["recommender"] = recommender
    return {**values, **asked, "rehearsal": {**inner, **rehearsal}}


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def columns_of(text: str) -> dict[str, str]:
    from ..data import parse_columns

    return parse_columns(text)


def _pairs(flag: str, texts: Iterable[str]) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"{flag} takes KEY=VALUE, got {text!r}\n  for example  {flag} seeds=3")
        found.append((key.strip(), value))
    return found


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    """`["returning", "rate"]` is a value inside a table; one that is there already is added to."""
    *outer, last = keys
    for key in outer:
        inner = values.get(key)
        values[key] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[key]
    values[last] = value


def _typed(text: str, kind: Any) -> Any:
    """A value as its setting wants it: a text stays one, a list is JSON or a,b,c, everything else JSON or text."""
    kinds = {get_origin(each) or each for each in (kind, *get_args(kind))}
    if kind is str or (str in kinds and not {tuple, list} & kinds and dict not in kinds):
        return text
    value = _json(text)
    if (get_origin(kind) or kind) in (tuple, list) and not isinstance(value, list):
        return [_json(part.strip()) for part in text.split(",")] if text.strip() else []
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _own_settings(study: str) -> str:
    """The study's own settings as paragraphs: name, default, what it is."""
    from ..simulations.studies.study import StudyConfig
    from ..simulations.studies.table import open_study

    config = open_study(study).config_type
    told = explained(config)
    parts = []
    for name, field in config.model_fields.items():
        if name not in StudyConfig.model_fields:
            default = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
            shown = f" (default: {_plain(default)})" if default not in (None, "", (), {}) else ""
            parts.append(f"{name}: {told.get(name, '')}{shown}".replace("[", "\\[").replace("…", "..."))
    return "Its own settings, by --option:\n\n" + "\n\n".join(parts) if parts else ""


def explained(config: type[StudyConfig]) -> dict[str, str]:
    """Field -> the string that stands under it in the class."""
    import ast
    import inspect
    import textwrap

    (body,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _plain(value: Any) -> str:
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return ", ".join(f"{key}={inner}" for key, inner in value.model_dump().items())
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
