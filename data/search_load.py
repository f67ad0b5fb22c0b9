"""From a name, a folder or files to a `SearchSet`."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import DataError, near
from .report import KEPT, ReadReport
from .search import Documents, SearchSet
from .search_columns import (
    DOCUMENT_ROLES,
    JUDGEMENT_ROLES,
    PAIR_ROLES,
    PHRASING_ROLES,
    QUERY_ROLES,
    columns_of,
    parse_search_columns,
)
from .search_shelf import ALIASES, EMBEDDED, KNOWN, KnownSearch, list_search_sets, search_folder
from .search_tables import Rows, is_rows_file, read_rows, stem
from .titles import decode_entities, excerpt, plain

_FILES = {
    "queries": ("queries", "query", "topics"),
    "documents": ("documents", "docs", "corpus", "products", "items", "collection"),
    "judgements": ("judgements", "judgments", "qrels", "relevance", "test"),
    "phrasings": ("phrasings", "variations", "rewrites"),
    "pairs": ("pairs", "judged", "train"),
}
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?(?:-->|\Z)", re.DOTALL)

REPEATED_PAIR = "repeated query and document (the latest grade is kept)"


@dataclass
class _Read:
    """A set while its files are read."""

    queries: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    judgements: dict[str, dict[str, float]] = field(default_factory=dict)
    phrasings: dict[str, list[str]] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)
    files: list[Rows] = field(default_factory=list)
    rows: int = 0
    """Rows met, those that could not be taken apart included."""

    def open(self, path: Path) -> Rows:
        rows = read_rows(path)
        self.files.append(rows)
        self.rows += len(rows.lines) + rows.tally.counts.total()
        return rows


def load_search(
    name_or_path: str | os.PathLike[str] = EMBEDDED,
    *,
    queries: str | os.PathLike[str] | None = None,
    documents: str | os.PathLike[str] | None = None,
    judgements: str | os.PathLike[str] | None = None,
    phrasings: str | os.PathLike[str] | None = None,
    columns: Mapping[str, str] | str | None = None,
    whole: bool | None = None,
    zero: float | None = None,
    strict: bool = False,
) -> SearchSet:
    """Load a search set by name, from a folder (queries, documents and, if there are any, judgements and phrasings, each as
    CSV, TSV, JSONL or Parquet, packed or not), or from one file of judged pairs.

    `queries`, `documents`, `judgements`, `phrasings`: files that lie elsewhere or are called otherwise. `columns` maps roles
    (query_id, query, document, title, text, grade, phrasing, family) to column names. `whole`: see `SearchSet`; by default a
    file of pairs gives pools, separate files a collection. `zero`: the grade that means not relevant where it is not 0; it is
    taken off every grade.

    Pairs without an id of the document are told apart by title and text; queries without an id are their own id. Broken
    rows are left out, counted and shown in `report`; with `strict` they raise. Raises `DataError` only.
    """
    text = os.fspath(name_or_path)
    name = ALIASES.get(text, text)
    folder = search_folder(name) if name in KNOWN else None
    known = KNOWN[name] if folder is not None else None
    path = folder or _path(text)
    asked = parse_search_columns(columns)
    if known is not None and (asked or zero is not None):
        raise DataError(f"the columns and grades of {name} are known", "leave columns and zero out")
    given = {"queries": queries, "documents": documents, "judgements": judgements, "phrasings": phrasings}
    files = _files(path, known, {what: Path(file).expanduser() for what, file in given.items() if file is not None})
    asked = known.columns if known is not None else asked
    worth = known.worth if known is not None else (lambda grade: grade - (zero or 0.0))
    read = _Read()
    try:
        if "pairs" in files:
            _pairs(read, files["pairs"], asked, worth)
        else:
            _queries(read, files["queries"], asked)
            _documents(read, files["documents"], asked)
            if "judgements" in files:
                _judgements(read, files["judgements"], asked, worth)
        if "phrasings" in files:
            _phrasings(read, files["phrasings"], asked)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", "check the path and its permissions") from None
    report = _report(read, str(path), known, zero)
    if strict and report.skipped:
        raise DataError(
            f"strict reading refused {path.name}: {report.skipped:,} bad rows",
            "\n".join([*map(str, report.problems), "mend the file, or leave strict off to skip and count these rows"]),
        )
    if not read.queries or not read.titles:
        raise DataError(f"{path.name} has no {'queries' if not read.queries else 'documents'}", str(report))
    return SearchSet(
        name if known is not None else stem(path),
        known.licence if known is not None else "",
        read.queries,
        Documents(tuple(read.titles), tuple(read.titles.values()), tuple(read.texts.values())),
        {query: read.judgements.get(query, {}) for query in read.queries},
        whole if whole is not None else known.whole if known is not None else "pairs" not in files,
        report,
        _hash(read),
        read.phrasings,
        read.families,
    )


def _path(text: str) -> Path:
    path = Path(text).expanduser()
    try:
        if text and (path.is_file() or path.is_dir()):
            return path
    except (OSError, ValueError):
        pass
    name = ALIASES.get(text, text)
    if name in KNOWN:
        raise DataError(
            f"the search set {name} is not on this machine",
            f"put it as {name} into the folder that the environment variable RECLOOP_DATA names\n"
            f"at hand: {', '.join(list_search_sets())}",
        )
    known = [*KNOWN, *ALIASES]
    hints = [
        near(text, known),
        f"known names: {', '.join(known)}",
        "or give a folder with queries.csv, documents.csv and judgements.csv, or one file of judged pairs",
    ]
    raise DataError(
        f"no search set called {excerpt(text)!r}, and no such file or folder", "\n".join(filter(None, hints))
    )


def _files(path: Path, known: KnownSearch | None, given: Mapping[str, Path]) -> dict[str, Path]:
    """What -> file. Raises `DataError` where there is no set to be made of them."""
    if missing := next((file for file in given.values() if not file.is_file()), None):
        raise DataError(
            f"no file at {excerpt(str(missing), 200)}", "give the path of a CSV, TSV, JSONL or Parquet file"
        )
    if known is not None:
        found = {what: path / name for what in _FILES if (name := getattr(known, what))}
    elif path.is_file():
        found = {"pairs": path}
    else:
        # Judgements of retrieval benchmarks lie one folder deeper (qrels/test.tsv).
        inside = [each for folder in (path, path / "qrels") if folder.is_dir() for each in sorted(folder.iterdir())]
        files = {stem(each): each for each in reversed(inside) if is_rows_file(each)}
        found = {
            what: files[name] for what, names in _FILES.items() if (name := next((n for n in names if n in files), ""))
        }
        if {"queries", "documents"} <= found.keys() | given.keys():
            found.pop("pairs", None)
    found |= given
    if "pairs" in found and given.keys() & {"queries", "documents"}:
        raise DataError(
            f"{path.name} is a file of judged pairs, and has queries and documents in it",
            "leave the other files out, or give a folder",
        )
    if "pairs" not in found and (missing := [what for what in ("queries", "documents") if what not in found]):
        raise DataError(
            f"no {' and no '.join(missing)} in {excerpt(str(path), 200)}",
            "call them queries.csv and documents.csv (also TSV, JSONL, Parquet, packed), or name the files",
        )
    return found


def _queries(read: _Read, path: Path, asked: Mapping[str, str]) -> None:
    rows = read.open(path)
    for line, row in rows.take(columns_of(rows, "queries", QUERY_ROLES, asked)):
        query = row["query_id"].strip()
        if not query or not row["query"].strip():
            rows.tally.add(line, "no query id" if not query else "no query text", row["query"])
        elif query in read.queries:
            rows.tally.add(line, "repeated query id (the first is kept)", query)
        else:
            read.queries[query] = plain(row["query"])


def _documents(read: _Read, path: Path, asked: Mapping[str, str]) -> None:
    rows = read.open(path)
    for line, row in rows.take(columns_of(rows, "documents", DOCUMENT_ROLES, asked)):
        document = row["document"].strip()
        if not document:
            rows.tally.add(line, "no document id", row.get("title", ""))
        elif document in read.titles:
            rows.tally.add(line, "repeated document id (the first is kept)", document)
        else:
            read.titles[document], read.texts[document] = (
                clean_text(row.get("title", "")),
                clean_text(row.get("text", "")),
            )


def _judgements(read: _Read, path: Path, asked: Mapping[str, str], worth: Callable[[float], float]) -> None:
    rows = read.open(path)
    for line, row in rows.take(columns_of(rows, "judgements", JUDGEMENT_ROLES, asked)):
        query, document, grade = row["query_id"].strip(), row["document"].strip(), _number(row["grade"])
        if grade is None:
            rows.tally.add(line, "grade is no number", row["grade"])
        elif query not in read.queries:
            rows.tally.add(line, "query is not among the queries", query)
        elif document not in read.titles:
            rows.tally.add(line, "document is not among the documents", document)
        else:
            _judge(read, rows, line, query, document, worth(grade))


def _judge(read: _Read, rows: Rows, line: int, query: str, document: str, grade: float) -> None:
    pool = read.judgements.setdefault(query, {})
    if document in pool:
        rows.tally.add(line, REPEATED_PAIR, f"{query} {document}")
    pool[document] = grade


def _pairs(read: _Read, path: Path, asked: Mapping[str, str], worth: Callable[[float], float]) -> None:
    rows = read.open(path)
    roles = columns_of(rows, "judged pairs", PAIR_ROLES, asked)
    of_text: dict[tuple[str, str], str] = {}
    for line, row in rows.take(roles):
        text, grade = plain(row["query"]), _number(row["grade"])
        query = row["query_id"].strip() if "query_id" in roles else text
        title, body = clean_text(row.get("title", "")), clean_text(row.get("text", ""))
        if "document" in roles:
            document = row["document"].strip()
        else:
            document = of_text.setdefault((title, body), f"d{len(of_text) + 1}") if title or body else ""
        if grade is None or not text or not query or not document:
            fault = "grade is no number" if grade is None else "no query" if not (text and query) else "no document"
            rows.tally.add(line, fault, row["grade"] if grade is None else text)
            continue
        read.queries.setdefault(query, text)
        read.titles.setdefault(document, title)
        read.texts.setdefault(document, body)
        _judge(read, rows, line, query, document, worth(grade))


def _phrasings(read: _Read, path: Path, asked: Mapping[str, str]) -> None:
    rows = read.open(path)
    for line, row in rows.take(columns_of(rows, "phrasings", PHRASING_ROLES, asked)):
        query, phrasing = row["query_id"].strip(), plain(row["phrasing"])
        if query not in read.queries:
            rows.tally.add(line, "query is not among the queries", query)
        elif not phrasing:
            rows.tally.add(line, "no phrasing", query)
        else:
            read.phrasings.setdefault(query, []).append(phrasing)
            read.families.setdefault(query, []).append(row.get("family", "").strip())


def clean_text(raw: str) -> str:
    """A document's title or text as one line: HTML tags and scripts out, entities decoded, nothing invisible."""
    if "<" in raw:
        raw = _TAG.sub(" ", _SCRIPT.sub(" ", raw))
    return plain(decode_entities(raw) if "&" in raw else raw)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _report(read: _Read, source: str, known: KnownSearch | None, zero: float | None) -> ReadReport:
    reasons = {f"{rows.file}: {reason}": count for rows in read.files for reason, count in rows.tally.counts.items()}
    problems = [problem for rows in read.files for problem in rows.tally.problems]
    notes = [note for rows in read.files for note in rows.notes]
    notes += known.notes if known is not None else ()
    grades = [grade for pool in read.judgements.values() for grade in pool.values()]
    if zero is None and known is None and grades and min(grades) > 0:
        notes.append(
            f"the lowest grade is {min(grades):g}, and 0 means not relevant: if it is the grade of what is not relevant, give it as zero"
        )
    without = sum(not pool for pool in (read.judgements.get(query) for query in read.queries))
    if grades and without:
        notes.append(f"{without:,} of {len(read.queries):,} queries have no judgement")
    kept = read.rows - sum(reasons.values())
    return ReadReport(source, "search", read.rows, kept, reasons, {}, tuple(problems[:KEPT]), tuple(notes))


def _hash(read: _Read) -> str:
    """SHA-256 (hex) of queries, documents, judgements and phrasings; not of names, paths or the order of rows."""
    parts = [
        sorted(read.queries.items()),
        sorted((document, title, read.texts[document]) for document, title in read.titles.items()),
        sorted((query, sorted(pool.items())) for query, pool in read.judgements.items()),
        sorted((query, text, family) for query in read.phrasings
               for text, family in zip(read.phrasings[query], read.families[query], strict=True)),
    ]  # fmt: skip
    return hashlib.sha256(b"recloop search set 1\n" + json.dumps(parts).encode()).hexdigest()
