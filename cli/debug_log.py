"""`recloop debug RUN …` where the run is neither a rehearsal nor a prompt search: its log, looked into event by event."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .debug_shared import nothing_found, path_of
from .debug_shown import as_text, cut, plain, show_call_view
from .options import Json
from .output import CommandError, note, print_json, print_table, say, short

if TYPE_CHECKING:
    from ..runs import Event
    from ..runs.looking import Glance, Looking

AGENTS = 20
"""Agents of a glance that are listed."""
FIELDS = 40
"""Fields of an event that are listed."""
PARTS = 12
"""Parts of a list that are listed."""
WIDEST = 400
"""Characters of one value that are shown."""
DEEPEST = 8
"""Levels of an event's data that are told field by field."""

app = typer.Typer()

Prompt = Annotated[bool, typer.Option("--prompt", help="What the model was asked there.")]
Answer = Annotated[bool, typer.Option("--answer", help="What it wrote, and where that breaks its schema.")]


@app.command()
def show(
    context: typer.Context,
    at: Annotated[int | None, typer.Argument(metavar="EVENT", min=0, help="Which (default: where one is).")] = None,
    prompt: Prompt = False,
    answer: Answer = False,
    as_json: Json = False,
) -> None:
    """An event: who, where, its data, its calls; or the run at a glance.

    recloop debug RUN show
    recloop debug RUN show 4 --prompt --answer

    """
    path = path_of(context)
    with _opened(path) as looking:
        number = looking.place if at is None else at
        if number is not None:
            _tell(looking, looking.event(number), prompt, answer, as_json)
        elif prompt or answer:
            raise CommandError(
                f"no event is looked at yet\n  go to one:  recloop debug {shlex.quote(str(path))} step --prompt"
            )
        else:
            _tell_glance(looking.glance(), as_json)


@app.command()
def go(
    context: typer.Context,
    where: Annotated[str, typer.Argument(metavar="EVENT|AGENT", help="An event's number; or whose first event.")],
    page: Annotated[int | None, typer.Argument(metavar="PAGE", help="The agent's first event there.")] = None,
    node: Annotated[str | None, typer.Argument(metavar="NODE", help="Its first event at this node.")] = None,
    prompt: Prompt = False,
    answer: Answer = False,
    as_json: Json = False,
) -> None:
    """Look at an event: `show` and `step` then mean it.

    A number alone is an event's; with a page behind it, it is an agent's id.

      recloop debug RUN go 4
      recloop debug RUN go q1/student 0 rewrite

    """
    with _opened(path_of(context)) as looking:
        numbered = page is None and where.isascii() and where.isdecimal() and len(where) < 19
        event = looking.go(int(where)) if numbered else looking.go_to(where, page, node)
        _tell(looking, event, prompt, answer, as_json)


@app.command()
def step(
    context: typer.Context,
    own: Annotated[bool, typer.Option("--own", help="The next event of the same agent.")] = False,
    prompt: Prompt = False,
    answer: Answer = False,
    as_json: Json = False,
) -> None:
    """Look at the next event.

    Exit code 1 at the end of the recording.

      recloop debug RUN step
      recloop debug RUN step --own --answer

    """
    with _opened(path_of(context)) as looking:
        event = looking.step(own=own)
        if event is None:
            nothing_found("event", "this agent has no further event" if own else "the recording ends here", as_json)
        _tell(looking, event, prompt, answer, as_json)


@app.command()
def find(
    context: typer.Context,
    when: Annotated[str, typer.Argument(metavar="CONDITION", help="What holds there.")],
    following: Annotated[
        bool, typer.Option("--next", help="After the event one is at, not from the beginning.")
    ] = False,
    prompt: Prompt = False,
    answer: Answer = False,
    as_json: Json = False,
) -> None:
    """Go to the first event for which a condition holds.

    Names: event (its number), kind, agent, page, node, and what stands in the
    data of the run's events; inner.field is inner_field. Exit code 1 where it
    never holds.

      recloop debug RUN find 'kind == "rewrite" and fell_back'
      recloop debug RUN find 'status != none and status != "ok"' --next

    """
    with _opened(path_of(context)) as looking:
        event = looking.find(when, after=looking.place if following else None)
        if event is None:
            nothing_found("event", "it holds nowhere" + (" after this event" if following else ""), as_json)
        _tell(looking, looking.go(event.seq), prompt, answer, as_json)


