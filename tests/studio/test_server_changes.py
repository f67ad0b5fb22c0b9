"""What the page changes: breakpoints, places, forks; going on, and stopping."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import Run
from recloop.simulations import simulate
from rehearsing import STAY, settings  # pyright: ignore[reportMissingImports]
from serving import Serve, Served, until  # pyright: ignore[reportMissingImports]
from streams import live  # pyright: ignore[reportMissingImports]


async def first_agent(served: Served, run: str = "") -> str:
    return (await served.get("/api/agents", params={"run": run})).said["columns"]["agent"][0]


async def ended(served: Served, run: str) -> dict[str, Any]:
    """How what went on in a run ended."""
    await until(lambda: served.api.crew.of(run) is None and run in served.api.crew.last)
    return (await served.get("/api/overview", params={"run": run})).said["stopped"]


async def test_breakpoints_are_kept_switched_and_taken_out(own: Path, serve: Serve) -> None:
    served = await serve(own)
    made = await served.post("/api/breakpoints", {"when": "satisfaction < 3"})
    assert (made.status, made.said) == (201, {"id": 1, "when": "satisfaction < 3", "against": None, "on": True})
    assert (await served.post("/api/breakpoints/switch", {"id": 1, "on": False})).said["on"] is False
    again = await serve(own)
    assert (await again.get("/api/breakpoints")).said["breakpoints"] == [{**made.said, "on": False}]
    assert (await again.post("/api/breakpoints/clear", {"id": 1})).said["breakpoints"] == []
    assert (await again.post("/api/breakpoints/clear", {"id": 1})).status == 422


async def test_what_is_wrong_in_a_condition_is_pointed_at(own: Path, serve: Serve) -> None:
    served = await serve(own)
    answer = await served.post("/api/breakpoints", {"when": "satisfactoin < 3"})
    assert answer.status == 422
    assert "satisfactoin < 3\n" in answer.said["error"]
    assert answer.said["error"].splitlines()[-1].strip().startswith("^"), "the caret stands below its place"
    assert "satisfaction" in answer.said["hint"]
    assert (await served.get("/api/breakpoints")).said["breakpoints"] == []


async def test_a_place_is_gone_to_stepped_from_and_kept(own: Path, serve: Serve) -> None:
    served = await serve(own)
    agent = await first_agent(served)
    assert (await served.get("/api/place")).said["place"] is None
    place = (await served.post("/api/place", {"agent": agent, "page": 0})).said["place"]
    assert (place["agent"], place["page"]) == (agent, 0)
    other = (await served.post("/api/step", {"stride": "agent"})).said["place"]
    assert other["agent"] != agent
    assert (await (await serve(own)).get("/api/place")).said["place"] == other
    assert (await served.post("/api/place", {"agent": agent, "page": 99})).status == 422


async def test_find_tells_a_moment_and_moves_nowhere(own: Path, serve: Serve) -> None:
    served = await serve(own)
    found = (await served.post("/api/find", {"when": "page == 1"})).said["hit"]
    assert (found["place"]["page"], found["values"]["page"]) == (1, 1)
    later = (await served.post("/api/find", {"when": "page == 1", "after": found["place"]})).said["hit"]
    assert later["place"] != found["place"]
    assert (await served.post("/api/find", {"when": "page == 77"})).said == {"hit": None}
    assert (await served.get("/api/place")).said["place"] is None


async def test_a_fork_is_made_lived_and_held_against_its_parent(own: Path, serve: Serve) -> None:
    served = await serve(own)
    agent = await first_agent(served)
    with Run.open(own) as run:
        before = run.digest()
    made = await served.post("/api/fork", {"page": 1, "edits": [f"{agent}: state satisfaction=1"], "name": "a"})
    assert (made.status, made.said) == (201, {"run": "a"})
    async with live(served, "a") as stream:
        started = await served.post("/api/go-on", {"run": "a"})
        assert (started.status, started.said["what"]) == (202, "go-on")
        stopped = await stream.next("stopped", run="a")
    assert stopped["status"] == "finished", stopped
    assert await ended(served, "a") == stopped
    overview = (await served.get("/api/overview?run=a")).said
    assert (overview["parent"], overview["barrier"], overview["touched"]) == (own.name, 1, [agent])
    difference = (await served.get("/api/diff?run=a")).said
    assert (difference["a"], difference["b"]) == ({"run": "", "name": own.name}, {"run": "a", "name": "a"})
    assert set(difference["agents"]) <= {agent}
    assert difference["same"] >= 9
    tree = (await served.get("/api/tree")).said
    assert (tree["run"], [each["run"] for each in tree["forks"]]) == ("", ["a"])
    with Run.open(own) as run:
        assert run.digest() == before, "the parent is never written"


async def test_a_fork_of_a_fork_has_an_address_of_its_own(own: Path, serve: Serve) -> None:
    served = await serve(own)
    await served.post("/api/fork", {"page": 1, "name": "a"})
    await served.post("/api/go-on", {"run": "a"})
    await ended(served, "a")
    made = await served.post("/api/fork", {"run": "a", "page": 2, "name": "b"})
    assert made.said == {"run": "a/b"}
    inner = await serve(own / "forks" / "a")
    assert (await inner.get("/api/tree")).said["forks"][0]["run"] == "b", "seen from the fork that was opened"
    assert (await inner.get("/api/overview?run=a")).status == 404, "nothing above or beside it can be named"


async def test_a_run_goes_on_to_its_breakpoint(own: Path, serve: Serve) -> None:
    served = await serve(own)
    await served.post("/api/fork", {"page": 0, "name": "a"})
    await served.post("/api/breakpoints", {"run": "a", "when": "page == 1"})
    await served.post("/api/go-on", {"run": "a"})
    stopped = await ended(served, "a")
    assert (stopped["status"], stopped["page"]) == ("paused", 2)
    assert (stopped["hit"]["place"]["page"], stopped["hit"]["breakpoint"]["when"]) == (1, "page == 1")


@pytest.mark.parametrize(
    "edit",
    [
        "prompt page=@/etc/passwd",
        "prompt page = @/etc/passwd",
        "u1: prompt page=@/etc/passwd",
        "u1:prompt page=@x",
        "answer abcd=@/etc/passwd",
        "model=http://evil.example/v1#m",
        "u1: model=local:/tmp/evil.gguf",
        "config model=http://evil.example/v1#m",
        "config base_url=http://evil.example",
        "config recommender=evil:make",
        "config recommender=evil.py",
        'config recommender="http://evil.example"',
        "config actions=evil:ACTIONS",
        "config data=/etc/passwd",
        'config recommender_config={"path": "/etc/passwd"}',
        'config recommender_config={"auth_env": "OPENAI_API_KEY"}',
        'config recommender_config={"headers": {"Authorization": "x"}}',
        'config prompts={"page": "/etc/passwd"}',
        "config prompts.page=/etc/passwd",
    ],
)
async def test_the_page_names_no_file_no_address_and_no_code(own: Path, serve: Serve, edit: str) -> None:
    served = await serve(own)
    answer = await served.post("/api/fork", {"page": 1, "edits": [edit]})
    assert answer.status == 422
    assert "the page" in answer.said["error"] or "no file" in answer.said["error"]
    assert (await served.get("/api/tree")).said["forks"] == []


async def test_a_key_is_sent_to_no_other_address_than_the_run_s(own: Path, serve: Serve) -> None:
    served = await serve(own, api_key="a-secret-key-1")
    for model in ("http://evil.example/v1#m", "local:/tmp/x.gguf", "https://evil.example#scripted"):
        answer = await served.post("/api/ask-again", {"key": "abcd", "model": model})
        assert (answer.status, "address" in answer.said["error"]) == (422, True)


async def test_what_goes_on_is_told_stopped_and_left_paused_at_a_whole_page(
    tmp_path: Path, serve: Serve, fake_llm: Any
) -> None:
    llm = fake_llm(latency="fixed:300", slots=4, script=STAY)
    config = settings(tmp_path, model=f"{llm.base_url}#fake", users=12, pages=6)
    path = await simulate(config.model_copy(update={"pages": 1}), out=tmp_path / "run", api_key="x")
    served = await serve(path, api_key="x")
    await served.post("/api/fork", {"page": 0, "name": "a"})
    refused = await served.post("/api/stop", {"run": "a"})
    assert (refused.status, "nothing goes on" in refused.said["error"]) == (409, True)
    # A fork ends where its parent was to end: it is given another cap.
    await served.post("/api/fork", {"page": 1, "name": "b", "edits": ["config pages=6"]})
    async with live(served, "b") as stream:
        assert (await served.post("/api/go-on", {"run": "b"})).status == 202
        twice = await served.post("/api/go-on", {"run": "b"})
        assert (twice.status, "already" in twice.said["error"]) == (409, True)
        told = await stream.next("living", run="b", stage="browsing")
        assert told["total"] > 0
        assert (await served.get("/api/overview?run=b")).said["living"]["what"] == "go-on"
        assert (await served.get("/api/agents?run=b")).status == 200, "the page is answered meanwhile"
        assert (await served.post("/api/stop", {"run": "b"})).said["stage"].startswith("stopping")
        stopped = await stream.next("stopped", run="b")
    assert (stopped["status"], stopped["hit"]) == ("paused", None)
    with Run.open(path / "forks" / "b") as run:
        assert run.status == "paused"
    assert (await served.post("/api/go-on", {"run": "b"})).status == 202, "it goes on again"


async def test_an_end_of_the_server_pauses_what_goes_on(tmp_path: Path, serve: Serve, fake_llm: Any) -> None:
    llm = fake_llm(latency="fixed:200", slots=2, script=STAY)
    config = settings(tmp_path, model=f"{llm.base_url}#fake", users=10, pages=4)
    path = await simulate(config.model_copy(update={"pages": 1}), out=tmp_path / "run", api_key="x")
    served = await serve(path, api_key="x")
    await served.post("/api/fork", {"page": 1, "name": "b", "edits": ["config pages=4"]})
    await served.post("/api/go-on", {"run": "b"})
    await until(lambda: (work := served.api.crew.of("b")) is not None and work.shown()["stage"] == "browsing")
    await served.api.close()
    with Run.open(path / "forks" / "b", write=True) as run:
        assert run.status == "paused"


async def test_a_run_that_another_process_writes_does_not_go_on_here(own: Path, serve: Serve) -> None:
    served = await serve(own)
    with Run.open(own, write=True):
        answer = await served.post("/api/go-on", {})
    assert (answer.status, "being written" in answer.said["error"]) == (409, True)


async def test_a_recording_is_checked_without_a_model(own: Path, serve: Serve) -> None:
    served = await serve(own)
    said = (await served.post("/api/replay", {})).said
    with Run.open(own) as run:
        assert (said["same"], said["digest"], said["replayed"]) == (True, run.digest(), run.digest())


async def test_a_call_is_asked_again_beside_the_old_one(tmp_path: Path, serve: Serve, fake_llm: Any) -> None:
    llm = fake_llm(script=STAY)
    config = settings(tmp_path, model=f"{llm.base_url}#fake", users=2, pages=1)
    path = await simulate(config, out=tmp_path / "run", api_key="x")
    served = await serve(path, api_key="x")
    agent = await first_agent(served)
    key = (await served.get(f"/api/agent?agent={agent}")).said["pages"][0]["calls"][0]
    call = (await served.get(f"/api/call?key={key}")).said
    assert call["messages"]
    said = (await served.post("/api/ask-again", {"key": key, "samples": 2})).said
    assert said["old"]["key"] == key
    assert len(said["new"]) == 2
    with Run.open(path) as run:
        assert len(run.calls) == (await served.get("/api/overview")).said["calls"], "nothing of the run changes"


async def test_several_pages_at_once_lose_no_breakpoint(own: Path, serve: Serve) -> None:
    served = await serve(own)
    await asyncio.gather(*(served.post("/api/breakpoints", {"when": f"page == {n}"}) for n in range(20)))
    kept = (await served.get("/api/breakpoints")).said["breakpoints"]
    assert len({each["id"] for each in kept}) == len({each["when"] for each in kept}) == 20
