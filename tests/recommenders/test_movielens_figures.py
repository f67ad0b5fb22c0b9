"""The baselines reach their known quality on MovieLens 100K."""

import pytest
from recloop.data import DataError, load_dataset
from recloop.methods.recommenders import IALSConfig, held_out_quality, open_recommender

pytestmark = pytest.mark.realdata

# Random 80/20, all items but the seen ones ranked, NDCG@10, untuned; other people's code, another draw of the split.
FIGURES = {"random": 0.014, "pop": 0.217, "ease": 0.440, "itemknn": 0.392}
NOISE = 0.02


@pytest.fixture(scope="module")
def split():
    try:
        return load_dataset("movielens-100k").split("random", seed=0)
    except DataError as error:
        pytest.skip(f"MovieLens 100K is not here: {error}")


def ndcg(split, name, config=None) -> float:
    model = open_recommender(name, config=config).fit(split.train)
    return held_out_quality(model, split.test, ["ndcg@10"]).estimate("ndcg@10").mean


@pytest.mark.parametrize("name", FIGURES)
def test_a_baseline_reaches_its_known_figure(split, name):
    assert ndcg(split, name) == pytest.approx(FIGURES[name], abs=NOISE)


def test_ials_with_the_ridge_of_large_data_reaches_its_known_figure_and_with_ours_more(split):
    known = ndcg(split, "ials", IALSConfig(l2=0.003))
    assert known == pytest.approx(0.32, abs=NOISE)
    assert ndcg(split, "ials") > known + NOISE


@pytest.mark.slow
def test_bpr_beats_popularity_by_far(split):
    assert ndcg(split, "bpr") > FIGURES["pop"] + 0.1
