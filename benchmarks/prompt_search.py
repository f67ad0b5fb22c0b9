"""Whole prompt searches on the planted task: what each optimizer's winner is truly worth, for equal budgets.

    python benchmarks/prompt_search.py [--quick] [--out FILE] [--seeds 20] [--first 5000]
    python benchmarks/prompt_search.py --table FILE...    # earlier results as Markdown

The task, its model and its proposer are frozen (`planted_task.py`), so quality is known, not estimated. Every optimizer meets
the same splits (80 / 60 / 100 cases), the same planted models and the same hard limits of calls and tokens, in which everything
counts: evaluations, proposals, and the sealed test. JSON lines: one per family, budget and optimizer; one per pair of ours
with another; checks of the promises.

`quality`: true NDCG of the winner; `gain`: over the seed prompt; `regret`: to the best set of instructions there is, all in
points (hundredths). `wins`: share of seeds on which ours is truly better, of those that are not level, with Wilson's
interval. `better`: share of runs whose verdict claims an improvement; `false`: share that claims one where the truth has none;
`accepted`: share of runs that made another prompt the incumbent (DSPy's do not say); `moved`: share that chose another prompt
than the seed. `twice`: calls about a (prompt, case) that had been asked before. `wall_over_ideal`: of three searches with 50 ms
a call, over calls x latency / 16. `--first` is the first seed: those from 5,000 on are reported, nothing was tuned on them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from planted_models import PlantedModel, PlantedProposer, instructed, planted_door
from planted_task import BYTES_PER_TOKEN, INSTRUCTIONS, OPENING, TOPICS, PlantedTask, instructions_in
from recloop.evaluators.estimate import paired_difference, proportion
from recloop.llm import Budget, MemoryCassette
from recloop.llm.providers.base import ChatRequest, RawAnswer
from recloop.prompt_opt.optimizers import open_optimizer
from recloop.prompt_opt.search import optimize
from recloop.prompt_opt.splits import Sizes
from recloop.runs import Run

SIZES = Sizes(search=80, selection=60, test=100)
TOKENS_PER_CALL = 500
"""The token limit is this many times the call limit: the longest prompt that the proposer can write fits."""
OURS = "racing"
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    OURS: ("racing", {}),
    "recprompt": ("recprompt", {}),
    "recprompt as released": ("recprompt", {"as_released": True}),
    "po4isr": ("po4isr", {}),
    "po4isr as released": ("po4isr", {"as_released": True}),
    "mipro": ("mipro", {"threads": 1}),
    "gepa": ("gepa", {"threads": 1}),
}
"""Name -> optimizer and options. One thread: then a rival stops at the same call in every run."""
FAMILIES = ("main", "interactions", "heavy ties", "none")
NO_EFFECT = "none"
LEVEL = 0.025
"""Of a false claim: the upper side of the verdict's 95% interval."""
TIE = 1e-9


class Setting(NamedTuple):
    """One search to be made."""

    family: str
    calls: int
    optimizer: str
    seed: int


class Watched(PlantedModel):
    """The planted model, counting what is asked again and what is in flight; answers after `latency` seconds."""

    def __init__(self, task: PlantedTask, latency: float = 0.0) -> None:
        super().__init__(task)
        self.latency, self.asked = latency, Counter[tuple[str, str]]()
        self.busy = 0.0

    async def chat(self, request: ChatRequest) -> RawAnswer:
        self.asked[" ".join(instructed(request).split()), str(request.messages[-1]["content"])] += 1
        if self.latency:
            began = time.perf_counter()
            await asyncio.sleep(self.latency)
            self.busy += time.perf_counter() - began
        return await super().chat(request)

    @property
    def twice(self) -> int:
        return sum(self.asked.values()) - len(self.asked)


