"""Fixtures of the data tests: small files on disk, and the real datasets where they are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from recloop.data import data_folder


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real datasets; skips with the reason where there is none."""
    folder = data_folder()
    if folder is None:
        pytest.skip("RECLOOP_DATA names no folder of datasets")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file (packed where it ends in .gz) below the test's own folder and return its path."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return write_file
