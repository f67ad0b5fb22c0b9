"""A note on disk of what a budget has given out: what a killed process leaves of the calls it had in flight."""

from __future__ import annotations

import math
import os
import struct
from contextlib import suppress
from pathlib import Path

FORM = struct.Struct("<ddd")
"""Calls, tokens, dollars."""


class Note:
    """Three numbers in a file, written anew whenever money is set aside or settled: a microsecond, since nobody waits for
    the disk. The system keeps them when the process is killed; when the power goes, the last ones may be missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A foreign folder's may be a link to elsewhere, which is not followed.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)

    def write(self, calls: int, tokens: int, usd: float) -> None:
        os.pwrite(self._file, FORM.pack(calls, tokens, usd), 0)

    def close(self, *, keep: bool) -> None:
        os.close(self._file)
        if not keep:
            with suppress(OSError):
                self.path.unlink()


def noted(path: Path) -> tuple[int, int, float]:
    """What a note says: calls, tokens, dollars that may have been spent. Zeros where there is none, or nothing that makes sense."""
    try:
        data = b"" if path.is_symlink() else path.read_bytes()
    except OSError:
        data = b""
    values = FORM.unpack(data) if len(data) == FORM.size else (0.0, 0.0, 0.0)
    calls, tokens, usd = (value if math.isfinite(value) and value > 0 else 0.0 for value in values)
    return int(calls), int(tokens), usd
