"""An endpoint that fails in every known way: each failure is typed and counted, nobody is lost, nothing is made up."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
import re
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from fake_llm import FakeLLM
from recloop.llm import ModelConfigError
from recloop.runs import CallRecord, Event, Run, table_specs
from recloop.simulations import (
    SimulateConfig,
    prepare,
    replay,
    resume,
    simulate,
    summarise,
    write_picture,
    write_report,
)
from rehearsing import STAY, STAY_FAITHFUL, digest, events, rehearse, settings, status

PLANS = ("fused", "faithful")
NO_ANSWER = {"429": "transport", "500": "transport", "reset": "transport", "cut": "transport", "hang": "timeout"}
BAD_ANSWER = {"truncated": "parse_fail", "malformed": "parse_fail", "empty": "parse_fail"}
TYPED = NO_ANSWER | BAD_ANSWER
"""Kind of fault -> the status that a call ends with when all its tries meet it."""

CHOICES = {"page", "react"}
"""Nodes whose answer holds what a user does with a page."""


def faulty(folder: Path, server: FakeLLM, plan: str, faults: str, **changes: Any) -> SimulateConfig:
    """Settings for 16 users and 3 pages before an endpoint that fails only after its check; hangs cost little time."""
    server.configure(errors=faults, retry_after=0.01)
    timeout = 0.5 if "hang" in faults else 3.0  # waits between tries are measured by it
    given = {"model": "openai/fake", "base_url": server.base_url, "users": 16, "plan": plan, "timeout": timeout}
    return settings(folder, **given | changes)


def calls(path: Path) -> list[CallRecord]:
    with Run.open(path) as run:
        return list(run.calls.all())


def final(recorded: list[CallRecord]) -> list[CallRecord]:
    """The calls that ended the matter: an answer that was sent back gives way to its repair."""
    last = {(c.agent, c.page, c.node, c.sample % 1000): c for c in sorted(recorded, key=lambda c: c.sample)}
    return list(last.values())


def everybody_is_there(pages: list[Event], users: int, until: int) -> None:
    """Each user has a record for every page up to their exit, and all who did not exit saw the last page."""
    lives: dict[str, list[Event]] = {}
    for event in pages:
        lives.setdefault(event.agent, []).append(event)
    assert len(lives) == users
    for life in lives.values():
        assert [event.page for event in life] == list(range(len(life)))
        assert all(event.data["decision"]["next"] for event in life[:-1])
        assert len(life) == until or not life[-1].data["decision"]["next"]


def every_failure_is_counted(path: Path, config: SimulateConfig) -> Counter[str]:
    """What the cassette says failed is what the pages say failed; a page without choices has none. Returns failures by status."""
    pages, recorded = events(path), calls(path)
    failed = Counter((c.agent, c.page, c.node, c.status, c.key) for c in final(recorded) if c.status != "ok")
    said = Counter(
        (event.agent, event.page, f["node"], f["status"], f["call"]) for event in pages for f in event.data["failures"]
    )
    assert said == failed
    shown = positive = 0
    for event in pages:
        lost = any(f["node"] in CHOICES for f in event.data["failures"])
        assert len(event.data["actions"]) == (0 if lost else config.page_size)
        assert event.data["decision"]["invalid"] == any(
            # After a lost reflection nothing more is asked on that page either.
            f["node"] in CHOICES | {"decide"} or (f["node"] == "reflect" and f["status"] in ("transport", "timeout"))
            for f in event.data["failures"]
        )
        shown += len(event.data["actions"])
        positive += sum(action["positive"] for action in event.data["actions"])
    with Run.open(path) as run:
        summary = summarise(run)
    assert summary.pooled_watch_rate == pytest.approx(positive / shown)
    assert summary["invalid"].value == pytest.approx(
        sum(any(f["node"] != "interview" for f in event.data["failures"]) for event in pages) / len(pages)
    )
    return Counter(f["status"] for event in pages for f in event.data["failures"])


def every_try_is_on_the_account(path: Path, server: FakeLLM) -> None:
    stats = server.stats()
    assert sum(call.attempts for call in calls(path)) == stats["requests"] + stats["cancelled"]


def replays(path: Path, out: Path) -> None:
    first, again = asyncio.run(replay(path, out=out))
    assert first == again == digest(path)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("kind", TYPED)
def test_a_tenth_of_faults_is_survived_by_all_and_every_one_is_counted(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path, kind: str, plan: str
) -> None:
    server = fake_llm()
    config = faulty(tmp_path, server, plan, f"{kind}=0.1")
    path = rehearse(config, tmp_path / "run")
    assert status(path)[0] == "finished"
    assert server.stats()["injected"][kind] > 1
    assert {call.status for call in calls(path)} <= {"ok", TYPED[kind]}
    everybody_is_there(events(path), config.users, config.pages)
    every_failure_is_counted(path, config)
    every_try_is_on_the_account(path, server)
    replays(path, tmp_path / "again")


@pytest.mark.parametrize("kind", TYPED)
def test_where_tries_run_out_the_failure_is_typed_and_the_page_holds_no_choice(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path, kind: str
) -> None:
    server = fake_llm(script=STAY)
    few: dict[str, Any] = {"users": 8, "pages": 2, "timeout": 0.25} if kind == "hang" else {}  # each costs its time
    config = faulty(tmp_path, server, "fused", f"{kind}={0.6 if kind in NO_ANSWER else 0.4}", **few)
    path = rehearse(config, tmp_path / "run")
    assert status(path)[0] == "finished"
    everybody_is_there(events(path), config.users, config.pages)
    failures = every_failure_is_counted(path, config)
    assert failures[TYPED[kind]] == sum(failures.values()) > 1
    tries = 4 if kind in NO_ANSWER else 1
    assert all(call.attempts >= tries for call in calls(path) if call.status == TYPED[kind])
    every_try_is_on_the_account(path, server)
    replays(path, tmp_path / "again")


@pytest.mark.parametrize("plan", PLANS)
def test_all_faults_at_once_are_survived_typed_and_counted(
    fake_llm: Callable[..., FakeLLM], tmp_path: Path, plan: str
) -> None:
    server = fake_llm(script=STAY if plan == "fused" else STAY_FAITHFUL)
    config = faulty(tmp_path, server, plan, ",".join(f"{kind}=0.1" for kind in TYPED))
    path = rehearse(config, tmp_path / "run")
    assert status(path)[0] == "finished"
    assert set(server.stats()["injected"]) == set(TYPED)
    everybody_is_there(events(path), config.users, config.pages)
    assert every_failure_is_counted(path, config)["parse_fail"] > 5
    every_try_is_on_the_account(path, server)
    replays(path, tmp_path / "again")


# -- broken users, broken endpoint

LEAVE = [{**STAY[0], "reply": STAY[0]["reply"].replace('"decision": "next"', '"decision": "exit"')}]


def without_answer(config: SimulateConfig, users: list[int]) -> list[dict[str, Any]]:
    """Rules under which these users' prompts are turned down, whatever they ask."""
    personas = prepare(config).personas
    tastes = [re.escape(max(personas[user].tastes, key=len)) for user in users]
    assert len({p.tastes for p in personas}) == len(personas), "so that a prompt names its user"
    return [{"match": text, "status": 400} for text in tastes]


