"""One recorded model call, as people read it: what was asked, what came back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .output import CommandError, print_json, say

if TYPE_CHECKING:
    from ..runs import CallRecord, Run


def show_call(run: Run, start: str, as_json: bool) -> None:
    """Print the call whose key begins so. Raises `CommandError` where none does, or several do."""
    found = [call for call in run.calls.all() if call.key.startswith(start)] if start else []
    if len(found) != 1:
        raise CommandError(
            f"{len(found) or 'no'} recorded call{'s' * (len(found) != 1)} of {run.path} begin{'s' * (len(found) == 1)} with {start!r}\n"
            "  keys stand in the column `call` of the tables, and in the report beside every page"
        )
    call = found[0]
    if as_json:
        print_json(asdict(call))
        return
    say(f"call {call.key}", style="bold")
    say(
        f"user {call.agent or '-'}, page {call.page + 1 if call.page >= 0 else 'before the first'}, {call.node}, {call.model}",
        style="dim",
    )
    took = f"{call.prompt_tokens} tokens sent, {call.completion_tokens} received, {call.attempts} tries, {call.latency:.2f} s"
    say(f"{call.status}: {took}" + (f"; {call.error}" if call.error else ""), style="dim")
    for role, text in _asked(call):
        say(f"\n{role}", style="bold")
        say(text)
    say("\nanswer", style="bold")
    say(_answered(call))


def _asked(call: CallRecord) -> list[tuple[str, str]]:
    request: dict[str, Any] = call.request
    if "messages" in request:
        return [(message["role"], str(message.get("content") or "")) for message in request["messages"]]
    asked = [f"{suffix!r}: {', '.join(map(repr, labels))}" for suffix, labels, *_ in request.get("questions", [])]
    return [
        ("prompt", str(request.get("prompt", ""))),
        ("questions, and the labels whose likelihoods are read", "\n".join(asked)),
    ]


def _answered(call: CallRecord) -> str:
    response: Any = call.response or {}
    if "text" in response:
        return str(response["text"])
    rows = response.get("values", [])
    return "\n".join(", ".join(f"{value:.3f}" for value in row) for row in rows) or "none"
