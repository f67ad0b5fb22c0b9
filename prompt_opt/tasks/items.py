"""Items as a prompt shows them, and a case made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ...agents.randomness import shuffled
from ...llm.fence import fence, one_line
from ..task import Case

LONGEST_LINE = 240
"""Characters of one item's line in a prompt."""


class Item(NamedTuple):
    """One item: its id in the data, its title, and what else a prompt may say of it (genres, a category)."""

    id: str
    title: str
    detail: str = ""

    def shown(self, name: str) -> dict[str, str]:
        """As a prompt is filled with it, called `name` there ("C3")."""
        return {"id": name, "title": one_line(self.title, LONGEST_LINE), "detail": one_line(self.detail, 80)}


def ranking_case(
    case: str,
    history: Sequence[Item],
    candidates: Sequence[Item],
    relevant: Collection[str],
    *,
    seed: int,
    owner: str = "",
    group: str = "",
) -> Case:
    """A case of ranking `candidates` (in any order: they are shuffled by (seed, case)) after `history`, oldest first.

    Candidates are called C1 … Cn by the place where they are shown, the history H1 … Hm. `relevant`: ids of candidates.
    `owner` names whose interactions these are (see `Baskets`).
    """
    order = [candidates[place] for place in shuffled(len(candidates), seed, "candidates", case).tolist()]
    names = {f"C{place}": item.id for place, item in enumerate(order, 1)}
    return Case(
        id=case,
        shown={
            "history": [item.shown(f"H{place}") for place, item in enumerate(history, 1)],
            "candidates": [item.shown(f"C{place}") for place, item in enumerate(order, 1)],
        },
        truth={
            "relevant": [name for name, item in names.items() if item in relevant],
            "items": names,
            "history": [item.id for item in history],
            "owner": owner,
        },
        titles=tuple(dict.fromkeys(one_line(item.title, LONGEST_LINE) for item in (*history, *candidates))),
        group=group,
    )


def names_of(case: Case) -> tuple[str, ...]:
    """What the candidates are called in the prompt, in the order shown."""
    return tuple(row["id"] for row in case.shown["candidates"])


def title_of(case: Case) -> dict[str, str]:
    """Titles of the candidates by what they are called in the prompt."""
    return {row["id"]: row["title"] for row in case.shown["candidates"]}


def line(row: Mapping[str, Any]) -> str:
    """One item as a model reads it: "[C3] Gravity (2013) | Drama, Sci-Fi"."""
    detail = f" | {row['detail']}" if row["detail"] else ""
    return f"[{row['id']}] {row['title']}{detail}"


def listed(rows: Sequence[Mapping[str, Any]], label: str) -> str:
    """Items one a line between the marks that their text cannot forge."""
    return fence("\n".join(map(line, rows)), label, longest=(LONGEST_LINE + 100) * (len(rows) + 1))


def band(length: int) -> str:
    """The segment of a history by its length."""
    low = next(low for low in (20, 10, 5, 3, 2, 1, 0) if length >= low)
    high = {20: "20 or more", 10: "10 to 19", 5: "5 to 9", 3: "3 to 4"}.get(low, str(low))
    return f"history of {high}"
