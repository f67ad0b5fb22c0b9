"""Search engines over documents: lexical, dense, fused, reranked, and the user's own, behind one contract.

    protocol.py    the `Retriever` contract
    open.py        `open_retriever`: from a name, `module:object` or URL to a retriever
    bm25.py        lexical (Okapi BM25)
    dense.py       cosine of text vectors
    fusion.py      several rankings into one
    rerank.py      a cross-encoder over the best of another retriever

A new retriever is one file with a config with a docstring under each field, and a line in the table of `open.py`.
"""
