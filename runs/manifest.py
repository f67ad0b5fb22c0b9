"""`manifest.json`: what was asked of a run, and how it stands."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from platform import python_version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .errors import CorruptRun, DiskFull, NotARun, OtherVersion
from .redact import redact, scrub

MANIFEST = "manifest.json"
FORMAT = 1
PACKAGES = (
    "recloop",
    "langgraph",
    "langgraph-checkpoint",
    "mesa",
    "litellm",
    "numpy",
    "scipy",
    "pydantic",
    "xllamacpp",
    "cyllama",
)
"""Packages whose version can change what a run does."""

Status = Literal["running", "paused", "finished", "failed"]


class Volatile(BaseModel):
    """What of a run is no part of its digest. Written down at creation, so that a digest depends on the folder alone."""

    config: list[str] = Field(default_factory=list)
    """Dotted paths into `config` that change how a run is carried out, not what it does (concurrency, budget, out)."""
    channels: list[str] = Field(default_factory=list)
    """LangGraph channels whose values differ between equal runs (message lists with random ids)."""


class ForkPoint(BaseModel):
    """Where a fork leaves the run that it lies in (`<run>/forks/<name>`)."""

    parent: str
    """When that run was made (its `created`), so that another one in its place is noticed."""
    barrier: int = Field(ge=0, lt=1 << 40)
    """The last barrier that both share."""
    agents: list[str] = Field(default_factory=list)
    """Those who live on otherwise from there; all others do what they did. Empty: everybody lives on."""
    range: int = Field(ge=1, lt=1 << 22)
    """Ids of the fork's log begin at `range << 40`."""

    @field_validator("agents")
    @classmethod
    def _storable(cls, agents: list[str]) -> list[str]:
        for agent in agents:
            agent.encode()  # half a character of a stranger's: UnicodeEncodeError is a ValueError
        return agents


class Manifest(BaseModel):
    """What was asked of a run, and how it stands. Holds no credential: `redact` goes over what comes in."""

    model_config = ConfigDict(extra="allow")

    format: int = FORMAT
    kind: str
    name: str = ""
    created: str = ""
    updated: str = ""
    status: Status = "running"
    reason: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    versions: dict[str, str] = Field(default_factory=dict)
    hashes: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    revision: str | None = None
    volatile: Volatile = Field(default_factory=Volatile)
    fork: ForkPoint | None = None

    @classmethod
    def new(
        cls,
        *,
        kind: str,
        name: str,
        config: Mapping[str, Any],
        seed: int,
        hashes: Mapping[str, str],
        notes: Sequence[str],
        volatile: Volatile,
    ) -> Manifest:
        """The manifest of a run that starts now, in this process and folder."""
        return cls(
            kind=kind,
            name=name,
            created=now(),
            updated=now(),
            config=redact(config),
            seed=seed,
            hashes=dict(hashes),
            notes=[scrub(note) for note in notes],
            versions=installed_versions(),
            revision=git_revision(Path.cwd()),
            volatile=volatile,
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a run's folder. Raises `NotARun`, `OtherVersion`, `CorruptRun`."""
        path = folder / MANIFEST
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(raw, dict):
                raise ValueError("not an object")
        except (FileNotFoundError, NotADirectoryError):
            what = "does not exist" if not folder.exists() else f"is no run (it has no {MANIFEST})"
            raise NotARun(f"{folder} {what}", "`recloop runs list` shows the runs there are") from None
        except (ValueError, RecursionError) as error:
            raise CorruptRun(
                f"{path} is damaged ({error})", f"restore it from a copy; the log beside it ({folder}) was not touched"
            ) from None
        if raw.get("format") != FORMAT:
            versions = raw.get("versions")
            writer = versions.get("recloop") if isinstance(versions, dict) else None
            raise OtherVersion(
                f"{folder} has run format {repr(raw.get('format'))[:40]}; this RecLoop reads format {FORMAT}",
                f"use the RecLoop that wrote it ({str(writer or 'version unknown')[:40]})",
            )
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            raise CorruptRun(
                f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}", "restore it from a copy"
            ) from None

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest in one step: a reader, or a crash, sees the old one or the new one."""
        self.updated = now()
        write_atomic(folder / MANIFEST, (self.model_dump_json(indent=2) + "\n").encode())


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is never seen half written. Raises `DiskFull`; the old file then stays."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # a foreign folder's may be a link to elsewhere, which "x" does not follow
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_full(path.parent, error) from None
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in a folder survive a power cut, where the system allows."""
    sync_file(folder)


def sync_file(path: Path) -> None:
    """Make what a file holds survive a power cut, where the system allows."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def disk_full(folder: Path, error: OSError) -> Exception:
    """`DiskFull` where the system said so, else the error itself."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return DiskFull(
        f"no space left on the disk of {folder}",
        "free some (`recloop runs prune` drops what can be rebuilt), then resume the run: nothing committed is lost",
    )


def now() -> str:
    """This moment, UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that shape a run."""
    return dict(_installed())


@lru_cache(maxsize=1)
def _installed() -> Mapping[str, str]:
    versions = {"python": python_version()}
    for name in PACKAGES:
        try:
            versions[name] = package_version(name)
        except PackageNotFoundError:
            continue
    return versions


def git_revision(folder: Path) -> str | None:
    """The commit checked out around a folder, read from git's own files (no process is started), else None."""
    try:
        for parent in (folder, *folder.parents):
            git = parent / ".git"
            if git.is_file():  # a worktree or submodule: the file names the real folder
                git = (parent / git.read_text().removeprefix("gitdir:").strip()).resolve()
            if (git / "HEAD").is_file():
                return _resolve_head(git)
    except OSError:
        pass
    return None


def _resolve_head(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    ref = head.removeprefix("ref:").strip()
    common = git / "commondir"
    shared = (git / common.read_text().strip()).resolve() if common.is_file() else git
    for root in (git, shared):
        if (root / ref).is_file():
            return (root / ref).read_text().strip()
    packed = shared / "packed-refs"
    for line in packed.read_text().splitlines() if packed.is_file() else ():
        if line.endswith(f" {ref}"):
            return line.split()[0]
    return None
