"""DSPy's optimizers as rivals: under our budget, through our doors, with every candidate they tried on record.

A rival works on the search split in one `Outside` step. Its budget is hard: the call that would overshoot it ends the
rival, whose candidates up to there are kept with every case they were scored on, so that a stop still yields a fair best.
Then its finalists are chosen among on the selection split, like those of any other optimizer. Rivals search over
instructions alone: demonstrations would be another kind of prompt.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt

from ...llm.types import Place
from ..candidate import Candidate
from ..context import Context
from ..errors import EndpointLost, OptimizeError
from ..optimizers.worked import needs_a_writer
from ..steps import Bench, Choice, Enter, Evaluate, Note, OutOfBudget, Outside, Search
from .metered import Fatal, Meter, Metered, Stopped, dspy_face

COVERED = 0.5
"""A candidate scored on fewer cases than this share of the most-scored one's is no best: few cases flatter."""

FEW = 3
"""Fewer lost evaluations than this are no proof that the endpoint is lost."""

Z = 1.96
"""Standard errors within which a finalist is not told from the seed."""


class RivalConfig(BaseModel):
    """What every rival takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effort: Literal["light", "medium", "heavy"] = "light"
    """The library's own preset, where it has any; our budget ends it sooner."""
    finalists: PositiveInt = 3
    """Candidates beside the seed that are chosen among on the selection split; their calls are kept back."""
    threads: PositiveInt = 8
    """Evaluations at once. With 1 a budget always stops at the same call."""
    max_tokens: PositiveInt = 2048
    """Of one proposal."""


