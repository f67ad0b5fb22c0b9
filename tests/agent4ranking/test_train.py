"""A training learns what is there to learn, goes on where it was killed, and is helped by agreement only where views disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="the torch extra is not installed")

from planted_views import variances, world  # noqa: E402
from recloop.evaluators.estimate import paired_difference  # noqa: E402
from recloop.methods.agent4ranking.config import RankConfig  # noqa: E402
from recloop.methods.agent4ranking.errors import RankError  # noqa: E402
from recloop.methods.agent4ranking.train import Epoch, Plan, learn, validation  # noqa: E402

CONFIG = RankConfig(epochs=12, patience=12, rate=0.01, batch=64, bottleneck=4)


@pytest.fixture(autouse=True)
def alone() -> Any:
    from recloop.methods.recommenders.torch_extra import one_thread

    with one_thread(torch):
        yield


def test_where_views_disagree_the_robust_loss_steadies_the_ranking_at_no_cost() -> None:
    lesson, test = world(trap=True)
    without, robust = (learn(lesson, Plan("single", alpha), CONFIG, 0).head for alpha in (0.0, 3.0))
    found = paired_difference(variances(robust, test, lesson.values), variances(without, test, lesson.values))
    assert found.high < 0
    assert found.mean < -0.15 * variances(without, test, lesson.values).mean()
    assert validation(robust, test, lesson.values, 4) > validation(without, test, lesson.values, 4) - 0.01


def test_where_views_are_equal_the_robust_loss_is_0_and_changes_nothing() -> None:
    lesson, test = world(trap=False)
    without, robust = (learn(lesson, Plan("single", alpha), CONFIG, 0).head for alpha in (0.0, 3.0))
    assert np.array_equal(variances(robust, test, lesson.values), np.zeros(len(test)))
    for mine, other in zip(robust.state_dict().values(), without.state_dict().values(), strict=True):
        assert torch.allclose(mine, other, atol=1e-3)


def test_views_compared_with_those_of_other_pairs_teach_to_say_nothing() -> None:
    lesson, test = world(trap=True)
    full, shuffled = (
        learn(lesson, Plan("experts", 3.0, shuffled=each), CONFIG, 0).head for each in (False, True)
    )  # fmt: skip

    def spread(head: Any) -> float:
        with torch.inference_mode():
            return float(np.mean([(head.one(p.features[:, 0], 0).exp() @ lesson.values).std() for p in test]))

    assert spread(shuffled) < 0.5 * spread(full)


def test_a_seed_learns_the_same_and_another_one_another() -> None:
    lesson, _ = world(trap=True)
    config = CONFIG.model_copy(update={"epochs": 2})
    first, again, other = (learn(lesson, Plan("experts", 1.0), config, seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_killed_training_goes_on_to_the_same_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recloop.methods.agent4ranking import train

    monkeypatch.setattr(train, "KEEP_EVERY", -1.0)
    lesson, _ = world(trap=True)
    config = CONFIG.model_copy(update={"epochs": 6})
    whole = learn(lesson, Plan("experts", 1.0), config, 0)
    file = tmp_path / "x.unfinished"

    def kill(epoch: Epoch) -> None:
        if epoch.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(lesson, Plan("experts", 1.0), config, 0, file, kill)
    assert file.exists()
    seen: list[int] = []
    resumed = learn(lesson, Plan("experts", 1.0), config, 0, file, lambda epoch: seen.append(epoch.done))
    assert seen == [4, 5, 6], "three epochs were kept"
    assert resumed.history == whole.history
    assert all(torch.equal(a, b) for a, b in zip(resumed.head.parameters(), whole.head.parameters(), strict=True))
    assert not file.exists()


def test_an_unfinished_training_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"no tensors")
    lesson, _ = world(trap=True)
    with pytest.raises(RankError, match="no unfinished training"):
        learn(lesson, Plan("single", 0.0), CONFIG, 0, tmp_path / "x")


def test_training_stops_after_epochs_without_gain_and_keeps_the_best() -> None:
    lesson, _ = world(trap=True)
    learned = learn(lesson, Plan("single", 0.0), CONFIG.model_copy(update={"epochs": 60, "patience": 3}), 0)
    gains = [epoch.ndcg for epoch in learned.history]
    assert len(gains) < 60
    assert learned.best == 1 + int(np.argmax(gains)) == len(gains) - 3
    assert validation(learned.head, lesson.valid, lesson.values, 4) == pytest.approx(max(gains))
