"""`recloop replay`: run a recording again without a model and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import FAILED, note, print_json, say


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the replayed run here (default: a temporary folder).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a recording again without a model, and say whether it came out the same.

    Every answer comes from the recording; no model is called, nothing is
    paid. Exit code 1 if the digests differ or if the code now asks something
    that was not recorded; the first such call is named.

      recloop replay recloop-runs/2026-01-31-simulate
      recloop replay RUN --out again && recloop runs compare RUN again

    """
    import shlex
    import tempfile

    from ..llm.errors import ReplayDiverged
    from ..runs import Run, check_vacant
    from .bars import Bars
    from .kinds import kind_of
    from .stopping import run_stoppable

    with Run.open(run) as opened:
        kind, recorded = kind_of(opened), opened.digest()
    if out is not None:
        check_vacant(out)
    with tempfile.TemporaryDirectory(prefix="recloop-replay-") as scratch, Bars() as bars:
        target = out if out is not None else Path(scratch) / "run"
        problem = ""
        try:
            _, replayed = run_stoppable(kind.call("replay", run, out=target, progress=bars))
        except ReplayDiverged as diverged:
            replayed, problem = None, str(diverged)
    same = recorded == replayed
    if as_json:
        print_json({"run": run, "recorded": recorded, "replayed": replayed, "same": same, "problem": problem or None})
    else:
        say(f"recorded  {recorded}\nreplayed  {replayed or '–'}\n{'the same' if same else 'NOT the same'}")
    if same:
        return
    if problem:
        note(f"recloop: {problem}\n  prompts, data, recommender and code must be those of the recording")
    elif out is None:
        name = shlex.quote(str(run))
        note(f"see where:  recloop replay {name} --out DIR,  then  recloop runs compare {name} DIR")
    raise typer.Exit(FAILED)
