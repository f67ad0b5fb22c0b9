"""The verdict of `validity`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..outcome.numbers import Row, show
from .ranks import by_chance, chance_of, interval
from .validity_design import BY_KEY, ValidityConfig
from .validity_pairs import Pair, smallest
from .validity_planted import PLANTED_RIGHT
from .validity_ranks import Agreement, Drop


def verdict_of(
    config: ValidityConfig,
    n: int,
    found: Agreement,
    drop: Drop | None,
    planted: Mapping[str, Row],
    pairs: Sequence[Pair],
) -> str:
    label = BY_KEY[config.metric].label.lower()
    control = planted.get(f"planted_{config.metric}")
    bounds = interval(found.drawn)
    if control is not None and (control.value is None or control.value < PLANTED_RIGHT):
        return f"not to be trusted: by {label}, users of planted taste do not even rank a ladder of known order rightly"
    if found.rho is None or bounds.low is None or bounds.high is None:
        return f"no order found: by {label}, simulated users do not tell these {n} recommenders apart"
    value = (
        f"Spearman {found.rho:.2f} [{bounds.low:.2f}, {bounds.high:.2f}] with real {config.real} over {n} recommenders"
    )
    if bounds.low <= 0 or (found.rho <= by_chance(n)[1] and chance_of(found.rho, n) > 0.05):
        return f"no agreement found: by {label}, {value}, as chance would have it"
    pairs = [pair for pair in pairs if pair.real.found]
    sizes = [abs(pair.real.value or 0.0) for pair in pairs]
    at = smallest(sizes, [pair.right for pair in pairs], 0.8)
    least = "" if at is None else f"; differences of {show(sizes[at], 'bits')} and more are told apart in 4 of 5 pairs"
    if drop is None or drop.low is None or drop.low <= 0:
        shuffled = "–" if drop is None or drop.control is None else f"{drop.control:.2f}"
        return (
            f"the order agrees, but not by taste: by {label}, {value}; users with another's lists give {shuffled}"
            f" as well{least}"
        )
    return f"the order agrees, and by taste: by {label}, {value}; without taste {drop.control or 0.0:.2f}{least}"
