"""`recloop doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import re
import shlex
import sys
from typing import Any

import typer

from .. import __version__
from .options import Json
from .output import FAILED, print_json, print_table, say, short

RUNTIMES = {"cyllama": "cyllama.llama.llama_cpp", "xllamacpp": "xllamacpp"}
"""Package of the local extra -> the module of it that local models import."""


def command(
    as_json: Json = False,
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
        _say_mending(rows)
    if any(not row["ok"] and not row["optional"] for row in rows):
        raise typer.Exit(FAILED)


def _say_mending(rows: list[dict[str, Any]]) -> None:
    for title, optional in (("to mend it:", False), ("if wanted:", True)):
        commands: dict[str, list[str]] = {}
        for row in rows:
            if row["mend"] and row["optional"] == optional:
                commands.setdefault(row["mend"], []).append(row["what"])
        if commands:
            say(f"\n{title}")
        for command, what in commands.items():
            say(f"  {command}    # {', '.join(what)}")
    if all(row["ok"] or row["optional"] for row in rows):
        local = all(row["ok"] for row in rows if row["what"] in RUNTIMES)
        say(f"\nnext:  recloop simulate{'' if local else ' --model scripted'}", style="dim")


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
    rows += [_package(line) for line in _requirements()]
    from ..llm.local import local_status

    for row in local_status():
        if row["what"] in RUNTIMES:
            row |= _runtime(row)
        rows.append(row)
    torch = _version("torch")
    found = torch or "not installed (only lightgcn and multvae need it)"
    rows.append({**_row("torch", torch is not None, found, install_command("torch")), "optional": True})
    from ..data import list_datasets

    names = ", ".join(entry.name for entry in list_datasets())
    rows.append(_row("data sets", bool(names), names, install_command()))
    rows.append(_shelf())
    key = "set" if os.environ.get("OPENAI_API_KEY") else "not set (needed for openai/... models only)"
    rows.append(_row("OPENAI_API_KEY", True, key, ""))
    return rows


def _shelf() -> dict[str, Any]:
    """Whether the variable that names a folder of data sets names one; nobody needs it."""
    from ..data.shelf import VARIABLE

    given = os.environ.get(VARIABLE, "")
    if not given:
        return _row(VARIABLE, True, "not set (a folder of data sets to be had by name)", "")
    there = os.path.isdir(os.path.expanduser(given))
    row = _row(VARIABLE, there, given if there else f"{given} is no folder", f"export {VARIABLE}=FOLDER")
    return {**row, "optional": True}


def _requirements() -> list[str]:
    """What RecLoop says it needs, without the extras (empty for a source tree that was never installed)."""
    try:
        lines = importlib.metadata.requires("recloop") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [line for line in lines if "extra ==" not in line]


def _package(requirement: str) -> dict[str, Any]:
    """Whether a required package is installed, in a version that was asked for."""
    name, wanted = re.match(r"[\w.-]+", requirement), re.search(r"[<>=!~][^;]*", requirement)
    package = name[0] if name else requirement
    version = _version(package)
    if version is None:
        return _row(package, False, "not installed", install_command())
    if wanted and not _fits(version, wanted[0]):
        return _row(package, False, f"{version}, needs {wanted[0].strip()}", install_command())
    return _row(package, True, version, "")


def _fits(version: str, wanted: str) -> bool:
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:  # it comes with other packages, of which some are missing then; their rows say so
        return True
    return SpecifierSet(wanted).contains(version, prereleases=True)


def _runtime(row: dict[str, Any]) -> dict[str, Any]:
    """What a package of the local extra is really good for: an installed one may still lack a library of the system."""
    package = str(row["what"])
    if not row["ok"]:
        return {"mend": install_command("local")}
    try:
        importlib.import_module(RUNTIMES[package])
    except (ImportError, OSError) as error:
        again = f"{shlex.quote(sys.executable)} -m pip install --force-reinstall --no-deps {package}"
        return {"ok": False, "found": f"{row['found']} cannot be imported: {error}", "mend": again}
    return {}


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
