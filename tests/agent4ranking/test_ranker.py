"""A small shop end to end, with an encoder of its own: folds, artefact, refusals, use, and the control that says nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="the torch extra is not installed")

from recloop.data import Documents, SearchSet  # noqa: E402
from recloop.methods.agent4ranking.arms import ARMS, choose, fit, folds_of, key_of  # noqa: E402
from recloop.methods.agent4ranking.artefact import Training, read_manifest  # noqa: E402
from recloop.methods.agent4ranking.config import RankConfig  # noqa: E402
from recloop.methods.agent4ranking.encode import Encoder  # noqa: E402
from recloop.methods.agent4ranking.errors import RankError  # noqa: E402
from recloop.methods.agent4ranking.evaluate import evaluate  # noqa: E402
from recloop.methods.agent4ranking.rank import Ranker  # noqa: E402
from recloop.methods.agent4ranking.views import Views, views_of  # noqa: E402

THINGS = ("lamp", "rug", "sofa", "kettle", "clock", "shelf", "chair", "bowl", "stool", "bench", "mirror", "basket")
COLOURS = ("red", "blue", "green", "black")
CONFIG = RankConfig(folds=3, epochs=2, alphas=(0.0, 1.0), bottleneck=2, rate=0.01)


def embed(texts: Sequence[str]) -> Any:
    """Hashed words, 16 wide, of length 1."""
    rows = np.zeros((len(texts), 16), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            row[hashlib.sha256(word.encode()).digest()[0] % 16] += 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def shop() -> SearchSet:
    titles = tuple(f"{colour} {thing}" for thing in THINGS for colour in COLOURS)
    documents = Documents(tuple(f"d{i}" for i in range(len(titles))), titles, ("",) * len(titles))
    queries = {f"q{i}": f"{COLOURS[i % 4]} {thing}" for i, thing in enumerate(THINGS)}
    judged = {}
    for i, query in enumerate(queries):
        near = {f"d{4 * i + c}": 2.0 if c == i % 4 else 1.0 for c in range(4)}
        judged[query] = near | {f"d{(4 * i + 4 + c) % 48}": 0.0 for c in range(6)}
    return SearchSet("shop", "", queries, documents, judged, whole=False, hash="of-the-shop")


def rewrite(query: str, text: str, form: str) -> str | None:
    return {"polite": f"please a {text}", "back": " ".join(reversed(text.split())), "asked": f"where is a {text}"}[form]


@pytest.fixture(scope="module")
def data() -> SearchSet:
    return shop()


@pytest.fixture(scope="module")
def views(data: SearchSet) -> Views:
    return views_of(data.queries, ("polite", "back"), ("asked",), rewrite)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(embed, "hashed-16", 16, tmp_path_factory.mktemp("vectors"))


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory, data: SearchSet, views: Views, encoder: Encoder) -> Path:
    folder = tmp_path_factory.mktemp("made") / "ranker"
    fit(data, views, folder, CONFIG, encoder)
    return folder


def test_every_query_is_tested_once_by_rankers_that_never_saw_it(ranker: Path, data: SearchSet) -> None:
    folds = read_manifest(ranker).folds
    assert sorted(query for fold in folds for query in fold.test) == sorted(data.queries)
    for fold in folds:
        assert not {*fold.test} & {*fold.train, *fold.valid}
        assert not {*fold.valid} & {*fold.train}


def test_queries_that_differ_in_case_only_fall_into_one_part() -> None:
    made = shop()
    twins = {f"{query}-again": text.upper() for query, text in made.queries.items()}
    judged = {**made.judgements, **{f"{query}-again": made.judgements[query] for query in made.queries}}
    both = SearchSet("shop", "", {**made.queries, **twins}, made.documents, judged, whole=False)
    for fold in folds_of(both, CONFIG):
        assert {query.removesuffix("-again") for query in fold.test} == {q for q in fold.test if "-again" not in q}


def test_all_arms_are_trained_on_all_folds(ranker: Path) -> None:
    manifest = read_manifest(ranker)
    assert {key_of(fold, arm, 0) for fold in range(3) for arm in ("plain", "same-data", "full")} <= {
        *manifest.trainings
    }
    assert {row.kind for name, row in manifest.trainings.items() if "full" in name} == {"experts"}
    assert {row.views for name, row in manifest.trainings.items() if "plain" in name} == {1}


def test_a_second_fit_into_the_same_folder_trains_nothing_anew(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder
) -> None:
    before = {file: file.stat().st_mtime_ns for file in ranker.rglob("*") if file.is_file()}
    fit(data, views, ranker, CONFIG, encoder)
    assert before == {file: file.stat().st_mtime_ns for file in ranker.rglob("*") if file.is_file()}


def test_a_fit_goes_on_where_it_was_killed_to_the_same_heads(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recloop.methods.agent4ranking import arms

    real, made = arms.save_head, []

    def killed(folder: Path, name: str, head: Any) -> tuple[str, str]:
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(name)
        return real(folder, name, head)

    with monkeypatch.context() as patched:
        patched.setattr(arms, "save_head", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(data, views, tmp_path / "r", CONFIG, encoder)
    with pytest.raises(RankError, match="interrupted"):
        Ranker.open(tmp_path / "r", encoder)
    fit(data, views, tmp_path / "r", CONFIG, encoder)
    assert read_manifest(tmp_path / "r") == read_manifest(ranker)


@pytest.mark.parametrize("change", ["config", "views", "data"])
def test_a_folder_of_another_fit_is_refused(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder, change: str
) -> None:
    config = CONFIG.model_copy(update={"seed": 5}) if change == "config" else CONFIG
    if change == "views":
        views = views_of(data.queries, ("polite", "asked"), ("back",), rewrite)
    if change == "data":
        data = SearchSet("shop", "", data.queries, data.documents, data.judgements, whole=False, hash="another")
    with pytest.raises(RankError, match="another ranker"):
        fit(data, views, ranker, config, encoder)


def test_a_changed_head_another_encoder_and_another_format_are_refused(
    ranker: Path, encoder: Encoder, tmp_path: Path
) -> None:
    import shutil

    with pytest.raises(RankError, match="trained with the encoder hashed-16"):
        Ranker.open(ranker, Encoder(embed, "other", 16, tmp_path / "v"))
    copy = shutil.copytree(ranker, tmp_path / "copy")
    for file in (copy / "heads").iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RankError, match="not the file that was written"):
        Ranker.open(copy, encoder)
    plain = json.loads((copy / "ranker.json").read_text())
    (copy / "ranker.json").write_text(json.dumps({**plain, "format": 9}))
    with pytest.raises(RankError, match="format 9"):
        read_manifest(copy)
    (copy / "ranker.json").write_text("[")
    with pytest.raises(RankError, match="cannot be read"):
        read_manifest(copy)


def test_the_ranker_orders_documents_and_says_how_steadily(ranker: Path, encoder: Encoder) -> None:
    opened = Ranker.open(ranker, encoder)
    scored = opened.score("red lamp", [("a", "blue bowl"), ("b", "red lamp"), ("c", "green lamp")])
    assert scored[0].id == "b"
    assert [each.score for each in scored] == sorted((each.score for each in scored), reverse=True)
    assert all(each.p.sum() == pytest.approx(1, abs=1e-5) and len(each.p) == 3 for each in scored)
    assert opened.score("red lamp", []) == []
    documents = [(str(i), f"{colour} {thing}") for i, (colour, thing) in enumerate(zip(COLOURS, THINGS, strict=False))]
    same = opened.stability("red lamp", documents, ["lamp red"])
    assert same == (1.0, 1.0), "order of words is nothing to hashed words, pieces and shares"
    assert opened.stability("red lamp", documents, ["kettle black"]).kendall_tau_min < 1
    with pytest.raises(RankError, match="learnt: raw, polite, back"):
        opened.score("red lamp", documents, persona="duke")


def test_arms_are_measured_on_held_out_forms_beside_rankers_without_training(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder
) -> None:
    found = evaluate(ranker, data, views, encoder)
    assert {*ARMS, "averaged", "bm25", "cosine", "random", "constant"} == {*found.held_out}
    assert found.held_out["full"].forms == ("raw", "asked")
    assert found.learnt["full"].forms == ("raw", "polite", "back")
    assert set(found.held_out["full"].queries) == {*data.queries}
    assert np.nanmean(found.held_out["random"].values("variance")) > 0
    assert not found.held_out["constant"].tells_apart
    assert found.held_out["constant"].spread_ratio(found.held_out["same-data"]) == 0, "steady, and the guard sees why"
    assert found.held_out["full"].values("raw").mean() > found.held_out["random"].values("raw").mean()
    assert len(found.checks()) == 5
    assert json.dumps(found.json())


def test_other_data_other_texts_and_nothing_held_out_are_refused(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder
) -> None:
    other = SearchSet("shop", "", data.queries, data.documents, data.judgements, whole=False, hash="another")
    with pytest.raises(RankError, match="other data"):
        evaluate(ranker, other, views, encoder)
    changed = views_of(data.queries, ("polite", "back"), ("asked",), lambda q, t, f: f"{rewrite(q, t, f)} now")
    with pytest.raises(RankError, match="has learnt"):
        evaluate(ranker, data, changed, encoder)
    with pytest.raises(RankError, match="held out"):
        evaluate(ranker, data, views_of(data.queries, ("polite", "back"), (), rewrite), encoder)


def test_rows_that_fell_back_are_counted_and_left_out_beside(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder
) -> None:
    texts = {query: {**forms, "asked": forms["raw"]} for query, forms in views.texts.items()}
    fallen = Views(texts, views.learnt, ("asked",), frozenset((query, "asked") for query in texts))
    found = evaluate(ranker, data, fallen, encoder)
    assert found.fallback["held_out"] == 1
    assert np.nanmean(found.held_out["full"].values("variance")) == 0, "the raw query twice is no steadiness"
    assert found.certain is not None
    assert np.isnan(found.certain["full"].values("variance")).all()


def test_a_form_cannot_be_learnt_and_held_out() -> None:
    with pytest.raises(RankError, match="choose one"):
        Views({"q": {"raw": "a"}}, ("raw", "x"), ("x",))


def trained(ndcg: float, variance: float, spread: float) -> Training:
    return Training(file="", sha256="", kind="experts", views=2, epochs=1, valid_ndcg=ndcg, valid_variance=variance,
                    valid_spread=spread)  # fmt: skip


def test_validation_chooses_the_steadiest_weight_that_keeps_quality_and_spread() -> None:
    without = trained(0.8, 0.3, 1.0)
    tried = {
        0.0: without,
        1.0: trained(0.795, 0.2, 0.9),
        3.0: trained(0.78, 0.1, 0.9),  # costs too much quality
        10.0: trained(0.8, 0.0, 0.1),  # steady because it says nothing
    }
    assert choose(tried, without, 0.01) == 1.0
    assert choose({3.0: tried[3.0]}, without, 0.01) == 3.0


def test_vectors_are_computed_once_and_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    asked: list[str] = []

    def counted(texts: Sequence[str]) -> Any:
        asked.extend(texts)
        return embed(texts)

    first = Encoder(counted, "counted", 16, tmp_path)(["red lamp", "rug", "red lamp"])
    again = Encoder(counted, "counted", 16, tmp_path)(["rug", "red lamp"])
    assert sorted(asked) == ["red lamp", "rug"]
    assert np.array_equal(first[:2], again[::-1])
    assert np.array_equal(first[0], first[2])
    Encoder(counted, "another", 16, tmp_path)(["rug"])
    assert asked.count("rug") == 2, "vectors of another encoder are others"
    for file in tmp_path.iterdir():
        file.write_bytes(b"not a database, and long enough to look like something" * 100)
    assert np.array_equal(Encoder(counted, "counted", 16, tmp_path)(["rug"]), again[:1])


def test_several_seeds_are_averaged_by_query_before_anything_is_compared(
    ranker: Path, data: SearchSet, views: Views, encoder: Encoder, tmp_path: Path
) -> None:
    from recloop.methods.agent4ranking.evaluate import together

    fit(data, views, tmp_path / "other", CONFIG.model_copy(update={"seed": 1}), encoder)
    times = [evaluate(folder, data, views, encoder) for folder in (ranker, tmp_path / "other")]
    found = together(times)
    by_query = [dict(zip(t.held_out["full"].queries, t.held_out["full"].values("raw"), strict=True)) for t in times]
    assert list(by_query[0]) != list(by_query[1]), "another seed has other folds, so another order"
    wanted = [(by_query[0][query] + by_query[1][query]) / 2 for query in found.held_out["full"].queries]
    assert found.held_out["full"].values("raw") == pytest.approx(wanted)
    assert len(found.alphas) == 6
    assert found.held_out["full"].against(found.held_out["full"], "raw").mean == 0
