"""The user's own recommender as a file of precomputed lists."""

import gzip
import json

import pytest
from recloop.data import from_rows
from recloop.methods.recommenders import RecommenderError, UnknownRecommender, open_recommender

DATA = from_rows([("u", "1"), ("v", "2"), ("v", "1"), ("w", "3"), ("w", "04")])
ROWS = [("u", "3", 0.5), ("u", "04", 0.9), ("v", "3", 0.1), ("u", "2", 0.7)]


def as_text(separator):
    return "\n".join(separator.join(map(str, row)) for row in [("user", "item", "score"), *ROWS]) + "\n"


def write(folder, ending):
    path = folder / f"lists.{ending}"
    if ending == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = dict(zip(("user", "item", "score"), map(list, zip(*ROWS, strict=True)), strict=True))
        pq.write_table(pa.table(columns), path)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps({"user": u, "item": i, "score": s}) + "\n" for u, i, s in ROWS))
    elif ending == "csv.gz":
        path.write_bytes(gzip.compress(as_text(",").encode()))
    else:
        path.write_text(as_text("\t" if ending == "tsv" else ","))
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
def test_every_kind_of_file_gives_the_same_lists_and_ids_stay_text(tmp_path, ending):
    model = open_recommender(write(tmp_path, ending)).fit(DATA)
    ranking = model.top_many(["u"], 2)[0]
    assert ranking.items == ("04", "2")
    assert ranking.scores.tolist() == pytest.approx([0.9, 0.7])
    assert model.scores("u", ["3", "1"]).tolist() == [0.5, float("-inf")]
    assert not model.problems


def test_a_user_without_a_list_gets_popularity_and_it_is_stated(tmp_path):
    model = open_recommender(write(tmp_path, "csv")).fit(DATA)
    ranking = model.top_many(["w"], 5)[0]
    assert ranking.fallback
    assert ranking.items == ("1", "2")
    assert model.problems["cold_user"] == 1
    assert not model.top("v", 1).fallback


def test_a_list_that_runs_out_gives_shorter_rankings_and_is_counted(tmp_path):
    model = open_recommender(write(tmp_path, "csv")).fit(DATA)
    assert model.top("u", 3, exclude=["04"]).items == ("2", "3")
    assert model.top("v", 3, exclude=["3"]).items == ()
    assert (model.problems["too_few"], model.problems["empty"]) == (1, 1)
    assert model.problems["excluded"] == 0, "a list cannot know what will be left out"


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("user_id,movieId,Rank\nu,3,2\nu,2,1\n", ("2", "3")),
        ("user,item,position\nu,3,1\nu,2,0\n", ("2", "3")),
        ("user,item\nu,3\nu,2\n", ("3", "2")),
    ],
)
def test_ranks_and_plain_order_will_do(tmp_path, text, best):
    path = tmp_path / "lists.csv"
    path.write_text(text)
    assert open_recommender(str(path)).fit(DATA).top("u", 2).items == best


def test_other_column_names_can_be_told(tmp_path):
    path = tmp_path / "lists.csv"
    path.write_text("who,what,how\nu,3,1\n")
    told = {"user": "who", "item": "what", "score": "how"}
    assert open_recommender(str(path), config=told).fit(DATA).top("u", 1).items == ("3",)
    with pytest.raises(RecommenderError, match=r"no column for users(.|\n)*who, what, how"):
        open_recommender(str(path)).fit(DATA)
    with pytest.raises(RecommenderError, match="no column 'whom'"):
        open_recommender(str(path), config={"user": "whom"}).fit(DATA)


def test_foreign_items_and_repeated_rows_are_counted_and_broken_rows_are_named(tmp_path):
    path = tmp_path / "lists.csv"
    path.write_text("user,item,score\nu,3,1\nu,99,2\nu,3,5\n")
    model = open_recommender(str(path)).fit(DATA)
    assert model.lists == {"u": [("3", 1.0)]}
    assert (model.problems["unknown_item"], model.problems["duplicate"]) == (1, 1)
    assert "line 3" in model.problems.first["unknown_item"]
    path.write_text("user,item,score\nu,3,1\nu,2,high\n")
    with pytest.raises(RecommenderError, match="line 3"):
        open_recommender(str(path)).fit(DATA)
    path.write_text("user,item,score\nu,99,1\n")
    with pytest.raises(RecommenderError, match="do the ids match"):
        open_recommender(str(path)).fit(DATA)
    path.write_text("user,item,score\n")
    with pytest.raises(RecommenderError, match="no rows"):
        open_recommender(str(path)).fit(DATA)
    with pytest.raises(UnknownRecommender, match="no file"):
        open_recommender(str(tmp_path / "absent.csv"))


def test_another_content_is_another_policy(tmp_path):
    path = tmp_path / "lists.csv"
    path.write_text("user,item\nu,3\n")
    before = open_recommender(str(path)).policy_id
    path.write_text("user,item\nu,2\n")
    assert open_recommender(str(path)).policy_id != before
