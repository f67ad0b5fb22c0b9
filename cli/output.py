"""How commands speak: tables to people on stdout, progress and errors on stderr, one JSON document to machines.

Text from data, models and files is shown, never obeyed: no markup, no terminal escapes. Errors say what to do next.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

FAILED = 1
"""It ran, and what it was to show or check does not hold (a degenerate rehearsal, a replay that differs, a missing part)."""
BAD_INPUT = 2
"""What was asked cannot be done; the message says what to do next."""
PAUSED = 3
"""The run stands at a page barrier (budget spent, endpoint lost); `recloop resume` goes on."""
INTERRUPTED = 130
"""Ctrl-C (128 + the signal's number, as shells have it)."""
TERMINATED = 143
"""SIGTERM, which ends a job on a cluster."""


_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal acts on or that a reader cannot see."""


class CommandError(Exception):
    """Something that the command line itself found wrong; the text says what to do next."""


def visible(text: object) -> str:
    """Foreign text as one line whose control, direction and other invisible characters are signs; nothing is left out."""
    value = str(text)
    return value if value.isascii() and value.isprintable() else "".join(map(_sign, value))


def _sign(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    # Joiners and the emoji selector stay: words of several scripts and many emoji fall apart without them.
    hidden = unicodedata.category(character) in _HIDDEN and character not in "\u200c\u200d\ufe0f"
    return f"<U+{code:04X}>" if hidden else character


def lines(text: object) -> str:
    """Foreign text with its own line breaks kept, everything else made visible."""
    return "\n".join(visible(line) for line in str(text).split("\n"))


def say(text: object = "", *, style: str = "", to: Console = console) -> None:
    """Print lines that are never folded (commands and paths can be copied) and never read as markup."""
    to.print(Text(lines(text), style=style), soft_wrap=True)


def note(text: object) -> None:
    """A line beside the result, on stderr."""
    say(text, to=errors)


def report(error: BaseException) -> None:
    """A known error as one message on stderr."""
    message = Text("recloop: ", style="bold red")
    message.append(lines(describe_error(error)), style="not bold default")
    errors.print(message, soft_wrap=True)


def current_folder() -> str:
    """The folder one works in. Raises `CommandError` where it has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise CommandError("the current folder does not exist any more\n  go to one that does: cd") from None


def is_ours(error: BaseException) -> bool:
    """Whether an exception's text was written for the person who reads it: RecLoop's own, a path that cannot be used, a
    full disk."""
    if isinstance(error, OSError) and (error.filename is not None or error.errno == errno.ENOSPC):
        return True
    return type(error).__module__.split(".")[0] == "recloop"


def describe_error(error: BaseException) -> str:
    """The text of a known error; for a path that cannot be used the path, the reason and the next step."""
    if not isinstance(error, OSError) or type(error).__module__ != "builtins":
        return str(error) or type(error).__name__
    hints = {
        FileNotFoundError: "check the path",
        PermissionError: "choose another place, or change its permissions",
        IsADirectoryError: "give a file, not a folder",
        NotADirectoryError: "a part of this path is a file; give a folder",
        FileExistsError: "choose another name",
    }
    reason = (error.strerror or type(error).__name__).lower()
    where = "the output" if error.filename is None else error.filename
    return f"{where}: {reason}\n  {hints.get(type(error), 'check the path and the disk')}"


def print_json(value: Any) -> None:
    """One JSON document on stdout and nothing else; numbers that are not finite become null."""
    text = json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeError:
        text = json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"
    sys.stdout.write(text)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Iterable[str] = (),
    whole: Iterable[str] = (),
) -> None:
    """A table for people; cell text is data. Columns in `right` are numbers, those in `whole` are not folded by words."""
    table = Table(title=Text(visible(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.header_style, table.show_header = "bold", any(columns)
    right, whole = set(right), set(whole)
    for column in columns:
        table.add_column(
            column, justify="right" if column in right else "left", no_wrap=column in whole, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(lines("" if cell is None else cell)) for cell in row))
    console.print(table)


def megabytes(size: float) -> str:
    """Bytes as megabytes, with a digit below ten."""
    mb = size / 1e6
    return f"{mb:.0f} MB" if mb >= 10 else f"{mb:.1f} MB"


def short(path: object) -> str:
    """A path as one would type it: below the current folder without it, below home with ~."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else str(path)
    for folder, sign in ((os.getcwd(), ""), (os.path.expanduser("~"), "~")):
        rest = text.removeprefix(folder + os.sep)
        if rest != text and len(folder) > 1:
            return os.path.join(sign, rest) if sign else rest
    return text


def number(value: Any, digits: int = 3) -> str:
    """A number for people: thousands separated, at most `digits` decimals, a dash for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:,.{digits}f}" if abs(value) >= 10**-digits else f"{value:.{digits}g}"


def bar(share: float, width: int = 30) -> str:
    """A share of 0 to 1 as a bar of eighths."""
    eighths = round(8 * width * min(1.0, max(0.0, share)))
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Path):
        return str(value)
    return _plain(value.item()) if hasattr(value, "item") else str(value)
