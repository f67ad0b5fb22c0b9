"""The cassette: what is recorded is committed, found again as it was, and never replaced."""

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.runs import CallConflict, CallRecord, CallTotals, Run
from recloop.runs.calls import content_of


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "r", kind="k")
    yield run
    run.close()


def a_call(key="k1", **changes):
    values = {
        "agent": "u7",
        "page": 2,
        "node": "react",
        "sample": 1,
        "model": "openai/x",
        "kind": "chat",
        "request": {
            "messages": [
                {"role": "system", "content": "You are a film fan. " * 30},
                {"role": "user", "content": "Which?"},
            ],
            "schema": {"type": "object", "properties": {f"field{i}": {"type": "string"} for i in range(20)}},
            "temperature": 0.0,
        },
        "response": {"text": "the second", "logprobs": [-0.1, -2.5]},
        "prompt_tokens": 120,
        "completion_tokens": 4,
        "cost": 0.25,
        "latency": 0.2,
        "attempts": 2,
        "at": 1000.5,
    }
    return CallRecord(key, **(values | changes))


def test_a_call_is_committed_before_put_returns_and_reads_back_whole(run):
    run.calls.put(a_call())
    with Run.open(run.path) as reader:
        assert reader.calls.get("k1") == a_call()
        assert reader.calls.get("k2") is None
        assert "k1" in reader.calls
        assert "k2" not in reader.calls


def test_putting_the_same_call_again_changes_nothing(run):
    run.calls.put(a_call())
    run.calls.put(a_call(latency=9.0, attempts=5, at=2.0, cost=None))
    reordered = dict(reversed(a_call().request.items()))
    run.calls.put(a_call(request=reordered))
    assert list(run.calls.all()) == [a_call()]


@pytest.mark.parametrize("change", [{"response": "another"}, {"request": {"messages": []}}, {"status": "parse_fail"}])
def test_an_answer_is_never_replaced(run, change):
    run.calls.put(a_call())
    with pytest.raises(CallConflict, match="k1"):
        run.calls.put(a_call(**change))
    assert run.calls.get("k1") == a_call()


def test_a_failure_gives_way_to_an_answer_while_its_page_is_open_only(run):
    failed = a_call("k", status="timeout", response=None, error="no answer in 60 s", attempts=4, cost=0.01)
    run.calls.put(failed)
    assert failed.failed
    assert run.calls.get("k") == failed
    run.calls.retry_failures = True
    assert run.calls.get("k") is None
    answer = a_call("k", attempts=1, cost=None)
    run.calls.put(answer)
    both = {name: getattr(failed, name) + getattr(answer, name) for name in ("prompt_tokens", "completion_tokens")}
    assert run.calls.get("k") == a_call("k", **both, attempts=5, cost=0.01), "what the failure took was spent"
    assert len(run.calls) == 1

    run.calls.put(a_call("late", status="transport", response=None))
    run.commit(0)
    found = run.calls.get("late")
    assert found is not None
    assert found.status == "transport"
    with pytest.raises(CallConflict):
        run.calls.put(a_call("late"))


def test_what_a_resumed_run_found_open_is_asked_again_though_earlier_work_is_committed_meanwhile(run):
    run.calls.put(a_call("k", status="transport", response=None))
    run.calls.retry_failures = True
    run.commit(0)  # of a chunk that was under way beside it
    assert run.calls.get("k") is None
    run.calls.put(a_call("k"))
    found = run.calls.get("k")
    assert found is not None
    assert found.status == "ok"


def test_a_failure_that_comes_again_counts_again_and_put_twice_once(run):
    failed = a_call("k", status="transport", response=None, attempts=4)
    run.calls.put(failed)
    run.calls.put(failed)
    assert run.calls.totals().attempts == 4
    run.calls.put(replace(failed, at=failed.at + 60))
    assert run.calls.totals().attempts == 8


def test_a_call_that_the_budget_held_back_is_not_recorded(run):
    with pytest.raises(ValueError, match="not made"):
        run.calls.put(a_call(status="budget"))
    assert len(run.calls) == 0


