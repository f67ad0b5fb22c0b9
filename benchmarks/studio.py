"""How quickly the debugger's page stands, steps, sorts and scrolls at 1,000 and 10,000 agents, in this system's chromium.

    python benchmarks/studio.py [--agents 1000 10000] [--pages 5] [--rounds 15]

`opened_cold`: from a server that has read nothing yet to a table that is drawn; `opened`: the same again. A step is a key
pressed until the next agent's pages (`agent`, `page`) or the node (`node`) are drawn; scripted users have one node, so nodes are
stepped in a run of model users (fake server). `frames`: share of frames within 20 ms while the whole table scrolls by.
Milliseconds: median and the slowest of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/simulations"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/studio"))

from browsing import browser, studio
from fake_llm import FakeLLM
from recloop.simulations import SimulateConfig, simulate
from rehearsing import STAY, write_ratings

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEP = """([key, box]) => new Promise(done => {
  const watched = document.querySelector(box), began = performance.now();
  const seen = new MutationObserver(() => { if (watched.querySelector('.slate, .node.lit')) { seen.disconnect();
    requestAnimationFrame(() => done(performance.now() - began)); } });
  seen.observe(watched, {childList: true, subtree: true});
  setTimeout(() => { seen.disconnect(); done(-1) }, 5000);
  document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
})"""
SCROLL = """() => new Promise(done => {
  const grid = document.querySelector('.grid'), frames = [];
  let last = performance.now();
  const end = grid.scrollHeight - grid.clientHeight, by = Math.max(60, end / 240);
  const next = now => { frames.push(now - last); last = now; grid.scrollTop += by;
    grid.scrollTop >= end - 1 ? done(frames.slice(1)) : requestAnimationFrame(next); };
  requestAnimationFrame(next);
})"""
SORT = """() => new Promise(done => {
  const began = performance.now(); document.querySelector('[data-column=satisfaction]').click();
  requestAnimationFrame(() => done(performance.now() - began)); })"""


def said(values: list[float]) -> list[float]:
    """Median and slowest, in milliseconds."""
    known = [value for value in values if value >= 0]
    return [round(statistics.median(known), 1), round(max(known), 1)] if known else []


def opened(page: Page, address: str) -> float:
    """Milliseconds from the address to the first agent's pages."""
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(".card .slate")
    return 1000 * (time.perf_counter() - began)


def steps(page: Page, key: str, box: str, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        found.append(page.evaluate(STEP, [key, box]))
        page.wait_for_timeout(150)
    return said(found)


def look(run: Path, rounds: int, more: Callable[[Page], dict[str, Any]]) -> dict[str, Any]:
    with studio(run) as address, browser() as context:
        page = context.new_page()
        cold = opened(page, address)
        again = []
        for _ in range(5):
            page.goto("about:blank")
            again.append(opened(page, address))
        page.wait_for_timeout(500)
        found = {"opened_cold_ms": round(cold), "opened_ms": said(again)}
        found["step_agent_ms"] = steps(page, "a", ".cards", rounds)
        return found | more(page)


def crowd(page: Page) -> dict[str, Any]:
    frames = page.evaluate(SCROLL)
    return {
        "sort_ms": said([page.evaluate(SORT) for _ in range(6)]),
        "rows_in_document": page.locator(".grid-row").count(),
        "frames": {
            "count": len(frames),
            "within_20_ms": round(sum(f <= 20 for f in frames) / len(frames), 3),
            "slowest_ms": round(max(frames), 1),
        },
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--agents", type=int, nargs="+", default=[1000, 10_000])
    asked.add_argument("--pages", type=int, default=5)
    asked.add_argument("--rounds", type=int, default=15)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="recloop-studio-") as made:
        for agents in options.agents:
            folder = Path(made) / str(agents)
            folder.mkdir()
            data = write_ratings(folder / "ratings.csv", users=agents, items=200, per_user=12)
            config = SimulateConfig(data=str(data), users=agents, pages=options.pages, model="scripted")
            run = asyncio.run(simulate(config, out=folder / "run"))
            tell(agents, "scripted", look(run, options.rounds, crowd))
        folder = Path(made) / "model"
        folder.mkdir()
        data = write_ratings(folder / "ratings.csv")
        with FakeLLM(script=STAY) as llm:
            config = SimulateConfig(data=str(data), users=40, pages=options.pages, model=f"{llm.base_url}#fake-chat")
            run = asyncio.run(simulate(config, out=folder / "run", api_key="x"))
        nodes = look(run, options.rounds, lambda page: {"step_node_ms": steps(page, "n", ".graph", options.rounds)})
        tell(40, "model", nodes)


def tell(agents: int, users: str, found: dict[str, Any]) -> None:
    print(json.dumps({"agents": agents, "users": users, **found, "load": round(os.getloadavg()[0], 2)}), flush=True)


if __name__ == "__main__":
    main()
