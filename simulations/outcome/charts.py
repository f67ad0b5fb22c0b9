"""Small charts as inline SVG: bars side by side, rows of bars, a line with its interval; no script, no outside request.

Every chart has a title and a description for screen readers, axis names with units, value labels, and the number of
cases it stands on. Colours are Okabe and Ito's (told apart with any colour vision) and follow the reader's light or
dark setting by `CHART_CSS`. Text goes in as data: escaped, controls made visible. The marks are in canvas.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...runs.visible import visible
from .canvas import CHART_CSS, HEIGHT, WIDTH, Canvas, Chart, picture

__all__ = ["CHART_CSS", "Chart", "Series", "bars", "empty", "line", "percent", "picture", "plain", "rows"]

LEFT, RIGHT, TOP, BOTTOM = 46, 12, 40, 44
"""Margins around the plot, in pixels of the view box."""
ROW = 26


@dataclass(frozen=True)
class Series:
    """One set of values over the chart's labels; None where there is none. `low`, `high`: interval of each value."""

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()

    def interval(self, i: int) -> tuple[float, float] | None:
        low = self.low[i] if self.low else None
        high = self.high[i] if self.high else None
        return None if low is None or high is None else (low, high)


Format = Callable[[float], str]


def percent(value: float) -> str:
    """A share as whole per cent, without the sign (the axis has it); small ones keep a digit."""
    whole = 100 * value
    return f"{whole:.0f}" if whole >= 9.95 or whole == 0 else f"{whole:.1f}"


