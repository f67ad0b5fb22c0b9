"""What the debugger's commands share, be the run a rehearsal or a prompt search: options, opening, breakpoints, how going on ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias

import typer

from .debug_shown import plain
from .output import FAILED, PAUSED, CommandError, note, print_json

if TYPE_CHECKING:
    from ..prompt_opt.debugging import SearchDebugger
    from ..simulations.debugging import Debugger

Holds: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="CONDITION", help="What holds there (default: any breakpoint).")
]
BreakAt: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="CONDITION", help="Where to stop (default: list them).")
]
Clear: TypeAlias = Annotated[str | None, typer.Option(metavar="ID|all", help="Take a breakpoint out.")]
Off: TypeAlias = Annotated[int | None, typer.Option("--off", metavar="ID", help="Let it be for now.")]
On: TypeAlias = Annotated[int | None, typer.Option("--on", metavar="ID", help="Heed it again.")]
Fields: TypeAlias = Annotated[bool, typer.Option("--fields", help="The names that a condition may use.")]
Stops: TypeAlias = Annotated[bool, typer.Option("--stop/--no-stop", help="Pause where a breakpoint holds.")]
Edits: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="EDIT", help="What is changed (repeatable): --edits lists the forms.")
]
EditForms: TypeAlias = Annotated[bool, typer.Option("--edits", help="How edits are written.")]
ForkName: TypeAlias = Annotated[str, typer.Option(metavar="NAME", help="What it is called.")]
ReplayOut: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Keep the replayed run here (default: a temporary folder).")
]


def path_of(context: typer.Context) -> Path:
    """The run that stands before the command."""
    path = context.obj
    assert isinstance(path, Path)
    return path


def open_rehearsal(path: Path) -> Debugger:
    from ..simulations.debugging import Debugger
    from .kinds import register_kinds

    register_kinds()
    return Debugger(path)


def open_search(path: Path) -> SearchDebugger:
    from ..prompt_opt.debugging import SearchDebugger
    from .kinds import register_kinds

    register_kinds()
    return SearchDebugger(path)


def say_note(debugger: Debugger | SearchDebugger) -> None:
    """What the debugger has to say of what it was asked, if anything."""
    if debugger.note:
        note(debugger.note)


def nothing_found(what: str, why: str, as_json: bool) -> NoReturn:
    """There is no step further, or no such moment: say why, and leave with exit code 1."""
    if as_json:
        print_json({what: None})
    note(why)
    raise typer.Exit(FAILED)


def one_at_a_time(when: str | None, clear: str | None, off: int | None, on: int | None) -> None:
    """Raises `CommandError` for two things asked of breakpoints at once, or for one cleared that is no number."""
    if sum((when is not None, clear is not None, off is not None, on is not None)) > 1:
        raise CommandError("one thing at a time\n  a condition, --clear, --off, or --on")
    if clear is not None and clear != "all" and not clear.isdecimal():
        raise CommandError(f"{clear!r} is no breakpoint\n  give its number, or all")


def clear_or_switch(debugger: Debugger | SearchDebugger, clear: str | None, off: int | None, on: int | None) -> None:
    """Take breakpoints out, or turn one off or on; nothing where none of it was asked."""
    if clear is not None:
        debugger.clear(None if clear == "all" else int(clear))
    elif off is not None:
        debugger.switch(off, False)
    elif on is not None:
        debugger.switch(on, True)


def go_on(path: Path, opened: Callable[[Path], Any], unit: str, **how: Any) -> Any:
    """Go on with a run under progress bars, as its debugger's `go_on` does with `how`. Returns its `Stop`."""
    from .conclude import carry_out

    stopped: list[Any] = []

    def work(bars: Any) -> Any:
        async def run() -> None:
            with opened(path) as debugger:
                stopped.append(await debugger.go_on(progress=bars, **how))

        return run()

    carry_out(work, path, unit)
    return stopped[0]


def say_ended(
    stopped: Any, most: int | None, as_json: bool, more: Mapping[str, Any], tell: Callable[[Any], None]
) -> None:
    """Say how going on ended, where it was to go `most` pages or steps; exit code 3 where it stands before that."""
    meant = (
        stopped.status == "finished" or stopped.hit is not None or (most is not None and "as asked" in stopped.reason)
    )
    if as_json:
        print_json({**more, "stop": plain(stopped)})
    else:
        tell(stopped)
    if not meant:
        raise typer.Exit(PAUSED)
