"""Scripted users, and the formulas and draws they are made of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.agents.actions import FILMS, Action
from recloop.agents.affinity import reference_items
from recloop.agents.fatigue import FatigueConfig, fatigue, fatigue_at, tiredness_text
from recloop.agents.personas import build_personas
from recloop.agents.planted import planted_world
from recloop.agents.randomness import generator, keys, normals, shuffled, uniform, uniforms
from recloop.agents.satisfaction import (
    exit_probability,
    next_satisfaction,
    page_value,
    running,
    satisfaction_text,
)
from recloop.agents.scripted import ScriptedConfig, ScriptedPopulation
from recloop.data import Interactions, from_rows

WORLD = planted_world(150, 90, per_user=15, seed=11)
PEOPLE = build_personas(WORLD.data)
POPULATION = ScriptedPopulation(WORLD.data, PEOPLE, seed=4)
N, M, S = len(PEOPLE), len(WORLD.data.items), 4
EVERYBODY = np.arange(N)


def slates(n=N, seed=0, s=S):
    items = np.stack([np.random.default_rng([seed, u]).choice(M, s, replace=False) for u in range(n)])
    return items, np.broadcast_to(np.arange(s), (n, s))


# ----------------------------------------------------------------------------------------------------------- randomness
def test_one_draw_and_many_draws_agree_at_the_same_address():
    ids = ["ann", "bob", "cem"]
    many = uniforms(7, "watch", keys(ids)[:, None], np.arange(3), "x")
    assert many.shape == (3, 3)
    for i, name in enumerate(ids):
        for page in range(3):
            assert many[i, page] == uniform(7, "watch", name, page, "x")


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70), st.text())
def test_one_draw_is_one_of_many_whatever_its_address(seed, number, text):
    assert uniform(seed, number, text) == float(uniforms(seed, number, text))


def test_draws_are_the_same_on_every_machine():
    # Written down once: a change of the mixer changes every recorded run.
    assert [round(uniform(1, "a", 2), 12), round(uniform(2, "a", 2), 12)] == [0.90572403335, 0.669098904049]


def test_draws_look_uniform_normal_and_independent():
    u = uniforms(3, "test", np.arange(20_000))
    assert ((u >= 0) & (u < 1)).all()
    assert np.histogram(u, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    z = normals(3, "test", np.arange(20_000))
    assert (z.mean(), z.std()) == pytest.approx((0, 1), abs=0.03)
    for other in (uniforms(4, "test", np.arange(20_000)), uniforms(3, "other", np.arange(20_000)), u[::-1]):
        assert np.corrcoef(u, other)[0, 1] == pytest.approx(0, abs=0.03)
    assert np.corrcoef(u[:-1], u[1:])[0, 1] == pytest.approx(0, abs=0.03)


def test_addresses_do_not_run_into_each_other():
    draws = {uniform(0, *parts) for parts in ((1, 2), (2, 1), (12,), (1, 2, 0), (0, 1, 2), ("1", "2"), ("12",), ())}
    assert len(draws) == 8
    with pytest.raises(TypeError, match="integer array"):
        uniforms(0, np.array([0.5]))


def test_an_order_is_a_permutation_and_every_place_is_equally_likely():
    orders = np.array([shuffled(4, 0, "slots", f"u{u}", 0) for u in range(4000)])
    assert (np.sort(orders, axis=1) == np.arange(4)).all()
    for slot in range(4):
        assert np.bincount(orders[:, slot]) == pytest.approx(1000, abs=130)
    assert (shuffled(4, 0, "slots", "u1", 0) == orders[1]).all()
    assert generator(1, "a").random() == generator(1, "a").random() != generator(1, "b").random()


# ------------------------------------------------------------------------------------------------ fatigue, satisfaction
levels = st.integers(1, 3)


@given(st.integers(0, 200), st.integers(1, 50), levels)
def test_fatigue_rises_with_pages_falls_with_activity_and_stays_in_bounds(page, more, activity):
    now, later = fatigue_at(page, activity), fatigue_at(page + more, activity)
    assert 0 < now <= later <= 1
    if activity < 3:
        assert fatigue_at(page, activity + 1) <= now
    assert float(fatigue(0, activity)) == 0.0


def test_fatigue_can_be_taken_out():
    rested = FatigueConfig(strength=0)
    assert fatigue(np.arange(50), np.full(50, 2), rested).tolist() == [0.0] * 50
    assert tiredness_text(10, 1, rested) == ""
    assert fatigue_at(4, 1, FatigueConfig(half_life=(5, 5, 5))) == pytest.approx(0.5)
    assert tiredness_text(0, 3) != tiredness_text(30, 3)
    assert (
        ScriptedPopulation(WORLD.data, PEOPLE, ScriptedConfig(fatigue=rested), seed=4)
        .react(EVERYBODY, 20, *slates())
        .probability.tolist()
        == POPULATION.react(EVERYBODY, 0, *slates()).probability.tolist()
    )


rates = st.floats(0, 1)
lifts = st.floats(-1, 1)


@given(rates, rates, rates, lifts, lifts, st.floats(1, 10))
def test_satisfaction_rises_with_what_was_watched_and_how_it_was_rated(watch, less, expected, lift, lower, before):
    low_watch, high_watch = sorted((watch, less))
    low_lift, high_lift = sorted((lift, lower))
    assert page_value(low_watch, expected, lift) <= page_value(high_watch, expected, lift)
    assert page_value(watch, expected, low_lift) <= page_value(watch, expected, high_lift)
    value = float(page_value(watch, expected, lift))
    assert 1 <= value <= 10
    after = float(running(before, value))
    assert min(before, value) - 1e-9 <= after <= max(before, value) + 1e-9


@given(st.floats(1, 10), st.floats(1, 10), rates, rates, levels)
def test_leaving_grows_with_fatigue_and_shrinks_with_satisfaction(s1, s2, f1, f2, activity):
    (s1, s2), (f1, f2) = sorted((s1, s2)), sorted((f1, f2))
    assert exit_probability(s2, f1, activity) <= exit_probability(s1, f1, activity)
    assert exit_probability(s1, f1, activity) <= exit_probability(s1, f2, activity)
    assert 0 < exit_probability(s1, f1, activity) < 1
    if activity < 3:
        assert exit_probability(s1, f1, activity + 1) < exit_probability(s1, f1, activity)


def test_one_users_satisfaction_reads_the_page():
    class World:
        actions, scale = FILMS, WORLD.data.scale

    me = PEOPLE[0]

    def after(*actions):
        return next_satisfaction(5.5, actions, World(), me)  # type: ignore[arg-type]

    skip, poor, great = Action("a", "skip"), Action("b", "watch", 1.0), Action("c", "watch", 5.0)
    assert after() == 5.5
    assert after(skip, skip) < after(skip, great) < after(great, great) <= 10
    assert 1 <= after(skip, poor) < after(skip, great)
    assert "1 of 4" in satisfaction_text(8, 1, 4)


# ------------------------------------------------------------------------------------------------------------- scripted
def test_equal_arguments_give_equal_people():
    again = ScriptedPopulation(WORLD.data, PEOPLE, seed=4)
    here, there = (p.react(EVERYBODY, 1, *slates()) for p in (POPULATION, again))
    for a, b in zip(here, there, strict=True):
        assert a.tobytes() == b.tobytes()
    other = ScriptedPopulation(WORLD.data, PEOPLE, seed=5).react(EVERYBODY, 1, *slates())
    assert (other.watch != here.watch).any()


def test_a_reaction_does_not_depend_on_who_else_is_asked():
    items, shown_at = slates()
    together = POPULATION.react(EVERYBODY, 2, items, shown_at)
    decided = POPULATION.decide(EVERYBODY, 2, together)
    for part in (np.array([17]), np.array([140, 3, 77]), EVERYBODY[::-1]):
        alone = POPULATION.react(part, 2, items[part], shown_at[part])
        for a, b in zip(alone, together, strict=True):
            assert a.tobytes() == np.ascontiguousarray(b[part]).tobytes()
        for a, b in zip(POPULATION.decide(part, 2, alone), decided, strict=True):
            assert a.tobytes() == np.ascontiguousarray(b[part]).tobytes()


def test_a_user_left_out_of_the_population_leaves_the_others_as_they_were():
    fewer = ScriptedPopulation(WORLD.data, PEOPLE[10:], seed=4)
    items, shown_at = slates()
    here = POPULATION.react(EVERYBODY[10:], 0, items[10:], shown_at[10:])
    there = fewer.react(EVERYBODY[: N - 10], 0, items[10:], shown_at[10:])
    assert there.watch.tolist() == here.watch.tolist()
    assert there.rating.tobytes() == here.rating.tobytes()


def test_chance_matches_the_stated_probability():
    items, shown_at = slates(s=30)
    p, w = zip(
        *((r.probability, r.watch) for r in (POPULATION.react(EVERYBODY, page, items, shown_at) for page in range(8))),
        strict=True,
    )
    p, w = np.stack(p), np.stack(w)
    assert w.mean() == pytest.approx(p.mean(), abs=0.01)
    for low in (0.0, 0.2, 0.4, 0.6):
        here = (p >= low) & (p < low + 0.2)
        assert w[here].mean() == pytest.approx(p[here].mean(), abs=0.04)


def test_the_activity_of_a_user_sets_the_rate_on_the_reference():
    config = ScriptedConfig(position=0)
    population = ScriptedPopulation(WORLD.data, PEOPLE, config, seed=4)
    reference = reference_items(WORLD.data.popularity(), config.reference, 4)
    items = np.broadcast_to(reference, (N, len(reference)))
    p = population.react(EVERYBODY, 0, items, np.zeros_like(items)).probability.mean(axis=1)
    assert p == pytest.approx(population.expected_rate, abs=1e-5)


def test_planted_likes_are_watched_and_rated_above_planted_dislikes():
    planted = ScriptedPopulation(WORLD.data, PEOPLE, seed=1, truth=WORLD.truth)
    taste = WORLD.truth.taste(EVERYBODY, np.broadcast_to(np.arange(M), (N, M)))
    order = np.argsort(-taste, axis=1)
    place = np.broadcast_to(np.arange(S), (N, S))
    best, worst = (planted.react(EVERYBODY, 0, items, place) for items in (order[:, :S], order[:, -S:]))
    assert best.watch.mean() > 0.5 > 0.2 > worst.watch.mean()
    assert np.nanmean(best.rating) > np.nanmean(worst.rating) + 0.5
    happy, sad = planted.decide(EVERYBODY, 0, best), planted.decide(EVERYBODY, 0, worst)
    assert happy.satisfaction.mean() > sad.satisfaction.mean() + 1
    assert happy.next.mean() > sad.next.mean()


def test_fitted_tastes_find_the_planted_ones_on_items_without_train_rows():
    seen = WORLD.data.matrix().toarray() > 0
    grid = np.broadcast_to(np.arange(M), (N, M))
    fitted, planted = (t.taste(EVERYBODY, grid) for t in (POPULATION.tastes, WORLD.truth))
    agreement = [np.corrcoef(fitted[u, ~seen[u]], planted[u, ~seen[u]])[0, 1] for u in range(N)]
    assert np.mean(agreement) > 0.4
    blind = planted_world(150, 90, per_user=15, seed=11, strength=0.0)
    tastes = ScriptedPopulation(blind.data, build_personas(blind.data), seed=4).tastes.taste(EVERYBODY, grid)
    nothing = [np.corrcoef(tastes[u], planted[u])[0, 1] for u in range(N)]
    assert abs(np.mean(nothing)) < 0.1


def test_position_bias_is_there_when_asked_for_and_only_then():
    items, _ = slates()
    places = [np.full_like(items, j) for j in (0, 3)]
    first, last = (POPULATION.react(EVERYBODY, 0, items, place).probability for place in places)
    assert first * (1 / 1.3) == pytest.approx(last, abs=2e-6)
    fair = ScriptedPopulation(WORLD.data, PEOPLE, ScriptedConfig(position=0), seed=4)
    first, last = (fair.react(EVERYBODY, 0, items, place).probability for place in places)
    assert first.tolist() == last.tolist()


def test_tired_users_watch_less_and_leave_more():
    early, late = (POPULATION.react(EVERYBODY, page, *slates()) for page in (0, 12))
    assert (late.probability <= early.probability).all()
    first, twelfth = (POPULATION.decide(EVERYBODY, page, early) for page in (0, 12))
    assert (twelfth.exit_probability >= first.exit_probability).all()
    assert (twelfth.fatigue > first.fatigue).all()


def test_ratings_lie_on_the_scale_and_spread_as_the_real_ones_do_low_ones_too():
    items, shown_at = slates(s=40)
    r = POPULATION.react(EVERYBODY, 0, items, shown_at)
    assert (np.isnan(r.rating) == ~r.watch).all()
    given = r.rating[r.watch]
    real = WORLD.data.log.value
    assert set(given) <= {1, 2, 3, 4, 5}
    for level in (1, 2, 3, 4, 5):
        assert np.mean(given == level) == pytest.approx(np.mean(real == level), abs=0.08)
    assert (r.liked == (r.watch & (r.rating == 5))).all()


def test_kind_and_strict_raters_stay_kind_and_strict():
    log = WORLD.data.log
    kind = log.user % 2 == 0
    values = np.clip(log.value + np.where(kind, 1, -1), 1, 5)
    data = replace(WORLD.data, log=Interactions(log.user, log.item, values, log.time))
    r = ScriptedPopulation(data, build_personas(data), seed=4).react(EVERYBODY, 0, *slates(s=40))
    assert np.nanmean(r.rating[::2]) > np.nanmean(r.rating[1::2]) + 1


def test_independent_people_rate_further_from_the_item_means_than_followers():
    followers = [p.model_copy(update={"conformity": 1}) for p in PEOPLE]
    mavericks = [p.model_copy(update={"conformity": 3}) for p in PEOPLE]
    mean = np.nan_to_num(WORLD.data.mean_rating(), nan=3.0)
    items, shown_at = slates(s=40)

    def deviation(people):
        r = ScriptedPopulation(WORLD.data, people, seed=4, truth=WORLD.truth).react(EVERYBODY, 0, items, shown_at)
        return np.nanmean((r.rating - mean[items]) ** 2)

    assert deviation(mavericks) > deviation(followers)


def test_empty_places_are_never_watched_and_an_empty_page_changes_nothing():
    items, shown_at = slates()
    items = items.copy()
    items[0] = -1
    items[1, 2:] = -1
    r = POPULATION.react(EVERYBODY, 0, items, shown_at)
    assert not r.watch[items < 0].any()
    assert (r.probability[items < 0] == 0).all()
    decided = POPULATION.decide(EVERYBODY, 0, r, np.full(N, 7.25))
    assert decided.satisfaction[0] == 7.25
    assert np.isfinite(decided.satisfaction).all()


def test_views_make_scripted_users_without_ratings_or_genres():
    rows = [(f"u{u}", f"i{(u * 7 + i * i) % 30}") for u in range(30) for i in range(6)]
    data = from_rows(sorted(set(rows)))
    people = build_personas(data)
    r = ScriptedPopulation(data, people, seed=1).react(
        np.arange(len(people)), 0, np.tile(np.arange(4), (len(people), 1)), np.tile(np.arange(4), (len(people), 1))
    )
    assert 0 < r.watch.mean() < 1
    assert np.isnan(r.rating).all()
    assert (r.liked == r.watch).all()


def test_arrays_that_do_not_fit_are_refused():
    items, shown_at = slates(3)
    with pytest.raises(ValueError, match="shapes do not fit"):
        POPULATION.react([0, 1], 0, items, shown_at)
    with pytest.raises(ValueError, match="outside the 150 personas"):
        POPULATION.react([0, 1, N], 0, items, shown_at)
    with pytest.raises(ValueError, match="outside the 90 items"):
        POPULATION.react([0, 1, 2], 0, items + M, shown_at)
    with pytest.raises(ValueError, match="planted truth is for 150 users"):
        ScriptedPopulation(WORLD.data, PEOPLE[:3], truth=WORLD.truth)