class Rival:
    """A DSPy optimizer as one of ours. A subclass says how its library is called."""

    name: ClassVar[str]
    config_type: ClassVar[type[RivalConfig]] = RivalConfig

    def __init__(self, config: RivalConfig | None = None) -> None:
        self.config = config or self.config_type()

    def compile(self, stage: Any, task_lm: Any, proposal_lm: Any, meter: Meter, seed: int) -> Any:
        """Call the library, in a thread of its own. What it returns is not used: the ledger knows more."""
        raise NotImplementedError

    def search(self, context: Context) -> Search:
        needs_a_writer(context, self.name)
        seed = context.seed_candidate
        answer = yield Outside(self.name, partial(self._work, context))
        yield Note("rival", seed.id, answer["ended"], {k: answer[k] for k in ("calls", "tokens", "missing", "broken")})
        found = partial_best(answer["candidates"], seed)
        made = {"operator": self.name, "parents": (seed.id,), "maker": context.proposer}
        wanted = [Candidate(texts, reason=f"{mean:.3f} on {cases} cases", **made) for texts, mean, cases in found]
        entered: list[Candidate] = []
        for candidate in wanted:  # the next best takes the place of one that the guards refuse
            if len(entered) == self.config.finalists:
                break
            entered += yield Enter([candidate])
        means = {candidate.id: found[wanted.index(candidate)].mean for candidate in entered}
        try:
            scores = yield Evaluate([(candidate, context.selection) for candidate in (seed, *entered)])
        except OutOfBudget as spent:
            best = entered[0] if entered else seed
            return Choice(best, f"{spent}; the rival's best on the search split", True, tuple(means.items()))
        lead = {
            candidate.id: _lead(scores.difference(candidate.id, seed.id, context.selection)) for candidate in entered
        }
        ranking = tuple(sorted(((id, mean) for id, (mean, _) in lead.items()), key=lambda row: -row[1]))
        best = max(entered, key=lambda candidate: lead[candidate.id][0], default=seed)
        mean, error = lead.get(best.id, (0.0, 0.0))
        if mean <= 0:
            return Choice(seed, "nothing that the rival found leads the seed on the selection split", True, ranking)
        return Choice(best, f"leads the seed by {mean:.3f} on the selection split", mean <= Z * error, ranking)

    def forecast(self, context: Context) -> Mapping[str, Any]:
        """By the library's own rules a light run takes some hundred calls; a budget is what bounds it."""
        needs_a_writer(context, self.name)
        kept = len(context.selection) * (1 + self.config.finalists)
        return {"task": {"light": 500, "medium": 1500, "heavy": 4000}[self.config.effort] + kept, "proposals": 30}

    async def _work(self, context: Context, bench: Bench) -> dict[str, Any]:
        from .stage import Stage

        kept = len(context.selection) * (1 + self.config.finalists)
        calls = None if bench.calls is None else max(0, bench.calls - kept)
        budget = bench.model.line.budget
        meter = Meter(calls, bench.tokens, kept_cases=kept, budget=budget, kept_all=kept + bench.kept)
        model, proposer = Metered(bench.model, meter, role="task"), Metered(bench.proposer, meter, role="proposals")
        stage = Stage(bench.task, model, context.search)
        task_lm = dspy_face(model, Place(self.name, 0, "task"))
        options = {"temperature": 1.0, "max_tokens": self.config.max_tokens}
        proposal_lm = dspy_face(proposer, Place(self.name, 0, "propose"), **options)
        ended = "finished"
        try:
            await asyncio.to_thread(self._compile, stage, task_lm, proposal_lm, meter, context.seed)
        except Stopped as stop:
            ended = str(stop)
        except Fatal as mistake:
            raise mistake.__cause__ or mistake from None
        except OptimizeError:
            raise
        except Exception as problem:
            if not stage.ledger.rows:
                raise OptimizeError(f"{self.name} failed before it scored a prompt: {problem}") from problem
            ended = f"{type(problem).__name__}: {problem}"  # what it found up to here counts
        finally:
            meter.stop("the rival has ended")  # its threads may still have calls in mind
        await meter.quiet()
        spent, lost = meter.spent, stage.ledger.missing
        if lost >= FEW and lost > stage.ledger.scored:
            raise EndpointLost(f"{lost} evaluations of {self.name} never reached the model")
        return {
            "ended": ended,
            "candidates": stage.ledger.candidates(),
            "calls": spent.calls,
            "tokens": spent.tokens,
            "roles": {role: list(meter.of(role)) for role in ("task", "proposals")},
            "missing": lost,
            "broken": stage.ledger.broken,
        }

    def _compile(self, stage: Any, task_lm: Any, proposal_lm: Any, meter: Meter, seed: int) -> None:
        import dspy

        # An answer that cannot be read is a low score, however many there are; only the budget ends a rival.
        options = {"disable_history": True, "num_threads": self.config.threads, "max_errors": 10**9}
        with dspy.context(lm=task_lm, **options), _hushed():
            self.compile(stage, task_lm, proposal_lm, meter, seed)


class GEPA(Rival):
    """GEPA (Agrawal et al. 2025) as DSPy ships it: reflection on minibatches of three, a Pareto front over cases. Half of
    the search split to reflect on, half to score on."""

    name = "gepa"

    def compile(self, stage: Any, task_lm: Any, proposal_lm: Any, meter: Meter, seed: int) -> Any:
        import dspy

        # Its own count is of evaluations, and it looks at it between rounds only: the meter is what holds.
        limit: dict[str, Any] = {"max_metric_calls": meter.calls} if meter.calls else {"auto": self.config.effort}
        half = len(stage.examples) // 2
        optimizer = dspy.GEPA(
            metric=stage.metric,
            reflection_lm=proposal_lm,
            num_threads=self.config.threads,
            seed=seed,
            warn_on_score_mismatch=False,
            add_format_failure_as_feedback=True,
            **limit,
        )
        return optimizer.compile(stage.student, trainset=stage.examples[:half], valset=stage.examples[half:])


