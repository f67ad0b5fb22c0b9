"""Between pyarrow and numpy without pandas: pyarrow's own conversions import it, which takes longer than a small dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def from_arrow(chunks: Iterable[pa.Array]) -> NDArray[Any]:
    """One numpy array from chunks of numbers without missing values."""
    arrays = [np.from_dlpack(chunk) for chunk in chunks if len(chunk)]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)


def positions(rows: NDArray[np.integer[Any]]) -> pa.Array:
    """Row positions as an int64 arrow array, for `take`."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(rows, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, buffer])


def texts(values: Iterable[str]) -> pa.ChunkedArray:
    """A text column from Python strings."""
    import pyarrow as pa

    return pa.chunked_array([pa.array(list(values), pa.string())])
