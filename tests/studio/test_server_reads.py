"""What the page reads of a run."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from recloop.runs import Run, fork_run
from recloop.simulations.debugging import Debugger
from recloop.studio.serve import StudioError
from recloop.studio.serve import serve as serve_forever
from serving import Serve  # pyright: ignore[reportMissingImports]


async def test_a_run_at_a_glance(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    said = (await served.get("/api/overview")).said
    assert (said["run"], said["kind"], said["status"], said["agents"]) == ("", "simulate", "finished", 10)
    assert said["name"] == "run", (
        "as its folder is named: a rehearsal is called `simulate` unless somebody says otherwise"
    )
    assert said["living"] is None
    assert "path" not in said, "the page names runs by address"


async def test_all_agents_come_as_columns_of_equal_length(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    columns = (await served.get("/api/agents")).said["columns"]
    with Debugger(recorded) as debugger:
        expected = debugger.agents()
    assert {name: len(values) for name, values in columns.items()} == dict.fromkeys(expected, 10)
    assert columns["agent"] == list(expected["agent"])


async def test_an_agents_pages_are_the_log_s(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    agent = (await served.get("/api/agents")).said["columns"]["agent"][0]
    said = (await served.get("/api/agent", params={"agent": agent})).said
    with Run.open(recorded) as run:
        events = list(run.events(kind="page", agent=agent))
    assert [page["page"] for page in said["pages"]] == [event.page for event in events]
    shown = [{each["item"] for each in event.data["exposures"]} for event in events]
    assert [{each["item"] for each in page["exposures"]} for page in said["pages"]] == shown
    assert said["persona"]["user"] == agent


async def test_what_the_page_has_is_not_sent_again(own: Path, serve: Serve) -> None:
    served = await serve(own)
    first = await served.get("/api/agents")
    again = await served.get("/api/agents", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert first.headers["ETag"] == f'W/"{first.said["version"]}"'
    with Run.open(own, write=True) as run:
        run.commit(run.barrier + 1)
    changed = await served.get("/api/agents", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status == 200


async def test_large_answers_are_compressed_for_who_can_read_them(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    agent = (await served.get("/api/agents")).said["columns"]["agent"][0]
    for encoding, squeezed in (("gzip", True), ("identity", False)):
        async with served.browser.get(
            f"{served.base}/api/agent?agent={agent}", headers={"Accept-Encoding": encoding}, auto_decompress=False
        ) as answer:
            body = await answer.read()
        assert (answer.headers.get("Content-Encoding") == "gzip") is squeezed
        assert json.loads(gzip.decompress(body) if squeezed else body)["agent"] == agent


UNKNOWN: list[tuple[str, int]] = [
    ("/api/agent?agent=nobody", 422),
    ("/api/agents?run=nothing", 404),
    ("/api/agents?run=..", 404),
    ("/api/agents?run=../own", 404),
    ("/api/agents?run=/etc", 404),
    ("/api/agents?run=a//b", 404),
    ("/api/agents?run=%00", 404),
    ("/api/agents?run=C:", 404),
    ("/api/agents?run=forks/a", 404),
    ("/api/agents?page=1", 400),
    ("/api/agents?run=&run=", 400),
    ("/api/agent", 400),
    ("/api/moments?agent=u0&page=-1", 400),
    ("/api/moments?agent=u0&page=x", 400),
    ("/api/nothing", 404),
]


@pytest.mark.parametrize(("path", "status"), UNKNOWN)
async def test_what_there_is_not_is_told_in_words(recorded: Path, serve: Serve, path: str, status: int) -> None:
    served = await serve(recorded)
    answer = await served.get(path)
    assert answer.status == status, answer.said
    assert set(answer.said) == {"error", "hint"}
    assert "Traceback" not in answer.said["error"]


async def test_a_method_that_a_route_does_not_take_is_told(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    answer = await served.post("/api/agents")
    assert (answer.status, answer.said["hint"]) == (405, "it takes GET")


BODIES: list[tuple[Any, int, str]] = [
    ({"stride": "node", "why": 1}, 400, "unknown field why"),
    ({"strid": "node"}, 400, "unknown field strid"),
    ({"stride": "far"}, 400, "stride"),
    ({"run": 3}, 400, "run"),
    ([], 400, "no JSON object"),
    ("node", 400, "no JSON object"),
]


@pytest.mark.parametrize(("body", "status", "words"), BODIES)
async def test_a_malformed_change_is_refused_in_words(
    recorded: Path, serve: Serve, body: Any, status: int, words: str
) -> None:
    served = await serve(recorded)
    answer = await served.post("/api/step", body)
    assert answer.status == status
    assert words in answer.said["error"]


async def test_a_near_name_is_offered(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    assert (await served.post("/api/step", {"strid": "node"})).said["hint"] == "did you mean stride?"


async def test_a_body_has_a_limit(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    answer = await served.post("/api/fork", {"page": 1, "edits": ["x" * 1100] * 999})
    assert (answer.status, "MiB" in answer.said["error"]) == (413, True)


async def test_broken_json_is_told(recorded: Path, serve: Serve) -> None:
    served = await serve(recorded)
    headers = {"Origin": served.base, "Content-Type": "application/json"}
    answer = await served.ask("POST", "/api/step", data=b'{"run": ', headers=headers)
    assert (answer.status, "not JSON" in answer.said["error"]) == (400, True)


async def test_a_link_is_no_fork(own: Path, recorded: Path, serve: Serve) -> None:
    (own / "forks").mkdir()
    (own / "forks" / "a").symlink_to(recorded, target_is_directory=True)
    served = await serve(own)
    assert (await served.get("/api/overview?run=a")).status == 404


async def test_no_address_leads_above_or_beside_a_run_that_has_forks(own: Path, serve: Serve) -> None:
    fork_run(own, 1, name="a")
    fork_run(own, 1, name="b")
    served = await serve(own / "forks" / "a")
    assert (await served.get("/api/overview")).status == 200
    (own / "forks" / "a" / "forks").mkdir()
    for address in ("..", ".", "../..", "../../b", "../b", "a", "/", "..\\..\\b", str(own)):
        assert (await served.get("/api/overview", params={"run": address})).status == 404, address


async def test_a_run_is_opened_once_and_knows_what_became_of_it(own: Path, serve: Serve) -> None:
    shelf = (await serve(own)).api.shelf
    with shelf.debugger("") as first, shelf.debugger("") as second:
        assert first is second
    with Run.open(own, write=True) as run:
        run.set_status("paused")
        run.revise({"pages": 9}, "more pages")
    with shelf.debugger("") as later:
        assert later is first
        assert (later.run.status, later.run.manifest.config["pages"]) == ("paused", 9)


async def test_debuggers_that_nobody_uses_are_closed_when_they_are_many(
    own: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recloop.studio.shelf.OPEN_AT_ONCE", 2)
    for name in "abcd":
        fork_run(own, 1, name=name)
    shelf = (await serve(own)).api.shelf
    with shelf.debugger("a") as used:
        for name in "bcd":
            with shelf.debugger(name):
                pass
        assert used.run.barrier == 1, "one that is used stays open"
        assert set(shelf._open) == {"a", "c", "d"}


async def test_a_run_that_is_deleted_or_damaged_is_told_and_the_server_lives_on(own: Path, serve: Serve) -> None:
    served = await serve(own)
    log, aside = own / "log.sqlite", own.with_name("aside")
    assert (await served.get("/api/agents")).status == 200
    whole = log.read_bytes()
    log.unlink()
    log.write_bytes(whole[:5000])
    damaged = await served.get("/api/agents")
    assert damaged.status == 500
    assert "damaged" in damaged.said["error"]
    log.unlink()
    log.write_bytes(whole)
    assert (await served.get("/api/agents")).status == 200
    own.rename(aside)
    gone = await served.get("/api/agents")
    assert (gone.status, "no longer there" in gone.said["error"]) == (410, True)
    shutil.copytree(aside, own)
    assert (await served.get("/api/agents")).status == 200


def test_a_run_of_another_kind_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    for kind, instead in (
        ("study", "recloop report"),
        ("sweep", "recloop report"),
        ("x", "recloop runs show"),
    ):
        with Run.create(tmp_path / kind, kind=kind):
            pass
        with pytest.raises(StudioError, match=f"of kind '{kind}'") as refused:
            serve_forever(tmp_path / kind, open_browser=False)
        assert instead in str(refused.value)


async def test_no_credential_leaves_the_server(own: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-this-machine")
    served = await serve(own, api_key="given-by-hand-1")
    keys = "given-by-hand-1 key-of-this-machine " + served.door.token

    def fails(self: Debugger) -> Any:
        raise ValueErrorOfOurs(f"endpoint says: no such key {keys}\n  try https://user:pass@host/?api_key={keys}")

    class ValueErrorOfOurs(Exception):
        __module__ = "recloop.llm.errors"

    monkeypatch.setattr(Debugger, "agents", fails)
    answer = await served.get("/api/agents")
    assert answer.status == 422
    for secret in (*keys.split(), "user:pass"):
        assert secret not in answer.body.decode()


async def test_a_fault_of_ours_says_no_more_than_its_kind(
    own: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served = await serve(own, api_key="given-by-hand-1")

    def fails(self: Debugger) -> Any:
        raise RuntimeError("given-by-hand-1 and more")

    monkeypatch.setattr(Debugger, "agents", fails)
    answer = await served.get("/api/agents")
    assert answer.status == 500
    assert "RuntimeError" in answer.said["error"]
    assert "and more" not in answer.said["error"]
    told = capsys.readouterr().err
    assert "and more" in told, "the terminal has the details"
    assert "given-by-hand-1" not in told
