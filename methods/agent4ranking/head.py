"""The robust head (Agent4Ranking, section 3.3): per view an adapter of its own beside a shared one, mixed by a gate; one classifier.

A(x) = x + W_up ReLU(W_down x)          v = A_k(x),  w = A_shared(x)
g = softmax(W_k x)                      h = g[0] * v + g[1] * w,      log p = log softmax(W_c h + b)
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["experts", "single"]


class RobustHead(nn.Module):
    """Features of a pair in each view to log-probabilities of its grades.

    `experts`: the paper's head, views + 1 adapters. `single`: one adapter for all views and no gate, what the experts are
    held against. State: `mean` and `scale` (features,), by which features are centred and scaled; `down` (adapters,
    bottleneck, features) and `up` (adapters, features, bottleneck), the shared adapter last; `gate` (views, 2, features).
    Adapters begin as the identity (`up` is 0).
    """

    def __init__(
        self, features: int, classes: int, views: int, bottleneck: int, kind: Kind, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.views = views
        adapters = views + 1 if kind == "experts" else 1

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator) / math.sqrt(features))

        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.down = drawn(adapters, bottleneck, features)
        self.up = nn.Parameter(torch.zeros(adapters, features, bottleneck))
        if kind == "experts":
            self.gate = nn.Parameter(torch.zeros(views, 2, features))
        self.weight = nn.Parameter(torch.zeros(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes))

    @torch.no_grad()
    def centre(self, pairs: Tensor, loudness: Tensor) -> None:
        """Centre and scale by these pairs, (pairs, views, features): every feature gets variance loudness**2."""
        flat = pairs.flatten(0, 1)
        self.mean.copy_(flat.mean(0))
        self.scale.copy_(flat.std(0, correction=0).clamp_min(1e-4) / loudness)

    def forward(self, pairs: Tensor) -> Tensor:
        """(pairs, views, features) to (pairs, views, classes), each view by its own adapter."""
        x = (pairs - self.mean) / self.scale
        if self.kind == "single":
            return self._grades(self._adapted(x, 0))
        by_view = x.transpose(0, 1)  # (views, pairs, features): one product of matrices per view
        bent = torch.relu(by_view @ self.down[:-1].transpose(1, 2)) @ self.up[:-1].transpose(1, 2)
        own = (by_view + bent).transpose(0, 1)
        share = torch.softmax((by_view @ self.gate.transpose(1, 2)).transpose(0, 1), dim=-1)
        return self._grades(share[..., :1] * own + share[..., 1:] * self._adapted(x, -1))

    def one(self, pairs: Tensor, view: int) -> Tensor:
        """(pairs, features), all in one view, to (pairs, classes)."""
        x = (pairs - self.mean) / self.scale
        if self.kind == "single":
            return self._grades(self._adapted(x, 0))
        share = torch.softmax(x @ self.gate[view].T, dim=-1)
        return self._grades(share[:, :1] * self._adapted(x, view) + share[:, 1:] * self._adapted(x, -1))

    def _adapted(self, x: Tensor, adapter: int) -> Tensor:
        return x + torch.relu(x @ self.down[adapter].T) @ self.up[adapter].T

    def _grades(self, hidden: Tensor) -> Tensor:
        return torch.log_softmax(hidden @ self.weight.T + self.bias, dim=-1)
