"""The one door: every call of every agent passes here, to be keyed, recorded, budgeted, retried, validated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from ..runs.records import CallRecord
from .answers import Reading, read
from .asking import REPAIR_SAMPLE, repair, with_schema_in_words
from .cassette import Cassette
from .errors import BudgetError, ModelConfigError
from .joining import gathered, joined
from .keys import call_key, canonical, key_and_size
from .line import BYTES_PER_TOKEN, Line, Sent, Tally
from .providers import base
from .records import answer_from, answer_to, diverged, make_record, scores_from, scores_to
from .schemas import Schema, closed_schema
from .types import Abilities, Message, Outcome, Place, Question, Status, Usage

A = TypeVar("A", base.RawAnswer, base.RawScores)

CHECK = Place(node="check")


@dataclass(frozen=True, slots=True)
class _Settled:
    """One recorded or just-made call: the raw answer and what it was read as."""

    key: str
    reading: Reading | None
    outcome: Outcome[Any]
    raw: Any = None


class Door:
    """A `Model` before any provider. Made by `open_model`.

    In order: key -> cassette (a recorded answer costs nothing) -> a turn -> budget -> provider, with retries around the
    last three.
    Usable from several event loops, one after the other. `abilities` are certain after `check`.
    """

    def __init__(self, line: Line, *, cassette: Cassette | None = None, replay_only: bool = False) -> None:
        self.line, self.cassette, self.replay_only = line, cassette, replay_only
        self.provider = line.provider
        self._takes = {"json_schema": self.provider.abilities.schema, "json_object": True}
        self._not_for: set[str] = set()
        self._remembered: dict[str, Any] | None = None
        self._checked: CallRecord | None = None

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def abilities(self) -> Abilities:
        abilities = replace(self.provider.abilities, schema=self._takes["json_schema"])
        return replace(abilities, **self._remembered) if self._remembered else abilities

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        at: Place = Place(),
        temperature: float = 0.0,
        max_tokens: int = 512,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Outcome[Any]:
        """See `Model.complete`. A structured answer that does not validate is sent back once, at `sample` + 1000."""
        request = base.ChatRequest(
            messages=[dict(message) for message in messages],
            json_schema=closed_schema(schema) if schema is not None else None,
            temperature=temperature,
            max_tokens=max_tokens,
            stop=tuple(stop),
            seed=seed,
        )
        first = await self._ask(request, at, schema)
        if first.outcome.status != "parse_fail" or schema is None or first.raw is None:
            return first.outcome
        cut = first.raw.finish_reason == "length"
        again = repair(request, first.raw.text, first.outcome.error, cut)
        second = await self._ask(again, replace(at, sample=at.sample + REPAIR_SAMPLE), schema)
        return joined(first.outcome, second.outcome)

    async def exchange(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: Any = None,
        parallel_tools: bool | None = None,
        json_schema: Mapping[str, Any] | None = None,
        json_object: bool = False,
        at: Place = Place(),
        temperature: float = 0.0,
        max_tokens: int = 1024,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> Outcome[base.RawAnswer]:
        """One turn of a conversation with tools; `value` is the raw answer, tool calls included (OpenAI-shaped).

        With `json_schema` or `json_object` the text is asked for as such and not validated.
        """
        request = base.ChatRequest(
            messages=[dict(message) for message in messages],
            temperature=temperature,
            max_tokens=max_tokens,
            stop=tuple(stop),
            seed=seed,
            tools=tuple(tools),
            tool_choice=tool_choice,
            parallel_tools=parallel_tools,
            json_schema=json_schema,
            json_object=json_object,
        )
        settled = await self._ask(request, at, None)
        if settled.outcome.ok or (settled.raw is not None and settled.raw.tool_calls):
            return replace(settled.outcome, status="ok", error="", value=settled.raw)
        return settled.outcome

    async def score(
        self, prompt: str, questions: Sequence[Question], *, at: Place = Place()
    ) -> Outcome[list[list[float]]]:
        """See `Model.score`. Over an endpoint each question is a call of its own, but the whole is one record."""
        return await self._score(base.ScoreRequest(prompt, tuple(questions)), at)

    async def choices(self, prompt: str, labels: Sequence[str], *, at: Place = Place()) -> Outcome[list[float]]:
        outcome = await self._score(base.ScoreRequest(prompt, (Question("", tuple(labels)),)), at)
        return replace(outcome, value=outcome.value[0] if outcome.value else None)

    async def loglik(self, prompt: str, continuations: Sequence[str], *, at: Place = Place()) -> Outcome[list[float]]:
        request = base.ScoreRequest(prompt, (Question("", tuple(continuations)),), whole=True)
        outcome = await self._score(request, at)
        return replace(outcome, value=outcome.value[0] if outcome.value else None)

    async def check(self) -> None:
        """One cheap call (over an endpoint: one token, charged to the budget), retried like any other.

        What it finds out is recorded, so that a replay knows the abilities without a call.
        """
        key = call_key(CHECK, self.name, "check", {})
        record = self.cassette.get(key) if self.cassette is not None else None
        if record is not None:
            self._remembered = dict(record.response or {})
        if self.replay_only:
            return
        try:
            if not self.provider.remote:  # loading a model is no call: neither charged nor cut at the call's timeout
                await self.provider.check()
                return
            sent = await self.line.send(key, Usage(12, 1, True), self.provider.check, self.line.tally())
        except ModelConfigError:
            raise
        except base.ProviderError as problem:
            raise ModelConfigError(f"{self.name}: {problem}") from None
        if sent.status == "budget":
            raise BudgetError(f"{sent.error} before {self.name} was asked anything\n  give a larger budget")
        if sent.status != "ok":
            raise ModelConfigError(
                f"{self.name} does not answer: {sent.error}\n  is it running, and is this its address (usually ending in /v1)?"
            )
        if record is None:
            found = {"score": self.provider.abilities.score, "schema": self.provider.abilities.schema}
            self._checked = make_record(key, CHECK, self.name, "check", {}, "ok", found, "", sent)
            if self.cassette is not None:
                self.record_in(self.cassette)
        self._remembered = None

    async def answers(self) -> bool:
        """Whether the model answers now: a check that says so instead of raising. True also where the budget forbids it."""
        try:
            await self.check()
        except ModelConfigError as problem:
            return isinstance(problem, BudgetError)
        return True

    def record_in(self, cassette: Cassette) -> None:
        """From now on calls are kept there, and so is a check that was made before there was a place for it."""
        self.cassette = cassette
        if self._checked is not None:
            cassette.put(self._checked)
            self._checked = None

    async def close(self) -> None:
        await self.provider.close()

    async def __aenter__(self) -> Door:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # -- one call, recorded or made

    async def _ask(self, request: base.ChatRequest, at: Place, schema: Schema | None) -> _Settled:
        asked = _chat_json(request)
        return await self._settle(
            "chat",
            asked,
            at,
            lambda key, size, tallies: self._send_chat(key, size, request, tallies),
            lambda raw: read(raw, schema),
            answer_from,
            answer_to,
        )

    async def _score(self, request: base.ScoreRequest, at: Place) -> Outcome[Any]:
        if not request.questions or not all(question.labels for question in request.questions):
            raise ValueError("score needs at least one question, and each question at least one label")
        asked = {
            "prompt": request.prompt,
            "questions": [
                [question.suffix, list(question.labels), *(["alone"] if question.alone else [])]
                for question in request.questions
            ],
            "whole": request.whole,
        }
        settled = await self._settle(
            "score",
            asked,
            at,
            lambda key, size, tallies: self._send_score(key, request, tallies),
            _read_scores,
            scores_from,
            scores_to,
        )
        return settled.outcome

    async def _settle(
        self,
        kind: str,
        asked: dict[str, Any],
        at: Place,
        send: Callable[[str, int, list[Tally]], Coroutine[Any, Any, Sent[A]]],
        judge: Callable[[A], Reading],
        load: Callable[[Any], A],
        dump: Callable[[A], dict[str, Any]],
    ) -> _Settled:
        key, size = key_and_size(at, self.name, kind, asked)
        record = self.cassette.get(key, whole=False) if self.cassette is not None else None
        if record is not None:
            usage = Usage(record.prompt_tokens, record.completion_tokens)
            spent = {"usage": usage, "cost": record.cost, "recorded": True, "key": key, "keys": (key,)}
            if not record.response:
                return _Settled(key, None, Outcome(cast(Status, record.status), error=record.error, **spent))
            raw = load(record.response)
            reading = judge(raw)
            return _Settled(key, reading, _outcome(reading, raw, attempts=record.attempts, **spent), raw)
        if self.replay_only:
            raise diverged(self.cassette, at, self.name, kind, asked)
        tallies: list[Tally] = []
        try:
            sent = await send(key, size, tallies)
        except asyncio.CancelledError:
            cut = [tally.sent(None, "transport", "cut off") for tally in tallies if tally.attempts]
            if cut:  # the endpoint may bill it, so it stays on the account; a resumed run makes it again
                self._keep(key, at, kind, asked, "transport", None, "cut off", gathered(cut))
            raise
        spent = {
            "usage": sent.usage,
            "cost": sent.cost,
            "latency": sent.latency,
            "attempts": sent.attempts,
            "key": key,
            "keys": (key,),
        }
        if sent.answer is None:
            if sent.attempts:  # also where the budget then refused another try; without any, no call was made
                final = "transport" if sent.status == "budget" else sent.status
                self._keep(key, at, kind, asked, final, None, sent.error, sent)
            return _Settled(key, None, Outcome(sent.status, error=sent.error, **spent))
        reading = judge(sent.answer)
        self._keep(key, at, kind, asked, reading.status, dump(sent.answer), reading.error, sent)
        return _Settled(key, reading, _outcome(reading, sent.answer, **spent), sent.answer)

    def _keep(
        self,
        key: str,
        at: Place,
        kind: str,
        asked: dict[str, Any],
        status: Status,
        response: Any,
        error: str,
        sent: Any,
    ) -> None:
        if self.cassette is not None:
            self.cassette.put(make_record(key, at, self.name, kind, asked, status, response, error, sent))

    async def _send_chat(
        self, key: str, size: int, request: base.ChatRequest, tallies: list[Tally]
    ) -> Sent[base.RawAnswer]:
        """Ask with the schema as the endpoint takes it: by JSON schema, else in words with or without a JSON mode."""
        estimate = Usage(-(-size // BYTES_PER_TOKEN), request.max_tokens, True)
        name = canonical(request.json_schema) if self._not_for else ""
        tally = self.line.tally()
        tallies.append(tally)
        while True:
            shaped = request
            if request.json_schema is not None and not (self._takes["json_schema"] and name not in self._not_for):
                shaped = with_schema_in_words(request, self._takes["json_object"])
            elif request.json_object and not self._takes["json_object"]:
                shaped = replace(request, json_object=False)
            try:
                return await self.line.send(key, estimate, partial(self.provider.chat, shaped), tally)
            except base.Unsupported as problem:
                if problem.here and shaped.json_schema is not None:
                    self._not_for.add(name := canonical(request.json_schema))
                elif shaped.json_schema is not None:
                    self._takes["json_schema"] = False
                elif shaped.json_object:
                    self._takes["json_object"] = False
                else:
                    return tally.sent(None, "transport", str(problem))

    async def _send_score(self, key: str, request: base.ScoreRequest, tallies: list[Tally]) -> Sent[base.RawScores]:
        def estimate(part: base.ScoreRequest) -> Usage:
            texts = [
                part.prompt,
                *(text for question in part.questions for text in (question.suffix, *question.labels)),
            ]
            size = sum(len(text.encode("utf-8", "replace")) + 12 for text in texts)
            return Usage(size // BYTES_PER_TOKEN + 1, 1, True)

        async def one(name: str, part: base.ScoreRequest) -> Sent[base.RawScores]:
            tallies.append(tally := self.line.tally())
            return await self.line.send(name, estimate(part), lambda: self.provider.score(part), tally)

        if not self.provider.splits_score:
            return await one(key, request)
        parts = [replace(request, questions=(question,)) for question in request.questions]
        tasks = [asyncio.ensure_future(one(f"{key}/{number}", part)) for number, part in enumerate(parts)]
        try:
            sent = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return gathered(sent)


def _chat_json(request: base.ChatRequest) -> dict[str, Any]:
    """What was asked, for the key and the record."""
    asked: dict[str, Any] = {
        "messages": list(request.messages),
        "schema": request.json_schema,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "stop": list(request.stop),
        "seed": request.seed,
    }
    if request.tools:
        asked |= {"tools": list(request.tools), "tool_choice": request.tool_choice}
    if request.parallel_tools is not None:
        asked["parallel_tools"] = request.parallel_tools
    if request.json_object:
        asked["json_object"] = True
    return asked


def _read_scores(raw: base.RawScores) -> Reading:
    if raw.floored and raw.floored == sum(map(len, raw.values)):
        return Reading("parse_fail", error="none of the labels is among the next tokens that the endpoint listed")
    return Reading("ok", raw.values)


def _outcome(reading: Reading, raw: Any, **spent: Any) -> Outcome[Any]:
    text = getattr(raw, "text", "")
    if getattr(raw, "floored", 0):
        text = f"{raw.floored} label(s) were not listed by the endpoint: their numbers are upper bounds"
    own = raw.usage if raw.usage.total else spent["usage"]
    return Outcome(reading.status, reading.value, text, reading.error, own=own, **spent)
