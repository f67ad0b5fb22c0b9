"""Which operator to ask next: the one that has gained most per token, as far as is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KILO = 1000.0
"""Gains are per thousand tokens."""


class GainPerToken:
    """Thompson sampling (1933) on gain per thousand proposal tokens, old rounds discounted.

    A play's gain is how far its best candidate was ahead of the incumbent, less one standard error, and at least 0. An
    operator's rate is its summed gain over its summed tokens, with one play of the pooled rate added; its doubt is the
    pooled rate over the root of its plays. Deterministic for a given stream of chance.
    """

    def __init__(self, names: Sequence[str], discount: float = 0.9) -> None:
        self.discount = discount
        self.gain = dict.fromkeys(names, 0.0)
        self.tokens = dict.fromkeys(names, 0.0)
        self.plays = dict.fromkeys(names, 0.0)

    def learn(self, name: str, gain: float, tokens: int) -> None:
        """What one play of an operator brought and took."""
        for known in (self.gain, self.tokens, self.plays):
            known[name] *= self.discount
        self.gain[name] += max(0.0, gain)
        self.tokens[name] += max(1, tokens) / KILO
        self.plays[name] += 1.0

    def rate(self, name: str) -> float:
        """Gain per thousand tokens, shrunk towards the pooled rate by one play's worth; 0 where nothing is known."""
        plays = sum(self.plays.values())
        if not plays or not (spent := sum(self.tokens.values())):
            return 0.0
        one = spent / plays
        pooled = sum(self.gain.values()) / spent
        return (self.gain[name] + pooled * one) / (self.tokens[name] + one)

    def choose(self, names: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
        """`count` different ones of `names`, likeliest to gain most per token first; those never played come first."""
        spent = sum(self.tokens.values())
        doubt = (sum(self.gain.values()) / spent if spent else 0.0) or 1.0
        noise = rng.standard_normal(len(names))
        drawn = {
            name: self.rate(name) + doubt * float(z) / np.sqrt(1.0 + self.plays[name])
            for name, z in zip(names, noise, strict=True)
        }
        return sorted(names, key=lambda name: (self.plays[name] > 0, -drawn[name]))[:count]
