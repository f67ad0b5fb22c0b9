"""A study's plots as inline SVG: bars, lines and dots with their intervals and a reference line; no script, no request.

Marks are those of `outcome.canvas`; colours follow the reader's light or dark setting. Names are data: escaped, controls
made visible, long ones cut with the whole name as a hint.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from ...runs.visible import visible
from ..outcome.canvas import Canvas, Chart
from .study import Plot, Series

WIDTH = 540
EDGE = 14
"""Pixels left free around a plot."""
COLOURS = 6
"""Series beyond so many share colours with the first ones."""
LETTER = 6.1
"""Pixels of a letter at the size of labels, on average."""
MOST_LABEL = 34
ROW, THICK = 15, 9
"""Pixels of a dots' row per series, and between two places' rows."""
TALL, FOOT = 190, 26

PLOT_CSS = Markup("""
.chart{--c3:#009e73;--c4:#cc79a7;--c5:#d55e00}
.chart .s3{fill:var(--c3)}.chart .s4{fill:var(--c4)}.chart .s5{fill:var(--c5)}
.chart .span{stroke-width:2;fill:none;stroke-linecap:round}.chart .thin{stroke-width:1.4}
.chart .k0{stroke:var(--c0)}.chart .k1{stroke:var(--c1)}.chart .k2{stroke:var(--c2)}
.chart .k3{stroke:var(--c3)}.chart .k4{stroke:var(--c4)}.chart .k5{stroke:var(--c5)}
""")


class Scale(NamedTuple):
    """Round ticks, and pixels for values: from `start` at the first tick to `end` at the last."""

    ticks: tuple[float, ...]
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0]) * (self.end - self.start)

    def form(self, value: float, more: int = 0) -> str:
        """A value with as many decimals as the ticks need, and `more`."""
        step = self.ticks[1] - self.ticks[0]
        least = next((d for d in range(9) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 9)
        return f"{value:,.{min(9, least + more)}f}".replace("-", "−")


def draw(plot: Plot, number: int = 0) -> Chart:
    """The plot as a chart; `number` keeps its element's id apart from others on a page."""
    key = f"plot{number}"
    values = list(_values(plot))
    if not values:
        canvas = Canvas()
        canvas.text(EDGE, 18, plot.title, "head")
        canvas.text(EDGE, 42, "nothing to show", "soft")
        return Chart(key, plot.title, "nothing to show", canvas.body(), 60, WIDTH)
    if plot.reference is not None:
        values.append(plot.reference[0])
    if plot.kind == "bars":
        values.append(0.0)
    canvas, top = _head(plot)
    height = _dots(canvas, plot, values, top) if plot.kind == "dots" else _upright(canvas, plot, values, top)
    return Chart(key, plot.title, described(plot), canvas.body(), round(height), WIDTH)


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Three to seven round numbers that enclose the two."""
    if not high - low > 1e-12 * max(1.0, abs(low), abs(high)):
        room = 0.5 * max(abs(low), 1e-3)
        low, high = low - room, high + room
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(i * step, 12) for i in range(first, max(last, first + 1) + 1))


def described(plot: Plot) -> str:
    """The plot in words, value by value: what a screen reader says."""
    parts = []
    for series in plot.series:
        told = ", ".join(
            f"{place} {'none' if value is None else f'{value:.4g}'}"
            for place, value in zip(plot.places, series.values, strict=True)
        )
        parts.append(f"{series.name}: {told}.")
    reference = f" Line at {plot.reference[0]:g}: {plot.reference[1]}." if plot.reference else ""
    return f"{plot.axis or 'value'} by {plot.across or 'place'}. {' '.join(parts)}{reference}"


def bounds(series: Series, i: int) -> tuple[float, float] | None:
    """The interval of a place; None where there is none."""
    low = series.low[i] if i < len(series.low) else None
    high = series.high[i] if i < len(series.high) else None
    return None if low is None or high is None else (low, high)


def _values(plot: Plot) -> Iterable[float]:
    for series in plot.series:
        for each in (series.values, series.low, series.high):
            yield from (value for value in each if value is not None)


def _head(plot: Plot) -> tuple[Canvas, float]:
    """Title, legend, the reference's name; returns where the plot may begin."""
    canvas, y = Canvas(), 18.0
    for line in textwrap.wrap(visible(plot.title), 68)[:3] or [""]:
        canvas.text(EDGE, y, line, "head")
        y += 17
    x = float(EDGE)
    entries = [(i, series.name) for i, series in enumerate(plot.series)] if len(plot.series) > 1 else []
    for i, name in entries:
        shown = cut(name)
        wide = 30 + LETTER * len(shown)
        if x > EDGE and x + wide > WIDTH - EDGE:
            x, y = float(EDGE), y + 16
        canvas.box(x, y - 8, 9, 9, f"s{i % COLOURS}", name)
        canvas.text(x + 13, y, shown, "small soft")
        x += wide
    if plot.reference is not None:
        name = cut(plot.reference[1], 60)
        wide = 30 + LETTER * len(name)
        if x > EDGE and x + wide > WIDTH - EDGE:
            x, y = float(EDGE), y + 16
        canvas.line(x, y - 4, x + 18, y - 4, "ref")
        canvas.text(x + 23, y, name, "small soft")
    elif not entries:
        y -= 16
    return canvas, y + 12


def _dots(canvas: Canvas, plot: Plot, values: Sequence[float], top: float) -> float:
    """A row per place: its dots with their intervals, one below the other; returns the height."""
    labels = [cut(place) for place in plot.places]
    left = EDGE + 8 + LETTER * max(map(len, labels))
    scale = Scale(ticks(min(values), max(values)), left + 8, WIDTH - EDGE - 52)
    step = THICK + ROW * len(plot.series)
    bottom = top + step * len(labels)
    _across(canvas, scale, top, bottom)
    if plot.reference is not None:
        at = scale(plot.reference[0])
        canvas.line(at, top, at, bottom, "ref")
    for i, label in enumerate(labels):
        _label(canvas, left, top + (i + 0.5) * step + 4, label, plot.places[i])
        for j, series in enumerate(plot.series):
            y = top + i * step + THICK / 2 + (j + 0.5) * ROW
            value = series.values[i]
            if value is None:
                canvas.text(scale.start + 2, y + 3, "–", "tiny soft")
                continue
            right = scale(value)
            if (interval := bounds(series, i)) is not None:
                canvas.path([(scale(interval[0]), y), (scale(interval[1]), y)], f"span k{j % COLOURS}")
                right = max(right, scale(interval[1]))
            _dot(canvas, scale(value), y, j, f"{plot.places[i]}, {series.name}: {scale.form(value, 1)}")
            canvas.text(right + 7, y + 3, scale.form(value, 1), "tiny soft")
    canvas.text(WIDTH - EDGE, bottom + 29, plot.axis, "end small soft")
    return bottom + 36


def _upright(canvas: Canvas, plot: Plot, values: Sequence[float], top: float) -> float:
    """Bars or lines over the places; returns the height."""
    marks = ticks(min(values), max(values))
    base = top + TALL
    up = Scale(marks, base, top + 6)
    left = EDGE + 22 + LETTER * max(len(up.form(mark)) for mark in marks)
    right = WIDTH - EDGE
    for mark in marks:
        canvas.line(left, up(mark), right, up(mark), "grid")
        canvas.text(left - 5, up(mark) + 3, up.form(mark), "end tiny soft")
    canvas.text(EDGE, top + TALL / 2, cut(plot.axis, 40), "mid small soft", turned=True)
    step = (right - left) / len(plot.places)
    place = [left + (i + 0.5) * step for i in range(len(plot.places))]
    (_bars if plot.kind == "bars" else _lines)(canvas, plot, up, place, step)
    if plot.reference is not None:
        canvas.line(left, up(plot.reference[0]), right, up(plot.reference[0]), "ref")
    depth = _names_below(canvas, plot.places, place, base, step)
    canvas.text(right, base + depth + 16, plot.across, "end small soft")
    return base + depth + FOOT


def _bars(canvas: Canvas, plot: Plot, up: Scale, place: Sequence[float], step: float) -> None:
    across = len(plot.series)
    thick = min(46.0, step * 0.82 / across)
    canvas.line(place[0] - step / 2, up(0.0), place[-1] + step / 2, up(0.0), "axis")
    for i, middle in enumerate(place):
        for j, series in enumerate(plot.series):
            x = middle + (j - across / 2) * thick
            value = series.values[i]
            if value is None:
                canvas.text(x + thick / 2, up(0.0) - 4, "–", "mid tiny soft")
                continue
            text = up.form(value, 1)
            upper, lower = min(up(value), up(0.0)), max(up(value), up(0.0))
            hint = f"{plot.places[i]}, {series.name}: {text}"
            canvas.box(x + 0.5, upper, thick - 1, lower - upper, f"s{j % COLOURS}", hint)
            ends = [up(value)]
            if (interval := bounds(series, i)) is not None:
                canvas.whisker(x + thick / 2, up(interval[0]), up(interval[1]))
                ends += [up(interval[0]), up(interval[1])]
            if LETTER * len(text) <= thick + 8:
                canvas.text(x + thick / 2, min(ends) - 4 if value >= 0 else max(ends) + 11, text, "mid tiny")


def _lines(canvas: Canvas, plot: Plot, up: Scale, place: Sequence[float], step: float) -> None:
    for j, series in enumerate(plot.series):
        shift = (j - (len(plot.series) - 1) / 2) * min(5.0, step / (2 * len(plot.series)))  # whiskers stay apart
        run: list[tuple[float, float]] = []
        for i, value in enumerate(series.values):
            if value is None:  # a gap is a gap
                if len(run) > 1:
                    canvas.path(run, f"span k{j % COLOURS}")
                run = []
                continue
            run.append((place[i] + shift, up(value)))
        if len(run) > 1:
            canvas.path(run, f"span k{j % COLOURS}")
        for i, value in enumerate(series.values):
            if value is None:
                continue
            x = place[i] + shift
            if (interval := bounds(series, i)) is not None:
                canvas.path([(x, up(interval[0])), (x, up(interval[1]))], f"span thin k{j % COLOURS}")
            _dot(canvas, x, up(value), j, f"{plot.places[i]}, {series.name}: {up.form(value, 1)}")


def _names_below(canvas: Canvas, places: Sequence[str], at: Sequence[float], base: float, step: float) -> float:
    """The places' names: in up to three short lines each, or where that is too narrow only every second, third, ...;
    returns how many pixels they take."""
    room = max(1, int(step / LETTER))
    words = max((len(word) for place in places for word in visible(place).split()), default=1)
    every = 1 if words <= room else math.ceil(min(words, 14) / room)
    room *= every
    deepest = 0
    for i, place in enumerate(places):
        if i % every:
            continue
        lines = textwrap.wrap(visible(place), room) or [""]
        if len(lines) > 3:
            lines = [*lines[:2], cut(" ".join(lines[2:]), room)]
        for n, line in enumerate(lines):
            canvas.text(at[i], base + 14 + 12 * n, line, "mid small")
        deepest = max(deepest, len(lines))
    return 4.0 + 12 * deepest


def _across(canvas: Canvas, scale: Scale, top: float, bottom: float) -> None:
    for tick in scale.ticks:
        canvas.line(scale(tick), top, scale(tick), bottom, "grid")
        canvas.text(scale(tick), bottom + 13, scale.form(tick), "mid tiny soft")


def _label(canvas: Canvas, x: float, y: float, shown: str, whole: str) -> None:
    canvas.marks.append(
        Markup('<text x="{:.1f}" y="{:.1f}" class="end small">{}<title>{}</title></text>').format(
            x, y, shown, visible(whole)
        )
    )


def _dot(canvas: Canvas, x: float, y: float, j: int, hint: str) -> None:
    canvas.marks.append(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" class="s{}"><title>{}</title></circle>').format(
            x, y, j % COLOURS, visible(hint)
        )
    )


def cut(text: str, longest: int = MOST_LABEL) -> str:
    """Foreign text made visible, and no longer than that."""
    text = visible(text)
    return text if len(text) <= longest else text[: max(1, longest - 1)] + "…"
