"""`recloop resume`: go on with a paused or killed run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import CommandError, note


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")],
    budget: Annotated[
        str | None, typer.Option(metavar="LIMITS", help="New limits, for example calls=1000 (what was spent counts).")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, metavar="N", help="Calls in flight at once.")] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where an openai/... model is now, if it has moved.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(metavar="in=$,out=$", help="What an endpoint takes, dollars per million tokens: in=0.2,out=0.6."),
    ] = None,
    pages: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Go on to N pages in all, also with a finished run.")
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            metavar="yes|no|FILE",
            help="optimize: what to do with the prompt that waits for approval (FILE: take that text).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Go on with a paused, killed or failed run, or with a finished one for more pages.

    A rehearsal goes on from its last whole page, a search from its last step.
    Recorded calls are not made again; those that timed out are. Data and
    prompts must be what the run began with.

      recloop resume recloop-runs/2026-01-31-simulate
      recloop resume recloop-runs/2026-01-31-simulate --budget usd=2
      recloop resume recloop-runs/2026-01-31-simulate --pages 6
      recloop resume recloop-runs/2026-01-31-optimize --accept yes

    """
    from ..runs import Run
    from .conclude import carry_out, conclude
    from .kinds import kind_of

    with Run.open(run) as opened:
        kind, status = kind_of(opened), opened.status
    if kind.name == "optimize":
        from .optimize import resume_search

        given = {"budget": budget, "concurrency": concurrency, "base_url": base_url, "price": price, "pages": pages}
        resume_search(run, given, accept, as_json)
        return
    if accept is not None:
        raise CommandError(f"{run} is no search: no prompt waits in it\n  leave --accept out")
    if status == "finished" and pages is None:
        note(f"{run} is finished already; this is what came of it")
    else:
        changes = {"budget": budget, "concurrency": concurrency, "base_url": base_url, "price": price, "pages": pages}
        unit = "chunk of queries" if kind.name == "rewrite" else "page"
        carry_out(lambda bars: kind.call("resume", run, progress=bars, **changes), run, unit)
    if kind.name == "sweep":
        from .sweep import conclude_sweep

        conclude_sweep(run, as_json)
        return
    if kind.name == "rewrite":
        from .rewrite import conclude_rewrite

        conclude_rewrite(run, as_json)
        return
    if kind.name == "study":
        from .study import conclude_study

        conclude_study(run, as_json)
        return
    conclude(run, as_json)
