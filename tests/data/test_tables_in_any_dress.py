"""Any table of interactions becomes the same dataset, and what cannot be read is named."""

from __future__ import annotations

import bz2
import lzma

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recloop.data import DataError, Dataset, RatingScale, load_dataset, parse_columns

ROWS = "userId,movieId,rating,timestamp\nann,m1,5,100\nbob,m1,3,200\nann,m2,1,300\nbob,m10,4,50\n"


def content(data: Dataset) -> list[tuple[str, str, float, int]]:
    log = data.log
    columns = (log.user.tolist(), log.item.tolist(), log.value.tolist(), log.time.tolist())
    return [(data.users[u], data.items[i], v, t) for u, i, v, t in zip(*columns, strict=True)]


EXPECTED = [("bob", "m10", 4.0, 50), ("ann", "m1", 5.0, 100), ("bob", "m1", 3.0, 200), ("ann", "m2", 1.0, 300)]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("ratings.csv", ROWS.encode()),
        ("ratings.tsv", ROWS.replace(",", "\t").encode()),
        ("semicolons.txt", ROWS.replace(",", ";").encode()),
        ("bars.csv", ROWS.replace(",", "|").encode()),
        ("blanks.txt", ROWS.replace(",", " ").encode()),
        ("windows.csv", b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode()),
        ("mac.csv", ROWS.replace("\n", "\r").encode()),
        ("no_last_newline.csv", ROWS.strip().encode()),
        ("blank_lines.csv", ROWS.replace("\n", "\n\n").encode()),
        ("utf16.csv", b"\xff\xfe" + ROWS.encode("utf-16-le")),
        ("quoted.csv", "\n".join(",".join(f'"{f}"' for f in line.split(",")) for line in ROWS.split()).encode()),
        ("ratings.csv.xz", lzma.compress(ROWS.encode())),
        ("ratings.csv.bz2", bz2.compress(ROWS.encode())),
        ("ratings.csv.gz", ROWS.encode()),
        ("floats.csv", ROWS.replace("100", "100.0").replace(",5,", ",5.0,").encode()),
        ("dates.csv", ROWS.replace(",100", ",1970-01-01T00:01:40").replace(",50", ",1970-01-01 00:00:50Z").encode()),
        ("spaces.csv", ROWS.replace(",", " , ").encode()),
    ],
)
def test_a_table_reads_the_same_in_any_dress(write, name, raw):
    data = load_dataset(write(name, raw))
    assert content(data) == EXPECTED
    assert data.feedback == "rating"
    assert data.report.rows == data.report.kept == 4
    assert not data.report.warnings


def test_row_order_changes_neither_content_nor_hash(write):
    head, *body = ROWS.splitlines()
    one = load_dataset(write("a.csv", ROWS))
    two = load_dataset(write("b.csv", "\n".join([head, *reversed(body)])))
    assert content(one) == content(two)
    assert one.hash == two.hash
    assert one.hash != load_dataset(write("c.csv", ROWS.replace("ann,m1,5", "ann,m1,4"))).hash
    assert one.hash != load_dataset(write("d.csv", ROWS), scale=(0, 5)).hash


def test_parquet_reads_like_text(write, tmp_path):
    import datetime

    import pyarrow as pa
    from pyarrow import parquet

    when = [datetime.datetime.fromtimestamp(s, datetime.UTC) for s in (100, 200, 300, 50)]
    table = pa.table(
        {
            "user": pa.array(["ann", "bob", "ann", "bob"]).dictionary_encode(),
            "item": pa.array([1.0, 1.0, 2.0, 10.0]),  # what a missing value makes of integer ids
            "rating": pa.array([5, 3, 1, 4], pa.int8()),
            "time": pa.array(when, pa.timestamp("us", "UTC")),
        }
    )
    parquet.write_table(table, tmp_path / "x.parquet")
    items = pa.table({"item": [1, 2, 10], "title": ["A", "B", None], "genres": [["x", "y"], [], None]})
    parquet.write_table(items, tmp_path / "items.parquet")
    data = load_dataset(tmp_path / "x.parquet")
    assert content(data) == [(u, i.removeprefix("m"), v, t) for u, i, v, t in EXPECTED]
    assert data.items.ids == ("1", "2", "10")
    assert data.catalogue.genres("1") == ("x", "y")
    assert data.catalogue.title("10") == "10"


def test_a_parquet_row_that_is_broken_is_named_by_its_row(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"user": ["a", None, "b"], "item": ["x", "y", "z"], "rating": [1.0, 2.0, float("nan")]})
    parquet.write_table(table, tmp_path / "x.parquet")
    report = load_dataset(tmp_path / "x.parquet", scale=(1, 5)).report
    assert [(p.line, p.reason) for p in report.problems] == [(2, "blank user id"), (3, "rating is not finite")]


def test_numeric_ids_are_in_the_order_people_expect(write):
    data = load_dataset(write("r.csv", "user,item,rating\n10,b,1\n9,a,2\n100,c,3\n"))
    assert data.users.ids == ("9", "10", "100")


