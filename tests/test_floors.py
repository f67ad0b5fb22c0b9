"""The floors of docs/architecture.md: a folder imports from itself and from lower floors only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "runs": 0,
    "llm": 1,
    "data": 1,
    "evaluators": 2,
    "methods": 3,
    "agents": 4,
    "simulations": 5,
    "prompt_opt": 5,
    "studio": 6,
    "cli": 7,
}
HEAVY = {
    "aiohttp", "cyllama", "dspy", "httpx", "langchain", "langchain_core", "langgraph", "litellm", "mesa", "openai",
    "pandas", "pyarrow", "ray", "safetensors", "scipy", "tokenizers", "torch", "transformers", "xllamacpp",
}  # fmt: skip


def imports_of(path: Path) -> list[tuple[int, str]]:
    """(line, folder) of every import of ours in a file, the conditional ones and those inside functions included."""
    here = path.relative_to(ROOT).parts
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = here[: len(here) - node.level]
                target = [*base, *(node.module or "").split(".")] if node.module else list(base)
                if target:
                    found.append((node.lineno, target[0]))
                else:  # from .. import x, at the root
                    found += [(node.lineno, alias.name) for alias in node.names]
            elif (node.module or "").split(".")[0] == "recloop":
                found.append((node.lineno, f"absolute import of {node.module}"))
        elif isinstance(node, ast.Import):
            found += [
                (node.lineno, f"absolute import of {a.name}") for a in node.names if a.name.split(".")[0] == "recloop"
            ]
    return found


def sources() -> list[Path]:
    return sorted(p for folder in FLOORS for p in (ROOT / folder).rglob("*.py"))


def test_every_folder_imports_only_from_itself_and_lower_floors() -> None:
    broken = []
    for path in sources():
        folder = path.relative_to(ROOT).parts[0]
        for line, target in imports_of(path):
            if target == folder or target == "__version__":
                continue
            if target not in FLOORS or FLOORS[target] >= FLOORS[folder]:
                broken.append(f"{path.relative_to(ROOT)}:{line} ({folder}) imports {target}")
    assert not broken, "\n".join(broken)


def test_the_check_sees_a_broken_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "runs" / "bad.py"
    bad.parent.mkdir()
    bad.write_text("def f():\n    from ..agents import personas\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert imports_of(bad) == [(2, "agents")]


def test_a_paper_imports_no_other_paper() -> None:
    shared = {"recommenders", "search", "training"}
    for path in (ROOT / "methods").rglob("*.py"):
        parts = path.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = parts[: len(parts) - node.level]
                target = (*base, *(node.module or "").split("."))
                if len(target) > 1 and target[0] == "methods" and len(parts) > 2:
                    assert target[1] in {parts[1], *shared}, f"{path}: {target}"


def test_every_folder_says_what_lives_there() -> None:
    for path in sources():
        if path.name == "__init__.py":
            doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert doc, f"{path.relative_to(ROOT)} has no docstring"


@pytest.mark.parametrize("module", ["recloop", *(f"recloop.{folder}" for folder in FLOORS if (ROOT / folder).is_dir())])
def test_importing_a_floor_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(','.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not HEAVY & set(loaded.strip().split(",")), sorted(HEAVY & set(loaded.strip().split(",")))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom recloop.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', ','.join(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    loaded = set(out.rsplit("LOADED ", 1)[1].strip().split(","))
    assert "simulate" in out
    assert not HEAVY & loaded, sorted(HEAVY & loaded)


def test_no_pickle_and_no_eval_in_the_package() -> None:
    banned = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, f"{path}:{node.lineno} calls {node.func.id}"
            assert not banned & {n.split(".")[0] for n in names}, f"{path}: {names}"