def glance(path: Path, as_json: bool) -> None:
    """`recloop debug RUN` without a verb."""
    with _opened(path) as looking:
        _tell_glance(looking.glance(), as_json)


# What they share


def _opened(path: Path) -> Looking:
    from ..runs.looking import Looking

    return Looking(path)


def _tell(looking: Looking, event: Event, prompt: bool, answer: bool, as_json: bool) -> None:
    """An event, its calls by key, and with `prompt` or `answer` what was asked in them or came back."""
    from ..simulations.debugging.callviews import view_of

    calls = looking.calls(event)
    views = [view_of(call) for call in calls] if prompt or answer else []
    if as_json:
        found = {"event": {**plain(event), "calls": [call.key for call in calls]}}
        print_json({**found, "calls": plain(views)} if prompt or answer else found)
    else:
        _say_event(event, [call.key for call in calls])
        for view in views:
            show_call_view(view, prompt=prompt, answer=answer)
        if (prompt or answer) and not views:
            say("no calls here", style="dim")
    if looking.note:
        note(looking.note)


def _say_event(event: Event, keys: list[str]) -> None:
    who = [f"agent {event.agent}"] * bool(event.agent) + [f"page {event.page}"] * (event.page >= 0)
    where = [*who, *[f"node {event.node}"] * bool(event.node)]
    say(f"event {event.seq}: {', '.join([event.kind, *where])}", style="bold")
    rows = list(_fields({name: value for name, value in event.data.items() if name != "calls"}))
    print_table("", ["", ""], rows[:FIELDS])
    if len(rows) > FIELDS:
        say(f"and {len(rows) - FIELDS} more (--json has all)", style="dim")
    if keys:
        more = f", and {len(keys) - PARTS} more" if len(keys) > PARTS else ""
        say(f"calls     {', '.join(key[:12] for key in keys[:PARTS])}{more} (--prompt, --answer)", style="dim")


def _fields(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Every field by its dotted path, texts as they stand; a list one part below the other."""
    for name, value in data.items():
        if isinstance(value, Mapping) and value and before.count(".") < DEEPEST:
            yield from _fields(value, f"{before}{name}.")
        elif isinstance(value, list) and value:
            parts = [cut(as_text(each), WIDEST) for each in value[:PARTS]]
            more = [f"and {len(value) - PARTS} more"] if len(value) > PARTS else []
            yield f"{before}{name}", "\n".join([*parts, *more])
        else:
            yield f"{before}{name}", "none" if value is None else cut(as_text(value), WIDEST)


def _tell_glance(seen: Glance, as_json: bool) -> None:
    if as_json:
        print_json({"glance": plain(seen)})
        return
    facts = [
        ("kind", seen.kind),
        ("status", seen.status + (f": {seen.reason}" if seen.reason else "")),
        ("events", _counted(seen.events) or "none yet"),
        ("notes", "\n".join(seen.notes)),
    ]
    print_table(f"Run {seen.path.name}", ["", ""], [(name, text) for name, text in facts if text])
    rows = [
        (each.agent or "–", str(each.events), each.last, _counted(each.status), ", ".join(each.true), _counted(each.calls))
        for each in seen.agents[:AGENTS]
    ]  # fmt: skip
    if rows:
        say()
        print_table("Agents", ["agent", "events", "last", "status", "true there", "calls"], rows, right=["events"])
    if len(seen.agents) > AGENTS:
        say(f"and {len(seen.agents) - AGENTS:,} more (--json has all)", style="dim")
    run = shlex.quote(str(seen.path))
    if (seen.path / "runs").is_dir():
        note(f"its rehearsals lie in {short(seen.path / 'runs')}; look into one of them:  recloop debug RUN")
    for kind in list(seen.events)[-1:]:
        note(f"look at its events:  recloop debug {run} step   or  recloop debug {run} find 'kind == \"{kind}\"'")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {many:,}" for name, many in counts.items())
