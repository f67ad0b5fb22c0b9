"""What a rewriting came to: numbers with their doubt, and rows for files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...evaluators.estimate import Estimate, bootstrap_mean, proportion
from ...runs import Run
from .records import RewriteError
from .tables import ASKED, REWRITE, ROUND

Row = Mapping[str, Any]

LABELS = {
    "rewrites": "Rewrites, of each text once",
    "fell_back": "Fell back to the raw query",
    "unchanged": "Unchanged, though none fell back",
    "first_round": "Passed at the first rewrite",
    "rounds": "Rewrites tried, per query and persona",
    "meaning_kept": "Of those that passed: asks for the same",
    "meaning_unsure": "Of those that passed: cannot be told",
    "in_role": "Of those that passed: in role",
    "similarity": "Similarity to the query",
}
COLUMNS = (
    "query_id",
    "query",
    "persona",
    "text",
    "meaning",
    "fit",
    "similarity",
    "rounds",
    "fell_back",
    "how",
    "problem",
)
"""Of a file of rewrites."""
FORMATS = (".csv", ".jsonl", ".parquet")


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Every rewrite, an id that asks for a text that came before with its own rows. In the order of queries."""
    event = next(run.events(kind=ASKED), None)
    again: dict[str, list[str]] = {}
    for other, first in (event.data["again"] if event is not None else {}).items():
        again.setdefault(first, []).append(other)
    found = []
    for each in run.events(kind=REWRITE):
        row = {name: each.data[name] for name in COLUMNS}
        found += [row, *({**row, "query_id": other} for other in again.get(row["query_id"], ()))]
    return found


def save_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rewrites as CSV, JSONL or Parquet, by the file's name. Raises `RewriteError` for another one."""
    check_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        import csv

        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([row[name] for name in COLUMNS] for row in rows)
    else:
        import pyarrow
        import pyarrow.parquet

        types = {"similarity": pyarrow.float64(), "fell_back": pyarrow.bool_()}
        types |= dict.fromkeys(("meaning", "fit", "rounds"), pyarrow.int64())
        schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in COLUMNS])
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), path)


def check_format(path: Path) -> None:
    """Raises `RewriteError` for a name that says no format."""
    if path.suffix not in FORMATS:
        raise RewriteError(f"{path} is no file of rewrites\n  end its name with {', '.join(FORMATS)}")


def numbers(run: Run) -> dict[str, Any]:
    """The numbers of a rewriting, over the queries and personas that are done; intervals of means are over queries."""
    came = [event.data for event in run.events(kind=REWRITE)]
    own = [each for each in came if not each["fell_back"]]
    judged = [each for each in own if each["meaning"] is not None]
    tried: dict[str, int] = {}
    for event in run.events(kind=ROUND):
        tried[event.data["status"]] = tried.get(event.data["status"], 0) + 1
    found: dict[str, Any] = {
        "rewrites": {"value": len(came)},
        "fell_back": _share(came, lambda row: row["fell_back"]),
        "unchanged": _share(own, lambda row: same(row["text"], row["query"])),
        "rounds": _mean(came, "rounds"),
        "similarity": _mean([row for row in own if row["similarity"] is not None], "similarity"),
    }
    if judged:
        found |= {
            "first_round": _share(came, lambda row: row["rounds"] == 1 and not row["fell_back"]),
            "meaning_kept": _share(judged, lambda row: row["meaning"] == 1),
            "meaning_unsure": _share(judged, lambda row: row["meaning"] == 0),
            "in_role": _share(judged, lambda row: row["fit"] == 1),
        }
    return {
        "numbers": {name: found[name] for name in LABELS if name in found},
        "by_persona": {
            name: {"fell_back": _share([row for row in came if row["persona"] == name], lambda row: row["fell_back"])}
            for name in dict.fromkeys(each["persona"] for each in came)
        },
        "rounds_by_status": tried,
        "notes": list(run.manifest.notes),
    }


def same(text: str, query: str) -> bool:
    """Whether a rewrite says just what the query says."""
    return text.casefold().split() == query.casefold().split()


def _share(rows: Sequence[Row], holds: Callable[[Row], bool]) -> dict[str, float | None]:
    """Share of rewrites; where all or none are, the interval is Wilson's over as many cases as there are queries."""
    by_query = _by_query(rows, lambda row: float(holds(row)))
    if not by_query:
        return {"value": None}
    means = [sum(values) / len(values) for values in by_query]
    if sum(means) in (0, len(means)):
        return _json(proportion(round(sum(means)), len(means)))
    found = bootstrap_mean(means)
    return _json(replace(found, mean=sum(map(sum, by_query)) / len(rows)))


def _mean(rows: Sequence[Row], name: str) -> dict[str, float | None]:
    by_query = _by_query(rows, lambda row: float(row[name]))
    return _json(bootstrap_mean([sum(values) / len(values) for values in by_query])) if by_query else {"value": None}


def _by_query(rows: Sequence[Row], value: Callable[[Row], float]) -> list[list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["query_id"], []).append(value(row))
    return list(found.values())


def _json(estimate: Estimate) -> dict[str, float | None]:
    numbers = {"value": estimate.mean, "low": estimate.low, "high": estimate.high}
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}


def flat_rows(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Label and value of every number, for people."""
    for name, value in found["numbers"].items():
        yield LABELS[name], value
