"""`recloop debug`: look into a rehearsal, move through it, change it, fork, go on, compare. The page, and the same as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import debug_change, debug_look
from .output import note, print_json

EPILOG = """Exit codes:  0 fine,  1 nothing found (find, step at the end), or a replay that differs,  2 bad input,  3 paused before \
where it was to go (budget, endpoint),  130 Ctrl-C,  143 SIGTERM

Conditions, edits, the page: docs/debug.md"""

_KIND = "recloop.debug.kind"
REHEARSED = ("simulate", "")
"""Kinds whose runs the verbs of a rehearsal are for; what is no run is told by them, too."""


class RunFirst(TyperGroup):
    """A group whose argument comes before its own flags and its commands: `debug RUN --port 0`, `debug RUN show`. Which
    commands there are follows from the run's kind."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-"):
            run, *rest = args
            takes = {
                name for o in self.params if not getattr(o, "is_flag", True) for name in o.opts if name.startswith("-")
            }
            at = 0
            while at < len(rest) and rest[at].startswith("-"):
                at += 2 if rest[at] in takes else 1
            args = [*rest[:at], run, *rest[at:]]
            ctx.meta[_KIND] = _kind(Path(run))
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _verbs_of(ctx, self).get(cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_verbs_of(ctx, self))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        own, self.commands = self.commands, _verbs_of(ctx, self)  # what is meant by a slip is looked for there
        try:
            return super().resolve_command(ctx, args)
        finally:
            self.commands = own


def _kind(run: Path) -> str:
    """The kind of a run; empty for what is none, which the command then says."""
    from ..runs import Manifest, RunError

    try:
        return Manifest.read(run).kind
    except (RunError, OSError):
        return ""


def _verbs_of(ctx: Any, group: TyperGroup) -> dict[str, Any]:
    """Commands by name: a prompt search has its own, and so has any run that is no rehearsal either."""
    kind = ctx.meta.get(_KIND, "")
    if kind in REHEARSED:
        return dict(group.commands)
    if kind == "optimize":
        from .debug_search import app as verbs
    else:
        from .debug_log import app as verbs
    return typer.main.get_group(verbs).commands  # type: ignore[return-value]


app = typer.Typer(cls=RunFirst, invoke_without_command=True, no_args_is_help=True, epilog=EPILOG)


@app.callback(epilog=EPILOG)
def command(
    context: typer.Context,
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a rehearsal, a prompt search, a fork, or any other run.")
    ],
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where the page listens.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Its port; the next free one where it is taken.")
    ] = 8642,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Let other machines reach it (they need the token in the address).")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser at it.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the page's address (of any other run the glance) as JSON on stdout.")
    ] = False,
) -> None:
    """Look into a rehearsal: its page in the browser, or a command after RUN.

    Pages count from 0. Reading calls no model; living on does, where nothing
    is recorded. A fork is a run of its own below RUN; RUN itself stays.

      recloop debug RUN                                  the page
      recloop debug RUN agents --sort satisfaction
      recloop debug RUN find "satisfaction < 3"          and look at it
      recloop debug RUN show --prompt --answer
      recloop debug RUN step page
      recloop debug RUN edit "trait activity=1"          a fork from here
      recloop debug RUN fork --page 2 --agent 196 \\
          --edit 'memory add "I am tired of sequels"' --go
      recloop debug RUN/forks/NAME diff

    A prompt search has verbs of its own:  recloop debug SEARCH --help
    So has any other run (rewrite, sweep, study), which is told event by event.
    """
    context.obj = run
    if context.invoked_subcommand is not None:
        return
    if context.meta.get(_KIND, "") not in (*REHEARSED, "optimize"):
        from .debug_log import glance

        glance(run, as_json)
        return
    from ..studio.serve import serve

    serve(
        run,
        host=host,
        port=port,
        anywhere=anywhere,
        open_browser=browser,
        say=note,
        ready=(lambda url: _tell({"url": url})) if as_json else None,
    )


def _tell(value: Any) -> None:
    import sys

    print_json(value)
    sys.stdout.flush()


app.add_typer(debug_look.app)
app.add_typer(debug_change.app)
