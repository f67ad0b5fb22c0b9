"""Static text vectors."""

from __future__ import annotations

import numpy as np
import pytest
from recloop.llm.errors import ModelConfigError
from recloop.llm.local import StaticVectors, static_vectors

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def vectors() -> StaticVectors:
    try:
        return static_vectors()
    except ModelConfigError as error:
        pytest.skip(str(error))


def test_rows_have_length_one_and_blank_texts_are_zero(vectors: StaticVectors) -> None:
    rows = vectors.embed(["a film about the sea", "", "  \n", "走る 🎬", "<s>"])
    assert rows.shape == (5, 256)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 0, 0, 1, 1], abs=1e-6)
    assert vectors.embed([]).shape == (0, 256)


def test_a_row_depends_on_its_own_text_only(vectors: StaticVectors) -> None:
    texts = [f"film {i} about {'ships ' * (i % 7)}" for i in range(1500)]
    together = vectors.embed(texts)
    for i in (0, 63, 64, 1499):
        assert np.array_equal(together[i], vectors.embed([texts[i]])[0])


def test_near_meanings_are_nearer(vectors: StaticVectors) -> None:
    sea, ocean, tax = vectors.embed(["a ship on the sea", "boats and the ocean", "income tax law"])
    assert sea @ ocean > sea @ tax