def test_ids_keep_leading_zeros(write):
    data = load_dataset(write("r.csv", "user,item,rating\n007,0104257,1\n7,104257,2\n"))
    assert set(data.users) == {"007", "7"}
    assert set(data.items) == {"0104257", "104257"}


def test_missing_columns_are_answered_with_the_line_that_maps_them(write):
    path = write("ratings.csv", "uid,movie,stars,when\n1,2,3,4\n")
    with pytest.raises(DataError) as error:
        load_dataset(path)
    assert "no column for items in ratings.csv (found: uid, movie, stars, when)" in str(error.value)
    line = error.value.hint.rpartition("--columns ")[2]
    assert line == "user=uid,item=movie,rating=stars,time=when"
    data = load_dataset(path, columns=line, scale="1:5")
    assert content(data) == [("1", "2", 3.0, 4)]


def test_a_table_without_header_is_mapped_by_place(write):
    path = write("x.csv", "1,7,3,99\n2,7,4,98\n")
    with pytest.raises(DataError, match="--columns user=COLUMN,item=COLUMN"):
        load_dataset(path)
    data = load_dataset(path, columns={"user": "1", "item": "2", "rating": "3", "time": "4"})
    assert content(data) == [("2", "7", 4.0, 98), ("1", "7", 3.0, 99)]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"usr": "a"}, "did you mean user"),
        ({"user": "nope"}, "no column 'nope' for users"),
        ("user", "write it as user="),
        ("user=,item=x", "write it as user="),
    ],
)
def test_a_wrong_mapping_says_what_is_right(write, columns, complaint):
    with pytest.raises(DataError, match=complaint):
        load_dataset(write("r.csv", ROWS), columns=columns)


def test_a_column_serves_one_role_only(write):
    data = load_dataset(
        write("r.csv", "uid,user,item,rating\n1,ann,x,3\n2,bob,x,4\n"), columns={"item": "uid", "user": "user"}
    )
    assert set(data.users) == {"ann", "bob"}
    assert set(data.items) == {"1", "2"}


def test_column_mapping_is_parsed_from_its_written_form():
    assert parse_columns("user=uid, item = movie") == {"user": "uid", "item": "movie"}


def test_implicit_feedback_has_value_one_and_no_scale(write):
    path = write("clicks.csv", "user,item,time\na,x,1\na,y,2\nb,x,3\n")
    data = load_dataset(path)
    assert (data.feedback, data.scale) == ("view", None)
    assert load_dataset(path, feedback="click").feedback == "click"
    bought = load_dataset(write("r.csv", ROWS), feedback="buy")
    assert bought.log.value.tolist() == [1.0] * 4
    with pytest.raises(DataError, match="rating"):
        load_dataset(path, feedback="rating")
    with pytest.raises(DataError, match="did you mean click"):
        load_dataset(path, feedback="clik")


def test_the_scale_is_inferred_and_said_so_or_taken_as_given(write):
    halves = write("h.csv", "user,item,rating\na,x,0.5\na,y,5\nb,x,3\nb,y,3.5\n")
    data = load_dataset(halves)
    assert data.scale == RatingScale(0.5, 5, 0.5)
    assert any("scale inferred" in note for note in data.report.notes)
    assert load_dataset(halves, scale=(0, 10)).scale == RatingScale(0, 10, 1)
    with pytest.raises(DataError, match="low must be below high"):
        load_dataset(halves, scale=(5, 1))
    same = load_dataset(write("s.csv", "user,item,rating\na,x,5\nb,x,5\n"))
    assert (same.feedback, same.scale, same.log.value.tolist()) == ("view", None, [1.0, 1.0])
    assert any("shows no scale" in note for note in same.report.notes)


def test_a_table_without_times_says_so_and_splits_at_random_only(write):
    data = load_dataset(write("r.csv", "user,item,rating\na,x,5\na,y,4\nb,x,1\n"))
    assert not data.log.timed
    assert any("no time column" in note for note in data.report.notes)
    with pytest.raises(DataError, match="how='random'"):
        data.split("user_time")
    assert sum(map(len, data.split("random"))) == 3


