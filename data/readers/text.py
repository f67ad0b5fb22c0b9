"""Bytes to text: compression undone, encoding settled, line ends made one."""

from __future__ import annotations

import codecs
import lzma
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

_MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2"}
_REFUSED = {
    b"PK\x03\x04": ("a zip archive", "unpack it first, then give the folder or the table in it"),
    b"SQLite format 3": ("an SQLite database", "export the table to CSV or Parquet"),
    b"\x89HDF": ("an HDF5 file", "export the table to CSV or Parquet"),
}
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Text:
    """A file's text as UTF-8 bytes whose lines end in a line feed. `notes` say how it was decoded, if not plainly."""

    file: str
    data: bytes
    notes: tuple[str, ...] = ()


def read_bytes(path: Path, limit: int = -1) -> bytes:
    """The file's bytes, decompressed by what it starts with (gz, xz, bz2); at most `limit` where that is not negative.

    Raises `DataError` for a file that cannot be opened, is cut off, or is an archive.
    """
    import bz2
    import gzip

    openers = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open}
    try:
        with path.open("rb") as plain_file:
            head = plain_file.read(16)
        for magic, (what, hint) in _REFUSED.items():
            if head.startswith(magic):
                raise DataError(f"{path.name} is {what}, not a table", hint)
        packing = next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), "")
        with openers[packing](path, "rb") if packing else path.open("rb") as file:
            return file.read(limit)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        hint = (
            "fetch or copy it again" if isinstance(error, (EOFError, lzma.LZMAError, zlib.error)) else "check the path"
        )
        raise DataError(f"{path.name} cannot be read: {str(error) or type(error).__name__}", hint) from None


def settle(raw: bytes, file: str) -> Text:
    """Text from bytes: UTF-8 where it is, else UTF-16 by its mark, else UTF-8 with replacements or Windows-1252/Latin-1.

    Bytes that are no UTF-8 among others that are: replaced by U+FFFD. No UTF-8 beyond ASCII at all: an old single-byte
    file, read as Windows-1252, or Latin-1 where that has no such character. The choice is noted.
    """
    notes: list[str] = []
    encoding = "utf-8"
    for mark, marked in _MARKS.items():
        if raw.startswith(mark):
            raw, encoding = raw[len(mark) :], marked
            break
    if encoding != "utf-8":
        raw = raw.decode(encoding, errors="replace").encode("utf-8")
        notes.append(f"{file}: read as {encoding}")
    elif not raw.isascii():
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raw, note = _mend(raw)
            notes.append(f"{file}: {note}")
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Text(file, raw, tuple(notes))


def _mend(raw: bytes) -> tuple[bytes, str]:
    text = raw.decode("utf-8", errors="surrogateescape")
    strange = len(_NOT_UTF8.findall(text))
    if not _NOT_UTF8.sub("", text).isascii():
        return raw.decode("utf-8", errors="replace").encode(
            "utf-8"
        ), f"{strange:,} bytes are not UTF-8, shown as U+FFFD"
    for encoding in ("cp1252", "latin-1"):
        try:
            return raw.decode(encoding).encode("utf-8"), f"not UTF-8, read as {encoding}"
        except UnicodeDecodeError:
            continue
    raise AssertionError("latin-1 decodes every byte")


def open_text(path: Path, limit: int = -1) -> Text:
    """`read_bytes`, then `settle`."""
    return settle(read_bytes(path, limit), path.name)
