"""Every decision leads to its recorded call: `recloop runs show RUN --call KEY` shows what was asked and answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recloop.runs import Run


def test_a_decision_leads_to_its_prompt_and_answer(cli: Any, small: list[str], fake_llm: Any, tmp_path: Path) -> None:
    server = fake_llm()
    model = ["--model", f"{server.base_url}#fake", "--users", 3, "--pages", 1]
    assert cli("simulate", *small[:4], "--recommender", "pop", *model, "--out", "r").code in (0, 1)
    with Run.open(tmp_path / "r") as run:
        key = next(row["call"] for row in run.table("actions").to_pylist() if row["call"])
        record = run.calls.get(key)
    assert record is not None
    shown = cli("runs", "show", "r", "--call", key[:12])
    assert shown.code == 0, shown.err
    for text in (key, record.agent, "system", "user", "You are on page 1.", record.response["text"]):
        assert text in shown.out
    assert cli("runs", "show", "r", "--call", key, "--json").json["key"] == key
    for start, words in (("zzz", "no recorded calls"), ("", "no recorded calls")):
        wrong = cli("runs", "show", "r", "--call", start)
        assert wrong.code == 2
        assert words in wrong.err