@pytest.mark.parametrize(("factor", "name"), [(1000, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")])
def test_finer_times_become_seconds(write, factor, name):
    data = load_dataset(
        write("r.csv", f"user,item,rating,time\na,x,5,{1365029107 * factor}\nb,x,4,{1365029108 * factor}\n")
    )
    assert data.log.time.tolist() == [1365029107, 1365029108]
    assert any(name in note for note in data.report.notes)


def test_an_item_table_beside_the_rows_gives_titles_genres_and_fields(write):
    write(
        "items.csv",
        'item_id,title,genres,year,plot\nm1,"Matrix, The",Action|Sci-Fi,1999,"A\nhacker &amp; more"\nm3,No,,,\n',
    )
    data = load_dataset(write("ratings.csv", ROWS.replace("movieId", "item_id")))
    assert data.catalogue.text("m1") == "The Matrix (1999) — Action, Sci-Fi"
    assert data.catalogue.field("plot", "m1") == "A hacker & more"
    assert data.catalogue.title("m2") == "m2"
    assert any("2 of 3 items are not in items.csv" in note for note in data.report.notes)
    with pytest.raises(DataError, match="there are: year, plot"):
        data.catalogue.field("nope", "m1")


def test_titles_may_stand_in_the_rows_themselves(write):
    data = load_dataset(write("r.csv", "user,item,rating,name,category\na,1,5,Tea,drinks\nb,1,4,,drinks\nb,2,3,Bun,\n"))
    assert data.catalogue.text("1") == "Tea — drinks"
    assert data.catalogue.text("2") == "Bun"


def test_an_item_table_can_be_given(write):
    rows = write("r.csv", ROWS)
    table = write("elsewhere/films.tsv", "code\tlabel\nm1\tOne\n")
    with pytest.raises(DataError, match=r"no column for item ids in films.tsv"):
        load_dataset(rows, items=table)
    table.write_text("movieId\tlabel\nm1\tOne\n")
    data = load_dataset(rows, items=table, columns={"title": "label"})
    assert data.catalogue.title("m1") == "One"
    with pytest.raises(DataError, match="no item table at"):
        load_dataset(rows, items=table.with_name("gone.csv"))


def test_a_folder_with_several_tables_asks_which(write):
    path = write("one.csv", ROWS)
    assert len(load_dataset(path.parent)) == 4
    write("two.csv", ROWS)
    with pytest.raises(DataError, match=r"which table .* one.csv, two.csv"):
        load_dataset(path.parent)
    write("ratings.csv", ROWS)
    assert len(load_dataset(path.parent)) == 4


@pytest.mark.parametrize(
    ("name", "raw", "complaint"),
    [
        ("x.csv", b"", "is empty"),
        ("x.csv", b"\n\n\n", "is empty"),
        ("x.csv", b"user\na\nb\n", "one column only"),
        ("x.csv", b"user,item,rating\n", "no usable row"),
        ("x.csv", b"user,item,rating\n,,\n", "no usable row"),
        ("x.zip", b"PK\x03\x04rest", "zip archive"),
        ("x.parquet", b"PAR1 is not enough", "Parquet"),
        ("x.csv", b"\x1f\x8b\x08cut off", "cannot be read"),
        ("x.csv", b"\xfd7zXZ\x00cut off", "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(write, name, raw, complaint):
    with pytest.raises(DataError, match=complaint):
        load_dataset(write(name, raw))


def test_an_unknown_name_lists_the_names_and_near_matches():
    with pytest.raises(DataError) as error:
        load_dataset("movietweets")
    assert "did you mean movietweetings" in str(error.value)
    assert "known names: movietweetings" in str(error.value)


relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def reads_or_refuses(path) -> Dataset | None:
    try:
        data = load_dataset(path)
    except DataError:
        return None
    assert isinstance(data, Dataset)
    report = data.report
    assert report.rows == report.kept + sum(report.reasons.values())
    assert report.kept == len(data)
    return data


@relaxed
@given(raw=st.binary(max_size=400))
@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.inter", "x.csv.gz"])
def test_random_bytes_give_a_dataset_or_a_data_error(tmp_path, name, raw):
    path = tmp_path / name
    path.write_bytes(raw)
    reads_or_refuses(path)


@relaxed
@given(raw=st.binary(max_size=300))
def test_random_bytes_after_a_good_header_give_a_dataset_or_a_data_error(tmp_path, raw):
    path = tmp_path / "x.csv"
    path.write_bytes(b"user,item,rating,time\n" + raw + b"\na,b,1,2\n")
    reads_or_refuses(path)


field = st.text(alphabet='ab1",.\n\r;x\x00\x1b é-', max_size=6)


@relaxed
@given(rows=st.lists(st.lists(field, min_size=2, max_size=5), max_size=12), good=st.integers(0, 12))
def test_good_lines_survive_whatever_stands_between_them(tmp_path, rows, good):
    """A hundred good rows before and after: those before always stay, whatever the noise is."""
    before = [f"u{n},i{n},{n % 5 + 1},{n}" for n in range(good)]
    noise = [",".join(row) for row in rows]
    path = tmp_path / "x.csv"
    path.write_bytes("\n".join(["user,item,rating,time", *before, *noise, "z1,z2,5,7"]).encode())
    data = reads_or_refuses(path)
    if data is not None:
        assert {f"u{n}" for n in range(good)} <= set(data.users)


@relaxed
@given(
    names=st.lists(
        st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=1),
        min_size=1,
        unique=True,
    )
)
def test_ids_of_any_letters_come_back_as_written(tmp_path, names):
    import csv

    path = tmp_path / "x.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["user", "item", "rating"])
        out.writerows([[name, "same item", place % 5] for place, name in enumerate(names)])
    assert set(load_dataset(path, scale=(0, 4)).users) == set(names)