def test_long_texts_are_stored_once(run):
    noise = os.urandom(3000).hex()
    for n in range(100):
        messages = [{"role": "system", "content": noise}, {"role": "user", "content": f"page {n}"}]
        run.calls.put(a_call(f"k{n}", request={"messages": messages, "schema": {"enum": [noise]}}))
    texts, size = run.log.row("SELECT count(*), sum(length(body)) FROM texts")
    assert texts == 2
    assert size < 14_000
    found = run.calls.get("k42")
    assert found
    assert found.request["messages"][0]["content"] == noise
    assert found.request["schema"] == {"enum": [noise]}


def test_a_rolled_back_text_is_not_taken_for_stored(run):
    long = "a text of some length " * 20
    run.calls.put(a_call("k1", request={"p": "short"}))
    with pytest.raises(CallConflict):
        run.calls.put(a_call("k1", request={"p": long}))  # rolls back, and the text with it
    run.calls.put(a_call("k2", request={"p": long}))
    found = run.calls.get("k2")
    assert found
    assert found.request == {"p": long}


texts = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["\x01t:1", "\x01s:", "\x01", "y" * 200, "\x01" * 200, "\ud800" * 200, '",\x01t:1",' * 40]
)
requests = st.recursive(
    texts | st.integers() | st.none() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def test_any_request_comes_back_as_it_was(run):
    number = iter(range(10**6))

    @given(requests, requests)
    def check(request, response):
        key = f"k{next(number)}"
        run.calls.put(CallRecord(key, request=request, response=response))
        found = run.calls.get(key)
        assert found
        assert repr(found.request) == repr(request)
        assert repr(found.response) == repr(response)
        light = run.calls.get(key, whole=False)
        assert light == replace(found, request=None)
        contents[key] = content_of(found)

    contents = {}
    check()
    assert list(run.calls.contents()) == [contents[key] for key in sorted(contents)]


def test_a_new_run_adopts_the_calls_of_another_as_they_are(run, tmp_path):
    for n in range(600):
        run.calls.put(a_call(f"k{n}", page=n, status="timeout" if n % 9 == 0 else "ok", response=None))
    with Run.create(tmp_path / "other", kind="k") as other:
        other.calls.adopt(run.calls)
        assert list(other.calls.all()) == list(run.calls.all())
        assert other.digest() == run.digest()
        other.calls.put(a_call("one more", request={"new": "text " * 100}))
        with pytest.raises(CallConflict, match="calls of its own"):
            other.calls.adopt(run.calls)
    with Run.open(tmp_path / "other") as other:
        assert len(other.calls) == 601


def test_calls_stream_as_recorded_or_by_key_and_are_filtered(run):
    keys = [f"{n * 7919 % 1201:05}" for n in range(1201)]
    for n, key in enumerate(keys):
        run.calls.put(CallRecord(key, agent=str(n % 3), page=n % 5, status="ok" if n % 4 else "refusal"))
    assert [call.key for call in run.calls.all()] == keys
    assert [call.key for call in run.calls.all(order="key")] == sorted(keys)
    assert [call.key for call in run.calls.all(agent="1", page=2, status="refusal")] == [
        key for n, key in enumerate(keys) if n % 3 == 1 and n % 5 == 2 and n % 4 == 0
    ]


def test_totals_add_up(run):
    assert run.calls.totals() == CallTotals()
    run.calls.put(a_call("a"))
    run.calls.put(a_call("b", cost=None, status="parse_fail"))
    totals = run.calls.totals()
    assert totals.seconds == pytest.approx(0.2)
    assert replace(totals, seconds=0.0) == CallTotals(2, 4, 240, 8, 0.25, 1, 0.4, {"ok": 1, "parse_fail": 1})


def test_the_time_of_calls_that_overlap_counts_once_and_a_pause_not_at_all(run):
    for key, begin, end in (("a", 0, 5), ("b", 1, 2), ("c", 4, 7), ("d", 1000, 1003), ("e", 1003, 1004), ("f", 1010, 1011)):  # fmt: skip
        run.calls.put(a_call(key, at=float(10_000 + end), latency=float(end - begin)))
    assert run.calls.totals().seconds == pytest.approx(7 + 11)
