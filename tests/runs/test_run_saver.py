"""LangGraph over a run's log: interrupt, resume, history, fork, in one transaction with the run."""

import operator
import os
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, cast

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from recloop.runs import Event, Run, RunError, prune


class Walk(TypedDict, total=False):
    n: int
    outs: Annotated[list[str], operator.add]
    ok: str
    taste: list[str]


async def plan(state: Walk) -> Walk:
    return {"n": 3, "taste": ["noir"] * 200}


def fan(state: Walk) -> list[Send]:
    return [Send("worker", {"i": i}) for i in range(state.get("n", 0))]


async def worker(part: dict[str, int]) -> Walk:
    return {"outs": [f"w{part['i']}"]}


async def ask(state: Walk) -> Walk:
    return {"ok": interrupt({"ask": "ok?", "outs": state.get("outs")})}


def walk_graph(saver) -> Any:
    graph = StateGraph(Walk)
    graph.add_node("plan", plan)
    graph.add_node("worker", cast("Any", worker))
    graph.add_node("ask", ask)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", fan, ["worker"])
    graph.add_edge("worker", "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=saver)


def thread(name: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


@pytest.fixture
def path(tmp_path):
    Run.create(tmp_path / "r", kind="k").close()
    return tmp_path / "r"


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("reopen", [False, True])
async def test_a_graph_is_interrupted_and_goes_on_also_in_another_process(path, durability, reopen):
    run = Run.open(path, write=True)
    graph = walk_graph(run.saver())
    result = await graph.ainvoke({}, thread("u"), durability=durability)
    assert result["__interrupt__"][0].value == {"ask": "ok?", "outs": ["w0", "w1", "w2"]}
    if reopen:
        run.commit(0, [Event("asked", "u")])
        run.close()
        run = Run.open(path, write=True)
        graph = walk_graph(run.saver())
        state = await graph.aget_state(thread("u"))
        assert state.next == ("ask",)
        assert state.interrupts[0].value["ask"] == "ok?"
    result = await graph.ainvoke(Command(resume="yes"), thread("u"), durability=durability)
    assert result["ok"] == "yes"
    assert result["outs"] == ["w0", "w1", "w2"]
    run.commit(1)
    run.close()
    with Run.open(path) as reader:
        state = await walk_graph(reader.saver()).aget_state(thread("u"))
        assert state.values["ok"] == "yes"
        assert state.next == ()


async def test_a_graph_forks_from_an_older_checkpoint_also_after_reopening(path):
    with Run.open(path, write=True) as run:
        graph = walk_graph(run.saver(keep="all"))
        await graph.ainvoke({}, thread("u"))
        await graph.ainvoke(Command(resume="yes"), thread("u"))
        live = [
            (s.config["configurable"]["checkpoint_id"], s.next, s.values)
            async for s in graph.aget_state_history(thread("u"))
        ]
        run.commit(0)
    with Run.open(path, write=True) as run:
        graph = walk_graph(run.saver(keep="all"))
        history = [s async for s in graph.aget_state_history(thread("u"))]
        assert [(s.config["configurable"]["checkpoint_id"], s.next, s.values) for s in history] == live
        old = next(s for s in history if s.next == ("ask",))
        fork = await graph.aupdate_state(old.config, {"outs": ["forked"]}, as_node="worker")
        result = await graph.ainvoke(None, fork)
        assert result["outs"][-1] == "forked"
        result = await graph.ainvoke(Command(resume="again"), thread("u"))
        assert result["ok"] == "again"
        run.commit(1)
    with Run.open(path) as reader:
        graph = walk_graph(reader.saver())
        assert (await graph.aget_state(thread("u"))).values["ok"] == "again"
        assert (await graph.aget_state(history[0].config)).values["ok"] == "yes"  # the first branch is still there


def counter(saver) -> Any:
    class Count(TypedDict, total=False):
        n: int
        seen: Annotated[list[int], operator.add]
        still: list[str]

    graph = StateGraph(Count)
    for name in ("one", "two", "three"):
        graph.add_node(name, lambda state: {"n": state.get("n", 0) + 1, "seen": [state.get("n", 0)]})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    graph.add_edge("two", "three")
    graph.add_edge("three", END)
    return graph.compile(checkpointer=saver)


def test_a_thread_keeps_its_last_checkpoint_of_each_barrier_and_forks_from_there(path):
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        for page in range(3):
            for user in ("a", "b"):
                graph.invoke({"still": ["film"] * 500}, thread(user))
            run.commit(page)
        assert run.log.row("SELECT count(*) FROM checkpoints") == (6,)
        history = list(graph.get_state_history(thread("a")))
        assert [s.values["n"] for s in history] == [9, 6, 3]
        assert [s.parent_config for s in history] == [history[1].config, history[2].config, None]
        assert run.log.row("SELECT count(*) FROM blobs WHERE length(body) > 40") == (1,)  # `still`, once for all
        fork = graph.update_state(history[1].config, {"n": 100})
        assert graph.invoke({}, fork)["n"] == 103
        run.commit(3)
        assert graph.get_state(thread("a")).values["n"] == 103
        assert graph.get_state(thread("b")).values["n"] == 9


def test_what_was_not_committed_is_gone_after_a_crash_with_the_events_of_its_page(path):
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        graph.invoke({}, thread("a"))
        run.commit(0, [Event("page", "a")])
        assert graph.invoke({}, thread("a"))["n"] == 6  # page 1, never committed
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        assert graph.get_state(thread("a")).values["n"] == 3
        assert run.barrier == 0
        assert graph.invoke({}, thread("a"))["seen"] == [0, 1, 2, 3, 4, 5]


def test_a_commit_that_fails_keeps_the_checkpoints_for_the_next_try(path):
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        graph.invoke({}, thread("a"))
        with pytest.raises(RunError):
            run.commit(0, [Event("e", data={"bad": object()})])
        with pytest.raises(RunError):
            run.commit(-1)
        assert run.log.row("SELECT count(*) FROM checkpoints") == (0,)
        run.commit(0)
    with Run.open(path) as reader:
        assert counter(reader.saver()).get_state(thread("a")).values["n"] == 3


def test_a_forgotten_thread_is_gone_at_once_and_from_the_log_at_the_next_barrier(path):
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        for user in ("a", "b"):
            graph.invoke({}, thread(user))
        run.commit(0)
        run.saver().delete_thread("a")
        assert graph.get_state(thread("a")).values == {}
        assert graph.get_state(thread("b")).values["n"] == 3
        assert len(list(run.saver().list(None))) == 1
        with Run.open(path) as reader:
            assert counter(reader.saver()).get_state(thread("a")).values["n"] == 3
        assert graph.invoke({}, thread("a"))["n"] == 3
        run.commit(1)
    with Run.open(path) as reader:
        assert counter(reader.saver()).get_state(thread("a")).values["n"] == 3
        assert len(list(reader.saver().list(thread("a")))) == 1


def test_checkpoints_are_listed_newest_first_with_filter_before_and_limit(path):
    with Run.open(path, write=True) as run:
        saver = run.saver(keep="all")
        graph = counter(saver)
        graph.invoke({}, thread("a"))
        run.commit(0)
        graph.invoke({}, thread("a"))
        everything = list(saver.list(thread("a")))
        ids = [each.checkpoint["id"] for each in everything]
        assert ids == sorted(ids, reverse=True)
        assert len(ids) == 10
        assert [each.checkpoint["id"] for each in saver.list(thread("a"), limit=2)] == ids[:2]
        assert [each.checkpoint["id"] for each in saver.list(thread("a"), before=everything[6].config)] == ids[7:]
        steps = [each.metadata.get("source") for each in saver.list(thread("a"), filter={"source": "input"})]
        assert steps == ["input", "input"]


def test_two_equal_runs_with_graphs_have_one_digest_and_another_state_another(tmp_path):
    digests = []
    for name, keep, start in (("a", "last", 0), ("b", "all", 0), ("c", "last", 5)):
        with Run.create(tmp_path / name, kind="k") as run:
            graph = counter(run.saver(keep=keep))
            graph.invoke({"n": start}, thread("u"))
            run.commit(0)
            before = run.digest()
            run.calls.totals()
            digests.append(before)
    assert digests[0] == digests[1] != digests[2]


def test_a_value_of_a_failed_commit_is_not_taken_for_stored(path):
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        graph.invoke({"n": 3}, thread("a"))
        state = graph.get_state(thread("a")).values

        def cut_off():
            with run.log.transaction() as db:
                run.saver().flush(db, 0)
                raise InterruptedError

        with pytest.raises(InterruptedError):
            cut_off()
        run.commit(0)
    with Run.open(path) as reader:
        assert counter(reader.saver()).get_state(thread("a")).values == state


def test_a_state_kept_without_its_graph_is_one_the_graph_goes_on_from(tmp_path):
    digests = []
    for name, with_graph in (("a", True), ("b", False)):
        with Run.create(tmp_path / name, kind="k") as run:
            saver = run.saver()
            graph = counter(saver)
            for page in range(2):
                if with_graph:
                    graph.invoke({"n": page}, thread("u"))
                else:
                    state = counter(None).invoke({**graph.get_state(thread("u")).values, "n": page})
                    saver.keep_state("u", state, step=page)
                run.commit(page)
            digests.append(run.digest())
        with Run.open(tmp_path / name, write=True) as run:
            graph = counter(run.saver())
            assert len(list(graph.get_state_history(thread("u")))) == 2
            graph.invoke({"n": 7}, thread("u"))
            run.commit(2)
            digests.append(run.digest())
    assert digests[0] == digests[2] != digests[1] == digests[3]


def test_pruning_keeps_what_resuming_needs(path):
    with Run.open(path, write=True) as run:
        graph = counter(run.saver(keep="all"))
        for page in range(4):
            graph.invoke({"still": [os.urandom(300).hex()]}, thread("a"))
            run.commit(page)
        digest = run.digest()
    (result,) = prune(path)
    assert result.dropped["checkpoints"] == 15
    with Run.open(path, write=True) as run:
        graph = counter(run.saver())
        assert run.digest() == digest
        assert graph.get_state(thread("a")).values["n"] == 12
        assert graph.invoke({}, thread("a"))["n"] == 15
        big = "SELECT count(*) FROM blobs WHERE length(body) > 300"
        assert run.log.row(big) == (3,)  # of 8: what the last barrier began with, its input, what it ended with


@dataclass
class Taste:
    genre: str


def typed(saver) -> Any:
    class Typed(TypedDict, total=False):
        taste: Any
        messages: Annotated[list[Any], operator.add]

    graph = StateGraph(Typed)
    graph.add_node("one", lambda state: {"taste": Taste("noir"), "messages": [HumanMessage("hello", id="1")]})
    graph.add_edge(START, "one")
    graph.add_edge("one", END)
    return graph.compile(checkpointer=saver)


def test_only_allowed_classes_are_rebuilt_from_a_run(path):
    with Run.open(path, write=True) as run:
        typed(run.saver(allow=[Taste])).invoke({}, thread("a"))
        run.commit(0)
    with Run.open(path) as reader:
        values = typed(reader.saver(allow=[Taste])).get_state(thread("a")).values
        assert values["taste"] == Taste("noir")
        assert values["messages"][0].content == "hello"
    with Run.open(path) as reader, pytest.raises(RunError, match=r"Taste.*\n.*allow="):
        typed(reader.saver()).get_state(thread("a"))


def test_credentials_in_a_graphs_config_are_not_written(path):
    config: RunnableConfig = {"configurable": {"thread_id": "a", "api_key": "sk-aaaa1111bbbb2222cccc3333"}}
    with Run.open(path, write=True) as run:
        counter(run.saver()).invoke({}, config)
        run.commit(0)
        stored = run.saver().get_tuple(thread("a"))
        assert stored
        assert stored.metadata.get("api_key") == "[redacted]"
    assert b"aaaa1111" not in (path / "log.sqlite").read_bytes()


def inner_graph(saver) -> Any:
    class Inner(TypedDict, total=False):
        n: int

    inner = StateGraph(Inner)
    inner.add_node("wait", lambda state: {"n": state.get("n", 0) + interrupt("how many?")})
    inner.add_edge(START, "wait")
    inner.add_edge("wait", END)
    outer = StateGraph(Inner)
    outer.add_node("before", lambda state: {"n": 1})
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "before")
    outer.add_edge("before", "inner")
    outer.add_edge("inner", END)
    return outer.compile(checkpointer=saver)


def test_an_interrupt_inside_a_subgraph_survives_reopening(path):
    with Run.open(path, write=True) as run:
        inner_graph(run.saver()).invoke({}, thread("a"))
        run.commit(0)
    with Run.open(path, write=True) as run:
        assert inner_graph(run.saver()).invoke(Command(resume=41), thread("a"))["n"] == 42


def delta_graph(saver) -> Any:
    from langgraph.channels import DeltaChannel

    def joined(value, writes):
        return [*(value or []), *(each for write in writes for each in write)]

    class Log(TypedDict, total=False):
        log: Annotated[list[int], DeltaChannel(joined, snapshot_frequency=1000)]

    graph = StateGraph(Log)
    for name in ("one", "two"):
        graph.add_node(name, cast("Any", lambda state: {"log": [len(state.get("log", []))]}))
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    graph.add_edge("two", END)
    return graph.compile(checkpointer=saver)


@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_a_channel_kept_as_changes_keeps_the_checkpoints_it_is_rebuilt_from(path, durability):
    for page in range(3):
        with Run.open(path, write=True) as run:
            delta_graph(run.saver()).invoke({"log": []}, thread("a"), durability=durability)
            run.commit(page)
    prune(path)
    with Run.open(path) as run:
        assert delta_graph(run.saver()).get_state(thread("a")).values == {"log": [0, 1, 2, 3, 4, 5]}
