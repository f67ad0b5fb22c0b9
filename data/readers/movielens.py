"""MovieLens folders as GroupLens gives them out (100K, 1M, 10M, 20M and later), and 100K as two plain CSV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import DataError
from ..scale import RatingScale
from .arrays import texts
from .columns import ITEM_ROLES, ROW_ROLES, match, squeeze
from .delimited import Dialect, read_delimited
from .pieces import Pieces, Request, TextTable
from .table import find, pieces
from .tables import open_table, peek_header
from .text import Text, open_text

NAME = "movielens"
LICENCE = "GroupLens usage licence: research use, cite Harper and Konstan 2015; no redistribution or commercial use without permission"

_WHOLE, _HALVES = RatingScale(1, 5, 1), RatingScale(0.5, 5, 0.5)
# The order of the 19 flags of u.item, for folders whose u.genre is missing.
_GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]
_SEPARATOR = "\x1f"  # stands in for "::", since the parser knows delimiters of one character only


def _kind(path: Path) -> str:
    if (path / "u.data").is_file():
        return "100k"
    if (path / "ratings.dat").is_file():
        return "dat"
    rows, items = find(path, ("ratings",)), find(path, ("movies", "items"))
    if rows is None or items is None:
        return ""
    row_names = {squeeze(name) for name in peek_header(rows)}
    item_names = {squeeze(name) for name in peek_header(items)}
    if {"userid", "movieid", "rating", "timestamp"} == row_names and "userId" in peek_header(rows):
        return "latest"
    if row_names == {"userid", "itemid", "rating", "timestamp"} and {"movietitle", "class"} <= item_names:
        return "csv"
    return ""


def claims(path: Path) -> bool:
    """A folder with u.data, ratings.dat, or the CSV files of a MovieLens release."""
    try:
        return path.is_dir() and bool(_kind(path))
    except (DataError, OSError):
        return False


def read(path: Path, request: Request) -> Pieces:
    """Read a MovieLens folder, whose columns are known."""
    return _KINDS[_kind(path)](path, request)


def _read_100k(path: Path, request: Request) -> Pieces:
    text = open_text(path / "u.data")
    rows = read_delimited(text, Dialect("\t", ("user", "item", "rating", "time"), has_header=False, quoted=False))
    items = path / "u.item"
    return Pieces(
        rows,
        {role: role for role in ROW_ROLES},
        (lambda: _u_item(path)) if items.is_file() else None,
        {"item": "item", "title": "title", "genres": "genres"},
        "|",
        _WHOLE,
        name="MovieLens 100K",
        licence=LICENCE,
    )


def _u_item(path: Path) -> TextTable:
    names = _GENRES
    if (path / "u.genre").is_file():
        lines = open_text(path / "u.genre").data.decode().splitlines()
        listed = [line.split("|")[0] for line in lines if "|" in line]
        names = listed if len(listed) == len(_GENRES) else _GENRES
    header = ("item", "title", "release_date", "video_release_date", "url", *(f"genre {name}" for name in names))
    table = read_delimited(open_text(path / "u.item"), Dialect("|", header, has_header=False, quoted=False))
    flags = np.array([[flag == "1" for flag in table.columns[name].to_pylist()] for name in header[5:]])
    genres = ["|".join(np.array(names)[row]) if row.any() and not row[0] else "" for row in flags.T]
    columns = {name: table.columns[name] for name in ("item", "title", "release_date")}
    columns["genres"] = texts(genres)
    return TextTable(table.file, columns, table.lines, table.tally, table.notes)


def _dat(path: Path, header: tuple[str, ...]) -> TextTable:
    text = open_text(path)
    data = text.data.replace(_SEPARATOR.encode(), b" ").replace(b"::", _SEPARATOR.encode())
    return read_delimited(
        Text(text.file, data, text.notes), Dialect(_SEPARATOR, header, has_header=False, quoted=False)
    )


def _read_dat(path: Path, request: Request) -> Pieces:
    rows = _dat(path / "ratings.dat", ("user", "item", "rating", "time"))
    items = path / "movies.dat"
    whole = (path / "users.dat").is_file()  # 1M has users and whole stars; 10M has neither
    return Pieces(
        rows,
        {role: role for role in ROW_ROLES},
        (lambda: _dat(items, ("item", "title", "genres"))) if items.is_file() else None,
        {"item": "item", "title": "title", "genres": "genres"},
        "|",
        _WHOLE if whole else _HALVES,
        name="MovieLens 1M" if whole else "MovieLens 10M",
        licence=LICENCE,
    )


def _read_csv(path: Path, request: Request) -> Pieces:
    rows, items = find(path, ("ratings",)), find(path, ("movies", "items"))
    assert rows is not None
    assert items is not None
    got = pieces(open_table(rows), rows, Request(feedback=request.feedback), items)
    latest = _kind(path) == "latest"
    return Pieces(
        got.rows,
        got.roles,
        got.item_table,
        match(tuple(peek_header(items)), ITEM_ROLES, {}, items.name),
        "|" if latest else " ",
        _HALVES if latest else _WHOLE,
        name="MovieLens" if latest else "MovieLens 100K",
        licence=LICENCE,
        notes=got.notes,
    )


_KINDS = {"100k": _read_100k, "dat": _read_dat, "latest": _read_csv, "csv": _read_csv}
