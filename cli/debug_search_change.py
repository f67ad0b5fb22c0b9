"""The debugger's commands that go on with a prompt search, accept and refuse candidates, fork it, and compare."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .debug_search_shown import say_difference, say_edit_forms, say_search_stop, say_search_tree, say_waits
from .debug_shared import EditForms, Edits, ForkName, ReplayOut, Stops, go_on, open_search, path_of, say_ended
from .debug_shown import plain
from .options import Json
from .output import CommandError, note, print_json, say, short

if TYPE_CHECKING:
    from ..prompt_opt.debugging import Stop

app = typer.Typer()

Budget = Annotated[str | None, typer.Option(metavar="LIMITS", help="Hard limits for what is asked: usd=1,calls=500.")]
More = Annotated[int | None, typer.Option("--steps", min=1, metavar="N", help="At most N steps (default: to the end).")]
Until = Annotated[str | None, typer.Option(metavar="CONDITION", help="Pause also where this holds.")]


@app.command()
def live(
    context: typer.Context,
    until: Until = None,
    steps: More = None,
    stop: Stops = True,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Go on with a paused search or a fork, to a breakpoint or its end.

    What is recorded is not asked again. A candidate that it stands before is
    accepted as the search has it; `accept` and `reject` say otherwise.

    recloop debug SEARCH live --until 'kind == "accept"'
    recloop debug SEARCH/forks/NAME live --steps 1 --budget calls=200

    """
    _go_on(context, steps, as_json, until=until, stop=stop, budget=budget)


@app.command()
def accept(
    context: typer.Context,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[PART=]FILE", help="Accept this text in its place (repeatable); it must pass the guards."
        ),
    ] = None,
    until: Until = None,
    steps: More = None,
    stop: Stops = True,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Accept the candidate the search stands before, or your text, and go on.

    recloop debug SEARCH accept
    recloop debug SEARCH accept --text mine.md --until 'kind == "accept"'

    """
    word: bool | Mapping[str, str] = _texts(text) if text else True
    _go_on(context, steps, as_json, until=until, stop=stop, budget=budget, accept=word)


@app.command()
def reject(
    context: typer.Context,
    until: Until = None,
    steps: More = None,
    stop: Stops = True,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Refuse the candidate the search stands before, and go on.

    recloop debug SEARCH reject

    """
    _go_on(context, steps, as_json, until=until, stop=stop, budget=budget, accept=False)


@app.command()
def fork(
    context: typer.Context,
    at: Annotated[
        int | None,
        typer.Option(
            "--step",
            min=0,
            metavar="N",
            help="Before which it leaves (default: where the edited candidate enters, else where one is).",
        ),
    ] = None,
    edit: Edits = None,
    edits: EditForms = False,
    name: ForkName = "",
    go: Annotated[bool, typer.Option("--go", help="Go on at once, and say what differs.")] = False,
    until: Until = None,
    steps: More = None,
    stop: Stops = True,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Leave the search before a step, with changes.

    A fork is a search of its own below this one, and stores what differs
    only. Where the sealed test was opened before, its verdict says so.

      recloop debug SEARCH fork --edit "candidate 3fa9=@mine.md" --go
      recloop debug SEARCH fork --step 7 --edit "option rounds=6"
      recloop debug SEARCH fork --step 7 --edit "config approve=true" --go

    """
    if edits:
        say_edit_forms(as_json)
        return
    with open_search(path_of(context)) as debugger:
        named = any(each.lstrip().startswith("candidate") for each in edit or ())
        before = at if at is not None or named else debugger.place
        path = asyncio.run(debugger.fork(before, edit or (), name=name))
    quoted = shlex.quote(short(path))
    if not go:
        if as_json:
            print_json({"fork": path})
        else:
            say(f"fork  {short(path)}\nnothing is asked yet")
            note(f"go on:  recloop debug {quoted} live   then  recloop debug {quoted} diff")
        return
    if not as_json:
        say(f"fork  {short(path)}")
    stopped = go_on(path, open_search, "step", until=until, steps=steps, stop=stop, budget=budget)
    with open_search(path) as debugger:
        found = debugger.diff()
    if not as_json:
        say_difference(found)
    say_ended(stopped, steps, as_json, {"fork": path, "diff": plain(found)}, _say_stop)


@app.command()
def diff(
    context: typer.Context,
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="Held against this search (default: a fork's parent).")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a fork came to otherwise: candidates, scores, verdicts.

    recloop debug SEARCH/forks/NAME diff

    """
    with open_search(path_of(context)) as debugger:
        found = debugger.diff(other)
    print_json(plain(found)) if as_json else say_difference(found)


@app.command()
def tree(context: typer.Context, as_json: Json = False) -> None:
    """The forks of a search: where they leave, what they change.

    recloop debug SEARCH tree

    """
    with open_search(path_of(context)) as debugger:
        root = debugger.tree()
        here = debugger.path.resolve()
    print_json(plain(root)) if as_json else say_search_tree(root, here)


@app.command()
def replay(context: typer.Context, out: ReplayOut = None, as_json: Json = False) -> None:
    """Search again from the recording, without a model.

    Exit code 1 unless the digest is the same; as `recloop replay SEARCH`.

      recloop debug SEARCH/forks/NAME replay

    """
    from .replay import command as replay_command

    replay_command(path_of(context), out, as_json)


# What they share


def _go_on(context: typer.Context, steps: int | None, as_json: bool, **how: Any) -> None:
    """Go on with the search itself, and say how it ended."""
    stopped = go_on(path_of(context), open_search, "step", steps=steps, **how)
    say_ended(stopped, steps, as_json, {}, _say_stop)


def _say_stop(stopped: Stop) -> None:
    say_search_stop(stopped)
    if stopped.waits is not None:
        say_waits(stopped.waits, stopped.path)


def _texts(files: list[str]) -> dict[str, str]:
    """[PART=]FILE as texts by part ("" for a bare file)."""
    from ..prompt_opt.tasks.building import body

    found: dict[str, str] = {}
    for each in files:
        part, equals, file = each.partition("=")
        part, file = (part, file) if equals else ("", each)
        if part in found:
            raise CommandError(f"--text gives {part or 'the text'} twice\n  write PART=FILE, each part once")
        try:
            found[part] = body(Path(file).expanduser().read_text(encoding="utf-8"))
        except OSError as problem:
            raise CommandError(f"{file} cannot be read: {(problem.strerror or '').lower()}\n  check the path") from None
        except UnicodeDecodeError:
            raise CommandError(f"{file} is no text in UTF-8\n  save it as UTF-8") from None
    return found
