"""A few documents in several scripts."""

from __future__ import annotations

import pytest
from recloop.data import Documents


@pytest.fixture(scope="session")
def few() -> Documents:
    return Documents(
        ("d1", "d2", "d3", "d4", "d5"),
        ("Red lamp", "Blue lamp", "Blue rug", "東京ホテル", ""),
        ("a lamp for the desk", "a lamp", "woven by hand", "駅の近く", ""),
    )
