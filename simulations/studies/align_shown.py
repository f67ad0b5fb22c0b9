"""What `align` shows: rows, verdict, per-case rows and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..config import SimulateConfig
from ..outcome.numbers import Baseline, Row, known, mean_row, show
from .align_cells import Cell, Contrast
from .align_design import AGENTS, CHANCE, POPULARITY, AlignConfig
from .align_rules import MEASURES
from .study import Plot, Series

LABELS = {
    "accuracy": "Right answers",
    "precision": "Precision of what is taken up",
    "recall": "Recall of held-out items",
    "f1": "F1",
    "auc": "AUC",
}
IN_FULL = ("f1", "auc")
"""Measures that are shown beside every rival; the others beside popularity and chance."""


def rows_of(cell: Cell, arms: Sequence[str], measures: Iterable[str]) -> Iterator[Row]:
    for measure in measures:
        label = LABELS[measure]
        shown = [arm for arm in arms if arm != AGENTS and (measure in IN_FULL or arm in (POPULARITY, CHANCE))]
        yield mean_row(
            f"{cell.kind}_1_{cell.ratio}_{measure}",
            f"{label}, {cell.name}",
            cell.of(AGENTS, measure),
            "" if measure in IN_FULL else "share",
            *(Baseline(cell.mean(arm, measure), arm) for arm in shown),
            empty="no page got a usable answer" if measure != "precision" else "nothing was taken up",
            note="users who took something up" if measure == "precision" else "",
        )


def gap_row(each: Contrast, measure: str) -> Row:
    own, other = each.cell.mean(AGENTS, measure), each.cell.mean(each.rival, measure)
    words = {"better": "agents are better", "worse": "agents are worse", "no difference": "no difference found"}
    return Row(
        f"{each.cell.kind}_1_{each.cell.ratio}_minus_{each.rival.replace(', ', '_').replace(' ', '_')}",
        f"{measure.upper() if measure == 'auc' else 'Balanced accuracy'}, {each.cell.name}: agents minus {each.rival}",
        each.value,
        "",
        known(each.low),
        known(each.high),
        each.n,
        "users",
        (Baseline(0.0, f"if {each.rival} were as good"),),
        f"{words[each.says]} (p {each.p:.3g}, Holm): {show(own, '')} against {show(other, '')}",
    )


def verdict_of(contrasts: Sequence[Contrast], settings: SimulateConfig, ratio: int) -> str:
    """How the agents stand against popularity, and which rivals do better than they."""
    who = "scripted users" if settings.scripted else settings.model
    if not contrasts:
        return f"no page got a usable answer from {who}: nothing can be said"

    def where(says: str, rival: str) -> list[str]:
        return [each.cell.kind for each in contrasts if (each.says, each.rival) == (says, rival)]

    kinds = list(dict.fromkeys(each.cell.kind for each in contrasts))
    blind = [kind for kind in kinds if kind not in where("better", CHANCE)]
    words = {
        "better": "better than popularity",
        "no difference": "no better than popularity",
        "worse": "worse than popularity",
    }
    found = {text: [kind for kind in where(says, POPULARITY) if kind not in blind] for says, text in words.items()}
    # Where popularity points the wrong way, to do better than it is nothing yet.
    found["no better than chance"] = blind
    said = ", ".join(f"{text} ({', '.join(which)})" for text, which in found.items() if which)
    rivals = dict.fromkeys(each.rival for each in contrasts if each.rival not in (POPULARITY, CHANCE))
    ahead = [f"{name} does better than they ({', '.join(which)})" for name in rivals if (which := where("worse", name))]
    return "; ".join([f"at 1:{ratio} the agents ({who}) tell chosen from unmet items {said}", *ahead])


def cases_of(cells: Sequence[Cell]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        for arm, values in cell.values.items():
            for at, user in enumerate(cell.users):
                row = {name: known(float(values[name][at])) for name in MEASURES}
                yield {"user": user, "arm": arm, "negatives": cell.kind, "ratio": cell.ratio, **row}


def table_of(cell: Cell) -> dict[str, Any]:
    arms = {
        arm: {name: cell.mean(arm, name) for name in MEASURES}
        | {"threshold": cell.rules[arm].threshold, "scale": cell.rules[arm].scale}
        for arm in cell.values
    }
    return {"negatives": cell.kind, "ratio": cell.ratio, "users": len(cell.users), "arms": arms}


def plots_of(config: AlignConfig, cells: Sequence[Cell], arms: Sequence[str], measure: str) -> Iterator[Plot]:
    places = [f"1:{ratio}" for ratio in config.ratios]
    pictured: Mapping[str, tuple[str, Callable[[Cell], float | None]]] = {
        measure: ("AUC" if measure == "auc" else "balanced accuracy", lambda cell: 0.5),
        "f1": ("F1", lambda cell: None),
    }
    for kind in config.negatives:
        own = [cell for cell in cells if cell.kind == kind]
        for name, (axis, chance) in pictured.items():
            series = []
            for arm in arms:
                rows = [mean_row("", "", cell.of(arm, name), "", empty="") for cell in own]
                series.append(Series(arm, [r.value for r in rows], [r.low for r in rows], [r.high for r in rows]))
            level = chance(own[0])
            yield Plot(
                f"{name}_{kind}",
                f"{axis}, {kind} negatives",
                "lines",
                places,
                series,
                axis=axis,
                across="held-out : unmet items",
                reference=None if level is None else (level, "chance"),
            )
