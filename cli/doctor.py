"""`recloop doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from typing import Annotated, Any

import typer

from .. import __version__
from .output import FAILED, print_json, print_table, say, short

CORE = (
    "langgraph",
    "langchain",
    "openai",
    "litellm",
    "dspy",
    "mesa",
    "pydantic",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "aiohttp",
)


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else, on stdout.")] = False,
) -> None:
    """Say what is installed, what is missing, and the command that mends it.

    Exit code 1 if something is missing that RecLoop cannot do without; what
    is only needed for some models is optional.
    """
    rows = findings()
    if as_json:
        print_json(rows)
    else:
        print_table(
            "recloop doctor", ["what", "state", "found"], [(r["what"], _state(r), short(r["found"])) for r in rows]
        )
        mend = {row["mend"]: row["what"] for row in rows if row["mend"]}
        if mend:
            say("\nto mend it:")
            for line, what in mend.items():
                say(f"  {line}    # {what}")
        else:
            say("\nall is well; next:  recloop simulate", style="dim")
    if any(not row["ok"] and not row["optional"] for row in rows):
        raise typer.Exit(FAILED)


def _state(row: dict[str, Any]) -> str:
    return "ok" if row["ok"] else "missing, optional" if row["optional"] else "missing"


def findings() -> list[dict[str, Any]]:
    """One row per thing looked at: what, ok, found, mend (a command, empty where nothing is to be mended), optional."""
    recent = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} ({platform.system()} {platform.machine()}, {os.cpu_count()} cores)"
    rows = [
        _row("recloop", True, __version__, ""),
        _row("python", recent, found, "install Python 3.11 or newer"),
    ]
    for package in CORE:
        version = _version(package)
        rows.append(_row(package, version is not None, version or "not installed", install_command()))
    from ..llm.local import local_status

    for row in local_status():
        extra = "recloop[local]" in str(row.get("mend"))
        rows.append({"optional": False, **row, **({"mend": install_command("local")} if extra else {})})
    from ..data import list_datasets

    names = ", ".join(entry.name for entry in list_datasets())
    rows.append(_row("data sets", bool(names), names, install_command()))
    key = "set" if os.environ.get("OPENAI_API_KEY") else "not set (needed for openai/... models only)"
    rows.append(_row("OPENAI_API_KEY", True, key, ""))
    return rows


def install_command(extra: str = "") -> str:
    """The command that installs this RecLoop again from where it came from, with an extra."""
    python = shlex.quote(sys.executable)
    suffix = f"[{extra}]" if extra else ""
    try:
        origin = json.loads(importlib.metadata.distribution("recloop").read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        origin = {}
    url = str(origin.get("url", ""))
    if url.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        folder = unquote(urlsplit(url).path)
        editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
        return f"{python} -m pip install {editable}{shlex.quote(folder + suffix)}"
    if url:
        prefix = f"{origin['vcs_info']['vcs']}+" if "vcs_info" in origin else ""
        return f"{python} -m pip install {shlex.quote(f'recloop{suffix} @ {prefix}{url}')}"
    return f"{python} -m pip install {shlex.quote('recloop' + suffix)}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _row(what: str, ok: bool, found: str, mend: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": found, "mend": "" if ok else mend, "optional": False}
