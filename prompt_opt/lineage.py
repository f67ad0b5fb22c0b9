"""The lineage of a search, for machines (JSON), for documents (Mermaid) and for people (one HTML page)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..runs import Run
from ..runs.visible import visible
from .ancestry import Ancestry, Node, ancestry
from .fates import FATES
from .history import read_history
from .summary import summarise

LABEL = 60
"""Characters of a reason in a diagram's label."""

STYLES = {
    "winner": "fill:#d5f0e3,stroke:#007a4d,stroke-width:3px,color:#0b2e20",
    "best so far": "fill:#e9f7f0,stroke:#007a4d,stroke-width:2px,stroke-dasharray:4 3,color:#0b2e20",
    "accepted": "fill:#dcecf8,stroke:#0072b2,stroke-width:2px,color:#0c2a3e",
    "seed": "fill:#f3ecd8,stroke:#8a6d00,stroke-width:2px,color:#33290a",
    "tried": "fill:#f5f6f8,stroke:#5b6675,color:#1b2430",
    "eliminated": "fill:#f5f6f8,stroke:#9aa5b1,stroke-dasharray:4 3,color:#5b6675",
    "refused": "fill:#fbe9e0,stroke:#b34700,stroke-dasharray:2 2,color:#4a1d00",
}


def lineage_json(run: Run) -> dict[str, Any]:
    """All that the log knows of every candidate, and how they descend from each other."""
    history = read_history(run)
    found = ancestry(run, history)
    summary = summarise(run)
    return {
        "run": str(run.path),
        "task": summary.task,
        "metric": summary.metric,
        "status": summary.status,
        "headline": summary.headline,
        "seed": summary.seed_prompt,
        "best": summary.best,
        "label": summary.label,
        "splits": {name: list(ids) for name, ids in history.splits.items()},
        "nodes": [node.json() for node in found.nodes.values()],
        "edges": [edge.json() for edge in found.edges],
    }


def lineage_mermaid(run: Run) -> str:
    """A Mermaid flowchart: a box per candidate, an arrow per parent. All foreign text is escaped."""
    return mermaid(ancestry(run, read_history(run)))


def mermaid(found: Ancestry) -> str:
    """The flowchart of a lineage."""
    names = {name: f"n{i}" for i, name in enumerate(found.nodes)}
    lines = ["flowchart TD"]
    lines += [f'  {names[node.id]}["{_label(node)}"]:::{_class(node.fate)}' for node in found.nodes.values()]
    lines += [f'  {names[e.parent]} -->|"{escaped(e.operator, 30)}"| {names[e.child]}' for e in found.edges]
    lines += [f"  classDef {_class(fate)} {style}" for fate, style in STYLES.items()]
    return "\n".join(lines) + "\n"


def write_lineage(run: Run, path: Path | None = None) -> Path:
    """Write `<run>/report.html` (or `path`): verdict, plots, tree, every candidate with its diff and its evidence. An older
    page is replaced in one step."""
    from .page import render

    path = path or run.path / "report.html"
    half = path.with_name(f".{path.name}.tmp")
    half.write_text(render(run), encoding="utf-8")
    half.replace(path)
    return path


def _label(node: Node) -> str:
    parts = [f"{FATES[node.fate][0]} {node.id} · {node.fate}"]
    if node.lead is not None:
        parts.append(f"{node.lead.mean:+.3f} to the seed, n = {node.lead.n}")
    elif (mean := node.stands.get("search")) is not None:
        parts.append(f"mean {mean.mean:.3f}, n = {mean.n}")
    if said := node.said:
        parts.append(said)
    return "<br/>".join(escaped(part, LABEL) for part in parts)


def _class(fate: str) -> str:
    return fate.replace(" ", "_")


_PLAIN = re.compile(r"[\w .,+\-·=/():★☆●◆○✕⊘]")


def escaped(text: str, longest: int) -> str:
    """Text as it may stand in a quoted Mermaid label: every other sign becomes an entity code, long texts are cut."""
    shown = visible(" ".join(text.split()))
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return "".join(c if _PLAIN.fullmatch(c) else f"#{ord(c)};" for c in shown)
