"""Augmentation: what becomes a row, what the rivals are, what is measured, what leaves for other tools."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recloop.agents.planted import planted_world
from recloop.data import Dataset, load_dataset
from recloop.llm import Budget, open_model
from recloop.methods.recommenders import BPR, BPRConfig, RecommenderError, open_recommender
from recloop.methods.recommenders.held_out import held_out_truth
from recloop.runs import Run
from recloop.simulations.augmentation.compared import Compared, Pair, by_coin, compare, random_pairs
from recloop.simulations.augmentation.controls import control_rows
from recloop.simulations.augmentation.export import FORMATS, export_rows
from recloop.simulations.augmentation.judged import judged
from recloop.simulations.augmentation.rows import POLICIES, SimulatedRow, pairs_of, simulated_rows
from recloop.simulations.policy import augmented
from recloop.simulations.preparation import prepare
from recloop.simulations.studies.augment import Augment, AugmentConfig, export
from recloop.simulations.studies.carry import result_of, study
from recloop.simulations.studies.study import StudyError

sys.path.insert(0, str(Path(__file__).parents[1]))
from rehearsing import rehearse, settings, title


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("augment")
    return rehearse(settings(folder, model="scripted", users=30), folder / "run")


def actions(path: Path) -> list[dict[str, Any]]:
    with Run.open(path) as run:
        return run.table("actions").to_pylist()


def rows_of(path: Path, policy: str, **options: Any) -> list[SimulatedRow]:
    with Run.open(path) as run:
        return simulated_rows(run, policy, **options)


def test_each_policy_takes_the_actions_it_names(rehearsed: Path) -> None:
    acted = actions(rehearsed)
    wanted = {
        "viewed": {(a["agent"], a["item"]) for a in acted if a["positive"]},
        "liked": {(a["agent"], a["item"]) for a in acted if a["liked"]},
        "rated": {(a["agent"], a["item"]) for a in acted if a["rating"] is not None},
        "unviewed": {(a["agent"], a["item"]) for a in acted if not a["positive"]},
    }
    assert set(wanted) == set(POLICIES)
    for policy, pairs in wanted.items():
        assert pairs, policy
        assert {(row.user, row.item) for row in rows_of(rehearsed, policy)} == pairs
    ratings = {(a["agent"], a["item"]): a["rating"] for a in acted}
    assert all(row.rating == ratings[row.user, row.item] for row in rows_of(rehearsed, "rated"))
    assert all(row.rating is None for row in rows_of(rehearsed, "viewed"))


def test_a_row_says_where_it_was_shown(rehearsed: Path) -> None:
    with Run.open(rehearsed) as run:
        shown = {(e["agent"], e["item"]): e for e in run.table("exposures").to_pylist()}
    for row in rows_of(rehearsed, "viewed"):
        there = shown[row.user, row.item]
        assert (row.page, row.slot, row.recommender, row.propensity) == (
            there["page"], there["slot"], there["policy"], there["propensity"]
        )  # fmt: skip


def test_the_cap_keeps_the_earliest_and_the_weight_a_share(rehearsed: Path) -> None:
    whole, capped = rows_of(rehearsed, "unviewed"), rows_of(rehearsed, "unviewed", per_user=2)
    assert max(Counter(row.user for row in capped).values()) == 2
    by_user: dict[str, list[SimulatedRow]] = {}
    for row in whole:
        by_user.setdefault(row.user, []).append(row)
    assert sorted(capped) == sorted(row for own in by_user.values() for row in own[:2])
    half = rows_of(rehearsed, "unviewed", weight=0.5)
    assert set(half) < set(whole)
    assert 0.35 < len(half) / len(whole) < 0.65
    assert half == rows_of(rehearsed, "unviewed", weight=0.5)
    assert half != rows_of(rehearsed, "unviewed", weight=0.5, seed=1)


@pytest.mark.parametrize("how", ["random", "popularity"])
def test_a_control_has_as_many_rows_and_ratings_of_each_user_on_other_items(rehearsed: Path, how: Any) -> None:
    train = prepare(settings(rehearsed.parent, model="scripted", users=30)).split.train
    rows = rows_of(rehearsed, "rated")
    control = control_rows(train, rows, how, seed=3)
    assert Counter((row.user, row.rating) for row in control) == Counter((row.user, row.rating) for row in rows)
    assert not {(row.user, row.item) for row in control} & pairs_of(train)
    assert len({(row.user, row.item) for row in control}) == len(control)
    assert control == control_rows(train, rows, how, seed=3)
    assert control != control_rows(train, rows, how, seed=4)
    never = {(row.user, row.item) for row in control}
    assert not {(row.user, row.item) for row in control_rows(train, rows, how, 3, never)} & never


def test_popular_rows_are_more_popular_than_random_ones(rehearsed: Path) -> None:
    train = load_dataset().split().train
    user = train.users.ids[0]
    rows = [SimulatedRow(user, "", None, 0, 0, 1.0, "", "")] * 60
    popularity = dict(zip(train.items.ids, train.popularity().tolist(), strict=True))
    mean = {how: np.mean([popularity[row.item] for row in control_rows(train, rows, how, 0)]) for how in ("random", "popularity")}  # type: ignore[arg-type]  # fmt: skip
    assert mean["popularity"] > 2 * mean["random"]


def test_a_held_out_item_that_was_simulated_can_still_be_recommended() -> None:
    data = planted_world(60, 40, per_user=12, seed=1).data
    split = data.split(how="random", test=0.3)
    user = next(u for u, of in held_out_truth(split.test).items() if len(of) >= 3)
    right = list(held_out_truth(split.test)[user])
    told = augmented(split.train, [(user, item, None) for item in right])
    truth = {user: held_out_truth(split.test)[user]}
    fitted = open_recommender("bpr", config={"epochs": 60}).fit(told)
    assert judged(fitted, split.train, truth, [user])["recall@20"][0] == 1.0
    assert not set(fitted.top(user, 40, exclude=told.history(user).items).items) & set(right), (
        "as usual they would be gone"
    )


def test_real_rows_put_back_make_a_recommender_better_and_random_ones_do_not() -> None:
    """The positive control of the judging: rows that are known to be true, of the same number."""
    data = planted_world(150, 80, per_user=24, seed=2).data
    train, back, test = data.split(how="random", test=0.25, valid=0.4)
    users = list(held_out_truth(test))
    truth = {user: held_out_truth(test)[user] for user in users}
    true = [SimulatedRow(*pair, None, 0, 0, 1.0, "", "") for pair in sorted(pairs_of(back))]
    random = control_rows(train, true, "random", 0, pairs_of(test))
    known = augmented(train, [(r.user, r.item, None) for r in true])  # the same candidates for all
    quality = {}
    for arm, rows in (("none", []), ("true", true), ("random", random)):
        fitted = open_recommender("ease").fit(augmented(train, [(r.user, r.item, r.rating) for r in rows]))
        quality[arm] = judged(fitted, known, truth, users)
    assert quality["true"].against(quality["none"], "ndcg@10").low > 0
    assert quality["true"].against(quality["random"], "ndcg@10").low > 0


# Pairs


def test_no_pair_holds_a_training_or_a_held_out_item(rehearsed: Path) -> None:
    split = prepare(settings(rehearsed.parent, model="scripted", users=30)).split
    users = list(split.train.users.ids)
    never = {user: split.test.history(user).items for user in users}
    pairs = random_pairs(split.train, users, 40, seed=0, never=never)
    known = pairs_of(split.train) | pairs_of(split.test)
    met = [(user, item) for user, *two in pairs for item in two]
    assert not set(met) & known
    assert len(met) == len(set(met))
    free = len(split.train.items) - len({item for user, item in known if user == users[0]})
    assert sum(user == users[0] for user, *_ in pairs) == free // 2, "fewer where items run out"


async def test_scripted_users_prefer_what_suits_them_and_a_coin_does_not(rehearsed: Path) -> None:
    prepared = prepare(settings(rehearsed.parent, model="scripted", users=30))
    train, users = prepared.split.train, [p.user for p in prepared.personas]
    pairs = random_pairs(train, users, 10, 0, {})
    found = await compare(prepared, pairs, None)
    assert [{*two} for _, *two in found.triples] == [{*two} for _, *two in pairs]
    assert (await compare(prepared, [(u, b, a) for u, a, b in pairs], None)).triples == found.triples

    def suits(triples: Any) -> float:
        """Every user of this data likes each fourth film."""
        kinds = [(int(b[1:]) % 4 == int(u[1:]) % 4) - int(int(w[1:]) % 4 == int(u[1:]) % 4) for u, b, w in triples]
        return float(np.mean([kind > 0 for kind in kinds if kind]))

    assert suits(found.triples) > 0.65
    assert 0.3 < suits(by_coin(pairs, 0)) < 0.7


async def asked(folder: Path, server: Any, pairs: list[Pair], **limits: Any) -> Compared:
    """What a model behind an endpoint says of the pairs."""
    prepared = prepare(settings(folder, model=f"{server.url}#m", users=4))
    door = open_model(prepared.config.model, api_key="x", **limits)
    await door.check()
    try:
        return await compare(prepared, pairs, door)
    finally:
        await door.close()


def few_pairs(folder: Path) -> list[Pair]:
    prepared = prepare(settings(folder, model="scripted", users=4))
    return random_pairs(prepared.split.train, [p.user for p in prepared.personas], 3, 0, {})


async def test_a_model_is_asked_which_of_two_and_unusable_answers_are_left_out(rehearsed: Path, fake_llm: Any) -> None:
    pairs = few_pairs(rehearsed.parent)
    lost = rf"\[A\] {title(pairs[5][1])}"
    server = fake_llm(script=[{"match": lost, "reply": "hard to say"}, {"match": r"\[A\]", "json": {"better": "B"}}])
    found = await asked(rehearsed.parent, server, pairs)
    assert found.triples == [(u, b, a) for u, a, b in pairs if a != pairs[5][1]]
    assert found.failed == len(pairs) - len(found.triples) > 0
    assert not found.stopped


async def test_a_spent_budget_stops_the_comparing(rehearsed: Path, fake_llm: Any) -> None:
    pairs = few_pairs(rehearsed.parent)
    server = fake_llm(script=[{"match": r"\[A\]", "json": {"better": "A"}}])
    found = await asked(rehearsed.parent, server, pairs, budget=Budget.parse("calls=5"))
    assert "calls" in found.stopped
    assert 0 < len(found.triples) <= 5
    assert found.failed == len(pairs) - len(found.triples)


@pytest.mark.local
async def test_a_small_models_margins_compare_pairs_in_one_batch_a_user(rehearsed: Path, model_file: str) -> None:
    prepared = prepare(settings(rehearsed.parent, model="local/smollm2", users=2))
    pairs = random_pairs(prepared.split.train, [p.user for p in prepared.personas], 2, 0, {})
    door = open_model("local/smollm2")
    await door.check()
    try:
        found = await compare(prepared, pairs, door)
    finally:
        await door.close()
    assert (len(found.triples), found.failed, found.stopped) == (4, 0, "")
    assert [{*two} for _, *two in found.triples] == [{*two} for _, *two in pairs]


def test_compared_pairs_move_bpr_and_none_leave_it_as_it_was() -> None:
    data = planted_world(40, 30, per_user=8, seed=0).data
    config = BPRConfig(dims=8, epochs=10)
    plain, user = BPR(config, 1).fit(data), data.users.ids[0]
    assert np.array_equal(plain.item_factors, BPR(config, 1).fit(data, []).item_factors)
    a, b = [item for item in plain.top(user, 30).items if item not in data.history(user).items][:2]
    for better, worse in ((a, b), (b, a)):
        first, second = BPR(config, 1).fit(data, [(user, better, worse)] * 40).scores(user, [better, worse])
        assert first > second
    with pytest.raises(RecommenderError, match="stranger"):
        BPR(config, 1).fit(data, [("stranger", a, b)])


# Export


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("whole", [False, True])
def test_an_export_is_read_back_row_by_row(rehearsed: Path, tmp_path: Path, form: Any, whole: bool) -> None:
    train = prepare(settings(rehearsed.parent, model="scripted", users=30)).split.train
    rows = rows_of(rehearsed, "rated")
    file = export_rows(tmp_path / "out", rows, train, run="run", policy="rated", form=form, whole=whole)
    read = load_dataset(file, scale=train.scale, strict=True)

    def content(data: Dataset) -> list[tuple[str, str, float]]:
        ids = data.users.ids, data.items.ids
        log = zip(data.log.user.tolist(), data.log.item.tolist(), data.log.value.tolist(), strict=True)
        return sorted((ids[0][u], ids[1][i], value) for u, i, value in log)

    expected = [(row.user, row.item, row.rating) for row in rows] + (content(train) if whole else [])
    assert content(read) == sorted(expected)
    assert read.log.timed
    if whole:
        real = max(train.log.time.tolist())
        assert np.count_nonzero(read.log.time > real) == len(rows), "simulated rows are later than real ones"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_provenance_stands_beside_every_row(rehearsed: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    train = prepare(settings(rehearsed.parent, model="scripted", users=30)).split.train
    rows = rows_of(rehearsed, "viewed")
    file = export_rows(tmp_path, rows, train, run="study/seed0", policy="viewed", whole=True)
    table = pq.read_table(file).to_pylist()
    simulated = [row for row in table if row["simulated"] == 1]
    assert [(r["user"], r["item"], r["page"], r["slot"], r["recommender"]) for r in simulated] == [
        (r.user, r.item, r.page, r.slot, r.recommender) for r in rows
    ]
    assert {(r["run"], r["policy"], r["rating"]) for r in simulated} == {("study/seed0", "viewed", train.scale.high)}  # type: ignore[union-attr]
    assert len(table) - len(simulated) == len(train)


# The study


def small(folder: Path, **changes: Any) -> dict[str, Any]:
    data = settings(folder).data
    inner = {"data": data, "users": 30, "pages": 3}
    return {"rehearsal": inner, "seeds": 2, "recommenders": ["itemknn"], "bpr": {"dims": 4, "epochs": 2}} | changes


def test_the_study_holds_simulated_rows_against_its_rivals_and_can_be_exported(tmp_path: Path) -> None:
    path = asyncio.run(study("augment", small(tmp_path), out=tmp_path / "study"))
    with Run.open(path) as run:
        result = result_of(run)
        cases = run.table("cases").to_pylist()
    assert result is not None
    assert {f"itemknn_simulated_vs_{rival}_ndcg@10" for rival in ("none", "random", "popularity")} <= set(
        result["rows"]
    )
    assert {f"bpr_with_pairs_pairs_vs_{rival}_ndcg@10_tail" for rival in ("none", "coin")} <= set(result["rows"])
    for per_seed in result["data"]["rows"]:
        sizes = {n for n, _ in per_seed.values()}
        assert len(sizes) == 1, "all arms add as many rows"
    row = result["rows"]["itemknn_simulated_vs_none_ndcg@10"]
    by_user: dict[str, list[float]] = {}
    for case in (json.loads(case["row"]) for case in cases):
        if case["recommender"] == "itemknn" and case["arm"] in ("simulated", "none"):
            sign = 1 if case["arm"] == "simulated" else -1
            by_user.setdefault(case["user"], []).append(sign * case["ndcg@10"])
    seen = sum(len(each) // 2 for each in by_user.values())
    assert row["value"] == pytest.approx(sum(map(sum, by_user.values())) / seen)
    file, n = export(path, tmp_path / "out", "csv")
    assert n == result["data"]["rows"][0]["simulated"][0]
    assert len(file.read_text().splitlines()) == n + 1


def test_dropping_held_out_rows_drops_them_in_all_arms(tmp_path: Path) -> None:
    path = asyncio.run(study("augment", small(tmp_path, held_out="drop", pairs=0, seeds=1), out=tmp_path / "study"))
    with Run.open(path) as run:
        result = result_of(run)
    assert result is not None
    assert {right for each in result["data"]["rows"] for _, right in each.values()} == {0}
    assert not [key for key in result["rows"] if key.startswith("bpr")]


def test_a_study_that_was_killed_ends_as_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recloop.simulations.studies import augment as module

    values = small(tmp_path, pairs=3)
    whole = asyncio.run(study("augment", values, out=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "_learned", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(study("augment", values, out=tmp_path / "broken"))
    broken = asyncio.run(study("augment", values, out=tmp_path / "broken"))
    with Run.open(whole) as a, Run.open(broken) as b:
        assert result_of(a) == result_of(b)


def test_what_cannot_be_asked_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no simulated action is liked"):
        asyncio.run(study("augment", small(tmp_path, policy="liked", per_user=1, weight=1e-9), out=tmp_path / "none"))
    with pytest.raises(RecommenderError, match="no recommender 'eaze'"):
        asyncio.run(study("augment", small(tmp_path, recommenders=["eaze"]), out=tmp_path / "name"))
    inner = {**small(tmp_path)["rehearsal"], "test": 0.0}
    with pytest.raises(StudyError, match="hardly any simulated user has held-out rows"):
        asyncio.run(study("augment", small(tmp_path, rehearsal=inner), out=tmp_path / "held"))


def test_the_policies_of_the_setting_are_those_there_are() -> None:
    assert Augment.config_type is AugmentConfig
    for policy in POLICIES:
        assert AugmentConfig(policy=policy).policy == policy  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="policy"):
        AugmentConfig(policy="seen")  # type: ignore[arg-type]
