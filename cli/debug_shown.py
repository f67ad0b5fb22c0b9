"""What the debugger's commands print: places, pages, prompts and answers, memory, state, forks and differences."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import megabytes, number, print_json, print_table, say, short, visible

if TYPE_CHECKING:
    from ..simulations.debugging import CallView, Difference, Fork, Moment, Overview, PageView, Place, Reasked, Stop

STATE = ("satisfaction", "watched", "left", "bad_pages")
"""What of a state is said in one line."""
CLOCK = ("seconds", "pages_per_second")
"""Numbers of the machine, not of the run: they always differ."""
CHANGES = 12
"""Changes of a state that are listed for one node."""
PAGES = 12
"""Agent-pages of a difference that are listed."""


def plain(value: Any) -> Any:
    """A view as JSON values, with names where it has fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(getattr(value, name)) for name in value._fields}  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def say_overview(seen: Overview) -> None:
    cost = "" if seen.cost is None else f", ${seen.cost:.4f}"
    facts = [
        ("status", seen.status + (f": {seen.reason}" if seen.reason else "")),
        ("pages", f"{seen.page} of {seen.pages} lived; {seen.browsing} of {seen.agents} agents browse on"),
        ("who", f"{seen.model}, shown by {seen.recommender}"),
        ("calls", f"{seen.calls:,} ({seen.failed:,} unusable), {seen.tokens:,} tokens{cost}" if seen.calls else ""),
        ("fork of", f"{short(seen.parent)}, before page {seen.barrier}" if seen.parent is not None else ""),
        ("lives on", ", ".join(seen.touched[:20]) + (" ..." if len(seen.touched) > 20 else "")),
        ("edits", "; ".join(_edit(each) for each in seen.edits)),
        ("notes", "; ".join(seen.notes)),
    ]
    print_table(f"Run {seen.path.name}", ["", ""], [(name, text) for name, text in facts if text])


def _edit(edit: Mapping[str, Any]) -> str:
    who = f"{edit['agent']}: " if edit.get("agent") else ""
    return who + str(edit.get("written") or edit.get("what") or "")


def say_place(place: Place) -> None:
    say(f"agent {place.agent}, page {place.page}" + (f", node {place.node}" if place.node else ""), style="bold")


def say_moment(view: PageView, moment: Moment) -> None:
    """A page as far as it has come at one of its nodes, and what this node did: memories that came back, calls."""
    record = moment.after["record"]
    undone = {"action": None, "rating": None, "reason": "", "probability": None}
    say_page(
        dataclasses.replace(
            view,
            exposures=view.exposures if record.get("actions") else [{**each, **undone} for each in view.exposures],
            feeling=view.feeling if record.get("feeling") else "",
            decision=view.decision if record.get("decision") else {},
            interview=view.interview if record.get("interview") else None,
            failures=moment.failures,
            calls=[call.key for call in moment.calls],
        )
    )
    for each in moment.recalled:
        say(f"recalled  {cut(each['text'], 200)}", style="dim")


def say_page(view: PageView) -> None:
    """The slate, what was chosen and why, the decision, the calls behind it."""
    rows = []
    for shown in view.exposures:
        action = shown["action"] or "–"
        rating = "" if shown["rating"] is None else number(shown["rating"], 1)
        rows.append((shown["item"], shown["title"], action, rating, cut(shown["reason"] or _chance(shown), 120)))
    print_table("", ["item", "title", "action", "rating", "why"], rows, right=["rating"], whole=["action"])
    if view.feeling:
        say(f"feeling   {view.feeling}")
    if decision := view.decision:
        goes_on = "next page" if decision["next"] else "leaves"
        why = "by the formula of scripted users" if decision["reason"] == "scripted" else decision["reason"]
        say(f"decision  {goes_on}: {why}" + (" (no usable answer)" if decision.get("invalid") else ""))
        if view.satisfaction is not None:
            tired = f", fatigue {decision['fatigue']:.2f} of 1" if decision.get("fatigue") is not None else ""
            say(f"satisfied {number(view.satisfaction, 2)} of 10{tired}")
    if view.interview and view.interview.get("call"):
        told = view.interview
        say(
            f"interview satisfied {number(told['satisfaction'], 2)} of 10"
            + (f": {told['text']}" if told["text"] else "")
        )
    for failure in view.failures:
        say(f"failure   {failure.get('node', '')} {failure.get('status', '')}: {failure.get('error', '')}", style="red")
    for edit in view.edited:
        say(f"edited    {_edit(edit)}", style="yellow")
    if view.calls:
        say(f"calls     {', '.join(key[:12] for key in view.calls)}", style="dim")


def _chance(shown: Mapping[str, Any]) -> str:
    chance = shown.get("probability")
    return "" if chance is None else f"chance {chance:.2f}"


