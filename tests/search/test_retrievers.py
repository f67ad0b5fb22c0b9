"""Every other way to search keeps the contract: dense, fused, reranked, controls, and the user's own in Python or behind HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recloop.data import Documents
from recloop.evaluators import Ranking
from recloop.methods.search import Retriever, SearchError, UnknownRetriever, open_retriever
from recloop.methods.search.dense import Dense
from recloop.methods.search.fusion import Fusion
from recloop.methods.search.rerank import Rerank, RerankConfig


def letters(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A vector per text: how often it has each letter, of length 1."""
    counts = np.array([[text.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts], np.float32)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def longest_first(query: str, texts: list[str]) -> list[float]:
    return [float(len(text)) for text in texts]


MAKERS: dict[str, Callable[[], Retriever]] = {
    "bm25": lambda: open_retriever("bm25"),
    "dense": lambda: Dense(embed=letters),
    "fused": lambda: Fusion([open_retriever("bm25"), Dense(embed=letters)]),
    "reranked": lambda: Rerank(open_retriever("bm25"), longest_first, "longest", RerankConfig(depth=1)),
    "random": lambda: open_retriever("random"),
    "constant": lambda: open_retriever("constant"),
    "own": lambda: open_retriever(lambda query, k: ["d3", "d1"][:k]),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_the_contract_is_kept(maker: Callable[[], Retriever], few: Documents) -> None:
    engine = maker()
    with pytest.raises(SearchError, match="fit"):
        engine.search(["lamp"])
    assert engine.fit(few) is engine
    assert isinstance(engine, Retriever)
    assert engine.name
    assert engine.policy_id == maker().policy_id
    queries = ["blue lamp", "", "a" * 10_000]
    for k in (0, 1, 3):
        found = engine.search(queries, k)
        assert len(found) == 3
        assert all(len(r) <= k and set(r.items) <= set(few.ids) and len(set(r.items)) == len(r) for r in found)
        assert all(np.isfinite(r.scores).all() and (np.diff(r.scores) <= 0).all() for r in found)
        assert len(found[1]) == 0, "an empty query finds nothing"
    assert engine.search(queries, 3) == engine.search(queries, 3)
    ranked = engine.rank(queries, [["d4", "d2", "d1"], ["d5", "d3"], []])
    assert [sorted(r.items) for r in ranked] == [["d1", "d2", "d4"], ["d3", "d5"], []]
    assert all((np.diff(r.scores) <= 0).all() for r in ranked)
    with pytest.raises(KeyError):
        engine.rank(["lamp"], [["d99"]])


def test_dense_search_is_cosine(few: Documents) -> None:
    engine = Dense(embed=letters).fit(few)
    (found,) = engine.search(["blue rug"], 5)
    texts = [few.full(place) for place in range(len(few))]
    expected = letters(texts) @ letters(["blue rug"])[0]
    assert found.items[0] == "d3"
    assert found.scores.tolist() == pytest.approx(sorted(expected.tolist(), reverse=True))


def test_fusion_adds_reciprocal_ranks(few: Documents) -> None:
    one, two = open_retriever(lambda query, k: ["d1", "d2"]), open_retriever(lambda query, k: ["d2", "d3"])
    (found,) = Fusion([one, two]).fit(few).search(["x"], 3)
    assert found.items == ("d2", "d1", "d3")
    assert found.scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


def test_reranking_scores_the_best_and_leaves_the_rest_behind(few: Documents) -> None:
    first = open_retriever(lambda query, k: ["d2", "d1", "d3"][:k])
    engine = Rerank(first, longest_first, "longest", RerankConfig(depth=2)).fit(few)
    assert engine.search(["x"], 3)[0].items == ("d1", "d2", "d3")
    assert engine.rank(["x"], [["d2", "d3", "d1"]])[0].items == ("d1", "d3", "d2")


@pytest.mark.parametrize("bad", [lambda q, t: [1.0], lambda q, t: [float("nan")] * len(t), lambda q, t: 1 / 0])
def test_a_scorer_that_fails_is_named(bad: Any, few: Documents) -> None:
    engine = Rerank(open_retriever("bm25"), bad, "mine:score").fit(few)
    with pytest.raises(SearchError, match="mine:score@bm25"):
        engine.search(["blue lamp"])


def test_the_random_control_depends_on_the_wording_and_the_constant_one_on_nothing(few: Documents) -> None:
    random, constant = open_retriever("random").fit(few), open_retriever("constant").fit(few)
    assert len({random.search([f"query {i}"])[0].items for i in range(20)}) > 10
    assert {r.items for r in constant.search(["a", "b"])} == {few.ids}
    assert not constant.search(["a"])[0].scores.any()


def test_an_own_engines_answers_are_checked_and_counted(few: Documents) -> None:
    answers: list[Any] = [
        ["d2", "d9", "d2", "d1"],
        [("d2", 3.0), ("d1", 2.0)],
        {"documents": ["d1", "d2"], "scores": [5, 1]},
        {"d1": 1.0, "d2": 2.0},
        [("d2", 1.0), ("d1", 2.0)],
    ]
    engine: Any = open_retriever(lambda query, k: answers[int(query)]).fit(few)
    found = engine.search([str(i) for i in range(5)], 10)
    assert [r.items for r in found] == [("d2", "d1"), ("d2", "d1"), ("d1", "d2"), ("d2", "d1"), ("d2", "d1")]
    assert [r.scores.tolist() for r in found] == [[1, 0.5], [3, 2], [5, 1], [2, 1], [1, 0.5]]
    assert dict(engine.problems) == {"unknown_item": 1, "duplicate": 1, "bad_score": 1}
    pool = engine.rank(["1"], [["d5", "d1", "d3"]])[0]
    assert (pool.items, pool.scores.tolist()) == (("d1", "d3", "d5"), [2, 1, 1])


def test_names_modules_and_combinations_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: Documents
) -> None:
    (tmp_path / "my_engine.py").write_text(
        "def search(query, k):\n    return ['d3', 'd1'][:k]\n"
        "def score(query, texts):\n    return [len(t) for t in texts]\n"
        "def broken(query, k):\n    raise RuntimeError('no index')\n"
        "NOTHING = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert open_retriever("bm25+dense").name == "bm25+dense"
    assert open_retriever("my_engine.py:search").fit(few).search(["x"], 1)[0].items == ("d3",)
    reranked = open_retriever(f"{tmp_path}/my_engine.py:score@bm25").fit(few)
    assert reranked.name == "my_engine.py:score@bm25"
    assert reranked.search(["blue lamp"], 9)[0].items[0] == "d1"
    with pytest.raises(SearchError, match="no index"):
        open_retriever("my_engine.py:broken").fit(few).search(["x"])
    for spec, message in {
        "bm52": "did you mean bm25",
        "my_engine.py:NOTHING": "is no retriever",
        "my_engine.py:gone": "has no 'gone'",
        "bm25+nope": "no retriever 'nope'",
        "http://u:p@h/x": "without user, password",
        "http://": "http://host:port/path",
    }.items():
        with pytest.raises(SearchError, match=message) as caught:
            open_retriever(spec)
        assert "p@h" not in str(caught.value)
    with pytest.raises(UnknownRetriever):
        open_retriever("bm52")


class Service(BaseHTTPRequestHandler):
    asked: list[dict[str, Any]]
    failures = 0

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append(question)
        status, body = 200, json.dumps({"documents": question.get("documents", ["d1", "d2"])[: question["k"]]})
        if question["query"] == "busy" and type(self).failures < 2:
            type(self).failures += 1
            status, body = 503, "later"
        if question["query"] == "no":
            status, body = 400, "bad"
        if question["query"] == "html":
            body = "<html>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Service.asked, Service.failures = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/search"
    server.shutdown()
    server.server_close()


def test_a_service_is_asked_query_by_query_and_again_when_it_is_busy(service: str, few: Documents) -> None:
    engine = open_retriever(service, {"backoff": 0.01}).fit(few)
    assert [r.items for r in engine.search(["x", "", "busy"], 2)] == [("d1", "d2"), (), ("d1", "d2")]
    assert Service.failures == 2
    assert engine.rank(["x"], [["d4", "d2"]])[0].items == ("d4", "d2")
    assert Service.asked[-1] == {"query": "x", "k": 5, "documents": ["d4", "d2"]}


@pytest.mark.parametrize(("query", "told"), [("no", "status 400"), ("html", "no JSON")])
def test_a_service_that_refuses_is_one_clear_error(service: str, few: Documents, query: str, told: str) -> None:
    with pytest.raises(SearchError, match=told):
        open_retriever(service, {"backoff": 0.01}).fit(few).search(["x", query, "y"])


def test_rankings_of_a_pool_are_whole_whoever_ranks(few: Documents) -> None:
    (found,) = open_retriever(lambda query, k: []).fit(few).rank(["x"], [["d3", "d1"]])
    assert found == Ranking(("d1", "d3"), np.zeros(2, np.float32))


@pytest.mark.local
def test_vectors_find_what_shares_no_word() -> None:
    from recloop.llm.local.store import MODELS

    shop = Documents(("d1", "d2", "d3"), ("Men's running shoes", "Kitchen kettle", "Sofa"), ("", "", ""))
    for name, model in {"dense": "wordllama", "minilm": "minilm"}.items():
        if not MODELS[model].present:
            pytest.skip(f"{model} is not on this machine: recloop models get {model}")
        assert open_retriever(name).fit(shop).search(["jogging sneakers for him"], 1)[0].items == ("d1",)
