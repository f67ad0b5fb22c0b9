"""Charts: legal SVG, accessible, hostile text harmless, nothing drawn outside or as NaN."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.runs.visible import visible
from recloop.simulations.outcome.charts import Chart, Series, bars, empty, line, picture, rows

HOSTILE = "<script>alert(1)</script> \x1b[2J \u202e \x00 \ud800 & \"'"
values = st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False))
words = st.text(max_size=30)


def parsed(chart: Chart) -> ET.Element:
    root = ET.fromstring(str(chart.svg))
    assert "nan" not in str(chart.svg).lower().replace("nan-", "")
    return root


def texts(root: ET.Element) -> str:
    return " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, values, values), min_size=1, max_size=15), words)
def test_any_labels_and_values_make_a_legal_chart_that_says_its_values(
    cells: list[tuple[str, float | None, float | None]], title: str
) -> None:
    labels = [label for label, *_ in cells]
    series = [Series("a", [a for _, a, _ in cells]), Series("b", [b for *_, b in cells])]
    for chart in (
        bars("k", title, labels, series, x="x", y="y", note="n = 3"),
        bars("k", title, labels, series, x="x", y="y", stacked=True),
        rows("k", title, labels, series, x="x"),
        line("k", title, labels, series[0], x="x", y="y", span=(0, 1e6)),
    ):
        root = ET.fromstring(str(chart.svg))
        assert root.attrib["role"] == "img"
        kinds = [child.tag.split("}")[1] for child in root]
        assert kinds[:2] == ["title", "desc"]
        for box in root.iter("{http://www.w3.org/2000/svg}rect"):
            assert float(box.attrib["width"]) >= 0
            assert float(box.attrib["height"]) >= 0
            assert -0.1 <= float(box.attrib["y"]) <= chart.height


def test_bars_are_as_tall_as_their_values() -> None:
    root = parsed(bars("k", "t", ["a", "b"], [Series("s", [0.2, 0.4])], x="x", y="y"))
    heights = [float(b.attrib["height"]) for b in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)


def test_axes_values_and_cases_are_written_out() -> None:
    chart = bars(
        "k",
        "Ratings",
        ["1", "2"],
        [Series("s", [0.25, 0.75], [0.2, 0.7], [0.3, 0.8])],
        x="rating",
        y="% of ratings",
        note="n = 8",
    )
    text = texts(parsed(chart))
    for word in ("Ratings", "rating", "% of ratings", "25", "75", "n = 8"):
        assert word in text
    assert "1 25" in chart.description
    assert "2 75" in chart.description
    assert 'class="err"' in chart.svg


def test_hostile_text_is_text() -> None:
    charts = [
        bars("k", HOSTILE, [HOSTILE], [Series(HOSTILE, [0.5]), Series("b", [0.1])], x=HOSTILE, y=HOSTILE, note=HOSTILE),
        rows("k", HOSTILE, [HOSTILE], [Series(HOSTILE, [0.5])], x=HOSTILE),
        line(
            "k", HOSTILE, [HOSTILE], Series(HOSTILE, [5.0]), x=HOSTILE, y=HOSTILE, span=(1, 10), reference=(2, HOSTILE)
        ),
        empty("k", HOSTILE, HOSTILE),
    ]
    whole = [str(c.svg) for c in charts] + [str(picture(HOSTILE, HOSTILE, HOSTILE, charts))]
    for svg in whole:
        root = ET.fromstring(svg)
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
        assert "<script" not in svg
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800]", svg)
        svg.encode("utf-8")


def test_nothing_to_show_says_why_and_draws_no_bar() -> None:
    for chart in (
        bars("k", "t", [], [], x="x", y="y", why_empty="nobody came"),
        bars("k", "t", ["a"], [Series("s", [None])], x="x", y="y", why_empty="nobody came"),
        rows("k", "t", ["a"], [Series("s", [None])], x="x", why_empty="nobody came"),
        line("k", "t", ["a"], Series("s", [None]), x="x", y="y", span=(1, 10), why_empty="nobody came"),
    ):
        root = parsed(chart)
        assert "nobody came" in texts(root)
        assert not list(root.iter("{http://www.w3.org/2000/svg}rect"))


def test_a_missing_value_is_a_dash_and_not_a_bar_of_nothing() -> None:
    root = parsed(bars("k", "t", ["a", "b"], [Series("s", [None, 0.5])], x="x", y="y"))
    assert "–" in texts(root)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 1


def test_a_picture_stands_alone_and_asks_for_nothing() -> None:
    svg = str(picture("h", "s", "", [bars("k", "t", ["a"], [Series("s", [0.5])], x="x", y="y")] * 4))
    ET.fromstring(svg)
    links = set(re.findall(r"https?://[^\"' )]+", svg))
    assert links == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme:dark" in svg


def test_visible_text_keeps_words_and_shows_controls() -> None:
    assert visible("plain") == "plain"
    assert visible("a\x1b[0m\nb") == "a␛[0m␊b"
    assert visible("x\u202ey") == "x⟨U+202E⟩y"
    assert visible("\ud800") == "⟨U+D800⟩"
    assert visible("Amélie 千と千尋 👩\u200d💻") == "Amélie 千と千尋 👩\u200d💻"


@given(st.text())
def test_visible_text_is_legal_anywhere(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)
