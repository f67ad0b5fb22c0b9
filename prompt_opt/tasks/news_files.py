"""Impressions of news: MIND's behaviors.tsv with its news.tsv, or JSONL files whose rows bring the news along.

A JSONL row has `impression_id`, `history` and `candidate` (lists of {news_id, title, category, subcategory}) and
`clicked_news_id` (a list). A folder holds one file a part: valid is for searching, test for the sealed test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...data import DataError
from ...data.readers.text import open_text
from .items import Item
from .records import PACKINGS, Row, format_of, read_rows

PARTS = {"train": "search", "valid": "search", "dev": "search", "test": "test"}
"""File name -> part of a search; what is not there is cut from "search"."""


class Impression(NamedTuple):
    """What one reader had clicked, what was shown, and which of it was clicked. `user` is empty where unknown."""

    where: str
    id: str
    part: str
    user: str
    history: tuple[Item, ...]
    candidates: tuple[Item, ...]
    clicked: frozenset[str]


def read_impressions(path: Path) -> Iterator[Impression]:
    """All impressions, in the order of the files. Raises `DataError` naming file, line and what to do."""
    if path.is_dir() and (behaviors := _beside(path, "behaviors.tsv")):
        yield from _mind(behaviors)
    elif path.is_dir():
        files = [(part, file) for name, part in PARTS.items() if (file := _named(path, name))]
        if not files:
            raise DataError(
                f"no impressions in {path.name}", "it holds behaviors.tsv and news.tsv, or valid.jsonl and test.jsonl"
            )
        for part, file in files:
            yield from _json(file, part)
    elif path.name.startswith("behaviors.tsv"):
        yield from _mind(path)
    else:
        yield from _json(path, "")


def _mind(behaviors: Path) -> Iterator[Impression]:
    """MIND's pair of files: impression, user, time, history, and candidates as "N1-1 N2-0"."""
    table = _beside(behaviors.parent, "news.tsv")
    if table is None:
        raise DataError(f"no news.tsv beside {behaviors.name}", "MIND brings both: put them into one folder")
    news = dict(_news(table))
    for number, text in enumerate(_lines(behaviors), 1):
        cells = text.split("\t")
        row = Row(f"{behaviors.name}:{number}", {})
        if len(cells) != 5:
            raise row.refuse(
                f"{len(cells)} cells", "a line has impression, user, time, history and impressions, with tabs"
            )
        shown = [part.rpartition("-") for part in cells[4].split()]
        ids = [*cells[3].split(), *(item for item, _, _ in shown)]
        if stranger := next((item for item in ids if item not in news), None):
            raise row.refuse(
                f"no news {stranger!r} in {table.name}", "the two files belong together: take both from one part"
            )
        if wrong := next((mark for _, _, mark in shown if mark not in ("0", "1")), None):
            raise row.refuse(
                f"a candidate's mark is {wrong!r}", "write each as ID-1 (clicked) or ID-0; MIND's test part has none"
            )
        yield Impression(
            row.where,
            cells[0],
            "",
            cells[1],
            tuple(news[item] for item in cells[3].split()),
            tuple(news[item] for item, _, _ in shown),
            frozenset(item for item, _, mark in shown if mark == "1"),
        )


def _news(table: Path) -> Iterator[tuple[str, Item]]:
    for number, text in enumerate(_lines(table), 1):
        cells = text.split("\t")
        if len(cells) < 4:
            raise DataError(
                f"{table.name}:{number}: {len(cells)} cells",
                "a line has id, category, subcategory and title, with tabs",
            )
        yield cells[0], Item(cells[0], cells[3], _detail(cells[1], cells[2]))


def _json(file: Path, part: str) -> Iterator[Impression]:
    if format_of(file) not in (".jsonl", ".parquet"):
        raise DataError(
            f"{file.name} holds no impressions", "give behaviors.tsv (with news.tsv), or a JSONL or Parquet file"
        )
    for row in read_rows(file, ("impression_id", "history", "candidate", "clicked_news_id")):
        yield Impression(
            row.where,
            f"{part} {row.text('impression_id')}".strip(),
            part,
            row.text("user_id"),
            tuple(_item(row, each) for each in row.cells["history"] or ()),
            tuple(_item(row, each) for each in row.cells["candidate"] or ()),
            frozenset(row.many("clicked_news_id")),
        )


def _item(row: Row, news: Any) -> Item:
    if not isinstance(news, Mapping) or not news.get("news_id") or not news.get("title"):
        raise row.refuse("a piece of news without news_id or title", 'write {"news_id": …, "title": …, "category": …}')
    detail = _detail(str(news.get("category") or ""), str(news.get("subcategory") or ""))
    return Item(str(news["news_id"]), str(news["title"]), detail)


def _detail(category: str, subcategory: str) -> str:
    return ", ".join(part for part in (category.strip(), subcategory.strip()) if part)


def _lines(path: Path) -> list[str]:
    return [line for line in open_text(path).data.decode("utf-8").split("\n") if line.strip()]


def _beside(folder: Path, name: str) -> Path | None:
    return next((file for packing in ("", *PACKINGS) if (file := folder / f"{name}{packing}").is_file()), None)


def _named(folder: Path, part: str) -> Path | None:
    there = sorted(path for path in folder.iterdir() if format_of(path) in (".jsonl", ".parquet"))
    return next((path for path in there if path.name.startswith(part)), None)
