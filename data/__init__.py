"""Datasets: read once, checked, frozen, and the same for everyone above.

`load_dataset` takes a name or a path; `readers/` has one file per layout; `clean` holds every check of a row, `items` and
`titles` make item texts, `dataset` is what all floors above work with, `splits` parts it, and `guard` keeps ground truth
that an LLM has been shown out of what it is measured against. A new layout goes into `readers/`, a new way to split into
`splits`, a new check into `clean`. See docs/data.md. Search sets (queries, documents, judgements) are read by `load_search`:
`search` says what they are, `search_load` and its neighbours read them, `search_split` parts them by query. See docs/search.md.
"""

from .catalogue import ItemTable
from .dataset import FEEDBACKS, Dataset, Feedback, UserHistory
from .describe import describe
from .errors import DataError, LeakError
from .guard import Audit, LabelledRow, PromptGuard
from .ids import Ids
from .interactions import Interactions
from .load import load_dataset
from .readers.columns import parse_columns
from .report import Problem, ReadReport
from .rows import from_rows
from .scale import RatingScale
from .search import Documents, SearchSet, SearchSplit
from .search_load import load_search
from .search_rewrites import Phrasings, own_phrasings, read_phrasings
from .search_shelf import list_search_sets
from .search_split import split_queries
from .shelf import Known, data_folder, list_datasets
from .splits import How, Split
from .titles import normalise_title

__all__ = [
    "FEEDBACKS",
    "Audit",
    "DataError",
    "Dataset",
    "Documents",
    "Feedback",
    "How",
    "Ids",
    "Interactions",
    "ItemTable",
    "Known",
    "LabelledRow",
    "LeakError",
    "Phrasings",
    "Problem",
    "PromptGuard",
    "RatingScale",
    "ReadReport",
    "SearchSet",
    "SearchSplit",
    "Split",
    "UserHistory",
    "data_folder",
    "describe",
    "from_rows",
    "list_datasets",
    "list_search_sets",
    "load_dataset",
    "load_search",
    "normalise_title",
    "own_phrasings",
    "parse_columns",
    "read_phrasings",
    "split_queries",
]
