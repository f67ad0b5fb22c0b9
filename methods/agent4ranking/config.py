"""What the robust ranker can be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class RankConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bottleneck: PositiveInt = 32
    """Width of an adapter's middle (m in the paper)."""
    alphas: tuple[NonNegativeFloat, ...] = Field(default=(0.0, 1.0, 3.0, 10.0), min_length=1)
    """Weights of the robust loss that are tried; validation queries choose (see `arms.choose`)."""
    tolerance: NonNegativeFloat = 0.01
    """NDCG@10 of raw validation queries that steadiness may cost before a weight is ruled out."""
    products: bool = False
    """Learn from the product of the two vectors, place by place, too; six numbers say as much on small data (docs/rewrite.md)."""
    rate: PositiveFloat = 0.002
    """Step size (AdamW)."""
    weight_decay: NonNegativeFloat = 0.01
    """Of AdamW, on everything that is learnt."""
    batch: PositiveInt = 256
    """Pairs a step, each in all its views."""
    epochs: PositiveInt = 20
    """Passes over the training pairs, at most."""
    patience: PositiveInt = 5
    """Stop after so many epochs without gain in NDCG@10 of validation queries, and keep the best epoch."""
    folds: int = Field(default=5, ge=3)
    """Parts of the queries: each is tested on once, by rankers that have seen neither it nor, but to stop, the next one."""
    negatives: NonNegativeInt = 30
    """Unjudged documents a query learns from as not relevant, where the whole collection is searched."""
    max_tokens: PositiveInt = 48
    """Of a text, that the encoder looks at."""
    seed: int = 0
    """Folds, starts and orders follow from it."""
