"""In a real browser: hostile text is text, keys do everything, links come back, what is new disturbs nobody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import apart, browser, looking, studio  # pyright: ignore[reportMissingImports]
from fake_llm import FakeLLM
from rehearsing import rehearse, settings, write_ratings  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

HOSTILE = {
    "Zif-001 (1961)": "<script>window.broken=1</script><img src=x onerror=window.broken=2>",
    "Zif-002 (1962)": "\x1b[31mred\x1b[0m bell\x07 \u202egnp.exe",  # the engine's titles are plain already
    "Zif-003 (1963)": "L" + "o" * 9_998 + "ng",
    "Zif-004 (1964)": "</title></style></script><svg onload=window.broken=3>",
}
BREAKS: list[dict[str, Any]] = [
    {
        "match": r"<<<items\n.*\[(?P<final>[^\]\n]+)\][^\n]*\n>>>",
        "where": "user",
        "reply": '{"choices": {"{{final}}": {"fits": true, "action": "dance", "rating": 3, "why": "<b>x</b>"}}, '
        '"feeling": "<i>\\u001b[31mred \\u202egnp.exe", "satisfaction": 3, "decision": "next", "reason": "r"}',
    }
]
"""A model whose answers break their schema: an action that there is not, items left out."""


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser() as context:
        yield context


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A debugger over forty scripted users who are shown hostile titles."""
    folder = tmp_path_factory.mktemp("hostile")
    data = write_ratings(folder / "ratings.csv", items=12, per_user=8)
    text = data.read_text(encoding="utf-8")
    for title, hostile in HOSTILE.items():
        text = text.replace(title, hostile)
    data.write_text(text, encoding="utf-8")
    config = settings(folder, users=40, model="scripted", recommender="random", page_size=4)
    with studio(apart(rehearse, config, folder / "run")) as address:
        yield address


def shown(page: Page, box: str) -> str:
    return str(page.evaluate("box => document.querySelector(box).textContent", box))


def lit(page: Page) -> str:
    return str(page.evaluate("document.querySelector('#middle h2').textContent"))


def test_a_hostile_title_is_shown_as_text(context: BrowserContext, address: str) -> None:
    wanted = {"<script>window.broken=1", "red bell gnp.exe", "Looooo", "<svg onload="}
    with looking(context, address) as page:
        found: set[str] = set()
        page.keyboard.press("u")
        for _ in range(40):
            page.keyboard.press("j")
            page.wait_for_selector(".card .slate li")
            page.wait_for_timeout(90)
            text = shown(page, "#middle")
            found |= {each for each in wanted if each in text}
            if found == wanted:
                break
        assert found == wanted, f"not shown: {wanted - found}"
        assert page.evaluate("window.broken") is None
        assert page.locator("#panes script, #panes img, #panes style, #panes iframe").count() == 0
        wide = page.evaluate(
            "[document.documentElement.scrollWidth, innerWidth, document.body.scrollHeight, innerHeight]"
        )
        assert wide[0] <= wide[1], "a title of 10,000 letters does not widen the page"
        assert wide[2] <= wide[3]
        for tab in "1234567":
            page.keyboard.press(tab)
        assert page.evaluate("window.broken") is None


def test_keys_alone_do_everything(context: BrowserContext, address: str) -> None:
    with looking(context, address) as page:
        first = lit(page)
        page.keyboard.press("/")
        page.keyboard.type("pages>=2")
        page.keyboard.press("Enter")
        page.keyboard.press("End")
        page.wait_for_function("was => document.querySelector('#middle h2').textContent !== was", arg=first)
        assert "of 40" in page.inner_text("#population .head")

        page.keyboard.press("Escape")
        page.keyboard.press("6")
        page.wait_for_selector('[data-tab="state"][aria-selected="true"]')
        page.keyboard.press("b")
        page.keyboard.type("page == 1")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-breakpoint]")
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        page.wait_for_selector('.card[aria-current="true"][data-page="1"]')
        page.keyboard.press("[")
        page.wait_for_selector('.card[aria-current="true"][data-page="0"]')

        page.keyboard.press("?")
        page.wait_for_selector('dialog[data-dialog="help"]')
        known = set(page.locator("dialog kbd").all_inner_texts())
        assert {"n", "p", "a", "r", "c", "x", "g", "f", "e", "q", "d", "y", "m", "/", "?", "j", "k"} <= known
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")

        page.keyboard.press("g")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type("0")
        page.keyboard.press("Enter")
        page.wait_for_selector('.card[aria-current="true"][data-page="0"]')
        page.keyboard.press("f")
        page.keyboard.type("trait activity=3")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("dialog", state="detached")
        page.wait_for_selector("#top .tag.finished, #top .tag.paused")
        page.keyboard.press("w")
        assert page.evaluate("document.activeElement.closest('[role=treeitem]') !== null")
        page.keyboard.press("Tab")
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", "the focus is seen"
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.keyboard.press("t")


