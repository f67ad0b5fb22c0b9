"""What columns mean: the caller's mapping first, well-known names after it, and a helpful error at the end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import DataError, near
from ..titles import excerpt

# Names are compared in lower case without anything but letters and digits; the first that fits wins.
ROW_ROLES: dict[str, tuple[str, ...]] = {
    "user": ("userid", "uid", "user", "reviewerid", "customerid", "visitorid", "memberid", "accountid"),
    "item": (
        "itemid",
        "iid",
        "item",
        "movieid",
        "productid",
        "parentasin",
        "asin",
        "bookid",
        "trackid",
        "articleid",
        "newsid",
    ),
    "rating": ("rating", "stars", "score", "overall", "ratings", "userrating"),
    "time": ("timestamp", "time", "ts", "unix", "unixtime", "unixreviewtime", "datetime", "eventtime", "createdat"),
}
ITEM_ROLES: dict[str, tuple[str, ...]] = {
    "item": (*ROW_ROLES["item"], "id"),
    "title": (
        "title",
        "name",
        "movietitle",
        "itemname",
        "itemtitle",
        "productname",
        "producttitle",
        "trackname",
        "booktitle",
    ),
    "genres": ("genres", "genre", "categories", "category", "class"),
    "year": ("releaseyear", "year", "publicationyear"),
}
# Not sure enough to be taken unasked; good enough for the line an error proposes.
_LIKELY: dict[str, tuple[str, ...]] = {
    "user": ("who", "customer", "reviewer", "member", "account", "person", "author", "session", "sessionid", "name"),
    "item": (
        "movie",
        "film",
        "product",
        "book",
        "track",
        "song",
        "artist",
        "article",
        "news",
        "sku",
        "title",
        "what",
        "id",
    ),
    "rating": ("value", "label", "grade", "points", "mark", "preference", "star"),
    "time": ("when", "date", "day", "at", "created", "reviewtime"),
}
ROLES = ("user", "item", "rating", "time", "title", "genres", "year")
_PLURAL = {"user": "users", "item": "items", "rating": "ratings", "time": "times", "title": "titles"}


def squeeze(name: str) -> str:
    """A column name reduced to its lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def parse_columns(text: str) -> dict[str, str]:
    """A mapping from its written form: "user=uid,item=movie" becomes {"user": "uid", "item": "movie"}."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not pairs or any(not (role.strip() and column.strip()) for role, _, column in pairs):
        raise DataError(
            f"cannot read the column mapping {excerpt(text)!r}", "write it as user=uid,item=movie,rating=stars"
        )
    return checked_mapping({role.strip(): column.strip() for role, _, column in pairs})


def checked_mapping(columns: Mapping[str, str] | str | None) -> dict[str, str]:
    """The caller's mapping with every role known. Raises `DataError` naming the roles otherwise."""
    if isinstance(columns, str):
        return parse_columns(columns)
    mapping = dict(columns or {})
    for role in mapping:
        if role not in ROLES:
            hint = near(str(role), ROLES) or f"roles are {', '.join(ROLES)}"
            raise DataError(f"no column role {str(role)!r}", hint)
    return mapping


def match(
    header: Sequence[str], roles: Mapping[str, tuple[str, ...]], asked: Mapping[str, str], file: str
) -> dict[str, str]:
    """Role -> column of `header`: what was asked for, then well-known names. A column serves one role only.

    A mapping may name a column by its place, counted from 1, where no column is called so. Raises `DataError` for an
    asked column that is not there.
    """
    found: dict[str, str] = {}
    for role, name in asked.items():
        if role not in roles:
            continue
        column = _named(header, str(name))
        if column is None:
            what = f"no column {str(name)!r} for {_PLURAL.get(role, role)} in {file} (found: {listed(header)})"
            raise DataError(what, near(str(name), header) or "name one of the columns found")
        found[role] = column
    by_name: dict[str, str] = {}
    for column in header:
        by_name.setdefault(squeeze(column), column)
    for role, names in roles.items():
        if role not in found:
            free = (by_name[name] for name in names if name in by_name and by_name[name] not in found.values())
            if (column := next(free, None)) is not None:
                found[role] = column
    return found


def _named(header: Sequence[str], name: str) -> str | None:
    if name in header:
        return name
    if name.isascii() and name.isdigit() and 1 <= int(name[:6]) <= len(header):
        return header[int(name[:6]) - 1]
    alike = [column for column in header if squeeze(column) == squeeze(name)]
    return alike[0] if len(alike) == 1 and squeeze(name) else None


def listed(header: Sequence[str], most: int = 20) -> str:
    """Column names for a message."""
    names = ", ".join(excerpt(column, 40) for column in header[:most])
    return names + (f", and {len(header) - most} more" if len(header) > most else "")


def require(found: Mapping[str, str], header: Sequence[str], needed: Sequence[str], path: str, file: str) -> None:
    """Raise the `DataError` that lists the columns found and the `--columns` line that would map them."""
    missing = [role for role in needed if role not in found]
    if not missing:
        return
    proposal = dict(found)
    for role in (*missing, "rating", "time"):
        if role not in proposal:
            left = [column for column in header if column not in proposal.values()]
            likely = [column for column in left if squeeze(column) in _LIKELY.get(role, ())]
            if likely or role in missing:
                proposal[role] = likely[0] if likely else "COLUMN"
    line = ",".join(f"{role}={excerpt(proposal[role], 40)}" for role in ROLES if role in proposal)
    what = (
        f"no column for {' or '.join(_PLURAL.get(role, role) for role in missing)} in {file} (found: {listed(header)})"
    )
    raise DataError(what, f"map it:  --data {excerpt(path, 200)} --columns {line}")
