"""Drawings of a search as inline SVG: how far it climbed, its tree beside every lead, and differences case by case.

Foreign text goes in escaped and visible. Fates differ by sign as well as by colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from ..runs.visible import visible
from .ancestry import Ancestry, Mean, Node, mean_of
from .fallback import LEAST
from .fates import FATES
from .history import OPEN, History
from .scores import Scores

WIDTH, HEIGHT = 1060, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 16, 40
ROW = 24


class Step(NamedTuple):
    """The incumbent's mean after so many evaluated cases."""

    evaluated: int
    candidate: str
    stands: Mean


class Climb(NamedTuple):
    """`steps` of the incumbent, and where each candidate's own scoring on the plotted split ended: id -> evaluated cases
    by then."""

    steps: list[Step]
    scored: dict[str, int]


def climb(history: History, seed: int) -> Climb:
    """How the incumbent's mean on the search split went (on the selection split, where only that was scored).

    An optimizer that accepts nothing has no incumbent: then it is the leader by the mean paired difference to the seed.
    """
    first = history.seed_candidate.id
    split = "search" if history.cases(first, "search") else "selection"
    cases = history.splits.get(split, ())
    accepts = any(wave.kind == "accepted" for wave in history.waves)
    so_far, leads, scored = Scores(history.metric), {first: 0.0}, dict[str, int]()
    steps: list[Step] = []
    incumbent, evaluated = first, 0
    for wave in history.waves:
        name, changed = wave.candidate, False
        if wave.kind == "accepted":
            incumbent, changed = name, name != incumbent
        else:
            asked = [case for case in wave.cases if history.split_of.get(case) in OPEN]
            evaluated += len(asked)
            if not asked:
                continue
            known = history.scores.of(name)
            so_far.add(name, [known[case] for case in asked])
            if any(history.split_of[case] == split for case in asked):
                scored[name] = evaluated
            changed = name == incumbent
            if not accepts:
                lead = so_far.difference(name, first, cases)
                lead = lead[~np.isnan(lead)]
                if name != first and len(lead) >= LEAST:
                    leads[name] = float(lead.mean())
                leader = max(leads, key=lambda each: leads[each])
                incumbent, changed = leader, changed or leader != incumbent
        if changed and (mean := mean_of(so_far.values(incumbent, cases), seed)) is not None:
            steps.append(Step(evaluated, incumbent, mean))
    return Climb(steps, scored)


def search_plot(history: History, found: Ancestry, seed: int) -> Markup:
    """The incumbent's mean with its interval by evaluated cases, and every candidate where its scoring ended."""
    went = climb(history, seed)
    if not went.steps:
        return Markup("")
    split = "search" if history.cases(history.seed_candidate.id, "search") else "selection"
    dots = [
        (went.scored[name], node, node.stands[split].mean)
        for name, node in found.nodes.items()
        if name in went.scored and split in node.stands
    ]
    last = max([step.evaluated for step in went.steps] + list(went.scored.values()))
    bounds = [v for s in went.steps for v in (s.stands.low, s.stands.high, s.stands.mean) if v is not None]
    low, high = _padded([*bounds, *(value for _, _, value in dots)])
    plot = _Plot(last, low, high)
    marks = [plot.grid(history.metric)]
    line: list[tuple[float, float]] = []
    top: list[tuple[float, float]] = []
    bottom: list[tuple[float, float]] = []
    for i, step in enumerate(went.steps):
        until = went.steps[i + 1].evaluated if i + 1 < len(went.steps) else last
        mean = step.stands
        for at in (step.evaluated, until):
            line.append(plot.at(at, mean.mean))
            top.append(plot.at(at, mean.mean if mean.high is None else mean.high))
            bottom.append(plot.at(at, mean.mean if mean.low is None else mean.low))
    marks.append(_path([*top, *reversed(bottom)], "band", closed=True))
    marks.append(_path(line, "line"))
    for at, node, value in dots:
        x, y = plot.at(at, value)
        marks.append(_sign(x, y, node))
    words = f"{history.metric} of the incumbent on the {split} split by evaluated cases, with its 95 % interval"
    return _svg(WIDTH, HEIGHT, words, marks)


def tree_plot(found: Ancestry) -> Markup:
    """Every candidate below its first parent, and beside it its lead over the seed with the interval."""
    order = _by_descent(found)
    if not order:
        return Markup("")
    rows = {node.id: i for i, (node, _) in enumerate(order)}
    deepest = max(depth for _, depth in order)
    indent = min(22.0, 240.0 / max(1, deepest))
    place = {node.id: (16 + depth * indent, 40 + rows[node.id] * ROW) for node, depth in order}
    words_at = 34 + deepest * indent
    zero, half = 740.0, 130.0
    leads = [node.lead for node, _ in order if node.lead is not None]
    widest = (
        max([abs(v) for lead in leads for v in (lead.mean, lead.low, lead.high) if v is not None], default=1.0) or 1.0
    )
    height = 40 + len(order) * ROW
    marks = [
        Markup('<line x1="{0}" y1="26" x2="{0}" y2="{1}" class="ref"/>').format(zero, height - 8),
        _text(zero, 16, "lead over the seed, paired", "soft mid"),
        _text(zero - half, 16, f"{-widest:+.2f}", "soft mid"),
        _text(zero + half, 16, f"{widest:+.2f}", "soft mid"),
    ]
    for node, _ in order:
        x, y = place[node.id]
        for nth, parent in enumerate(dict.fromkeys(node.candidate.parents)):
            if parent in place and parent != node.id:
                px, py = place[parent]
                style = "branch" if nth == 0 else "branch also"
                marks.append(_path([(px, py + 7), (px, y), (x - 8, y)], style))
    for node, _ in order:
        x, y = place[node.id]
        marks.append(_sign(x, y, node))
        name = f"{node.id}  {node.candidate.operator[:22]}, {node.fate}"
        room = int((zero - half - words_at) / 6.8) - len(name)
        said = node.said
        if said and room > 12:
            name += f": {said if len(said) <= room else said[: room - 1] + '…'}"
        text = _text(words_at, y + 4, name, "name")
        marks.append(Markup('<a href="#c-{id}">{text}</a>').format(id=node.id, text=text))
        if (lead := node.lead) is not None:
            scale = half / widest
            if lead.low is not None and lead.high is not None:
                marks.append(_path([(zero + lead.low * scale, y), (zero + lead.high * scale, y)], "err"))
            marks.append(
                Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5" class="f-{}"/>').format(
                    zero + lead.mean * scale, y, _class(node.fate)
                )
            )
            marks.append(_text(zero + half + 24, y + 4, f"{lead.mean:+.3f}, n = {lead.n}", "soft"))
        elif not node.stands:
            marks.append(_text(zero + half + 24, y + 4, "never scored", "soft"))
    return _svg(WIDTH, height, "the tree of candidates and their leads over the seed", marks)


