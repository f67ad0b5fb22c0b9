"""A study's page holds everything itself, shows foreign text as text, and draws every kind of plot."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from recloop.runs import Run
from recloop.simulations.outcome.numbers import Baseline, Row
from recloop.simulations.studies.carry import KIND, keep
from recloop.simulations.studies.page import write_page
from recloop.simulations.studies.plots import draw, ticks
from recloop.simulations.studies.study import Plot, PlotKind, Result, Series

HOSTILE = '<script>alert(1)</script> "&\x1b[31m\u202e ]]>'
KINDS: tuple[PlotKind, ...] = ("bars", "dots", "lines")


def plot(kind: PlotKind = "dots", name: str = "a") -> Plot:
    series = [Series(name, [0.2, None, -0.1], [0.1, None, -0.3], [0.3, None, 0.1]), Series("b", [1.0, 2.0, 0.5])]
    return Plot("key", name, kind, [name, "two", "three"], series, axis=name, across="place", reference=(0.0, name))


def result(name: str = "a") -> Result:
    row = Row("key", name, 0.5, "share", 0.4, 0.6, 12, name, (Baseline(0.1, name), Baseline(None, "none")), name)
    return Result(name, [row], {"t": [{"user": name}]}, [plot(kind, name) for kind in KINDS], [name], {"edges": [1]})


def page(folder: Path, kept: Result | None) -> str:
    config = {"study": "ab", "config": {"rehearsal": {"users": 3}, "seed": 0, "name": HOSTILE}}
    with Run.create(folder / "study", kind=KIND, name=HOSTILE, config=config, seed=0) as run:
        if kept is not None:
            keep(run, kept)
        return write_page(run).read_text(encoding="utf-8")


def test_hostile_text_is_text_everywhere(tmp_path: Path) -> None:
    html = page(tmp_path, result(HOSTILE))
    assert "<script" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert html.count("&lt;script&gt;") > 10


def test_the_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    html = page(tmp_path, result()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:|//)|url\(|@import""", html)
    assert "default-src 'none'" in html


def test_a_study_without_a_result_says_so(tmp_path: Path) -> None:
    html = page(tmp_path, None)
    assert "it has no result yet" in html
    assert "<table" not in html


def test_a_result_comes_back_from_its_plain_values() -> None:
    kept = json.loads(json.dumps(result().json()))
    assert json.loads(json.dumps(Result.of(kept).json())) == kept


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_plot_is_svg_with_all_its_values_inside(kind: PlotKind) -> None:
    chart = draw(plot(kind))
    root = ET.fromstring(str(chart.svg))
    text = " ".join(root.itertext())
    assert all(word in text for word in ("two", "three", "place" if kind != "dots" else "a"))
    assert text.count("none") == 1, "the missing value is told"
    marks = [e for e in root.iter() if e.tag.endswith(("circle", "rect"))]
    assert len([m for m in marks if len(m) and "three" in (m[0].text or "")]) == 2, "a mark per value, with its hint"
    for mark in marks:
        x, y = (float(mark.get(a) or mark.get(f"c{a}") or 0) for a in "xy")
        assert 0 <= x <= chart.width
        assert 0 <= y <= chart.height


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_of_nothing_says_so(kind: PlotKind) -> None:
    assert "nothing to show" in draw(Plot("k", "t", kind, ["a"], [Series("s", [None])])).svg


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [[0.0], [5.0], [1e-7, 2e-7], [-1e6, 1e6], [0.1] * 60])
def test_any_values_can_be_drawn(kind: PlotKind, values: list[float]) -> None:
    places = [f"a place with a rather long name {i}" for i in range(len(values))]
    assert "nan" not in str(draw(Plot("k", "t", kind, places, [Series("s", values)])).svg)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.3, 2.1), (7, 7), (0, 0), (1e-9, 2e-9), (-5, -4)])
def test_ticks_enclose_the_values(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert marks[0] <= low <= high <= marks[-1]
    assert 2 <= len(marks) <= 8
