"""Edits as people write them come out as what was meant, survive the log, and say what is wrong where they cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.agents.memory import Memory
from recloop.agents.personas import Persona
from recloop.runs.jsonform import dumps, loads
from recloop.simulations.debugging.edits import (
    AnswerEdit,
    ConfigEdit,
    Edit,
    MemoryEdit,
    ModelEdit,
    PromptEdit,
    SlateEdit,
    StateEdit,
    TraitEdit,
    parse,
    read,
)
from recloop.simulations.debugging.errors import DebugError
from recloop.simulations.debugging.in_force import Edits, InForce, remembered

WRITTEN: dict[str, Edit] = {
    "trait activity=2": TraitEdit(field="activity", value=2),
    "196: trait conformity = 3": TraitEdit(agent="196", field="conformity", value=3),
    'u 1: trait tastes=["You like bees."]': TraitEdit(agent="u 1", field="tastes", value=["You like bees."]),
    "u1: trait rating_tendency=You rate: state satisfaction=2": TraitEdit(
        agent="u1", field="rating_tendency", value="You rate: state satisfaction=2"
    ),
    'u1: memory add "It rained."': MemoryEdit(agent="u1", do="add", text="It rained."),
    "u1: memory add It rained. kind=emotional importance=8": MemoryEdit(
        agent="u1", do="add", text="It rained.", of="emotional", importance=8
    ),
    'u1: memory 3 = "Other."': MemoryEdit(agent="u1", do="set", id=3, text="Other."),
    "u1: memory 3 = 7 importance=2": MemoryEdit(agent="u1", do="set", id=3, text="7", importance=2),
    "u1: memory drop 12": MemoryEdit(agent="u1", do="drop", id=12),
    "state satisfaction=2.5": StateEdit(field="satisfaction", value=2.5),
    "u1: slate = m1, m2,m3": SlateEdit(agent="u1", items=("m1", "m2", "m3")),
    "prompt react=Say it: model=x": PromptEdit(name="react", text="Say it: model=x"),
    "model=openai/other": ModelEdit(model="openai/other"),
    "a:b: model=http://host/v1#m": ModelEdit(agent="a:b", model="http://host/v1#m"),
    "config fatigue=0": ConfigEdit(key="fatigue", value=0),
    "config recommender=pop": ConfigEdit(key="recommender", value="pop"),
    'answer 1a2b={"decision": "exit"}': AnswerEdit(key="1a2b", text='{"decision": "exit"}'),
    "model: trait activity=1": TraitEdit(agent="model", field="activity", value=1),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_an_edit_is_read_as_it_is_written(text: str) -> None:
    assert parse(text) == WRITTEN[text]


@pytest.mark.parametrize("text", WRITTEN)
def test_an_edit_comes_back_from_the_log(text: str) -> None:
    edit = WRITTEN[text]
    assert read(loads(dumps(edit.json_dict()), Path("log")), edit.agent) == edit


@pytest.mark.parametrize("text", [t for t, e in WRITTEN.items() if not isinstance(e, PromptEdit | AnswerEdit)])
def test_an_edit_is_listed_in_a_form_that_can_be_written_again(text: str) -> None:
    assert parse(str(WRITTEN[text])) == WRITTEN[text]


def test_a_value_too_deep_for_json_is_the_text_that_it_is() -> None:
    assert parse("trait tastes=" + "[" * 5000) == TraitEdit(field="tastes", value="[" * 5000)


def test_a_file_is_read_in_place_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("Hello {{traits}} @ =\n", encoding="utf-8")
    assert parse(f"prompt page=@{tmp_path / 'p.md'}") == PromptEdit(name="page", text="Hello {{traits}} @ =\n")
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(DebugError, match="more than 1,048,576 bytes"):
        parse(f"prompt page=@{tmp_path / 'large'}")
    with pytest.raises(DebugError, match="more than 1,048,576 bytes"):
        parse("prompt page=@/dev/zero")  # it has no end
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(DebugError, match="no UTF-8 text"):
        parse(f"prompt page=@{tmp_path / 'binary'}")


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "": "an edit begins with trait",
        "u1: tarit activity=2": "did you mean trait",
        "u1: memory ad hello": "memory add",
        'u1: memory add "x" importance=11': "importance",
        'u1: memory add "x" kind=smell': "factual, emotional, navigation",
        "u1: state satisfaction=high": "state satisfaction=2",
        "trait activity": "trait FIELD=VALUE",
        "slate m1,m2": "slate = ITEM",
        "model=": "model=NAME",
    }.items(),
)
def test_what_cannot_be_read_is_told_with_how_it_is_written(text: str, told: str) -> None:
    with pytest.raises(DebugError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert "\n  " in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_an_edit_or_an_error_in_words(text: str) -> None:
    told = ""
    try:
        edit = parse(text)
    except DebugError as error:
        told = str(error)
    else:
        assert read(edit.json_dict(), edit.agent) == edit
    assert not told or "\n  " in told


@pytest.mark.parametrize("data", [{}, {"what": "shout"}, {"what": "trait", "field": 3}, {"what": "slate", "items": 5}])
def test_a_log_that_holds_no_edit_is_told(data: Any) -> None:
    with pytest.raises(DebugError, match="no edit"):
        read(data)


def _edits(*found: tuple[int, str]) -> Edits:
    return Edits(InForce(page, parse(text)) for page, text in found)


def test_traits_prompts_and_models_last_and_the_rest_is_of_one_page() -> None:
    edits = _edits(
        (1, "u1: trait activity=1"),
        (1, "u1: prompt page=first"),
        (2, "prompt page=second"),
        (1, "u1: slate = m1"),
        (1, "u1: state satisfaction=3"),
        (2, "u2: model=openai/b"),
    )
    persona = Persona(user="u1", activity=3)
    assert [edits.persona(persona, page).activity for page in range(4)] == [3, 1, 1, 1]
    assert [edits.prompts("u1", page) for page in range(3)] == [{}, {"page": "first"}, {"page": "second"}]
    assert [edits.prompts("u9", page) for page in range(3)] == [{}, {}, {"page": "second"}]
    assert [edits.slate("u1", page) is not None for page in range(3)] == [False, True, False]
    assert [edits.satisfaction("u1", page, 7.0) for page in range(3)] == [7.0, 3.0, 7.0]
    assert [edits.model("u2", page) for page in range(4)] == [None, None, "openai/b", "openai/b"]
    assert not edits.changes_state("u2", 1)


def test_settings_are_in_force_from_their_page_on_for_those_whose_they_are() -> None:
    edits = Edits(
        [
            InForce(1, ConfigEdit(key="fatigue", value=0.5, was=1.0)),
            InForce(3, ConfigEdit(agent="u1", key="fatigue", value=0.0, was=0.5)),
        ]
    )
    assert [edits.settings("u1", page).get("fatigue", "as now") for page in range(5)] == [
        1,
        0.5,
        0.5,
        "as now",
        "as now",
    ]
    assert [edits.settings("u2", page).get("fatigue", "as now") for page in range(5)] == [1, 0.5, 0.5, 0.5, 0.5]


def test_memories_are_added_changed_and_dropped_by_their_number() -> None:
    mind = Memory()
    for page in range(3):
        mind.write("factual", f"Page {page}.", page=page, importance=3)
    state = mind.json()
    added = remembered(state, MemoryEdit(do="add", text="A\nfriend   called.", of="emotional", importance=9), 3)
    assert added["records"][-1] == [3, "emotional", "A friend called.", 9, 2, 2]
    changed = remembered(added, MemoryEdit(do="set", id=1, text="Nothing."), 3)
    assert changed["records"][1] == [1, "factual", "Nothing.", 3, 1, 1]
    dropped = remembered(changed, MemoryEdit(do="drop", id=0), 3)
    assert [row[0] for row in dropped["records"]] == [1, 2, 3]
    assert dropped["next_id"] == 4
    assert state == mind.json(), "what is edited stays as it was"
