"""What reading a dataset met: rows read, rows left out with line numbers and reasons, and remarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .titles import excerpt

KEPT = 20
"""How many problems are kept word for word; all are counted."""

REPEATED = "repeated user and item (the latest row is kept)"


@dataclass(frozen=True, slots=True)
class Problem:
    """One row left out: `line` counts from 1 (the header included) in a text file, rows from 1 in a Parquet file."""

    file: str
    line: int
    reason: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" + (f"  [{self.text}]" if self.text else "")


@dataclass
class Tally:
    """Problems of one file while it is read: every one counted, the first `KEPT` kept. Feed each pass in line order."""

    file: str
    counts: Counter[str] = field(default_factory=Counter)
    first: list[Problem] = field(default_factory=list)

    def add(self, line: int, reason: str, text: str = "") -> None:
        self.note(reason, 1, [(line, text)])

    def note(self, reason: str, count: int, examples: Iterable[tuple[int, str]]) -> None:
        """Count `count` problems of one reason; `examples` are its first (line, text) pairs."""
        if count:
            self.counts[reason] += count
            self.first.extend(Problem(self.file, line, reason, excerpt(text)) for line, text in examples)
            if len(self.first) > 8 * KEPT:
                self.first = self.problems

    @property
    def problems(self) -> list[Problem]:
        return sorted(self.first, key=lambda problem: problem.line)[:KEPT]


@dataclass(frozen=True)
class ReadReport:
    """The account of one reading. `rows` interaction rows were read, `kept` stayed; the rest is in `reasons` (reason ->
    count; item-table rows are counted in `item_reasons`). `problems` are the first 20, `notes` are remarks (encoding,
    inferred scale, guessed columns)."""

    source: str = ""
    reader: str = ""
    rows: int = 0
    kept: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    item_reasons: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def skipped(self) -> int:
        """Interaction rows read and not kept."""
        return self.rows - self.kept

    @property
    def duplicates(self) -> int:
        """Rows dropped because a later row has the same user and item."""
        return self.reasons.get(REPEATED, 0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per reason, with its count."""
        found = [(reason, count, "") for reason, count in self.reasons.items()]
        found += [(reason, count, "item table: ") for reason, count in self.item_reasons.items()]
        return tuple(f"{prefix}{count:,} x {reason}" for reason, count, prefix in found)

    def __str__(self) -> str:
        lines = [f"{self.source}: {self.rows:,} rows read, {self.kept:,} kept ({self.reader})"]
        lines += [f"  {warning}" for warning in self.warnings]
        lines += [f"    {problem}" for problem in self.problems]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)
