"""The documentation agrees with the code: written parts are up to date, tables are whole, numbers in sentences are the code's."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import doc_parts
from doc_pages import PAGES, ROOT, links, prose, read, rows, section, spans

STALE = "out of date: run  python tests/docs/doc_parts.py"


def code(cell: str) -> list[str]:
    """What stands in `code` in a cell or a sentence."""
    return re.findall(r"`([^`]+)`", cell)


def says(page: str, *sentences: str) -> None:
    """Each sentence stands on the page, whatever its line breaks."""
    text = " ".join(read(page).split())
    missing = [sentence for sentence in sentences if sentence not in text]
    assert not missing, f"{page} no longer says: {missing}"


def test_the_settings_table_is_that_of_the_model() -> None:
    assert section("docs/simulate.md", "settings") == doc_parts.settings(), STALE
    assert section("docs/optimize.md", "settings") == doc_parts.settings("optimize"), STALE


def test_every_setting_is_explained() -> None:
    from recloop.prompt_opt.asked import OptimizeConfig
    from recloop.simulations import SimulateConfig

    for page, config in (("docs/simulate.md", SimulateConfig), ("docs/optimize.md", OptimizeConfig)):
        explained = rows(section(page, "settings"))
        assert [row[0].strip("`") for row in explained] == list(config.model_fields)
        assert all(len(row[3]) > 10 for row in explained)


def test_options_of_tasks_and_optimizers_are_all_told_and_explained() -> None:
    for name, write in (("task options", doc_parts.task_options), ("optimizer options", doc_parts.optimizer_options)):
        assert section("docs/optimize.md", name) == write(), STALE
        assert all(len(row[3]) > 10 for row in rows(section("docs/optimize.md", name)))


def test_the_tables_are_those_that_are_registered() -> None:
    assert section("docs/simulate.md", "tables") == doc_parts.tables(), STALE
    assert section("docs/sweep.md", "tables") == doc_parts.tables("sweep"), STALE
    assert section("docs/optimize.md", "tables") == doc_parts.tables("optimize"), STALE


def test_conditions_and_edits_are_described_as_they_are() -> None:
    assert section("docs/debug.md", "fields") == doc_parts.debug_fields(), STALE
    assert section("docs/debug.md", "edits") == doc_parts.debug_edits(), STALE
    assert section("docs/debug.md", "search fields") == doc_parts.search_fields(), STALE
    assert section("docs/debug.md", "search edits") == doc_parts.search_edits(), STALE


def test_the_sweeps_numbers_are_all_listed() -> None:
    from recloop.simulations.sweep.measures import COST, MEASURES

    told = re.findall(r"over all its seeds: ([^.]*)\.", prose("docs/sweep.md"))[0]
    assert len(told.split(", ")) == len((*MEASURES, COST))


@pytest.mark.local
def test_the_excerpt_shows_rows_of_the_real_summary(model_file: str, tmp_path: Path) -> None:
    shown = section("README.md", "excerpt").strip().strip("`").strip().splitlines()
    real = doc_parts.simulate(tmp_path, "--users", "2", "--pages", "1").splitlines()
    labels = {re.split(r" {2,}", line)[0] for line in real if line[:1].strip()}
    kept = [re.split(r" {2,}", line)[0] for line in shown if line[:1].strip() and line != "..."]
    assert kept[0] == real[0].rstrip(), "who plays, on which data"
    assert set(kept) <= labels
    assert set(doc_parts.SHOWN) <= set(kept)


def test_the_readme_lists_every_command_and_no_other() -> None:
    listed = []
    for cell, _ in rows(read("README.md").partition("## Commands")[2].partition("\n## ")[0]):
        first, *others = code(cell)
        words = [word for word in first.split()[1:] if word.islower()]
        listed += [" ".join(words), *(" ".join([*words[:-1], other]) for other in others)]
    assert sorted(listed) == sorted(doc_parts.commands())


def test_every_command_has_json() -> None:
    says("README.md", "all but the groups have `--json`")
    without = [name for name, each in doc_parts.commands().items() if not any("--json" in p.opts for p in each.params)]
    assert not without


def test_exit_codes_are_the_codes() -> None:
    from recloop.cli import app, output, simulate

    stops = {output.PAUSED: "paused", output.INTERRUPTED: "Ctrl-C", output.TERMINATED: "SIGTERM"}
    meant = {0: "fine", output.BAD_INPUT: "bad input", **stops}
    for text in (prose("README.md"), app.EPILOG, simulate.EPILOG):
        assert all(f"{number} {word}" in text for number, word in meant.items()), text
        assert f"{output.FAILED} " in text
    table = {int(row[0]): row[1] for row in rows(read("docs/simulate.md").partition("## Exits")[2]) if row[0].isdigit()}
    assert set(table) == {*meant, output.FAILED}
    assert all(word in table[number] for number, word in meant.items() if number)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for target in links(page):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            there = (ROOT / page).parent / path if path else ROOT / page
            assert there.exists(), f"{page}: {target}"
            assert not anchor or anchor in anchors(there), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_ours_that_is_named_is_there(page: str) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for folder in ROOT.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
        for path in folder.rglob("*.py")
    }
    for name in spans(page):
        if re.fullmatch(r"(?!path/to)[\w/]+\.py", name):
            assert any(f"/{path}".endswith(f"/{name}") for path in ours), f"{page}: {name}"


def test_every_page_that_the_code_names_is_there() -> None:
    for folder in {f.split("/")[0] for row in rows(section_of("docs/architecture.md", "Floors")) for f in code(row[1])}:
        for path in (ROOT / folder).rglob("*.py"):
            for page in re.findall(r"\bdocs/\w+\.md\b", path.read_text(encoding="utf-8")):
                assert (ROOT / page).exists(), f"{path.relative_to(ROOT)} names {page}"


def test_the_floors_are_the_folders() -> None:
    named = {folder for row in rows(section_of("docs/architecture.md", "Floors")) for folder in code(row[1])}
    packages = {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")}
    planned = {
        f
        for r in rows(section_of("docs/architecture.md", "Floors"))
        if r[2] == "(planned)" or "(planned)" in r[2]
        for f in code(r[1])
    }
    assert packages <= named
    assert named - packages <= planned


def section_of(page: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return read(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_steps_of_a_page_are_the_graphs() -> None:
    from recloop.agents.user_steps import GIVE_UP_AFTER, STEPS

    names = [step.__name__ for step in STEPS]
    assert [row[0] for row in rows(section_of("docs/agents.md", "A page"))] == names
    says(
        "docs/agents.md", " -> ".join(names), f"after {('one', 'two', 'three')[GIVE_UP_AFTER - 1]} such pages in a row"
    )
    says("docs/architecture.md", f"`{', '.join(names)}`")


def test_prompts_are_the_prompt_files() -> None:
    from recloop.agents.ask_generate import NODES as GENERATE
    from recloop.agents.ask_score import NODES as SCORE

    table = {row[0]: set(code(row[1])) for row in rows(section_of("docs/simulate.md", "Prompts of your own"))}
    assert table["generate, `fused`"] | table["generate, `faithful`"] == set(GENERATE)
    assert table["score"] == set(SCORE)
    files = {path.stem for path in (ROOT / "agents" / "prompts").glob("*.md")}
    assert files <= set(code(section_of("docs/agents.md", "Prompts")))
    elsewhere = {"question", "question_score"}  # asked by `recloop interview`
    assert files - elsewhere == set().union(*table.values())


def test_formulas_have_the_codes_constants() -> None:
    from recloop.agents.calibration import LEAST_Z
    from recloop.agents.fatigue import FatigueConfig
    from recloop.agents.memory import MemoryConfig
    from recloop.agents.satisfaction import START, ExitConfig, SatisfactionConfig
    from recloop.agents.scripted import ScriptedConfig
    from recloop.agents.traits import MASS, PERCENTILES

    tired, content, leave = FatigueConfig(), SatisfactionConfig(), ExitConfig()
    memory, script = MemoryConfig(), ScriptedConfig()
    tiring, (rare, regular, heavy) = ", ".join(f"{n:g}" for n in tired.half_life), leave.activity_shift
    says(
        "docs/agents.md",
        *(f"{low:g} % and {high:g} %" for low, high in PERCENTILES.values()),
        f"genres that make up {100 * MASS:g} %",
        f"starting at {START}",
        f"tanh({content.gain:g} * (watch rate - expected rate) + {content.rating_gain:g} * (mean rating",
        f"s' = s + {content.learning:g} * (p - s)",
        f"half-life {tiring} pages for activity 1, 2, 3",
        f"sigmoid({leave.base:g} + {leave.fatigue_weight:g} * fatigue - {leave.satisfaction_weight:g} * (s - {START})",
        f"shift {rare:g}, {regular:g}, {heavy:g} for activity 1, 2, 3",
        f"recency = {memory.decay:g} ^",
        f"passes {memory.reflect_above:g}, about two",
        f"{memory.capacity} records are kept",
        f"recalls {('four', 'five', 'six')[memory.k - 4]} memories",
        f"v = {script.taste} * t + {script.quality} * q + {script.popularity} * crowd * g",
        f"crowd {', '.join(f'{n:g}' for n in script.crowd)} by conformity",
        f"sigmoid(b + {script.slope} * focus * v - fatigue) / (1 + {script.position} * j)",
        f"focus {', '.join(f'{n:g}' for n in script.focus)} by diversity",
    )
    says("docs/simulate.md", f"less than {LEAST_Z} standard errors above 0")


def test_the_digest_leaves_out_what_the_page_says() -> None:
    from recloop.simulations import VOLATILE

    (sentence,) = re.findall(r"[^.]*say how a run is carried out, not what it does", prose("docs/simulate.md"))
    assert set(code(sentence)) == VOLATILE


def test_models_are_described_as_they_are() -> None:
    from recloop.llm import open_model
    from recloop.llm.asking import REPAIR_SAMPLE
    from recloop.llm.local.llama import MOST_WORKERS
    from recloop.llm.providers.label_scores import FLOOR_GAP, TOP
    from recloop.llm.types import Status

    statuses = {name for row in rows(section_of("docs/models.md", "How a call ends")) for name in code(row[0])}
    assert statuses == set(get_args(Status))
    (sentence,) = re.findall(r"Options of `open_model`: ([^.]*\.[^.]*)\.", prose("docs/models.md"))
    options = {n: p for n, p in inspect.signature(open_model).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert set(code(sentence)) == set(options)
    for name in ("concurrency", "attempts", "backoff", "timeout"):
        assert re.search(rf"`{name}` \({options[name].default:g}\b", sentence), name
    says(
        "docs/models.md",
        f"at `sample` + {REPAIR_SAMPLE}",
        f"the {TOP} likeliest next tokens",
        f"the least listed number minus {FLOOR_GAP}",
        f"one a core, at most {MOST_WORKERS}",
    )


def test_data_is_described_as_it_is() -> None:
    from recloop.data import FEEDBACKS, load_dataset
    from recloop.data.readers.columns import ROLES
    from recloop.data.report import KEPT
    from recloop.data.splits import How

    page = prose("docs/data.md")
    assert [*code(re.findall(r"Roles are ([^.]*)\.", page)[0])] == list(ROLES)
    assert {*code(re.findall(r"`split` ways: (.*?)Every user", page)[0])} == set(get_args(How))
    assert {"rating", *code(re.findall(r'feedback="\w+"` \(([^)]*)\)', page)[0]), "click"} == set(FEEDBACKS)
    data = load_dataset()
    says(
        "docs/data.md",
        f"The first {KEPT} are shown",
        f"{len(data):,} ratings from {data.scale.low:g} to {data.scale.high:g}, "  # type: ignore[union-attr]
        f"{len(data.users):,} users, {len(data.items):,} films",
    )


def test_every_baseline_is_listed() -> None:
    from recloop.methods.recommenders.open import BASELINES, FILE_ENDINGS

    table = [row[0] for row in rows(section_of("docs/recommenders.md", "Baselines")) if row[0].startswith("`")]
    assert {name for cell in table for name in code(cell)} == set(BASELINES)
    assert set(code(re.findall(r"the baselines \(([^)]*)\)", prose("README.md"))[0])) == set(BASELINES)
    says(
        "docs/recommenders.md",
        *(f"`{ending}`" for ending in FILE_ENDINGS if ending.count(".") == 1 and ending != ".csv"),
    )


def test_a_search_is_described_as_it_is() -> None:
    from recloop.cli import output
    from recloop.prompt_opt.account import TRIES
    from recloop.prompt_opt.optimizers import OPTIMIZERS
    from recloop.prompt_opt.selectors import SELECTORS
    from recloop.prompt_opt.tasks.metrics import NAMES
    from recloop.prompt_opt.tasks.open import TASKS
    from recloop.prompt_opt.verdict import LEVEL, POWER, TOO_MANY

    page = "docs/optimize.md"
    tables = {heading: rows(section_of(page, heading)) for heading in ("Tasks", "Optimizers", "The verdict")}
    assert {name for row in tables["Tasks"] for name in code(row[0])} >= {*TASKS, "dspy:module:program"}
    assert {name for row in tables["Optimizers"] for name in code(row[0])} >= {"racing", "recprompt", "po4isr"}
    assert {name for row in tables["Optimizers"][:4] for name in code(row[0])} <= set(OPTIMIZERS)
    assert {*code(re.findall(r"`--metric` is one of (.*?) \(RecPrompt", prose(page))[0])} == set(NAMES)
    assert {*code(re.findall(r"who finds the best of several prompts: ([^.]*)\.", prose(page))[0])} == set(SELECTORS)
    told = (ROOT / "prompt_opt" / "verdict.py").read_text(encoding="utf-8")
    assert all(f'"{row[0]}"' in told for row in tables["The verdict"])
    says(page, f"p ≤ {LEVEL}", f"more than {TOO_MANY:.0%}".replace("%", " %"), "four of five searches", "a tenth more")
    assert (POWER, TRIES) == (0.8, 1.1)
    codes = [row[0] for row in rows(section_of(page, "Budget, resume, replay"))]
    assert (
        ", ".join(codes)
        == f"0, {output.FAILED}, {output.BAD_INPUT}, {output.PAUSED}, {output.INTERRUPTED}, {output.TERMINATED}"
    )


def test_a_runs_format_is_described_as_it_is() -> None:
    from recloop.runs.log import APPLICATION_ID, SCHEMA, VERSION
    from recloop.runs.manifest import FORMAT, Manifest
    from recloop.runs.tables import table_specs

    page = read("docs/runs.md")
    tables = {name for row in rows(section_of("docs/runs.md", "`log.sqlite`")) for name in code(row[0])}
    assert tables == set(re.findall(r"CREATE TABLE (\w+)", SCHEMA))
    manifest = section_of("docs/runs.md", "`manifest.json`").partition(" It is replaced")[0]
    assert set(Manifest.model_fields) <= set(code(manifest))
    says("docs/runs.md", f"`application_id` 0x{APPLICATION_ID:X}, `user_version` {VERSION}", f"`format` ({FORMAT})")
    calls = re.findall(r"`calls` is built in: (.*?)\. `describe_tables", " ".join(page.split()))[0]
    assert re.sub(r" \([^)]*\)", "", calls).split(", ") == [column.name for column in table_specs()["calls"].columns]


def test_what_is_written_to_the_log_is_what_the_architecture_says(tmp_path: Path) -> None:
    import asyncio

    from recloop.runs import Run
    from recloop.simulations import SimulateConfig, simulate

    config = SimulateConfig(model="scripted", recommender="random", users=3, pages=1)
    table = {
        row[0].strip("`"): set(code(row[2]))
        for row in rows(
            section_of(
                "docs/architecture.md", "`simulations/`: order from Mesa, speed from asyncio, truth from the log"
            )
        )
    }
    with Run.open(asyncio.run(simulate(config, out=tmp_path / "run"))) as run:
        events = list(run.events())
        shown = run.table("exposures").to_pylist()
    assert {event.kind for event in events} == set(table) - {"calibration", "edit"}  # of a model; of a fork
    always = table["page"] - {"interview", "feeling", "asked"}
    assert all(always <= set(event.data) <= table["page"] for event in events if event.kind == "page")
    says("docs/simulate.md", "1 / eligible items for `random`")
    assert all(0 < row["propensity"] < 0.01 for row in shown)


def digest_of(lines: list[Any]) -> str:
    """SHA-256 of JSON values in canonical form, a line each."""
    text = "".join(json.dumps(x, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for x in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_digest_can_be_computed_by_what_the_page_says(tmp_path: Path) -> None:
    """The recipe of docs/runs.md, followed step by step (a run without graph checkpoints)."""
    import recloop.simulations  # noqa: F401  (registers the kind, which says what is volatile)
    from recloop.runs import CallRecord, Event, Run

    config = {"users": 2, "concurrency": 8, "name": "x"}
    with Run.create(tmp_path / "run", kind="simulate", config=config, seed=7, hashes={"data": "00ff"}) as run:
        for page in range(2):
            run.calls.put(
                CallRecord(f"k{1 - page}", "ü1", page, "react", 1, "m", "chat", {"b": [0.1], "a": "?"}, response="ja")
            )
            run.commit(page, [Event("page", "ü1", page, "react", {"z": 1.5, "a": None})], {"clock": {"page": page}})
        manifest = json.loads((run.path / "manifest.json").read_text("utf-8"))
        kept = {name: value for name, value in config.items() if name not in manifest["volatile"]["config"]}
        asked = {"kind": "simulate", "seed": 7, "config": kept, "hashes": {"data": "00ff"}}
        lines: list[Any] = [["run", asked]]
        for e in run.events():
            data = {
                "kind": e.kind,
                "agent": e.agent,
                "page": e.page,
                "node": e.node,
                "barrier": e.barrier,
                "data": e.data,
            }
            lines.append(["event", data])
        lines += [["state", name, value] for name, value in sorted(run.states().items())]
        fields = ("key", "agent", "page", "node", "sample", "model", "kind", "request", "status", "response")
        calls = sorted(run.calls.all(), key=lambda call: call.key)
        lines.append(["calls", digest_of([{name: getattr(call, name) for name in fields} for call in calls])])
        assert len(kept) == 1
        assert digest_of(lines) == run.digest()


def test_what_is_dropped_from_a_recommenders_answers_is_told(tmp_path: Path) -> None:
    import asyncio

    from recloop.runs import Run
    from recloop.simulations import SimulateConfig, simulate

    says("README.md", "unknown, repeated and already seen items are dropped, counted, and told at the end")
    films = ["1300854", "1300854", "nowhere", "0770828", "1483013", "1408101", "0816711", "1670345"]
    lines = f"def best(user, history, k, exclude):\n    return [*exclude[:1], *{films}]\n"
    (tmp_path / "careless.py").write_text(lines, encoding="utf-8")
    config = SimulateConfig(model="scripted", recommender=f"{tmp_path}/careless.py:best", users=3, pages=1)
    with Run.open(asyncio.run(simulate(config, out=tmp_path / "run"))) as run:
        told = "\n".join(run.manifest.notes)
        seen = {user: set(event.data["history"]) for event in run.events(kind="persona") if (user := event.agent)}
        shown = [(row["agent"], row["item"]) for row in run.table("exposures").to_pylist()]
    assert all(kind in told for kind in ("x excluded", "x unknown_item", "x duplicate"))
    assert len(set(shown)) == len(shown)
    assert all(item in films and item != "nowhere" and item not in seen[user] for user, item in shown)
