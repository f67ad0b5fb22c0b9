"""One recorded call put again to a live model, as it was or otherwise, old and new side by side. Nothing of the run changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...llm import ModelConfigError, Price, open_model
from ...llm.cassette import MemoryCassette
from ...llm.door import Door
from ...llm.types import Place, Question
from ...runs import CallRecord, Run
from ...runs.redact import REDACTED, scrub
from ..config import checked
from ..settling import all_settled
from .callviews import call_view, full_key, view_of
from .errors import DebugError
from .in_force import Edits
from .reading import check_rehearsal
from .views import CallView, Reasked

MOST = 100
"""Samples of one call."""


async def ask_again(
    run: Run,
    key: str,
    *,
    messages: Sequence[Mapping[str, Any]] | None = None,
    model: str | None = None,
    temperature: float | None = None,
    samples: int = 1,
    api_key: str | None = None,
) -> Reasked:
    """Put a recorded call again, `samples` times. The first has the recorded seed, if any, each further one another.

    An answer is shown as it comes; none is sent back to be mended. Raises `DebugError` for what cannot be asked: scripted
    users, an unknown call, a wrong key, an unknown model.
    """
    check_rehearsal(run)
    config = checked(run.manifest.config)
    if config.scripted:
        raise DebugError(
            "scripted users ask no model: there is nothing to ask again\n  interview them: recloop interview"
        )
    old = call_view(run, key)
    record = run.calls.get(full_key(run, key))
    assert record is not None
    if record.kind not in ("chat", "score"):
        raise DebugError(f"call {record.key[:12]} is a {record.kind} of the endpoint: nothing was asked of the model")
    asked = _otherwise(record, messages, temperature)
    if not 1 <= samples <= MOST:
        raise DebugError(f"{samples} samples\n  give 1 to {MOST}")
    own = Edits.of(run).model(record.agent, record.page) or config.model
    name = model or own
    # A key, and an address given apart from the name, go to where they were meant for and nowhere else.
    same = _service(name) == _service(config.model)
    made = MemoryCassette()
    try:
        door = open_model(
            name,
            cassette=made,
            concurrency=config.concurrency,
            timeout=config.timeout,
            api_key=api_key if same else None,
            base_url=config.base_url if same else None,
            price=Price.parse(config.price) if same else None,
        )
        try:
            keys = await all_settled(_put(door, record, asked, sample) for sample in range(samples))
        finally:
            await door.close()
    except ModelConfigError as error:
        raise DebugError(_without(api_key, str(error))) from None
    changes: dict[str, Any] = {
        name: [record.request.get(name), asked[name]] for name in asked if asked[name] != record.request.get(name)
    }
    if door.name != record.model:
        changes["model"] = [record.model, door.name]
    return Reasked(old, [_shown(made.records[each], api_key) for each in keys], changes)


def _service(model: str) -> str:
    """Where a model is asked, by its name: the address, or the provider."""
    return model.partition("#")[0] if model.startswith(("http://", "https://")) else model.partition("/")[0]


def _otherwise(
    record: CallRecord, messages: Sequence[Mapping[str, Any]] | None, temperature: float | None
) -> dict[str, Any]:
    """The recorded request with what is put otherwise. Raises `DebugError` for what no model can be asked."""
    asked = dict(record.request)
    if messages is not None:
        said = [dict(each) if isinstance(each, Mapping) else {} for each in messages]
        if not said or not all(isinstance(each.get("role"), str) and "content" in each for each in said):
            raise DebugError('messages are a list of {"role": …, "content": …}, at least one')
        if record.kind == "score":
            if len(said) != 1 or not isinstance(said[0]["content"], str):
                raise DebugError("a scoring call has one text: give one message")
            asked["prompt"] = said[0]["content"]
        else:
            asked["messages"] = said
    if temperature is not None:
        if record.kind == "score":
            raise DebugError("a scoring call reads likelihoods and draws nothing: it has no temperature")
        if not (math.isfinite(temperature) and 0 <= temperature <= 2):
            raise DebugError(f"a temperature of {temperature:g}\n  give 0 to 2")
        asked["temperature"] = temperature
    return asked


async def _put(door: Door, record: CallRecord, asked: Mapping[str, Any], sample: int) -> str:
    """Make the call; its key in the door's own cassette."""
    at = Place(record.agent, record.page, record.node, record.sample + sample)
    if record.kind == "score":
        questions = [Question(suffix, tuple(labels), bool(alone)) for suffix, labels, *alone in asked["questions"]]
        if asked.get("whole"):
            return (await door.loglik(asked["prompt"], questions[0].labels, at=at)).key
        return (await door.score(asked["prompt"], questions, at=at)).key
    seed = asked.get("seed")
    outcome = await door.exchange(
        asked["messages"],
        tools=asked.get("tools") or (),
        tool_choice=asked.get("tool_choice"),
        parallel_tools=asked.get("parallel_tools"),
        json_schema=asked.get("schema"),
        json_object=bool(asked.get("json_object")),
        at=at,
        temperature=asked.get("temperature") or 0.0,
        max_tokens=asked.get("max_tokens") or 512,
        stop=asked.get("stop") or (),
        seed=None if seed is None else seed + sample,
    )
    return outcome.key


def _shown(record: CallRecord, api_key: str | None) -> CallView:
    view = view_of(record)
    return replace(view, error=_without(api_key, view.error))


def _without(api_key: str | None, text: str) -> str:
    text = scrub(text)
    return text.replace(api_key, REDACTED) if api_key and len(api_key) > 3 else text