def test_a_broken_user_is_taken_out_and_the_others_go_on(fake_llm: Callable[..., FakeLLM], tmp_path: Path) -> None:
    server = fake_llm()
    config = faulty(tmp_path, server, "fused", "", pages=5, users=8)
    server.configure(script=[*without_answer(config, [2]), *STAY])
    path = rehearse(config, tmp_path / "run")
    assert status(path)[0] == "finished"
    broken = prepare(config).personas[2].user
    pages = Counter(event.agent for event in events(path))
    assert pages.pop(broken) == 3
    assert set(pages.values()) == {5}
    everybody_is_there(events(path), 8, 5)
    every_failure_is_counted(path, config)
    replays(path, tmp_path / "again")


def test_the_last_users_being_broken_is_no_lost_endpoint(fake_llm: Callable[..., FakeLLM], tmp_path: Path) -> None:
    server = fake_llm()
    config = faulty(tmp_path, server, "fused", "", users=6)
    server.configure(script=[*without_answer(config, [0, 3]), *LEAVE])
    path = rehearse(config, tmp_path / "run")
    assert status(path)[0] == "finished"
    assert Counter(event.page for event in events(path)) == {0: 6, 1: 2, 2: 2}
    replays(path, tmp_path / "again")


def test_a_dead_endpoint_before_the_last_users_pauses_the_run(fake_llm: Callable[..., FakeLLM], tmp_path: Path) -> None:
    server = fake_llm()
    config = faulty(tmp_path, server, "fused", "", users=2, timeout=2.0)
    check, page = {"match": "word ok", "times": 1, "reply": "ok"}, {**STAY[0], "times": 2}
    server.configure(script=[check, page, {"match": ".", "status": 503}])
    stands, reason, barrier = status(rehearse(config, tmp_path / "run"))
    assert (stands, barrier) == ("paused", 1)
    assert "2 of 2 users got no answer" in reason


