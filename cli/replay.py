"""`recloop replay`: run a recording again without a model and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import FAILED, note, print_json, say


def command(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the replayed run here (default: a temporary folder).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else, on stdout.")] = False,
) -> None:
    """Run a recording again without a model, and say whether it came out the same.

    Every answer comes from the recording; no model is called, nothing is
    paid. Exit code 1 if the digests differ or if the code now asks something
    that was not recorded; the first such call is named.

      recloop replay recloop-runs/2026-01-31-simulate
      recloop replay RUN --out again && recloop runs compare RUN again

    """
    import asyncio
    import tempfile

    from ..runs import Run
    from .bars import Bars
    from .kinds import kind_of

    with Run.open(run) as opened:
        kind = kind_of(opened)
    with tempfile.TemporaryDirectory(prefix="recloop-replay-") as scratch, Bars() as bars:
        target = out if out is not None else Path(scratch) / "run"
        before, after = asyncio.run(kind.call("replay", run, out=target, progress=bars))
    same = before == after
    if as_json:
        print_json({"run": run, "recorded": before, "replayed": after, "same": same})
    else:
        say(f"recorded  {before}\nreplayed  {after}\n{'the same' if same else 'NOT the same'}")
    if not same:
        if out is None:
            note("see where:  recloop replay RUN --out DIR,  then  recloop runs compare RUN DIR")
        raise typer.Exit(FAILED)
