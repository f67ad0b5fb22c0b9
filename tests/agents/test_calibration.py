"""Calibration: margins to probabilities at a user's rate, verdicts to a user's ratings, from held-in rows only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.agents.calibration import (
    Calibration,
    HeldIn,
    describe,
    fit_calibration,
    pooled_slope,
    sigmoid,
    solve_intercepts,
    target_rate,
)
from recloop.agents.calibration_items import calibration_items, calibration_sets, withheld_items
from recloop.agents.personas import build_personas
from recloop.agents.planted import planted_world
from recloop.agents.rating_calibration import RatingCalibration, fit_ratings, own_distributions, rating_index
from recloop.data import from_rows

WORLD = planted_world(80, 60, per_user=12, seed=5)


def held_in(n_users=40, lift=1.0, level=-9.0, n=5, seed=0):
    """Margins far below 0, as a small model gives them; positives are `lift` above negatives."""
    rng = np.random.default_rng(seed)
    own = level + rng.normal(0, 1.5, n_users)
    return {
        f"u{u}": HeldIn(
            positives=tuple(own[u] + lift + rng.normal(0, 1, n)), negatives=tuple(own[u] + rng.normal(0, 1, n))
        )
        for u in range(n_users)
    }


def activities(margins):
    return {u: 1 + i % 3 for i, u in enumerate(margins)}


def test_uncalibrated_margins_watch_nothing_and_calibrated_ones_watch_at_the_target_rate():
    margins = held_in()
    level = activities(margins)
    fitted = fit_calibration(margins, level)
    assert fitted.raw_watch_rate == 0.0
    for user, own in margins.items():
        p = fitted.probabilities(user, own.margins)
        assert sigmoid(own.margins).mean() < 0.05
        assert p.mean() == pytest.approx(target_rate(level[user]), abs=1e-9)
    assert [target_rate(a) for a in (1, 2, 3)] == pytest.approx([0.25, 0.40, 0.55])


def test_a_signal_gives_a_slope_and_orders_items():
    fitted = fit_calibration(margins := held_in(lift=1.0), activities(margins))
    assert fitted.signal
    assert fitted.auc is not None
    assert 0.7 < fitted.auc < 0.85
    # The log-odds of two unit normals one apart are exactly the margin's: slope 1.
    assert fitted.slope == pytest.approx(1.0, abs=0.25)
    assert fitted.probability("u0", 1.0) > fitted.probability("u0", 0.0)


@pytest.mark.parametrize("lift", [-1.0, 0.0])
def test_without_a_signal_the_slope_is_0_and_flagged(lift):
    margins = held_in(lift=lift, n_users=60, seed=2 if lift else 6)
    fitted = fit_calibration(margins, activities(margins))
    assert fitted.slope == 0.0
    assert not fitted.signal
    assert fitted.probability("u1", -50.0) == fitted.probability("u1", 50.0) == pytest.approx(target_rate(2))
    assert any("No signal" in line for line in describe(fitted))


def test_false_alarms_without_a_signal_are_as_rare_as_the_threshold_says():
    found = sum(fit_calibration(m := held_in(lift=0.0, n_users=20, seed=s), activities(m)).signal for s in range(100))
    # z >= 1 one-sided: 16 %; 31 of 100 would be four standard errors above.
    assert found <= 31


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.floats(-30, 30), min_size=1, max_size=6), min_size=1, max_size=5),
    st.floats(0.02, 0.98),
)
def test_intercepts_hit_any_target_for_any_logits(logits, target):
    owner = np.repeat(np.arange(len(logits)), [len(x) for x in logits])
    flat = np.concatenate([np.array(x) for x in logits])
    b = solve_intercepts(flat, owner, np.full(len(logits), target))
    for u, own in enumerate(logits):
        assert sigmoid(np.array(own) + b[u]).mean() == pytest.approx(target, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(-20, 20), st.integers(0, 100))
def test_the_slope_does_not_care_where_a_user_stands(shift, seed):
    margins = list(held_in(n_users=8, seed=seed).values())
    moved = [
        HeldIn(positives=tuple(x + shift for x in m.positives), negatives=tuple(x + shift for x in m.negatives))
        for m in margins
    ]
    assert pooled_slope(moved)[0] == pytest.approx(pooled_slope(margins)[0], abs=1e-6)


def test_the_slope_is_the_minimum_of_its_own_loss():
    from scipy.optimize import minimize

    margins = list(held_in(n_users=6, n=3).values())
    x = np.concatenate([m.margins - m.margins.mean() for m in margins])
    y = np.tile([1.0] * 3 + [0.0] * 3, 6)
    spread = x.std()

    def loss(w):
        eta = w[0] * x / spread + w[1]
        return np.logaddexp(0, eta).sum() - y @ eta + 0.5 * w[0] ** 2 + 0.5e-6 * w[1] ** 2

    assert pooled_slope(margins)[0] == pytest.approx(minimize(loss, [0, 0], tol=1e-12).x[0] / spread, abs=1e-5)


def test_perfect_separation_stays_finite():
    margins = {f"u{i}": HeldIn(positives=(5.0, 6.0), negatives=(-5.0, -6.0)) for i in range(30)}
    fitted = fit_calibration(margins, activities(margins))
    assert 0 < fitted.slope < 100
    assert fitted.auc == 1.0


def test_a_user_without_held_in_items_and_a_stranger_still_get_a_probability():
    margins = held_in()
    fitted = fit_calibration(margins, {**activities(margins), "quiet": 3})
    assert 0 < fitted.probability("stranger", -6.0) < fitted.probability("quiet", -6.0) < 1
    assert fitted.targets["quiet"] == pytest.approx(0.55)


def test_nothing_to_fit_on_is_no_signal():
    fitted = fit_calibration({}, {"u": 1})
    assert (fitted.signal, fitted.auc, fitted.n, fitted.raw_watch_rate) == (False, None, 0, None)
    assert fitted.probability("u", 3.0) == pytest.approx(0.25)


def test_a_calibration_survives_json():
    fitted = fit_calibration(margins := held_in(), activities(margins))
    again = Calibration.model_validate_json(fitted.model_dump_json())
    assert again == fitted
    assert again.probability("u7", -5.5) == fitted.probability("u7", -5.5)
    assert set(fitted.quantiles) == {"0.05", "0.25", "0.5", "0.75", "0.95"}


def test_bad_input_is_named():
    good = {"u": HeldIn(positives=(1.0,), negatives=(0.0,))}
    with pytest.raises(ValueError, match="no activity given for u"):
        fit_calibration(good, {})
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        fit_calibration(good, {"u": 1}, targets={"u": 1.0})
    with pytest.raises(ValueError, match="not a finite number"):
        fit_calibration({"u": HeldIn(positives=(float("nan"),), negatives=(0.0,))}, {"u": 1})
    with pytest.raises(ValueError, match="user 'u'"):
        fit_calibration(good, {"u": 1}).probability("u", float("inf"))


# ------------------------------------------------------------------------------------------------ what is asked about
def test_calibration_asks_about_train_rows_only_and_matches_popularity():
    split = WORLD.data.split("user_time", test=0.25)
    popularity = split.train.popularity()
    gaps = []
    for user in split.train.users:
        drawn = calibration_items(split.train, user, n=4, seed=1)
        own = set(split.train.history(user).items)
        assert set(drawn.positives) <= own
        assert not set(drawn.negatives) & own
        assert len(set(drawn.items)) == 8
        assert not set(drawn.positives) & set(split.test.history(user).items)
        counts = [popularity[split.train.items.index(i)] for i in drawn.items]
        gaps.append(np.mean(counts[:4]) - 1 - np.mean(counts[4:]))
    everyone = np.concatenate([popularity[split.train.history(u).positions] for u in split.train.users]).mean()
    assert abs(np.mean(gaps)) < 0.25 * (everyone - popularity.mean())


def test_positives_are_kept_out_of_every_text():
    data = WORLD.data
    sets = calibration_sets(data, data.users.ids[:20], n=4, seed=2)
    for me in build_personas(data, list(sets), withheld=withheld_items(sets)):
        asked = sets[me.user].positives
        assert set(me.withheld) == set(asked)
        assert not set(asked) & {*me.liked, *me.shown_history}
        assert not any(data.catalogue.title(item) in " ".join(me.tastes) for item in asked)
        assert len(me.shown_history) >= len(asked)


def test_a_draw_depends_on_seed_and_user_and_not_on_company():
    data = WORLD.data
    alone = calibration_items(data, "u7", n=4, seed=3)
    assert calibration_sets(data, data.users.ids, n=4, seed=3)["u7"] == alone
    assert calibration_items(data, "u7", n=4, seed=4) != alone


def test_short_histories_give_up_at_most_half():
    data = from_rows(
        [("one", "a", 3, 1), ("three", "a", 3, 1), ("three", "b", 4, 2), ("three", "c", 5, 3)], scale="1:5"
    )
    assert calibration_items(data, "one", n=6).items == ()
    three = calibration_items(data, "three", n=6)
    assert len(three.positives) == len(three.ratings) == 1
    assert three.negatives == ()  # nothing is left that "three" has no row on


# ------------------------------------------------------------------------------------------------------------ ratings
def fitted_ratings(noise=0.3, seed=0):
    data, rng = WORLD.data, np.random.default_rng(seed)
    sets = calibration_sets(data, data.users.ids, n=6, seed=1)
    scores = {u: [0.5 + 0.01 * r + noise * 0.01 * rng.normal() for r in s.ratings] for u, s in sets.items()}
    return data, scores, fit_ratings(scores, {u: s.ratings for u, s in sets.items()}, data)


def test_clustered_verdicts_become_the_users_own_ratings():
    data, scores, fitted = fitted_ratings()
    assert fitted.spearman is not None
    assert fitted.spearman > 0.8
    given = np.array([fitted.rate(u, s) for u, own in scores.items() for s in own])
    real = data.log.value
    assert set(given) <= {1, 2, 3, 4, 5}
    for level in (1, 2, 3, 4, 5):
        assert np.mean(given == level) == pytest.approx(np.mean(real == level), abs=0.08)


def test_a_strict_rater_rates_lower_than_a_kind_one_at_the_same_verdict():
    rows = [(u, f"i{i}", value, i) for u, value in (("kind", 9), ("strict", 3)) for i in range(20)]
    data = from_rows([*rows, *(("all", f"i{i}", i % 11, i) for i in range(20))], scale="0:10")
    scores = {u: [0.4, 0.5, 0.6] for u in ("kind", "strict")}
    fitted = fit_ratings(scores, {"kind": [9, 9, 9], "strict": [3, 3, 3]}, data)
    assert fitted.rate("kind", 0.5) == 9
    assert fitted.rate("strict", 0.5) == 3
    assert fitted.spearman is None  # nobody's ratings vary


def test_a_verdict_without_signal_reports_none():
    _, _, fitted = fitted_ratings(noise=1000.0)
    assert fitted.spearman == pytest.approx(0.0, abs=0.15)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 2), st.floats(-1, 2))
def test_a_higher_verdict_never_gives_a_lower_rating(a, b):
    fitted = RATINGS
    low, high = sorted((a, b))
    assert fitted.rate("u3", low) <= fitted.rate("u3", high)
    assert 0 < fitted.quantile("u3", a) < 1


RATINGS = fitted_ratings()[2]


def test_a_rating_calibration_survives_json_and_serves_strangers():
    again = RatingCalibration.model_validate_json(RATINGS.model_dump_json())
    assert again == RATINGS
    assert again.rate("stranger", 0.55) in again.levels


def test_own_distributions_are_shrunk_and_leave_no_level_impossible():
    levels, own, pooled = own_distributions(WORLD.data)
    assert levels == (1, 2, 3, 4, 5)
    assert own.sum(axis=1) == pytest.approx(np.ones(80))
    assert own.min() > 0
    assert rating_index(pooled[None], np.array([1e-9])).tolist() == [0]
    assert rating_index(pooled[None], np.array([1.0])).tolist() == [4]


def test_ratings_cannot_be_fitted_on_views_or_uneven_lists():
    with pytest.raises(ValueError, match="view data has no ratings"):
        fit_ratings({}, {}, from_rows([("u", "a")]))
    with pytest.raises(ValueError, match="2 scores and 1 ratings"):
        fit_ratings({"u1": [1.0, 2.0]}, {"u1": [3.0]}, WORLD.data)