def test_every_control_has_a_name_and_every_action_says_its_key(context: BrowserContext, address: str) -> None:
    with looking(context, address) as page:
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input, select, textarea, [role=separator], [role=grid]')]"
            ".filter(n => !(n.textContent.trim() || n.getAttribute('aria-label'))).map(n => n.outerHTML)"
        )
        assert nameless == []
        actions = page.locator("#actions button")
        assert actions.count() > 12
        assert all(actions.nth(i).get_attribute("aria-keyshortcuts") for i in range(actions.count()))


def test_a_table_of_any_length_keeps_few_rows_in_the_document(context: BrowserContext, address: str) -> None:
    with looking(context, address) as page:
        page.evaluate("document.documentElement.style.setProperty('--lower', '420px')")
        page.wait_for_timeout(100)
        rows = page.locator(".grid-row:not([hidden])").count()
        assert rows < 30, "forty agents, fewer rows"
        assert page.get_attribute(".grid", "aria-rowcount") == "41"
        page.click('[data-column="satisfaction"]')
        assert page.get_attribute('[data-column="satisfaction"]', "aria-sort") == "descending"
        values = page.evaluate(
            "[...document.querySelectorAll('.grid-row:not([hidden])')].map(r => [Number(r.dataset.at), Number(r.children[3].textContent)])"
        )
        ordered = [value for _, value in sorted(values)]
        assert ordered == sorted(ordered, reverse=True)
        page.fill('#population input[type="search"]', "u7")
        page.wait_for_function("() => document.querySelector('.grid').ariaRowCount === '2'")
        left = page.locator(".grid-row").filter(visible=True)
        assert [left.nth(i).locator(".cell").first.inner_text() for i in range(left.count())] == ["u7"], (
            "nobody else in sight"
        )
        page.fill('#population input[type="search"]', "nosuchagent")
        assert "No agent matches" in page.inner_text("#population .grid")
        page.fill('#population input[type="search"]', "satisfacton<3")
        assert "no column" in page.inner_text("#population .note")


def test_a_link_and_a_reload_come_back_to_the_moment(context: BrowserContext, address: str) -> None:
    with looking(context, address) as page:
        page.evaluate("location.hash = 'agent=u7&page=0&tab=persona'")
        page.wait_for_function("() => document.querySelector('#middle h2').textContent.includes('u7')")
        page.reload()
        page.wait_for_selector("body[data-ready]")
        page.wait_for_function("() => document.querySelector('#middle h2').textContent.includes('u7')")
        assert page.get_attribute('[data-tab="persona"]', "aria-selected") == "true"
        page.evaluate("location.hash = 'agent=nobody&page=0'")
        page.wait_for_selector('[data-notice="error"]')
        assert "nobody" in page.inner_text('[data-notice="error"]')


def test_an_answer_that_breaks_its_schema_is_marked_at_its_path(context: BrowserContext, tmp_path: Path) -> None:
    with FakeLLM(script=BREAKS) as llm:
        run = apart(rehearse, settings(tmp_path, users=2, pages=1, model=f"{llm.base_url}#fake-chat"), tmp_path / "run")
    with studio(run) as address, looking(context, address) as page:
        page.keyboard.press("2")
        page.wait_for_selector(".json .marked.bad")
        paths = page.evaluate("[...document.querySelectorAll('.json .marked.bad')].map(n => n.dataset.path)")
        assert any(path.endswith(".action") for path in paths), paths
        assert "dance" in " ".join(page.locator(".json .said").all_inner_texts())
        text = shown(page, "body")
        assert "<i>" in text
        assert "⟨U+202E⟩gnp.exe" in text
        assert not {"\x1b", "\u202e"} & set(text), "nothing that a terminal or a reader would act on"
        assert page.locator(".node.broken").count() >= 1
        assert page.locator(".card.broken .failures").count() == 1


def test_what_another_process_writes_is_seen_and_disturbs_neither_scroll_nor_focus(
    context: BrowserContext, address: str, tmp_path: Path
) -> None:
    config = settings(tmp_path, users=40, pages=4, model="scripted")
    run = apart(rehearse, config, tmp_path / "run")
    _rewind(run, 2)
    with studio(run) as address, looking(context, address) as page:
        assert page.inner_text('[data-stat="of 4 pages"]') == "2"
        page.evaluate("document.querySelector('.grid').scrollTop = 240")
        page.focus('[data-key="tab-state"]')
        apart(_resume, run)
        page.wait_for_function("() => document.querySelector('[data-stat=\"of 4 pages\"]').textContent === '4'")
        page.wait_for_selector("#top .tag.finished")
        assert page.evaluate("document.querySelector('.grid').scrollTop") == 240
        assert page.evaluate("document.activeElement.dataset.key") == "tab-state"


def _rewind(run: Path, barrier: int) -> None:
    """Puts a finished run back to where it was after `barrier`, as if it had been killed there."""
    with sqlite3.connect(run / "log.sqlite") as log:
        for (table,) in log.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if any(column[1] == "barrier" for column in log.execute(f"PRAGMA table_info({table})")):
                log.execute(f"DELETE FROM {table} WHERE barrier > ?", (barrier,))
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "paused"}))


def _resume(run: Path) -> None:
    import asyncio

    from recloop.simulations.rehearsal import resume

    asyncio.run(resume(run))
