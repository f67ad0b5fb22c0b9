"""The sweep as one standalone SVG: per number a row of dots for each arm, and beside it its difference to the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from ...runs import Run
from ...runs.visible import visible
from ..outcome.canvas import CHART_CSS, Canvas
from ..outcome.numbers import Unit, show
from ..outcome.printed import BANNER
from .measures import Measure
from .printed import counted, signed, stars
from .summary import Against, Arm, SweepSummary, notes

PICTURE = "sweep.svg"
WIDTH, MARGIN = 1000, 24
NAME, VALUE, GAP = 190, 262, 668
"""Right edges of the texts, in pixels: arm, mean, difference."""
LEFT, RIGHT = (282, 556), (700, 964)
"""The two plots, from x to x: means, differences."""
ROW, HEAD, FOOT = 21, 29, 32
"""Pixels of an arm's row, above the rows of a number, below them."""

STYLE = Markup("""
.chart .title{font-size:19px;font-weight:650}.chart .name{font-size:14px;font-weight:600}.chart .warn{fill:var(--warn);font-weight:600}
.chart text.row{font-size:12px}.chart .bold{font-weight:650}
.chart .dot{stroke-width:1.6}.chart .span{stroke-width:2.2;fill:none;stroke-linecap:round}
.chart .mean{stroke:var(--c0);fill:var(--c0)}.chart .holds{stroke:var(--c0);fill:var(--c0)}
.chart .found{stroke:var(--c1);fill:var(--c1)}.chart .none{stroke:var(--c2);fill:var(--paper)}.chart .span.none{fill:none}
.chart .seed{stroke:var(--soft);stroke-width:1;opacity:.65}.chart .zero{stroke:var(--ink);stroke-width:1.1}
.chart .band0{fill:var(--grid);opacity:.32}
""")


