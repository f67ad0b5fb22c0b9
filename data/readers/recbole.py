"""RecBole's atomic files: tab-separated, each column called name:type (token, token_seq, float, float_seq)."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from .columns import ITEM_ROLES, ROW_ROLES, match, require
from .delimited import Dialect, read_delimited, unique_names
from .pieces import Pieces, Request, TextTable
from .text import Text, open_text

NAME = "recbole"
_TYPES = ("token", "token_seq", "float", "float_seq")


def _inter_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.inter")) if path.is_dir() else [path]


def claims(path: Path) -> bool:
    """A .inter file, or a folder that has one."""
    try:
        return path.suffix == ".inter" if path.is_file() else path.is_dir() and bool(_inter_files(path))
    except OSError:
        return False


def read(path: Path, request: Request) -> Pieces:
    """Read the .inter file and the .item file of the same name. Column names are those before the colon."""
    files = _inter_files(path)
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:20])
        raise DataError(f"{len(files)} .inter files in {path} (found: {names})", "give the one you mean")
    text, dialect, _ = _open(files[0])
    roles = match(dialect.header, ROW_ROLES, request.columns, text.file)
    needed = ("user", "item", "rating") if request.feedback == "rating" else ("user", "item")
    require(roles, dialect.header, needed, str(files[0]), text.file)
    rows = read_delimited(text, dialect, set(roles.values()))
    items_path = request.items or files[0].with_suffix(".item")
    if not items_path.is_file():
        return Pieces(rows, roles, name=files[0].stem)
    item_text, item_dialect, sequences = _open(items_path)
    wanted = {role: name for role, name in request.columns.items() if role in ("title", "genres", "year")}
    if roles["item"] in item_dialect.header:
        wanted["item"] = roles["item"]
    item_roles = match(item_dialect.header, ITEM_ROLES, wanted, item_text.file)
    require(item_roles, item_dialect.header, ("item",), str(items_path), item_text.file)

    def item_table() -> TextTable:
        return read_delimited(item_text, item_dialect)

    # A token_seq is a list with blanks between its members; only a plain token may hold bars or commas.
    separator = " " if item_roles.get("genres") in sequences else None
    return Pieces(rows, roles, item_table, item_roles, separator, name=files[0].stem)


def _open(path: Path) -> tuple[Text, Dialect, set[str]]:
    text = open_text(path)
    head = text.data.lstrip(b"\n").split(b"\n", 1)[0].decode("utf-8", errors="replace")
    parts = [name.rpartition(":") for name in head.split("\t")]
    if not all(name and kind in _TYPES for name, _, kind in parts):
        raise DataError(
            f"{path.name} has no RecBole header",
            "line 1 names each column with its type, tab-separated, e.g. user_id:token, item_id:token, rating:float",
        )
    header = unique_names([name for name, _, _ in parts])
    sequences = {name for name, (_, _, kind) in zip(header, parts, strict=True) if kind.endswith("_seq")}
    return text, Dialect("\t", header, quoted=False), sequences
