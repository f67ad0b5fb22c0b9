"""The forms of a search set's queries for `recloop rank`: rules by family, the set's own wordings, or a file of rewrites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..agents.rewriter.rules import FAMILIES, rule_rewrites
from ..data import SearchSet
from ..data.search_tables import read_rows
from ..evaluators.stability import RAW
from ..methods.agent4ranking.views import Views, views_of
from .output import CommandError

LEARNT = ("typo", "order", "synonym", "verbose")
HELD_OUT = ("register", "terse", "question")
GIVEN = "given"
"""The form of a set's own wordings whose family is not told."""
TRUE = frozenset({"true", "1", "yes"})


def by_rules(data: SearchSet, learnt: Sequence[str] = LEARNT, held_out: Sequence[str] = HELD_OUT) -> Views:
    """A wording per family: the set's own where it has one of that family, else the rules'. The set's other wordings are held out."""
    own = _own(data)
    more = sorted({form for forms in own.values() for form in forms} - {*learnt, *held_out})
    held_out = (*held_out, *(form for form in more if form not in FAMILIES))
    _known([*learnt, *held_out], own)

    def rewrite(query: str, text: str, form: str) -> str | None:
        if (given := own.get(query, {}).get(form)) is not None and text == data.queries[query]:
            return given
        found = rule_rewrites(text, form) if form in FAMILIES else []  # pyright: ignore[reportArgumentType]
        return found[0] if found else None

    return views_of(data.queries, learnt, held_out, rewrite)


def by_file(data: SearchSet, file: Path, held_out: Sequence[str] = HELD_OUT) -> Views:
    """A form per persona of a file of rewrites (query_id, persona, text; fell_back and query where it has them); the held-out
    ones are the rules' and the set's own. A ranker that averages is given a query's recorded rewrites, however it was put:
    a rewriter that is not at hand cannot be asked again."""
    rewrites, fell_back = _rewrites(data, file)
    personas = tuple(dict.fromkeys(persona for forms in rewrites.values() for persona in forms))
    if not personas:
        raise CommandError(f"{file} has no rewrite of a query of {data.name}\n  columns: query_id, persona, text")
    if both := {RAW, *held_out} & {*personas}:
        raise CommandError(f"{file} has the persona {min(both)!r}, which is held out\n  name others: --held-out")
    rules = by_rules(data, (), held_out)
    texts = {query: {**rules.texts[query], **rewrites.get(query, {})} for query in data.queries}
    also = {
        (query, form): tuple(dict.fromkeys([text, *rewrites.get(query, {}).values()]))
        for query, forms in texts.items()
        for form, text in forms.items()
        if form not in personas
    }
    return Views(texts, (RAW, *personas), rules.held_out, fell_back, also)


def _own(data: SearchSet) -> dict[str, dict[str, str]]:
    """Query id -> form -> the first wording of it that the set has."""
    found: dict[str, dict[str, str]] = {}
    for query, wordings in data.phrasings.items():
        families = data.families.get(query) or [""] * len(wordings)
        for text, family in zip(wordings, families, strict=True):
            found.setdefault(query, {}).setdefault(family or GIVEN, text)
    return found


def _known(forms: Sequence[str], own: Mapping[str, Mapping[str, str]]) -> None:
    known = {*FAMILIES, *(form for found in own.values() for form in found)}
    if unknown := [form for form in forms if form not in known]:
        raise CommandError(f"no family of wordings called {unknown[0]!r}\n  known: {', '.join(sorted(known))}")


def _rewrites(data: SearchSet, file: Path) -> tuple[dict[str, dict[str, str]], frozenset[tuple[str, str]]]:
    if not file.is_file():
        raise CommandError(f"no file of rewrites at {file}\n  make one: recloop rewrite --queries FILE")
    rows = read_rows(file)
    if lacking := {"query_id", "persona", "text"} - {*rows.header}:
        raise CommandError(f"{file} has no column {min(lacking)}\n  columns: query_id, persona, text")
    wanted = [column for column in ("query_id", "persona", "text", "fell_back") if column in rows.header]
    found: dict[str, dict[str, str]] = {}
    fell_back = set()
    for _, row in rows.take({column: column for column in wanted}):
        query, persona, text = (row[column].strip() for column in ("query_id", "persona", "text"))
        if query not in data.queries or not text or not persona:
            continue
        if found.setdefault(query, {}).setdefault(persona, text) != text:
            continue
        if row.get("fell_back", "").strip().lower() in TRUE or text == data.queries[query]:
            fell_back.add((query, persona))
    return found, frozenset(fell_back)
