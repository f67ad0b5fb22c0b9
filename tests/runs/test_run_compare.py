"""Comparing two runs, making runs smaller, run kinds."""

import pytest
from recloop.runs import (
    CallRecord,
    Column,
    Event,
    NotARun,
    PrunedAway,
    Run,
    RunInUse,
    RunKind,
    TableSpec,
    UnknownKind,
    compare_runs,
    get_kind,
    prune,
    register_kind,
    register_table,
)

register_kind(
    RunKind("cmp-test", summary=lambda run: {"n": len(list(run.events())), "rate": {"a": run.manifest.seed / 2}})
)
register_table(
    TableSpec(
        "cmp_rows",
        "page",
        [Column("item", "int", "")],
        lambda e: [{"item": i} for i in e.data.get("items", [])],
        run_kind="cmp-test",
    )
)


def make(path, items=(1, 2), seed=7, pages=3, answer="a", users=5, kind="cmp-test"):
    with Run.create(path, kind=kind, config={"users": users, "model": {"name": "m"}}, seed=seed) as run:
        for page in range(pages):
            run.calls.put(CallRecord(f"{page}", "u", page, "react", request={"p": "?"}, response={"text": answer}))
            run.commit(
                page,
                [Event("page", "u", page, "react", {"items": list(items), "note": "n" * 300})],
                {"s": [page, "x" * 900 + str(page)]},
            )
        run.set_status("finished")
    return path


def test_equal_runs_compare_equal(tmp_path):
    same = compare_runs(make(tmp_path / "a"), make(tmp_path / "b"))
    assert same.same
    assert same.config == {}
    assert same.event is None
    assert same.call is None
    assert same.rows["cmp_rows"] == (6, 6)
    assert same.rows["calls"] == (3, 3)
    assert same.summary == {"n": (3.0, 3.0, 0.0), "rate.a": (3.5, 3.5, 0.0)}


def test_the_first_difference_is_named_by_agent_page_and_field(tmp_path):
    a = make(tmp_path / "a")
    b = make(tmp_path / "b", items=(1, 3, 4), seed=9, answer="b", users=6)
    with Run.open(a) as run:
        found = compare_runs(run, b)
        assert run.barrier == 2  # left open
    assert not found.same
    assert found.config == {"seed": (7, 9), "config.users": (5, 6)}
    assert found.event is not None
    assert (found.event.agent, found.event.page, found.event.field) == ("u", 0, "data.items[1]")
    assert (found.event.a, found.event.b, found.event.seq) == (2, 3, 0)
    assert found.call is not None
    assert (found.call.key, found.call.field) == ("0", "response.text")
    assert (found.call.a, found.call.b) == ("a", "b")
    assert found.rows["cmp_rows"] == (6, 9)
    assert found.summary["rate.a"] == (3.5, 4.5, 1.0)


def test_agents_that_did_otherwise_are_told_with_their_first_other_event_whoever_acted_between(tmp_path):
    def walk(name, said):
        with Run.create(tmp_path / name, kind="k") as run:
            for page in range(3):
                events = [
                    Event("page", agent, page, data={"said": words[page]}) for agent, words in said if page < len(words)
                ]
                run.saver().keep_state("graph only", {"page": page, "name": name}, page)
                run.commit(page, events)
        return tmp_path / name

    a = walk("a", [("same", "abc"), ("other", "abc"), ("shorter", "abc"), ("gone", "abc")])
    b = walk("b", [("new", "a"), ("other", "axy"), ("shorter", "ab"), ("same", "abc")])
    found = compare_runs(a, b)
    assert found.agents_alike == 1
    assert list(found.agents) == ["gone", "graph only", "new", "other", "shorter"]
    other, shorter = found.agents["other"], found.agents["shorter"]
    assert (other.page, other.field, other.a, other.b) == (1, "data.said", "b", "x")
    assert (shorter.page, shorter.field, shorter.a["data"], shorter.b) == (2, "", {"said": "c"}, None)
    assert (found.agents["gone"].page, found.agents["gone"].b) == (0, None)
    assert (found.agents["new"].page, found.agents["new"].a) == (0, None)
    assert found.agents["graph only"] is None
    assert compare_runs(a, a).agents == {}


