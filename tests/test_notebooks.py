"""The notebooks are lessons: they run from the first cell to the last, and are kept without outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LESSON = FOLDER / "01_rehearse_a_recommender.ipynb"
SEARCH = FOLDER / "02_find_a_better_prompt.ipynb"
STUDIES = FOLDER / "03_from_simulated_people_to_decisions.ipynb"
DEBUGGER = FOLDER / "04_debug_an_agent.ipynb"
ENGINE = FOLDER / "05_rehearse_a_search_engine.ipynb"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def outputs(path: Path, folder: Path) -> str:
    """Everything a notebook prints and shows, run from top to bottom by this interpreter in an empty folder."""
    book = read(path)
    NotebookClient(book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text", "") + "".join(map(str, output.get("data", {}).values())) for output in shown)


def test_there_is_a_lesson() -> None:
    assert LESSON in FOLDER.glob("*.ipynb")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    book = read(path)
    nbformat.validate(book)
    assert all(not cell.outputs and cell.execution_count is None for cell in book.cells if cell.cell_type == "code")


@pytest.mark.local
def test_the_lesson_runs_with_the_embedded_model(model_file: str, tmp_path: Path) -> None:
    shown = outputs(LESSON, tmp_path)
    assert "played by local/smollm2" in shown
    assert "Films this person liked:" in shown, "the recorded prompt"
    assert "mine - ease" in shown
    assert "<svg" in shown
    assert "True" in shown, "the replay came out the same"


@pytest.mark.local
def test_the_lesson_on_prompts_ends_in_a_verdict_with_its_doubt(model_file: str, tmp_path: Path) -> None:
    shown = outputs(SEARCH, tmp_path)
    assert re.search(r"finished: (seed stands|no difference found|better|worse)\n", shown)
    assert "sealed cases" in shown
    assert "popularity" in shown
    assert "flowchart TD" in shown
    assert "True" in shown, "the finished search was read, not repeated"


@pytest.mark.local
def test_the_lesson_on_decisions_shows_every_answer_beside_its_control(model_file: str, tmp_path: Path) -> None:
    shown = outputs(STUDIES, tmp_path)
    assert re.search(r"pop against ease: watch rate -\d", shown), "a popular list is worse, and found to be"
    assert re.search(r"Watch rate: ease again − ease .*?no difference found", shown, re.S), "A/A"
    assert shown.count("its interval holds the simulated value") >= 2, "of three estimates off the log"
    assert "agents minus agents, personas swapped" in shown
    assert re.search(r"Positive control, planted taste: watch rate +1\.00", shown)
    assert "Spearman lost by taste-shuffled users" in shown
    assert "itemknn, NDCG@10: simulated minus random" in shown
    assert re.search(r"after \d pages?: (yes|no)\n", shown), "one agent answered"
    assert shown.count("<svg") == 5
    assert "True" in shown, "the finished study was read, not repeated"


def test_the_lesson_runs_without_a_model_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", os.fspath(tmp_path / "nothing"))
    shown = outputs(LESSON, tmp_path)
    assert "recloop models get smollm2" in shown
    assert "played by scripted" in shown
    assert "no model was called" in shown


@pytest.mark.slow
@pytest.mark.local
def test_the_lesson_on_the_debugger_changes_a_memory_and_proves_the_fork(model_file: str, tmp_path: Path) -> None:
    shown = outputs(DEBUGGER, tmp_path)
    assert_one_agent_lived_otherwise(shown)
    assert "react: 1 calls" in shown, "the nodes of a page that a model answered"
    assert "in the prompt: True" in shown, "the memory that was put in"
    assert "calls of its own: 1\n" in shown, "nothing else was asked"


def test_the_lesson_on_the_debugger_needs_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", os.fspath(tmp_path / "nothing"))
    shown = outputs(DEBUGGER, tmp_path)
    assert_one_agent_lived_otherwise(shown)
    assert "recloop models get smollm2" in shown
    assert "in the prompt" not in shown


def assert_one_agent_lived_otherwise(shown: str) -> None:
    assert re.search(r"\d+, page \d: \{'left': True, 'page': \d, 'watched': 0\}", shown), (
        "the moment that was looked for"
    )
    assert shown.count("finished; 199 agents the same to the last bit, 1 otherwise") == 3
    assert "rated now" in shown
    assert shown.count("<svg") == 1
    assert shown.rstrip().endswith("True"), "the fork replays to the same digest"


@pytest.mark.local
def test_the_lesson_on_search_holds_engines_and_rewrites_against_their_controls(
    model_file: str, tmp_path: Path
) -> None:
    from recloop.llm.local.store import get

    get("wordllama", quiet=True)
    shown = outputs(ENGINE, tmp_path)
    assert_wordings_were_measured(shown)
    assert re.search(r"dense minus bm25, variance: -0\.\d+ \[-0\.\d+, -0\.\d+\]", shown), "vectors are steadier"
    assert re.search(r"bm25\+dense minus bm25, raw: [+-]\d", shown)


def test_the_lesson_on_search_needs_no_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", os.fspath(tmp_path / "nothing"))
    shown = outputs(ENGINE, tmp_path)
    assert_wordings_were_measured(shown)
    assert "recloop models get wordllama" in shown
    assert "dense minus bm25" not in shown


def assert_wordings_were_measured(shown: str) -> None:
    assert "they stand for no group of people" in shown
    assert "nobody judged these rewrites" in shown
    assert re.search(r"random minus bm25, raw: -0\.\d+ \[-0\.\d+, -0\.\d+\]", shown), "the control is far behind"
    assert "relevance by people's judgements" in shown
    kept = re.search(r"worth a second search: (\d+) of 80 queries", shown)
    assert kept is not None
    assert 0 < int(kept[1]) < 80, "some rewrites are worth it, and some are not"
    assert shown.count("<svg") == 1
