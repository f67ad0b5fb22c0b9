"""What one evaluated case costs in CPU beside the model: our task, our whole search, and `dspy.Predict`, in one run.

    python benchmarks/optimize_overhead.py [--cases 300] [--rounds 5] [--profile search]

All rank the same twenty candidates of the same sessions with a model in this process that answers at once. Per case and
in milliseconds: `predict` is `dspy.Predict` called as it is (`predict_async`: `acall`, gathered; `predict_scored`:
`dspy.Evaluate` with a metric, one thread); `task` renders, asks through the door, reads and scores; `search` is the same
within a search, with its run folder: LangGraph, every call a committed row of the cassette, every result in the log
(the difference between a search that scores ten prompts and one that scores two); `program` is the DSPy program as a task of ours.
`ratio` is of `predict`'s in the same round. As in a search, each case has been shown before.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import logging
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dspy
from dspy.lm15 import Message, Response, TextPart
from dspy.lm15 import Usage as Tokens
from recloop.llm import Abilities, Door, MemoryCassette, Place, Usage
from recloop.llm.line import Line
from recloop.llm.providers.base import ChatRequest, Provider, RawAnswer, RawScores, ScoreRequest
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.programs import ProgramTask
from recloop.prompt_opt.search import optimize
from recloop.prompt_opt.splits import Sizes
from recloop.prompt_opt.steps import Choice, Enter, Evaluate, Search
from recloop.prompt_opt.tasks.items import listed
from recloop.prompt_opt.tasks.listwise import ListTask
from recloop.prompt_opt.tasks.session import SessionOptions, open_session

CANDIDATES = 20
RANKING = json.dumps([f"C{n}" for n in range(1, CANDIDATES + 1)])
LIST, FIELDS = f'{{"ranking": {RANKING}}}', f"[[ ## ranking ## ]]\n{RANKING}\n\n[[ ## completed ## ]]"
FEW = 40


class AtOnce(Provider):
    """The door's model: the order shown, at once."""

    name, remote = "bench/at-once", False

    @property
    def abilities(self) -> Abilities:
        return Abilities(deterministic=True)

    async def chat(self, request: ChatRequest) -> RawAnswer:
        return RawAnswer(LIST if request.json_schema is not None else FIELDS, usage=Usage(700, 60), cost=0.0)

    async def score(self, request: ScoreRequest) -> RawScores:
        raise NotImplementedError

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class Engine:
    """DSPy's model: the same."""

    def complete(self, request: Any) -> Response:
        message = Message.assistant([TextPart(FIELDS)])
        return Response(None, "at-once", message, "stop", Tokens(input_tokens=700, output_tokens=60, total_tokens=760))

    def close(self) -> None: ...


class AsyncEngine(Engine):
    async def complete(self, request: Any) -> Response:  # type: ignore[override]
        return Engine.complete(self, request)

    async def aclose(self) -> None: ...


class Rank(dspy.Signature):
    """Rank the candidates by what this person watches next."""

    history: str = dspy.InputField()
    candidates: str = dspy.InputField()
    ranking: list[str] = dspy.OutputField(desc="ids of all candidates, best first")


class Scored:
    """An optimizer that scores the seed and variants of it on every case to search on, and nothing else."""

    name = "scored"

    def __init__(self, variants: int) -> None:
        self.variants = variants

    def search(self, context: Context) -> Search:
        seed = context.seed_candidate
        made = [
            Candidate({name: f"{text}\nTake care: {n}." for name, text in seed.texts.items()}, "variant", (seed.id,))
            for n in range(self.variants)
        ]
        entered = yield Enter(made)
        yield Evaluate([(candidate, context.search) for candidate in (seed, *entered)])
        return Choice(seed, "nothing was to be chosen")

    def forecast(self, context: Context) -> Mapping[str, Any]:
        return {"task": len(context.search) * (1 + self.variants), "proposals": 0}


def door(cassette: Any = None) -> Door:
    options: dict[str, Any] = {"price": lambda: None, "concurrency": 64, "timeout": 60.0}
    return Door(Line(AtOnce(), **options), cassette=cassette)


def reciprocal(example: Any, found: Any, trace: Any = None) -> float:
    return 1 / (1 + found.ranking.index(example.target)) if example.target in found.ranking else 0.0