def test_a_run_that_ended_before_the_other_differs_at_its_end(tmp_path):
    found = compare_runs(make(tmp_path / "a"), make(tmp_path / "b", pages=2))
    assert found.event is not None
    assert found.event.page == 2
    assert found.event.b is None
    assert found.event.a["page"] == 2
    assert found.call is not None
    assert (found.call.key, found.call.a, found.call.b) == ("2", "recorded", None)


def test_runs_of_an_unknown_kind_are_compared_by_their_log(tmp_path):
    found = compare_runs(make(tmp_path / "a", kind="who knows"), make(tmp_path / "b", kind="who knows", answer="b"))
    assert not found.same
    assert found.summary == {}
    assert found.event is None
    assert found.call is not None


def test_pruning_frees_bytes_and_changes_neither_digest_nor_calls_nor_events(tmp_path):
    path = make(tmp_path / "a", pages=30)
    with Run.open(path) as run:
        run.write_tables()
        digest, events, calls = run.digest(), list(run.events()), list(run.calls.all())
    manifest = (path / "manifest.json").read_bytes()
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    (done,) = prune(path)
    assert done.before == size
    assert done.freed > 0
    assert done.dropped["states"] == 29
    assert done.dropped["table files"] >= 2
    assert done.after == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    with Run.open(path) as run:
        assert (run.digest(), list(run.events()), list(run.calls.all())) == (digest, events, calls)
        assert run.state("s")[0] == 29
        assert run.table("cmp_rows").num_rows == 60
        with pytest.raises(PrunedAway, match="barrier 29"):
            run.state("s", 28)
    assert (path / "manifest.json").read_bytes() == manifest


def test_pruning_can_leave_some_barriers_to_fork_from(tmp_path):
    path = make(tmp_path / "a", pages=10)
    prune(path, keep_barriers=3)
    with Run.open(path) as run:
        assert [run.state("s", barrier)[0] for barrier in (7, 8, 9)] == [7, 8, 9]
        with pytest.raises(PrunedAway):
            run.states(6)
    with pytest.raises(ValueError, match="keep_barriers"):
        prune(path, keep_barriers=0)


def test_pruning_a_folder_of_runs_leaves_those_in_use_and_damaged_alone(tmp_path):
    make(tmp_path / "a", pages=5)
    make(tmp_path / "broken")
    (tmp_path / "broken" / "log.sqlite").write_bytes(b"?")
    with Run.open(make(tmp_path / "busy"), write=True):
        with pytest.raises(RunInUse):
            prune(tmp_path / "busy")
        done = {result.path.name: result for result in prune(tmp_path)}
    assert done["a"].dropped["states"] == 4
    assert not done["a"].skipped
    assert "being written" in done["busy"].skipped
    assert "no SQLite" in done["broken"].skipped
    with Run.open(tmp_path / "busy") as run:
        assert run.state("s", 0)[0] == 0


def test_a_run_in_hand_can_be_pruned_and_goes_on(tmp_path):
    with Run.open(make(tmp_path / "a"), write=True) as run:
        (done,) = prune(run)
        assert done.dropped["states"] == 2
        run.commit(3, [Event("page")], {"s": 4})
        run.calls.put(CallRecord("9", request="q"))
        assert run.state("s") == 4


def test_a_whole_run_is_deleted_only_by_its_own_name(tmp_path):
    path = make(tmp_path / "a")
    with pytest.raises(NotARun):
        prune(tmp_path, delete=True)
    with Run.open(path, write=True), pytest.raises(RunInUse):
        prune(path, delete=True)
    (done,) = prune(path, delete=True)
    assert done.freed > 0
    assert not path.exists()
    assert tmp_path.exists()


def test_kinds_are_called_by_import_string_when_they_are_needed():
    kind = register_kind(RunKind("lazy-test", resume="nowhere.to_be:found", replay="operator:itemgetter"))
    assert get_kind("lazy-test") is kind
    assert kind.call("replay", 0)([5]) == 5
    with pytest.raises(ModuleNotFoundError):
        kind.call("resume", None)
    with pytest.raises(UnknownKind, match="no summary"):
        kind.call("summary", None)
    with pytest.raises(UnknownKind, match=r"known: .*lazy-test"):
        get_kind("from elsewhere")
    with pytest.raises(ValueError, match="package"):
        register_kind(RunKind("bad", resume="just.a.module"))


def test_a_folder_cannot_say_what_to_import(tmp_path):
    path = make(tmp_path / "a", kind="os:system")
    with pytest.raises(UnknownKind):
        get_kind(Run.open(path).kind)
