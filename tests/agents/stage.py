"""A small stage for user agents: a catalogue, one person, pages, and an endpoint whose every answer a test writes."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from recloop.agents import Exposure, Persona, Slate, UserContext, World, new_state, page_graph, page_input
from recloop.agents.actions import FILMS
from recloop.data import Ids, ItemTable, RatingScale
from recloop.llm import MemoryCassette, open_model

TITLES = {f"f{i}": f"Film number {i} ({1960 + i})" for i in range(48)}
STARS = RatingScale(1, 5)


def world(titles: Mapping[str, str] = TITLES, **changes: Any) -> World:
    """What users share. Titles stand in the catalogue just as they are given, not cleaned by a reader."""
    ids = Ids(tuple(titles), "item")
    genres = tuple((("Drama",), ("Comedy", "Crime"), ())[i % 3] for i in range(len(ids)))
    catalogue = ItemTable(ids, tuple(titles.values()), genres)
    return World(**{"catalogue": catalogue, "scale": STARS, "actions": FILMS, "seed": 7, "pages": 5} | changes)


def person(user: str = "ann", **changes: Any) -> Persona:
    known: dict[str, Any] = {
        "user": user,
        "activity": 2,
        "conformity": 1,
        "diversity": 3,
        "mean_rating": 3.4,
        "tastes": ("You often choose Drama.", "You do not care for Crime."),
        "rating_tendency": "You rate rather kindly.",
        "liked": ("f40", "f41"),
    }
    return Persona(**known | changes)


def slate(page: int = 0, user: str = "ann", items: Sequence[str] = (), turn: int = 1) -> Slate:
    """Four items a page (or `items`); the one at slot s is met at place (s + turn) mod n."""
    shown = list(items) or [f"f{4 * page + i}" for i in range(4)]
    n = len(shown)
    return Slate(user, page, tuple(Exposure(item, s, (s + turn) % n) for s, item in enumerate(shown)))


@dataclass
class Visit:
    """One user's pages through the graph, as a rehearsal runs them."""

    asker: Any
    persona: Persona = field(default_factory=person)
    checkpointer: Any = None
    fine: bool = False
    durability: str = "exit"
    state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.checkpointer is None:
            from langgraph.checkpoint.memory import InMemorySaver

            self.checkpointer = InMemorySaver()
        self.world = self.asker.world
        self.graph = page_graph(self.checkpointer, fine=self.fine)
        self.context = UserContext(self.persona, self.world, self.asker)
        self.config: dict[str, Any] = {"configurable": {"thread_id": self.persona.user}}

    async def page(self, shown: Slate) -> dict[str, Any]:
        """Live one page; the state after it. Whether the user has left is not asked."""
        given = page_input(shown)
        if shown.page == 0:
            given = {**new_state(self.persona), **given}
        self.state = await self.graph.ainvoke(given, self.config, context=self.context, durability=self.durability)
        return self.state

    async def pages(self, n: int, first: int = 0) -> list[dict[str, Any]]:
        return [await self.page(slate(p, self.persona.user)) for p in range(first, first + n)]


Answer = Callable[[dict[str, Any]], Any]


@dataclass
class Asked:
    """Where the endpoint is, and every request body it has had, oldest first."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def door(self, **options: Any) -> Any:
        options.setdefault("cassette", MemoryCassette())
        return open_model(f"{self.url}#m", **options)

    def text(self, call: int = -1) -> str:
        """All messages of one request."""
        return "\n".join(m["content"] for m in self.bodies[call]["messages"])


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    return body["response_format"]["json_schema"]["schema"]["properties"]


def keys_of(body: dict[str, Any]) -> list[str]:
    """The items that a page's answer is about, in the schema's order."""
    return list(schema_of(body)["choices"]["properties"])


def good(body: dict[str, Any], take: Callable[[list[str]], Sequence[str]] = lambda keys: keys[:1], **said: Any) -> Any:
    """An answer that fits whatever was asked: the items of `take` are taken up and rated `rating`, the others skipped."""
    properties = schema_of(body)
    answer: dict[str, Any] = {}
    for name, part in properties.items():
        if name == "choices":
            taken = set(take(keys_of(body)))
            answer[name] = {key: _choice(part["properties"][key], key in taken, said) for key in keys_of(body)}
        else:
            plain = {"decision": "next", "satisfaction": 6, "likes": ["slow films"], "dislikes": []}
            answer[name] = said.get(name, plain.get(name, f"a word of {name}"))
    return answer


def actions_of(choice: dict[str, Any]) -> list[str]:
    """The actions that the schema of a choice allows, weakest first, whether they stand in one object or in a union."""
    return [name for part in choice.get("anyOf", [choice]) for name in part["properties"]["action"]["enum"]]


def _choice(schema: dict[str, Any], taken: bool, said: dict[str, Any]) -> dict[str, Any]:
    actions = actions_of(schema)
    choice = {
        "fits": taken,
        "action": said.get("action", actions[-1]) if taken else actions[0],
        "why": said.get("why", "so it is"),
    }
    if "rating" in json.dumps(schema):
        choice["rating"] = said.get("rating", 4) if taken else None
    return choice


@asynccontextmanager
async def endpoint(answer: Answer) -> AsyncIterator[Asked]:
    """An OpenAI-compatible endpoint. `answer(body)` gives text, a value to be sent as JSON, or (in "logprobs") the
    log-probabilities of next tokens as {token: nats}."""
    from aiohttp import web

    asked = Asked()

    async def handle(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        asked.bodies.append(body)
        said = answer(body)
        if inspect.isawaitable(said):
            said = await said
        choice: dict[str, Any] = {"finish_reason": "stop"}
        if body.get("logprobs"):
            top = [{"token": token, "logprob": number} for token, number in said.items()]
            choice |= {"message": {"content": ""}, "logprobs": {"content": [{**top[0], "top_logprobs": top}]}}
        else:
            choice["message"] = {"content": said if isinstance(said, str) else json.dumps(said)}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 1}})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    asked.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield asked
    finally:
        await runner.cleanup()


def yes_no(body: dict[str, Any], verdict: str = "good") -> dict[str, float]:
    """Log-probabilities that depend on the text asked alone: yes and no, or the words of the verdict."""
    from recloop.agents.randomness import uniform

    text = body["messages"][-1]["content"]
    if text.endswith("Answer:"):
        draw = uniform(0, text)
        return {" Yes": -1.0 - 2 * draw, " No": -0.5}
    words = (" terrible", " bad", " okay", " good", " great")
    return {word: -1.5 - 2 * uniform(0, text, word) for word in words}