class SlowProposer(PlantedProposer):
    """The planted proposer, answering after `latency` seconds."""

    def __init__(self, task: PlantedTask, latency: float) -> None:
        super().__init__(task)
        self.latency, self.calls = latency, 0

    async def chat(self, request: ChatRequest) -> RawAnswer:
        self.calls += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        return await super().chat(request)


def best_quality(task: PlantedTask) -> float:
    """True quality of the best of all sets of instructions."""
    held = (np.arange(2 ** len(TOPICS))[:, None] >> np.arange(len(TOPICS))) & 1
    size = np.array([1 + len(INSTRUCTIONS[topic].encode()) for topic in TOPICS]) / BYTES_PER_TOKEN
    worth = held @ (np.array([task.effects[topic] for topic in TOPICS]) - task.truth.length * size / 100.0)
    for pair, more in task.together.items():
        worth = worth + more * held[:, [TOPICS.index(topic) for topic in pair]].all(axis=1)
    best = [TOPICS[i] for i in np.flatnonzero(held[int(np.argmax(worth))])]
    text = "\n".join([OPENING, *(INSTRUCTIONS[topic] for topic in TOPICS if topic in best)])
    return task.quality({"instructions": text})


async def search(this: Setting, latency: float = 0.0, concurrency: int = 16, threads: int = 1) -> dict[str, Any]:
    """One search to its verdict; what it found and what it took."""
    task = PlantedTask(this.family, cases_count=SIZES.total, seed=this.seed)
    kind, options = OPTIMIZERS[this.optimizer]
    if "threads" in options:
        options = options | {"threads": threads}
    budget = Budget(calls=this.calls, tokens=this.calls * TOKENS_PER_CALL)
    watched, writer, cassette = Watched(task, latency), SlowProposer(task, latency), MemoryCassette()
    shared: dict[str, Any] = {"cassette": cassette, "budget": budget, "concurrency": concurrency}
    with tempfile.TemporaryDirectory() as folder:
        async with planted_door(watched, **shared) as model, planted_door(writer, **shared) as proposer:
            began = time.perf_counter()
            found = await optimize(
                cast(Any, task),
                open_optimizer(kind, **options),
                model=model,
                proposer=proposer,
                out=Path(folder) / "run",
                seed=this.seed,
                budget=budget,
                sizes=SIZES,
                record=False,  # the doors' own cassette: the same answers, without a file
            )
            wall = time.perf_counter() - began
        with Run.open(found.run) as run:
            accepted = sum(event.data["accepted"] for event in run.events(kind="accepted"))
    assert found.candidate is not None, found.reason
    assert found.verdict is not None, found.reason
    assert budget.spent.calls <= this.calls
    assert budget.spent.tokens <= this.calls * TOKENS_PER_CALL
    seed_quality, quality = task.quality({"instructions": OPENING}), task.quality(found.candidate.texts)
    row = this._asdict() | {
        "quality": 100 * quality,
        "gain": 100 * (quality - seed_quality),
        "regret": 100 * (best_quality(task) - quality),
        "outcome": found.verdict["outcome"],
        "moved": found.candidate.texts["instructions"] != OPENING,
        "instructions": len(instructions_in(found.candidate.texts["instructions"])),
        "accepted": accepted,
        "calls_used": budget.spent.calls,
        "tokens_used": budget.spent.tokens,
        "twice": watched.twice,
        "wall_s": wall,
    }
    if latency:
        sent = sum(watched.asked.values()) + writer.calls
        row |= {
            "wall_over_ideal": wall / (sent * latency / concurrency),
            "in_flight": watched.busy / wall,
        }
    return row


