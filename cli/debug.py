"""`recloop debug`: look into a rehearsal, move through it, change it, fork, go on, compare. The page, and the same as commands."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from .debug_shown import (
    plain,
    say_diff,
    say_edits,
    say_fields,
    say_moment,
    say_overview,
    say_page,
    say_persona,
    say_place,
    say_reasked,
    say_stop,
    say_tree,
    show_call_view,
    show_memory,
    show_state,
)
from .options import Json
from .output import FAILED, PAUSED, CommandError, note, number, print_json, print_table, say, short

if TYPE_CHECKING:
    from ..simulations.debugging import Debugger, Place, Stop

EPILOG = """Exit codes:  0 fine,  1 nothing found (find, step at the end), or a replay that differs,  2 bad input,  3 paused before \
where it was to go (budget, endpoint),  130 Ctrl-C,  143 SIGTERM

Conditions, edits, the page: docs/debug.md"""


_KIND = "recloop.debug.kind"


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


def _kind(run: Path) -> str:
    """The kind of a run; empty for what is none, which the command then says."""
    from ..runs import Manifest, RunError

    try:
        return Manifest.read(run).kind
    except (RunError, OSError):
        return ""


def _verbs_of(ctx: Any, group: TyperGroup) -> dict[str, Any]:
    """Commands by name: a prompt search has its own."""
    if ctx.meta.get(_KIND) != "optimize":
        return dict(group.commands)
    from .debug_search import app as searching

    return typer.main.get_group(searching).commands  # type: ignore[return-value]


app = typer.Typer(cls=RunFirst, invoke_without_command=True, no_args_is_help=True, epilog=EPILOG)

Agent = Annotated[str | None, typer.Option("--agent", metavar="ID", help="Whose page (default: where one is).")]
Page = Annotated[int | None, typer.Option("--page", min=0, metavar="P", help="Which, from 0 (default: where one is).")]
Budget = Annotated[
    str | None, typer.Option(metavar="LIMITS", help="Hard limits for what is lived on: usd=1,calls=500.")
]
Stops = Annotated[bool, typer.Option("--stop/--no-stop", help="Pause where a breakpoint holds.")]
More = Annotated[
    int | None, typer.Option("--pages", min=1, metavar="N", help="Live at most N pages more (default: to the end).")
]
Against = Annotated[
    str, typer.Option(metavar="RUN", help="Another run: `diverged` holds where this one first parts from it.")
]


@app.callback(epilog=EPILOG)
def command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a rehearsal, a prompt search, or a fork.")],
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where the page listens.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Its port; the next free one where it is taken.")
    ] = 8642,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Let other machines reach it (they need the token in the address).")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser at it.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the page's address as JSON on stdout.")] = False,
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
    """
    context.obj = run
    if context.invoked_subcommand is not None:
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


# Looking


