"""README.md and docs/*.md as the tests see them: blocks with their marks, marked sections, links, code spans.

Marks are HTML comments, invisible on the page:

    <!-- run -->          the next block runs as it stands (sh, or python with `await` as in a notebook)
    <!-- run: local -->   the same, and it needs the embedded model
    <!-- file: NAME -->   the next block is a file that the page's blocks use
    <!-- NAME -->…<!-- /NAME -->   a section that `doc_parts.py` writes
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>run|run: local|file: [^\n]+?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its mark ("" where it has none), its language, its text, the line of the page it begins on."""

    mark: str
    kind: str
    text: str
    line: int


def read(page: str) -> str:
    """The page's Markdown."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = read(page)
    return [
        Block(found["mark"] or "", found["kind"], found["text"], text.count("\n", 0, found.start("text")) + 1)
        for found in _BLOCK.finditer(text)
    ]


def prose(page: str) -> str:
    """The page without its fenced blocks, lines joined: sentences can be looked for whatever their line breaks."""
    return " ".join(_BLOCK.sub("", read(page)).split())


def spans(page: str) -> list[str]:
    """What stands in `code` on a page, outside fenced blocks."""
    return _SPAN.findall(_BLOCK.sub("", read(page)))


def links(page: str) -> list[str]:
    """Targets of a page's links."""
    return [found["target"] for found in _LINK.finditer(_BLOCK.sub("", read(page)))]


def section(page: str, name: str) -> str:
    """What stands between the marks of a section."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", read(page), re.S)
    assert found, f"{page} has no section <!-- {name} -->…<!-- /{name} -->"
    return found[1]


def with_section(page: str, name: str, text: str) -> str:
    """The page's Markdown with another text between the marks."""
    return read(page).replace(
        f"<!-- {name} -->\n{section(page, name)}<!-- /{name} -->", f"<!-- {name} -->\n{text}<!-- /{name} -->"
    )


def rows(markdown: str) -> list[list[str]]:
    """The rows of the tables in a piece of Markdown, as cells, headers left out."""
    found, body = [], False
    for line in markdown.splitlines():
        if not line.startswith("|"):
            body = False
        elif re.fullmatch(r"[|\s:-]+", line):
            body = True
        elif body:
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]])
    return found
