"""Session cases: from any data set and from files, honest ones, and refused with the line where they are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from recloop.data import DataError, Dataset, data_folder, from_rows
from recloop.prompt_opt.errors import OptimizeError
from recloop.prompt_opt.splits import Sizes, draw_splits
from recloop.prompt_opt.task import Task
from recloop.prompt_opt.tasks.listwise import ListTask
from recloop.prompt_opt.tasks.open import open_task

DOMAINS = ("bundle", "games", "ml-1m")


def session(data: object = None, seed: int = 0, **options: object) -> ListTask:
    task = open_task("session", data, seed=seed, options=options)  # type: ignore[arg-type]
    assert isinstance(task, ListTask)
    return task


def small(users: int = 12, items: int = 40) -> Dataset:
    """Users who like ten items in a row (one rated low among them), and meet nothing else."""
    rows = [(f"u{u}", f"i{(u * 3 + n) % items}", 2 if n == 4 else 5, 100 + n) for u in range(users) for n in range(10)]
    return from_rows([*rows, *((f"u{u}", "i0", 1, 5) for u in range(users))], scale=(1, 5, 1))


@pytest.fixture(scope="module")
def films() -> ListTask:
    return session(max_cases=60)


def test_a_data_set_makes_cases_of_one_target_among_items_that_the_user_never_met(films: ListTask) -> None:
    from recloop.data import load_dataset

    data = load_dataset("movietweetings")
    assert len(films.cases) == 60
    for case in films.cases:
        rows, items = data.history(case.truth["owner"]), case.truth["items"]
        liked = [item for item, value in zip(rows.items, rows.values, strict=True) if value >= 7]
        (target,) = (items[name] for name in case.truth["relevant"])
        assert len(items) == 20
        assert len(set(items.values())) == 20
        assert target == liked[-1]
        assert case.truth["history"] == liked[:-1][-10:]
        assert len(case.truth["history"]) >= 5
        assert set(rows.items) & set(items.values()) == {target}


def test_the_order_shown_is_drawn_so_that_no_place_holds_the_target_more_often() -> None:
    places = [int(case.truth["relevant"][0][1:]) for case in session(max_cases=600).cases]
    assert abs(np.mean(places) - 10.5) < 4 * np.sqrt((20**2 - 1) / 12 / len(places))


def test_a_task_is_the_same_again_and_another_with_another_seed_or_setting(films: ListTask) -> None:
    assert isinstance(films, Task)
    assert session(max_cases=60).hash == films.hash
    others = [session(seed=1, max_cases=60), session(max_cases=59), session(max_cases=60, read="likelihood")]
    assert len({films.hash, *(other.hash for other in others)}) == 4


def test_a_baseline_never_knows_the_interaction_that_is_to_be_guessed() -> None:
    rows = [("a", f"i{n}", 5, n) for n in range(7)]  # the last of a, i6, is met by nobody else
    rows += [(user, f"i{n}", 5, n) for user in "bcd" for n in range(6)] + [("z", f"j{n}", 5, n) for n in range(30)]
    data = from_rows(rows, scale=(1, 5, 1))
    task = session(data, candidates=4, negatives="uniform")
    case = next(case for case in task.cases if case.truth["owner"] == "a")
    (target,) = (case.truth["items"][name] for name in case.truth["relevant"])
    assert target == "i6"
    assert task.baskets.popularity(["i6", "i3"], "nobody") == [0, 4]
    assert task.baskets.popularity(["i3"], "a") == [3]
    assert task.baskets.together(["i6"], case.truth["history"], "nobody") == [0]


def test_a_data_set_that_makes_no_case_is_refused_with_what_to_ask_for() -> None:
    with pytest.raises(DataError, match="min_history=2"):
        session(small(), min_history=9)
    with pytest.raises(DataError, match="candidates=NUMBER"):
        session(small(items=25), candidates=22)
    with pytest.raises(DataError, match="not on the scale"):
        session(small(), like=9)


def test_negatives_of_fame_are_drawn_as_targets_are(films: ListTask) -> None:
    def fame(**options: object) -> float:
        task = session(max_cases=60, **options)
        values = [task.baskets.popularity([*c.truth["items"].values()], "nobody") for c in task.cases]
        return float(np.mean(values))

    uniform, half, popular = (fame(negatives=how) for how in ("uniform", "half", "popularity"))
    assert uniform < half < popular


ROW = {"session": ["A", "B"], "candidates": ["C", "D", "E"], "target": "D"}


def written(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


@pytest.mark.parametrize("row", ["a|b,x|y", '"a|b","x|y,x'])
def test_a_table_whose_first_row_is_broken_is_still_one_of_sessions(tmp_path: Path, row: str) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(f"session,candidates,target\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"sessions\.csv:2: 2 cells under 3 columns"):
        open_task("session", path)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**ROW, "target": "X"}, "target 'X' is not among the candidates"),
        ({**ROW, "candidates": ["C", "D", "C"]}, "candidate 'C' stands twice"),
        ({"session": ["A"], "target": "D"}, "no 'candidates'"),
        ({**ROW, "candidates": ["D"]}, "1 candidates"),
        ({**ROW, "candidates": {"C": 1}}, "no list of texts"),
        ({**ROW, "split": "spare"}, "no part 'spare'"),
        ("{broken", "no JSON"),
        ("[1, 2]", "no JSON object"),
    ],
)
def test_a_broken_row_is_refused_by_its_line(tmp_path: Path, row: object, says: str) -> None:
    file = written(tmp_path / "sessions.jsonl", ROW, row)
    with pytest.raises(DataError, match=rf"sessions\.jsonl:2: .*{says}"):
        session(file)


def test_rows_may_stand_in_any_table_under_any_names_as_titles_or_ids(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text('hist,cands,next\nA | B,"[""C"", ""D""]",D\nA,C|D|E,E\n')
    task = session(tmp_path / "s.csv", columns="session=hist,candidates=cands,target=next")
    assert [len(case.shown["candidates"]) for case in task.cases] == [2, 3]
    (tmp_path / "titles.csv").write_text('item_id,title\nA,"Matrix, The"\nB,Up\nC,Heat\nD,Big\nE,Alien\n')
    task = session(written(tmp_path / "ids.jsonl", ROW), items=str(tmp_path / "titles.csv"))
    assert [row["title"] for row in task.cases[0].shown["history"]] == ["The Matrix", "Up"]
    with pytest.raises(DataError, match="candidate 'Z' is not in the item table"):
        session(written(tmp_path / "z.jsonl", {**ROW, "candidates": ["Z", "D"]}), items=str(tmp_path / "titles.csv"))
    with pytest.raises(DataError, match="names no role"):
        session(tmp_path / "s.csv", columns="titles=hist")
    with pytest.raises(DataError, match=r"s.csv has no column 'session'.*found: hist, cands, next"):
        session(tmp_path / "s.csv", columns="candidates=cands,target=next")


def test_a_target_in_its_own_history_is_no_case_and_repeats_are_counted(tmp_path: Path) -> None:
    again = {**ROW, "session": ["D", "A"]}
    task = session(
        written(tmp_path / "s.jsonl", ROW, again, {**ROW, "session": ["B"], "candidates": ["C", "D", "C"]}),
        merge="true",
    )
    assert len(task.cases) == 2
    assert "1 sessions left out: the target stands in its own history" in task.notes
    assert "1 rows name a candidate twice: it counts once" in task.notes


def test_parts_that_the_rows_name_are_kept_and_a_training_session_is_not_judged_with_itself(tmp_path: Path) -> None:
    rows = [
        {**ROW, "session": [f"S{part}{n}", f"T{n}"], "split": part}
        for part in ("train", "valid", "test")
        for n in range(15)
    ]
    task = session(written(tmp_path / "s.jsonl", *rows))
    assert {name: len(ids) for name, ids in task.parts.items()} == {"search": 15, "selection": 15, "test": 15}
    assert min(map(len, draw_splits(task, Sizes(), 0))) == 15
    case = next(case for case in task.cases if case.id in task.parts["search"])
    assert task.baskets.popularity(["D"], case.truth["owner"]) == [14]


def test_what_two_parts_share_is_left_to_the_sealed_one(tmp_path: Path) -> None:
    rows = [{**ROW, "session": [f"S{n}"], "split": part} for part in ("train", "test") for n in range(12)]
    rows += [{**ROW, "session": [f"U{n}"], "split": "train"} for n in range(3)]
    task = session(written(tmp_path / "s.jsonl", *rows))
    assert {name: len(ids) for name, ids in task.parts.items()} == {"search": 3, "test": 12}
    assert "12 cases repeat the history and the answer of another part's and were left out" in task.notes


def test_unknown_names_are_told_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(OptimizeError, match=r"did you mean session\?"):
        open_task("sesion")
    with pytest.raises(OptimizeError, match="did you mean ndcg@10"):
        open_task("session", metric="ndgc@10")
    with pytest.raises(
        OptimizeError, match=r"(?s)no option 'candidate' \(did you mean candidates\?\).*its options: .*candidates"
    ):
        open_task("session", options={"candidate": 5})
    with pytest.raises(OptimizeError, match="read: "):
        open_task("session", options={"read": "guess"})


@pytest.mark.realdata
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_sessions_of_po4isr_keep_their_parts_and_every_target(domain: str) -> None:
    folder = data_folder()
    if folder is None or not (folder / "po4isr-sessions").is_dir():
        pytest.skip("po4isr-sessions is not under RECLOOP_DATA")
    task = session("po4isr-sessions", domain=domain, max_cases=90)
    assert {name: len(ids) for name, ids in task.parts.items()} == {"search": 90, "selection": 90, "test": 90}
    values = {name: float(np.mean(of)) for name, of in task.baselines(task.cases).items()}
    assert values["random"] == pytest.approx(0.227, abs=0.004)
    assert abs(values["as shown"] - values["random"]) < 0.07
    assert values["co-occurrence"] > values["random"] + 0.1
    if domain == "bundle":
        assert session("po4isr-sessions", domain=domain, test_seed=42, max_cases=90).hash != task.hash


def test_a_folder_of_interactions_makes_sessions_of_itself(tmp_path: Path) -> None:
    rows = [f"u{u},i{(u + n * (1 + u % 3)) % 30},{n}" for u in range(20) for n in range(9)]
    (tmp_path / "ratings.csv").write_text("\n".join(["user,item,time", *rows]))
    (tmp_path / "train.csv").write_text("user,item\nu1,i1\n")
    task = session(tmp_path, candidates=5, negatives="uniform")
    assert len(task.cases) == 20
    assert "20 sessions of" in task.notes[0]


def test_a_report_says_how_the_cases_came_about(films: ListTask) -> None:
    assert any("drawn in proportion to popularity" in remark for remark in films.remarks(films.cases, []))


@pytest.mark.realdata
def test_po4isr_without_a_domain_is_asked_for_one() -> None:
    folder = data_folder()
    if folder is None or not (folder / "po4isr-sessions").is_dir():
        pytest.skip("po4isr-sessions is not under RECLOOP_DATA")
    with pytest.raises(DataError, match=r"domain=bundle\|games\|ml-1m"):
        session("po4isr-sessions")
    with pytest.raises(DataError, match=r"(?s)test_seed_7.*there are test_seed_0, test_seed_10"):
        session("po4isr-sessions", domain="bundle", test_seed=7)
