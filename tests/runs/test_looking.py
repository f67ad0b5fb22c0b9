"""Any run's log, looked into event by event: nothing here knows what kind of run it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from recloop.runs import CallRecord, Event, Run, RunError
from recloop.runs.looking import FILE, Looking, values_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of a kind nobody registered: two agents, two pages each, a call that failed, one of somebody else."""
    path = tmp_path / "run"
    with Run.create(path, kind="knitting") as made:
        made.commit(0, [Event("wool", data={"colours": ["red", "blue"], "from": {"in": "Wales", "sheep": 7}})])
        for page, status in enumerate(("ok", "timeout")):
            made.calls.put(CallRecord(f"ann{page}", "ann", page, "knit", status=status, request={"p": page}))
            events = [
                Event("row", who, page, "knit", {"status": status, "tight": who == "bob"}) for who in ("ann", "bob")
            ]
            made.commit(page + 1, events)
        made.calls.put(CallRecord("advice", "granny", 0, "tell", request={"p": "?"}))
        made.commit(3, [Event("scarf", "ann", 1, data={"calls": ["advice", "lost", 3], "kind": "long", "length": 1.5})])
        made.set_status("finished")
    return path


def test_a_run_of_any_kind_is_told_at_a_glance(run: Path) -> None:
    with Looking(run) as looking:
        seen = looking.glance()
    assert (seen.kind, seen.status, seen.events) == ("knitting", "finished", {"wool": 1, "row": 4, "scarf": 1})
    nobody, ann, bob, granny = seen.agents
    assert [each.agent for each in seen.agents] == ["", "ann", "bob", "granny"]
    assert (ann.events, ann.last, ann.status, ann.calls) == (
        3,
        "scarf",
        {"ok": 1, "timeout": 1},
        {"ok": 1, "timeout": 1},
    )
    assert (bob.true, ann.true, nobody.true) == (("tight",), (), ())
    assert (granny.events, granny.calls) == (0, {"ok": 1})


def test_steps_follow_the_log_or_one_agent_to_the_end(run: Path) -> None:
    with Looking(run) as looking:
        everybody = [looking.step() for _ in range(7)]
        assert [event and event.seq for event in everybody] == [0, 1, 2, 3, 4, 5, None]
        assert looking.place == 5
        looking.go(2)
        own = [looking.step(own=True) for _ in range(2)]
        assert [event and (event.seq, event.agent) for event in own] == [(4, "bob"), None]


def test_a_place_is_found_by_agent_page_and_node(run: Path) -> None:
    with Looking(run) as looking:
        assert looking.go_to("ann").seq == 1
        assert looking.go_to("ann", 1).seq == 3
        assert looking.go_to("ann", 1, "").seq == 5
        assert looking.place == 5


@pytest.mark.parametrize(
    ("where", "said"),
    [(("anne",), "did you mean ann?"), (("zoe",), "there are ann, bob"), (("bob", 7), "there are 0 knit, 1 knit")],
)
def test_a_place_that_there_is_none_of_is_refused_with_what_there_is(run: Path, where: tuple, said: str) -> None:
    with Looking(run) as looking:
        with pytest.raises(RunError, match=said.replace("?", r"\?")):
            looking.go_to(*where)
        assert looking.place is None


@pytest.mark.parametrize("number", [6, -1, 10**30])
def test_an_event_that_there_is_none_of_is_refused_with_the_numbers_there_are(run: Path, number: int) -> None:
    with Looking(run) as looking, pytest.raises(RunError, match="there are events 0 to 5"):
        looking.go(number)


def test_calls_of_an_event_are_those_it_names_and_those_of_its_agent_and_page(run: Path) -> None:
    with Looking(run) as looking:
        keys = {number: [call.key for call in looking.calls(looking.event(number))] for number in range(6)}
    assert keys == {0: [], 1: ["ann0"], 2: [], 3: ["ann1"], 4: [], 5: ["advice", "ann1"]}


@pytest.mark.parametrize(
    ("when", "number"),
    [
        ('kind == "scarf"', 5),
        ('agent == "bob" and page == 1', 4),
        ('status == "timeout"', 3),
        ('node == "knit" and tight', 2),
        ("from_sheep > 6", 0),
        ('from_in == "Wales" and "blue" in colours', 0),
        ('data_kind == "long" and length == 1.5', 5),
        ("event > 2 and length == none", 3),
        ("length > 2", None),
    ],
)
def test_a_condition_is_asked_of_an_events_own_fields_and_of_its_data(run: Path, when: str, number: int | None) -> None:
    with Looking(run) as looking:
        found = looking.find(when)
    assert (None if found is None else found.seq) == number


def test_a_search_goes_on_behind_an_event(run: Path) -> None:
    with Looking(run) as looking:
        found = [looking.find('agent == "ann"', after=after) for after in (None, 1, 3, 5)]
    assert [event and event.seq for event in found] == [1, 3, 5, None]


def test_a_name_that_no_event_of_the_run_has_is_refused_with_near_ones(run: Path) -> None:
    with Looking(run) as looking:
        with pytest.raises(RunError, match=r"no name 'lenght'(.|\n)*did you mean length\?"):
            looking.find("lenght > 1")
        with pytest.raises(RunError, match="no name 'fell_back'"):  # another kind of run has it, this one has not
            looking.find("fell_back")


def test_a_field_that_cannot_be_written_as_a_name_stands_behind_data() -> None:
    said = values_of(
        Event("k", "a", 1, "n", {"kind": "inner", "not": 1, "2nd": 2, "a b.c": {"d": 3}, "rows": [{"x": 1}]})
    )
    own = {"event": -1, "kind": "k", "agent": "a", "page": 1, "node": "n"}
    assert said == {**own, "data_kind": "inner", "data_not": 1, "data_2nd": 2, "a_b_c_d": 3}


def test_the_place_is_kept_beside_the_run_and_is_no_part_of_its_digest(run: Path) -> None:
    with Run.open(run) as before:
        digest = before.digest()
    with Looking(run) as looking:
        looking.go(4)
    with Looking(run) as again:
        assert again.place == 4
        assert again.run.digest() == digest


@pytest.mark.parametrize(
    "said", ["", "[", "[]", "null", '{"event": "x"}', '{"event": 99}', '{"event": null}', "\x00", "[" * 10**5]
)
def test_a_kept_place_that_cannot_be_one_is_none(run: Path, said: str) -> None:
    (run / FILE).write_text(said)
    with Looking(run) as looking:
        assert looking.place is None
        looking.go(1)
    with Looking(run) as looking:
        assert looking.place == 1


def test_a_folder_that_cannot_be_written_is_looked_into_all_the_same(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(os, "replace", refuse)  # whoever runs the tests may be root, whom no mode keeps out
    with Looking(run) as looking:
        assert looking.go(3).seq == 3
        assert looking.step(own=True).seq == 5  # type: ignore[union-attr]
        assert "the place is not kept" in looking.note
    assert not list(run.glob("*looking*"))
