"""Mesa's own page steps a rehearsal: a `step()` that waits, from any thread and inside any event loop, and is the same rehearsal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recloop.simulations import SimulateError
from recloop.simulations.stepping import PLOTS, SteppedRehearsal, rehearsal_page
from rehearsing import STAY, events, rehearse, settings, write_ratings


@pytest.fixture
def table(tmp_path: Path) -> str:
    return str(write_ratings(tmp_path / "ratings.csv"))


def lived(model: SteppedRehearsal) -> list[tuple[int, int, float | None]]:
    """Step to the end; per user what they chose, how far they came, how satisfied they were."""
    while model.running:
        model.step()
    return sorted((user.chosen, user.pages, user.satisfaction) for user in model.users)


def test_stepping_lives_the_rehearsal_that_simulate_records(table: str, tmp_path: Path) -> None:
    run = rehearse(settings(tmp_path, model="scripted", users=12, pages=3, seed=4), tmp_path / "run")
    seen: dict[str, list[Any]] = {}
    for event in events(run):
        seen.setdefault(event.agent, []).append(event.data)
    recorded = [
        (
            sum(a["action"] == "watch" for p in pages for a in p["actions"]),
            len(pages),
            pages[-1]["decision"]["satisfaction"],
        )
        for pages in seen.values()
    ]
    assert lived(SteppedRehearsal(data=table, users=12, pages=3, seed=4)) == sorted(recorded)


async def test_a_step_inside_a_running_loop_waits_for_its_page(table: str, fake_llm: Callable[..., Any]) -> None:
    server = fake_llm(latency="fixed:20", script=STAY)
    asked = {"model": "openai/fake", "base_url": server.base_url, "users": 4, "pages": 2, "data": table}
    model = SteppedRehearsal(**asked)
    assert asyncio.get_running_loop()
    model.step()
    assert (model.population.page, model.steps) == (1, 1)
    assert all(user.pages == 1 for user in model.users)
    assert server.stats()["max_in_flight"] > 1, "users think together"
    model.step()
    assert not model.running


def test_every_page_is_collected(table: str) -> None:
    model = SteppedRehearsal(data=table, users=12, pages=3, seed=4)
    lived(model)
    series = model.datacollector.get_model_vars_dataframe()
    assert list(series.columns) == list(PLOTS)
    assert len(series) == model.population.page + 1
    assert series["watched"].is_monotonic_increasing
    assert series["watched"].iloc[-1] == sum(user.chosen for user in model.users) > 0
    assert series["left"].iloc[-1] == sum(not user.active for user in model.users)
    assert series["satisfaction"].iloc[1:-1].between(1, 10).all()
    people = model.datacollector.get_agent_vars_dataframe()
    assert len(people) == 12 * len(series)


def test_a_step_after_the_end_changes_nothing(table: str) -> None:
    model = SteppedRehearsal(data=table, users=4, pages=1)
    before = lived(model)
    model.step()
    assert lived(model) == before
    assert len(model.datacollector.get_model_vars_dataframe()) == 2


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(SimulateError, match="recomender: no such setting"):
        SteppedRehearsal(recomender="pop")


# -- Mesa's page, drawn without a browser


def widgets_of(widget: Any, seen: set[int]) -> Iterator[Any]:
    """A widget and all that it holds, also in slots and in other places than its children."""
    from ipywidgets import Widget

    if isinstance(widget, Widget) and id(widget) not in seen:
        seen.add(id(widget))
        yield widget
        for name in widget.keys:
            yield from widgets_of(getattr(widget, name, None), seen)
    elif isinstance(widget, list | tuple | dict):
        for each in widget.values() if isinstance(widget, dict) else widget:
            yield from widgets_of(each, seen)


async def test_mesas_page_steps_and_resets_it(table: str) -> None:
    solara = pytest.importorskip("solara", reason="the extra viz is not installed")
    import reacton

    page = rehearsal_page(data=table, users=6, pages=2, seed=2)
    box, shown = reacton.render(solara.AppLayout(children=[page]), handle_error=False)

    def named(kind: str) -> list[Any]:
        return [widget for widget in widgets_of(box, set()) if type(widget).__name__ == kind]

    def steps() -> list[str]:
        texts = [text for widget in named("Html") for text in widget.children]
        return [text for text in texts if str(text).startswith("Step: ")]

    def button(label: str) -> Any:
        (found,) = (widget for widget in named("Btn") if label in widget.children)
        return found

    def plots() -> list[bytes]:
        return [bytes(image.value) for image in named("Image")]

    try:
        assert steps() == ["Step: 0"]
        before = plots()
        assert len(before) == len(PLOTS)
        button("Step").click()
        assert steps() == ["Step: 1"]
        assert plots() != before, "the plots show the page just lived"
        button("Step").click()
        assert steps() == ["Step: 2"]
        assert button("Step").disabled, "the cap is reached"
        button("Reset").click()
        assert steps() == ["Step: 0"]
        assert not button("Step").disabled
    finally:
        shown.close()
