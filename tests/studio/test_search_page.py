"""The page of a prompt search: what the server tells and refuses; in a browser, an edit before acceptance and a fork."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import apart, browser, looking, studio  # pyright: ignore[reportMissingImports]
from fake_llm import FakeLLM
from serving import Serve, Served, until  # pyright: ignore[reportMissingImports]

sys.path[:0] = [str(Path(__file__).parents[1] / "cli")]
from test_cli_optimize import MINE, SCRIPT  # noqa: E402  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


def found(out: Path, address: str) -> None:
    import asyncio

    from recloop.prompt_opt.asked import checked, optimize_as

    sizes = {"search": 12, "selection": 10, "test": 12, "optimizer_options": {"rounds": 1, "width": 2}}
    asyncio.run(optimize_as(checked({"model": f"{address}#small", **sizes}), out=out))


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished search, made once; the server that answered it stays."""
    out = tmp_path_factory.mktemp("master") / "found"
    with FakeLLM(script=SCRIPT) as server:
        apart(found, out, server.base_url)
        yield out


@pytest.fixture
def search(master: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(master, tmp_path / "found"))


async def gone_on(served: Served, run: str, **how: Any) -> dict[str, Any]:
    """Lets a search go on, and waits for how that ends."""
    assert (await served.post("/api/go-on", {"run": run, **how})).status == 202
    await until(lambda: run in served.api.crew.last)
    return served.api.crew.last[run]


async def test_the_server_shows_a_search_and_carries_an_edit_through(serve: Serve, search: Path) -> None:
    served = await serve(search)
    about = (await served.get("/api/about")).said
    assert about["view"] == "optimize"
    assert {"candidate", "score"} <= {each["name"] for each in about["fields"]}
    assert b"js/search/main.js" in (await served.get("/")).body
    overview = (await served.get("/api/overview")).said
    steps = (await served.get("/api/steps")).said["steps"]
    candidates = (await served.get("/api/candidates")).said["candidates"]
    assert (overview["steps"], overview["candidates"]) == (len(steps) - 1, len(candidates))
    cases = (await served.get(f"/api/cases?candidate={overview['best']}&step={steps[-2]['step']}")).said["cases"]
    assert (await served.get(f"/api/call?key={cases[0]['calls'][0]}")).said["case"] == cases[0]["case"]
    parts = (await served.get(f"/api/texts?a={overview['seed']}&b={overview['best']}")).said["parts"]
    spelled = "".join(text for what, text in parts["rank"] if what != "gone")
    assert spelled == candidates[-1]["texts"]["rank"]

    made = await served.post("/api/fork", {"step": 3, "edits": [], "name": "careful"})
    assert (made.status, made.said["run"]) == (201, "careful")
    stopped = await gone_on(served, "careful", until='kind == "accept"')
    assert stopped["hit"]["candidate"] == overview["best"]
    assert stopped["waits"]["texts"] == candidates[-1]["texts"]
    assert (await served.get("/api/overview?run=careful")).said["waits"]["candidate"] == overview["best"]
    refused = await gone_on(served, "careful", accept={"rank": "Rank them."})
    assert "guards refuse" in refused["error"]
    assert (await gone_on(served, "careful", accept={"rank": MINE}))["status"] == "finished"
    difference = (await served.get("/api/diff?run=careful")).said
    assert [each["texts"] for each in difference["only_b"]] == [{"rank": MINE}]
    assert difference["fresh"] == [True, False]
    assert (await served.post("/api/replay", {"run": "careful"})).said["same"]
    tree = (await served.get("/api/tree")).said
    assert [each["run"] for each in tree["forks"]] == ["careful"]


async def test_the_page_of_a_search_reads_no_file_and_asks_no_other_address(serve: Serve, search: Path) -> None:
    served = await serve(search)
    (search.parent / "secret.md").write_text(MINE)
    best = (await served.get("/api/overview")).said["best"]
    file = await served.post("/api/fork", {"edits": [f"candidate {best}=@{search.parent / 'secret.md'}"]})
    assert (file.status, "guards refuse" in file.said["error"]) == (422, True), "the name stands for itself"
    for edit in ("config model=http://elsewhere/v1#x", "config base_url=http://elsewhere", "option selector=a/b.py"):
        assert (await served.post("/api/fork", {"step": 0, "edits": [edit]})).status == 422
    wrong = await served.post("/api/breakpoints", {"when": "scor > 1"})
    assert (wrong.status, "^" in wrong.said["error"]) == (422, True)
    assert (await served.get("/api/agents")).status == 404
    assert not (search / "forks").exists()


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser() as context:
        yield context


def test_in_a_browser_ones_own_text_is_accepted_in_place_of_a_candidate(context: BrowserContext, search: Path) -> None:
    with studio(search) as address, looking(context, address) as page:
        assert page.locator("[data-step]").count() > 6
        best = page.locator("[data-candidate]").last.get_attribute("data-candidate")
        page.click(f"[data-candidate='{best}']")
        assert page.locator(".words ins").count() > 0, "what changed from its parent"
        page.locator("[data-call]").first.click()
        page.wait_for_selector(".message")
        page.click("[data-step='3']")
        page.click("[data-does='fork']")
        page.fill("[data-field='name']", "mine")
        page.click("[data-does='make-fork']")
        page.wait_for_selector("[data-status='paused']")
        page.click("[data-does='to-accept']")
        page.wait_for_selector(".waits")
        page.click("[data-does='accept-edited']")
        page.fill("textarea[data-part='rank']", MINE)
        page.click("[data-does='accept-text']")
        page.wait_for_selector("[data-status='finished']")
        page.wait_for_selector("[data-verdict]")
        assert "not a fresh test" in page.inner_text("[data-verdict]")
        page.click("[data-does='diff']")
        page.wait_for_selector("[data-dialog='diff']")
        assert "edited by hand" in page.inner_text("[data-dialog='diff']")
