"""A small world to rehearse in: a ratings table, its settings, what a run's log says, an endpoint that never lets go."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import numpy as np
from recloop.runs import Event, Run
from recloop.simulations import SimulateConfig, simulate

GENRES = ("Drama", "Comedy", "Action", "Horror", "Romance")


def title(item: str) -> str:
    """A title that is part of no other title, and of nothing else in a prompt: Zif-007 (1990)."""
    return f"Zif-{int(item[1:]):03d}"


def write_ratings(path: Path, *, users: int = 40, items: int = 60, per_user: int = 24, seed: int = 3) -> Path:
    """Ratings from 1 to 5 of users u0, u1, ... for films m0, m1, ...: each user likes every fourth film."""
    rng = np.random.default_rng(seed)
    rows = ["user,item,rating,timestamp,title,genres"]
    for user in range(users):
        liked = (np.arange(items) % 4 == user % 4) * 2.0
        weights = (liked + 1) / (liked + 1).sum()
        for at, item in enumerate(rng.choice(items, size=min(per_user, items), replace=False, p=weights)):
            stars = int(np.clip(rng.normal(3 + liked[item] / 2, 1), 1, 5))
            name = f"{title(f'm{item}')} ({1960 + item % 60})"
            genres = f"{GENRES[item % 4]}|{GENRES[(item // 4) % 5]}"
            rows.append(f"u{user},m{item},{stars},{1_600_000_000 + 1000 * at},{name},{genres}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def settings(folder: Path, **changes: Any) -> SimulateConfig:
    """Settings over `ratings.csv` in `folder`, which is written where it is missing."""
    data = folder / "ratings.csv"
    if not data.exists():
        write_ratings(data)
    return SimulateConfig(**{"data": str(data), "recommender": "ease", "users": 10, "pages": 3} | changes)


def rehearse(config: SimulateConfig, out: Path, **options: Any) -> Path:
    """`simulate` from plain code."""
    return asyncio.run(simulate(config, out=out, api_key="x", **options))


def events(path: Path, kind: str = "page") -> list[Event]:
    """The events of one kind in a run's log."""
    with Run.open(path) as run:
        return list(run.events(kind=kind))


def digest(path: Path) -> str:
    """The run's digest."""
    with Run.open(path) as run:
        return run.digest()


def status(path: Path) -> tuple[str, str, int]:
    """How a run stands: status, reason, last barrier."""
    with Run.open(path) as run:
        return run.status, run.manifest.reason, run.barrier


_CHOICE = '{"fits": {{pick true|false}}, "action": "{{pick skip|watch}}", "rating": {{int 1 5}}, "why": "{{words 8}}"}'
STAY: list[dict[str, Any]] = [
    {
        "match": r"<<<items\n.*\[(?P<final>[^\]\n]+)\][^\n]*\n>>>",
        "where": "user",
        "each": {"item": r"\[([^\]\n]+)\][^\n]*\n(?=\[)"},
        "reply": '{"choices": { {{each item}}"{{1}}": '
        + _CHOICE
        + ', {{end}}"{{final}}": '
        + _CHOICE
        + '}, "feeling": "{{words 12}}", "satisfaction": {{int 1 10}}, "decision": "next", "reason": "{{words 10}}"}',
    },
    {
        "match": "next page or exit",
        "where": "user",
        "json": {"satisfaction": "{{int 1 10}}", "decision": "next", "reason": "{{words 10}}"},
    },
]
"""A script of the fake server under which every user stays to the last page (plan fused)."""
STAY_FAITHFUL = [{**STAY[0], "reply": STAY[0]["reply"].split(', "feeling"')[0] + "}"}, STAY[1]]
"""The same for plan faithful, whose page answer holds choices alone."""


class ScoringServer:
    """An endpoint that lists log-probabilities: of Yes and No, of verdicts, drawn from the prompt; counts what it is asked.

    `fails(prompt)` says which prompts are answered with 500, `yes(prompt)` how many nats Yes is ahead beyond chance.
    `lists=False`: it answers, without log-probabilities.
    """

    LABELS = ("Yes", "No", "terrible", "bad", "okay", "good", "great")

    def __init__(self, lists: bool = True) -> None:
        self.lists = lists
        self.fails: Callable[[str], bool] = lambda prompt: False
        self.yes: Callable[[str], float] = lambda prompt: 0.0
        self.prompts: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                prompt = body["messages"][-1]["content"]
                server.prompts.append(prompt)
                draw = np.random.default_rng(zlib.crc32(prompt.encode()))
                time.sleep(draw.uniform(0, 0.01))  # so that answers come out of order
                listed = [{"token": label, "logprob": float(-draw.uniform(0.1, 5))} for label in server.LABELS]
                listed[0]["logprob"] += server.yes(prompt)
                logprobs = {"content": [{**listed[0], "top_logprobs": listed}]} if server.lists else None
                choice = {"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}
                usage = {"prompt_tokens": -(-len(prompt.encode()) // 4), "completion_tokens": 1}
                answer: dict[str, Any] = {"choices": [{**choice, "logprobs": logprobs}], "usage": usage}
                failed = server.fails(prompt)
                raw = json.dumps({"error": {"message": "down"}} if failed else answer).encode()
                head = f"HTTP/1.1 {'500 Down' if failed else '200 OK'}\r\ncontent-length: {len(raw)}\r\n\r\n"
                self.wfile.write(head.encode() + raw)

            def log_message(self, format: str, *args: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
