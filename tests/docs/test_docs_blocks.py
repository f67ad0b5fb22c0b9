"""What a page says can be run, runs: every marked block, page by page, as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doc_pages import PAGES, Block, blocks, spans

AWAITED = """
import ast, asyncio, inspect, sys
code = compile(sys.stdin.read(), "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
work = eval(code, vars(sys.modules["__main__"]))
if inspect.iscoroutine(work):
    asyncio.run(work)
"""
"""Runs the Python on stdin as a notebook would: `await` is allowed outside of functions."""


def write_tables(folder: Path) -> None:
    """The tables of one's own that the pages speak of: ratings.csv, my.inter, orders.parquet."""
    rng = np.random.default_rng(5)
    users, items = np.repeat(np.arange(40), 15), np.concatenate([rng.permutation(60)[:15] for _ in range(40)])
    when = 1_600_000_000 + 60 * np.arange(len(users))
    ratings = pd.DataFrame({"uid": users, "movie": items, "stars": rng.integers(1, 6, len(users)), "when": when})
    ratings.to_csv(folder / "ratings.csv", index=False)
    inter = dict(zip(ratings, ("user_id:token", "item_id:token", "rating:float", "timestamp:float"), strict=True))
    ratings.rename(columns=inter).to_csv(folder / "my.inter", sep="\t", index=False)
    orders = {"uid": "customer", "movie": "sku", "when": "at"}
    ratings.rename(columns=orders)[[*orders.values()]].to_parquet(folder / "orders.parquet")


def run(block: Block, folder: Path) -> str:
    """Run one block; returns what is wrong ("" if nothing), with the block's output."""
    here = Path(sys.executable).parent
    kept = {name: value for name, value in os.environ.items() if name not in ("OPENAI_API_KEY", "RECLOOP_TRACEBACK")}
    done = subprocess.run(
        [sys.executable, "-c", AWAITED] if block.kind == "python" else ["bash", "-eu"],
        input=block.text,
        cwd=folder,
        env={**kept, "PATH": f"{here}{os.pathsep}{kept['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    if done.returncode == 0:
        return ""
    return f"exit code {done.returncode}\n{block.text}---\n{done.stdout}{done.stderr}"


LONG = {("docs/optimize.md", "run: local")}
"""Blocks that take a minute: a search with the embedded model, which the notebook on prompts runs too."""


def marks(page: str, mark: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.local] * ("local" in mark) + [pytest.mark.slow] * ((page, mark) in LONG)


CASES = [
    pytest.param(page, mark, id=f"{page}{mark.removeprefix('run')}", marks=marks(page, mark))
    for page in PAGES
    for mark in ("run", "run: local")
    if any(block.mark == mark for block in blocks(page))
]


@pytest.mark.parametrize(("page", "mark"), CASES)
def test_every_marked_block_runs_as_it_stands(
    page: str, mark: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "local" in mark:
        request.getfixturevalue("model_file")
    write_tables(tmp_path)
    for block in blocks(page):
        if block.mark.startswith("file: "):
            (tmp_path / block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
    for block in blocks(page):
        if block.mark == mark:
            problem = run(block, tmp_path)
            assert not problem, f"{page}, line {block.line}: {problem}"


def test_the_tutorial_pages_have_blocks_that_run() -> None:
    assert {"README.md", "docs/simulate.md", "docs/data.md", "docs/recommenders.md", "docs/runs.md"} <= {
        str(case.values[0]) for case in CASES
    }


def command_lines(page: str) -> list[str]:
    """Everything on a page that one would type and that begins with `recloop`, marked or not."""
    lines = [line for block in blocks(page) if block.kind == "sh" for line in block.text.splitlines()]
    pieces = [piece.strip() for line in lines for piece in line.partition(" #")[0].split("&&")]
    return [p.removeprefix(".venv/bin/") for p in (*pieces, *spans(page)) if re.match(r"(\.venv/bin/)?recloop( |$)", p)]


def parse(line: str) -> None:
    """Let the command line read a command without doing it. Raises for a command, flag or number of arguments there is none of."""
    from recloop.cli.app import app
    from typer.main import get_command

    words, command = shlex.split(line)[1:], get_command(app)
    while words and (inner := getattr(command, "commands", None)) is not None:
        if command.name == "optimize" and words[0] not in inner:
            break  # a command by itself, which has commands below it
        word = words.pop(0)
        if word == "COMMAND":
            return
        if word.startswith("-"):
            assert any(word in option.opts for option in command.params), f"no flag {word}"
        else:
            command = inner[word]
            if word == "debug" and words and not words[0].startswith("-"):
                words.pop(0)  # the run stands before the verb
                return parse_verb(command, words)
    if words or not hasattr(command, "commands"):
        given: Any = command.make_context("recloop", words)
        given.close()


def parse_verb(rehearsal: Any, words: list[str]) -> None:
    """Let a verb of `recloop debug` be read: that of a rehearsal, a prompt search or any other run, whichever knows all of it."""
    from recloop.cli import debug_log, debug_search
    from typer.main import get_command

    if not words or words[0].startswith("-"):
        assert {word for word in words if word.startswith("-")} <= {
            "--help",
            *(o for p in rehearsal.params for o in p.opts),
        }
        return
    verb, *rest = words
    groups = (rehearsal, get_command(debug_search.app), get_command(debug_log.app))
    problems: list[Exception] = [KeyError(verb)]
    for known in [group.commands[verb] for group in groups if verb in group.commands]:
        try:
            known.make_context("recloop", [*rest]).close()
            return
        except Exception as problem:
            problems.append(problem)
    raise problems[-1]


LINES = [(page, line) for page in PAGES for line in dict.fromkeys(command_lines(page))]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[line for _, line in LINES])
def test_every_command_on_a_page_is_one_that_recloop_reads(page: str, line: str) -> None:
    parse(line)


def test_a_command_that_there_is_none_of_is_noticed() -> None:
    for line in (
        "recloop simulat",
        "recloop simulate --user 3",
        "recloop optimize --modle x",
        "recloop resume",
        "recloop runs compare a",
        "recloop debug RUN lok",
        "recloop debug RUN show --promt",
        "recloop debug RUN --prot 1",
    ):
        with pytest.raises(Exception, match=r"."):
            parse(line)


@pytest.mark.parametrize("page", PAGES)
def test_flags_named_on_a_page_are_flags(page: str) -> None:
    from doc_parts import commands

    known = {flag for command in commands().values() for o in command.params for flag in (*o.opts, *o.secondary_opts)}
    named = {span.partition(" ")[0] for span in spans(page) if span.startswith("--")}
    assert named <= known | {"--help", "--traceback", "--version"}


@pytest.mark.parametrize("page", PAGES)
def test_what_python_blocks_import_is_there(page: str) -> None:
    for block in blocks(page):
        for module, names in re.findall(r"^from (recloop[\w.]*) import ([\w, ]+)$", block.text, re.M):
            absent = [name for name in names.split(", ") if not hasattr(import_module(module), name)]
            assert not absent, f"{page}, line {block.line}: {module} has no {', '.join(absent)}"
