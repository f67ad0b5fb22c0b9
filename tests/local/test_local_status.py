"""Rows for `recloop doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest
from recloop.llm.local import local_status, status


def test_what_is_missing_comes_with_the_command_that_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path))
    monkeypatch.setattr(status, "installed", lambda package: None)
    rows = {row["what"]: row for row in local_status()}
    assert rows["cyllama"]["mend"] == rows["xllamacpp"]["mend"] == 'pip install "recloop[local]"'
    assert rows["model smollm2"]["mend"] == "recloop models get smollm2"
    assert "98 MB" in rows["model smollm2"]["found"]
    assert not any(row["ok"] for row in rows.values())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_needs_no_mending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "installed", lambda package: "1.2.3")
    rows = {row["what"]: row for row in local_status()}
    assert (rows["cyllama"]["ok"], rows["cyllama"]["found"], rows["cyllama"]["mend"]) == (True, "1.2.3", "")
