"""Names open baselines; a wrong name or setting says what is right; nothing heavy loads before it is used."""

import subprocess
import sys

import pytest
from recloop.methods.recommenders import (
    EASE,
    EASEConfig,
    Recommender,
    RecommenderError,
    UnknownRecommender,
    open_recommender,
)
from recloop.methods.recommenders.open import BASELINES


@pytest.mark.parametrize("name", BASELINES)
def test_every_name_opens_a_recommender_that_calls_itself_so(name):
    model = open_recommender(name.upper(), seed=3)
    assert isinstance(model, Recommender)
    assert model.name == name
    assert model.policy_id.startswith(f"{name}-")


def test_a_typo_gets_a_near_match_and_the_list():
    with pytest.raises(UnknownRecommender, match=r"did you mean itemknn\?\)\n  known: random, pop, .*\n  your own:"):
        open_recommender("itemkn")


def test_a_configuration_is_checked_and_enters_the_policy_id():
    assert open_recommender("ease", config={"l2": 10}).config == EASEConfig(l2=10)
    assert open_recommender("ease", config=EASEConfig(l2=10)).policy_id == EASE(EASEConfig(l2=10)).policy_id
    assert open_recommender("ease", config={"l2": 10}).policy_id != open_recommender("ease").policy_id
    assert open_recommender("ease", seed=1).policy_id == open_recommender("ease").policy_id, "its seed changes nothing"
    with pytest.raises(RecommenderError, match=r"l2(.|\n)*fields: min_rating, l2, max_items"):
        open_recommender("ease", config={"l2": -1})
    with pytest.raises(RecommenderError, match="lamda"):
        open_recommender("ease", config={"lamda": 1})
    assert open_recommender("recloop.methods.recommenders:EASE", config={"l2": 10}).config == EASEConfig(l2=10)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, recloop.methods.recommenders, recloop.evaluators\n"
        "heavy = {'scipy', 'pandas', 'pyarrow', 'aiohttp', 'litellm', 'langgraph'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
