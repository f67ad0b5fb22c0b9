"""Prompts whose effects are known: arms x cases matrices of NDCG with one target among twenty. FROZEN.

Every number here comes from the committed seed; `planted_prompts.json` holds a SHA-256 of what the engine gives, and a test
holds the two together. It was committed before any selector or optimizer had been run on it, so that nothing could be
tuned to it: to choose defaults, draw from the stream "tune"; figures that are reported come from "report".

    python benchmarks/planted_prompts.py            # says whether the hashes still hold

How an answer comes about, per prompt a and case c (an item's score is in units of the distractors' standard deviation):

    target's score  = mean + sd * (sqrt(rho) * difficulty_c + open_c * sqrt(1 - rho) * luck_ac) + open_c * effect_a
    rank            = 1 + how many of 19 distractors ~ N(0, 1), the case's own, score higher
    value           = 1 / log2(1 + rank)

`open_c` is 0 on a share `sticky` of the cases: there the answer does not depend on the prompt at all, and all prompts tie.
Decoding is deterministic: luck belongs to the prompt and the case. `mean`, `sd`, `rho` and `sticky` of "small" and "large"
are fitted to recorded rankings of a smaller and a larger model (`prompt_noise.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from recloop.agents.randomness import generator

SEED = 20261124
CANDIDATES = 20
EDITS = 6
"""In a family with interactions an arm is a set of edits, of this many."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Family(NamedTuple):
    """One way in which prompts may differ; see the top of this file. `interacting`: effects come from sets of edits."""

    mean: float
    sd: float
    rho: float
    sticky: float = 0.0
    interacting: bool = False


FAMILIES = {
    "small": Family(0.8, 1.2, 0.80, 0.3),
    "large": Family(1.0, 1.2, 0.95, 0.2),
    "plain": Family(0.0, 1.0, 0.80),
    "loose": Family(0.0, 1.0, 0.60),
    "heavy ties": Family(0.8, 1.2, 0.80, 0.7),
    "interactions": Family(0.8, 1.2, 0.80, 0.3, interacting=True),
}
"""No effect at all is any of them with spread 0."""

VALUES = 1.0 / np.log2(1.0 + np.arange(1, CANDIDATES + 1))
"""NDCG of the target at rank 1, 2, …, 20."""


class Arms(NamedTuple):
    """One draw. `values` (arms, cases): NDCG. `effects` (arms,): the planted truth; the best arm has the largest."""

    values: FloatArray
    effects: FloatArray

    @property
    def best(self) -> int:
        return int(np.argmax(self.effects))


def draw(
    family: str, spread: float, stream: str, index: int, arms: int = 8, cases: int = 150, seed: int = SEED
) -> Arms:
    """The `index`-th draw of a stream: prompts' effects have standard deviation `spread` (0: no prompt has any effect)."""
    kind = FAMILIES[family]
    rng = generator(seed, "planted", family, round(spread * 1000), stream, arms, cases, index)
    effects = spread * (_sets_of_edits(arms, rng) if kind.interacting else rng.standard_normal(arms))
    difficulty = rng.standard_normal(cases)
    rivals = rng.standard_normal((cases, CANDIDATES - 1))
    open_ = (rng.random(cases) >= kind.sticky).astype(np.float64)
    luck = rng.standard_normal((arms, cases))
    return Arms(VALUES[ranks(kind, difficulty, open_, luck, effects[:, None], rivals) - 1], effects)


def ranks(
    kind: Family, difficulty: FloatArray, open_: FloatArray, luck: FloatArray, effect: FloatArray, rivals: FloatArray
) -> IntArray:
    """The target's rank, 1 to 20: int (arms, cases). `difficulty`, `open_` (cases,); `luck`, `effect` (arms, cases) or
    what broadcasts to it; `rivals` (cases, 19)."""
    shared = math.sqrt(kind.rho) * difficulty
    score = kind.mean + kind.sd * (shared + open_ * math.sqrt(1.0 - kind.rho) * luck) + open_ * effect
    return 1 + (rivals[None, :, :] > score[:, :, None]).sum(axis=2)


def _sets_of_edits(arms: int, rng: np.random.Generator) -> FloatArray:
    """Effects of random sets of edits: main effects, and for every pair one as large, so that what helps alone may harm
    together. Scaled to a standard deviation of 1 over all sets."""
    main = rng.standard_normal(EDITS)
    pairs = np.triu(rng.standard_normal((EDITS, EDITS)), 1)
    every = ((np.arange(2**EDITS)[:, None] >> np.arange(EDITS)) & 1).astype(np.float64)
    effect = every @ main + np.einsum("ni,ij,nj->n", every, pairs, every)
    return ((effect - effect.mean()) / effect.std())[rng.choice(2**EDITS, size=arms, replace=False)]


@lru_cache(maxsize=64)
def _curve(kind: Family) -> tuple[FloatArray, FloatArray]:
    """True mean NDCG over a grid of effects, by Gauss-Hermite quadrature over the target's score."""
    grid = np.linspace(-3.0, 3.0, 601)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()

    def mean(middle: FloatArray, sd: float) -> FloatArray:
        score = middle[:, None] + sd * nodes[None, :]
        above = 0.5 * np.vectorize(math.erfc)(score / math.sqrt(2.0))
        n, k = CANDIDATES - 1, np.arange(CANDIDATES)
        ways = np.array([math.comb(n, int(j)) for j in k], dtype=np.float64)
        chance = ways * above[..., None] ** k * (1.0 - above[..., None]) ** (n - k)
        return (chance @ VALUES) @ weights

    moved = mean(kind.mean + grid, kind.sd)
    stuck = mean(np.array([kind.mean]), kind.sd * math.sqrt(kind.rho))
    return grid, (1.0 - kind.sticky) * moved + kind.sticky * stuck


def expected(family: str, effects: FloatArray | float) -> FloatArray:
    """True mean NDCG, over all cases there could be, of prompts with these effects."""
    grid, curve = _curve(FAMILIES[family])
    return np.interp(np.asarray(effects, dtype=np.float64), grid, curve)


def fingerprint() -> dict[str, str]:
    """SHA-256 over the ranks of the first draws of both streams, per family."""
    found = {}
    for family in FAMILIES:
        digest = hashlib.sha256()
        for stream in ("tune", "report"):
            for spread in (0.0, 0.2, 0.4):
                for index in range(20):
                    values = draw(family, spread, stream, index).values
                    digest.update(np.rint(2.0 ** (1.0 / values) - 1.0).astype(np.uint8).tobytes())
        found[family] = digest.hexdigest()
    return found


FROZEN = Path(__file__).with_name("planted_prompts.json")


def main() -> int:
    import planted_task

    found = {"arms": fingerprint(), "task": planted_task.fingerprint()}
    if not FROZEN.exists():
        FROZEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    same = json.loads(FROZEN.read_text(encoding="utf-8")) == found
    print("as frozen" if same else "CHANGED: figures of before and after cannot be compared")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
