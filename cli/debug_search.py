"""`recloop debug SEARCH …`: the verbs of the debugger where the run is a prompt search. Thin over `SearchDebugger`."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .debug_search_shown import (
    say_candidate,
    say_candidates,
    say_cases,
    say_difference,
    say_edit_forms,
    say_field_names,
    say_hit,
    say_search,
    say_search_call,
    say_search_stop,
    say_search_tree,
    say_step,
    say_steps,
    say_waits,
)
from .debug_shown import plain
from .options import Json
from .output import FAILED, PAUSED, CommandError, note, print_json, print_table, say, short

if TYPE_CHECKING:
    from ..prompt_opt.debugging import SearchDebugger, Stop

app = typer.Typer()

Budget = Annotated[str | None, typer.Option(metavar="LIMITS", help="Hard limits for what is asked: usd=1,calls=500.")]
Stops = Annotated[bool, typer.Option("--stop/--no-stop", help="Pause where a breakpoint holds.")]
More = Annotated[int | None, typer.Option("--steps", min=1, metavar="N", help="At most N steps (default: to the end).")]
Until = Annotated[str | None, typer.Option(metavar="CONDITION", help="Pause also where this holds.")]


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
    with _opened(context) as debugger:
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
    with _opened(context) as debugger:
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
    with _opened(context) as debugger:
        view = debugger.go_to(at)
        print_json(plain(view)) if as_json else say_step(view)
        _told(debugger)


@app.command()
def step(context: typer.Context, as_json: Json = False) -> None:
    """Look at the next step of the recording.

    Exit code 1 at its end.

    recloop debug SEARCH step

    """
    with _opened(context) as debugger:
        view = debugger.step()
        if view is None:
            if as_json:
                print_json({"step": None})
            note(f"the recording ends here; to go on:  recloop debug {shlex.quote(str(debugger.path))} live")
            raise typer.Exit(FAILED)
        print_json(plain(view)) if as_json else say_step(view)
        _told(debugger)


@app.command()
def find(
    context: typer.Context,
    when: Annotated[
        str | None, typer.Argument(metavar="CONDITION", help="What holds there (default: any breakpoint).")
    ] = None,
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
    with _opened(context) as debugger:
        hit = debugger.find(when, after=debugger.place if following else None)
        if hit is None:
            if as_json:
                print_json({"hit": None})
            note("it holds nowhere" + (" after this step" if following else " in the recording"))
            raise typer.Exit(FAILED)
        view = debugger.go_to(hit.step)
    if as_json:
        print_json({"hit": plain(hit)})
        return
    say_hit(hit)
    say_step(view)


@app.command("break")
def break_(
    context: typer.Context,
    when: Annotated[str | None, typer.Argument(metavar="CONDITION", help="Where to stop (default: list them).")] = None,
    clear: Annotated[str | None, typer.Option(metavar="ID|all", help="Take a breakpoint out.")] = None,
    off: Annotated[int | None, typer.Option("--off", metavar="ID", help="Let it be for now.")] = None,
    on: Annotated[int | None, typer.Option("--on", metavar="ID", help="Heed it again.")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="The names that a condition may use.")] = False,
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
    if sum((when is not None, clear is not None, off is not None, on is not None)) > 1:
        raise CommandError("one thing at a time\n  a condition, --clear, --off, or --on")
    if clear not in (None, "all") and not str(clear).isdecimal():
        raise CommandError(f"{clear!r} is no breakpoint\n  give its number, or all")
    with _opened(context) as debugger:
        if when is not None:
            debugger.break_at(when)
        elif clear is not None:
            debugger.clear(None if clear == "all" else int(clear))
        elif off is not None or on is not None:
            debugger.switch(int(off if off is not None else on or 0), on is not None)
        kept = debugger.breakpoints()
        _told(debugger)
    if as_json:
        print_json(plain(kept))
    elif kept:
        print_table("Breakpoints", ["", "", "condition"], [(str(b.id), "" if b.on else "off", b.when) for b in kept])
    else:
        say("no breakpoints")


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
    path = _path(context)
    _ended(_go_on(path, until=until, steps=steps, stop=stop, budget=budget), steps, as_json, {})


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
    path = _path(context)
    word: bool | Mapping[str, str] = _texts(text) if text else True
    _ended(_go_on(path, until=until, steps=steps, stop=stop, budget=budget, accept=word), steps, as_json, {})


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
    path = _path(context)
    _ended(_go_on(path, until=until, steps=steps, stop=stop, budget=budget, accept=False), steps, as_json, {})


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
    edit: Annotated[
        list[str] | None, typer.Option(metavar="EDIT", help="What is changed (repeatable): --edits lists the forms.")
    ] = None,
    edits: Annotated[bool, typer.Option("--edits", help="How edits are written.")] = False,
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is called.")] = "",
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
    with _opened(context) as debugger:
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
    stopped = _go_on(path, until=until, steps=steps, stop=stop, budget=budget)
    with _at(path) as debugger:
        found = debugger.diff()
    if not as_json:
        say_difference(found)
    _ended(stopped, steps, as_json, {"fork": path, "diff": plain(found)})


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
    with _opened(context) as debugger:
        found = debugger.diff(other)
    print_json(plain(found)) if as_json else say_difference(found)


@app.command()
def tree(context: typer.Context, as_json: Json = False) -> None:
    """The forks of a search: where they leave, what they change.

    recloop debug SEARCH tree

    """
    with _opened(context) as debugger:
        root = debugger.tree()
        here = debugger.path.resolve()
    print_json(plain(root)) if as_json else say_search_tree(root, here)


@app.command()
def replay(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the replayed run here (default: a temporary folder).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search again from the recording, without a model.

    Exit code 1 unless the digest is the same; as `recloop replay SEARCH`.

      recloop debug SEARCH/forks/NAME replay

    """
    from .replay import command as replay_command

    replay_command(_path(context), out, as_json)


# What they share


def _path(context: typer.Context) -> Path:
    path = context.obj
    assert isinstance(path, Path)
    return path


def _opened(context: typer.Context) -> SearchDebugger:
    return _at(_path(context))


def _at(path: Path) -> SearchDebugger:
    from ..prompt_opt.debugging import SearchDebugger
    from .kinds import register_kinds

    register_kinds()
    return SearchDebugger(path)


def _told(debugger: SearchDebugger) -> None:
    if debugger.note:
        note(debugger.note)


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


def _go_on(path: Path, **how: Any) -> Stop:
    from .conclude import carry_out

    stopped: list[Stop] = []

    def work(bars: Any) -> Any:
        async def run() -> None:
            with _at(path) as debugger:
                stopped.append(await debugger.go_on(progress=bars, **how))

        return run()

    carry_out(work, path, "step")
    return stopped[0]


def _ended(stopped: Stop, steps: int | None, as_json: bool, more: Mapping[str, Any]) -> None:
    """Say how going on ended; exit code 3 where it stands before where it was to go."""
    meant = (
        stopped.status == "finished" or stopped.hit is not None or (steps is not None and "as asked" in stopped.reason)
    )
    if as_json:
        print_json({**more, "stop": plain(stopped)})
    else:
        say_search_stop(stopped)
        if stopped.waits is not None:
            say_waits(stopped.waits, stopped.path)
    if not meant:
        raise typer.Exit(PAUSED)
