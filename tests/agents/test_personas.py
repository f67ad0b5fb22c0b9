"""Personas: from train rows alone, one user at a time, whole through JSON."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from recloop.agents.personas import Persona, build_personas, load_personas, sample_users, save_personas
from recloop.agents.planted import planted_world
from recloop.data import from_rows

DATA = planted_world(60, 40, per_user=8, seed=3).data
TEXTS = ("tastes", "likes", "dislikes", "rating_tendency", "liked", "history", "mean_rating", "rating_histogram")


def texts(persona, fields=TEXTS):
    return {name: getattr(persona, name) for name in fields}


def test_a_persona_holds_what_its_rows_say():
    me = build_personas(DATA, ["u3"])[0]
    history = DATA.history("u3")
    assert me.history == history.items
    assert me.n_history == me.a == len(history)
    assert me.mean_rating == pytest.approx(float(history.values.mean()))
    assert sum(count for _, count in me.rating_histogram) == len(history)
    assert set(me.liked) <= set(me.history)
    assert me.tastes
    assert me.statistics == {"activity": me.a, "conformity": me.c, "diversity": me.d}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_other_peoples_rows_do_not_touch_a_users_texts(seed):
    import numpy as np

    mine = np.flatnonzero(DATA.log.user == 3)
    rng = np.random.default_rng(seed)
    mask = rng.random(len(DATA)) < 0.5
    mask[mine] = True
    before, after = build_personas(DATA, ["u3"])[0], build_personas(DATA.rows(mask), ["u3"])[0]
    assert texts(before) == texts(after)


def test_held_out_rows_are_never_read():
    split = DATA.split("user_time", test=0.3)
    for persona in build_personas(split.train):
        held_out = set(split.test.history(persona.user).items)
        assert held_out
        assert not held_out & {*persona.history, *persona.liked}
        titles = {split.train.catalogue.title(item) for item in held_out}
        assert not any(f"“{title}”" in " ".join(persona.tastes) for title in titles)


def test_withheld_items_are_in_no_text_but_still_count_as_seen():
    plain = build_personas(DATA, ["u3"])[0]
    hidden = plain.liked[:2]
    me = build_personas(DATA, ["u3"], withheld={"u3": hidden})[0]
    assert set(me.withheld) == set(hidden)
    assert not set(hidden) & {*me.liked, *me.shown_history}
    assert not any(DATA.catalogue.title(item) in " ".join(me.tastes) for item in hidden)
    assert me.history == plain.history
    assert me.statistics == plain.statistics
    other = build_personas(DATA, ["u4"], withheld={"u3": hidden})[0]
    assert other == build_personas(DATA, ["u4"])[0]


def test_personas_survive_a_file(tmp_path):
    people = build_personas(DATA)
    people[0] = people[0].model_copy(update={"tastes": ("odd \u2028 line, “quotes” and ü",)})
    path = save_personas(people, tmp_path / "deep" / "personas.jsonl")
    assert load_personas(path) == people
    assert [p.name for p in path.parent.iterdir()] == ["personas.jsonl"]


@pytest.mark.parametrize(("line", "says"), [("{", "line 2"), ('{"user": "x", "activity": 7}', "activity")])
def test_a_broken_line_is_named(tmp_path, line, says):
    path = save_personas(build_personas(DATA, ["u1"]), tmp_path / "p.jsonl")
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        load_personas(path)


def test_a_persona_cannot_be_changed_by_accident():
    me = build_personas(DATA, ["u3"])[0]
    with pytest.raises(ValidationError):
        me.activity = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Persona(user="x", activity=4)


def test_ratings_keep_their_decimals():
    data = from_rows([("u", f"i{i}", value, i) for i, value in enumerate((3.6, 4.1, 3.6))], scale="1:5:0.1")
    assert build_personas(data)[0].rating_histogram == ((3.6, 2), (4.1, 1))


def test_views_make_personas_without_ratings():
    data = from_rows([("u", "a"), ("u", "b"), ("v", "a")])
    me = build_personas(data)[0]
    assert (me.conformity, me.diversity, me.mean_rating, me.rating_tendency) == (None, None, None, "")
    assert me.rating_histogram == ()
    assert me.tastes


def test_samples_nest_repeat_and_differ_by_seed():
    ten, twenty = sample_users(DATA, 10, seed=1), sample_users(DATA, 20, seed=1)
    assert twenty[:10] == ten
    assert len(set(twenty)) == 20
    assert sample_users(DATA, 10, seed=2) != ten


def test_a_stratified_sample_keeps_the_shares_of_activity():
    rows = [(f"u{u}", f"i{i}", 3, i) for u in range(40) for i in range(5 + (u % 4 == 0) * u)]
    data = from_rows(rows, scale="1:5")
    people = {p.user: p.activity for p in build_personas(data)}
    sample = sample_users(data, 20, seed=5, how="stratified")
    assert len(set(sample)) == 20
    for level in (1, 2, 3):
        share = sum(a == level for a in people.values()) / 2
        assert abs(sum(people[u] == level for u in sample) - share) <= 1


def test_asking_for_too_many_users_says_how_many_there_are():
    with pytest.raises(ValueError, match="only 60 have 5 or more"):
        sample_users(DATA, 61, seed=0)
    with pytest.raises(ValueError, match="only 0 have 9 or more"):
        sample_users(DATA, 1, seed=0, min_history=9)
