"""Datasets: read once, checked, frozen, and the same for everyone above.

`load_dataset` takes a name or a path; `readers/` has one file per layout; `clean` holds every check of a row, `items` and
`titles` make item texts, `dataset` is what all floors above work with, `splits` parts it, and `guard` keeps ground truth
that an LLM has been shown out of what it is measured against. A new layout goes into `readers/`, a new way to split into
`splits`, a new check into `clean`. See docs/data.md.
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
from .shelf import Known, data_folder, list_datasets
from .splits import How, Split
from .titles import normalise_title

__all__ = [
    "FEEDBACKS",
    "Audit",
    "DataError",
    "Dataset",
    "Feedback",
    "How",
    "Ids",
    "Interactions",
    "ItemTable",
    "Known",
    "LabelledRow",
    "LeakError",
    "Problem",
    "PromptGuard",
    "RatingScale",
    "ReadReport",
    "Split",
    "UserHistory",
    "data_folder",
    "describe",
    "from_rows",
    "list_datasets",
    "load_dataset",
    "normalise_title",
    "parse_columns",
]
