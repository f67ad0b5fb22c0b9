"""Nothing is loaded that is not needed: help answers at once, scripted users wait for no agent framework."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cli_world import COLUMNS, write_ratings

PROBE = """
import json, sys
from recloop.cli import main
sys.argv = ["recloop", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def loaded(folder: Path, *arguments: object) -> set[str]:
    """Top-level packages that a command of its own process has loaded by its end."""
    command = [sys.executable, "-c", PROBE, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stderr.splitlines()[-1]))


FRAMEWORKS = {"langgraph", "langchain", "langchain_core", "langsmith", "litellm", "openai", "dspy", "aiohttp", "torch"}
HEAVY = FRAMEWORKS | {"numpy", "scipy", "pandas", "pyarrow", "mesa", "cyllama", "xllamacpp"}


def test_help_and_lists_load_nothing_heavy(tmp_path: Path) -> None:
    for arguments in (["--help"], ["simulate", "--help"], ["runs", "list"], ["models", "list"]):
        assert not HEAVY & loaded(tmp_path, *arguments), arguments


def test_scripted_users_load_no_agent_framework_and_no_provider(tmp_path: Path) -> None:
    write_ratings(tmp_path / "ratings.csv")
    flags = ["--data", "ratings.csv", "--columns", COLUMNS, "--recommender", "pop", "--model", "scripted"]
    found = loaded(tmp_path, "simulate", *flags, "--users", 5, "--pages", 1)
    assert "mesa" in found
    assert not FRAMEWORKS & found
