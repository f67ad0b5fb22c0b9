"""Is a rewrite of a query worth it? Offline retrieval feedback of BEQUE (arXiv 2311.03758): scores, choice, look-up table.

    scoring.py    `score_rewrite(s)`: relevance, increment and hit rate of rewrites against the ORIGINAL query; `best_of`
    relevance.py  f, what is relevant to a query: judgements, or a model with a threshold; never the retriever itself
    rivals.py     what a rewriter must beat: pseudo-relevance feedback (RM3), and texts that are other people's queries
    keys.py       which queries are the same one
    table.py      query -> rewrites, made beforehand and looked up while somebody waits
    union.py      what query and rewrites find together, and who found what

Nothing here writes rewrites or trains: any rewriter's texts are judged, a chat model's as well as a rule's.
"""

from .keys import query_key
from .relevance import Judged, Modelled, Relevance, cosine, crossed, threshold
from .rivals import RM3Config, others_queries, rm3
from .scoring import Counts, RewriteScore, ScoreConfig, Scored, best_of, score_rewrite, score_rewrites, worth_it
from .table import Entry, RewriteTable, index_version, table_of
from .union import Found, UnionSearch, union

__all__ = [
    "Counts",
    "Entry",
    "Found",
    "Judged",
    "Modelled",
    "RM3Config",
    "Relevance",
    "RewriteScore",
    "RewriteTable",
    "ScoreConfig",
    "Scored",
    "UnionSearch",
    "best_of",
    "table_of",
    "cosine",
    "crossed",
    "index_version",
    "others_queries",
    "query_key",
    "rm3",
    "score_rewrite",
    "score_rewrites",
    "worth_it",
    "threshold",
    "union",
]
