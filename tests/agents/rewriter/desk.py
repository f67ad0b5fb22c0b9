"""What the tests of the rewriting agents share: scripts of the fake server, and a rewriting in one line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from recloop.agents.rewriter.carry import rewrite
from recloop.agents.rewriter.config import checked
from recloop.runs import Run

INTENT, WRITER, JUDGE = "say plainly what they need", "You play one person", "You check rewritten"
NEED = {"match": INTENT, "json": {"need": "gloves, warm, for cycling"}}
TEXT = {"match": WRITER, "json": {"query": "wording {{hash 8}}"}}


def verdict(meaning: str = "same", persona: str = "yes", reason: str = "", **rule: Any) -> dict[str, Any]:
    return {"match": JUDGE, "json": {"meaning": meaning, "persona": persona, "reason": reason}, **rule}


GOOD = [NEED, TEXT, verdict()]
MIXED = [
    NEED,
    TEXT,
    {
        "match": JUDGE,
        "json": {
            "meaning": "{{pick same|same|different|unsure}}",
            "persona": "{{pick yes|yes|no}}",
            "reason": "{{words 3}}",
        },
    },
]


def settings(server: Any, **given: Any) -> Any:
    base = {"queries": ("warm gloves for cycling",), "model": "openai/fake", "base_url": server.base_url}
    return checked({**base, "persona": ("student",), "check": "words", **given})


def rewritten(folder: Path, server: Any, **given: Any) -> Path:
    return asyncio.run(rewrite(settings(server, **given), out=folder, api_key="x"))


def came_of(path: Path) -> list[dict[str, Any]]:
    """What came of every query and persona."""
    with Run.open(path) as run:
        return [dict(event.data) for event in run.events(kind="rewrite")]


def rounds_of(path: Path) -> list[dict[str, Any]]:
    with Run.open(path) as run:
        return [dict(event.data) for event in run.events(kind="round")]


def digest(path: Path) -> str:
    with Run.open(path) as run:
        assert run.status == "finished", run.manifest.reason
        return run.digest()


def prompts(server: Any, mark: str) -> list[str]:
    """What was asked, of one sort, as one text each."""
    texts = ["\n".join(m["content"] for m in body["messages"]) for body in server.requests() if "messages" in body]
    return [text for text in texts if mark in text]
