"""Jensen-Shannon divergence as a divergence must be, and each known slip in it told apart."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch: Any = pytest.importorskip("torch", reason="the torch extra is not installed")

from recloop.methods.agent4ranking.losses import accuracy_loss, jensen_shannon, robust_loss  # noqa: E402

logits = st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4)


def log_p(values: Any) -> Any:
    return torch.log_softmax(torch.tensor(values, dtype=torch.float64), dim=-1)


@settings(max_examples=200)
@given(logits, logits)
def test_divergence_lies_between_0_and_ln_2_and_has_no_direction(a: list[float], b: list[float]) -> None:
    p, q = log_p(a), log_p(b)
    found = float(jensen_shannon(p, q))
    assert 0 <= found <= math.log(2) + 1e-12
    assert found == pytest.approx(float(jensen_shannon(q, p)), abs=1e-12)
    assert float(jensen_shannon(p, p)) == pytest.approx(0, abs=1e-12)


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.integers(0, 3), st.floats(0.1, 5))
def test_divergence_of_different_distributions_is_above_0(a: list[float], place: int, by: float) -> None:
    b = [value + by * (i == place) for i, value in enumerate(a)]
    assert float(jensen_shannon(log_p(a), log_p(b))) > 1e-9


def test_disjoint_distributions_are_ln_2_apart_with_gradients_that_are_numbers() -> None:
    a = torch.tensor([[2e4, 0.0]], requires_grad=True)
    found = jensen_shannon(torch.log_softmax(a, -1), torch.log_softmax(torch.tensor([[0.0, 2e4]]), -1))
    found.sum().backward()
    assert float(found.detach()) == pytest.approx(math.log(2))
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_divergence_is_that_of_the_definition_and_not_of_its_known_slips() -> None:
    p, q = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.1, 0.3, 0.6]).log()
    a = ((p.exp() + q.exp()) / 2).log()

    def kl(x: Any, y: Any) -> float:
        return float((x.exp() * (x - y)).sum())

    found = float(jensen_shannon(p, q))
    assert found == pytest.approx((kl(p, a) + kl(q, a)) / 2, abs=1e-6)
    swapped = (kl(a, p) + kl(a, q)) / 2
    symmetric_kl = (kl(p, q) + kl(q, p)) / 2
    assert swapped > found + 0.01, "KL(a || p) is another number, and has no bound"
    assert symmetric_kl > found + 0.01, "neither is half the symmetric KL divergence"
    assert found > 0, "and its sign is positive: a loss of the other sign drives views apart"


def test_a_step_down_the_robust_loss_brings_views_together() -> None:
    free = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    before = robust_loss(torch.log_softmax(free, -1))
    before.backward()
    assert free.grad is not None
    assert float(robust_loss(torch.log_softmax(free - 0.5 * free.grad, -1)).detach()) < float(before.detach())


def test_the_robust_loss_sums_over_all_pairs_of_views() -> None:
    p = torch.log_softmax(torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0)), -1)
    by_hand = sum(float(jensen_shannon(p[:, i], p[:, j]).mean()) for i in range(4) for j in range(i))
    assert float(robust_loss(p)) == pytest.approx(by_hand, abs=1e-6)
    assert float(robust_loss(p[:, :1])) == 0


def test_accuracy_is_cross_entropy_averaged_over_pairs_and_views() -> None:
    p = torch.log_softmax(torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1)), -1)
    labels = torch.tensor([0, 3, 1, 2, 2])
    by_hand = torch.nn.functional.nll_loss(p.flatten(0, 1), labels.repeat_interleave(3))
    assert float(accuracy_loss(p, labels)) == pytest.approx(float(by_hand), abs=1e-6)
