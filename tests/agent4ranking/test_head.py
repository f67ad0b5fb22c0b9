"""The head is the paper's formula: a softmax gate multiplies both experts. Slips known from elsewhere give other numbers."""

from __future__ import annotations

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="the torch extra is not installed")

from recloop.methods.agent4ranking.head import RobustHead  # noqa: E402


@pytest.fixture
def head() -> Any:
    chance = torch.Generator().manual_seed(0)
    made = RobustHead(6, 3, 2, 4, "experts", chance)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=chance))
    return made


def by_hand(head: Any, x: Any, view: int, mix: Any) -> Any:
    own = x + head.up[view] @ torch.relu(head.down[view] @ x)
    shared = x + head.up[-1] @ torch.relu(head.down[-1] @ x)
    return torch.log_softmax(head.weight @ mix(head.gate[view] @ x, own, shared) + head.bias, -1)


def softmax_gate(g: Any, own: Any, shared: Any) -> Any:
    g = torch.softmax(g, -1)
    return g[0] * own + g[1] * shared


SLIPS = {
    "gate added": lambda g, own, shared: torch.softmax(g, -1)[0] * own + (torch.softmax(g, -1)[1] + shared),
    "no softmax": lambda g, own, shared: g[0] * own + g[1] * shared,
    "one expert": lambda g, own, shared: torch.softmax(g, -1)[0] * own,
}


def test_every_view_is_mixed_as_the_formula_says(head: Any) -> None:
    x = torch.randn(5, 2, 6, generator=torch.Generator().manual_seed(1))
    found = head(x)
    for pair in range(5):
        for view in range(2):
            assert torch.allclose(found[pair, view], by_hand(head, x[pair, view], view, softmax_gate), atol=1e-5)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_known_slip_gives_another_answer(head: Any, slip: str) -> None:
    x = torch.randn(6, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(head.one(x[None], 1)[0], by_hand(head, x, 1, SLIPS[slip]), atol=1e-2)


def test_one_view_alone_is_scored_as_among_others(head: Any) -> None:
    x = torch.randn(5, 2, 6, generator=torch.Generator().manual_seed(2))
    assert all(torch.allclose(head(x)[:, view], head.one(x[:, view], view), atol=1e-6) for view in range(2))
    assert not torch.allclose(head.one(x[:, 0], 0), head.one(x[:, 0], 1), atol=1e-2), "experts differ"


def test_a_single_adapter_does_not_know_which_view_it_sees() -> None:
    single = RobustHead(6, 3, 2, 4, "single", torch.Generator().manual_seed(0))
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    assert torch.equal(single.one(x, 0), single.one(x, 1))
    assert torch.equal(single(x[:, None])[:, 0], single.one(x, 0))


def test_features_are_centred_and_as_loud_as_asked() -> None:
    head = RobustHead(2, 2, 1, 1, "single", torch.Generator())
    x = torch.randn(500, 1, 2, generator=torch.Generator().manual_seed(3)) * torch.tensor([3.0, 100.0]) + 7
    head.centre(x, torch.tensor([1.0, 0.1]))
    scaled = (x[:, 0] - head.mean) / head.scale
    assert torch.allclose(scaled.mean(0), torch.zeros(2), atol=1e-4)
    assert torch.allclose(scaled.std(0, correction=0), torch.tensor([1.0, 0.1]), atol=1e-3)
