"""The datasets known by name: the embedded one, and those in the folder RECLOOP_DATA points to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import DataError, near
from .titles import excerpt

VARIABLE = "RECLOOP_DATA"
DEFAULT = "movietweetings"

# How to get what people ask for most; nothing is fetched without being asked to.
_ORIGINS = {
    "movielens-100k": "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    "movielens-1m": "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    "movielens-10m": "https://files.grouplens.org/datasets/movielens/ml-10m.zip",
    "movielens-latest-small": "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
    "movielens-25m": "https://files.grouplens.org/datasets/movielens/ml-25m.zip",
}


@dataclass(frozen=True, slots=True)
class Known:
    """A dataset with a name: where it lies and which reader takes it."""

    name: str
    path: Path
    reader: str
    embedded: bool = False


def data_folder() -> Path | None:
    """The folder of RECLOOP_DATA, or the one beside a source checkout; None where neither is there."""
    given = os.environ.get(VARIABLE, "")
    folder = Path(given).expanduser() if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def list_datasets() -> list[Known]:
    """Every dataset that `load_dataset` takes by name, the embedded default first."""
    from .readers import embedded, layouts

    known = [Known(DEFAULT, embedded.FOLDER, embedded.NAME, embedded=True)]
    folder = data_folder()
    try:
        entries = sorted(folder.iterdir()) if folder else []
    except OSError:
        entries = []
    for entry in entries:
        if entry.is_dir() and (reader := next((layout.NAME for layout in layouts() if layout.claims(entry)), "")):
            known.append(Known(entry.name, entry, reader))
    return known


def find_dataset(name_or_path: str | os.PathLike[str]) -> Path:
    """The path of a dataset given by name or path (a name wins; write ./NAME for a path of the same spelling).

    Raises `DataError` listing the names, near matches, and how a well-known dataset is got.
    """
    from .readers import embedded

    text = os.fspath(name_or_path)
    if text == DEFAULT:
        return embedded.FOLDER
    folder = data_folder()
    if (
        folder is not None
        and text not in ("", ".", "..")
        and not {"/", "\\", "\x00"} & set(text)
        and (folder / text).is_dir()
    ):
        return folder / text
    path = Path(text).expanduser()
    try:
        if text and (path.is_file() or path.is_dir()):
            return path
        other = bool(text) and path.exists()
    except (OSError, ValueError):
        other = False
    if other:
        raise DataError(
            f"{excerpt(text, 200)} is a pipe or a device: it may never end, and cannot be read twice",
            "write the table to a file first, and give that",
        )
    names = [known.name for known in list_datasets()]
    hint = [
        f"known names: {', '.join(names)}",
        "or give the path of a CSV, TSV or Parquet file, a MovieLens folder, a .inter file",
    ]
    if text not in _ORIGINS and (close := near(text, [*names, *_ORIGINS])):
        hint.insert(0, close)
    if text in _ORIGINS:
        where = f"the folder {VARIABLE} points to" if folder is None else str(folder)
        hint.insert(
            0, f"get it: download {_ORIGINS[text]}, unpack it as {text} in {where} (or give the unpacked folder's path)"
        )
    if folder is None:
        hint.append(
            f"{VARIABLE} names a folder of datasets; it is {'no folder' if os.environ.get(VARIABLE) else 'not set'}"
        )
    raise DataError(f"no dataset called {excerpt(text)!r}, and no such file or folder", "\n".join(hint))
