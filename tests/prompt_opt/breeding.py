"""A search with everything that a lineage can hold, in a second: prompts accepted, beaten, doubled, refused, merged from
two parents, and nowhere a text that could be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recloop.llm.types import Outcome
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.context import Context
from recloop.prompt_opt.search import Finished, optimize
from recloop.prompt_opt.splits import Sizes
from recloop.prompt_opt.steps import Accept, Ask, Choice, Enter, Evaluate, Note, OutOfBudget, Search, Think
from recloop.prompt_opt.task import Case, Diagnosis, Result
from small_world import WordProvider, WordTask, Written, door

SCRIPT = "</pre><script>alert(1)</script>"
ESCAPE = "\x1b[31mred\x1b[0m"
QUOTES = "\"]; n0 --> n1 #quot; `x` <img src=x onerror=alert(1)> | & 'y'"
HOSTILE = f"{SCRIPT}{ESCAPE}{QUOTES}"
SIZES = Sizes(search=16, selection=12, test=20)


@dataclass
class HostileTask(WordTask):
    """A task whose every text tries to get out of its place."""

    name: str = f"films {SCRIPT}{ESCAPE}"
    start: str = f"Order. {HOSTILE} {{{{case}}}}"
    notes: tuple[str, ...] = (f"note {HOSTILE}",)
    remark: str = f"remark {HOSTILE}"

    def score(self, case: Case, outcome: Outcome[Any]) -> Result:
        found = super().score(case, outcome)
        if found.missing:
            return found
        said = Diagnosis(f"low {SCRIPT}", HOSTILE, answer=f"answer {HOSTILE}", truth=f"truth {HOSTILE}")
        return Result(found.case, found.status, found.values, said, {"invented": 1}, found.tokens, found.calls)

    def baselines(self, cases: Any) -> Mapping[str, Any]:
        return {**super().baselines(cases), f"oracle {SCRIPT}": [0.99] * len(cases)}

    def remarks(self, cases: Any, results: Any) -> list[str]:
        return [self.remark]


@dataclass
class Breeder:
    """Makes one candidate of every fate, asking the proposer once for two of them."""

    name: str = f"breeder {SCRIPT}"

    def search(self, context: Context) -> Search:
        seed = context.seed_candidate
        old = seed.texts["rank"]
        made: dict[str, Any] = {"maker": f"writer {HOSTILE}", "reason": f"because {HOSTILE}"}
        seen = tuple(context.search[:3])

        def grown(words: str, operator: str, *parents: Candidate, calls: tuple[str, ...] = ()) -> Candidate:
            names = tuple(each.id for each in parents)
            return Candidate({"rank": f"{words} {old}"}, operator, names, shown=seen, calls=calls, **made)

        try:
            yield Evaluate([(seed, context.search)])
            (outcome,) = yield Think([Ask([{"role": "user", "content": f"PROMPT: {old}"}], Written, "breed")])
            first = grown("mind the intent.", "refine", seed, calls=outcome.keys)
            weak = grown("mind nothing.", "paraphrase", seed, calls=outcome.keys)
            lost = Candidate({"rank": "no field any more"}, "shorten", (seed.id,), **made)
            first, weak = yield Enter([first, weak, lost])
            yield Evaluate([(first, context.search), (weak, context.search[:6])])
            yield Note("eliminated", weak.id, f"behind after 6 cases {HOSTILE}")
            yield Note("duplicate", "0" * 12, "says what the seed says")
            yield Accept(first, seed, f"a better mean {HOSTILE}")
            (merged,) = yield Enter([grown("mind the intent, the recent, the genre.", "merge", first, weak)])
            (spare,) = yield Enter([grown("mind the recent.", f"odd {SCRIPT}", first)])
            yield Evaluate([(merged, context.search), (spare, context.search[:4])])
            yield Accept(merged, first, "better still")
            yield Evaluate([(seed, context.selection), (merged, context.selection)])
        except OutOfBudget as spent:
            return Choice(seed, str(spent), tie=True)
        return Choice(merged, f"the best there is {HOSTILE}")

    def forecast(self, context: Context) -> Mapping[str, Any]:
        return {"task": 3 * len(context.search) + 2 * len(context.selection), "proposals": 1}


def bred(out: Path, provider: WordProvider | None = None, **options: Any) -> Finished:
    """The search, carried out into `out`."""
    model = door(provider or WordProvider())
    return asyncio.run(optimize(HostileTask(90), Breeder(), model=model, out=out, sizes=SIZES, **options))