def difference_plot(differences: Sequence[float]) -> Markup:
    """Differences case by case, largest gain first: one stroke a case, up for better, down for worse."""
    values = sorted((value for value in differences if value == value), reverse=True)
    if not values:
        return Markup("")
    most = max(abs(value) for value in values) or 1.0
    width, half = max(120.0, min(520.0, 6.0 * len(values))), 34.0
    each = width / len(values)
    strokes: Mapping[str, list[str]] = {"up": [], "down": []}
    for i, value in enumerate(values):
        if value:
            x, y = (i + 0.5) * each, 40 - half * value / most
            strokes["up" if value > 0 else "down"].append(f"M{x:.1f} 40V{y:.1f}")
    marks = [
        Markup('<path d="{}" class="stroke {}" style="stroke-width:{:.1f}px"/>').format("".join(d), name, each * 0.7)
        for name, d in strokes.items()
        if d
    ]
    marks.append(Markup('<line x1="0" y1="40" x2="{:.1f}" y2="40" class="axis"/>').format(width))
    words = f"differences to the seed case by case, from {values[0]:+.2f} to {values[-1]:+.2f}"
    return _svg(width, 80, words, marks, style=f"max-width:{width:.0f}px")


def _by_descent(found: Ancestry) -> list[tuple[Node, int]]:
    """Nodes depth first below their first known parent, each with its depth."""
    children: dict[str, list[Node]] = {}
    roots: list[Node] = []
    seen: set[str] = set()
    for node in found.nodes.values():  # a parent always stands before its child
        parents = [each for each in found.near(node) if each.id in seen]
        (children.setdefault(parents[0].id, []) if parents else roots).append(node)
        seen.add(node.id)
    order: list[tuple[Node, int]] = []
    stack = [(node, 0) for node in reversed(roots)]
    while stack:
        node, depth = stack.pop()
        order.append((node, depth))
        stack += [(child, depth + 1) for child in reversed(children.get(node.id, ()))]
    return order


class _Plot:
    """Axes: evaluated cases to the right, the metric upwards."""

    def __init__(self, last: int, low: float, high: float) -> None:
        self.last, self.low, self.high = max(1, last), low, high

    def at(self, evaluated: float, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * evaluated / self.last
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)
        return x, y

    def grid(self, metric: str) -> Markup:
        marks: list[Markup] = []
        for value in _ticks(self.low, self.high):
            y = self.at(0, value)[1]
            marks.append(_path([(LEFT, y), (WIDTH - RIGHT, y)], "grid"))
            marks.append(_text(LEFT - 6, y + 4, f"{value:g}", "soft end"))
        for value in _ticks(0, self.last):
            if value == int(value):
                marks.append(_text(self.at(value, self.low)[0], HEIGHT - BOTTOM + 16, f"{value:,.0f}", "soft mid"))
        marks.append(_text((LEFT + WIDTH) / 2, HEIGHT - 6, "evaluated cases", "soft mid"))
        marks.append(_text(LEFT, TOP - 4, metric, "soft"))
        return Markup("").join(marks)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.08 or max(abs(high) * 0.1, 0.01)
    return low - pad, high + pad


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, at most seven, within the bounds."""
    rough = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = int(np.ceil(low / step))
    return [round(i * step, 10) for i in range(first, int(np.floor(high / step)) + 1)]


def _class(fate: str) -> str:
    return fate.replace(" ", "-")


def _sign(x: float, y: float, node: Node) -> Markup:
    hint = f"{node.id}: {node.candidate.operator}, {node.fate}"
    return Markup(
        '<a href="#c-{id}"><text x="{x:.1f}" y="{y:.1f}" class="sign t-{fate}"><title>{hint}</title>{sign}</text></a>'
    ).format(id=node.id, x=x, y=y + 5, fate=_class(node.fate), hint=visible(hint), sign=FATES[node.fate][0])


def _text(x: float, y: float, words: str, style: str = "") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, style, visible(words))


def _path(points: Sequence[tuple[float, float]], style: str, closed: bool = False) -> Markup:
    d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")
    return Markup('<path d="{}" class="{}"/>').format(d, style)


def _svg(width: float, height: float, words: str, marks: Sequence[Markup], style: str = "") -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}" style="{}">{}</svg>'
    ).format(width, height, visible(words), style, Markup("").join(marks))
