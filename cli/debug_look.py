"""The debugger's commands that look into a rehearsal and move through its recording."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .debug_place import page_at, place_named
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
    open_rehearsal,
    path_of,
    say_note,
)
from .debug_shown import (
    plain,
    say_fields,
    say_moment,
    say_overview,
    say_page,
    say_persona,
    say_place,
    show_call_view,
    show_memory,
    show_state,
)
from .options import Json
from .output import CommandError, note, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..simulations.debugging import Debugger, Place

app = typer.Typer()

Agent = Annotated[str | None, typer.Option("--agent", metavar="ID", help="Whose page (default: where one is).")]
Page = Annotated[int | None, typer.Option("--page", min=0, metavar="P", help="Which, from 0 (default: where one is).")]
Against = Annotated[
    str, typer.Option(metavar="RUN", help="Another run: `diverged` holds where this one first parts from it.")
]


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
    with open_rehearsal(path_of(context)) as debugger:
        if call is not None:
            view = debugger.call(call)
            print_json(plain(view)) if as_json else show_call_view(view)
            return
        place = place_named(debugger, agent, page, node)
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
        view = page_at(debugger, place)
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
    with open_rehearsal(path_of(context)) as debugger:
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
    with open_rehearsal(path_of(context)) as debugger:
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
    with open_rehearsal(path_of(context)) as debugger:
        place = debugger.step(stride)
        if place is None:
            nothing_found("place", _end(debugger, stride), as_json)
        _there(debugger, place, as_json)


@app.command()
def find(
    context: typer.Context,
    when: Holds = None,
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
    with open_rehearsal(path_of(context)) as debugger:
        hit = debugger.find(when, against=_from_here(against), after=debugger.place if following else None)
        if hit is None:
            where = "after this place" if following else "in the recording"
            nothing_found("hit", f"it holds nowhere {where}", as_json)
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
    when: BreakAt = None,
    against: Against = "",
    clear: Clear = None,
    off: Off = None,
    on: On = None,
    fields: Fields = False,
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
    one_at_a_time(when, clear, off, on)
    with open_rehearsal(path_of(context)) as debugger:
        if when is not None:
            debugger.break_at(when, _from_here(against))
        clear_or_switch(debugger, clear, off, on)
        breakpoints = debugger.breakpoints()
        say_note(debugger)
        if as_json:
            print_json(plain(breakpoints))
            return
        if not breakpoints:
            say("no breakpoints")
            return
        rows = [(str(each.id), "" if each.on else "off", each.when, each.against) for each in breakpoints]
        print_table("Breakpoints", ["", "", "condition", "against"], rows)


# What they share


def _there(debugger: Debugger, place: Place, as_json: bool) -> None:
    """Say where one is now, and what is there."""
    view = page_at(debugger, place)
    if as_json:
        print_json({"place": plain(place), "page": plain(view)})
        return
    say_place(place)
    if place.node:
        lived = asyncio.run(debugger.moments(place.agent, place.page))
        say_moment(view, next(moment for moment in lived if moment.place.node == place.node))
    else:
        say_page(view)
    say_note(debugger)


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


def _from_here(path: str) -> str:
    """A run as it is kept with a breakpoint: found again from any folder."""
    return str(Path(path).resolve()) if path and Path(path).exists() else path


def _short(value: Any) -> str:
    text = number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 200 else text[:197] + "..."
