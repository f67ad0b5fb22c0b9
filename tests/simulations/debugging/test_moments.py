"""A page lived again says what the graph, its checkpoints and the log said, for every way of answering."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from recloop.agents.user_graph import page_graph
from recloop.runs import CallRecord, Run, prune
from recloop.simulations.debugging import Debugger, Moment, Place
from recloop.simulations.debugging.callviews import view_of
from recloop.simulations.debugging.errors import DebugError
from recloop.simulations.debugging.moments import _given, _state_before, changes, stage
from recloop.simulations.debugging.population import born
from recloop.simulations.debugging.reading import page_event
from rehearsing import STAY_FAITHFUL, rehearse, settings

NODES = ["observe", "react", "remember", "reflect", "decide"]


def lived(debugger: Debugger) -> list[tuple[Any, list[Moment]]]:
    """Every page of a run beside its moments."""
    return [
        (event, asyncio.run(debugger.moments(event.agent, event.page))) for event in debugger.run.events(kind="page")
    ]


def checkpoint_after(run: Run, agent: str, page: int) -> dict[str, Any]:
    """What the graph kept of an agent after a page."""
    for each in run.saver().list({"configurable": {"thread_id": agent, "checkpoint_ns": ""}}):
        if each.checkpoint["channel_values"]["page"] == page:
            return dict(each.checkpoint["channel_values"])
    raise AssertionError(f"no checkpoint of {agent} after page {page}")


def agrees(debugger: Debugger) -> list[list[Moment]]:
    """Asserts for every page: last node == checkpoint == event, each node begins where the one before ended."""
    pages = lived(debugger)
    for event, moments in pages:
        names = [moment.place.node for moment in moments]
        assert names == NODES + ["interview"] * ("interview" in event.data)
        assert all(a.after == b.before for a, b in pairwise(moments))
        after = {k: v for k, v in checkpoint_after(debugger.run, event.agent, event.page).items() if "__" not in k}
        assert moments[4].after == after
        record = moments[-1].after["record"]
        said = {name: record[name] for name in ("decision", "memories", "failures", "exposures")}
        assert said == {name: event.data[name] for name in said}
        assert record.get("interview") == event.data.get("interview")
        calls = [call.key for moment in moments for call in moment.calls]
        made = [c.key for c in debugger.run.calls.all(agent=event.agent, page=event.page)]
        assert sorted(calls) == sorted(made)
    return [moments for _, moments in pages]


@pytest.mark.parametrize("plan", ["fused", "faithful"])
def test_the_last_node_is_the_checkpoint_and_the_event(look: Callable[[str], Debugger], plan: str) -> None:
    pages = agrees(look(plan))
    assert len(pages) > 12
    asked = {moment.place.node for moments in pages for moment in moments if moment.calls}
    assert asked == ({"react", "interview"} if plan == "fused" else {"react", "reflect", "decide", "interview"})


async def test_every_node_is_that_of_the_fine_graph(look: Callable[[str], Debugger]) -> None:
    run = look("faithful").run
    event = max(run.events(kind="page"), key=lambda each: each.page)
    on, page = await stage(run), page_event(run, event.agent, event.page)
    given = _given(on, page, await _state_before(run, on, event.agent, event.page))
    context = on.context(born(run, event.agent), event.page)
    graph = page_graph(fine=True)
    steps = [each async for each in graph.astream(given, context=context, stream_mode="values")]
    moments = await look("faithful").moments(event.agent, event.page)
    assert [{**given, **state} for state in steps[1:]] == [moment.after for moment in moments[:5]]


def test_a_scripted_page_is_one_node(look: Callable[[str], Debugger]) -> None:
    for event, moments in lived(look("scripted")):
        assert [moment.place.node for moment in moments] == ["page"]
        assert moments[0].after["record"] == event.data
        assert moments[0].after["left"] is not event.data["decision"]["next"]
    second = next(m[0] for e, m in lived(look("scripted")) if e.page == 1)
    first = asyncio.run(look("scripted").moments(second.place.agent, 0))[0]
    assert {**first.after, "record": {}} == second.before


@pytest.mark.slow
@pytest.mark.local
def test_score_mode_agrees_as_well_and_shows_its_log_probabilities(tmp_path: Path, model_file: str) -> None:
    run = rehearse(settings(tmp_path, model="local/smollm2", users=2, pages=2, say=True), tmp_path / "scored")
    with Debugger(run) as debugger:
        pages = agrees(debugger)
        call = next(call for moments in pages for call in moments[1].calls)
        values = debugger.run.calls.get(call.key).response["values"]  # type: ignore[union-attr]
        assert (call.kind, call.node, len(call.messages), call.schema) == ("score", "score", 1, None)
        assert [len(q["labels"]) for q in call.questions] == [len(q["logprobs"]) for q in call.questions]
        assert [q["logprobs"] for q in call.questions] == values
        assert [q["alone"] for q in call.questions[:2]] == [False, True]
        assert debugger.find('calls > 1 and node == "react"') is not None


def test_a_page_whose_state_was_pruned_is_lived_from_the_first(copy: Callable[[str], Path], look: Any) -> None:
    path = copy("faithful")
    prune(path)
    with Debugger(path) as debugger:
        agent, last = max(((e.agent, e.page) for e in debugger.run.events(kind="page")), key=lambda each: each[1])
        kept = debugger.run.log.rows("SELECT barrier FROM checkpoints WHERE thread = ?", (agent,))
        assert (last, kept) == (2, [(3,)])
        for page in range(3):
            again = asyncio.run(debugger.moments(agent, page))
            assert again == asyncio.run(look("faithful").moments(agent, page))
            assert debugger.memory(agent, page) == look("faithful").memory(agent, page)


def test_a_forks_pages_are_lived_again_with_its_edits(copy: Callable[[str], Path], fake_llm: Any) -> None:
    path, server = copy("faithful"), fake_llm(script=STAY_FAITHFUL)
    with Debugger(path) as debugger:
        agent = next(e.agent for e in debugger.run.events(kind="page") if e.page == 2)
        dropped = debugger.memory(agent, 1)[0]
        edits = [
            f"{agent}: trait activity=1",
            f'{agent}: memory add "Somebody spoiled the ending" importance=9',
            f"{agent}: memory drop {dropped['id']}",
            f"{agent}: state satisfaction=2",
            f"config base_url={server.base_url}",
        ]
        fork = debugger.fork(1, edits, name="edited")
        untouched = next(a for a in debugger.agents()["agent"] if a != agent)
    with Debugger(fork, api_key="x") as debugger:
        told = [each["text"] for each in debugger.memory(agent)]
        assert "Somebody spoiled the ending" in told
        assert dropped["text"] not in told
        assert debugger.persona(agent)["activity"] == 1
        asyncio.run(debugger.go_on())
    with Debugger(fork) as debugger, Debugger(path) as parent:
        agrees(debugger)
        first = asyncio.run(debugger.moments(agent, 1))[0]
        assert first.before["satisfaction"] == 2.0
        assert told == [row[2] for row in first.before["memory"]["records"]]
        view = debugger.timeline(agent)
        assert [bool(page.edited) for page in view] == [False] + [True] * (len(view) - 1)
        lasting = [] if len(view) == 2 else [["trait", "config"]]
        told = [["trait", "memory", "memory", "state", "config"], *lasting]
        assert [[edit["what"] for edit in page.edited] for page in view[1:]] == told
        assert debugger.timeline(untouched) == parent.timeline(untouched)
        columns = debugger.agents()
        assert [a for a, edited in zip(columns["agent"], columns["edited"], strict=True) if edited] == [agent]
        hit = debugger.find("diverged", against=str(path))
        assert hit is not None
        assert hit.place == Place(agent, 1)
        seen = debugger.overview()
        assert (seen.parent, seen.barrier, seen.touched) == (path, 1, (agent,))


def test_looking_changes_nothing_of_the_run(copy: Callable[[str], Path]) -> None:
    path = copy("faithful")
    files = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    with Debugger(path) as debugger:
        before = debugger.run.digest()
        agent = debugger.agents()["agent"][0]
        asyncio.run(debugger.moments(agent, 0))
        debugger.memory(agent, 1, "drama")
        assert debugger.overview().agents == len(debugger.agents()["agent"])
        assert debugger.timeline(agent)
        assert debugger.find('node == "react" and page == 1')
        assert debugger.run.digest() == before
    assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == files


# Memory


def test_what_came_back_has_its_score_and_parts(look: Callable[[str], Debugger]) -> None:
    recalled = [(m, r) for _, moments in lived(look("faithful")) for m in moments for r in m.recalled]
    assert {m.place.node for m, _ in recalled} == {"observe", "reflect", "decide"}
    for moment, each in recalled:
        assert each["score"] == pytest.approx(sum(each["parts"].values()))
        assert all(0 <= part <= 1 for part in each["parts"].values())
        if moment.place.node == "observe":
            told = {r["id"]: r["score"] for r in moment.after["record"]["recalled"]}
            assert told[each["id"]] == round(each["score"], 6)


def test_a_query_ranks_the_memory_without_touching_it(look: Callable[[str], Debugger]) -> None:
    debugger = look("faithful")
    agent = next(e.agent for e in debugger.run.events(kind="page") if e.page == 2)
    plain = debugger.memory(agent, 2)
    said = plain[-1]["text"]
    best = debugger.memory(agent, 2, said)
    assert {each["id"] for each in best} == {each["id"] for each in plain}
    assert [each["score"] for each in best] == sorted((each["score"] for each in best), reverse=True)
    assert max(best, key=lambda each: each["parts"]["relevance"])["text"] == said
    assert (
        debugger.memory(agent, 2)
        == plain
        == [{k: row[k] for k in plain[0]} for row in sorted(best, key=lambda each: each["id"])]
    )


def test_memory_before_a_page_is_what_its_first_node_begins_with(look: Callable[[str], Debugger]) -> None:
    debugger = look("fused")
    for event in list(debugger.run.events(kind="page"))[-5:]:
        first = asyncio.run(debugger.moments(event.agent, event.page))[0]
        told = [each["text"] for each in debugger.memory(event.agent, event.page)]
        assert told == [row[2] for row in first.before["memory"].get("records", [])]
    assert debugger.memory(debugger.agents()["agent"][0], 0) == []
    assert look("scripted").memory(look("scripted").agents()["agent"][0]) == []


# Calls and failures


def test_a_broken_answer_is_marked_where_it_breaks_its_schema(look: Callable[[str], Debugger]) -> None:
    debugger = look("faithful")
    bad = [c.key for c in debugger.run.calls.all(status="parse_fail")]
    assert bad, "the fake endpoint answered well throughout: take another seed"
    for key in bad:
        call = debugger.call(key)
        assert call.status == "parse_fail"
        assert call.error
        assert call.problems
    good = next(c.key for c in debugger.run.calls.all(status="ok") if c.node == "react")
    call = debugger.call(good)
    # What is passed over must not be rated; such a rating is dropped and costs no answer, yet it is told.
    passed = [key for key, choice in call.parsed["choices"].items() if choice["action"] == "skip" and choice["rating"]]
    assert [p["path"] for p in call.problems] == sorted(f"choices.{key}.rating" for key in passed)
    assert [m["role"] for m in call.messages] == ["system", "user"]
    assert min(call.prompt_tokens, call.completion_tokens, call.latency) > 0


def test_problems_name_the_path_in_the_answer() -> None:
    choice = {"type": "object", "properties": {"rating": {"enum": [1, 2]}}, "required": ["rating"]}
    schema = {"type": "object", "properties": {"actions": {"type": "array", "items": choice}}}
    text = 'Here it is: {"actions": [{"rating": 2}, {"rating": 9}, {}]}'
    record = CallRecord("k", kind="chat", request={"messages": [], "schema": schema}, response={"text": text})
    assert [(p["path"], p["message"]) for p in view_of(record).problems] == [
        ("actions.1.rating", "9 is not one of [1, 2]"),
        ("actions.2", "'rating' is a required property"),
    ]
    tools = {"text": "", "tool_calls": [{"function": {"name": "buy", "arguments": '{"id": 3}'}}]}
    called = view_of(CallRecord("k", kind="chat", request={"messages": []}, response=tools))
    assert called.tools == [{"name": "buy", "arguments": {"id": 3}}]


def test_a_schema_from_anywhere_is_neither_fetched_nor_trusted() -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for schema in ({"$ref": f"http://127.0.0.1:{server.server_port}/x"}, {"type": 7}, {"pattern": "("}, [1]):
            record = CallRecord("k", kind="chat", request={"messages": [], "schema": schema}, response={"text": '"a"'})
            assert view_of(record).problems == ({"path": "", "message": "the schema itself cannot be read"},)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_a_repaired_answer_shows_both_calls_and_a_failed_node_its_failure(look: Callable[[str], Debugger]) -> None:
    debugger = look("faithful")
    pages = lived(debugger)
    repaired = [m for _, moments in pages for m in moments if any(c.sample >= 1000 for c in m.calls)]
    assert repaired
    for moment in repaired:
        assert [c.sample for c in moment.calls] == [0, 1000]
        assert moment.calls[0].status == "parse_fail"
        assert bool(moment.failures) == (moment.calls[1].status != "ok")
    for event, moments in pages:
        assert [f for m in moments for f in m.failures] == event.data["failures"]


def test_a_call_is_found_by_the_beginning_of_its_key(look: Callable[[str], Debugger]) -> None:
    debugger = look("fused")
    key = next(debugger.run.calls.all()).key
    assert debugger.call(key[:16]).key == key
    with pytest.raises(DebugError, match=r"no call of .* begins with 'xyz'"):
        debugger.call("xyz")
    with pytest.raises(DebugError, match="several calls"):
        debugger.call("")


def test_an_unknown_agent_or_page_is_told_with_those_there_are(look: Callable[[str], Debugger]) -> None:
    debugger = look("fused")
    agent = debugger.agents()["agent"][0]
    with pytest.raises(DebugError, match=r"did you mean|there are"):
        asyncio.run(debugger.moments(agent + "0", 0))
    with pytest.raises(DebugError, match=r"has no page 7 .*\n  it has seen pages 0 to"):
        asyncio.run(debugger.moments(agent, 7))
    with pytest.raises(DebugError, match="give 0 to"):
        debugger.memory(agent, 9)


def test_data_that_changed_since_is_told_and_the_log_can_still_be_read(tmp_path: Path, fake_llm: Any) -> None:
    run = rehearse(settings(tmp_path, model="openai/f", base_url=fake_llm().base_url, users=3, pages=1), tmp_path / "r")
    ratings = tmp_path / "ratings.csv"
    ratings.write_text(ratings.read_text() + "u0,m1,2,1900000000,Zif-001 (1961),Drama\n")
    with Debugger(run) as debugger:
        agent = debugger.agents()["agent"][0]
        with pytest.raises(DebugError, match="data changed since it was recorded"):
            asyncio.run(debugger.moments(agent, 0))
        assert debugger.timeline(agent)[0].exposures


def test_an_answer_changed_in_the_recording_is_not_passed_off_as_what_happened(copy: Callable[[str], Path]) -> None:
    path = copy("fused")
    with Run.open(path, write=True) as run:
        event = next(e for e in run.events(kind="page") if not e.data["failures"])
        other = next(e for e in run.events(kind="page") if e.page == event.page and e.agent != event.agent)
        with run.log.transaction() as db:
            db.execute(
                "UPDATE events SET data = (SELECT data FROM events WHERE seq = ?) WHERE seq = ?", (other.seq, event.seq)
            )
    with Debugger(path) as debugger, pytest.raises(DebugError, match="recorded"):
        asyncio.run(debugger.moments(event.agent, event.page))


def test_changes_name_dotted_paths_with_both_values() -> None:
    assert changes({"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [1, 3, 4]}, "d": None}) == {
        "a.b[1]": (2, 3),
        "a.b[2]": (None, 4),
        "c": (1, None),
    }
    assert changes({"n": 1}, {"n": 1.0}) == {"n": (1, 1.0)}
