"""`recloop replay`: a recording proves itself without a model, or the first call that differs is named."""

from __future__ import annotations

import re
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest
from cli_world import contents, edit_manifest
from fake_llm import FakeLLM
from recloop.runs import Run

PAGE = Path(__file__).parents[2] / "agents" / "prompts" / "page.md"


@pytest.fixture
def recorded(cli: Any, small: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished rehearsal in generate mode, its page prompt in a file of its own; endpoint and key are gone by now."""
    Path("page.md").write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    with FakeLLM() as server, monkeypatch.context() as environment:
        environment.setenv("OPENAI_API_KEY", "sk-recording")
        model = ["--model", "openai/fake", "--base-url", server.base_url, "--prompt", "page=page.md"]
        result = cli("simulate", *small, *model, "--users", 4, "--pages", 2, "--out", "run")
    assert result.code in (0, 1), result.err
    return Path("run")


def drop_call(run: Path, node: str) -> tuple[str, int]:
    """Take the first recorded call of a node out of a run; whose it was, and on which page."""
    with sqlite3.connect(run / "log.sqlite") as db:
        row = db.execute("SELECT id, agent, page FROM calls WHERE node = ? ORDER BY id LIMIT 1", (node,)).fetchone()
        db.execute("DELETE FROM calls WHERE id = ?", row[:1])
    db.close()
    return row[1], row[2]


def test_a_recording_replays_to_the_same_digest_without_endpoint_or_key(cli: Any, recorded: Path) -> None:
    before = contents(recorded)
    result = cli("replay", recorded)
    assert result.code == 0, result.err
    assert result.out.endswith("the same\n")
    found = cli("replay", recorded, "--json").json
    assert (found["run"], found["same"], found["problem"]) == ("run", True, None)
    assert found["recorded"] == found["replayed"] == cli("runs", "digest", recorded).out.strip()
    assert contents(recorded) == before


def test_a_replay_can_be_kept_and_is_a_run_like_any_other(cli: Any, recorded: Path) -> None:
    assert cli("replay", recorded, "--out", "again").code == 0
    assert cli("runs", "compare", recorded, "again", "--json").json["same"] is True
    assert cli("runs", "show", "again").code == 0


@pytest.mark.parametrize("node", ["page", "interview"])
def test_a_recording_that_lacks_a_call_names_it(cli: Any, recorded: Path, node: str) -> None:
    user, page = drop_call(recorded, node)
    result = cli("replay", recorded)
    assert result.code == 1
    assert "Traceback" not in result.err
    assert f"nothing was recorded for agent '{user}', page {page}, node '{node}'" in result.err
    assert "NOT the same" in result.out
    found = cli("replay", recorded, "--json")
    assert found.code == 1
    assert (found.json["same"], found.json["replayed"]) == (False, None)
    assert f"agent '{user}', page {page}" in found.json["problem"]


def test_a_changed_prompt_names_the_first_call_and_the_words(cli: Any, recorded: Path) -> None:
    text = Path("page.md").read_text(encoding="utf-8")
    Path("page.md").write_text(text.replace("You ", "Surely you ", 1), encoding="utf-8")
    result = cli("replay", recorded)
    assert result.code == 1
    assert "page 0, node 'page'" in result.err
    assert "differs from the recorded one in messages" in result.err
    assert "Surely you" in result.err


@pytest.mark.parametrize(
    ("table", "column", "words"), [("calls", "request", b'"max_tokens"'), ("texts", "body", b"You ")]
)
def test_a_recorded_request_that_was_altered_is_named(
    cli: Any, recorded: Path, table: str, column: str, words: bytes
) -> None:
    """The answer is still found by its key; what was asked is not what the key was made of."""
    with sqlite3.connect(recorded / "log.sqlite") as db:
        stored = db.execute(f"SELECT id, {column} FROM {table}").fetchall()
        plain = [(i, zlib.decompress(b) if isinstance(b, bytes) else b.encode()) for i, b in stored]
        number, text = next((i, b) for i, b in plain if words in b and b'"system"' not in b[:9])
        altered = text.replace(words, words.replace(b"o", b"0", 1)).decode()
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (altered, number))
    db.close()
    result = cli("replay", recorded)
    assert result.code == 1
    assert re.search(r"the recorded chat call for agent '\w+', page \d, node 'page'", result.err)
    assert "was changed after it was made" in result.err


def test_a_recording_that_was_altered_is_not_the_same(cli: Any, runs: Path) -> None:
    with sqlite3.connect(runs / "finished" / "log.sqlite") as db:
        db.execute("UPDATE events SET page = 7 WHERE seq = (SELECT max(seq) FROM events)")
    db.close()
    result = cli("replay", "finished")
    assert result.code == 1
    assert result.out.endswith("NOT the same\n")
    assert "recloop replay finished --out DIR" in result.err
    assert cli("replay", "finished", "--out", "again").code == 1
    assert "irst event that" in cli("runs", "compare", "finished", "again").out


@pytest.mark.parametrize("name", ["paused", "killed", "failed"])
def test_what_was_stopped_replays_as_far_as_it_went(cli: Any, runs: Path, name: str) -> None:
    assert cli("replay", name).code == 0


def test_a_run_that_never_saw_a_page_has_nothing_to_replay(cli: Any, runs: Path) -> None:
    with Run.create(runs / "early", kind="simulate", config=Run.open(runs / "paused").manifest.config):
        pass
    edit_manifest(runs / "early", status="paused")
    assert "recloop resume early" in cli("replay", "early").refused()


def test_a_replay_is_not_written_over_anything(cli: Any, runs: Path, no_runs: dict[str, Path]) -> None:
    before = contents(runs)
    for place in ("other", "foreign", "file", "file/inside"):
        assert "give another folder" in cli("replay", "finished", "--out", place).refused()
    assert contents(runs) == before
