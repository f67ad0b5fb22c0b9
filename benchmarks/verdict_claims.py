"""How often a sealed test calls one of two equal prompts better: by its interval, by its test, by the verdict's rule.

    python benchmarks/verdict_claims.py [--draws 10000]

Pairs of prompts without any effect come from the frozen engine (`planted_prompts.py`), so every claim is false. JSON lines,
one per family and number of cases; shares with Wilson's 95% interval. Stated are 2.5%, the upper side of a 95% interval.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
import planted_prompts as engine
from recloop.evaluators.estimate import paired_difference, proportion
from recloop.prompt_opt.verdict import told

FAMILIES = ("small", "large", "heavy ties")
CASES = (30, 60, 100)
NO_CLAIM = 1.3
"""Standard errors below which neither rule claims anything; such draws are not worked out."""
BLOCK = 1000


def leads(family: str, cases: int, draws: int) -> engine.FloatArray:
    """Paired differences of two equal prompts: float64 (draws, cases)."""
    blocks = []
    for index in range(-(-draws // BLOCK)):
        one, other = engine.draw(family, 0.0, "report", index, arms=2, cases=BLOCK * cases).values
        blocks.append((other - one).reshape(BLOCK, cases))
    return np.concatenate(blocks)[:draws]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000)
    draws = parser.parse_args().draws
    for family in FAMILIES:
        for cases in CASES:
            lead = leads(family, cases, draws)
            near = lead.mean(axis=1) > NO_CLAIM * lead.std(axis=1, ddof=1) / np.sqrt(cases)
            found = [paired_difference(row, np.zeros(cases), seed=i) for i, row in enumerate(lead[near])]
            claims = {
                "interval": sum(each.low > 0 for each in found),
                "sign_flip": sum(each.p_value <= 0.05 for each in found),
                "verdict": sum(told(each) for each in found),
            }
            shares = {name: proportion(count, draws) for name, count in claims.items()}
            row = {"family": family, "cases": cases, "ties": round(float((lead == 0).mean()), 2)}
            row |= {name: [round(x, 4) for x in (s.mean, s.low, s.high)] for name, s in shares.items()}
            print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
