"""Top-k with a running threshold gives what sorting everything gives."""

import numpy as np
import recloop.methods.recommenders.top_k as module
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from recloop.methods.recommenders.top_k import top_k

few_values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])
blocks = arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 40)), elements=few_values)


def by_sorting(scores: np.ndarray, k: int) -> list[list[tuple[int, float]]]:
    ranked = [sorted(enumerate(row.tolist()), key=lambda pair: (-pair[1], pair[0])) for row in scores]
    return [[(c, s) for c, s in row if s > -np.inf][:k] for row in ranked]


@settings(max_examples=200, deadline=None)
@given(blocks, st.integers(0, 45), st.sampled_from([3, 7, 4096]))
def test_the_threshold_finds_what_sorting_finds_ties_included(scores, k, columns):
    whole, module.COLUMNS = module.COLUMNS, columns
    try:
        best = top_k(scores, k)
    finally:
        module.COLUMNS = whole
    found = [list(zip(*(part.tolist() for part in best.of(n)), strict=True)) for n in range(len(scores))]
    assert found == by_sorting(scores, k)


def test_ascending_scores_over_many_blocks_are_the_hard_case_and_still_right():
    scores = np.arange(20_000, dtype=np.float32)[None, :].repeat(2, axis=0)
    assert top_k(scores, 3).of(1)[0].tolist() == [19_999, 19_998, 19_997]