# -- what is said of many searches


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One optimizer in one family under one budget, over its seeds."""
    first, n = rows[0], len(rows)

    def mean(name: str) -> float:
        return round(statistics.fmean(float(row[name]) for row in rows), 2)

    def share(yes: int) -> list[float]:
        found = proportion(yes, n)
        return [round(found.mean, 3), round(found.low, 3), round(found.high, 3)]

    better = [row for row in rows if row["outcome"] == "better"]
    return {
        "what": "search",
        **{name: first[name] for name in ("family", "calls", "optimizer")},
        "seeds": n,
        **{name: mean(name) for name in ("quality", "gain", "regret", "instructions", "calls_used")},
        "tokens_used": round(mean("tokens_used")),
        "harmed": sum(row["gain"] < -TIE for row in rows),
        "better": share(len(better)),
        "false": share(sum(row["gain"] <= TIE for row in better)),
        "accepted": share(sum(row["accepted"] > 0 for row in rows)),
        "moved": share(sum(row["moved"] for row in rows)),
        "twice": sum(row["twice"] for row in rows),
    }


def against(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ours beside another on the same seeds."""
    pairs = {row["seed"]: row["quality"] for row in theirs}
    mine = np.array([row["quality"] for row in ours if row["seed"] in pairs])
    other = np.array([pairs[row["seed"]] for row in ours if row["seed"] in pairs])
    ahead, level = int((mine > other + TIE).sum()), int((np.abs(mine - other) <= TIE).sum())
    won = proportion(ahead, len(mine) - level)
    found = paired_difference(mine, other, seed=0)
    return {
        "what": "against",
        **{name: theirs[0][name] for name in ("family", "calls", "optimizer")},
        "seeds": len(mine),
        "ahead": ahead,
        "level": level,
        "behind": len(mine) - ahead - level,
        "wins": [round(won.mean, 3), round(won.low, 3), round(won.high, 3)] if len(mine) > level else None,
        "difference": [round(found.mean, 2), round(found.low, 2), round(found.high, 2)],
        "p": round(found.p_value, 4),
    }