@app.command()
def show(
    context: typer.Context,
    agent: Agent = None,
    page: Page = None,
    node: Annotated[
        str, typer.Option(metavar="NODE", help="A step of the page: observe, react, ... (default: all).")
    ] = "",
    prompt: Annotated[bool, typer.Option("--prompt", help="What the model was asked there.")] = False,
    answer: Annotated[bool, typer.Option("--answer", help="What it wrote, and where that breaks its schema.")] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="What is remembered before the page; and what came back.")
    ] = False,
    query: Annotated[
        str, typer.Option(metavar="TEXT", help="What would be remembered of this, best first, with scores.")
    ] = "",
    state: Annotated[
        bool, typer.Option("--state", help="The agent's state, and what each node changed in it.")
    ] = False,
    persona: Annotated[bool, typer.Option("--persona", help="Who the agent is, edits included.")] = False,
    call: Annotated[
        str | None, typer.Option(metavar="KEY", help="One recorded call; the start of its key will do.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The moment one looks at: slate, choices, why; or the run at a glance.

    recloop debug RUN show
    recloop debug RUN show --agent 196 --page 2 --memory
    recloop debug RUN show --node react --prompt --answer
    recloop debug RUN show --call 3fa9

    """
    with _opened(context) as debugger:
        if call is not None:
            view = debugger.call(call)
            print_json(plain(view)) if as_json else show_call_view(view)
            return
        place = _place(debugger, agent, page, node)
        if place is None:
            seen = debugger.overview()
            if as_json:
                print_json({"overview": plain(seen), "place": None})
                return
            say_overview(seen)
            note(
                f"look at a moment:  recloop debug {shlex.quote(str(debugger.path))} go {next(iter(debugger.agents()['agent']), 'AGENT')}"
            )
            return
        view = _page(debugger, place)
        memory = memory or bool(query)
        asked = prompt or answer or memory or state or (place.node and not as_json)
        lived = asyncio.run(debugger.moments(place.agent, place.page)) if asked else []
        moments = [m for m in lived if not place.node or m.place.node == place.node]
        found: dict[str, Any] = {"place": plain(place), "page": plain(view)}
        if memory:
            found["memory"] = debugger.memory(place.agent, place.page, query)
            found["recalled"] = [{"node": m.place.node, "memories": plain(m.recalled)} for m in moments if m.recalled]
        if state:
            found["state"] = [
                {"node": m.place.node, "before": m.before, "after": m.after, "changed": plain(m.changed)}
                for m in moments
            ]
        if prompt or answer:
            found["calls"] = [plain(each) for m in moments for each in m.calls]
        if persona:
            found["persona"] = debugger.persona(place.agent)
        if as_json:
            print_json(found)
            return
        say_place(place)
        say_moment(view, moments[0]) if place.node and moments else say_page(view)
        if persona:
            say_persona(found["persona"])
        if memory:
            show_memory(found["memory"], found["recalled"], query)
        if state:
            show_state(moments)
        for moment in moments if prompt or answer else ():
            for each in moment.calls:
                show_call_view(each, prompt=prompt, answer=answer)


@app.command()
def agents(
    context: typer.Context,
    sort: Annotated[str, typer.Option(metavar="COLUMN", help="By what (default: the order of the run).")] = "",
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="How many are listed.")] = 20,
    as_json: Json = False,
) -> None:
    """Who is where: pages, status, satisfaction, what they chose.

    recloop debug RUN agents --sort satisfaction --top 10

    """
    with _opened(context) as debugger:
        columns = debugger.agents()
    names = list(columns)
    if sort and sort not in columns:
        raise CommandError(f"agents have no {sort!r}\n  there are {', '.join(names)}")
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if sort:
        known = [row for row in rows if row[sort] is not None]
        rows = sorted(known, key=lambda row: row[sort], reverse=descending) + [row for row in rows if row[sort] is None]
    if as_json:
        print_json(rows[:top])
        return
    heads = {"satisfaction": "satisfied", "mean_rating": "rating"}
    names = ["agent", "pages", "status", "satisfaction", "shown", "chosen", "mean_rating", "failures", "tokens"]
    shown = {name: heads.get(name, name) for name in names}
    cells = [
        [value if isinstance(value := row[name], str) else number(value, 1) for name in shown] for row in rows[:top]
    ]
    right = [head for head in shown.values() if head not in ("agent", "status")]
    print_table(f"{len(rows):,} agents", list(shown.values()), cells, right=right, whole=["status"])
    if len(rows) > top:
        note(f"{len(rows) - top:,} more: --top N")


# Moving


@app.command()
def go(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Whom to look at.")],
    page: Annotated[int, typer.Argument(metavar="PAGE", min=0, help="On which page, from 0.")] = 0,
    node: Annotated[str, typer.Argument(metavar="NODE", help="At which node of it: observe, react, ...")] = "",
    as_json: Json = False,
) -> None:
    """Look at a moment: `show`, `step` and `edit` then mean it.

    recloop debug RUN go 196 2 react

    """
    with _opened(context) as debugger:
        _there(debugger, debugger.go_to(agent, page, node), as_json)


@app.command()
def step(
    context: typer.Context,
    stride: Annotated[
        Literal["node", "page", "agent", "round"],
        typer.Argument(
            metavar="node|page|agent|round",
            help="To the next node, this agent's next page, the next agent on this page, everybody's next page.",
        ),
    ] = "node",
    as_json: Json = False,
) -> None:
    """Move on in the recording, from where one is.

    Exit code 1 at its end.

    recloop debug RUN step
    recloop debug RUN step agent

    """
    with _opened(context) as debugger:
        place = debugger.step(stride)
        if place is None:
            if as_json:
                print_json({"place": None})
            note(_end(debugger, stride))
            raise typer.Exit(FAILED)
        _there(debugger, place, as_json)


@app.command()
def find(
    context: typer.Context,
    when: Annotated[
        str | None, typer.Argument(metavar="CONDITION", help="What holds there (default: any breakpoint).")
    ] = None,
    against: Against = "",
    following: Annotated[bool, typer.Option("--next", help="After where one is, not from the beginning.")] = False,
    as_json: Json = False,
) -> None:
    """Go to the first moment at which a condition holds.

    Only the recording is searched. Exit code 1 where it never holds.

      recloop debug RUN find "satisfaction < 3 and page > 0"
      recloop debug RUN find 'node == "react" and "parse_fail" in status'
      recloop debug RUN find --next
      recloop debug RUN find diverged --against OTHER

    """
    with _opened(context) as debugger:
        hit = debugger.find(when, against=_from_here(against), after=debugger.place if following else None)
        if hit is None:
            if as_json:
                print_json({"hit": None})
            note("it holds nowhere" + (" after this place" if following else " in the recording"))
            raise typer.Exit(FAILED)
        debugger.go_to(*hit.place)
        if as_json:
            print_json({"hit": plain(hit)})
            return
        say(f"{hit.breakpoint.when}", style="bold")
        say(", ".join(f"{name} = {_short(value)}" for name, value in hit.values.items()))
        _there(debugger, hit.place, False)
        again = f"{shlex.quote(when)} " if when is not None else ""
        note(f"the next:  recloop debug {shlex.quote(str(debugger.path))} find {again}--next")


@app.command("break")
def break_(
    context: typer.Context,
    when: Annotated[str | None, typer.Argument(metavar="CONDITION", help="Where to stop (default: list them).")] = None,
    against: Against = "",
    clear: Annotated[str | None, typer.Option(metavar="ID|all", help="Take a breakpoint out.")] = None,
    off: Annotated[int | None, typer.Option("--off", metavar="ID", help="Let it be for now.")] = None,
    on: Annotated[int | None, typer.Option("--on", metavar="ID", help="Heed it again.")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="The names that a condition may use.")] = False,
    as_json: Json = False,
) -> None:
    """Set, list and clear breakpoints.

    They pause `live`, `fork --go` and `edit --go`; `find` without a condition
    looks for them.

      recloop debug RUN break "satisfaction < 3"
      recloop debug RUN break 'agent == "196" and node == "decide"'
      recloop debug RUN break 'failures > 0 or cost > 0.01'
      recloop debug RUN break --fields

    """
    if fields:
        say_fields(as_json)
        return
    if sum((when is not None, clear is not None, off is not None, on is not None)) > 1:
        raise CommandError("one thing at a time\n  a condition, --clear, --off, or --on")
    with _opened(context) as debugger:
        if when is not None:
            debugger.break_at(when, _from_here(against))
        elif clear is not None:
            debugger.clear(None if clear == "all" else _number(clear))
        elif off is not None or on is not None:
            debugger.switch(int(off if off is not None else on or 0), on is not None)
        breakpoints = debugger.breakpoints()
        if debugger.note:
            note(debugger.note)
        if as_json:
            print_json(plain(breakpoints))
            return
        if not breakpoints:
            say("no breakpoints")
            return
        rows = [(str(each.id), "" if each.on else "off", each.when, each.against) for each in breakpoints]
        print_table("Breakpoints", ["", "", "condition", "against"], rows)


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
    path = _path(context)
    with _opened(context) as debugger:
        over = debugger.overview().status == "finished"
    _ended(_live_on(path, pages, stop, budget), pages, as_json, {})
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
    edit: Annotated[
        list[str] | None, typer.Option(metavar="EDIT", help="What is changed (repeatable): --edits lists the forms.")
    ] = None,
    edits: Annotated[bool, typer.Option("--edits", help="How edits are written.")] = False,
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is called.")] = "",
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
    with _opened(context) as debugger:
        if page is None:
            here = _needed(debugger)
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
    with _opened(context) as debugger:
        here = _needed(debugger)
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

    with _opened(context) as debugger:
        wanted = key or _call_here(debugger)
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

    with _opened(context) as debugger:
        found = debugger.diff(other)
        names, seen = titles(debugger.run), debugger.overview()
    if as_json:
        print_json(plain(found))
        return
    say_diff(found, names)
    if seen.status != "finished":
        name = shlex.quote(str(_path(context)))
        note(
            f"it has lived {seen.page} of {seen.pages} pages, and what it has not lived counts as other; to live on:  recloop debug {name} live"
        )


@app.command()
def tree(context: typer.Context, as_json: Json = False) -> None:
    """The forks of a run: where they leave, what they change.

    recloop debug RUN tree

    """
    with _opened(context) as debugger:
        root = debugger.tree()
        here = debugger.path.resolve()
    if as_json:
        print_json(plain(root))
    else:
        say_tree(root, here)


@app.command()
def replay(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the replayed run here (default: a temporary folder).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run it again from its recording, without a model.

    Exit code 1 unless the digest is the same; as `recloop replay RUN`.

      recloop debug RUN/forks/NAME replay

    """
    from .replay import command as replay_command

    replay_command(_path(context), out, as_json)


# What they share


def _path(context: typer.Context) -> Path:
    path = context.obj
    assert isinstance(path, Path)
    return path


def _opened(context: typer.Context) -> Debugger:
    from ..simulations.debugging import Debugger
    from .kinds import register_kinds

    register_kinds()
    return Debugger(_path(context))


def _place(debugger: Debugger, agent: str | None, page: int | None, node: str) -> Place | None:
    """The place named by flags, the rest of it from where one is."""
    from ..simulations.debugging import Place

    here = debugger.place
    if agent is None and here is None:
        if page is not None or node:
            raise CommandError("nobody is looked at yet\n  name an agent: --agent ID")
        return None
    who = agent if agent is not None else here.agent if here else ""
    same = here is not None and agent in (None, here.agent)
    which = page if page is not None else here.page if here is not None and same else 0
    at = node or (here.node if here is not None and same and page in (None, here.page) else "")
    return Place(who, which, at)


def _needed(debugger: Debugger) -> Place:
    """Where one is. Raises `CommandError` where nobody is looked at yet."""
    if (here := debugger.place) is None:
        name = shlex.quote(str(debugger.path))
        raise CommandError(f"nobody is looked at yet\n  go somewhere:  recloop debug {name} go AGENT PAGE")
    return here


def _page(debugger: Debugger, place: Place) -> Any:
    """The page of a place. Raises `CommandError` where the agent has none such, naming those there are."""
    pages = {view.page: view for view in debugger.timeline(place.agent)}
    if place.page not in pages:
        have = f"pages {min(pages)} to {max(pages)}" if pages else "no pages yet"
        raise CommandError(f"agent {place.agent} has no page {place.page}\n  there are {have}")
    return pages[place.page]


def _there(debugger: Debugger, place: Place, as_json: bool) -> None:
    """Say where one is now, and what is there."""
    view = _page(debugger, place)
    if as_json:
        print_json({"place": plain(place), "page": plain(view)})
        return
    say_place(place)
    if place.node:
        lived = asyncio.run(debugger.moments(place.agent, place.page))
        say_moment(view, next(moment for moment in lived if moment.place.node == place.node))
    else:
        say_page(view)
    if debugger.note:
        note(debugger.note)


def _end(debugger: Debugger, stride: str) -> str:
    """Why there is no step further, and what there is to do."""
    name, seen, here = shlex.quote(str(debugger.path)), debugger.overview(), debugger.place
    if stride == "page" and here is not None and here.page + 1 < seen.page:
        return f"page {here.page} was the last of {here.agent}; the next agent:  recloop debug {name} step agent"
    if seen.status == "finished":
        return (
            f"the recording ends here, and so did the run; another course of it:  recloop debug {name} edit EDIT --go"
        )
    return f"the recording ends here; to live on:  recloop debug {name} live"


def _call_here(debugger: Debugger) -> str:
    """The call of the place one looks at: of its node, or the page's first."""
    here = _needed(debugger)
    lived = asyncio.run(debugger.moments(here.agent, here.page))
    found = [call for moment in lived if here.node in ("", moment.place.node) for call in moment.calls]
    if not found:
        raise CommandError(f"no call was made at {here}\n  go to a node with one, or give a call's key")
    return found[0].key


def _from_here(path: str) -> str:
    """A run as it is kept with a breakpoint: found again from any folder."""
    return str(Path(path).resolve()) if path and Path(path).exists() else path


def _number(text: str) -> int:
    if not text.isdecimal():
        raise CommandError(f"{text!r} is no breakpoint\n  give its number, or all")
    return int(text)


def _short(value: Any) -> str:
    text = number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _live_on(path: Path, pages: int | None, stop: bool, budget: str | None) -> Stop:
    from ..simulations.debugging import Debugger
    from .conclude import carry_out
    from .kinds import register_kinds

    register_kinds()
    stopped: list[Stop] = []

    def work(bars: Any) -> Any:
        async def run() -> None:
            with Debugger(path) as debugger:
                stopped.append(await debugger.go_on(pages=pages, stop=stop, budget=budget, progress=bars))

        return run()

    carry_out(work, path)
    return stopped[0]


def _forked(path: Path, page: int, go: bool, pages: int | None, stop: bool, budget: str | None, as_json: bool) -> None:
    from ..simulations.debugging import Debugger
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
    with Debugger(path) as debugger:
        found = debugger.diff()
        names = titles(debugger.run)
    if not as_json:
        say_diff(found, names)
    _ended(stopped, pages, as_json, {"fork": path, "page": page, "diff": plain(found)})


def _ended(stopped: Stop, pages: int | None, as_json: bool, more: Mapping[str, Any]) -> None:
    """Say how living on ended; exit code 3 where it stands before where it was to go."""
    meant = (
        stopped.status == "finished" or stopped.hit is not None or (pages is not None and "as asked" in stopped.reason)
    )
    if as_json:
        print_json({**more, "stop": plain(stopped)})
    else:
        say_stop(stopped)
    if not meant:
        raise typer.Exit(PAUSED)
