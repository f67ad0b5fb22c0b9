"""What of the local models is installed and present, and the command that mends what is missing."""

from __future__ import annotations

from typing import Any

from .extra import RUNTIMES, installed
from .store import MODELS


def local_status() -> list[dict[str, Any]]:
    """Rows for `recloop doctor`: what, ok, found, mend, optional. Looks only: nothing is imported, fetched or hashed."""
    rows: list[dict[str, Any]] = []
    for package in RUNTIMES:
        version = installed(package)
        mend = "" if version else 'pip install "recloop[local]"'
        rows.append(_row(package, version is not None, version or "missing", mend))
    for model in MODELS.values():
        there = model.present
        size = f"{model.size / 1e6:.0f} MB"
        found = f"{model.path} ({size})" if there else f"not fetched ({size})"
        rows.append(_row(f"model {model.name}", there, found, "" if there else f"recloop models get {model.name}"))
    return rows


def _row(what: str, ok: bool, found: str, mend: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": found, "mend": mend, "optional": True}
