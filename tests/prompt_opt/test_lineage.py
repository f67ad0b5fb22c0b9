"""The lineage of a search: every candidate's fate and reason, its numbers, and texts that stay texts."""

from __future__ import annotations

import json
import re
import statistics
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breeding import SIZES, bred
from recloop.prompt_opt.candidate import Candidate
from recloop.prompt_opt.journal import CANDIDATE, TASK, candidate_event, scores_event
from recloop.prompt_opt.lineage import lineage_json, lineage_mermaid, write_lineage
from recloop.prompt_opt.search import optimize
from recloop.prompt_opt.task import Result
from recloop.prompt_opt.worddiff import word_diff
from recloop.runs import Event, Run
from small_world import Climber, WordProvider, WordTask, door


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lineage") / "run"
    assert bred(out).status == "finished"
    return out


@pytest.fixture(scope="module")
def told(path: Path) -> dict[str, Any]:
    with Run.open(path) as run:
        return json.loads(json.dumps(lineage_json(run), allow_nan=False))


def by_operator(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["operator"].split(" ")[0]: node for node in told["nodes"]}


def test_every_candidate_has_its_fate_and_why(told: dict[str, Any]) -> None:
    nodes = by_operator(told)
    assert {name: node["fate"] for name, node in nodes.items()} == {
        "seed": "seed",
        "refine": "accepted",
        "paraphrase": "eliminated",
        "merge": "winner",
        "odd": "tried",
        "shorten": "refused",
    }
    assert nodes["merge"]["why"].startswith("the best there is")
    assert nodes["paraphrase"]["why"].startswith("eliminated: behind after 6 cases")
    assert nodes["shorten"]["why"] == "rank: lost its field {{case}}"
    assert nodes["refine"]["why"].startswith("a better mean")
    assert nodes["refine"]["why"].endswith(f"gave way to {nodes['merge']['id']}")


def test_its_numbers_are_those_of_the_scores_in_the_log(path: Path, told: dict[str, Any]) -> None:
    with Run.open(path) as run:
        rows = [(e.agent, row) for e in run.events(kind="scores") for row in e.data["rows"]]
        splits = next(e.data["splits"] for e in run.events(kind="task"))
    values = {(name, row["case"]): row["values"]["mrr"] for name, row in rows}
    nodes = by_operator(told)
    winner, seed = nodes["merge"], nodes["seed"]["id"]
    for split in ("search", "selection", "test"):
        mean = statistics.fmean(values[winner["id"], case] for case in splits[split])
        assert winner["splits"][split]["mean"] == pytest.approx(mean)
        assert winner["splits"][split]["n"] == len(splits[split])
        assert winner["splits"][split]["low"] <= mean <= winner["splits"][split]["high"]
        assert winner["scores"][split] == {case: values[winner["id"], case] for case in splits[split]}
    both = [*splits["search"], *splits["selection"]]
    lead = statistics.fmean(values[winner["id"], case] - values[seed, case] for case in both)
    assert winner["lead_over_seed"]["mean"] == pytest.approx(lead)
    assert winner["lead_over_seed"]["n"] == SIZES.search + SIZES.selection
    # Its parent was never asked about the selection split: those cases are no pairs, and not missing ones either.
    assert (winner["lead_over_parent"]["n"], winner["lead_over_parent"]["missing"]) == (SIZES.search, 0)
    assert winner["tokens_per_case"] == pytest.approx(
        statistics.fmean(row["tokens"] for name, row in rows if name == winner["id"])
    )
    assert winner["cost"]["scoring"]["calls"] == SIZES.search + SIZES.selection + SIZES.test
    assert nodes["refine"]["cost"]["proposal"]["calls"] == 0.5


def test_edges_say_who_made_what_of_which_cases(told: dict[str, Any]) -> None:
    nodes = by_operator(told)
    edges = {(edge["from"], edge["to"]): edge for edge in told["edges"]}
    merged = nodes["merge"]["id"]
    assert {a for a, b in edges if b == merged} == {nodes["refine"]["id"], nodes["paraphrase"]["id"]}
    edge = edges[nodes["seed"]["id"], nodes["refine"]["id"]]
    assert edge["operator"] == "refine"
    assert edge["model"].startswith("writer")
    assert edge["shown"] == told["splits"]["search"][:3]
    assert len(edges) == 6


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(path: Path) -> tuple[str, Page]:
    with Run.open(path) as run:
        html = write_lineage(run).read_text(encoding="utf-8")
    return html, Page(html)


