"""The page and the picture: self-contained, honest about missing things, harmless with hostile titles."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recloop.runs import Run
from recloop.simulations.outcome.report import write_picture, write_report
from recloop.simulations.outcome.summary import summarise
from report_fixture import CASES, write_run

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether its tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run") / "r", users=10, failing=0.1)


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    path = write_report(run)
    assert path == run.path / "report.html"
    return path.read_text(encoding="utf-8")


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "action", "background")
        if name == "href":
            assert value.startswith("#")
    assert set(re.findall(r"https?://[^\"'<> )]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert "url(" not in html
    assert "@import" not in html
    policy = [value for tag, name, value in page.attributes if tag == "meta" and name == "content"]
    assert any("default-src 'none'" in value for value in policy)


def test_hostile_titles_appear_as_text(html: str) -> None:
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ␛[31mred" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_page_says_what_was_asked_and_every_number_with_its_baseline(run: Run, html: str) -> None:
    text = Page(html).text
    for word in (
        "plumbing-grade model: results show the machinery, not people",
        run.digest(),
        "Films & Co",
        "MIT",
        "seed 7",
        "ease-1",
    ):
        assert word in text, word
    assert run.manifest.versions["numpy"] in text
    for row in summarise(run).rows:
        assert row.label in text
        assert row.value_text in text
        for words in row.baseline_texts:
            assert words in text, words


def test_users_are_shown_page_by_page_with_the_calls_behind(run: Run, html: str) -> None:
    text = Page(html).text
    shown = re.findall(r"User (u\d+)", text)
    assert 1 <= len(shown) <= 3
    for name in shown:
        for event in run.events(kind="page", agent=name):
            for key in {act["call"] for act in event.data["actions"]}:
                assert key in text
                assert run.calls.get(key) is not None
    assert "You often choose Drama." in text
    assert "in held-out rows" in text


def test_the_tables_are_documented_on_the_page(html: str) -> None:
    text = Page(html).text
    for word in ("exposures", "shown_at", "position in which the user saw it, from 0", "calls"):
        assert word in text


@pytest.mark.parametrize("case", CASES)
def test_whatever_is_missing_there_is_a_page_and_a_picture(tmp_path: Path, case: str) -> None:
    options = {"users": 5, "pages": 2, **CASES[case]}
    with write_run(tmp_path / "r", **options) as run:
        html = write_report(run).read_text(encoding="utf-8")
        picture = write_picture(run).read_text(encoding="utf-8")
    text = Page(html).text
    assert not re.search(r"\b(nan|inf|None|undefined)\b", text.split("All settings")[0]), case
    ET.fromstring(picture)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_no_signal_is_stated_plainly_and_a_signal_is_not_denied(tmp_path: Path) -> None:
    with write_run(tmp_path / "none", users=4) as run:
        assert "No signal found: no slope was believed" in write_report(run).read_text(encoding="utf-8")
    with write_run(tmp_path / "some", users=4, signal=True) as run:
        html = write_report(run).read_text(encoding="utf-8")
    assert "No signal found" not in html
    assert "0.710 [0.620, 0.800]" in html


def test_a_slope_that_was_applied_beside_an_auc_of_chance_is_called_weak(tmp_path: Path) -> None:
    with write_run(tmp_path / "weak", users=4, signal=True, auc=(0.55, 0.47, 0.63)) as run:
        text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert (
        "Weak: a slope was found and applied, but the AUC of these few held-in items cannot be told from chance" in text
    )
    assert "No signal found" not in text
    with write_run(tmp_path / "unused", users=4, auc=(0.55, 0.51, 0.63)) as run:
        text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "No signal found: though the AUC is above chance, no slope was believed" in text
    assert ", applied." not in text


@pytest.mark.parametrize(
    ("reads", "words", "other"),
    [
        ("auto", "likelihood of the title", "margin of yes over no"),
        ("yesno", "margin of yes over no", "likelihood of the title"),
    ],
)
def test_the_margins_axis_names_what_was_read(tmp_path: Path, reads: Any, words: str, other: str) -> None:
    with write_run(tmp_path / "r", users=4, reads=reads) as run:
        text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert words in text
    assert other not in text
    assert ("Taken at its word" in text) == (reads == "yesno")


def test_an_unfinished_or_degenerate_run_says_so_on_top(tmp_path: Path) -> None:
    with write_run(tmp_path / "paused", status="paused") as run:
        assert "This run is paused" in write_report(run).read_text(encoding="utf-8")
    with write_run(tmp_path / "flat", watch=0.0) as run:
        assert "nothing that was shown was watched" in write_report(run).read_text(encoding="utf-8")


def test_scripted_users_are_not_said_to_be_a_model(tmp_path: Path) -> None:
    with write_run(tmp_path / "r", model="scripted") as run:
        text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "scripted users, no model" in text
    assert "plumbing-grade" not in text
    assert "decided by code, no model call" in text


def test_the_picture_holds_the_four_main_charts(run: Run) -> None:
    svg = write_picture(run).read_text(encoding="utf-8")
    root = ET.fromstring(svg)
    text = " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))
    for word in (
        "Ratings: simulated and real",
        "Watch rate by place on the page",
        "Last page seen",
        "Satisfaction after each page",
    ):
        assert word in text
    assert "pooled: " in text
    assert f"mean over users: {summarise(run)['watch_rate'].value_text}" in text
    assert "plumbing-grade" in text
    assert "<script" not in svg


def test_the_same_run_gives_the_same_page_and_a_reader_may_write_it(run: Run, html: str) -> None:
    with Run.open(run.path) as reader:
        assert write_report(reader).read_text(encoding="utf-8") == html
    assert not list(run.path.glob(".*.tmp"))
