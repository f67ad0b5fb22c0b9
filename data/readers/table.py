"""Any table of interactions: CSV, TSV or Parquet, alone or in a folder, with an item table beside it or none."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from .columns import ITEM_ROLES, ROW_ROLES, match, require
from .pieces import Pieces, Request
from .tables import SUFFIXES, OpenTable, is_table, open_table, peek_header, stem

NAME = "table"
_ROW_FILES = ("ratings", "interactions", "events", "reviews", "clicks", "views", "purchases", "log", "data")
_ITEM_FILES = ("items", "movies", "item", "movie", "products", "books", "tracks", "catalogue", "catalog")
_NO_FOLDER = "give the file itself, or call the table of interactions ratings.csv (item table: items.csv)"


def find(folder: Path, stems: tuple[str, ...]) -> Path | None:
    """The first table in `folder` called by one of `stems`, in their order."""
    tables = {stem(path): path for path in sorted(folder.iterdir(), reverse=True) if is_table(path)}
    return next((tables[name] for name in stems if name in tables), None)


def claims(path: Path) -> bool:
    """A table file, or a folder with a table of interactions that has users and items."""
    try:
        rows = find(path, _ROW_FILES) if path.is_dir() else path
        if rows is None or path.is_file():
            return rows is not None
        return {"user", "item"} <= match(peek_header(rows), ROW_ROLES, {}, rows.name).keys()
    except (DataError, OSError):
        return False


def read(path: Path, request: Request) -> Pieces:
    """Read a table file or folder. Raises `DataError` where no columns for users and items can be made out."""
    rows_path = _rows_file(path) if path.is_dir() else path
    opened = open_table(rows_path)
    return pieces(opened, rows_path, request, request.items or _beside(rows_path))


def pieces(opened: OpenTable, rows_path: Path, request: Request, items_path: Path | None) -> Pieces:
    """The pieces of one table of interactions and one of items (None: titles may stand in the rows themselves)."""
    asked = dict(request.columns)
    row_asked = asked if items_path is None else {role: name for role, name in asked.items() if role in ROW_ROLES}
    roles = match(opened.header, ROW_ROLES, row_asked, opened.file)
    needed = ("user", "item", "rating") if request.feedback == "rating" else ("user", "item")
    require(roles, opened.header, needed, str(rows_path), opened.file)
    notes = [f"columns of {opened.file}: " + ", ".join(f"{role}={column}" for role, column in roles.items())]
    if items_path is not None:
        return _with_items(opened, roles, items_path, asked, notes)
    described = match(
        [name for name in opened.header if name not in roles.values()],
        ITEM_ROLES,
        _only(asked, "title", "genres", "year"),
        opened.file,
    )
    described = {**_only(described, "title", "genres", "year"), "item": roles["item"]}
    rows = opened.read({*roles.values(), *described.values()})
    own = (lambda: rows) if len(described) > 1 else None
    return Pieces(rows, roles, own, described, notes=notes)


def _only(mapping: dict[str, str], *roles: str) -> dict[str, str]:
    return {role: mapping[role] for role in roles if role in mapping}


def _with_items(
    opened: OpenTable, roles: dict[str, str], items_path: Path, asked: dict[str, str], notes: list[str]
) -> Pieces:
    items = open_table(items_path)
    wanted = _only(asked, "title", "genres", "year")
    if roles["item"] in items.header:
        wanted["item"] = roles["item"]
    item_roles = match(items.header, ITEM_ROLES, wanted, items.file)
    if "item" not in item_roles:
        what = f"no column for item ids in {items.file} (found: {', '.join(items.header[:20])})"
        raise DataError(what, f"call it {roles['item']!r}, as in {opened.file}")
    notes.append(f"columns of {items.file}: " + ", ".join(f"{role}={column}" for role, column in item_roles.items()))
    return Pieces(opened.read(set(roles.values())), roles, lambda: items.read(None), item_roles, notes=notes)


def _rows_file(folder: Path) -> Path:
    named = find(folder, _ROW_FILES)
    if named is not None:
        return named
    tables = [path for path in sorted(folder.iterdir()) if is_table(path)]
    others = [path for path in tables if stem(path) not in (*_ITEM_FILES, "users", "user")]
    if len(others) == 1:
        return others[0]
    if not tables:
        raise DataError(
            f"no table in {folder} (looked for {', '.join(SUFFIXES)}, also packed as gz, xz or bz2)", _NO_FOLDER
        )
    raise DataError(
        f"which table in {folder} has the interactions? (found: {', '.join(p.name for p in tables[:20])})", _NO_FOLDER
    )


def _beside(rows_path: Path) -> Path | None:
    """An item table in the same folder, if it is one: a file that merely has the name is passed over."""
    found = find(rows_path.parent, _ITEM_FILES)
    if found is None or found == rows_path:
        return None
    try:
        return found if "item" in match(peek_header(found), ITEM_ROLES, {}, found.name) else None
    except DataError:
        return None
