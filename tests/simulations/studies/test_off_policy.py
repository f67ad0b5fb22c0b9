"""Estimates off a log are unbiased on a planted bandit, and refused where the log knows nothing."""

from __future__ import annotations

import numpy as np
import pytest
from recloop.agents.planted import planted_world
from recloop.methods.recommenders.explore import Explore
from recloop.simulations.studies.off_policy import NoOverlap, Shown, estimate

USERS, ITEMS = 200, 6


def world(seed: int, epsilon: float = 0.5) -> tuple[list[Shown], dict[tuple[int, str], list[str]], float]:
    """A log over users whose taste for each item is planted, another policy, and what that policy earns in truth."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.9, (USERS, ITEMS))
    best, other = truth.argmax(axis=1), rng.integers(0, ITEMS, USERS)
    draw = np.random.default_rng(seed + 1)
    shown = np.where(draw.random(USERS) < epsilon, draw.integers(0, ITEMS, USERS), best)
    chance = (1 - epsilon) * (shown == best) + epsilon / ITEMS
    reward = draw.random(USERS) < truth[np.arange(USERS), shown]
    log = [Shown((0, f"u{u}"), f"u{u}", f"i{shown[u]}", float(chance[u]), float(reward[u])) for u in range(USERS)]
    target = {(0, f"u{u}"): [f"i{other[u]}"] for u in range(USERS)}
    return log, target, float(truth[np.arange(USERS), other].mean())


def features(user: str, item: str) -> list[float]:
    return [float(item == f"i{i}") for i in range(ITEMS)]


def test_all_three_estimates_are_right_on_average_and_their_intervals_cover() -> None:
    found, covered, truth = {"ips": [], "snips": [], "dr": []}, {"ips": 0, "snips": 0, "dr": 0}, 0.0
    for seed in range(50):
        log, target, truth = world(seed)
        each = estimate(log, target, features)
        for method in found:
            found[method].append(getattr(each, method))
            low, high = getattr(each, f"{method}_bounds")
            covered[method] += low <= truth <= high
    for method, values in found.items():
        error = 3 * np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values) - truth) < error, method
        assert covered[method] >= 40, (method, covered[method])
    naive = np.mean([np.mean([s.reward for s in world(seed)[0]]) for seed in range(10)])
    assert naive - truth > 0.1, "the log as it is would have misled"
    assert np.std(found["snips"]) < np.std(found["ips"])


def test_a_deterministic_log_is_refused() -> None:
    log, target, _ = world(0)
    flat = [Shown(s.session, s.user, s.item, 1.0, s.reward) for s in log]
    with pytest.raises(NoOverlap, match="every logged propensity is 1"):
        estimate(flat, target, features)


def test_a_target_that_was_never_shown_is_refused() -> None:
    log, target, _ = world(0)
    with pytest.raises(NoOverlap, match="nothing that this policy would show"):
        estimate(log, {key: ["elsewhere"] for key in target}, features)


def test_weights_are_worth_fewer_exposures_the_more_they_differ() -> None:
    log, target, _ = world(0, epsilon=0.1)
    each = estimate(log, target, features)
    assert each.effective < each.matched
    assert each.heaviest == pytest.approx(ITEMS / 0.1)


def test_the_exploring_policy_shows_each_item_as_often_as_it_says() -> None:
    data = planted_world(1, 30, seed=2).data
    user, seeds = data.users.ids[0], 3000
    seen: dict[str, int] = {}
    policy = Explore(["ease", "pop", "random"], epsilon=0.4, size=4, seed=0).fit(data)
    for seed in range(seeds):
        policy.seed = seed  # the arms stay, the draw is another
        slate = policy.top(user, 4, ())
        assert len(set(slate)) == 4
        for item in slate:
            seen[item] = seen.get(item, 0) + 1
    for item, n in seen.items():
        stated = policy.propensity(user, 0, item)
        assert abs(n / seeds - stated) < 4 * np.sqrt(stated * (1 - stated) / seeds) + 1e-9, item
    assert policy.propensity(user, 1, next(iter(seen))) == 0
    assert policy.propensity(user, 0, "elsewhere") == 0
