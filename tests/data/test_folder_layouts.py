"""MovieLens folders and RecBole files are read by their own rules."""

from __future__ import annotations

import pytest
from recloop.data import DataError, RatingScale, load_dataset


def test_movielens_100k_is_read_with_its_latin_1_titles_and_genre_flags(write):
    flags = ["0"] * 19
    action = [*flags]
    action[1] = action[8] = "1"
    unknown = ["1", *flags[1:]]
    lines = [
        "1|Matrix, The (1999)|01-Jan-1999||http://x|" + "|".join(action),
        "2|Misérables, Les (1995)|01-Jan-1995||http://x|" + "|".join(flags),
        "3|unknown||||" + "|".join(unknown),
    ]
    write("ml-100k/u.item", "\n".join(lines).encode("latin-1"))
    folder = write("ml-100k/u.data", "1\t1\t5\t881250949\n1\t2\t3\t881250950\n2\t3\t1\t881250951\n2\t1\t6\t1\n").parent
    data = load_dataset(folder)
    assert data.catalogue.text("1") == "The Matrix (1999) — Action, Drama"
    assert data.catalogue.text("2") == "Les Misérables (1995)"
    assert data.catalogue.genres("3") == ()
    assert data.catalogue.field("release_date", "1") == "01-Jan-1999"
    assert data.scale == RatingScale(1, 5, 1)
    assert data.report.reasons == {"rating outside the scale 1 to 5": 1}
    assert "GroupLens" in data.licence


def test_movielens_1m_is_read_with_its_double_colons(write):
    write(
        "m/movies.dat",
        'One::b1::Drama\n2::"2:22", The (2017)::Action|Sci-Fi\n3::Caf\xe9 (1990)::Drama\n'.encode("latin-1"),
    )
    write("m/users.dat", "1::F::1::10::48067\n")
    data = load_dataset(write("m/ratings.dat", "1::2::5::978300760\n1::3::3::978302109\n2::2::1::5\n").parent)
    assert data.catalogue.text("2") == 'The "2:22" (2017) — Action, Sci-Fi'
    assert data.catalogue.title("3") == "Café (1990)"
    assert data.scale == RatingScale(1, 5, 1)
    assert data.name == "MovieLens 1M"


def test_movielens_10m_has_half_stars(write):
    data = load_dataset(write("m/ratings.dat", "1::2::4.5::978300760\n1::3::3::978302109\n").parent)
    assert data.scale == RatingScale(0.5, 5, 0.5)


def test_movielens_latest_is_read(write):
    write(
        "m/movies.csv",
        'movieId,title,genres\n1,"American President, The (1995)",Comedy|Drama\n2,Foo (2000),(no genres listed)\n',
    )
    data = load_dataset(
        write("m/ratings.csv", "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n2,2,0.5,5\n").parent
    )
    assert data.catalogue.text("1") == "The American President (1995) — Comedy, Drama"
    assert data.catalogue.text("2") == "Foo (2000)"
    assert data.scale == RatingScale(0.5, 5, 0.5)


def test_movielens_as_two_packed_csv_files_is_read(write):
    write("m/items.csv.gz", 'item_id,movie_title,release_year,class\n1,"Usual Suspects, The",1995,Crime Children\'s\n')
    data = load_dataset(write("m/ratings.csv.gz", "user_id,item_id,rating,timestamp\n1,1,4,5\n2,1,3,6\n").parent)
    assert data.catalogue.text("1") == "The Usual Suspects (1995) — Crime, Children's"
    assert data.scale == RatingScale(1, 5, 1)


def test_recbole_files_are_read_with_their_typed_header(write):
    write(
        "ml/ml.item",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n1\tToy Story\t1995\tComedy Drama\n",
    )
    path = write(
        "ml/ml.inter", 'user_id:token\titem_id:token\trating:float\ttimestamp:float\n"u\t1\t3.0\t9\nv\t1\t4\t8\n'
    )
    for given in (path, path.parent):
        data = load_dataset(given)
        assert data.catalogue.text("1") == "Toy Story (1995) — Comedy, Drama"
        assert data.users.ids == ('"u', "v")
    write("ml/other.inter", "user_id:token\titem_id:token\nu\t1\n")
    with pytest.raises(DataError, match=r"2 .inter files"):
        load_dataset(path.parent)
    with pytest.raises(DataError, match="no RecBole header"):
        load_dataset(write("bad.inter", "user_id,item_id\n1,2\n"))
    with pytest.raises(DataError, match="no column for users"):
        load_dataset(write("bad2.inter", "who:token\titem_id:token\n1\t2\n"))


def test_recbole_without_items_or_ratings_is_read_as_views(write):
    data = load_dataset(write("x.inter", "user_id:token\titem_id:token\ttimestamp:float\nu\t1\t5\nv\t1\t4\n"))
    assert (data.feedback, data.catalogue.title("1")) == ("view", "1")
