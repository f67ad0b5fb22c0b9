"""One file per format a dataset can come in.

`text` opens bytes (compression, encoding), `delimited` and `parquet` turn one file into a `TextTable`, `columns` finds
out what its columns mean. On top of them, one file per layout: `movielens`, `recbole`, `table` (any other CSV, TSV or
Parquet), `embedded`. A new layout is a module with `NAME`, `claims(path)` and `read(path, request) -> Pieces`, listed in
`layouts()`; `table` stays last, since it claims most.
"""

from __future__ import annotations

from .pieces import Layout


def layouts() -> tuple[Layout, ...]:
    """The readers in the order they are asked."""
    from . import embedded, movielens, recbole, table

    return (embedded, movielens, recbole, table)


__all__ = ["Layout", "layouts"]
