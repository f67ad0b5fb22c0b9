"""What simulated users did, as interactions a recommender can learn from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...agents.randomness import uniform
from ...data import Dataset
from ...runs import Run

Action = Mapping[str, Any]

POLICIES: dict[str, Callable[[Action], bool]] = {
    "viewed": lambda action: bool(action["positive"]),
    "liked": lambda action: bool(action.get("liked")),
    "rated": lambda action: bool(action["positive"]) and action.get("rating") is not None,
    "unviewed": lambda action: not action["positive"],
}
"""Policy -> which actions become rows. `rated` keeps the simulated rating; the others say no more than that there was an
interaction, and count as the top of the scale. `unviewed` (shown and passed) is a control: it should not help."""


class SimulatedRow(NamedTuple):
    """One simulated interaction and where it comes from. `rating` None: none is claimed. `call` is the key of the recorded
    model call behind it, empty where code decided; `recommender` and `propensity` are those of the page that showed it."""

    user: str
    item: str
    rating: float | None
    page: int
    slot: int
    propensity: float
    recommender: str
    call: str


def simulated_rows(
    run: Run, policy: str, *, per_user: int | None = None, weight: float = 1.0, seed: int = 0
) -> list[SimulatedRow]:
    """The rows of a rehearsal under a policy, page by page, users in the order in which they acted.

    `per_user`: so many of a user's rows at most, the earliest. `weight`: every row stays with this probability (drawn
    from seed, user and item), which weighs simulated against real rows for any recommender, whatever its loss.
    """
    wanted, kept = POLICIES[policy], dict[str, int]()
    rows = []
    for row in _actions(run, wanted, policy == "rated"):
        if weight < 1.0 and uniform(seed, "augment", row.user, row.item) >= weight:
            continue
        if per_user is not None and kept.get(row.user, 0) >= per_user:
            continue
        kept[row.user] = kept.get(row.user, 0) + 1
        rows.append(row)
    return rows


def _actions(run: Run, wanted: Callable[[Action], bool], with_rating: bool) -> Iterator[SimulatedRow]:
    met: set[tuple[str, str]] = set()  # a pair occurs once in a data set
    for event in run.events(kind="page"):
        acted = {action["item"]: action for action in event.data["actions"]}
        for shown in event.data["exposures"]:
            action = acted.get(shown["item"])
            if action is None or not wanted(action) or (event.agent, shown["item"]) in met:
                continue
            met.add((event.agent, shown["item"]))
            yield SimulatedRow(
                event.agent,
                shown["item"],
                action.get("rating") if with_rating else None,
                event.page,
                shown["slot"],
                shown["propensity"],
                shown["policy"],
                action.get("call") or "",
            )


def without(rows: Sequence[SimulatedRow], pairs: Collection[tuple[str, str]]) -> list[SimulatedRow]:
    """The rows that are none of these (user, item) pairs."""
    return [row for row in rows if (row.user, row.item) not in pairs]


def pairs_of(data: Dataset) -> set[tuple[str, str]]:
    """All (user, item) of a data set."""
    users, items = data.users.ids, data.items.ids
    return {(users[u], items[i]) for u, i in zip(data.log.user.tolist(), data.log.item.tolist(), strict=True)}
