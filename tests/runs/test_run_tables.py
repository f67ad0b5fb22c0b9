"""Tables: documented, rebuilt from the log, never half written."""

import errno
import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from recloop.runs import CallRecord, Column, DiskFull, Event, Run, RunError, TableSpec, describe_tables, register_table

LOOKS = register_table(
    TableSpec(
        "test_looks",
        "look",
        [
            Column("agent", "str", "who looked"),
            Column("item", "int", "what at"),
            Column("score", "float", "how it was scored"),
            Column("tags", "list[str]", "what it is about"),
            Column("extra", "json", "anything else"),
        ],
        lambda event: [{"agent": event.agent, **row} for row in event.data["rows"]],
        "one row for each item looked at",
        "k",
    )
)


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "r", kind="k")
    for page in range(3):
        rows = [{"item": i, "score": i / 3, "tags": ["a", "b"][:i], "extra": {"p": page}} for i in range(2)]
        run.commit(page, [Event("look", f"u{page}", page, data={"rows": rows}), Event("other")])
    run.calls.put(CallRecord("k2", "u0", cost=None, request="q", response="r", at=5.0))
    run.calls.put(CallRecord("k1", "u1", cost=0.5, status="timeout", error="late", at=6.0))
    yield run
    run.close()


def test_a_table_says_what_its_events_say(run):
    table = run.table("test_looks")
    assert table.num_rows == 6
    assert table.slice(1, 1).to_pylist() == [
        {"agent": "u0", "item": 1, "score": 1 / 3, "tags": ["a"], "extra": '{"p":0}'}
    ]
    calls = run.table("calls").to_pylist()
    assert [(c["key"], c["status"], c["cost"]) for c in calls] == [("k1", "timeout", 0.5), ("k2", "ok", None)]


def test_written_tables_are_the_same_and_carry_their_documentation(run):
    made = run.table("test_looks")
    paths = run.write_tables()
    assert {"test_looks.parquet", "calls.parquet"} <= {path.name for path in paths}
    assert {path.name for path in (run.path / "tables").iterdir()} == {path.name for path in paths}
    read = pq.read_table(run.path / "tables" / "test_looks.parquet")
    assert read.equals(made)
    assert read.schema.field("item").metadata[b"doc"] == b"what at"
    assert read.schema.metadata[b"doc"] == b"one row for each item looked at"


def test_a_file_that_lags_behind_or_is_damaged_is_not_believed(run):
    run.write_tables()
    run.commit(3, [Event("look", "u9", data={"rows": [{"item": 9}]})])
    assert run.table("test_looks").num_rows == 7
    run.write_tables()
    (run.path / "tables" / "test_looks.parquet").write_bytes(b"PAR1 not really")
    assert run.table("test_looks").num_rows == 7


def test_tables_can_be_deleted_and_come_back(run):
    for path in run.write_tables():
        path.unlink()
    assert run.table("test_looks").num_rows == 6
    run.write_tables()
    assert (run.path / "tables" / "test_looks.parquet").exists()


def test_a_reader_can_write_tables_of_a_run_in_use(run):
    with Run.open(run.path) as reader:
        assert reader.write_tables()


def test_rows_that_do_not_keep_to_their_columns_are_refused_and_nothing_is_left(run):
    run.commit(3, [Event("look", data={"rows": [{"item": 1, "smell": "sweet"}]})])
    with pytest.raises(RunError, match="smell"):
        run.write_tables()
    assert list((run.path / "tables").iterdir()) == []
    with pytest.raises(RunError, match="there is no table"):
        run.table("nope")


def test_values_that_are_not_of_their_columns_type_name_the_table(run):
    run.commit(3, [Event("look", data={"rows": [{"item": "seven"}]})])
    with pytest.raises(RunError, match="test_looks"):
        run.table("test_looks")


def test_more_rows_than_a_batch_are_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("recloop.runs.tables.BATCH", 10)
    with Run.create(tmp_path / "many", kind="k") as run:
        run.commit(0, [Event("look", str(n), data={"rows": [{"item": n}]}) for n in range(95)])
        run.write_tables()
        assert run.table("test_looks").column("item").to_pylist() == list(range(95))


def test_a_name_is_taken_once(run):
    register_table(
        TableSpec("test_looks", "look", LOOKS.columns, LOOKS.rows, run_kind="k")
    )  # the same again: a module reloaded
    register_table(LOOKS)
    for name in ("test_looks", "calls"):
        with pytest.raises(ValueError, match="already"):
            register_table(TableSpec(name, "x", [Column("a", "str", "")], lambda event: []))
    with pytest.raises(ValueError, match="no type"):
        Column("a", "varchar", "")


def test_tables_describe_themselves():
    text = describe_tables()
    assert "### `test_looks`" in text
    assert "| `item` | int | what at |" in text
    assert "### `calls`" in text


def test_a_table_of_a_package_that_is_not_imported_is_read_from_its_file(run):
    made = run.table("test_looks")
    run.write_tables()
    code = f"""
from recloop.runs import Run, RunError
with Run.open({str(run.path)!r}) as run:
    print(run.table("test_looks").num_rows)
    for name in ("nonsense", "../tables/test_looks"):
        try:
            run.table(name)
        except RunError as error:
            print(error)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.splitlines()[0] == str(made.num_rows)
    assert len(re.findall(r"there are: calls, .*test_looks", out)) == 2
    run.commit(3, [Event("look", "u9", data={"rows": [{"item": 9}]})])
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stderr
    assert "lags behind" in out


def test_a_disk_that_is_full_when_tables_are_closed_is_told_as_that(run, monkeypatch):
    def full(writer):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "close", full)
    with pytest.raises(DiskFull):
        run.write_tables()
    assert list((run.path / "tables").iterdir()) == []
