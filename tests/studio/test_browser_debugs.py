"""In a real browser: from a breakpoint to a fork that lived on and its diff, at a thousand agents and with a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import apart, browser, looking, studio  # pyright: ignore[reportMissingImports]
from fake_llm import FakeLLM
from recloop.runs import Run
from rehearsing import STAY, rehearse, settings, write_ratings  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser() as context:
        yield context


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a debugger over a thousand scripted users and three pages."""
    folder = tmp_path_factory.mktemp("thousand")
    write_ratings(folder / "ratings.csv", users=1000, items=80, per_user=10)
    run = apart(rehearse, settings(folder, users=1000, model="scripted"), folder / "run")
    with studio(run) as address:
        yield address


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLLM]:
    with FakeLLM(script=STAY) as llm:
        yield llm


@pytest.fixture(scope="module")
def talkers(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Path:
    """A run of twelve users whom a model plays, all of them to the last of three pages."""
    folder = tmp_path_factory.mktemp("talkers")
    config = settings(folder, users=12, model=f"{llm.base_url}#fake-chat", price="in=1,out=2")
    return apart(rehearse, config, folder / "run")


@pytest.fixture(scope="module")
def talking(talkers: Path) -> Iterator[str]:
    """The address of a debugger over them."""
    with studio(talkers, api_key="x") as address:
        yield address


def at(page: Page, agent: str, number: int, node: str = "", tab: str = "prompt", run: str = "") -> None:
    """Looks at a moment, as a link does."""
    link = f"run={run}&agent={agent}&page={number}&node={node}&tab={tab}"
    page.evaluate("hash => { location.hash = hash }", link)
    page.wait_for_selector(f'.card[aria-current="true"][data-page="{number}"]')
    page.wait_for_function("agent => document.querySelector('#middle h2').textContent.includes(agent)", arg=agent)
    page.wait_for_selector(".node.lit")


def finished(page: Page, fork: str) -> None:
    """Waits until the fork that is looked at has lived to its end."""
    page.wait_for_function("run => document.querySelector('#top .run')?.textContent.endsWith(run)", arg=fork)
    page.wait_for_selector("#top .tag.finished")
    page.wait_for_selector('[data-notice="stopped"]')


def break_at(page: Page, when: str) -> None:
    page.keyboard.press("b")
    page.keyboard.type(when)
    page.keyboard.press("Enter")


def test_a_thousand_agents_from_breakpoint_to_diff(context: BrowserContext, thousand: str) -> None:
    with looking(context, thousand, refused=(422,)) as page:
        assert "1,000" in page.inner_text("#population .head")

        break_at(page, "satisfaction < 5 and pag > 0")
        said = page.inner_text("#lower .said-error pre")
        assert "^^^" in said, "the error points at the place"
        assert "page" in said, "and offers the near name"
        page.fill("#lower input[type=text]", "")
        page.keyboard.type("satisfaction < 5 and page > 0")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-breakpoint]")
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        page.wait_for_selector(".rows .holds")
        agent = re.search(r"holds at (u\d+), page 1", page.inner_text(".rows .hit")).group(1)  # type: ignore[union-attr]
        assert page.get_attribute('.card[aria-current="true"]', "data-page") == "1"

        page.keyboard.press("a")
        page.wait_for_function("was => !document.querySelector('#middle h2').textContent.includes(was)", arg=agent)
        page.keyboard.press("r")
        page.wait_for_selector('.card[aria-current="true"][data-page="2"]')
        at(page, agent, 0)
        page.keyboard.press("p")
        page.wait_for_selector('.card[aria-current="true"][data-page="1"]')

        page.keyboard.press("f")
        page.fill('dialog [data-field="edits"]', "state satisfaction=9")
        page.fill('dialog [data-field="name"]', "happy")
        page.keyboard.press("Control+Enter")
        finished(page, "happy")
        page.click('[data-lower="forks"]')
        assert "satisfaction" in page.inner_text('.fork[data-run="happy"] .edit')

        page.keyboard.press("d")
        page.wait_for_selector("dialog [data-first]")
        assert agent in page.inner_text("dialog [data-first]")
        assert "999 have the same digest" in page.inner_text("dialog .lead")
        assert page.locator("dialog [data-agent]").count() == 1
        page.click("dialog [data-first]")
        page.wait_for_selector("dialog", state="detached")
        assert page.get_attribute('.card[aria-current="true"]', "data-page") == "1"

        page.click('[data-lower="forks"]')
        page.click('.fork[data-run=""]')
        page.wait_for_function("() => document.querySelector('#top .run')?.textContent.includes('happy') === false")
        page.keyboard.press("d")
        page.wait_for_selector("dialog [data-first]")
        heads = page.locator("dialog .numbers th").all_inner_texts()[1:3]
        assert heads[1] == "happy", f"from the parent to the fork, also where the parent is open: {heads}"


