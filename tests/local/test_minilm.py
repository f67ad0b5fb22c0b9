"""The text encoder: near texts are near, and what else is in a batch changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def encoder() -> Any:
    from recloop.llm.local.store import MODELS

    if not MODELS["minilm"].present:
        pytest.skip("the encoder is not on this machine: recloop models get minilm")
    from recloop.llm.local.minilm import minilm

    return minilm()


def test_texts_that_mean_the_same_are_nearer_than_others(encoder: Any) -> None:
    shoe, sneaker, bank, blank = encoder.embed(["running shoes for women", "ladies sneakers", "portable battery", " "])
    assert shoe @ sneaker > 0.5 > 0.3 > shoe @ bank
    assert np.linalg.norm(shoe) == pytest.approx(1, abs=1e-5)
    assert not blank.any()


def test_a_row_is_the_same_alone_and_in_a_batch(encoder: Any) -> None:
    texts = ["lamp", "a very long sentence about the lamp that stands beside the sofa", "rug"]
    together = encoder.embed(texts)
    assert np.abs(together - np.concatenate([encoder.embed([text]) for text in texts])).max() < 1e-5


def test_only_the_first_tokens_are_looked_at_where_there_are_more(encoder: Any) -> None:
    short, long = encoder.embed(["red lamp", "red lamp and then many other words"], max_tokens=4)
    assert short @ long == pytest.approx(1, abs=1e-5)
    assert short @ encoder.embed(["red lamp and then many other words"])[0] < 0.99


def test_a_pair_is_read_together(encoder: Any) -> None:
    a, b = encoder.pooled([("lamp", "a red lamp"), ("a red lamp", "lamp")])
    assert a @ b < 0.9999 * np.linalg.norm(a) * np.linalg.norm(b)
