"""What the debugger's commands print of a prompt search."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .debug_shown import as_text, cut, say_names
from .output import megabytes, note, number, print_json, print_table, say, short, visible

if TYPE_CHECKING:
    from ..prompt_opt.debugging import (
        CallView,
        CandidateView,
        CaseView,
        Difference,
        Hit,
        Overview,
        SearchFork,
        StepView,
        Stop,
    )
    from ..prompt_opt.debugging.views import Waits

CASES = 40
"""Cases that are listed."""


def say_search(seen: Overview) -> None:
    cost = "" if seen.cost is None else f", ${seen.cost:.4f}"
    facts = [
        ("status", seen.status + (f": {seen.reason}" if seen.reason else "")),
        ("search", f"{seen.optimizer} over {seen.task}, {seen.metric}; {seen.steps} steps"),
        ("who", seen.model + (f", prompts by {seen.proposer}" if seen.proposer != seen.model else "")),
        ("prompts", f"{seen.candidates} ({seen.refused} refused); seed {seen.seed}, best {seen.best}"),
        ("verdict", "" if seen.verdict is None else str(seen.verdict["text"])),
        ("calls", f"{seen.calls:,} ({seen.failed:,} unusable), {seen.tokens:,} tokens{cost}"),
        ("fork of", "" if seen.parent is None else f"{short(seen.parent)}, before step {seen.left_at}"),
        ("edits", "; ".join(seen.edits)),
        ("notes", "; ".join(seen.notes)),
    ]
    print_table(f"Search {seen.path.name}", ["", ""], [(name, text) for name, text in facts if text])
    if seen.waits is not None:
        say_waits(seen.waits, seen.path)


def say_steps(steps: Sequence[StepView]) -> None:
    say()
    rows = [(str(each.step), each.kind, _happened(each)) for each in steps]
    print_table("Steps", ["", "", "what happened"], rows, right=[""])


def _happened(step: StepView) -> str:
    """A step in a line."""
    parts = [f"edited: {edit}" for edit in step.edits]
    parts += [f"enters {id}" for id in step.entered] + [f"refused {id}" for id in step.refused]
    for id, said in step.scores.items():
        parts.append(f"{id} {number(said['mean'])} on {said['cases']} cases")
    parts += [f"{each['node']}: {each.get('status', '')}" for each in step.thoughts]
    for said in step.decided:
        verb = "accepts" if said["accepted"] else "refuses"
        parts.append(f"a {said['by']} {verb} {said['candidate']}" + (" with other texts" if "texts" in said else ""))
    if step.kind == "choice":
        parts += [f"chosen {each['candidate']}" for each in step.notes[-1:]]
    return "; ".join([*parts, *([f"stopped: {step.stopped}"] if step.stopped else [])])


def say_step(step: StepView) -> None:
    say(f"step {step.step}" + (f", {step.kind}" if step.kind else ", not taken yet"), style="bold")
    for edit in step.edits:
        say(f"edited    {edit}", style="yellow")
    for id in step.entered:
        say(f"enters    {id}")
    for id in step.refused:
        say(f"refused   {id}", style="red")
    for said in step.decided:
        verb = "accepts" if said["accepted"] else "refuses"
        say(f"decided   a {said['by']} {verb} {said['candidate']} instead of {said['instead_of']}: {said['why']}")
    for each in step.notes:
        say(f"note      {each['candidate']} {each['what']}: {each['why']}", style="dim")
    if step.scores:
        rows = [(id, number(said["mean"]), str(said["cases"]), str(said["failed"])) for id, said in step.scores.items()]
        print_table("", ["candidate", "mean", "cases", "unusable"], rows, right=["mean", "cases", "unusable"])
    for each in step.thoughts:
        say(
            f"{each['node']}  {each.get('status', '')}  {cut(as_text(each.get('value') or each.get('error') or ''), 600)}"
        )
    if step.stopped:
        say(f"stopped   {step.stopped}", style="yellow")
    if step.calls:
        more = f" and {len(step.calls) - 6} more" if len(step.calls) > 6 else ""
        say(f"calls     {', '.join(key[:12] for key in step.calls[:6])}{more}", style="dim")


def say_candidates(found: Sequence[CandidateView]) -> None:
    rows = [
        (
            each.id,
            each.operator,
            "" if each.step < 0 else str(each.step),
            number(each.score),
            str(each.cases),
            _lead(each),
            each.fate,
            cut(each.why, 120),
        )
        for each in found
    ]
    heads = ["candidate", "made by", "step", "score", "cases", "over the seed", "fate", "why"]
    print_table(f"{len(found)} prompts", heads, rows, right=["step", "score", "cases"], whole=["candidate", "fate"])


def _lead(each: CandidateView) -> str:
    return "" if each.lead is None else f"{each.lead['mean']:+.3f}"


def say_candidate(each: CandidateView) -> None:
    say(f"candidate {each.id}", style="bold")
    facts = [
        ("made by", f"{each.operator}" + (f" ({each.maker})" if each.maker else "")),
        ("from", ", ".join(each.parents)),
        ("because", each.reason),
        ("score", f"{number(each.score)} on {each.cases} open cases" if each.cases else "never scored"),
        ("fate", each.fate + (f": {each.why}" if each.why else "")),
    ]
    print_table("", ["", ""], [(name, text) for name, text in facts if text])
    for part, text in each.texts.items():
        say(f"\n{part}", style="bold")
        say(text)


def say_cases(found: Sequence[CaseView]) -> None:
    rows = [
        (each.candidate, each.case, each.split, number(each.value), each.kind or each.status, cut(each.text, 160))
        for each in found[:CASES]
    ]
    say()
    heads = ["candidate", "case", "split", "value", "", "what happened"]
    print_table(f"{len(found):,} cases", heads, rows, right=["value"], whole=["candidate"])
    if len(found) > CASES:
        note(f"{len(found) - CASES:,} more: --json has all, with the keys of their calls")


def say_search_call(view: CallView) -> None:
    say(f"call {view.key}", style="bold")
    cost = "" if view.cost is None else f", ${view.cost:.6f}"
    where = f"{view.candidate}, {view.node}" + (f", case {view.case}" if view.case and view.case != view.node else "")
    say(f"{where}, {view.model}", style="dim")
    took = f"{view.prompt_tokens:,} + {view.completion_tokens:,} tokens{cost}, {view.latency:.2f} s"
    say(f"{view.status}: {took}" + (f"; {view.error}" if view.error else ""), style="dim")
    for message in view.messages:
        say(f"\n{message.get('role', '')}", style="bold")
        say(as_text(message.get("content") or ""))
    say("\nanswer", style="bold")
    say(view.raw or as_text(view.values) or "none")


def say_waits(waits: Waits, path: Path) -> None:
    """The candidate that is to be accepted, as changed lines."""
    import difflib

    say(f"\ncandidate {waits.candidate} is to be accepted instead of {waits.instead_of}", style="bold")
    for part, text in waits.texts.items():
        old = waits.old_texts.get(part, "")
        for line in difflib.unified_diff(old.splitlines(), text.splitlines(), "", part, lineterm="", n=2):
            say(line)
    name = shlex.quote(short(path))
    note(f"your word:  recloop debug {name} accept [--text FILE]   or  recloop debug {name} reject")


def say_hit(hit: Hit) -> None:
    say(hit.breakpoint.when, style="bold")
    say(", ".join(f"{name} = {cut(as_text(value), 120)}" for name, value in hit.values.items()))


def say_search_stop(stopped: Stop) -> None:
    say(f"{stopped.status} at step {stopped.step}" + (f": {stopped.reason}" if stopped.reason else ""))
    if stopped.hit is not None:
        values = ", ".join(f"{name} = {cut(as_text(value), 80)}" for name, value in stopped.hit.values.items())
        say(f"there: {values}")


def say_search_tree(root: SearchFork, here: Path) -> None:
    rows: list[tuple[str, ...]] = []

    def add(each: SearchFork, depth: int) -> None:
        mark = "*" if each.path.resolve() == here else " "
        name = each.path.name if each.left_at is None else each.name
        leaves = "" if each.left_at is None else f"step {each.left_at}"
        about = "; ".join(each.edits) or ("" if each.left_at is None else "no edits")
        rows.append(
            (mark + "  " * depth + visible(name), each.status, leaves, about, each.verdict, megabytes(each.size))
        )
        for below in each.forks:
            add(below, depth + 1)

    add(root, 0)
    heads = ["run", "status", "leaves", "edits", "verdict", "size"]
    print_table("", heads, rows, right=["size"], whole=["status", "leaves", "size"])


def say_difference(found: Difference) -> None:
    """Where they part, which prompts only one has, scores, verdicts."""
    where = "every step is the same" if found.parts is None else f"they part at step {found.parts}"
    say(where, style="bold")
    for name, (then, now) in found.config.items():
        say(f"{name}: {as_text(then)} -> {as_text(now)}")
    for title, views in (("Prompts that it has no more", found.only_a), ("New prompts", found.only_b)):
        if views:
            rows = [(v.id, v.operator, number(v.score), str(v.cases), v.fate) for v in views]
            say()
            print_table(title, ["candidate", "made by", "score", "cases", "fate"], rows, right=["score", "cases"])
    if found.scores:
        rows = [(id, number(then), number(now)) for id, (then, now) in found.scores.items()]
        say()
        print_table("Other scores", ["candidate", "then", "now"], rows, right=["then", "now"])
    say()
    for name, (then, now) in (("best", found.best), ("verdict", found.verdict)):
        say(f"{name}: {then or 'none'}" if then == now else f"{name}\n  then {then or 'none'}\n  now  {now or 'none'}")
    say(f"{found.calls[1]:,} calls of its own")


def say_field_names(as_json: bool) -> None:
    from ..prompt_opt.debugging.fields import FIELDS

    say_names(FIELDS, as_json)


def say_edit_forms(as_json: bool) -> None:
    from ..prompt_opt.debugging.edits import FORMS

    if as_json:
        print_json({verb: form for verb, form, _ in FORMS})
        return
    print_table("Edits", ["", "written", ""], list(FORMS))
