"""`recloop doctor`: what is there, what is missing, the command that mends it; true also of a broken installation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from recloop.llm.local.store import MODELS

LOCAL = ("cyllama", "xllamacpp")
ROOT = Path(__file__).parents[2]


def doctor(site: Path | None, cache: Path, *arguments: str, stubs: Path | None = None) -> tuple[int, str]:
    """Exit code and output of `recloop doctor` in a Python of its own: with the packages of `site` alone, or with all."""
    path = [*([str(stubs)] if stubs else []), *([str(site), str(ROOT / "typings")] if site else [])]
    environment = os.environ | {"RECLOOP_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "80"}
    code = "import sys; from recloop.cli import main; sys.argv = ['recloop', 'doctor', *sys.argv[1:]]; main()"
    command = [sys.executable, *(["-S"] if site else []), "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=cache.parent)
    assert done.stderr == ""
    return done.returncode, done.stdout


def site_without(folder: Path, *packages: str) -> Path:
    """A folder of packages like the one here, without some of them: links cost nothing."""
    folder.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        name = re.split(r"[-.]", entry.name)[0].lower().replace("_", "-")
        if name not in packages and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


def rows_of(out: str) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in json.loads(out)}


def test_a_sound_installation_has_nothing_to_mend(cli: Any, model_file: str) -> None:
    rows = {row["what"]: row for row in cli("doctor", "--json").json}
    assert [
        name for name, row in rows.items() if not row["ok"] and name not in ("torch", "model wordllama", "model minilm")
    ] == []
    assert {"langgraph", "mesa", "numpy", "typer", "cyllama", "xllamacpp", "model smollm2", "data sets"} <= set(rows)
    result = cli("doctor")
    assert result.code == 0
    assert "model smollm2         ok" in result.out
    assert max(map(len, result.out.splitlines())) <= 80


def test_a_missing_extra_and_an_empty_cache_are_told_with_the_commands_that_mend_them(tmp_path: Path) -> None:
    site = site_without(tmp_path / "site", *LOCAL)
    code, out = doctor(site, tmp_path / "cache", "--json")
    rows = rows_of(out)
    assert code == 0, "local models are optional"
    for name in LOCAL:
        assert (rows[name]["ok"], rows[name]["optional"]) == (False, True)
        assert "pip install" in rows[name]["mend"]
        assert "[local]" in rows[name]["mend"]
        assert rows[name]["mend"].startswith(sys.executable)
    for name in MODELS:
        assert rows[f"model {name}"]["mend"] == f"recloop models get {name}"
    code, out = doctor(site, tmp_path / "cache")
    assert "missing, optional" in out
    assert re.search(r"^  .*pip install .*\[local\]'?    # cyllama, xllamacpp$", out, re.MULTILINE)
    assert out.endswith("next:  recloop simulate --model scripted\n")
    assert not (tmp_path / "cache").exists(), "looking makes nothing"


def test_a_package_that_is_installed_but_does_not_load_is_not_called_ok(tmp_path: Path) -> None:
    for name in LOCAL:
        (tmp_path / "stubs" / name).mkdir(parents=True)
        (tmp_path / "stubs" / name / "__init__.py").write_text('raise ImportError("libgomp.so.1: no such file")')
    _, out = doctor(None, tmp_path / "cache", "--json", stubs=tmp_path / "stubs")
    rows = rows_of(out)
    for name in LOCAL:
        if rows[name]["found"].startswith("missing"):
            pytest.skip("the local extra is not installed")
        assert rows[name]["ok"] is False
        assert "libgomp.so.1" in rows[name]["found"]
        assert f"--force-reinstall --no-deps {name}" in rows[name]["mend"]


def test_what_recloop_cannot_do_without_fails_the_check(tmp_path: Path) -> None:
    code, out = doctor(site_without(tmp_path / "site", "mesa", "tokenizers"), tmp_path / "cache")
    assert code == 1
    assert re.search(r"^mesa +missing +not installed", out, re.MULTILINE)
    assert re.search(r"^tokenizers +missing +not installed", out, re.MULTILINE)
    assert re.search(r"^  .*pip install .*# ", out, re.MULTILINE)


def test_a_version_that_does_not_fit_is_told(tmp_path: Path) -> None:
    site = site_without(tmp_path / "site", "mesa")
    (site / "mesa-2.0.dist-info").mkdir()
    (site / "mesa-2.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mesa\nVersion: 2.0\n")
    code, out = doctor(site, tmp_path / "cache", "--json")
    row = rows_of(out)["mesa"]
    assert code == 1
    assert (row["ok"], row["found"].split(",")[0]) == (False, "2.0")
    assert "needs" in row["found"]
    assert ">=3.3.1" in row["found"]


def test_a_model_file_of_the_wrong_size_is_missing(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    path = MODELS["smollm2"].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    rows = {row["what"]: row for row in cli("doctor", "--json").json}
    assert rows["model smollm2"]["ok"] is False
    assert rows["model smollm2"]["mend"] == "recloop models get smollm2"


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "pip install 'recloop[local]'"),
        (
            {"url": "file:///src/my%20recloop", "dir_info": {"editable": True}},
            "pip install -e '/src/my recloop[local]'",
        ),
        ({"url": "file:///tmp/recloop.whl"}, "pip install '/tmp/recloop.whl[local]'"),
        (
            {"url": "https://host/recloop", "vcs_info": {"vcs": "git"}},
            "pip install 'recloop[local] @ git+https://host/recloop'",
        ),
    ],
    ids=["registry", "clone", "wheel", "git"],
)
def test_the_mending_command_installs_from_where_recloop_came(
    monkeypatch: pytest.MonkeyPatch, origin: Any, wanted: str
) -> None:
    import importlib.metadata

    from recloop.cli.doctor import install_command

    class Installed:
        def read_text(self, name: str) -> str | None:
            return None if origin is None else json.dumps(origin)

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    assert install_command("local").endswith(f"-m {wanted}")


def test_the_folder_of_data_sets_is_looked_at(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def row() -> dict[str, Any]:
        return next(row for row in cli("doctor", "--json").json if row["what"] == "RECLOOP_DATA")

    monkeypatch.delenv("RECLOOP_DATA", raising=False)
    assert row()["found"].startswith("not set")
    monkeypatch.setenv("RECLOOP_DATA", str(tmp_path))
    assert (row()["ok"], row()["found"]) == (True, str(tmp_path))
    monkeypatch.setenv("RECLOOP_DATA", str(tmp_path / "gone"))
    assert (row()["ok"], row()["optional"], row()["found"]) == (False, True, f"{tmp_path / 'gone'} is no folder")
