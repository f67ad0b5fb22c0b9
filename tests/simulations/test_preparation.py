"""Any table of who chose what can be rehearsed with: implicit feedback, no titles, no genres, hardly any rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_llm import FakeLLM
from recloop.data import DataError
from recloop.methods.recommenders import RecommenderError
from recloop.runs import Run
from recloop.runs.progress import Silent
from recloop.simulations import SimulateConfig, SimulateError, prepare, summarise
from recloop.simulations.recorded import RecordedPolicy
from recloop.simulations.sweep import load_grid
from rehearsing import events, rehearse, settings, status, write_ratings


def rows(folder: Path, header: str, line: Callable[[int, int, int], str], users: int = 12, items: int = 40) -> Path:
    """A table of its own: `line(user, item, nth)` of twelve items per user."""
    rng = np.random.default_rng(5)
    lines = [header]
    for user in range(users):
        drawn = rng.choice(items, size=min(12, items), replace=False)
        lines += [line(user, int(item), nth) for nth, item in enumerate(drawn)]
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


TABLES: dict[str, tuple[str, Callable[[int, int, int], str], dict[str, Any]]] = {
    "clicks": (
        "user,item,timestamp,title,genres",
        lambda u, i, n: f"u{u},i{i},{n},Thing {i},Tool",
        {"actions": "shop"},
    ),
    "clicks before films": ("user,item,timestamp,title,genres", lambda u, i, n: f"u{u},i{i},{n},Thing {i},Tool", {}),
    "ratings in a shop": ("user,item,rating", lambda u, i, n: f"u{u},i{i},{1 + (u + i) % 5}", {"actions": "shop"}),
    "no titles": ("user,item,rating,timestamp,genres", lambda u, i, n: f"u{u},i{i},{1 + (u + i) % 5},{n},Drama", {}),
    "no genres": ("user,item,rating,timestamp,title", lambda u, i, n: f"u{u},i{i},{1 + (u * i) % 5},{n},Thing {i}", {}),
    "pairs alone": ("user,item", lambda u, i, n: f"u{u},i{i}", {}),
    "half stars": ("user,item,rating", lambda u, i, n: f"u{u},i{i},{0.5 + (u + i) % 10 / 2}", {}),
    "percents": ("user,item,rating", lambda u, i, n: f"u{u},i{i},{(7 * u + 3 * i) % 101}", {}),
}


@pytest.mark.parametrize("model", ["scripted", "fused", "faithful"])
@pytest.mark.parametrize("table", TABLES)
def test_a_rehearsal_goes_through_over_any_table(
    tmp_path: Path, fake_llm: Callable[..., FakeLLM], table: str, model: str
) -> None:
    header, line, given = TABLES[table]
    asked: dict[str, Any] = {"data": str(rows(tmp_path, header, line)), "users": 6, "pages": 2, "recommender": "pop"}
    if "timestamp" not in header:
        asked |= {"split": "random"}
    if model == "scripted":
        asked |= {"model": "scripted"}
    else:
        asked |= {"model": "openai/fake", "base_url": fake_llm().base_url, "plan": model}
    path = rehearse(SimulateConfig(**asked | given), tmp_path / "run")
    assert status(path)[0] == "finished"
    rated = "rating" in header and given.get("actions") != "shop"
    with Run.open(path) as run:
        actions, personas = run.table("actions").to_pylist(), run.table("personas").to_pylist()
        assert len(personas) == 6
        assert summarise(run)["watch_rate"].value is not None
        prompts = [json.dumps(call.request) for call in run.calls.all()]
    taken = [row for row in actions if row["positive"]]
    assert taken
    assert any(row["rating"] is not None for row in taken) == rated
    if not rated:
        assert all(row["liked"] for row in taken), "without ratings, taking it up is liking it"
    if "rating" not in header:
        assert all(row["conformity"] is None and row["mean_rating"] is None for row in personas)
    if "title" not in header and model != "scripted":
        assert any("[i" in prompt and "] i" in prompt for prompt in prompts), "the id stands in for the title"


def test_ratings_lie_on_the_datas_own_scale(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    header, line, _ = TABLES["half stars"]
    given = {"data": str(rows(tmp_path, header, line)), "split": "random", "users": 6}
    config = SimulateConfig(**given, model="openai/fake", base_url=fake_llm().base_url)
    actions = [action for event in events(rehearse(config, tmp_path / "run")) for action in event.data["actions"]]
    ratings = {action["rating"] for action in actions} - {None}
    assert ratings <= {0.5 + n / 2 for n in range(10)}
    assert any(rating % 1 for rating in ratings), "half stars too"


# -- hardly any data


def test_too_few_users_are_told_with_how_many_there_are(tmp_path: Path) -> None:
    header, line, _ = TABLES["no genres"]
    with pytest.raises(SimulateError, match="only 12 have 5 or more"):
        prepare(SimulateConfig(data=str(rows(tmp_path, header, line)), users=13))


def test_users_with_hardly_a_row_are_no_users(tmp_path: Path) -> None:
    (tmp_path / "thin.csv").write_text("user,item,rating\n" + "".join(f"u{n},i{n % 3},4\n" for n in range(30)))
    with pytest.raises(SimulateError, match="5 or more training rows"):
        prepare(SimulateConfig(data=str(tmp_path / "thin.csv"), split="random"))


def test_no_row_at_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("user,item,rating\n")
    with pytest.raises(DataError):
        prepare(SimulateConfig(data=str(tmp_path / "none.csv")))


@pytest.mark.parametrize("recommender", ["pop", "ease", "itemknn", "random"])
def test_a_data_set_of_one_user_can_be_rehearsed(tmp_path: Path, recommender: str) -> None:
    """All there is to show is what this user has not trained on."""
    write_ratings(tmp_path / "ratings.csv", users=1, items=30, per_user=24)
    given = {"model": "scripted", "users": 1, "pages": 5, "recommender": recommender}
    path = rehearse(settings(tmp_path, **given), tmp_path / "run")
    assert status(path)[0] == "finished"
    assert len({event.agent for event in events(path)}) == 1


def test_one_user_of_many_is_enough(tmp_path: Path, fake_llm: Callable[..., FakeLLM]) -> None:
    path = rehearse(
        settings(tmp_path, model="openai/fake", base_url=fake_llm().base_url, users=1, pages=1), tmp_path / "run"
    )
    assert status(path)[0] == "finished"
    with Run.open(path) as run:
        assert summarise(run)["watch_rate"].n == 1


def test_a_page_larger_than_the_catalogue_shows_what_there_is(tmp_path: Path) -> None:
    path = rehearse(settings(tmp_path, model="scripted", page_size=100, pages=2), tmp_path / "run")
    for event in events(path):
        assert event.page == 0
        assert 30 < len(event.data["exposures"]) < 60
        assert event.data["interview"]


def test_data_without_times_are_not_split_by_time(tmp_path: Path) -> None:
    header, line, _ = TABLES["pairs alone"]
    with pytest.raises(DataError, match="--split random"):
        prepare(SimulateConfig(data=str(rows(tmp_path, header, line)), users=3))


# -- what is held out


@pytest.mark.parametrize("split", ["user_time", "random", "leave_last", "global_time"])
def test_everything_is_built_from_training_rows_alone(tmp_path: Path, split: Any) -> None:
    """Held-out rows changed beyond recognition change nothing before the first page."""
    before = prepare(settings(tmp_path, model="scripted", split=split, users=5))
    held = {(user, item) for user in before.data.users.ids for item in before.split.test.history(user).items}
    lines = (tmp_path / "ratings.csv").read_text().splitlines()
    changed = [lines[0]]
    for line in lines[1:]:
        user, item, stars, *rest = line.split(",")
        changed.append(",".join([user, item, "1" if (user, item) in held and stars != "1" else stars, *rest]))
    assert changed != lines
    (tmp_path / "ratings.csv").write_text("\n".join(changed) + "\n")
    after = prepare(settings(tmp_path, model="scripted", split=split, users=5))
    assert after.data.hash != before.data.hash
    assert after.personas == before.personas
    users = [persona.user for persona in before.personas]
    rank = lambda prepared: prepared.policy.recommender.top_many(users, 12)  # noqa: E731
    assert rank(after) == rank(before)


# -- actions


ACTIONS = """
from recloop.agents import ActionSet, ActionSpec, add_to
MINE = ActionSet("mine", (ActionSpec("leave", "no"), ActionSpec("read", "yes", positive=True, effect=add_to("read"))))
NONE = "no action set"
"""


def test_actions_of_ones_own_are_taken_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_actions_of_this_test.py").write_text(ACTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    for place in ("my_actions_of_this_test", str(tmp_path / "my_actions_of_this_test.py")):
        prepared = prepare(settings(tmp_path, model="scripted", actions=f"{place}:MINE"))
        assert prepared.world.actions.names == ("leave", "read")
        assert (prepared.world.service, prepared.world.noun) == ("a recommendation service", "items")
    with pytest.raises(SimulateError, match="is no action set but of type str"):
        prepare(settings(tmp_path, actions="my_actions_of_this_test:NONE"))
    with pytest.raises(SimulateError, match="NOWHERE"):
        prepare(settings(tmp_path, actions="my_actions_of_this_test:NOWHERE"))
    with pytest.raises(SimulateError, match="there are films, shop"):
        prepare(settings(tmp_path, actions="theatre"))


def test_a_mean_rating_is_shown_only_where_there_are_ratings(tmp_path: Path) -> None:
    header, line, _ = TABLES["pairs alone"]
    with pytest.raises(SimulateError, match="show_mean needs ratings"):
        prepare(SimulateConfig(data=str(rows(tmp_path, header, line)), split="random", users=3, show_mean=True))
    shown, hidden = (prepare(settings(tmp_path, model="scripted", show_mean=show)) for show in (True, False))
    item = shown.split.train.items.ids[0]
    assert "(mean rating " in shown.world.line(item)
    assert "mean rating" not in hidden.world.line(item)


class Notes(Silent):
    """Remembers all that was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("address", ["http://u:s3cret@127.0.0.1:9/r", "http://127.0.0.1:9/r?token=s3cret"])
def test_a_credential_in_a_recommenders_address_is_neither_printed_nor_written(tmp_path: Path, address: str) -> None:
    notes, out = Notes(), tmp_path / "run"
    with pytest.raises(RecommenderError, match="auth_env") as error:
        rehearse(settings(tmp_path, model="scripted", recommender=address), out, progress=notes)
    assert "s3cret" not in f"{error.value}{notes.said}"
    assert not out.exists()
    grid = tmp_path / "grid.toml"
    for text in (f'recommender = "{address}"\n[grid]\nseed = [0]', f'[grid]\nrecommender = ["{address}", "pop"]'):
        grid.write_text(text)
        with pytest.raises(SimulateError, match="auth_env") as error:
            load_grid(grid)
        assert "s3cret" not in str(error.value)


def test_a_recording_without_its_reference_cannot_be_replayed_and_says_so(tmp_path: Path) -> None:
    with (
        Run.create(tmp_path / "run", kind="simulate") as run,
        pytest.raises(SimulateError, match="cannot be replayed\n"),
    ):
        RecordedPolicy(run)
