"""Many queries as a run: resumed after whatever stopped it to the digest of an unbroken one, replayed without a model, in its budget."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from desk import GOOD, MIXED, NEED, TEXT, came_of, digest, rewritten, settings, verdict
from recloop.agents.rewriter.carry import OWN_JUDGE, replay, resume, rewrite
from recloop.agents.rewriter.records import RewriteError
from recloop.agents.rewriter.summary import numbers, rows_of
from recloop.llm import ModelConfigError, PromptError
from recloop.runs import Run

Server = Callable[..., Any]
NOWHERE = SimpleNamespace(base_url=None)
MANY: dict[str, Any] = {"queries": tuple(f"query number {n}" for n in range(12)), "chunk": 3, "concurrency": 4}


def resumed(path: Path, **changes: Any) -> Path:
    return asyncio.run(resume(path, api_key="x", **changes))


def replayed(path: Path, out: Path) -> tuple[str, str]:
    return asyncio.run(replay(path, out=out))


@pytest.fixture
def unbroken(fake_llm: Server, tmp_path: Path) -> tuple[Any, str]:
    """A server, and the digest of a rewriting that nothing stopped."""
    server = fake_llm(script=MIXED, latency="uniform:1:15", keep=10_000)
    return server, digest(rewritten(tmp_path / "unbroken", server, **MANY))


def test_a_replay_asks_no_model_and_gives_the_same_digest(unbroken: tuple[Any, str], tmp_path: Path) -> None:
    server, wanted = unbroken
    asked = server.stats()["requests"]
    assert replayed(tmp_path / "unbroken", tmp_path / "again") == (wanted, wanted)
    assert server.stats()["requests"] == asked
    assert came_of(tmp_path / "again") == came_of(tmp_path / "unbroken")


def test_neither_speed_nor_retries_nor_concurrency_show_in_the_digest(
    unbroken: tuple[Any, str], fake_llm: Server, tmp_path: Path
) -> None:
    server, wanted = unbroken
    server.configure(errors="429=0.15,500=0.05,reset=0.03", retry_after=0.01)
    path = rewritten(tmp_path / "stormy", server, **{**MANY, "concurrency": 9})
    assert digest(path) == wanted
    assert sum(server.stats()["injected"].values()) > 10


def test_rounds_and_results_are_tables(unbroken: tuple[Any, str], tmp_path: Path) -> None:
    with Run.open(tmp_path / "unbroken") as run:
        rewrites, rounds = run.table("rewrites").to_pylist(), run.table("rounds").to_pylist()
        calls = {call.key for call in run.calls.all()}
    assert len(rewrites) == 12
    assert {(row["query_id"], row["persona"]) for row in rounds} == {(r["query_id"], "student") for r in rewrites}
    assert sum(row["rounds"] for row in rewrites) == len(rounds)
    assert all(
        set(json.loads(row["calls"]) if isinstance(row["calls"], str) else row["calls"]) <= calls for row in rounds
    )


def asked_in(path: Path) -> set[str]:
    """The messages of every model call that a run has recorded."""
    with Run.open(path) as run:
        return {json.dumps(call.request["messages"]) for call in run.calls.all() if call.kind == "chat"}


CHILD = """
import asyncio, sys, json
from pathlib import Path
sys.path.insert(0, {desk!r})
from recloop.agents.rewriter.carry import rewrite
from recloop.agents.rewriter.config import checked
asyncio.run(rewrite(checked(json.loads(sys.argv[1])), out=Path(sys.argv[2]), api_key="x"))
"""


@pytest.mark.parametrize("barrier", [0, 1])
def test_after_kill_9_it_goes_on_and_asks_nothing_again_that_was_recorded(
    unbroken: tuple[Any, str], tmp_path: Path, barrier: int
) -> None:
    server, wanted = unbroken
    path = tmp_path / "killed"
    given = json.dumps(settings(server, **MANY).model_dump(mode="json", exclude_unset=True))
    code = CHILD.format(desk=str(Path(__file__).parent))
    server.configure(latency="uniform:60:160")  # slow enough that a busy machine still kills it in the middle
    child = subprocess.Popen([sys.executable, "-c", code, given, str(path)])
    deadline = time.monotonic() + 60
    while not _stands_at(path, barrier) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with Run.open(path) as run:
        assert run.status == "running"
        assert barrier <= run.barrier < 4
    known = asked_in(path)
    server.configure(latency="uniform:1:15")
    before = len(server.requests())
    assert digest(resumed(path)) == wanted
    again = {json.dumps(body["messages"]) for body in server.requests()[before:]}
    assert again == asked_in(tmp_path / "unbroken") - known
    assert replayed(path, tmp_path / "again") == (wanted, wanted)


def _stands_at(path: Path, barrier: int) -> bool:
    if not (path / "manifest.json").exists():
        return False
    with Run.open(path) as run:
        return run.barrier >= barrier and len(run.calls) > 2


class Interrupted:
    """A progress that stops the work after so many rewrites, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.left, self.task = after, None

    def stage(self, name: str, total: int) -> None:
        self.task = asyncio.current_task()

    def advance(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left <= 0 and self.task is not None:
            self.task.cancel()

    def note(self, text: str) -> None: ...


def test_interrupted_it_stands_at_a_chunk_and_goes_on(unbroken: tuple[Any, str], tmp_path: Path) -> None:
    server, wanted = unbroken
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(rewrite(settings(server, **MANY), out=tmp_path / "run", api_key="x", progress=Interrupted(10)))
    with Run.open(tmp_path / "run") as run:
        assert (run.status, run.manifest.reason) == ("paused", "interrupted")
        assert run.barrier < 4
    assert digest(resumed(tmp_path / "run")) == wanted


def test_a_spent_budget_pauses_and_is_never_overshot(unbroken: tuple[Any, str], tmp_path: Path) -> None:
    server, wanted = unbroken
    server.reset()
    path = rewritten(tmp_path / "run", server, **MANY, budget="calls=20")
    with Run.open(path) as run:
        assert (run.status, run.manifest.reason) == ("paused", "budget of calls 20 is spent")
        assert run.calls.totals().attempts <= 20
    assert server.stats()["requests"] <= 20
    with Run.open(resumed(path, budget="calls=25")) as run:
        assert run.status == "paused"
    assert server.stats()["requests"] <= 25
    assert digest(resumed(path, budget="calls=1000")) == wanted


def test_a_lost_endpoint_pauses_instead_of_falling_back_everywhere(unbroken: tuple[Any, str], tmp_path: Path) -> None:
    server, wanted = unbroken
    server.configure(script=[{"match": "query number [6789]", "status": 500}, *MIXED], latency="none")
    path = rewritten(tmp_path / "run", server, **{**MANY, "timeout": 2})
    with Run.open(path) as run:
        assert run.status == "paused"
        assert "got no answer from the model" in run.manifest.reason
        assert run.barrier == 2  # query numbers 0 to 5
    server.configure(script=MIXED)
    assert digest(resumed(path)) == wanted


def test_a_changed_prompt_is_refused_and_the_run_left_as_it_is(fake_llm: Server, tmp_path: Path) -> None:
    server = fake_llm(script=GOOD)
    mine = tmp_path / "mine.md"
    mine.write_text("## user\nsay plainly what they need: {{query}}")
    path = rewritten(tmp_path / "run", server, **MANY, prompts={"intent": str(mine)}, budget="calls=9")
    mine.write_text("## user\nsay plainly what they need, please: {{query}}")
    with pytest.raises(RewriteError, match="prompt intent is not what this rewriting began with"):
        resumed(path)
    with Run.open(path) as run:
        assert run.status == "paused"


def test_queries_and_personas_of_a_resumed_run_are_those_of_its_log(fake_llm: Server, tmp_path: Path) -> None:
    server = fake_llm(script=GOOD)
    file = tmp_path / "queries.txt"
    file.write_text("red shoes\nblue shoes\n")
    given = {"queries": (), "file": str(file), "chunk": 1}
    wanted = digest(rewritten(tmp_path / "unbroken", server, **given))
    path = rewritten(tmp_path / "run", server, **given, budget="calls=3")
    file.unlink()
    assert [row["query"] for row in came_of(resumed(path, budget="calls=99"))] == ["red shoes", "blue shoes"]
    assert digest(path) == wanted


def test_ids_with_equal_texts_are_asked_for_once_and_all_have_rows(fake_llm: Server, tmp_path: Path) -> None:
    server = fake_llm(script=GOOD)
    file = tmp_path / "queries.csv"
    file.write_text("id,query\na,red shoes\nb,red  shoes\nc,\na,other\n")
    path = rewritten(tmp_path / "run", server, queries=(), file=str(file))
    assert server.stats()["requests"] == 4
    with Run.open(path) as run:
        assert [row["query_id"] for row in rows_of(run)] == ["a", "b"]
        notes = " ".join(run.manifest.notes)
    assert "1 left out: no query, first queries.csv:4" in notes
    assert "repeated query id" in notes


def test_who_judged_is_said(fake_llm: Server, tmp_path: Path) -> None:
    server, other = fake_llm(script=GOOD), fake_llm(script=[verdict("same", "unsure")])
    judge = {"judge": f"{other.base_url}#judge"}
    cases = {"own": {}, "other": judge, "nobody": {"judge": "none"}}
    notes, fits = {}, {}
    for name, given in cases.items():
        path = rewritten(tmp_path / name, server, **given)
        with Run.open(path) as run:
            notes[name] = " ".join(run.manifest.notes)
            fits[name] = came_of(path)[0]["fit"]
            assert "simulated" in notes[name]
    assert (OWN_JUDGE in notes["own"], OWN_JUDGE in notes["other"]) == (True, False)
    assert "nobody judged these rewrites" in notes["nobody"]
    assert fits == {"own": 1, "other": 0, "nobody": None}
    assert other.stats()["requests"] == 2
    assert replayed(tmp_path / "other", tmp_path / "again")[0] == digest(tmp_path / "again")


def test_the_numbers_are_those_of_the_rounds(fake_llm: Server, tmp_path: Path) -> None:
    no = verdict("different", reason="no")
    server = fake_llm(script=[{**no, "match": "Query\n<<<query\nquery number [012]\\b"}, NEED, TEXT, verdict()])
    with Run.open(rewritten(tmp_path / "run", server, **MANY)) as run:
        found = numbers(run)["numbers"]
    assert found["fell_back"]["value"] == 3 / 12
    assert found["first_round"]["value"] == 9 / 12
    assert found["rounds"]["value"] == (9 + 3 * 3) / 12
    assert found["fell_back"]["low"] < 3 / 12 < found["fell_back"]["high"]


def test_rules_need_no_model_and_are_repeatable(tmp_path: Path) -> None:
    for name in ("a", "b"):
        config = settings(NOWHERE, model="rules", persona=("shop",))
        asyncio.run(rewrite(config, out=tmp_path / name))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert {row["how"] for row in came_of(tmp_path / "a")} == {"rules"}
    assert replayed(tmp_path / "a", tmp_path / "c")[1] == digest(tmp_path / "a")


@pytest.mark.local
def test_the_embedded_model_orders_what_rules_propose_and_cannot_judge(model_file: str, tmp_path: Path) -> None:
    path = asyncio.run(
        rewrite(settings(NOWHERE, model="local/smollm2", persona=("student", "elder")), out=tmp_path / "run")
    )
    with Run.open(path) as run:
        assert any("plumbing-grade" in note for note in run.manifest.notes)
        assert {call.node for call in run.calls.all() if call.kind == "score"} == {"choose"}
    assert {(row["how"], row["meaning"], row["fell_back"]) for row in came_of(path)} == {("likelihood", None, False)}
    assert len(set(replayed(path, tmp_path / "again"))) == 1
    with pytest.raises(RewriteError, match="cannot judge"):
        asyncio.run(rewrite(settings(NOWHERE, model="rules", judge="local/smollm2"), out=tmp_path / "no"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"queries": ()}, "no queries were given"),
        ({"queries": ("",)}, "there is no query to rewrite"),
        ({"queries": ("x" * 10_000,)}, "longer than 2,000 characters"),
        ({"data": "shop-search"}, "given in 2 ways"),
        ({"persona": ("studnet",)}, "did you mean student"),
        ({"prompts": {"page": "x.md"}}, "no prompt named page"),
        ({"judge": "rules"}, "rules cannot judge"),
        ({"check": "none", "least": 0.5}, "a least similarity needs one"),
        ({"votes": 0}, "votes: "),
        ({"budget": "lots"}, "budget"),
    ],
)
def test_what_cannot_work_is_said_before_any_query_is_shown(
    fake_llm: Server, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    server = fake_llm(script=GOOD)
    with pytest.raises(RewriteError, match=said):
        rewritten(tmp_path / "run", server, **given)
    assert not (tmp_path / "run").exists()
    assert server.stats()["requests"] <= 1


def test_a_wrong_key_and_a_wrong_prompt_leave_no_run(fake_llm: Server, tmp_path: Path) -> None:
    server = fake_llm(api_key="right")
    with pytest.raises(ModelConfigError):
        rewritten(tmp_path / "run", server)
    (tmp_path / "bad.md").write_text("## user\nhello {{nobody}}")
    with pytest.raises(PromptError):
        rewritten(tmp_path / "run", server, prompts={"rewrite": str(tmp_path / "bad.md")})
    assert not (tmp_path / "run").exists()
