"""A rehearsal as a Mesa model with an ordinary `step()`, for Mesa's own page (SolaraViz), and that page.

A page of users waits for answers, so `Population` has `astep` only. SolaraViz calls `step()` from a button, inside the
event loop of its server or in a thread; here the page is lived on a loop of its own, in a thread of its own, and
whoever calls `step()` waits for it.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

import mesa

from .at_hand import AtHand, answering, read
from .config import checked
from .minds import StepMind
from .players import scripted_mind
from .population import Population, SimUser

T = TypeVar("T")

PLOTS = ("watched", "left", "satisfaction")
"""What the page draws over the pages: items chosen so far, users who have left, mean satisfaction of those who browse."""


class OwnLoop:
    """An event loop in a thread of its own; `run` waits for work done there, from any thread and inside any loop."""

    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="recloop pages", daemon=True).start()
        self.close = weakref.finalize(self, loop.call_soon_threadsafe, loop.stop)
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class SteppedRehearsal(mesa.Model):
    """Users before a recommender, a page a `step()`; `running` until everybody has left or the cap is reached.

    Settings are those of `recloop simulate` (`SimulateConfig`); scripted users unless a `model` is named. Nothing is
    recorded: what is to be kept is rehearsed with `simulate`. `population` is the model behind this face.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed)
        self.config = checked({"model": "scripted", **kwargs, "seed": seed})
        self._loop = OwnLoop()
        self.population = self._loop.run(_populated(read(self.config)))
        self.datacollector = mesa.DataCollector(
            model_reporters={
                "watched": lambda m: sum(user.chosen for user in m.users),
                "left": lambda m: sum(not user.active for user in m.users),
                "satisfaction": lambda m: m.mean_satisfaction,
            },
            agent_reporters={"user": "user", "active": "active", "chosen": "chosen", "satisfaction": "satisfaction"},
        )
        self.datacollector.collect(self)

    @property
    def agents(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  (Mesa's setter only raises)
        """The users, as Mesa's set."""
        population = getattr(self, "population", None)  # Mesa looks before there is one
        return super().agents if population is None else population.agents

    @property
    def users(self) -> list[SimUser]:
        return [agent for agent in self.agents if isinstance(agent, SimUser)]

    @property
    def mean_satisfaction(self) -> float | None:
        """Of those who browse, 1 to 10; None before the first page and after the last user."""
        known = [user.satisfaction for user in self.users if user.active and user.satisfaction is not None]
        return sum(known) / len(known) if known else None

    def step(self) -> None:
        """Live one page. Where nothing is left to live, nothing happens."""
        if self.running and not self.population.finished:
            self._loop.run(self.population.astep())
            self.datacollector.collect(self)
        self.running = not self.population.finished


async def _populated(parts: AtHand) -> Population:
    found, prepared, config = await answering(parts), parts.prepared, parts.config
    mind = scripted_mind(prepared, prepared.personas) if found is None else StepMind(prepared.world, found.asker)
    personas = prepared.personas if found is None else found.personas
    return Population(
        personas, prepared.policy, mind, prepared.world.actions, pages=config.pages, seed=config.seed,
        interviews=config.interviews,
    )  # fmt: skip


def rehearsal_page(**settings: Any) -> Any:
    """A page with Mesa's controls (step, play, reset) and plots over a rehearsal; `solara run FILE` shows it, and so does a
    notebook. Fatigue and seed are sliders, in force after Reset. Needs the extra `viz`."""
    from mesa.visualization import SolaraViz, make_plot_component

    first = {"fatigue": 1.0, "seed": 0} | settings
    sliders: dict[str, Any] = {
        "fatigue": {"type": "SliderFloat", "label": "fatigue", "min": 0.0, "max": 1.0, "step": 0.1},
        "seed": {"type": "SliderInt", "label": "seed", "min": 0, "max": max(99, first["seed"]), "step": 1},
    }
    for name, slider in sliders.items():
        slider["value"] = first[name]
    return SolaraViz(
        SteppedRehearsal(**first),
        components=[make_plot_component(plot) for plot in PLOTS],
        model_params={**first, **sliders},
        name="RecLoop",
    )