def plain(value: float) -> str:
    """A number with as many digits as its size needs."""
    return (
        f"{value:,.0f}"
        if abs(value) >= 100 or value == int(value)
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def bars(
    key: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    x: str,
    y: str,
    note: str = "",
    form: Format = percent,
    reference: tuple[float, str] | None = None,
    stacked: bool = False,
    why_empty: str = "nothing to show",
) -> Chart:
    """Bars over labels, with whiskers where a value has an interval. `reference`: a dashed line and its name.

    `stacked`: one bar a label, the series as its parts (for counts of the same whole); else side by side.
    """
    if not labels or not any(v is not None for s in series for v in s.values):
        return empty(key, title, why_empty)
    canvas = Canvas()
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    across = 1 if stacked else len(series)
    sums = [sum(s.values[i] or 0.0 for s in series) for i in range(len(labels))] if stacked else []
    tops = [v for s in series for v in (*s.values, *s.high) if v is not None] + sums
    ticks = _ticks(max([*tops, reference[0] if reference else 0.0]))
    scale = height / ticks[-1]
    base = TOP + height
    _frame(canvas, title, x, y, ticks, lambda v: base - v * scale, form, [s.name for s in series])
    step = width / len(labels)
    thick = min(46.0, step * 0.8 / across)
    every = max(1, math.ceil(max(len(visible(label)) for label in labels) * 6.2 / step))
    for i, label in enumerate(labels):
        middle = LEFT + (i + 0.5) * step
        if i % every == 0:
            canvas.text(middle, base + 14, label, "mid small")
        floor = base
        for j, each in enumerate(series):
            value = each.values[i]
            left = middle - thick / 2 if stacked else middle + (j - across / 2) * thick
            if value is None:
                if not stacked:
                    canvas.text(left + thick / 2, base - 4, "–", "mid tiny soft")
                continue
            tall = value * scale
            canvas.box(left + 0.5, floor - tall, thick - 1, tall, f"s{j}", f"{label}, {each.name}: {form(value)}")
            if stacked:
                floor -= tall
                continue
            top = value
            if (interval := each.interval(i)) is not None:
                canvas.whisker(left + thick / 2, base - interval[0] * scale, base - interval[1] * scale)
                top = max(value, interval[1])
            if len(form(value)) * 5.2 <= max(thick, step / across) + 1:
                canvas.text(left + thick / 2, base - top * scale - 3, form(value), "mid tiny")
        if stacked:
            canvas.text(middle, floor - 3, form(sums[i]), "mid tiny")
    if reference:
        level = base - reference[0] * scale
        canvas.line(LEFT, level, WIDTH - RIGHT, level, "ref")
        _name_reference(canvas, reference[1])
    _note(canvas, note, HEIGHT)
    return Chart(key, title, _describe(labels, series, x, y, form, note), canvas.body())


def rows(
    key: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    x: str,
    note: str = "",
    form: Format = percent,
    why_empty: str = "nothing to show",
) -> Chart:
    """Horizontal bars, one group a label: for names too long to stand below a bar."""
    if not labels or not any(v is not None for s in series for v in s.values):
        return empty(key, title, why_empty)
    canvas = Canvas()
    thick = 9 if len(series) > 1 else 13
    step = max(ROW, len(series) * thick + 7)
    shown = [_cut(visible(label), 22) for label in labels]
    left = min(150.0, 14 + 6.1 * max(len(label) for label in shown))
    height = TOP + len(labels) * step + 34
    width = WIDTH - left - RIGHT - 34
    ticks = _ticks(max(v for s in series for v in s.values if v is not None))
    canvas.text(12, 16, title, "head")
    if len(series) > 1:
        canvas.legend([s.name for s in series], 12, 32)
    bottom = TOP + len(labels) * step
    for tick in ticks:
        at = left + tick / ticks[-1] * width
        canvas.line(at, TOP, at, bottom, "grid")
        canvas.text(at, bottom + 12, form(tick), "mid tiny soft")
    canvas.text(WIDTH - RIGHT, bottom + 27, x, "end small soft")
    for i, label in enumerate(shown):
        top = TOP + i * step + (step - len(series) * thick) / 2
        canvas.text(left - 6, TOP + i * step + step / 2 + 4, label, "end small")
        for j, each in enumerate(series):
            value = each.values[i]
            if value is None:
                canvas.text(left + 4, top + (j + 1) * thick - 2, "–", "tiny soft")
                continue
            long = value / ticks[-1] * width
            canvas.box(left, top + j * thick, long, thick - 1, f"s{j}", f"{labels[i]}, {each.name}: {form(value)}")
            canvas.text(left + long + 4, top + (j + 1) * thick - 2, form(value), "tiny")
    _note(canvas, note, height)
    return Chart(key, title, _describe(labels, series, "", x, form, note), canvas.body(), height)


def line(
    key: str,
    title: str,
    labels: Sequence[str],
    series: Series,
    *,
    x: str,
    y: str,
    span: tuple[float, float],
    note: str = "",
    form: Format = plain,
    reference: tuple[float, str] | None = None,
    why_empty: str = "nothing to show",
) -> Chart:
    """A line of means with its 95 % band on a fixed scale (`span`), so that a small change does not look like a large one."""
    there = [i for i, value in enumerate(series.values) if value is not None]
    if not there:
        return empty(key, title, why_empty)
    canvas = Canvas()
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    low, high = span
    base = TOP + height

    def up(value: float) -> float:
        return base - (value - low) / (high - low) * height

    ticks = [low + (high - low) * i / 3 for i in range(4)]
    _frame(canvas, title, x, y, ticks, up, form, [])
    place = [LEFT + (i + 0.5) * width / len(labels) for i in range(len(labels))]
    bands = [(place[i], bounds) for i in there if (bounds := series.interval(i)) is not None]
    if len(bands) > 1:
        outline = [(at, up(b)) for at, (_, b) in bands] + [(at, up(a)) for at, (a, _) in reversed(bands)]
        canvas.path(outline, "band", closed=True)
    for at, (a, b) in bands:
        canvas.whisker(at, up(a), up(b))
    if reference:
        canvas.line(LEFT, up(reference[0]), WIDTH - RIGHT, up(reference[0]), "ref")
        _name_reference(canvas, reference[1])
    points = [(place[i], up(v)) for i in there if (v := series.values[i]) is not None]
    canvas.path(points, "line")
    for (at, level), i in zip(points, there, strict=True):
        value = series.values[i]
        canvas.marks.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.5" class="s0"/>').format(at, level))
        canvas.text(at + 7, level - 6, form(value) if value is not None else "", "tiny")
    for i, label in enumerate(labels):
        canvas.text(place[i], base + 14, label, "mid small")
    _note(canvas, note, HEIGHT)
    return Chart(key, title, _describe(labels, [series], x, y, form, note), canvas.body())


def empty(key: str, title: str, why: str) -> Chart:
    """A chart that has nothing to show, and says why."""
    canvas = Canvas()
    canvas.text(12, 16, title, "head")
    canvas.text(12, 44, why, "soft")
    return Chart(key, title, why, canvas.body(), 64)


def _frame(
    canvas: Canvas,
    title: str,
    x: str,
    y: str,
    ticks: Sequence[float],
    up: Callable[[float], float],
    form: Format,
    names: Sequence[str],
) -> None:
    canvas.text(12, 16, title, "head")
    if len(names) > 1:
        canvas.legend(names, LEFT, 32)
    for tick in ticks:
        canvas.line(LEFT, up(tick), WIDTH - RIGHT, up(tick), "grid")
        canvas.text(LEFT - 5, up(tick) + 3, form(tick), "end tiny soft")
    canvas.line(LEFT, up(ticks[0]), WIDTH - RIGHT, up(ticks[0]), "axis")
    canvas.text(WIDTH - RIGHT, HEIGHT - 14, x, "end small soft")
    canvas.text(14, TOP + (HEIGHT - TOP - BOTTOM) / 2, y, "mid small soft", turned=True)


def _name_reference(canvas: Canvas, name: str) -> None:
    """The dashed line's name, in the legend: beside the line it would run into bars."""
    canvas.text(WIDTH - RIGHT, 32, name, "end small soft")
    start = WIDTH - RIGHT - 5.6 * len(visible(name)) - 26
    canvas.line(start, 28, start + 20, 28, "ref")


def _note(canvas: Canvas, note: str, height: float) -> None:
    if note:
        canvas.text(12, height - 3, note, "tiny soft")


def _ticks(top: float) -> list[float]:
    """Round ticks from 0 to just above `top`."""
    if top < 1e-9:
        return [0.0, 1.0]
    rough = top * 1.08 / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= rough)
    return [i * step for i in range(math.ceil(top * 1.08 / step) + 1)]


def _describe(labels: Sequence[str], series: Sequence[Series], x: str, y: str, form: Format, note: str) -> str:
    """The chart in words, value by value: what a screen reader says."""
    parts = []
    for each in series:
        values = ", ".join(
            f"{label} {'none' if value is None else form(value)}"
            for label, value in zip(labels, each.values, strict=True)
        )
        parts.append(f"{each.name}: {values}.")
    axes = f"{y} by {x}. " if x else f"{y}. "
    return axes + " ".join(parts) + (f" {note}" if note else "")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
