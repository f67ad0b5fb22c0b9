"""Sessions from files: one row is a session, its candidates and the target; PO4ISR's folders or any such table.

A row has `session` and `candidates` (lists: JSON, or texts between bars) and `target`, as titles, or as ids of an item
table. Optional are `id` and `split` (train, valid, test). A folder holds one file a part: train, valid and test, in any
format that `records.py` reads; what begins with those names counts ("train_150.jsonl.gz", "test_seed_0.jsonl.gz").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...data import DataError, normalise_title
from ..task import Case
from .baskets import Baskets
from .building import limited
from .items import Item, band, ranking_case
from .records import FORMATS, Row, columns_of, format_of, read_rows

ROLES = ("session", "candidates", "target")
PARTS = {"train": "search", "valid": "selection", "test": "test"}
"""What a part of the data is for in a search."""
SPELLINGS = {"dev": "valid", "validation": "valid", "search": "train", "selection": "valid"}
DOMAINS = {
    "bundle": ("products", "a product"),
    "games": ("video games", "a video game"),
    "ml-1m": ("films", "a film"),
}
"""PO4ISR's domains, and what they are about."""


class Reading(NamedTuple):
    """How session files are read. `merge`: a title that stands twice among the candidates counts once; else it is refused.

    `train`, `test_seed`: which of PO4ISR's files. `columns`: role -> column, where they are called otherwise. `items`: a
    table of `item_id` and `title`; the rows then hold ids.
    """

    history: int
    domain: str
    train: int
    test_seed: int
    columns: Mapping[str, str]
    items: Path | None
    merge: bool
    most: int | None
    seed: int


class FileSessions(NamedTuple):
    """Cases with what a task needs to know besides."""

    cases: list[Case]
    parts: dict[str, list[str]]
    baskets: Baskets
    popular: tuple[str, ...]
    words: tuple[str, str] | None
    notes: tuple[str, ...]


class _Session(NamedTuple):
    """One usable row. `part`: "train", "valid", "test" or none."""

    id: str
    part: str
    history: tuple[str, ...]
    candidates: tuple[str, ...]
    target: str

    @property
    def owner(self) -> str:
        """Equal sessions have one owner: a session is never judged with itself, in whatever file it stands."""
        return _owner((*self.history, self.target))


def claims(path: Path, columns: Mapping[str, str]) -> bool:
    """Whether a path holds sessions with candidates (and not interactions, which make sessions of themselves)."""
    if path.is_dir():
        if _domains(path):
            return True
        path = next(iter(_files(path, 150, 0).values()), path)
    elif format_of(path) == ".jsonl":
        return True  # no layout of interactions is JSONL: what is wrong with it is told as of sessions
    return bool(format_of(path)) and {columns.get(role, role) for role in ROLES[1:]} <= set(columns_of(path))


def read_sessions(path: Path, reading: Reading) -> FileSessions:
    """Read a file or a folder. Raises `DataError` naming file, line and what to do."""
    folder, words, known_set = path, None, False
    if path.is_dir() and (domains := _domains(path)):
        if reading.domain not in domains:
            raise DataError(
                f"{path.name} holds several domains"
                if not reading.domain
                else f"no domain {reading.domain!r} in {path.name}",
                f"say which: --task-option domain={'|'.join(domains)}",
            )
        folder = path / reading.domain
    if folder.name in DOMAINS:
        words, known_set = DOMAINS[folder.name], True
    merge = reading.merge or known_set
    titles = _titles(reading.items)
    files = _files(folder, reading.train, reading.test_seed) if folder.is_dir() else {"": folder}
    if not files:
        raise DataError(f"no train, valid or test file in {folder}", f"call them so; formats: {', '.join(FORMATS)}")
    for part, wanted in (("train", f"train_{reading.train}."), ("test", f"test_seed_{reading.test_seed}.")):
        if known_set and part in files and not files[part].name.startswith(wanted):
            there = sorted(file.name.partition(".")[0] for file in folder.glob(f"{part}_*"))
            raise DataError(f"no {wanted}* in {folder.name}", f"there are {', '.join(there)}")
    tally = {"merged": 0, "repeats": 0, "short": 0}
    sessions: list[_Session] = []
    for part, file in files.items():
        found = list(_usable(file, part, reading, merge, tally, titles))
        sessions += found
    _check_ids(sessions)
    kept = limited(sessions, lambda session: session.part, reading.most, reading.seed)
    cases = [_case(session, reading, titles, folder.name if known_set else "") for session in kept]
    parts: dict[str, list[str]] = {}
    for session, case in zip(kept, cases, strict=True):
        if session.part:
            parts.setdefault(PARTS[session.part], []).append(case.id)
    baskets = Baskets(_training(folder, sessions, kept))
    popular = tuple(_title(item, titles) for item in baskets.most_popular[:200])
    return FileSessions(cases, parts, baskets, popular, words, _notes(path, folder, kept, sessions, tally, baskets))


def _usable(
    file: Path, part: str, reading: Reading, merge: bool, tally: dict[str, int], titles: Mapping[str, str] | None
) -> Iterator[_Session]:
    columns = {role: reading.columns.get(role, role) for role in (*ROLES, "id", "split")}
    for number, row in enumerate(read_rows(file, [columns[role] for role in ROLES]), 1):
        session = _session(row, number, part, columns, merge, tally)
        if titles is not None and (stranger := next((i for i in session.candidates if i not in titles), None)):
            raise row.refuse(f"candidate {stranger!r} is not in the item table", "add it there, or leave items= out")
        if session.target in session.history:
            tally["repeats"] += 1
        elif not session.history:
            tally["short"] += 1
        else:
            yield session


