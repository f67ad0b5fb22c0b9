"""`recloop replay`: run a recording again without a model and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import FAILED, console, print_json


def command(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    out: Annotated[Path | None, typer.Option(help="Keep the replayed run here. [a temporary folder]", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the digests as JSON.")] = False,
) -> None:
    """Run a recording again from its recorded calls alone, and say whether everything came out the same.

    No model is called. Where a prompt or the code has changed, the first call that differs is named.
    """
    import asyncio
    import tempfile

    from ..runs import Run
    from .bars import Bars
    from .kinds import kind_of

    with Run.open(run) as opened:
        kind = kind_of(opened)
    with tempfile.TemporaryDirectory(prefix="recloop-replay-") as scratch, Bars(quiet=as_json) as bars:
        target = out if out is not None else Path(scratch) / "run"
        before, after = asyncio.run(kind.call("replay", run, out=target, progress=bars))
    same = before == after
    if as_json:
        print_json({"recorded": before, "replayed": after, "same": same})
    else:
        console.print(f"recorded {before}\nreplayed {after}\n{'the same' if same else 'NOT the same'}", highlight=False)
    if not same:
        raise typer.Exit(FAILED)
