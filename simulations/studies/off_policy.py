"""What a policy would have earned, estimated from another policy's log: IPS, SNIPS, doubly robust.

A log of n sessions holds slates of up to s items; session u showed item i with the known probability p(u, i) and earned
r(u, i). What a target policy, which shows the items T(u), earns per session is

    IPS    mean over u of  sum_i [i in T(u)] r(u, i) / p(u, i)                                 (Horvitz & Thompson 1952)
    SNIPS  IPS * (mean of |T(u)|) / (mean over u of sum_i [i in T(u)] / p(u, i))               (Swaminathan & Joachims 2015)
    DR     mean over u of  sum_{i in T(u)} q(u, i) + sum_i [i in T(u)] (r(u, i) - q(u, i)) / p(u, i)   (Dudik et al. 2011)

with i over what was shown and a reward model q that was fitted without the user. IPS and DR are unbiased where what an
item earns does not depend on its neighbours and p > 0 on all of T (overlap); SNIPS trades a small bias for less variance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...agents.randomness import keys, uniforms
from ..outcome.facts import Floats
from ..outcome.numbers import ratio_interval
from .sessions import Session
from .study import StudyError

FOLDS = 5
RIDGE = 1.0
"""Weight of the penalty on the reward model's coefficients (features are standardised)."""


class NoOverlap(StudyError):
    """The log says nothing about the target; the message says why."""


@dataclass(frozen=True)
class Shown:
    """One logged exposure."""

    session: Session
    user: str
    item: str
    propensity: float
    reward: float


@dataclass(frozen=True)
class Estimates:
    """Reward per item shown under the target. `effective`: how many logged exposures the weights are worth (Kish 1965)."""

    ips: float
    snips: float
    dr: float
    ips_bounds: tuple[float | None, float | None]
    snips_bounds: tuple[float | None, float | None]
    dr_bounds: tuple[float | None, float | None]
    matched: int
    effective: float
    heaviest: float
    """The largest weight."""


Features = Callable[[str, str], Sequence[float]]
"""(user, item) -> what the reward model knows of the pair."""


def estimate(
    log: Sequence[Shown], target: Mapping[Session, Sequence[str]], features: Features, *, seed: int = 0
) -> Estimates:
    """What `target` (session -> its items) would earn per item. Sessions without a logged exposure are left out.

    Raises `NoOverlap` for a log whose policy was deterministic, and where nothing that the target shows was ever shown.
    """
    if all(each.propensity >= 1.0 for each in log):
        raise NoOverlap("every logged propensity is 1: the logging policy never shows anything else")
    owner = {each.session: each.user for each in log}
    sessions = [session for session in owner if target.get(session)]
    wanted = {(session, item) for session in sessions for item in target[session]}
    hits = [each for each in log if (each.session, each.item) in wanted]
    if not hits:
        raise NoOverlap("nothing that this policy would show is in the log")
    predict = reward_model(log, features, seed)
    users = list(dict.fromkeys(owner[session] for session in sessions))
    at = {user: i for i, user in enumerate(users)}
    size, weighted, earned, modelled, residual = (np.zeros(len(users)) for _ in range(5))
    for session in sessions:
        place = at[owner[session]]
        size[place] += len(target[session])
        modelled[place] += float(sum(predict(owner[session], item) for item in target[session]))
    weights = np.array([1.0 / each.propensity for each in hits])
    for each, weight in zip(hits, weights.tolist(), strict=True):
        place = at[each.user]
        weighted[place] += weight
        earned[place] += weight * each.reward
        residual[place] += weight * (each.reward - predict(each.user, each.item))
    both = modelled + residual

    def bounds(a: Floats, b: Floats) -> tuple[float | None, float | None]:
        return ratio_interval(seed, lambda x, y: x / y, a, b)

    return Estimates(
        ips=float(earned.sum() / size.sum()),
        snips=float(earned.sum() / weighted.sum()),
        dr=float(both.sum() / size.sum()),
        ips_bounds=bounds(earned, size),
        snips_bounds=bounds(earned, weighted),
        dr_bounds=bounds(both, size),
        matched=len(hits),
        effective=float(weights.sum() ** 2 / (weights**2).sum()),
        heaviest=float(weights.max()),
    )


def reward_model(log: Sequence[Shown], features: Features, seed: int = 0) -> Callable[[str, str], float]:
    """Ridge regression of the reward on the features, cross-fitted: a user's rewards never enter the user's own model.

    Unweighted least squares; a wrong model costs DR precision, not its being unbiased.
    """
    users = sorted({each.user for each in log})
    drawn = (uniforms(seed, "fold", keys(users)) * FOLDS).astype(int)
    fold = dict(zip(users, drawn.tolist(), strict=True))
    x = np.array([features(each.user, each.item) for each in log], dtype=float).reshape(len(log), -1)
    y = np.array([each.reward for each in log], dtype=float)
    where = np.array([fold[each.user] for each in log])
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-12] = 1.0
    fits: list[tuple[float, Floats]] = []
    for held in range(FOLDS):
        mine = where != held
        if not mine.any():
            fits.append((0.0, np.zeros(x.shape[1])))
            continue
        z, mean = (x[mine] - centre) / spread, float(y[mine].mean())
        gram = z.T @ z + RIDGE * np.eye(z.shape[1])
        fits.append((mean, np.linalg.solve(gram, z.T @ (y[mine] - mean))))

    def predict(user: str, item: str) -> float:
        mean, slope = fits[fold[user]]
        z = (np.asarray(features(user, item), dtype=float) - centre) / spread
        return float(np.clip(mean + z @ slope, y.min(), y.max()))

    return predict
