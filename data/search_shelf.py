"""The search sets known by name: the embedded one, and those in the folder RECLOOP_DATA points to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .shelf import data_folder

EMBEDDED = "shop-search"


@dataclass(frozen=True, slots=True)
class KnownSearch:
    """How a named set is read. File names are relative to its folder; `pairs` alone, or `queries` and the others.

    `worth`: from the grade in the file to ours (0 not relevant). `notes` say what was decided about it.
    """

    licence: str
    pairs: str = ""
    queries: str = ""
    documents: str = ""
    judgements: str = ""
    phrasings: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    whole: bool = False
    worth: Callable[[float], float] = float
    notes: tuple[str, ...] = ()


def _one_less(grade: float) -> float:
    return grade - 1.0


def _one_if_positive(grade: float) -> float:
    return float(grade > 0)


def _esci(percent: float) -> float:
    return {100.0: 3.0, 10.0: 2.0, 1.0: 1.0}.get(percent, 0.0)


KNOWN: dict[str, KnownSearch] = {
    EMBEDDED: KnownSearch(
        licence="Apache-2.0 (made by a generator that lies beside it)",
        queries="queries.csv",
        documents="documents.csv",
        judgements="judgements.csv",
        phrasings="phrasings.csv",
        whole=True,
        notes=("made from templates: good for showing machinery, says nothing about another shop",),
    ),
    "crowdflower-relevance": KnownSearch(
        licence="Kaggle competition data (CrowdFlower): not to be passed on",
        pairs="pairs.csv.gz",
        columns={"title": "product_title", "text": "product_description", "grade": "median_relevance"},
        worth=_one_less,
        notes=("grades 1 to 4 of the file are 0 to 3 here",),
    ),
    "home-depot-relevance": KnownSearch(
        licence="Kaggle competition data (Home Depot): not to be passed on",
        pairs="pairs.csv.gz",
        columns={"document": "product_uid", "title": "product_title", "grade": "relevance"},
        worth=_one_less,
        notes=("grades 1.0 to 3.0 of the file are 0.0 to 2.0 here (means of raters)",),
    ),
    "cranfield": KnownSearch(
        licence="no formal licence; a classic public test collection (University of Glasgow)",
        queries="queries.csv.gz",
        documents="docs.csv.gz",
        judgements="qrels.csv.gz",
        columns={"document": "doc_id", "grade": "cranfield_code"},
        whole=True,
        worth=_one_if_positive,
        notes=("grades are binary: codes 1 to 4 are 1, code -1 is 0 (sources disagree on which end of 1 to 4 is best)",),
    ),
    "esci-queries": KnownSearch(
        licence="Apache-2.0 (Amazon ESCI)",
        pairs="judgments_us_150.csv.gz",
        columns={"document": "asin", "grade": "rating_percent"},
        worth=_esci,
        notes=(
            "documents have ids and no text: rankings by id can be judged, nothing can be searched",
            "exact, substitute, complement, irrelevant are 3, 2, 1, 0",
        ),
    ),
}  # fmt: skip
ALIASES = {"crowdflower": "crowdflower-relevance", "home-depot": "home-depot-relevance", "esci": "esci-queries"}


def search_folder(name: str) -> Path | None:
    """Where the set of this name lies, None where it is not at hand."""
    if name == EMBEDDED:
        return Path(__file__).with_name("embedded") / EMBEDDED
    root = data_folder()
    return root / name if root is not None and (root / name).is_dir() else None


def list_search_sets() -> list[str]:
    """Names that `load_search` takes on this machine, the embedded one first."""
    return [name for name in KNOWN if search_folder(name) is not None]