# -- keys

KEY, PASSWORD, CODE = "sk-proj-0123456789abcdefXYZ", "hidden-password-1", "code-of-the-address-1"


@asynccontextmanager
async def repeating(server: FakeLLM) -> AsyncIterator[str]:
    """An endpoint before the fake one that repeats keys and addresses in its answers and, in every sixth, as an error."""
    asked = itertools.count(1)

    async def answer(request: web.Request) -> web.StreamResponse:
        told = f"{request.headers.get('authorization')} {request.url} {dict(request.headers)}"
        if next(asked) % 6 == 0:
            return web.json_response({"error": {"message": told}}, status=500)
        async with (
            ClientSession() as session,
            session.post(f"{server.base_url}/chat/completions", data=await request.read()) as reply,
        ):
            body = await reply.json()
        message = body["choices"][0]["message"]
        if "reason" in message["content"]:
            message["content"] = json.dumps({**json.loads(message["content"]), "reason": told})
        return web.json_response({**body, "model": told})

    app = web.Application()
    app.router.add_post("/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://me:{PASSWORD}@127.0.0.1:{runner.addresses[0][1]}/v1?code={CODE}"
    finally:
        await runner.cleanup()


def everything(path: Path) -> str:
    """All bytes of a run's folder, and once more what of its log is stored packed."""
    raw = "".join(file.read_bytes().decode("latin-1") for file in path.rglob("*") if file.is_file())
    with Run.open(path) as run:
        unpacked = [repr(call) for call in run.calls.all()] + [repr(event) for event in run.events()]
        unpacked += [repr(run.states()), *(str(run.table(name).to_pylist()) for name in table_specs("simulate"))]
    return raw + "".join(unpacked)


@pytest.mark.parametrize("named", ["model", "base_url"])
async def test_a_run_holds_no_key_whatever_the_endpoint_repeats(
    fake_llm: Callable[..., FakeLLM],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    named: str,
) -> None:
    server, path = fake_llm(script=STAY), tmp_path / "run"
    async with repeating(server) as address:
        where: dict[str, Any] = (
            {"model": f"{address}#m"} if named == "model" else {"model": "openai/m", "base_url": address}
        )
        config = settings(tmp_path, users=6, pages=3, budget="calls=16", **where)
        with caplog.at_level(logging.DEBUG):
            # A key takes the place of user and password, so both ways are walked: paused with it, gone on without.
            await simulate(config, out=path, api_key=KEY)
            assert status(path)[0] == "paused"
            with pytest.raises(ModelConfigError, match="give the whole address again") as caught:
                await resume(path, budget="calls=500")
            await resume(path, budget="calls=500", base_url=address)
        assert status(path)[0] == "finished"
    with Run.open(path) as run:
        write_report(run)
        write_picture(run)
    told = (
        everything(path) + caplog.text + "".join(capfd.readouterr()) + "".join(traceback.format_exception(caught.value))
    )
    assert "reason" in told
    for secret in (KEY, PASSWORD, CODE, base64.b64encode(f"me:{PASSWORD}".encode()).decode()):
        assert secret not in told
