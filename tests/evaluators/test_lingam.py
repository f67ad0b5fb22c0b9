"""DirectLiNGAM finds planted graphs, says when it cannot, and agrees with the package `lingam`."""

from __future__ import annotations

import numpy as np
import pytest
from recloop.evaluators.lingam import (
    bootstrap_edges,
    direct_lingam,
    entropy,
    near_gaussian,
    planted_graph,
    rootness,
)

SEEDS = range(20)


def test_a_planted_graph_is_recovered_in_structure_and_size() -> None:
    whole, off = 0, []
    for seed in SEEDS:
        x, effects = planted_graph(800, seed=seed)
        found = direct_lingam(x)
        whole += bool(((found.effects != 0) == (effects != 0)).all())
        off.append(np.abs(found.effects - effects).max())
        assert all(found.order.index(c) < found.order.index(t) for t, c in np.argwhere(found.effects))
    assert whole >= 17  # a coefficient that is nought is taken for significant once in a hundred
    assert np.median(off) < 0.1


def test_an_effect_keeps_its_unit() -> None:
    rng = np.random.default_rng(0)
    cause = rng.exponential(1.0, 2_000)
    x = np.stack([3.0 * cause + rng.uniform(-1, 1, 2_000), 100.0 + cause], axis=1)
    found = direct_lingam(x)
    assert found.order == (1, 0)
    assert found.effects[0, 1] == pytest.approx(3.0, abs=0.05)
    assert found.squares[1] == pytest.approx(0.0)
    assert found.squares[0] > 0.9


def test_gaussian_disturbances_are_warned_of_and_others_are_not() -> None:
    warned = [
        sum(
            len(near_gaussian(direct_lingam(planted_graph(800, seed=s, gaussian=g)[0]).disturbances)) > 1 for s in SEEDS
        )
        for g in (True, False)
    ]
    assert warned[0] == len(SEEDS)
    assert warned[1] == 0


def test_directions_come_from_the_shape_of_the_noise_alone() -> None:
    right = {True: 0, False: 0}
    for gaussian in right:
        for seed in range(40):
            x, effects = planted_graph(800, 2, seed=seed, density=1.0, gaussian=gaussian)
            right[gaussian] += bool((direct_lingam(x).effects != 0)[effects != 0].all())
    assert right[False] == 40
    assert 8 <= right[True] <= 32, "with Gaussian noise a direction is a coin's"


def test_a_tier_is_kept() -> None:
    x, effects = planted_graph(800, 2, seed=1, density=1.0)
    ((target, cause),) = np.argwhere(effects)
    wrong = [0, 0]
    wrong[cause] = 1  # the true cause is said to come later
    assert direct_lingam(x, wrong).order == (target, cause)
    assert direct_lingam(x, [1 - tier for tier in wrong]).order == (cause, target)


def test_edges_that_are_there_are_sure_and_shuffled_columns_have_none() -> None:
    x, effects = planted_graph(400, seed=4)
    sure = {(e.target, e.cause): e for e in bootstrap_edges(x, resamples=60) if e.confidence >= 0.9}
    assert set(sure) == {(int(t), int(c)) for t, c in np.argwhere(effects)}
    for (target, cause), edge in sure.items():
        assert edge.low <= edge.effect <= edge.high
        assert edge.effect == pytest.approx(effects[target, cause], abs=0.2)
    rng = np.random.default_rng(0)
    shuffled = np.stack([rng.permutation(column) for column in x.T], axis=1)
    assert not [e for e in bootstrap_edges(shuffled, resamples=60) if e.confidence >= 0.9]


def test_what_cannot_be_told_apart_is_refused() -> None:
    x, _ = planted_graph(200, 3, seed=0)
    with pytest.raises(ValueError, match="constant"):
        direct_lingam(np.column_stack([x, np.ones(200)]))
    with pytest.raises(ValueError, match="follows from others"):
        direct_lingam(np.column_stack([x, x[:, 0] - x[:, 1]]))
    with pytest.raises(ValueError, match="at least 5 d"):
        direct_lingam(x[:10])


def test_entropy_is_highest_for_a_gaussian() -> None:
    rng = np.random.default_rng(1)
    draws = np.stack([rng.normal(size=50_000), rng.laplace(size=50_000), rng.uniform(-1, 1, 50_000)], axis=1)
    found = entropy((draws - draws.mean(axis=0)) / draws.std(axis=0))
    assert found[0] == pytest.approx(np.log(2 * np.pi * np.e) / 2, abs=0.01)
    assert found[0] > found[1:].max()
    assert rootness((draws - draws.mean(axis=0)) / draws.std(axis=0)) == pytest.approx(np.zeros(3), abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_package_lingam_finds_the_same_order_and_effects(seed: int) -> None:
    lingam = pytest.importorskip("lingam", reason="the package lingam is not installed")
    x, effects = planted_graph(1_000, seed=seed)
    other = lingam.DirectLiNGAM(measure="pwling")
    other.fit(x)
    ours = direct_lingam(x)
    assert list(ours.order) == list(other.causal_order_)
    there = effects != 0
    assert ours.effects[there] == pytest.approx(other.adjacency_matrix_[there], abs=0.05)
