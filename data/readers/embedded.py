"""The dataset that comes with the package: MovieTweetings 100K, so that a first run needs no download."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..scale import RatingScale
from .pieces import Pieces, Request
from .table import pieces
from .tables import open_table

NAME = "embedded"
FOLDER = Path(__file__).parents[1] / "embedded" / "movietweetings-100k"
LICENCE = "MIT (S. Dooms, T. De Pessemier, L. Martens, MovieTweetings, CrowdRec at RecSys 2013)"


def claims(path: Path) -> bool:
    """The folder in this package, nothing else."""
    return path == FOLDER


def read(path: Path, request: Request) -> Pieces:
    """Ratings 0 to 10 with times, titles and genres; the default view is the 10-core."""
    rows = path / "ratings.csv.xz"
    got = pieces(open_table(rows), rows, Request(feedback=request.feedback), path / "movies.csv.xz")
    return replace(
        got,
        scale=RatingScale(0, 10, 1),
        genre_separator="|",
        core=10,
        name="MovieTweetings 100K",
        licence=LICENCE,
        notes=(),
    )
