"""The debugger's commands that live a rehearsal on, fork it with changes, ask again, and compare."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .debug_place import call_here, place_here
from .debug_shared import EditForms, Edits, ForkName, ReplayOut, Stops, go_on, open_rehearsal, path_of, say_ended
from .debug_shown import plain, say_diff, say_edits, say_reasked, say_stop, say_tree
from .options import Json
from .output import note, print_json, say, short

if TYPE_CHECKING:
    from ..simulations.debugging import Stop

app = typer.Typer()

Budget = Annotated[
    str | None, typer.Option(metavar="LIMITS", help="Hard limits for what is lived on: usd=1,calls=500.")
]
More = Annotated[
    int | None, typer.Option("--pages", min=1, metavar="N", help="Live at most N pages more (default: to the end).")
]


# Living on


@app.command()
def live(
    context: typer.Context, pages: More = None, stop: Stops = True, budget: Budget = None, as_json: Json = False
) -> None:
    """Live a paused run or a fork on, to a breakpoint or its end.

    What is recorded is not asked again.

    recloop debug RUN live --pages 1
    recloop debug RUN/forks/NAME live --budget calls=200

    """
    path = path_of(context)
    with open_rehearsal(path) as debugger:
        over = debugger.overview().status == "finished"
    say_ended(_live_on(path, pages, stop, budget), pages, as_json, {}, say_stop)
    if over:
        note(
            f"it was at its end before; another course of it:  recloop debug {shlex.quote(str(path))} fork --page P --go"
        )


@app.command()
def fork(
    context: typer.Context,
    page: Annotated[
        int | None, typer.Option(min=0, metavar="P", help="Before which page it leaves (default: where one is).")
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Who lives on otherwise (repeatable; default: those the edits name, else everybody)."
        ),
    ] = None,
    edit: Edits = None,
    edits: EditForms = False,
    name: ForkName = "",
    go: Annotated[bool, typer.Option("--go", help="Live on at once, and say what differs.")] = False,
    pages: More = None,
    stop: Stops = True,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Leave the run before a page, with changes.

    A fork is a run of its own below this one, and stores what differs only.
    Agents who are not named do what they did.

      recloop debug RUN fork --page 2 --agent 196 --edit "trait activity=1"
      recloop debug RUN fork --page 1 --edit "config fatigue=0" --go
      recloop debug RUN fork --edits

    """
    if edits:
        say_edits(as_json)
        return
    with open_rehearsal(path_of(context)) as debugger:
        if page is None:
            here = place_here(debugger)
            page = here.page
        path = debugger.fork(page, edit or (), agents=agent or None, name=name)
    _forked(path, page, go, pages, stop, budget, as_json)


@app.command()
def edit(
    context: typer.Context,
    changes: Annotated[
        list[str], typer.Argument(metavar="EDIT...", help="What is changed; `fork --edits` lists the forms.")
    ],
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Everybody lives on, not the agent looked at alone.")
    ] = False,
    name: Annotated[str, typer.Option(metavar="NAME", help="What the fork is called.")] = "",
    go: Annotated[bool, typer.Option("--go", help="Live on at once, and say what differs.")] = False,
    pages: More = None,
    stop: Stops = True,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Fork here, with changes for the agent one looks at.

    The run itself is never changed. Short for `fork` with the page and the
    agent of this place.

      recloop debug RUN go 196 2
      recloop debug RUN edit "trait activity=1" 'memory drop 3'
      recloop debug RUN edit "state satisfaction=2" --go

    """
    with open_rehearsal(path_of(context)) as debugger:
        here = place_here(debugger)
        path = debugger.fork(here.page, changes, agents=None if everybody else [here.agent], name=name)
    _forked(path, here.page, go, pages, stop, budget, as_json)


@app.command()
def ask(
    context: typer.Context,
    key: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="Which call; its beginning will do (default: the one at this place)."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Ask another model.")] = None,
    prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Put this text in place of the last message.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, metavar="T", help="Another temperature.")] = None,
    samples: Annotated[int, typer.Option(min=1, metavar="N", help="How often it is asked.")] = 1,
    as_json: Json = False,
) -> None:
    """Put a recorded call again, live: old and new answer.

    The run stays as it is.

    recloop debug RUN ask
    recloop debug RUN ask 3fa9 --model openai/gpt-4o --samples 3

    """
    from .stopping import run_stoppable

    with open_rehearsal(path_of(context)) as debugger:
        wanted = key or call_here(debugger)
        messages = None
        if prompt is not None:
            old = list(debugger.call(wanted).messages)
            messages = [*old[:-1], {**old[-1], "content": prompt.read_text(encoding="utf-8")}]
        work = debugger.ask_again(wanted, messages=messages, model=model, temperature=temperature, samples=samples)
        found = run_stoppable(work)
    if as_json:
        print_json(plain(found))
    else:
        say_reasked(found)


# Comparing


@app.command()
def diff(
    context: typer.Context,
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="Held against this run (default: a fork's parent).")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a fork did otherwise than its parent.

    recloop debug RUN/forks/NAME diff
    recloop debug RUN diff OTHER

    """
    from ..simulations.debugging.reading import titles

    with open_rehearsal(path_of(context)) as debugger:
        found = debugger.diff(other)
        names, seen = titles(debugger.run), debugger.overview()
    if as_json:
        print_json(plain(found))
        return
    say_diff(found, names)
    if seen.status != "finished":
        name = shlex.quote(str(path_of(context)))
        note(
            f"it has lived {seen.page} of {seen.pages} pages, and what it has not lived counts as other; to live on:  recloop debug {name} live"
        )


@app.command()
def tree(context: typer.Context, as_json: Json = False) -> None:
    """The forks of a run: where they leave, what they change.

    recloop debug RUN tree

    """
    with open_rehearsal(path_of(context)) as debugger:
        root = debugger.tree()
        here = debugger.path.resolve()
    if as_json:
        print_json(plain(root))
    else:
        say_tree(root, here)


@app.command()
def replay(context: typer.Context, out: ReplayOut = None, as_json: Json = False) -> None:
    """Run it again from its recording, without a model.

    Exit code 1 unless the digest is the same; as `recloop replay RUN`.

      recloop debug RUN/forks/NAME replay

    """
    from .replay import command as replay_command

    replay_command(path_of(context), out, as_json)


# What they share


def _live_on(path: Path, pages: int | None, stop: bool, budget: str | None) -> Stop:
    return go_on(path, open_rehearsal, "page", pages=pages, stop=stop, budget=budget)


def _forked(path: Path, page: int, go: bool, pages: int | None, stop: bool, budget: str | None, as_json: bool) -> None:
    from ..simulations.debugging.reading import titles

    name = shlex.quote(short(path))
    if not go:
        if as_json:
            print_json({"fork": path, "page": page})
        else:
            say(f"fork  {short(path)}\nleaves before page {page}; nothing is lived yet")
            note(f"live it:  recloop debug {name} live   then  recloop debug {name} diff")
        return
    if not as_json:
        say(f"fork  {short(path)}, before page {page}")
    stopped = _live_on(path, pages, stop, budget)
    with open_rehearsal(path) as debugger:
        found = debugger.diff()
        names = titles(debugger.run)
    if not as_json:
        say_diff(found, names)
    say_ended(stopped, pages, as_json, {"fork": path, "page": page, "diff": plain(found)}, say_stop)
