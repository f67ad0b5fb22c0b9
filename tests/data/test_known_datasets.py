"""The datasets with names: the embedded one always, those under RECLOOP_DATA where they are."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys

import pytest
from recloop.data import DataError, RatingScale, data_folder, describe, list_datasets, load_dataset
from recloop.data.readers import embedded


def test_the_embedded_default_is_the_10_core_of_movietweetings():
    data = load_dataset()
    assert (len(data), len(data.users), len(data.items)) == (44_613, 2_059, 1_099)
    assert data.scale == RatingScale(0, 10, 1)
    assert data.feedback == "rating"
    assert data.report.skipped == 0
    assert "MIT" in data.licence
    assert data.catalogue.text("0068646") == "The Godfather (1972) — Crime, Drama"
    assert data.hash == load_dataset("movietweetings", core=0).core(10).hash
    assert data.hash == load_dataset("movietweetings", core=10, strict=True).hash


def test_the_whole_of_the_embedded_data_can_be_had():
    data = load_dataset("movietweetings", core=0)
    assert (len(data), len(data.users), len(data.items)) == (100_000, 16_554, 10_506)
    assert describe(data)["time"] == {"first": "2013-02-28 14:38:27", "last": "2013-09-01 20:27:45"}


def test_the_embedded_files_come_with_their_licence_and_stay_below_a_megabyte():
    files = {path.name: path.stat().st_size for path in embedded.FOLDER.iterdir()}
    assert set(files) == {"LICENSE", "README.md", "ratings.csv.xz", "movies.csv.xz"}
    assert sum(files.values()) < 1_000_000


def test_importing_the_floor_imports_nothing_heavy():
    heavy = ["pandas", "pyarrow", "scipy", "aiohttp", "langgraph", "mesa", "litellm"]
    code = f"import sys, recloop.data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_the_default_needs_no_pandas():
    code = "import sys, recloop.data as d; d.load_dataset(); print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_folders_below_the_variable_have_names(write, monkeypatch):
    folder = write("mine/ratings.csv", "user,item,rating\na,x,1\nb,x,2\n").parent.parent
    write("notes/readme.csv", "some,thing\n1,2\n")
    monkeypatch.setenv("RECLOOP_DATA", str(folder))
    assert data_folder() == folder
    assert [(known.name, known.reader) for known in list_datasets()] == [
        ("movietweetings", "embedded"),
        ("mine", "table"),
    ]
    assert len(load_dataset("mine")) == 2
    with pytest.raises(DataError, match="did you mean mine"):
        load_dataset("mines")
    with pytest.raises(DataError, match=r"download https://files.grouplens.org/datasets/movielens/ml-100k.zip"):
        load_dataset("movielens-100k")
    monkeypatch.setenv("RECLOOP_DATA", str(folder / "nowhere"))
    with pytest.raises(DataError, match="RECLOOP_DATA names a folder of datasets; it is no folder"):
        load_dataset("movielens-100k")


@pytest.mark.realdata
def test_the_embedded_files_are_the_source_row_for_row(realdata):
    import lzma

    for name in ("ratings", "movies"):
        source = realdata / "movietweetings-100k" / f"{name}.csv.gz"
        if not source.is_file():
            pytest.skip(f"no {source.name} under RECLOOP_DATA")
        with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
            original = [tuple(row) for row in csv.reader(file)]
        with lzma.open(embedded.FOLDER / f"{name}.csv.xz", "rt", encoding="utf-8", newline="") as file:
            ours = [tuple(row) for row in csv.reader(file)]
        assert ours[0] == original[0]
        assert sorted(ours) == sorted(original)


@pytest.mark.realdata
def test_the_embedded_data_and_its_source_folder_have_one_hash(realdata):
    if not (realdata / "movietweetings-100k").is_dir():
        pytest.skip("no movietweetings-100k under RECLOOP_DATA")
    assert load_dataset("movietweetings-100k").hash == load_dataset("movietweetings", core=0).hash


@pytest.mark.realdata
def test_movielens_100k_is_found_by_name(realdata):
    if not (realdata / "movielens-100k").is_dir():
        pytest.skip("no movielens-100k under RECLOOP_DATA")
    data = load_dataset("movielens-100k", strict=True)
    assert (len(data), len(data.users), len(data.items)) == (100_000, 943, 1_682)
    assert data.scale == RatingScale(1, 5, 1)
    assert describe(data)["ratings"] == {"1": 6110, "2": 11370, "3": 27145, "4": 34174, "5": 21201}
    assert data.catalogue.text("1") == "Toy Story (1995) — Animation, Children's, Comedy"
    assert not [
        title for title in data.catalogue.titles if title.rpartition(" (")[0].endswith((", The", ", A", ", Les"))
    ]


@pytest.mark.realdata
def test_each_dataset_that_is_listed_loads(realdata):
    for known in list_datasets():
        assert len(load_dataset(known.name))


def test_a_pipe_is_refused_instead_of_being_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"pipe.csv is a pipe or a device.*\n  write the table to a file first"):
        load_dataset(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="/dev/zero is a pipe or a device"):
        load_dataset("/dev/zero")