def test_an_edited_memory_reaches_the_prompt_and_the_rest_is_not_asked_again(
    context: BrowserContext, talking: str, talkers: Path, llm: FakeLLM
) -> None:
    with looking(context, talking) as page:
        agent = str(page.evaluate("document.querySelector('.grid-row .cell').textContent"))
        at(page, agent, 1, "react", "memory")
        page.wait_for_selector('[data-memory="0"]')
        page.click('[data-key="memory-edit-0"]')
        assert page.input_value('dialog [data-field="edits"]').startswith('memory 0 = "Page 1: chose')
        page.fill('dialog [data-field="edits"]', 'memory 0 = "The purple umbrella was the best of all."')
        page.fill('dialog [data-field="name"]', "umbrella")
        before = llm.stats()["requests"]
        page.keyboard.press("Control+Enter")
        finished(page, "umbrella")
        assert llm.stats()["requests"] - before == 3, "two pages and the interview of one of twelve"

        at(page, agent, 1, "react", "memory", run="umbrella")
        page.wait_for_function("() => document.querySelector('#inspected').textContent.includes('purple umbrella')")
        at(page, agent, 1, "react", "prompt", run="umbrella")
        page.wait_for_function("() => document.querySelector('#inspected').textContent.includes('purple umbrella')")
        page.keyboard.press("d")
        page.wait_for_selector("dialog [data-first]")
        assert f"agent {agent}, page 1" in page.inner_text("dialog [data-first]")
        assert "11 have the same digest" in page.inner_text("dialog .lead")
    with Run.open(talkers / "forks" / "umbrella") as fork:
        assert fork.status == "finished"


def test_steps_go_through_the_nodes_of_a_page_to_the_next_agent_and_round(
    context: BrowserContext, talking: str
) -> None:
    with looking(context, talking) as page:
        agent = str(page.evaluate("document.querySelector('.grid-row .cell').textContent"))
        at(page, agent, 0, "observe")
        lit = [page.get_attribute(".node.lit", "data-node")]
        for _ in range(4):
            page.keyboard.press("n")
            page.wait_for_function("was => document.querySelector('.node.lit')?.dataset.node !== was", arg=lit[-1])
            lit.append(page.get_attribute(".node.lit", "data-node"))
        assert lit == ["observe", "react", "remember", "reflect", "decide"]
        page.keyboard.press("n")  # behind the last node: the next agent on this page
        page.wait_for_function("was => !document.querySelector('#middle h2').textContent.includes(was)", arg=agent)
        page.wait_for_selector('.node.lit[data-node="observe"]')
        page.keyboard.press("r")
        page.wait_for_selector('.card[aria-current="true"][data-page="1"]')


def test_going_on_shows_its_progress_can_be_stopped_and_taken_up_again(
    context: BrowserContext, talking: str, llm: FakeLLM
) -> None:
    with looking(context, talking) as page:
        agent = str(page.evaluate("document.querySelector('.grid-row .cell').textContent"))
        at(page, agent, 1)
        page.keyboard.press("f")
        page.check('dialog [data-field="all"]')
        page.uncheck('dialog [data-field="live"]')
        page.fill('dialog [data-field="edits"]', "state satisfaction=9")
        page.fill('dialog [data-field="name"]', "slow")
        page.keyboard.press("Control+Enter")
        page.wait_for_function("() => document.querySelector('#top .run')?.textContent.endsWith('slow')")
        page.wait_for_selector("dialog", state="detached")
        llm.configure(latency="fixed:400")
        page.keyboard.press("c")
        page.wait_for_selector("#top progress")
        page.wait_for_selector("[data-does=stop]:not([disabled])")
        page.keyboard.press("x")
        page.wait_for_selector("#top .tag.paused")
        llm.configure(latency="none")
        page.wait_for_selector("[data-does=continue]:not([disabled])")
        page.keyboard.press("c")
        finished(page, "slow")


def test_a_call_asked_again_stands_beside_the_recorded_one(context: BrowserContext, talking: str) -> None:
    with looking(context, talking) as page:
        agent = str(page.evaluate("document.querySelector('.grid-row .cell').textContent"))
        at(page, agent, 0, "react")
        page.keyboard.press("q")
        page.wait_for_selector('dialog [data-side="recorded"]')
        page.keyboard.press("Control+Enter")
        page.wait_for_selector('dialog [data-side="new"] .tag.good')
        assert "choices" in page.inner_text('dialog [data-side="new"]')


def test_a_replay_proves_the_recording(context: BrowserContext, talking: str) -> None:
    with looking(context, talking) as page:
        page.keyboard.press("y")
        page.wait_for_selector('[data-notice="replay"].good')
        assert "digest is the same" in page.inner_text('[data-notice="replay"]')
