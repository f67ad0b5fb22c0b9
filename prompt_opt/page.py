"""The page of a search: one self-contained HTML file, page.html, filled from its log (Jinja2, autoescaped).

Prompts, titles and what models wrote are data there: shown, never obeyed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from ..runs import Run, table_specs
from ..runs.visible import visible, visible_lines
from .ancestry import Ancestry, Node, ancestry
from .bill import ROLES
from .fates import FATES
from .history import OPEN, History, read_history
from .plots import difference_plot, search_plot, tree_plot
from .printed import cells, interval, standing
from .search import PLUMBING
from .summary import summarise
from .task import Result
from .worddiff import Piece, texts_diff

SEEN = 12
"""Cases that a maker saw, shown at most for each candidate; the log has all."""


class Saw(NamedTuple):
    """A case that a candidate's maker saw: what the parent did on it, and what the candidate did then."""

    case: str
    parent: Result | None
    before: float | None
    after: float | None


class Shown(NamedTuple):
    """A candidate as the page shows it."""

    node: Node
    sign: str
    parent: str | None
    diff: Mapping[str, list[Piece]]
    saw: list[Saw]
    unseen: int
    better: int
    equal: int
    worse: int
    strip: Markup


def render(run: Run) -> str:
    """The page's HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "visible": visible,
        "lines": visible_lines,
        "number": _number,
        "signed": _signed,
        "interval": interval,
        "standing": standing,
        "cells": cells,
    }
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    history, summary = read_history(run), summarise(run)
    found = ancestry(run, history)
    seed = run.manifest.seed
    return template.render(
        summary=summary,
        verdict=summary.verdict or {},
        banner=PLUMBING if summary.plumbing else "",
        winner_diff=texts_diff(summary.seed_texts, summary.best_texts) if summary.best != summary.seed_prompt else {},
        plot=search_plot(history, found, seed) if history.begun else "",
        tree=tree_plot(found),
        fates=[(fate, *FATES[fate]) for fate in FATES if any(node.fate == fate for node in found.nodes.values())],
        candidates=[_shown(history, found, node) for node in found.nodes.values()],
        roles=ROLES,
        asked=_asked(run),
        settings=_settings(run),
        tables=[(name, spec.doc) for name, spec in table_specs(run.kind).items()],
    )


def _shown(history: History, found: Ancestry, node: Node) -> Shown:
    parents = found.near(node)
    parent = parents[0] if parents else None
    candidate, name = node.candidate, node.id
    values = [] if not history.begun else _against_seed(history, name)
    saw = [] if parent is None else [_saw(history, parent.id, name, case) for case in candidate.shown]
    return Shown(
        node=node,
        sign=FATES[node.fate][0],
        parent=None if parent is None else parent.id,
        diff={} if parent is None else texts_diff(parent.candidate.texts, candidate.texts),
        saw=saw[:SEEN],
        unseen=max(0, len(saw) - SEEN),
        better=sum(value > 0 for value in values),
        equal=sum(value == 0 for value in values),
        worse=sum(value < 0 for value in values),
        strip=difference_plot(values),
    )


def _against_seed(history: History, name: str) -> list[float]:
    first = history.seed_candidate.id
    if name == first:
        return []
    cases = [case for split in OPEN for case in history.cases(name, split)]
    return [value for value in history.scores.difference(name, first, cases).tolist() if not math.isnan(value)]


def _saw(history: History, parent: str, child: str, case: str) -> Saw:
    before, after = history.scores.value(parent, case), history.scores.value(child, case)
    return Saw(
        case,
        history.scores.of(parent).get(case),
        None if math.isnan(before) else before,
        None if math.isnan(after) else after,
    )


def _asked(run: Run) -> list[tuple[str, str]]:
    manifest = run.manifest
    reason = f": {manifest.reason}" if manifest.reason else ""
    return [
        ("status", f"{manifest.status}{reason}"),
        ("seed", str(manifest.seed)),
        ("created", manifest.created),
        ("digest", run.digest()),
        ("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
        *((f"hash of the {name}", value) for name, value in manifest.hashes.items()),
    ]


def _settings(run: Run) -> list[tuple[str, str]]:
    return [
        (name, "–" if value is None or value in ("", {}) else str(value)) for name, value in run.manifest.config.items()
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def _signed(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:+,.{digits}f}"