@dataclass(frozen=True)
class Scale:
    """From values to pixels: round ticks from `ticks[0]` to `ticks[-1]` over a plot."""

    ticks: tuple[float, ...]
    start: float
    end: float

    def __call__(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def write_picture(run: Run, summary: SweepSummary) -> Path:
    """Write `<sweep>/sweep.svg` and return its path; an older one is replaced in one step."""
    path = run.path / PICTURE
    half = path.with_name(f".{path.name}.tmp")
    half.write_text(str(draw(summary)), encoding="utf-8")
    half.replace(path)
    return path


def draw(summary: SweepSummary) -> Markup:
    """The SVG."""
    canvas = Canvas()
    y = _heading(canvas, summary)
    for measure in summary.measures:
        y = _panel(canvas, summary, measure, y)
    if not summary.measures:
        canvas.text(MARGIN, y, "no cell is finished yet", "soft")
        y += ROW
    y += 8
    for line in notes(summary):
        canvas.text(MARGIN, y, line, "small soft")
        y += 15
    height = y + 6
    background = Markup('<rect width="{}" height="{}" fill="var(--paper)"/>').format(WIDTH, height)
    return Markup(
        '<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
        "<title>{title}</title><desc>{desc}</desc><style>{css}{style}</style>{back}{body}</svg>\n"
    ).format(
        w=WIDTH,
        h=height,
        title=visible(counted(summary)),
        desc=visible(_described(summary)),
        css=CHART_CSS,
        style=STYLE,
        back=background,
        body=canvas.body(),
    )


def _heading(canvas: Canvas, summary: SweepSummary) -> int:
    """Title, warnings, what the marks mean, the names of the columns; returns where the panels begin."""
    done, every = summary.cells
    canvas.text(MARGIN, 34, counted(summary), "title")
    state = "" if summary.status == "finished" else f", {summary.status}"
    seeds = ", ".join(map(str, summary.seeds))
    canvas.text(MARGIN, 54, f"{done} of {every} rehearsals done{state}; seeds {seeds}", "soft")
    y = 54
    if summary.plumbing:
        y += 19
        canvas.text(MARGIN, y, f"⚠ {BANNER}", "warn")
    y += 30
    _legend(canvas, y)
    y += 34
    canvas.text(LEFT[0], y, "mean, 95 % interval", "name")
    canvas.text(RIGHT[0], y, f"difference to {_cut(summary.baseline, 26)}", "name")
    return y + 8


def _legend(canvas: Canvas, y: float) -> None:
    x = float(MARGIN)
    for style, words in (
        ("holds", "difference, holds after Holm's correction **"),
        ("found", "its own interval leaves out 0 *"),
        ("none", "no difference found"),
    ):
        _dot(canvas, x, x + 24, x + 12, y, style)
        canvas.text(x + 32, y + 4, words, "small soft")
        x += 50 + 5.4 * len(words)
    canvas.line(x + 6, y - 5, x + 6, y + 5, "seed")
    canvas.text(x + 14, y + 4, "one seed", "small soft")


def _panel(canvas: Canvas, summary: SweepSummary, measure: Measure, top: int) -> int:
    """One number: a row per arm, means left, differences right; returns where the next one begins."""
    known = [(arm, arm.numbers[measure.key]) for arm in summary.arms if measure.key in arm.numbers]
    canvas.text(MARGIN, top + 19, summary.label(measure), "name")
    rows = top + HEAD
    bottom = rows + ROW * len(summary.arms)
    for at in range(0, len(summary.arms), 2):
        canvas.box(MARGIN - 6, rows + at * ROW, WIDTH - 2 * MARGIN + 12, ROW, "band0")
    spans = [v for _, n in known for v in (n.value, n.low, n.high) if v is not None]
    means = Scale(_ticks(spans, measure.unit), *LEFT)
    _grid(canvas, means, rows, bottom, lambda v: _tick(v, measure.unit))
    gaps = [
        v
        for arm in summary.arms
        if (each := arm.against.get(measure.key))
        for v in (each.difference.value, each.difference.low, each.difference.high, *each.by_seed.values())
        if v is not None
    ]
    differences = Scale(_ticks([0.0, *gaps], measure.unit), *RIGHT) if gaps else None
    if differences is not None:
        _grid(canvas, differences, rows, bottom, lambda v: _gap_tick(v, measure.unit))
        canvas.line(differences(0.0), rows, differences(0.0), bottom, "zero")
    for at, arm in enumerate(summary.arms):
        _arm(canvas, arm, measure, rows + (at + 0.5) * ROW, means, differences, arm.name == summary.baseline)
    return bottom + FOOT


def _arm(
    canvas: Canvas, arm: Arm, measure: Measure, y: float, means: Scale, differences: Scale | None, baseline: bool
) -> None:
    canvas.text(NAME, y + 4, _cut(arm.name, 26), "row end bold" if baseline else "row end")
    number = arm.numbers.get(measure.key)
    if number is None or number.value is None:
        canvas.text(VALUE, y + 4, "–", "row end soft")
    else:
        canvas.text(VALUE, y + 4, show(number.value, measure.unit), "row end")
        low, high = (number.value if v is None else v for v in (number.low, number.high))
        _dot(canvas, means(low), means(high), means(number.value), y, "mean")
    if baseline:
        canvas.text(GAP, y + 4, "held against", "small end soft")
        return
    against = arm.against.get(measure.key)
    if against is None or against.difference.value is None or differences is None:
        canvas.text(GAP, y + 4, "–", "row end soft")
        return
    difference = against.difference
    value = against.difference.value
    style = _style(against)
    text = f"{signed(value, measure.unit)} {stars(against).strip()}".rstrip()
    canvas.text(GAP, y + 4, text, "row end" if against.found else "row end soft")
    if len(against.by_seed) > 1:
        for each in against.by_seed.values():
            if each is not None:
                canvas.line(differences(each), y - 6, differences(each), y + 6, "seed")
    low, high = (value if v is None else v for v in (difference.low, difference.high))
    _dot(canvas, differences(low), differences(high), differences(value), y, style)


def _style(against: Against) -> str:
    return "holds" if against.holds else "found" if against.found else "none"


def _dot(canvas: Canvas, low: float, high: float, at: float, y: float, style: str) -> None:
    canvas.path([(low, y), (high, y)], f"span {style}")
    canvas.marks.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4.2" class="dot {}"/>').format(at, y, style))


def _grid(canvas: Canvas, scale: Scale, top: float, bottom: float, form: Callable[[float], str]) -> None:
    """A line at each tick, its label at as many as have room; 0 keeps its own."""
    ticks, words = scale.ticks, [form(tick) for tick in scale.ticks]
    apart = (scale.end - scale.start) / (len(ticks) - 1)
    every = math.ceil((6.0 * max(map(len, words)) + 6) / apart)
    first = ticks.index(0.0) % every if 0.0 in ticks else 0
    for at, (tick, text) in enumerate(zip(ticks, words, strict=True)):
        canvas.line(scale(tick), top, scale(tick), bottom, "grid")
        if at % every == first:
            canvas.text(scale(tick), bottom + 13, text, "mid small soft")


def _ticks(values: Sequence[float], unit: Unit) -> tuple[float, ...]:
    """Three to six round ticks that enclose the values. Nothing varies: a plot of one unit around them."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    least = {"share": 0.02, "usd": 1e-4}.get(unit, 0.1)
    if high - low < least:
        low, high = low - least / 2, high + least / 2
    size = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size * 4 >= high - low)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return tuple(round(i * step, 12) for i in range(first, last + 1))


def _tick(value: float, unit: Unit) -> str:
    if unit == "share":
        return f"{100 * value:.4g} %"
    return f"${value:.4g}" if unit == "usd" else f"{value:.4g}"


def _gap_tick(value: float, unit: Unit) -> str:
    shown = f"{100 * abs(value):.4g} pp" if unit == "share" else _tick(abs(value), unit)
    return "0" if abs(value) < 1e-12 else f"{'+' if value > 0 else '−'}{shown}"


def _described(summary: SweepSummary) -> str:
    """The picture in words: what a screen reader says."""
    parts = []
    for measure in summary.measures:
        arms = []
        for arm in summary.arms:
            if (number := arm.numbers.get(measure.key)) is None:
                continue
            words = f"{arm.name} {show(number.value, measure.unit)}"
            if (against := arm.against.get(measure.key)) is not None:
                found = "" if against.found else ", no difference found"
                words += f" ({signed(against.difference.value, measure.unit)} to {summary.baseline}{found})"
            arms.append(words)
        parts.append(f"{summary.label(measure)}: {'; '.join(arms)}.")
    return " ".join(parts)


def _cut(text: str, longest: int) -> str:
    text = visible(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"
