"""`recloop interview`: ask the agents of a run anything, at any page, and leave the run as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json
from .output import FAILED, PAUSED, CommandError, bar, note, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..simulations.interviews import Answer, Survey

EPILOG = """Exit codes:  0 fine,  1 nobody gave a usable answer,  2 bad input,  3 the budget is spent before everybody was \
asked,  130 Ctrl-C,  143 SIGTERM; what was answered is kept whatever happens.

Where answers go, how small models are read: docs/studies.md"""


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked, in quotes.")],
    agent: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Whom to ask: a user's id (repeatable).")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Ask every agent of the run.")] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Ask N of them, drawn by the run's seed.")
    ] = None,
    page: Annotated[
        int | None,
        typer.Option(min=0, metavar="P", help="As they were after page P (default: the last; 0: before the first)."),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(metavar="ANSWERS", help="1-10, yes/no, a|b|c, or a JSON-schema file (default: a few sentences)."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who speaks for them (default: the run's own model).")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Endpoint of an openai/NAME model, where it is not OpenAI's own.")
    ] = None,
    budget: Annotated[str, typer.Option(metavar="LIMITS", help="Hard limits: usd=1,calls=500.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Calls in flight at most.")] = 64,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep the answers in RUN/interviews.jsonl, or nowhere.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Ask agents of a run a question from outside, as they were after any page.

    They answer from their persona and what they remembered there. Neither
    their memory nor the run's digest changes.

      recloop interview RUN --agent 12 "What were you looking for?"
      recloop interview RUN --all --schema 1-10 "How good were the films?"
      recloop interview RUN --sample 20 --page 1 --schema yes/no "Come back?"

    """
    if sum((bool(agent), everybody, sample is not None)) != 1:
        raise CommandError("say whom to ask, in one way\n  --agent ID, --sample N, or --all")
    from ..simulations.interviews import interview
    from .bars import Bars
    from .stopping import Stopped, run_stoppable

    heard: list[Answer] = []
    with Bars() as bars:

        def hear(answer: Answer, asked: int) -> None:
            if not heard:
                bars.stage("asking", asked)
            heard.append(answer)
            bars.advance()

        work = interview(
            run,
            question,
            agent=agent or None,
            page=page,
            schema=schema,
            model=model,
            sample=sample,
            keep=keep,
            budget=budget,
            base_url=base_url,
            concurrency=concurrency,
            heard=hear,
        )
        try:
            survey = run_stoppable(work, under_way=lambda: bool(heard))
        except Stopped:
            kept = f", kept in {run / 'interviews.jsonl'}" if keep and heard else ""
            note(f"interrupted: {len(heard)} answered{kept}")
            raise
    _show(survey, run, keep, as_json)
    if survey.unasked:
        note(f"the budget is spent: {survey.unasked} were not asked")
        raise typer.Exit(PAUSED)
    if all(answer.value is None for answer in survey.answers):
        note("recloop: nobody gave a usable answer")
        raise typer.Exit(FAILED)


def _show(survey: Survey, run: Path, keep: bool, as_json: bool) -> None:
    from ..simulations.interviews import FILE

    file = run / FILE if keep else None
    if as_json:
        print_json({"run": run, "file": file, **survey.json()})
        return
    usable = [answer for answer in survey.answers if answer.value is not None]
    say(f"{survey.question}  ({survey.model}, {len(usable)} of {len(survey.answers)} answers usable)")
    say()
    for part in survey.parts if len(survey.answers) > 1 else []:
        rows: list[tuple[Any, ...]] = []
        for option, count in part.counts.items():
            share = part.shares.get(option)
            interval = "" if share is None else f"[{100 * share.low:.0f} %, {100 * share.high:.0f} %]"
            mean = None if share is None else share.mean
            rows.append(
                (option, number(count), "" if mean is None else f"{100 * mean:.0f} %", interval, bar(mean or 0.0, 20))
            )
        print_table(part.name, ["answer", "count", "share", "95 % interval", ""], rows, right=["count", "share"])
        if part.mean is not None:
            say(f"mean {part.mean.mean:.2f} [{part.mean.low:.2f}, {part.mean.high:.2f}] over {part.mean.n} agents")
        say()
    if not survey.parts or len(survey.answers) == 1:
        answers = [(a.agent, a.pages, a.error if a.value is None else a.value, a.reason) for a in survey.answers]
        print_table("", ["agent", "pages seen", "answer", "reason"], answers, right=["pages seen"], whole=["agent"])
    costs = [answer.cost for answer in survey.answers if answer.cost is not None]
    say(
        f"tokens   {number(sum(answer.tokens for answer in survey.answers))}"
        + (f", ${sum(costs):.4f}" if costs else "")
    )
    if file is not None:
        say(f"kept in  {file}")
    if survey.plumbing:
        say("plumbing-grade model: answers show the machinery, not people")
