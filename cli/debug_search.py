"""`recloop debug SEARCH …`: the debugger's commands where the run is a prompt search; here those that look and move."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from . import debug_search_change
from .debug_search_shown import (
    say_candidate,
    say_candidates,
    say_cases,
    say_field_names,
    say_hit,
    say_search,
    say_search_call,
    say_step,
    say_steps,
)
from .debug_shared import (
    BreakAt,
    Clear,
    Fields,
    Holds,
    Off,
    On,
    clear_or_switch,
    nothing_found,
    one_at_a_time,
    open_search,
    path_of,
    say_note,
)
from .debug_shown import plain
from .options import Json
from .output import CommandError, print_json, print_table, say

app = typer.Typer()


@app.command()
def show(
    context: typer.Context,
    at: Annotated[int | None, typer.Argument(metavar="STEP", min=0, help="Which (default: where one is).")] = None,
    candidate: Annotated[
        str, typer.Option(metavar="ID", help="One candidate: its texts and fate; seed and best are names.")
    ] = "",
    cases: Annotated[bool, typer.Option("--cases", help="Results case by case, of the step or the candidate.")] = False,
    call: Annotated[
        str | None, typer.Option(metavar="KEY", help="One recorded call: its prompt, and what came back.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A step: what was asked, answered, let in, accepted; or the search.

    recloop debug SEARCH show
    recloop debug SEARCH show 4 --cases
    recloop debug SEARCH show --candidate best
    recloop debug SEARCH show --call 3fa9

    """
    with open_search(path_of(context)) as debugger:
        if call is not None:
            view = debugger.call(call)
            print_json(plain(view)) if as_json else say_search_call(view)
            return
        found: dict[str, Any] = {}
        here = at if at is not None else None if candidate else debugger.place
        if candidate:
            found["candidate"] = debugger.candidate(candidate)
        if here is not None:
            found["step"] = debugger.step_view(here)
        if cases:
            if not found:
                raise CommandError("whose cases?\n  name a step or a candidate: show 4 --cases")
            found["cases"] = debugger.cases(candidate, here)
        if not found:
            found = {"overview": debugger.overview(), "steps": debugger.steps()}
    if as_json:
        print_json(plain(found))
        return
    for name, view in found.items():
        tell: Any = {
            "overview": say_search, "steps": say_steps, "step": say_step, "candidate": say_candidate, "cases": say_cases
        }[name]  # fmt: skip
        tell(view)


@app.command()
def candidates(context: typer.Context, as_json: Json = False) -> None:
    """Every prompt: how it was made, how it scored, what became of it.

    recloop debug SEARCH candidates

    """
    with open_search(path_of(context)) as debugger:
        found = debugger.candidates()
    print_json(plain(found)) if as_json else say_candidates(found)


@app.command()
def go(
    context: typer.Context,
    at: Annotated[int, typer.Argument(metavar="STEP", min=0, help="Which, from 0.")],
    as_json: Json = False,
) -> None:
    """Look at a step: `show`, `step` and `fork` then mean it.

    recloop debug SEARCH go 4

    """
    with open_search(path_of(context)) as debugger:
        view = debugger.go_to(at)
        print_json(plain(view)) if as_json else say_step(view)
        say_note(debugger)


@app.command()
def step(context: typer.Context, as_json: Json = False) -> None:
    """Look at the next step of the recording.

    Exit code 1 at its end.

    recloop debug SEARCH step

    """
    with open_search(path_of(context)) as debugger:
        view = debugger.step()
        if view is None:
            name = shlex.quote(str(debugger.path))
            nothing_found("step", f"the recording ends here; to go on:  recloop debug {name} live", as_json)
        print_json(plain(view)) if as_json else say_step(view)
        say_note(debugger)


@app.command()
def find(
    context: typer.Context,
    when: Holds = None,
    following: Annotated[
        bool, typer.Option("--next", help="After the step one is at, not from the beginning.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Go to the first step at which a condition holds.

    Only the recording is searched. Exit code 1 where it never holds.

      recloop debug SEARCH find 'kind == "accept"'
      recloop debug SEARCH find "score > 0.3 and cases >= 20"

    """
    with open_search(path_of(context)) as debugger:
        hit = debugger.find(when, after=debugger.place if following else None)
        if hit is None:
            where = "after this step" if following else "in the recording"
            nothing_found("hit", f"it holds nowhere {where}", as_json)
        view = debugger.go_to(hit.step)
    if as_json:
        print_json({"hit": plain(hit)})
        return
    say_hit(hit)
    say_step(view)


@app.command("break")
def break_(
    context: typer.Context,
    when: BreakAt = None,
    clear: Clear = None,
    off: Off = None,
    on: On = None,
    fields: Fields = False,
    as_json: Json = False,
) -> None:
    """Set, list and clear breakpoints.

    They pause `live` and `fork --go`. At kind == "accept" the search stops
    before a candidate is accepted.

      recloop debug SEARCH break 'kind == "accept"'
      recloop debug SEARCH break 'kind == "refused" or cost > 0.5'
      recloop debug SEARCH break --fields

    """
    if fields:
        say_field_names(as_json)
        return
    one_at_a_time(when, clear, off, on)
    with open_search(path_of(context)) as debugger:
        if when is not None:
            debugger.break_at(when)
        clear_or_switch(debugger, clear, off, on)
        kept = debugger.breakpoints()
        say_note(debugger)
    if as_json:
        print_json(plain(kept))
    elif kept:
        print_table("Breakpoints", ["", "", "condition"], [(str(b.id), "" if b.on else "off", b.when) for b in kept])
    else:
        say("no breakpoints")


app.add_typer(debug_search_change.app)
