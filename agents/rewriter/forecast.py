"""What a rewriting would take, before it takes it: calls and tokens at least and at most. No model is called, no key needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ...llm import Price, Usage, open_model
from ...llm.fence import fence
from ...llm.line import BYTES_PER_TOKEN
from ...llm.prompts import Prompt
from .carry import personas_of, prompts_of, queries_of
from .config import NOBODY, RULES, RewriteConfig
from .judge import NODE as JUDGE
from .writers import INTENT, REPAIRS, REWRITE

INTENT_ANSWER, REWRITE_ANSWER, JUDGE_ANSWER = 45, 35, 40
"""Tokens of a usual answer."""
LONGER = 1.5
"""A need, or a rewrite, is longer than the query it comes from."""


@dataclass(frozen=True)
class Forecast:
    """`least`: every first rewrite passes; `most`: none does. `usd` is None where a price is unknown."""

    queries: int
    personas: int
    calls_least: int
    calls_most: int
    tokens_least: int
    tokens_most: int
    usd_least: float | None
    usd_most: float | None

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{self.queries:,} queries in the words of {self.personas} personas"]
        if not self.calls_most:
            return [*said, "no call to a model"]
        calls = f"{self.calls_least:,} to {self.calls_most:,} calls"
        said.append(f"{calls}, about {self.tokens_least:,} to {self.tokens_most:,} tokens")
        if self.usd_least is None or self.usd_most is None:
            said.append("price unknown (--price in=A,out=B states it)")
        elif not self.usd_most:
            said.append("costs nothing")
        else:
            said.append(f"about ${self.usd_least:.2f} to ${self.usd_most:.2f}")
        return [
            *said,
            "answers that cannot be read are asked for once more; --budget is a limit that nothing oversteps",
        ]


def forecast(config: RewriteConfig) -> Forecast:
    """Calls and tokens of a rewriting, its prompts measured on its own queries. Raises what starting it would."""
    found, who, prompts = queries_of(config), personas_of(config), prompts_of(config)
    n, k = len(found.asked), len(who)
    pairs, size = n * k, sum(len(each.query.encode()) for each in found.asked)
    text, manners = int(LONGER * size) * k, n * sum(len(each.description.encode()) for each in who)
    writer, judge = _known(config, config.model), _known(config, config.judge) or _known(config, config.model)
    intents = first = again = judged = _Share()
    if writer is not None:
        intents = _Share(n, Usage(_tokens(n, prompts[INTENT], size), n * INTENT_ANSWER))
        first = _Share(pairs, Usage(_tokens(pairs, prompts[REWRITE], text + manners), pairs * REWRITE_ANSWER))
        mended = _tokens(pairs, prompts[REPAIRS["both"]], 2 * text + manners)
        again = _Share(pairs, Usage(mended, pairs * REWRITE_ANSWER))
    elif config.model != RULES:  # in this process: one scoring call each, of some proposals twice over
        first = _Share(pairs, Usage((14 * text + manners) // BYTES_PER_TOKEN))
    if judge is not None and config.judge != NOBODY:
        asked = pairs * config.votes
        sent = config.votes * (size * k + text + manners)
        judged = _Share(asked, Usage(_tokens(asked, prompts[JUDGE], sent), asked * JUDGE_ANSWER))
    least, most = [intents, first], [intents, first, *[again] * (config.rounds - 1)]
    verdicts = [judged] * config.rounds
    return Forecast(
        n,
        k,
        sum(each.calls for each in (*least, judged)),
        sum(each.calls for each in (*most, *verdicts)),
        sum(each.usage.total for each in (*least, judged)),
        sum(each.usage.total for each in (*most, *verdicts)),
        _usd((writer, least), (judge, [judged])),
        _usd((writer, most), (judge, verdicts)),
    )


@dataclass(frozen=True)
class _Share:
    """Calls of one kind, and what they take together."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class _Known:
    price: Price | None


def _known(config: RewriteConfig, spec: str | None) -> _Known | None:
    """What is known of a model that is paid by the token; None for one in this process, or none at all."""
    if spec in (None, RULES, NOBODY):
        return None
    writes = spec == config.model
    stated = Price.parse(config.price if writes else config.judge_price)
    address = config.base_url if writes else config.judge_base_url
    door = open_model(str(spec), api_key="not-used", base_url=address, price=stated)
    return _Known(door.line.price()) if door.provider.remote else None


def _tokens(times: int, prompt: Prompt, texts: int) -> int:
    """Of a prompt that is asked so often, with so many bytes of texts in all its askings together."""
    around = sum(len(template.encode()) for _, template in prompt.sections) + 4 * len(fence("", "label"))
    return (times * around + texts) // BYTES_PER_TOKEN


def _usd(*parts: tuple[_Known | None, list[_Share]]) -> float | None:
    total = 0.0
    for model, shares in parts:
        if model is None:
            continue
        if model.price is None:
            return None
        total += sum(model.price.of(each.usage) for each in shares)
    return total
