"""The digest: equal for equal runs whatever they took, different for any difference in what they say."""

import enum
import json
import random
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.runs import CallRecord, Event, NotJson, Run, RunKind, register_kind
from recloop.runs.digest import lines, said
from recloop.runs.jsonform import canonical, canonical_of, dumps, first_difference, parse, quick, without

register_kind(RunKind("digest-test", volatile_config=frozenset({"concurrency", "model.base_url"})))

CALLS = [CallRecord(f"k{n}", str(n % 3), n // 3, request={"p": f"p{n}"}, response=[n / 7]) for n in range(9)]
CONFIG = {"users": 3, "concurrency": 1, "model": {"name": "m", "base_url": "http://a"}}


def make(path, calls=CALLS, config=CONFIG, events=None, seed=7, hashes=None, states=None, kind="digest-test"):
    with Run.create(path, kind=kind, config=config, seed=seed, hashes=hashes or {"data": "d"}) as run:
        for call in calls:
            run.calls.put(call)
        run.commit(0, [Event("page", "0", 0, data={"x": 0.1})], {"a": {"n": 1}})
        run.commit(1, events or [Event("page", "1", 1, data={"x": 1, "y": [1, 2]})], states or {"a": {"n": 2}, "b": 3})
        return run.digest()


def test_time_retries_money_concurrency_and_place_are_no_part_of_it(tmp_path):
    plain = make(tmp_path / "a")
    shuffled = random.Random(3).sample(CALLS, len(CALLS))
    other = [
        CallRecord(
            c.key, c.agent, c.page, request=c.request, response=c.response, latency=9.0, attempts=4, cost=1.5, at=3.0
        )
        for c in shuffled
    ]
    config = {"concurrency": 128, "model": {"base_url": "http://b", "name": "m"}, "users": 3}
    assert make(tmp_path / "elsewhere" / "b", other, config) == plain


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 8},
        {"hashes": {"data": "e"}},
        {"config": CONFIG | {"users": 4}},
        {"config": CONFIG | {"model": {"name": "n", "base_url": "http://a"}}},
        {"calls": CALLS[1:]},
        {"calls": [*CALLS[1:], CallRecord("k0", "0", 0, request={"p": "p0"}, response=[0.5])]},
        {"calls": [*CALLS[1:], CallRecord("k0", "0", 0, request={"p": "p0"}, response=[0.0], status="refusal")]},
        {"events": [Event("page", "1", 1, data={"x": 1, "y": [2, 1]})]},
        {"events": [Event("page", "1", 1, data={"x": 1.0, "y": [1, 2]})]},
        {"events": [Event("page", "2", 1, data={"x": 1, "y": [1, 2]})]},
        {"states": {"a": {"n": 2}, "b": 4}},
        {"kind": "another"},
    ],
)
def test_any_difference_in_what_a_run_says_changes_it(tmp_path, changes):
    assert make(tmp_path / "a") != make(tmp_path / "b", **changes)


def test_it_depends_on_the_folder_alone_not_on_registered_kinds(tmp_path):
    register_kind(RunKind("later", volatile_config=frozenset({"concurrency"})))
    before = make(tmp_path / "a", kind="later")
    register_kind(RunKind("later"))
    with Run.open(tmp_path / "a") as run:
        assert run.digest() == before


def test_the_same_pages_in_other_barriers_are_another_run(tmp_path):
    digests = []
    for name, barriers in (("a", (0, 1)), ("b", (0, 2))):
        with Run.create(tmp_path / name, kind="k") as run:
            for barrier in barriers:
                run.commit(barrier, [Event("e")])
            digests.append(run.digest())
    assert digests[0] != digests[1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


@given(values)
def test_canonical_form_knows_no_order_of_keys(value):
    def turned(each):
        if isinstance(each, dict):
            return {key: turned(inner) for key, inner in reversed(each.items())}
        return [turned(inner) for inner in each] if isinstance(each, list) else each

    assert canonical(turned(value)) == canonical(value)
    assert first_difference(turned(value), value) is None


@given(values, values)
def test_a_first_difference_is_found_exactly_where_canonical_forms_differ(a, b):
    assert (first_difference(a, b) is None) == (canonical(a) == canonical(b))


def test_volatile_paths_reach_into_nested_settings():
    config = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "b.c": 4}
    assert without(config, ["b.d.e", "a"]) == {"b": {"c": 2, "d": {}}, "b.c": 4}
    assert without(config, ["b"]) == {"a": 1, "b.c": 4}


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.floats(-1e-3, 1e-3)
    | st.text(st.characters(codec=None))
    | st.sampled_from(
        ["3e-7", "0.0000", "ease-5", "\x00\x1f\x7f\u2028\U0001f600", "\ud800", 1e16, 1e-5, -0.0, 2**64, 2.0**64]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(ANY_JSON)
def test_whichever_encoder_is_used_the_spelling_is_the_same(value):
    as_is = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    one_spelling = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert canonical(value) == one_spelling.encode("utf-8", "surrogatepass")
    assert canonical_of(dumps(value).encode(), Path("here")) == canonical(value)
    assert repr(parse(dumps(value).encode(), Path("here"))) == repr(json.loads(as_is))
    if not any("\ud800" <= character <= "\udfff" for character in as_is):
        assert dumps(value) == as_is


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([np.float64(0.1), np.int32(2), np.array([1.5])], "[0.1,2,[1.5]]"),
        ({"a": 1e-5, 2: True}, '{"a":1e-05,"2":true}'),
        ([float("nan"), float("-inf"), 2**64, 1e23], "[NaN,-Infinity,18446744073709551616,1e+23]"),
    ],
)
def test_what_only_one_encoder_knows_is_left_to_it(value, text):
    assert quick(value) is None
    assert dumps(value) == text


@pytest.mark.parametrize("value", [uuid.UUID(int=5), enum.Enum("E", "a").a, {1, 2}, object()])
def test_what_is_no_json_is_no_json_for_either(value):
    with pytest.raises(NotJson):
        dumps({"a": [value]})


def test_the_quick_one_is_used_for_what_runs_hold():
    assert quick({"rating": 4.5, "text": "caf\u00e9", "none": None, "ids": ("a", 3, False)}) is not None


@given(st.dictionaries(st.text(), ANY_JSON, max_size=4), st.text(st.characters(codec="utf-8")))
def test_a_stored_event_is_spelled_as_its_value_would_be(tmp_path_factory, data, name):
    with Run.create(tmp_path_factory.mktemp("d") / "r", kind="k") as run:
        run.commit(0, [Event(name, name, 3, name, data)])
        event = next(run.events())
        assert list(lines(run))[1] == canonical(["event", said(event)])
