"""The wheel and the sdist hold what the tree holds: no module, prompt or data file is forgotten or smuggled in."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
CODE = ("agents", "cli", "data", "evaluators", "llm", "methods", "prompt_opt", "runs", "simulations", "studio")


def tree() -> set[str]:
    """What the package should hold, relative to the root: all code, and every other file inside its folders."""
    wanted = {"__init__.py", "py.typed"}
    for folder in CODE:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                wanted.add(path.relative_to(ROOT).as_posix())
    return wanted


def test_every_package_is_listed() -> None:
    found = {"recloop"}
    for folder in CODE:
        for path in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join(("recloop", *path.relative_to(ROOT).parent.parts)))
    assert set(CONFIG["packages"]) == found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist, built with the setuptools of this environment from a clean copy of what git would hold."""
    import shutil

    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "recloop"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "*.egg-info", "build", "dist", "__pycache__", "recloop-runs", "typings"
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def test_the_wheel_holds_the_tree(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = {n for n in wheel.namelist() if not n.endswith("/") and ".dist-info/" not in n}
    assert {n.removeprefix("recloop/") for n in names} == tree()
    assert all(n.startswith("recloop/") for n in names), "nothing is put on a user's path beside recloop"


def test_the_sdist_holds_the_tree_the_tests_and_the_docs(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {n.split("/", 1)[1] for n in archive.getnames() if "/" in n}
    assert not tree() - names
    extra = {
        p.relative_to(ROOT).as_posix()
        for f in ("tests", "docs", "notebooks", "benchmarks")
        for p in (ROOT / f).rglob("*")
        if p.is_file()
    }
    assert not {e for e in extra if "__pycache__" not in e and ".ipynb_checkpoints" not in e} - names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= names


def test_the_version_is_stated_once(built: tuple[Path, Path]) -> None:
    import recloop

    assert f"recloop-{recloop.__version__}" in built[0].name
