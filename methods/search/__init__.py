"""Search engines over documents: lexical, dense, fused, reranked, and the user's own, behind one contract.

    protocol.py    the `Retriever` contract
    open.py        `open_retriever`: from a name, `module:object` or URL to a retriever
    tokens.py      words of any script
    bm25.py        lexical (Okapi BM25)
    dense.py       cosine of text vectors
    fusion.py      several rankings into one
    rerank.py      a cross-encoder over the best of another retriever
    own.py         the user's own: a Python object or function; endpoint.py: a service
    controls.py    random order, and one score for everything

A new retriever is one file with a config with a docstring under each field, and a line in the table of `open.py`.
"""

from .errors import NotIndexed, SearchError, UnknownRetriever
from .open import open_retriever
from .protocol import Retriever

__all__ = ["NotIndexed", "Retriever", "SearchError", "UnknownRetriever", "open_retriever"]
