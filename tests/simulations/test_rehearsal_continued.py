"""A run goes on for more pages; what was shown stands, whatever the recommender has become since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recloop.runs import Run
from recloop.simulations import SimulateError
from recloop.simulations.rehearsal import replay, resume
from rehearsing import STAY, digest, events, rehearse, settings, status


@pytest.mark.parametrize("model", ["scripted", "openai/fake"])
async def test_a_finished_run_continued_equals_one_that_had_the_pages_from_the_start(
    model: str, fake_llm: Any, tmp_path: Path
) -> None:
    server = fake_llm(script=STAY, latency="uniform:1:5")
    config = settings(tmp_path, model=model, base_url=server.base_url, pages=2)
    run = tmp_path / "run"
    from recloop.simulations import simulate

    await simulate(config, out=run, api_key="x")
    before = {(e.agent, e.page): e.data for e in events(run)}
    asked = server.stats()["requests"]
    await resume(run, pages=4, api_key="x")
    assert status(run)[0] == "finished"
    after = {(e.agent, e.page): e.data for e in events(run)}
    assert {place: after[place] for place in before} == before
    assert max(page for _, page in after) == 3
    whole = tmp_path / "whole"
    await simulate(config.model_copy(update={"pages": 4, "interviews": (2,)}), out=whole, api_key="x")
    assert digest(whole) == digest(run)
    if model != "scripted":
        calls = len({e.agent for e in events(run) if e.page == 2})
        assert server.stats()["requests"] - asked < 10 * calls, "what was recorded is not asked again"
    again = await replay(run, out=tmp_path / "again")
    assert again[0] == again[1] == digest(run)


async def test_pages_that_are_there_already_are_no_more_pages(tmp_path: Path) -> None:
    from recloop.simulations import simulate

    run = await simulate(settings(tmp_path, model="scripted", pages=3), out=tmp_path / "run")
    before = digest(run)
    with pytest.raises(SimulateError, match="has 3 pages already"):
        await resume(run, pages=3)
    assert (digest(run), status(run)[0]) == (before, "finished")


async def test_everybody_is_interviewed_after_the_pages_that_were_asked_for(tmp_path: Path) -> None:
    from recloop.simulations import simulate

    run = await simulate(settings(tmp_path, model="scripted", pages=3, interviews=(1,)), out=tmp_path / "run")
    asked = {e.agent for e in events(run) if e.page == 0 and "interview" in e.data}
    assert len(asked) == 10
    later = [e for e in events(run) if e.page == 1]
    assert all(("interview" in e.data) == (not e.data["decision"]["next"]) for e in later)


DRIFTING = """
import pathlib
COUNT = pathlib.Path(__file__).with_name("asked")

class Drifting:
    def top(self, user, k, exclude):
        n = len(COUNT.read_text()) if COUNT.exists() else 0
        items = [f"m{i}" for i in range(60) if f"m{i}" not in set(exclude)]
        return items[n:] + items[:n]
"""


async def test_what_was_shown_stands_although_the_recommender_has_changed(tmp_path: Path) -> None:
    from recloop.simulations import simulate

    source = tmp_path / "drifting.py"
    source.write_text(DRIFTING, encoding="utf-8")
    config = settings(tmp_path, model="scripted", pages=2, recommender=f"{source}:Drifting")
    run = await simulate(config, out=tmp_path / "run")
    before = {(e.agent, e.page): e.data for e in events(run)}
    (tmp_path / "asked").write_text("12345", encoding="utf-8")
    await resume(run, pages=4)
    after = {(e.agent, e.page): e.data for e in events(run)}
    assert {place: after[place] for place in before} == before
    for user in {agent for agent, _ in after}:
        shown = [x["item"] for (agent, _), data in sorted(after.items()) if agent == user for x in data["exposures"]]
        assert len(set(shown)) == len(shown), "nothing is shown twice"
    with Run.open(run) as opened:
        assert any("the recommender has changed: on page 1 user" in note for note in opened.manifest.notes)
    source.unlink()  # a replay needs no recommender at all
    again = await replay(run, out=tmp_path / "again")
    assert again[0] == again[1]


def test_a_run_that_nobody_is_left_in_ends_at_once(tmp_path: Path) -> None:
    import asyncio

    run = rehearse(settings(tmp_path, model="scripted", pages=40, users=3), tmp_path / "run")
    pages = status(run)[2]
    asyncio.run(resume(run, pages=pages + 40))
    assert status(run)[0] == "finished"