def cut(text: object, most: int) -> str:
    value = str(text)
    return value if len(value) <= most else value[: most - 1] + "…"


def say_persona(persona: Mapping[str, Any]) -> None:
    rows = [(name, cut(_plainly(value), 600)) for name, value in persona.items() if value not in (None, "", [], {})]
    say()
    print_table("Persona", ["", ""], rows)


def _plainly(value: Any) -> str:
    """A field of a persona: texts one below the other, numbers without the decimals that nobody reads."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ("\n" if any(" " in each for each in value) else ", ").join(value)
    return number(value, 2) if isinstance(value, float) else as_text(value)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def show_memory(memories: Sequence[Mapping[str, Any]], recalled: Sequence[Mapping[str, Any]], query: str) -> None:
    say()
    _memories(f"What comes back for {query!r}" if query else "Remembered before the page", memories)
    for each in recalled:
        say()
        _memories(f"Came back at {each['node']}", each["memories"])


def _memories(title: str, memories: Sequence[Mapping[str, Any]]) -> None:
    if not memories:
        say(f"{title}: nothing")
        return
    rows = []
    for each in memories:
        parts = each.get("parts") or {}
        why = " + ".join(f"{name} {value:.2f}" for name, value in parts.items())
        score = f"{each['score']:.2f} = {why}" if "score" in each else ""
        about = f"{each['kind']}, page {each['created']}, importance {each['importance']}"
        rows.append((str(each["id"]), each["text"], f"{about}; {score}" if score else about))
    print_table(title, ["", "text", ""], rows)


def show_state(moments: Iterable[Moment]) -> None:
    for moment in moments:
        now = ", ".join(f"{name} {as_text(moment.after[name])}" for name in STATE if name in moment.after)
        say(f"\n{moment.place.node}" + (f": after it {now}" if now else ""), style="bold")
        changes = list(moment.changed.items())
        for path, (before, after) in changes[:CHANGES]:
            say(f"  {path}: {cut(as_text(before), 60)} -> {cut(as_text(after), 120)}")
        if len(changes) > CHANGES:
            say(f"  and {len(changes) - CHANGES} more (--json has all)", style="dim")
        if not changes:
            say("  nothing changed", style="dim")


def show_call_view(view: CallView, *, prompt: bool = True, answer: bool = True, about: str = "") -> None:
    """A recorded call: what was asked, what came back, where it breaks its schema, what it took."""
    say(f"\n{about and about + ': '}call {view.key}", style="bold")
    cost = "" if view.cost is None else f", ${view.cost:.6f}"
    where = f"agent {view.agent or '–'}, page {view.page}, {view.node}" + (
        f", sample {view.sample}" if view.sample else ""
    )
    say(f"{where}, {view.model}" + (" (answer put in by hand)" if view.edited else ""), style="dim")
    took = (
        f"{view.prompt_tokens:,} + {view.completion_tokens:,} tokens{cost}, {view.latency:.2f} s, "
        f"{view.attempts} {'try' if view.attempts == 1 else 'tries'}"
    )
    say(
        f"{view.status}: {took}" + (f"; {view.error}" if view.error else ""),
        style="dim" if view.status == "ok" else "red",
    )
    for message in view.messages if prompt else ():
        say(f"\n{message.get('role', '')}", style="bold")
        say(as_text(message.get("content") or ""))
    if not answer:
        return
    say("\nanswer", style="bold")
    for question in view.questions:
        pairs = zip(question["labels"], question["logprobs"], strict=False)
        say(f"{cut(question['suffix'], 160)!r}: " + ", ".join(f"{label.strip()} {value:.3f}" for label, value in pairs))
    if view.raw or not view.questions:
        say(view.raw or "none")
    for tool in view.tools:
        say(f"tool {tool['name']} {as_text(tool['arguments'])}")
    for problem in view.problems:
        say(f"schema: {problem['path'] or 'answer'}: {problem['message']}", style="red")


def say_fields(as_json: bool) -> None:
    from ..simulations.debugging.fields import FIELDS

    say_names(FIELDS, as_json)
    if not as_json:
        say('\nand, or, not, ( ), == != < <= > >=, in, not in, has, + -, [lists]\n"text", 3.5, true, false, none')


def say_names(fields: Sequence[Any], as_json: bool) -> None:
    """The names that a condition may use, and what they mean."""
    if as_json:
        print_json([{"name": f.name, "kind": f.kind, "about": f.doc, "words": list(f.words)} for f in fields])
        return
    rows = [(f.name, f.kind, f.doc + (f": {', '.join(f.words)}" if f.words else "")) for f in fields]
    print_table("Names in a condition", ["name", "kind", "at a moment"], rows, whole=["name", "kind"])


def say_edits(as_json: bool) -> None:
    from ..simulations.debugging.edits import FORMS

    if as_json:
        print_json(FORMS)
        return
    print_table("Edits", ["", "written"], list(FORMS.items()))
    say("\n`AGENT: ` before one makes it that agent's; without, it is of all who live on in the fork")


def say_stop(stopped: Stop) -> None:
    lived = f"{stopped.page} page{'s' * (stopped.page != 1)} lived"
    say(f"{stopped.status}, {lived}" + (f": {stopped.reason}" if stopped.reason else ""))
    if stopped.hit is not None:
        values = ", ".join(f"{name} = {cut(value, 80)}" for name, value in stopped.hit.values.items())
        say(f"there: {values}")


def say_tree(root: Fork, here: Path) -> None:
    rows: list[tuple[str, ...]] = []

    def add(fork: Fork, depth: int) -> None:
        mark = "*" if fork.path.resolve() == here else " "
        leaves = "" if fork.barrier is None else f"page {fork.barrier}"
        who = f"{len(fork.touched)} agent{'s' * (len(fork.touched) != 1)}" if fork.touched else "everybody"
        about = "; ".join(fork.edits) or ("no edits" if fork.barrier is not None else "")
        rows.append(
            (
                mark + "  " * depth + visible(fork.path.name if fork.barrier is None else fork.name),
                fork.status,
                leaves,
                "" if fork.barrier is None else who,
                about,
                megabytes(fork.size),
            )
        )
        for each in fork.forks:
            add(each, depth + 1)

    add(root, 0)
    print_table(
        "",
        ["run", "status", "leaves", "who", "edits", "size"],
        rows,
        right=["size"],
        whole=["status", "leaves", "who", "size"],
    )


def say_diff(found: Difference, titles: Mapping[str, str]) -> None:
    """Where they part, who did what otherwise, numbers that moved. `titles`: of items, by id."""
    from ..simulations.outcome.numbers import show

    first = found.first
    if first is None:
        say("the same: nobody did anything otherwise")
    else:
        field = f", {first['field']}" if first["field"] else ""
        say(f"first other page: agent {first['agent']}, page {first['page']}{field}", style="bold")
        if first["field"]:
            say(f"  then {cut(as_text(first['a']), 200)}\n  now  {cut(as_text(first['b']), 200)}")
        pages = [(agent, page) for agent, other in found.agents.items() for page in other]
        rows = []
        for agent, page in pages[:PAGES]:
            then, now = (_did(page[end], titles) for end in ("a", "b"))
            rows.append((agent, str(page["page"]), then, now if now != then else f"the same, but {page['field']}"))
        say()
        print_table("Pages that differ", ["agent", "page", "then", "now"], rows, right=["page"], whole=["agent"])
        if len(pages) > PAGES:
            say(f"and {len(pages) - PAGES} more (--json has all)", style="dim")
    moved, little = [], 0
    for key, row in found.metrics.items():
        then, now = (show(row[end], row["unit"]) for end in ("a", "b"))
        if then != now and key not in CLOCK:
            moved.append((row["label"], then, now, _moved(row["difference"], row["unit"])))
        little += then == now and key not in CLOCK and bool(row["difference"])
    if moved:
        say()
        print_table("Numbers that moved", ["", "then", "now", "difference"], moved, right=["then", "now", "difference"])
    if little:
        say(f"{little} moved by less than is shown (--json has all)", style="dim")
    calls = f"{found.calls[1]:,} call{'s' * (found.calls[1] != 1)} of its own"
    say(f"\n{found.same:,} agents are the same to the last bit; {len(found.agents):,} did something otherwise; {calls}")


def _moved(difference: float | None, unit: Any) -> str:
    from ..simulations.outcome.numbers import show

    if difference is None:
        return "–"
    return show(difference, "pp") if unit == "share" else ("+" if difference > 0 else "-") + show(abs(difference), unit)


def _did(page: Mapping[str, Any] | None, titles: Mapping[str, str]) -> str:
    if page is None:
        return "no such page"
    ratings = page["ratings"]
    named = {item: cut(titles.get(item, item).split(" — ")[0], 60) for item in page["chosen"]}
    chosen = ", ".join(
        f"{name}: {number(ratings[item], 1)}" if item in ratings else name for item, name in named.items()
    )
    satisfied = "" if page["satisfaction"] is None else f", {number(page['satisfaction'], 2)}"
    return f"{chosen or 'nothing'}; {page['decision']}{satisfied}"


def say_reasked(found: Reasked) -> None:
    for name, (then, now) in found.changes.items():
        say(f"{name}: {cut(as_text(then), 120)} -> {cut(as_text(now), 120)}")
    show_call_view(found.old, prompt=False, about="recorded")
    for each in found.new:
        same = ", the same text" if each.raw and each.raw == found.old.raw else ""
        show_call_view(each, prompt=False, about=f"now{same}")
