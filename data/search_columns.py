"""Which column of a search set's files is what."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import DataError, near
from .readers.columns import listed, match
from .search_tables import Rows
from .titles import excerpt

ROLES = ("query_id", "query", "document", "title", "text", "grade", "phrasing", "family")

_QUERY_ID = ("queryid", "qid", "topicid", "queryidx")
_QUERY = ("query", "searchterm", "querytext", "keywords", "keyword", "question")
_DOCUMENT = (
    "documentid",
    "docid",
    "document",
    "doc",
    "productid",
    "productuid",
    "itemid",
    "corpusid",
    "asin",
    "sku",
    "docno",
)
_TITLE = ("title", "producttitle", "name", "productname", "documenttitle", "doctitle")
_TEXT = (
    "text",
    "body",
    "description",
    "productdescription",
    "abstract",
    "content",
    "contents",
    "documenttext",
    "doctext",
)
_GRADE = (
    "grade",
    "relevance",
    "medianrelevance",
    "rating",
    "label",
    "score",
    "judgement",
    "judgment",
    "rel",
    "gain",
    "ratingpercent",
)

QUERY_ROLES: dict[str, tuple[str, ...]] = {
    "query_id": (*_QUERY_ID, "id"),
    "query": (*_QUERY, "text", "title"),
}
DOCUMENT_ROLES: dict[str, tuple[str, ...]] = {"document": (*_DOCUMENT, "id"), "title": _TITLE, "text": _TEXT}
JUDGEMENT_ROLES: dict[str, tuple[str, ...]] = {
    "query_id": (*_QUERY_ID, *_QUERY),
    "document": _DOCUMENT,
    "grade": _GRADE,
}
PHRASING_ROLES: dict[str, tuple[str, ...]] = {
    "query_id": (*_QUERY_ID, *_QUERY, "originalquery"),
    "phrasing": ("phrasing", "rewrite", "text", "variation"),
    "family": ("family", "persona", "form", "transformationtype", "method", "kind"),
}
PAIR_ROLES: dict[str, tuple[str, ...]] = {
    "query": _QUERY,
    "query_id": _QUERY_ID,
    "document": _DOCUMENT,  # not "id": in a file of pairs that is the pair's own
    "title": _TITLE,
    "text": _TEXT,
    "grade": _GRADE,
}
NEEDED = {
    "queries": ("query_id", "query"),
    "documents": ("document",),
    "judgements": ("query_id", "document", "grade"),
    "phrasings": ("query_id", "phrasing"),
    "judged pairs": ("query", "grade"),
}
_TREC = {"query_id": "1", "document": "3", "grade": "4"}
"""A file of judgements without a header, as trec_eval reads it: query, iteration, document, grade."""


def parse_search_columns(columns: Mapping[str, str] | str | None) -> dict[str, str]:
    """The caller's mapping, from text such as "query=search_term,grade=relevance" or from a dict. Raises `DataError`."""
    if isinstance(columns, str):
        parts = [part.partition("=") for part in columns.split(",") if part.strip()]
        if not parts or any(not (role.strip() and name.strip()) for role, _, name in parts):
            raise DataError(
                f"cannot read the column mapping {excerpt(columns)!r}",
                "write it as query=search_term,title=name,grade=relevance",
            )
        columns = {role.strip(): name.strip() for role, _, name in parts}
    for role in columns or {}:
        if role not in ROLES:
            raise DataError(f"no column role {str(role)!r}", near(str(role), ROLES) or f"roles are {', '.join(ROLES)}")
    return dict(columns or {})


def columns_of(rows: Rows, what: str, roles: Mapping[str, tuple[str, ...]], asked: Mapping[str, str]) -> dict[str, str]:
    """Role -> column of one file. Raises `DataError`, with the columns there are, where one that is needed is not found."""
    if what == "judgements" and rows.header[:4] == ("1", "2", "3", "4") and not set(asked) & set(roles):
        return dict(_TREC)
    # A role may lie in another file of the set: a column asked for is looked for here only where this file has it.
    here = {role: name for role, name in asked.items() if role in roles and (name in rows.header or _place(name, rows))}
    found = match(rows.header, roles, here, rows.file)
    missing = [role for role in NEEDED[what] if role not in found]
    if what == "judged pairs" and not {"document", "title", "text"} & found.keys():
        missing.append("document or title")
    if missing:
        raise DataError(
            f"no column for {' and '.join(missing)} in {rows.file} (found: {listed(rows.header)})",
            f"map it: columns {','.join(f'{role.split()[0]}=COLUMN' for role in missing)} (roles: {', '.join(roles)})",
        )
    return found


def _place(name: str, rows: Rows) -> bool:
    return name.isascii() and name.isdigit() and 1 <= int(name[:6]) <= len(rows.header)