def examples(task: ListTask) -> list[dspy.Example]:
    return [
        dspy.Example(
            history=listed(case.shown["history"], "history"),
            candidates=listed(case.shown["candidates"], "candidates"),
            target=case.truth["relevant"][0],
        ).with_inputs("history", "candidates")
        for case in task.cases
    ]


def ways(task: ListTask) -> dict[str, Callable[[], int]]:
    """By name: work that evaluates cases and says how many."""
    shown, predict = examples(task), dspy.Predict(Rank)
    engine: Any = Engine()
    lm = dspy.LM("bench/at-once", engine=engine, async_engine=AsyncEngine(), cache=False)  # type: ignore[arg-type]
    dspy.configure(lm=lm)
    texts = {name: component.text for name, component in task.components.items()}
    program = ProgramTask(predict, shown, reciprocal)
    instructions = {name: component.text for name, component in program.components.items()}

    def predicted() -> int:
        for example in shown:
            assert len(predict(**example.inputs()).ranking) == CANDIDATES
        return len(shown)

    def predicted_async() -> int:
        async def all_of() -> None:
            await asyncio.gather(*(predict.acall(**example.inputs()) for example in shown))

        asyncio.run(all_of())
        return len(shown)

    def predicted_scored() -> int:
        dspy.Evaluate(devset=shown, metric=reciprocal, num_threads=1, display_progress=False)(predict)
        return len(shown)

    def through(one: Any, filled: Mapping[str, str]) -> int:
        async def all_of() -> None:
            model = door(MemoryCassette())

            async def case_of(case: Any) -> None:
                result = one.score(case, await one.run(filled, case, model, Place("bench", 0, case.id)))
                assert result.status == "ok", result

            await asyncio.gather(*(case_of(case) for case in one.cases))

        asyncio.run(all_of())
        return len(one.cases)

    return {
        "predict": predicted,
        "predict_async": predicted_async,
        "predict_scored": predicted_scored,
        "program": lambda: through(program, instructions),
        "task": lambda: through(task, texts),
    }


def searched(task: ListTask, variants: int) -> float:
    """CPU seconds of a search that scores the seed and `variants` candidates on all cases it has to search on."""

    async def whole(folder: str) -> None:
        sizes = Sizes(search=len(task.cases) - 2 * FEW, selection=FEW, test=FEW)
        finished = await optimize(task, Scored(variants), model=door(), out=Path(folder) / "run", sizes=sizes)
        assert finished.status == "finished"

    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        asyncio.run(whole(folder))
        return time.process_time() - before


def measure(given: argparse.Namespace) -> dict[str, Any]:
    options = SessionOptions(max_cases=given.cases, candidates=CANDIDATES, read="list")
    task = open_session(None, options, "ndcg@10", 0, None)
    logging.getLogger("dspy").setLevel(logging.WARNING)
    found = ways(task)
    spent: dict[str, list[float]] = {name: [] for name in (*found, "search")}
    for number in range(given.rounds + 1):  # the first round warms up
        took: dict[str, float] = {}
        for name, work in found.items():
            before = time.process_time()
            cases = profiled(given.profile == name and number == 1, work)
            took[name] = (time.process_time() - before) / cases
        # Both have guards and a verdict, so that what is left is evaluation.
        more = profiled(given.profile == "search" and number == 1, lambda: searched(task, 9))
        took["search"] = (more - searched(task, 1)) / (8 * (len(task.cases) - 2 * FEW))
        if number:
            for name, seconds in took.items():
                spent[name].append(1000 * seconds)
    ratios = {name: [a / b for a, b in zip(times, spent["predict"], strict=True)] for name, times in spent.items()}
    return {
        "ms_per_case": {name: round(statistics.median(times), 3) for name, times in spent.items()},
        "ratio": {name: round(statistics.median(times), 3) for name, times in ratios.items()},
        "ratio_range": {name: [round(min(times), 3), round(max(times), 3)] for name, times in ratios.items()},
        "cases": len(task.cases),
        "rounds": given.rounds,
        "gate": "task and search under 0.25",
        "load": [round(each, 2) for each in os.getloadavg()],
    }


def profiled(wanted: bool, work: Callable[[], Any]) -> Any:
    if not wanted:
        return work()
    profile = cProfile.Profile()
    answer = profile.runcall(work)
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)
    return answer


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", default="", help="a way to profile: predict, task, search, …")
    print(json.dumps(measure(parser.parse_args(arguments))))


if __name__ == "__main__":
    main(sys.argv[1:])
