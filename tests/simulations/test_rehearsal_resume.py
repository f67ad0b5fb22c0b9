"""Whatever stops a rehearsal, it stands at its last page, pays for nothing twice, and goes on to what it would have been."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLLM
from recloop.llm import ModelConfigError
from recloop.runs import Manifest, Run
from recloop.simulations import SimulateConfig, SimulateError, replay, resume, simulate
from rehearsing import STAY, STAY_FAITHFUL, ScoringServer, digest, events, rehearse, settings, status, write_ratings

PLANS = ("fused", "faithful")


class At:
    """Calls `do` once, after `steps` steps of browsing."""

    def __init__(self, steps: int, do: Callable[[], object]) -> None:
        self.left, self.do, self.browsing = steps, do, False

    def stage(self, name: str, total: int) -> None:
        self.browsing = name == "browsing"

    def advance(self, steps: int = 1) -> None:
        if self.browsing and self.left > 0:
            self.left -= steps
            if self.left <= 0:
                self.do()

    def note(self, text: str) -> None: ...


@pytest.fixture
def server(fake_llm: Callable[..., FakeLLM]) -> FakeLLM:
    return fake_llm(latency="uniform:1:30", keep=10_000)


def config(folder: Path, server: FakeLLM | ScoringServer, **changes: Any) -> SimulateConfig:
    return settings(folder, **{"model": "openai/fake", "base_url": server.base_url} | changes)


def go_on(path: Path, **options: Any) -> Path:
    return asyncio.run(resume(path, api_key="x", **options))


def answered(path: Path) -> set[str]:
    """What the chat calls asked that have an answer, to be held against what the server was asked. Those cut off or lost
    are recorded too, and asked again."""
    with Run.open(path) as run:
        return {_asked(call.request) for call in run.calls.all() if call.kind == "chat" and not call.failed}


def requested(server: FakeLLM) -> list[str]:
    """What the server was asked since its last reset, the check apart."""
    return [_asked(body) for body in server.requests() if "response_format" in body]


def _asked(body: Any) -> str:
    return json.dumps([body["messages"], body["seed"]])


# -- a budget


@pytest.mark.parametrize("plan", PLANS)
def test_a_budget_pauses_at_a_page_and_more_of_it_goes_on_without_asking_again(
    server: FakeLLM, tmp_path: Path, plan: str
) -> None:
    whole = rehearse(config(tmp_path, server, plan=plan), tmp_path / "whole")
    needed = server.stats()["requests"]
    server.reset()
    path = rehearse(config(tmp_path, server, plan=plan, budget=f"calls={needed * 2 // 3}"), tmp_path / "run")
    stands, reason, barrier = status(path)
    assert (stands, "budget of calls" in reason) == ("paused", True)
    assert {event.barrier for event in events(path)} == set(range(1, barrier + 1))
    assert server.stats()["requests"] <= needed * 2 // 3
    go_on(path)
    assert status(path) == (stands, reason, barrier), "the same budget buys nothing more"
    go_on(path, budget=f"calls={2 * needed}")
    assert status(path)[0] == "finished"
    assert server.stats()["requests"] == needed, "no recorded call was made again"
    assert server.stats()["repeats"] == 0
    assert digest(path) == digest(whole)


def test_a_pause_before_the_first_page_can_be_resumed_and_not_replayed(server: FakeLLM, tmp_path: Path) -> None:
    path = rehearse(config(tmp_path, server, tastes="llm", budget="calls=5"), tmp_path / "run")
    assert status(path)[::2] == ("paused", -1)
    assert len(answered(path)) == 4, "the check is the fifth"
    with pytest.raises(SimulateError, match="before its first page"):
        asyncio.run(replay(path, out=tmp_path / "again"))
    assert not (tmp_path / "again").exists()
    go_on(path, budget="calls=500")
    assert status(path)[0] == "finished"
    assert server.stats()["repeats"] == 0


# -- a cancelled task


@pytest.mark.parametrize(("plan", "steps"), [("fused", 4), ("faithful", 17)])
async def test_a_cancelled_rehearsal_is_paused_and_goes_on(
    server: FakeLLM, tmp_path: Path, plan: str, steps: int
) -> None:
    asked = config(tmp_path, server, plan=plan)
    whole = await simulate(asked, out=tmp_path / "whole", api_key="x")
    task: asyncio.Task[Path] = asyncio.create_task(
        simulate(asked, out=tmp_path / "run", api_key="x", progress=At(steps, lambda: task.cancel()))
    )
    with pytest.raises(asyncio.CancelledError):
        await task
    stands, reason, barrier = status(tmp_path / "run")
    assert (stands, reason) == ("paused", "interrupted")
    assert barrier < 3
    before = answered(tmp_path / "run")
    assert before
    server.reset()
    await resume(tmp_path / "run", api_key="x")
    assert not before & set(requested(server))
    assert status(tmp_path / "run")[0] == "finished"
    assert digest(tmp_path / "run") == digest(whole)


# -- an endpoint that dies


def test_an_endpoint_that_fails_in_the_middle_pauses_the_run_until_it_is_back(server: FakeLLM, tmp_path: Path) -> None:
    asked = config(tmp_path, server, concurrency=2)
    server.configure(script=STAY)
    whole = rehearse(asked, tmp_path / "whole")
    down = [{"match": ".", "status": 503}]
    path = rehearse(asked, tmp_path / "run", progress=At(12, lambda: server.configure(script=down)))
    stands, reason, barrier = status(path)
    assert (stands, barrier) == ("paused", 1)
    assert "of 10 users got no answer" in reason
    assert len(answered(path)) > 10, "some of the open page's calls were answered"
    server.configure(script=STAY)
    server.reset()
    before = answered(path)
    go_on(path)
    assert status(path) == ("finished", "", 3)
    assert not before & set(requested(server))
    assert digest(path) == digest(whole)
    assert not [f for event in events(path) for f in event.data["failures"]]


@pytest.mark.parametrize(
    ("plan", "lost"),
    [
        ("fused", "You are on page 3"),
        ("faithful", "in the first person"),
        ("faithful", "You have just finished page 3"),
    ],
)
def test_an_outage_in_the_middle_of_a_users_page_leaves_no_trace(
    server: FakeLLM, tmp_path: Path, plan: str, lost: str
) -> None:
    """What comes after a lost call is not asked: it would be asked otherwise once the call is answered."""
    script = STAY if plan == "fused" else STAY_FAITHFUL
    server.configure(script=script)
    whole = rehearse(config(tmp_path, server, plan=plan, users=4), tmp_path / "whole")
    server.configure(script=[{"match": lost, "status": 503}, *script])
    path = rehearse(config(tmp_path, server, plan=plan, users=4), tmp_path / "run")
    assert status(path)[0] == "paused"
    server.configure(script=script)
    go_on(path)
    assert status(path)[0] == "finished"
    assert digest(path) == digest(whole)


def test_a_server_that_is_gone_and_comes_back_is_picked_up_again(tmp_path: Path) -> None:
    with ExitStack() as stopped:
        server = stopped.enter_context(FakeLLM(script=STAY))
        asked, port = config(tmp_path, server, users=4, pages=2), server.port
        whole = rehearse(asked, tmp_path / "whole")
        path = rehearse(asked, tmp_path / "run", progress=At(4, stopped.close))
    assert status(path)[::2] == ("paused", 1)
    go_on(path)
    assert status(path)[::2] == ("paused", 1), "it is still gone"
    with FakeLLM(script=STAY, port=port):
        go_on(path)
    assert status(path)[0] == "finished"
    assert digest(path) == digest(whole)


def test_an_endpoint_elsewhere_can_take_over(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    first, second = fake_llm(), fake_llm()
    path = rehearse(config(tmp_path, first, budget="calls=12"), tmp_path / "run")
    first.reset()
    go_on(path, base_url=second.base_url, budget="calls=1000")
    assert status(path)[0] == "finished"
    assert first.stats()["requests"] == 0
    with Run.open(path) as run:
        assert run.manifest.config["base_url"] == second.base_url


def test_calls_before_the_first_page_that_are_lost_pause_the_run(tmp_path: Path) -> None:
    with ScoringServer() as server:
        server.fails = lambda prompt: "Reply with the word ok" not in prompt
        asked = config(tmp_path, server, mode="score", users=2, timeout=5)
        path = rehearse(asked, tmp_path / "run")
        assert status(path)[::2] == ("paused", -1), "no calibration is made of nothing"
        assert "2 of 2 users got no answer" in status(path)[1]
        server.fails = lambda prompt: False
        go_on(path)
        assert status(path)[0] == "finished"
        assert digest(path) == digest(rehearse(asked, tmp_path / "whole"))


# -- what cannot work is said before a folder exists


def refused(tmp_path: Path, asked: SimulateConfig, match: str, key: str = "x") -> None:
    out = tmp_path / "never"
    with pytest.raises((SimulateError, ModelConfigError), match=match):
        asyncio.run(simulate(asked, out=out, api_key=key))
    assert not out.exists()


def test_a_wrong_key_is_told_before_a_run_exists(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    refused(tmp_path, config(tmp_path, fake_llm(api_key="right")), "key", key="wrong")


def test_an_unknown_model_is_told_before_a_run_exists(tmp_path: Path) -> None:
    refused(tmp_path, settings(tmp_path, model="gpt"), "gpt")
    refused(tmp_path, settings(tmp_path, model="http://127.0.0.1:9/v1"), "names no model")
    refused(tmp_path, settings(tmp_path, model="local:no-such.gguf"), "no-such")


def test_an_endpoint_that_is_not_there_is_told_before_a_run_exists(tmp_path: Path) -> None:
    refused(tmp_path, settings(tmp_path, model="openai/fake", base_url="http://127.0.0.1:9/v1"), "does not answer")


def test_an_endpoint_without_log_probabilities_cannot_score(tmp_path: Path) -> None:
    with ScoringServer(lists=False) as server:
        refused(tmp_path, config(tmp_path, server, mode="score"), "cannot play users in score mode")
    with ScoringServer() as server:
        refused(tmp_path, config(tmp_path, server, mode="score", signal="title"), "single next tokens")


def test_a_budget_in_dollars_needs_a_price_and_one_below_a_call_buys_nothing(server: FakeLLM, tmp_path: Path) -> None:
    refused(tmp_path, config(tmp_path, server, budget="usd=1"), "no price is known")
    refused(tmp_path, config(tmp_path, server, budget="calls=0"), "larger budget")


def test_prompts_actions_and_users_that_are_not_there_are_told_before_a_run_exists(tmp_path: Path) -> None:
    no_prompt = {"prompts": {"react": str(tmp_path / "none.md")}}
    refused(tmp_path, settings(tmp_path, model="scripted", **no_prompt), "scripted users read no prompts")
    refused(tmp_path, settings(tmp_path, model="scripted", actions="theatre"), "no action set 'theatre'")
    refused(tmp_path, settings(tmp_path, model="scripted", users=1000), "ask for at most 40 users")


# -- resume refuses what has changed


def paused(folder: Path, server: FakeLLM, **changes: Any) -> Path:
    """A run that has lived one page of three."""
    server.configure(script=STAY)
    path = rehearse(config(folder, server, budget="calls=12", **changes), folder / "run")
    assert status(path)[::2] == ("paused", 1)
    return path


def test_changed_data_is_refused_and_the_run_stays_as_it_was(server: FakeLLM, tmp_path: Path) -> None:
    path, stood = paused(tmp_path, server), digest(tmp_path / "run")
    table = tmp_path / "ratings.csv"
    kept = table.read_text()
    table.write_text(kept.replace(",5,", ",4,", 1))
    with pytest.raises(
        SimulateError, match=r"data \(.*ratings.csv\) is not what this run began with: its hash was \w{12}, now"
    ):
        go_on(path, budget="calls=1000")
    assert status(path)[0] == "paused"
    assert digest(path) == stood
    with Run.open(path) as run:
        assert run.manifest.config["budget"] == "calls=12"
    table.write_text(kept)
    go_on(path, budget="calls=1000")
    assert status(path)[0] == "finished"


MINE = "## user\n{{service}} {{traits}} {{tastes}} {{tendency}} {{memories}} {{page}} {{fatigue}} {{items}} {{actions}} {{rating}} MINE"


def test_a_prompt_of_ones_own_is_asked_hashed_and_may_not_change(server: FakeLLM, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(MINE)
    path = paused(tmp_path, server, prompts={"page": str(file)})
    pages = [body for body in server.requests() if "choices" in json.dumps(body.get("response_format"))]
    assert pages
    assert all(body["messages"][-1]["content"].endswith("MINE") for body in pages)
    with Run.open(path) as run, Run.open(rehearse(config(tmp_path, server), tmp_path / "ours")) as ours:
        differing = {name for name in ours.manifest.hashes if run.manifest.hashes[name] != ours.manifest.hashes[name]}
    assert differing == {"prompt:page"}
    file.write_text(MINE + "!")
    with pytest.raises(SimulateError, match=r"prompt:page \(.*\) is not what this run began with"):
        go_on(path)
    file.write_text(MINE)
    go_on(path, budget="calls=1000")
    assert status(path)[0] == "finished"


def test_what_was_shown_stands_where_the_recommender_has_changed(server: FakeLLM, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def best(user, history, k, exclude):\n    return [f'm{n}' for n in range(60) if f'm{n}' not in exclude][:k]\n"
    )
    path = paused(tmp_path, server, recommender=f"{mine}:best")
    before = [event.data for event in events(path)]
    mine.write_text(mine.read_text().replace("range(60)", "reversed(range(60))"))
    go_on(path, budget="calls=1000")
    assert status(path)[0] == "finished"
    assert [event.data for event in events(path) if event.page == 0] == before
    shown = Counter((event.agent, e["item"]) for event in events(path) for e in event.data["exposures"])
    assert set(shown.values()) == {1}, "nothing is shown twice"
    with Run.open(path) as run:
        assert any("the recommender has changed" in note for note in run.manifest.notes)


def test_a_wrong_key_at_resume_leaves_the_run_paused(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    server = fake_llm(api_key="x")
    path = paused(tmp_path, server)
    with pytest.raises(ModelConfigError):
        asyncio.run(resume(path, budget="calls=1000", api_key="wrong"))
    assert status(path)[::2] == ("paused", 1)
    go_on(path)
    assert status(path)[0] == "finished"


def test_a_finished_run_is_returned_untouched(server: FakeLLM, tmp_path: Path) -> None:
    path = rehearse(config(tmp_path, server, users=2, pages=1), tmp_path / "run")
    assert Manifest.read(path).status == "finished"
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in path.rglob("*") if file.is_file()}
    server.reset()
    (tmp_path / "ratings.csv").unlink()  # nothing is even prepared
    assert go_on(path, budget="calls=1") == path
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in path.rglob("*") if file.is_file()} == before
    assert server.stats()["requests"] == 0


def test_a_killed_run_says_so_where_it_cannot_go_on(server: FakeLLM, tmp_path: Path) -> None:
    """A killed run still says `running`; a resume that is refused must not make it `failed`. (test_rehearsal_killed.py kills.)"""
    path = paused(tmp_path, server)
    with Run.open(path, write=True) as run:
        run.set_status("running", "")
    write_ratings(tmp_path / "ratings.csv", seed=4)
    with pytest.raises(SimulateError):
        go_on(path)
    assert status(path)[:2] == ("paused", "killed")