def gates(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The promises, each as a row that says whether it held."""
    ours = [row for row in rows if row["optimizer"] == OURS]
    none = [row for row in ours if row["family"] == NO_EFFECT]
    if none:
        claims = proportion(sum(row["outcome"] == "better" for row in none), len(none))
        yield {
            "what": "gate",
            "says": "false claims of ours are no more than the level",
            "level": LEVEL,
            "share": [round(x, 4) for x in (claims.mean, claims.low, claims.high)],
            "runs": len(none),
            "held": claims.mean <= LEVEL,
        }
    if ours:
        yield {
            "what": "gate",
            "says": "ours asks nothing twice",
            "twice": sum(row["twice"] for row in ours),
            "held": not any(row["twice"] for row in ours),
        }


def settings(seeds: range, none: range, budgets: Sequence[int]) -> Iterator[Setting]:
    """All searches. Ours alone is searched on more seeds where nothing has an effect: its claims are what is gated."""
    for family in FAMILIES:
        for calls in budgets:
            for name in OPTIMIZERS:
                for seed in none if family == NO_EFFECT and name == OURS else seeds:
                    yield Setting(family, calls, name, seed)


async def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    seeds = 3 if given.quick else given.seeds
    budgets = (600,) if given.quick else (600, 1200)
    span = range(given.first, given.first + seeds)
    wide = range(given.first, given.first + (seeds if given.quick else given.none))
    told: list[dict[str, Any]] = []
    every: list[dict[str, Any]] = []
    groups: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}

    def tell(row: dict[str, Any]) -> None:
        told.append(row)
        print(json.dumps(row), flush=True)

    began, cpu = time.perf_counter(), time.process_time()
    for this in () if given.latency_only else settings(span, wide, budgets):
        if this.optimizer not in given.only and given.only:
            continue
        if given.family and this.family not in given.family:
            continue
        row = await search(this)
        every.append(row)
        groups.setdefault((this.family, this.calls), {}).setdefault(this.optimizer, []).append(row)
        if given.rows:
            print(json.dumps(row), file=sys.stderr, flush=True)
    for by_name in groups.values():
        for rows in by_name.values():
            tell(summary(rows))
        for name, rows in by_name.items():
            if name != OURS and OURS in by_name:
                tell(against(by_name[OURS], rows))
    for gate in gates(every):
        tell(gate)
    latency = given.latency / 1000
    for name in OPTIMIZERS:
        if (given.only and name not in given.only) or (given.family and "main" not in given.family):
            continue
        rows = [await search(Setting("main", 600, name, seed), latency, threads=16) for seed in span[:3]]
        tell(
            {
                "what": "latency",
                "optimizer": name,
                "ms": given.latency,
                "load": round(os.getloadavg()[0], 1),
                "concurrency": 16,
                "seeds": len(rows),
                "wall_over_ideal": round(statistics.fmean(row["wall_over_ideal"] for row in rows), 2),
                "in_flight": round(statistics.fmean(row["in_flight"] for row in rows), 1),
                "twice": sum(row["twice"] for row in rows),
            }
        )
    tell(
        {
            "what": "run",
            "wall_s": round(time.perf_counter() - began),
            "cpu_s": round(time.process_time() - cpu),
            "load": round(os.getloadavg()[0], 1),
            "searches": len(every),
        }
    )
    return told


# -- as a table


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown of an earlier result."""
    beside = {(row["family"], row["calls"], row["optimizer"]): row for row in rows if row["what"] == "against"}
    lines = []
    for family, calls in dict.fromkeys((row["family"], row["calls"]) for row in rows if row["what"] == "search"):
        lines += [
            f"\n**{family}**, {calls:,} calls\n",
            "| optimizer | gain | regret | ours ahead / level / behind | wins [95 %] | ours ahead by [95 %] | "
            "claims better | of these false | chose another | calls | tokens |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for row in rows:
            if row["what"] != "search" or (row["family"], row["calls"]) != (family, calls):
                continue
            with_ours = ["", "", ""]
            if one := beside.get((family, calls, row["optimizer"])):
                won = one["wins"]
                with_ours = [
                    f"{one['ahead']} / {one['level']} / {one['behind']}",
                    f"{won[0]:.0%} [{won[1]:.0%}, {won[2]:.0%}]" if won else "",
                    "{:+.1f} [{:+.1f}, {:+.1f}]".format(*one["difference"]),
                ]
            claims = round(row["better"][0] * row["seeds"])
            false = round(row["false"][0] * row["seeds"])
            cells = [
                f"**{row['optimizer']}**" if row["optimizer"] == OURS else row["optimizer"],
                f"{row['gain']:+.1f}",
                f"{row['regret']:.1f}",
                *with_ours,
                f"{claims} of {row['seeds']}",
                str(false),
                f"{row['moved'][0]:.0%}",
                f"{row['calls_used']:.0f}",
                f"{row['tokens_used']:,}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "\n| optimizer | wall / ideal | in flight of 16 | asked twice |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['optimizer']} | {row['wall_over_ideal']:.2f} | {row['in_flight']:.1f} | {row['twice']} |"
        for row in rows
        if row["what"] == "latency"
    ]
    return "\n".join(lines).strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three seeds, one budget")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--none", type=int, default=100, help="seeds of ours where nothing has an effect")
    parser.add_argument("--first", type=int, default=5000, help="the first seed")
    parser.add_argument("--only", nargs="*", default=[], choices=list(OPTIMIZERS), metavar="OPTIMIZER")
    parser.add_argument("--family", nargs="*", default=[], choices=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--latency", type=float, default=50.0, help="milliseconds, of the searches that are timed")
    parser.add_argument("--latency-only", action="store_true", help="time searches, and nothing else")
    parser.add_argument("--rows", action="store_true", help="every search to stderr")
    parser.add_argument("--out", type=Path, help="all rows as one JSON document")
    parser.add_argument("--table", type=Path, nargs="+", help="earlier documents, as Markdown")
    given = parser.parse_args()
    if given.table:
        print(table([row for path in given.table for row in json.loads(path.read_text(encoding="utf-8"))]))
        return 0
    rows = asyncio.run(measure(given))
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.get("held", True) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
