"""A trained ranker as a folder: `ranker.json`, and a safetensors file per training. Whatever does not fit together is refused.

ranker.json        data and its hash, encoder, grades, forms, folds, configuration, trainings with their files' SHA-256
heads/0-full-3.safetensors    fold, arm, weight of the robust loss
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from .config import RankConfig
from .errors import RankError

FORMAT = 1
MANIFEST = "ranker.json"


class Training(BaseModel):
    """One head: where it lies, and how it came about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: str
    kind: Literal["experts", "single"]
    views: int
    epochs: int
    """That the kept head has seen."""
    valid_ndcg: float
    """Of the raw validation queries."""
    valid_variance: float
    """Of NDCG@10 over a validation query's learnt forms, mean over queries."""
    valid_spread: float
    """Standard deviation of scores within a validation query, mean over queries."""


class Fold(BaseModel):
    """Which queries taught, stopped and test the rankers of one fold; ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    alpha: float | None = None
    """The weight of the robust loss that its validation queries chose."""


class Manifest(BaseModel):
    """All that is needed to use the heads, or to refuse to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    status: Literal["fitting", "finished"]
    data: str
    data_hash: str
    licence: str
    views_hash: str
    learnt: tuple[str, ...]
    encoder: str
    features: int
    grades: tuple[float, ...]
    """The grade that each class stands for, ascending."""
    config: RankConfig
    folds: tuple[Fold, ...]
    trainings: dict[str, Training] = {}
    """`fold-arm-alpha` -> training."""
    versions: dict[str, str] = {}

    def same_fit(self, other: Manifest) -> bool:
        """Whether the two are of one fit, finished or not."""
        skip = {"status", "trainings", "versions", "folds"}
        return self.model_dump(exclude=skip) == other.model_dump(exclude=skip)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """All at once or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{MANIFEST}.{os.getpid()}.tmp"
    part.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    os.replace(part, folder / MANIFEST)


def read_manifest(folder: Path, finished: bool = True) -> Manifest:
    """Raises `RankError` for a folder that is none, of another format, or (with `finished`) of a fit that is under way."""
    try:
        plain = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(plain, dict) and plain.get("format") != FORMAT:
            raise RankError(f"{folder} has format {plain.get('format')!r}, this RecLoop reads {FORMAT}\n  fit it again")
        manifest = Manifest.model_validate(plain)
    except FileNotFoundError:
        raise RankError(f"{folder} is no trained ranker\n  make one: recloop rank fit --out {folder}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, RankError):
            raise
        what = "fields that do not fit" if isinstance(error, ValidationError) else str(error)
        raise RankError(f"{folder / MANIFEST} cannot be read: {what}\n  fit it again into another folder") from None
    if finished and manifest.status != "finished":
        raise RankError(f"the fit in {folder} was interrupted\n  go on: the same recloop rank fit command again")
    return manifest


def save_head(folder: Path, name: str, head: Any) -> tuple[str, str]:
    """Write a head's tensors; returns the file, relative to the folder, and its SHA-256."""
    from safetensors.torch import save

    data = save({key: tensor.contiguous() for key, tensor in head.state_dict().items()})
    file = folder / "heads" / f"{name}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.tmp")
    part.write_bytes(data)
    os.replace(part, file)
    return str(file.relative_to(folder)), hashlib.sha256(data).hexdigest()


def load_head(folder: Path, manifest: Manifest, name: str) -> Any:
    """The head of a training. Raises `RankError` for a file that is missing, changed, or of another shape."""
    import torch
    from safetensors.torch import load

    from .head import RobustHead

    training = manifest.trainings[name]
    try:
        data = (folder / training.file).read_bytes()
    except OSError as error:
        raise RankError(f"{folder} lacks {training.file}: {error.strerror}\n  fit it again") from None
    if hashlib.sha256(data).hexdigest() != training.sha256:
        raise RankError(f"{training.file} in {folder} is not the file that was written\n  fit it again")
    sizes = (manifest.features, len(manifest.grades), training.views, manifest.config.bottleneck, training.kind)
    head = RobustHead(*sizes, torch.Generator())
    try:
        head.load_state_dict(load(data))
    except RuntimeError as error:
        raise RankError(f"{training.file} in {folder} is of another shape\n  fit it again") from error
    return head.eval()
