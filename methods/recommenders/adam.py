"""Adam (Kingma & Ba, ICLR 2015, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8
"""Decay of the two moments, and what keeps the denominator above zero: the paper's values."""


class Adam:
    """Descends in place on `parts`, tensors of any shape. torch.optim's would first load torch's compiler: seconds."""

    def __init__(self, torch: Any, parts: Sequence[Any], rate: float) -> None:
        self.torch, self.rate, self.steps = torch, rate, 0
        self.state = [(part, torch.zeros_like(part), torch.zeros_like(part)) for part in parts]

    def step(self, gradients: Sequence[Any]) -> None:
        """One step against the gradients, given in the order of the parts."""
        self.steps += 1
        of_first, of_second = 1 - FIRST**self.steps, 1 - SECOND**self.steps
        with self.torch.no_grad():
            for (part, mean, square), gradient in zip(self.state, gradients, strict=True):
                mean.lerp_(gradient, 1 - FIRST)
                square.mul_(SECOND).addcmul_(gradient, gradient, value=1 - SECOND)
                below = square.sqrt().mul_(of_second**-0.5).add_(TINY)
                part.addcdiv_(mean, below, value=-self.rate / of_first)