def test_hostile_texts_are_shown_and_never_obeyed(path: Path) -> None:
    html, page = page_of(path)
    assert html.startswith("<!doctype html>")
    assert not page.tags & {"script", "img", "iframe", "link", "object", "embed", "form", "base"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") > 20
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", html), "no terminal escape, no control character"
    assert "␛[31mred" in page.text


def test_the_page_asks_nothing_of_the_network(path: Path) -> None:
    html, page = page_of(path)
    assert "default-src 'none'" in html
    assert {value[:1] for name, value in page.attributes if name in ("href", "src", "xlink:href", "action")} == {"#"}
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_has_verdict_first_and_every_candidate_with_its_diff(path: Path, told: dict[str, Any]) -> None:
    html, page = page_of(path)
    assert page.text.index("better than the seed on the sealed test split") < page.text.index("Candidates")
    targets = {value for name, value in page.attributes if name == "id"}
    assert {f"c-{node['id']}" for node in told["nodes"]} <= targets
    links = {value[1:] for name, value in page.attributes if name == "href"}
    assert links <= targets, "every link leads somewhere"
    assert "<ins>mind the intent, the recent, the genre. </ins>" in html
    assert "adds nothing over oracle" in page.text
    assert "Cases that its maker saw" in page.text
    for word in ("winner", "accepted", "eliminated", "tried", "refused"):
        assert word in page.text


@pytest.mark.parametrize("calls", [5, 45, 90], ids=str)
def test_a_stopped_search_has_a_page_and_a_lineage(tmp_path: Path, calls: int) -> None:
    assert bred(tmp_path / "run", WordProvider(fails=lambda n: n > calls)).status == "paused"
    _, page = page_of(tmp_path / "run")
    assert "no verdict yet" in page.text
    assert "This search is paused" in page.text
    with Run.open(tmp_path / "run") as run:
        found = lineage_json(run)
    fates = [node["fate"] for node in found["nodes"]]
    wanted = "winner" if calls == 90 else "best so far"  # chosen, and its test was cut off
    assert fates.count(wanted) == 1


def test_a_search_killed_before_its_first_prompt_has_a_page(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", kind="optimize", name="early", config={}, seed=0) as run:
        assert lineage_json(run)["nodes"] == []
        assert lineage_mermaid(run).startswith("flowchart TD\n")
    _, page = page_of(tmp_path / "run")
    assert "nothing was recorded" in page.text


NODE = re.compile(r'  n\d+\["([^"\[\]{}<>`&|\x00-\x1f]|<br/>)*"\]:::\w+')
EDGE = re.compile(r'  n\d+ -->\|"[^"\[\]{}<>`&|\x00-\x1f]*"\| n\d+')
CLASS = re.compile(r"  classDef \w+ (fill|stroke|color)[\w:#, -]*")


def test_mermaid_holds_nothing_that_its_grammar_would_read(path: Path) -> None:
    with Run.open(path) as run:
        first, *lines = lineage_mermaid(run).rstrip("\n").split("\n")
    assert first == "flowchart TD"
    kinds = [next(kind.pattern for kind in (NODE, EDGE, CLASS) if kind.fullmatch(line)) for line in lines]
    assert (kinds.count(NODE.pattern), kinds.count(EDGE.pattern)) == (6, 6)


def test_a_long_line_of_prompts_is_drawn_whole(tmp_path: Path) -> None:
    cases = [f"c{i}" for i in range(12)]
    with Run.create(tmp_path / "run", kind="optimize", name="deep", config={}, seed=0) as run:
        splits = {"search": cases, "selection": [], "test": []}
        events = [Event(TASK, data={"name": "deep", "metric": "mrr", "components": {}, "splits": splits})]
        before: tuple[str, ...] = ()
        for i in range(1050):
            candidate = Candidate({"rank": f"prompt {i} {{{{case}}}}"}, "refine" if i else "seed", before)
            before = (candidate.id,)
            results = [Result(case, "ok", {"mrr": (i % 7) / 7}) for case in cases[: 8 if i % 100 == 0 else 0]]
            events += [candidate_event(candidate, i), scores_event(candidate.id, "search", results, i)]
        run.commit(0, events)
        assert sum(event.kind == CANDIDATE for event in run.events()) == 1050
    html, _ = page_of(tmp_path / "run")
    assert html.count('<details class="card"') == 1050
    with Run.open(tmp_path / "run") as run:
        assert lineage_mermaid(run).count("-->") == 1049


def test_a_diff_spells_both_texts_and_joins_changed_phrases() -> None:
    rng = np.random.default_rng(0)
    words = ["rank", "the", "films", "{{case}}", "\n", ".", "a", " "]
    for _ in range(200):
        old, new = (" ".join(rng.choice(words, size=rng.integers(0, 14))) for _ in range(2))
        pieces = word_diff(old, new)
        assert "".join(piece.text for piece in pieces if piece.what != "new") == old
        assert "".join(piece.text for piece in pieces if piece.what != "gone") == new
    joined = word_diff("Order the films by taste now", "Order some old books by taste now")
    assert [tuple(piece) for piece in joined] == [
        ("same", "Order "),
        ("gone", "the films"),
        ("new", "some old books"),
        ("same", " by taste now"),
    ]


EDITED = {"rank": "Order by intent, by genre. {{case}}"}


@pytest.mark.parametrize(
    ("word", "fates"),
    [
        (False, [("best so far", ""), ("refused", "refused by a person (a better mean)")]),
        (EDITED, [("best so far", ""), ("tried", "a person edited it at its approval"), ("accepted", "a better mean")]),
    ],
    ids=["no", "edited"],
)
async def test_a_persons_word_is_part_of_the_lineage(tmp_path: Path, word: Any, fates: list[tuple[str, str]]) -> None:
    said = [word]

    async def person(wanted: Any) -> Any:
        return said.pop() if said else None

    # The second round is cut off: a lost endpoint, so that what the person said stands alone.
    model = door(WordProvider(fails=lambda n: n > 2 * SIZES.search + 1))
    climbed = {"model": model, "sizes": SIZES, "approve": True, "approver": person}
    await optimize(WordTask(90), Climber(), out=tmp_path / "run", **climbed)
    with Run.open(tmp_path / "run") as run:
        nodes = lineage_json(run)["nodes"]
    assert [node["fate"] for node in nodes] == [fate for fate, _ in fates]
    assert all(why in node["why"] for node, (_, why) in zip(nodes, fates, strict=True))
    if word:
        assert (nodes[-1]["operator"], nodes[-1]["maker"]) == ("edited by hand", "person")