class MIPROv2(Rival):
    """MIPROv2 (Opsahl-Ong et al. 2024): instructions proposed from the data, a TPE sampler over them, random minibatches.
    It cuts its own parts: a fifth of the search split to propose from, the rest to score on."""

    name = "mipro"

    def __init__(self, config: RivalConfig | None = None) -> None:
        super().__init__(config)
        if importlib.util.find_spec("optuna") is None:
            raise OptimizeError("MIPROv2 needs optuna, which is not installed\n  pip install 'recloop[dspy]'")

    def compile(self, stage: Any, task_lm: Any, proposal_lm: Any, meter: Meter, seed: int) -> Any:
        import dspy

        optimizer = dspy.MIPROv2(
            metric=stage.value,
            prompt_model=proposal_lm,
            task_model=task_lm,
            auto=self.config.effort,
            max_bootstrapped_demos=0,
            max_labeled_demos=0,
            num_threads=self.config.threads,
            seed=seed + 1,  # 0 would be taken for none
        )
        return optimizer.compile(stage.student, trainset=stage.examples)


class COPRO(Rival):
    """COPRO: coordinate ascent over instructions, each scored on every case; breadth and depth by effort."""

    name = "copro"

    def compile(self, stage: Any, task_lm: Any, proposal_lm: Any, meter: Meter, seed: int) -> Any:
        import dspy

        breadth, depth = {"light": (6, 3), "medium": (10, 3), "heavy": (10, 6)}[self.config.effort]
        optimizer = dspy.COPRO(prompt_model=proposal_lm, metric=stage.value, breadth=breadth, depth=depth)
        threads = {"num_threads": self.config.threads, "display_progress": False}
        return optimizer.compile(stage.student, trainset=stage.examples, eval_kwargs=threads)


class SIMBA(Rival):
    """SIMBA: rules written from the cases whose answers vary most; without its demonstrations."""

    name = "simba"

    def compile(self, stage: Any, task_lm: Any, proposal_lm: Any, meter: Meter, seed: int) -> Any:
        import dspy

        optimizer = dspy.SIMBA(
            metric=stage.value,
            bsize=min(32, len(stage.examples)),
            max_steps={"light": 4, "medium": 8, "heavy": 16}[self.config.effort],
            max_demos=0,
            prompt_model=proposal_lm,
            num_threads=self.config.threads,
        )
        return optimizer.compile(stage.student, trainset=stage.examples, seed=seed)


class Tried(NamedTuple):
    """A candidate that a rival scored: its texts, its mean value, on how many cases."""

    texts: dict[str, str]
    mean: float
    cases: int


def partial_best(rows: list[dict[str, Any]], seed: Candidate) -> list[Tried]:
    """A rival's candidates, best first, however far it came: those scored on enough cases by their means, then the rest.

    Means of different cases compare poorly; but they are what the rival itself went by.
    """
    tried = [
        Tried(row["texts"], float(np.mean(list(row["scores"].values()))), len(row["scores"]))
        for row in rows
        if row["scores"] and Candidate(row["texts"]).id != seed.id
    ]
    most = max((len(row["scores"]) for row in rows), default=0)
    return sorted(tried, key=lambda each: (each.cases < COVERED * most, -each.mean, -each.cases))


def _lead(difference: Any) -> tuple[float, float]:
    """Mean and standard error of paired differences; nothing known is no lead."""
    known = difference[~np.isnan(difference)]
    if len(known) < 2:
        return -math.inf, 0.0
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))


@contextmanager
def _hushed() -> Iterator[None]:
    """Without the libraries' progress bars, prints and chatter: stdout is the command's answer."""
    from tqdm import tqdm

    loggers = [logging.getLogger(name) for name in ("dspy", "optuna", "gepa")]
    levels, begin = [logger.level for logger in loggers], tqdm.__init__

    def hidden(bar: Any, *arguments: Any, **options: Any) -> None:
        begin(bar, *arguments, **{**options, "disable": True})

    bars: Any = tqdm
    bars.__init__ = hidden  # the libraries always ask for a bar
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        bars.__init__ = begin
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
