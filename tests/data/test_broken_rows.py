"""Rows that are broken are named by line and reason, counted, skipped; strict reading refuses them."""

from __future__ import annotations

import pytest
from recloop.data import DataError, load_dataset

HEAD = "user,item,rating,time\n"
GOOD = "a,x,5,10\nb,x,1,20\nb,y,3,30\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",x,5,1", "blank user id"),
        ("c,  ,5,1", "blank item id"),
        ("c,x,five,1", "rating is not a number"),
        ("c,x,,1", "rating is not a number"),
        ("c,x,1_0,1", "rating is not a number"),
        ("c,x,nan,1", "rating is not finite"),
        ("c,x,-inf,1", "rating is not finite"),
        ("c,x,1e999,1", "rating is not finite"),
        ("c,x,5,soon", "time is neither a Unix time nor an ISO date"),
        ("c,x,5,", "time is neither a Unix time nor an ISO date"),
        ("c,x,5,-4", "negative time"),
        ("c,x,5,1900-01-01", "negative time"),
        ("c,x,5", "3 fields where the header has 4"),
        ("c,x,5,1,9", "5 fields where the header has 4"),
        ("\x1b[31mc,x,5,1", "control characters in the user id"),
        ("c,x\u202ey,5,1", "control characters in the item id"),
        ('"c,x,5,1', "quotes that do not open and close a field"),
        ('"c"d,x,5,1', "quotes that do not open and close a field"),
    ],
)
def test_each_fault_has_its_line_and_reason(write, row, reason):
    path = write("r.csv", HEAD + "a,x,5,10\n\n" + row + "\nb,x,1,20\nb,y,3,30\n")
    report = load_dataset(path).report
    assert (report.rows, report.kept, report.skipped) == (4, 3, 1)
    assert [(p.file, p.line, p.reason) for p in report.problems] == [("r.csv", 4, reason)]
    assert "\x1b" not in str(report)
    with pytest.raises(DataError, match=r"1 bad rows\n.*r.csv:4: "):
        load_dataset(path, strict=True)


def test_ratings_outside_a_given_scale_are_left_out(write):
    path = write("r.csv", HEAD + GOOD + "c,x,11,1\nc,y,-1,1\nc,z,10,1\n")
    report = load_dataset(path, scale=(0, 10)).report
    assert report.reasons == {"rating outside the scale 0 to 10": 2}
    assert [p.line for p in report.problems] == [5, 6]
    assert any("1 user left" in note for note in load_dataset(path, scale=(0, 9)).report.notes)


def test_a_repeated_pair_keeps_its_latest_row(write):
    path = write("r.csv", HEAD + "a,x,5,10\na,x,2,30\na,x,4,20\nb,x,1,1\n")
    data = load_dataset(path)
    assert data.history("a").values.tolist() == [2.0]
    assert data.report.duplicates == 2
    assert [p.line for p in data.report.problems] == [2, 4]
    with pytest.raises(DataError, match="2 bad rows"):
        load_dataset(path, strict=True)


def test_without_times_the_last_row_in_the_file_is_kept(write):
    data = load_dataset(write("r.csv", "user,item,rating\na,x,5\na,x,2\nb,x,1\n"))
    assert data.history("a").values.tolist() == [2.0]


def test_seeing_something_twice_is_no_fault(write):
    data = load_dataset(write("r.csv", "user,item,time\na,x,1\na,x,2\nb,x,3\n"), strict=True)
    assert (len(data), data.report.duplicates) == (2, 1)


def test_strict_reading_takes_a_clean_file(write):
    assert len(load_dataset(write("r.csv", HEAD + GOOD), strict=True)) == 3


def test_twenty_problems_are_kept_and_all_are_counted(write):
    body = "".join(f"c{n},x,bad,1\nd{n},x\n" for n in range(500))
    report = load_dataset(write("r.csv", HEAD + body + GOOD)).report
    assert report.skipped == sum(report.reasons.values()) == 1000
    assert [p.line for p in report.problems] == list(range(2, 22))
    with pytest.raises(DataError, match="and 980 more"):
        load_dataset(write("r.csv", HEAD + body + GOOD), strict=True)


def test_a_quote_that_never_closes_costs_its_own_line_only(write):
    body = "".join(f'u{n},"i, {n}",{n % 5},{n}\n' for n in range(1000))
    report = load_dataset(write("r.csv", HEAD + body + 'z,"broken,1,1\n' + body.replace("u", "v"))).report
    assert report.reasons == {"quotes that do not open and close a field": 1}
    assert report.problems[0].line == 1002
    assert report.kept == 2000


def test_a_quoted_field_may_hold_line_breaks_and_lines_are_still_right(write):
    text = 'user,item,rating,note\na,x,5,"one\ntwo, ""three""\n"\nb,x,bad,n\nc,x,4,5"\nb,y,1,"a,b"\n'
    data = load_dataset(write("r.csv", text))
    assert set(data.users) == {"a", "b", "c"}
    assert [(p.line, p.reason) for p in data.report.problems] == [(5, "rating is not a number")]


def test_very_long_lines_are_read(write):
    data = load_dataset(write("r.csv", "user,item,rating,note\na,x,5," + "n" * 200_000 + "\nb,y,1,n\n"))
    assert set(data.users) == {"a", "b"}


@pytest.mark.parametrize(
    ("raw", "title", "note"),
    [
        ("Amélie".encode(), "Amélie", ""),
        ("Amélie".encode("latin-1"), "Amélie", "read as cp1252"),
        (b"Am\xe9lie \x81", "Amélie", "read as latin-1"),
        ("Amélie é".encode() + b"\xff", "Amélie é\ufffd", "1 bytes are not UTF-8"),
    ],
)
def test_odd_bytes_are_read_and_the_encoding_is_stated(write, raw, title, note):
    write("items.csv", b"item,title\nx," + raw + b"\ny,Y\n")
    data = load_dataset(write("ratings.csv", HEAD + GOOD))
    assert data.catalogue.title("x") == title
    assert any(note in line for line in data.report.notes) if note else not any("UTF" in n for n in data.report.notes)


def test_broken_rows_of_the_item_table_are_reported_and_refused_too(write):
    write("items.csv", "item,title\nx,One\nx,Two\n,Three\ny,Y,extra\n")
    path = write("ratings.csv", HEAD + GOOD)
    data = load_dataset(path)
    assert data.catalogue.title("x") == "Two"
    assert sum(data.report.item_reasons.values()) == 3
    assert [(p.file, p.line) for p in data.report.problems] == [("items.csv", 2), ("items.csv", 4), ("items.csv", 5)]
    with pytest.raises(DataError, match="3 bad rows"):
        load_dataset(path, strict=True)


def test_when_nothing_is_left_the_error_says_why(write):
    with pytest.raises(DataError, match="2 x rating is not a number"):
        load_dataset(write("r.csv", HEAD + "a,x,?,1\nb,x,?,1\n"))