def _session(
    row: Row, number: int, part: str, columns: Mapping[str, str], merge: bool, tally: dict[str, int]
) -> _Session:
    candidates, target = row.many(columns["candidates"]), row.text(columns["target"])
    if len(candidates) < 2:
        raise row.refuse(f"{len(candidates)} candidates", "a ranking needs two or more")
    if target not in candidates:
        raise row.refuse(
            f"the target {target!r} is not among the candidates", "every target must be one of them, word for word"
        )
    once = tuple(dict.fromkeys(candidates))
    if len(once) < len(candidates):
        if not merge:
            twice = next(item for item in once if candidates.count(item) > 1)
            raise row.refuse(
                f"candidate {twice!r} stands twice", "write each once, or count it once: --task-option merge=true"
            )
        tally["merged"] += 1
    said = row.text(columns["split"]).lower()
    where = part or SPELLINGS.get(said, said)
    if where and where not in PARTS:
        raise row.refuse(f"no part {said!r}", f"column {columns['split']!r} says one of {', '.join(PARTS)}")
    own = row.text(columns["id"]) or row.text("session_no") or f"{number}"
    return _Session(f"{where or 'session'} {own}", where, tuple(row.many(columns["session"])), once, target)


def _check_ids(sessions: Sequence[_Session]) -> None:
    seen: set[str] = set()
    for session in sessions:
        if session.id in seen:
            raise DataError(f"two rows are called {session.id!r}", "give every row an id of its own, or none an id")
        seen.add(session.id)
    if not sessions:
        raise DataError("no usable session in these files", "each needs a session that does not hold the target")


def _case(session: _Session, reading: Reading, titles: Mapping[str, str] | None, domain: str) -> Case:
    def items(ids: Sequence[str]) -> list[Item]:
        return [Item(item, _title(item, titles)) for item in ids]

    return ranking_case(
        session.id,
        items(session.history[-reading.history :]),
        items(session.candidates),
        {session.target},
        seed=reading.seed,
        owner=session.owner,
        group=domain or band(len(session.history)),
    )


def _training(
    folder: Path, sessions: Sequence[_Session], kept: Sequence[_Session]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Baskets that baselines may know: the training part, PO4ISR's whole training sessions where they lie beside it, or
    the sessions that are no case where the data has no parts."""
    whole = list(_id_sessions(folder)) if folder.is_dir() else []
    used = {session.id for session in kept}
    training = [
        session for session in sessions if session.part == "train" or (not session.part and session.id not in used)
    ]
    for items in whole or [(*session.history, session.target) for session in training]:
        yield _owner(items), items


def _id_sessions(folder: Path) -> Iterator[tuple[str, ...]]:
    """PO4ISR's training sessions as titles; items without a known title are left out."""
    file, table = folder / "id_sessions.jsonl.gz", folder / "items.csv.gz"
    if not (file.is_file() and table.is_file()):
        return
    titles = _titles(table) or {}
    for row in read_rows(file, ("split", "items")):
        if row.cells["split"] == "train":
            yield tuple(titles[item] for item in row.many("items") if item in titles)


def _titles(table: Path | None) -> dict[str, str] | None:
    """Title by item id of an item table."""
    if table is None:
        return None
    return {row.text("item_id"): row.text("title") for row in read_rows(table, ("item_id", "title"))}


def _title(item: str, titles: Mapping[str, str] | None) -> str:
    return normalise_title(item if titles is None else titles.get(item, item)) or item


def _domains(folder: Path) -> list[str]:
    return [name for name in DOMAINS if (folder / name).is_dir()]


def _files(folder: Path, train: int, test_seed: int) -> dict[str, Path]:
    """Part -> file. PO4ISR's exact names first, then any file whose name begins with the part."""
    there = sorted(path for path in folder.iterdir() if path.is_file() and format_of(path))
    found: dict[str, Path] = {}
    for part, exact in (("train", f"train_{train}."), ("valid", "valid."), ("test", f"test_seed_{test_seed}.")):
        named = [path for path in there if path.name.startswith(exact)]
        close = [path for path in there if path.name.startswith(part)]
        if named or close:
            found[part] = (named or close)[0]
    return found


def _owner(items: Sequence[str]) -> str:
    return "\n".join(sorted(set(items)))


def _notes(
    path: Path,
    folder: Path,
    kept: Sequence[_Session],
    sessions: Sequence[_Session],
    tally: Mapping[str, int],
    baskets: Baskets,
) -> tuple[str, ...]:
    where = path.name if folder == path else f"{path.name}/{folder.name}"
    others = len(sessions) - len(kept)
    whose = f"the other {others}" if others == baskets.count else f"{baskets.count} training sessions"
    notes = [f"{len(sessions)} usable sessions of {where}: {len(kept)} are used, {whose} train the baselines"]
    if tally["repeats"]:
        notes.append(f"{tally['repeats']} sessions left out: the target stands in its own history")
    if tally["short"]:
        notes.append(f"{tally['short']} sessions left out: no history")
    if tally["merged"]:
        notes.append(f"{tally['merged']} rows name a candidate twice: it counts once")
    return tuple(notes)


def parse_roles(text: str) -> dict[str, str]:
    """Role -> column from "session=hist,candidates=cands". Raises `DataError` for a role there is not."""
    roles: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, _, column = part.partition("=")
        if role not in (*ROLES, "id", "split") or not column:
            raise DataError(
                f"columns={text}: {part!r} names no role",
                f"write ROLE=COLUMN with {', '.join((*ROLES, 'id', 'split'))}",
            )
        roles[role] = column
    return roles
