"""The digest: equal for equal runs whatever they took, different for any difference in what they say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.runs import CallRecord, Event, Run, RunKind, register_kind
from recloop.runs.jsonform import canonical, first_difference, without

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
