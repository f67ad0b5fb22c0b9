"""`recloop doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Annotated, Any

import typer

from .. import __version__
from .output import FAILED, print_json, print_table

CORE = ("langgraph", "langchain", "openai", "litellm", "dspy", "mesa", "pydantic", "numpy", "scipy", "pandas", "pyarrow", "aiohttp")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def findings() -> list[dict[str, Any]]:
    """One row per thing looked at: what, whether it is fine, what was found, what mends it."""
    rows: list[dict[str, Any]] = [
        {"what": "recloop", "ok": True, "found": __version__, "mend": ""},
        {
            "what": "python",
            "ok": sys.version_info >= (3, 11),
            "found": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
            "mend": "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer",
        },
    ]
    for package in CORE:
        version = _version(package)
        mend = "" if version else "pip install recloop"
        rows.append({"what": package, "ok": version is not None, "found": version or "missing", "mend": mend})
    from ..llm.local import local_status

    rows += [dict(row) for row in local_status()]
    from ..data import list_datasets

    names = ", ".join(entry.name for entry in list_datasets())
    rows.append({"what": "data sets", "ok": bool(names), "found": names, "mend": "" if names else "pip install --force-reinstall recloop"})
    return rows


def command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is installed, what models are there, what is missing and the command that mends it."""
    rows = findings()
    if as_json:
        print_json(rows)
    else:
        marks = {True: "ok", False: "missing"}
        print_table(
            "recloop doctor",
            ["what", "state", "found", "mend it with"],
            [(r["what"], marks[bool(r["ok"])], r["found"], r["mend"]) for r in rows],
        )
    if any(not row["ok"] and not row.get("optional") for row in rows):
        raise typer.Exit(FAILED)
