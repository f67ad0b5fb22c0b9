"""A ranker that is steady under rewording (Agent4Ranking, arXiv 2312.15450): grades that agree however a query is put.

    config.py     what can be told          errors.py     and what goes wrong
    views.py      the forms of a query: learnt from, held out
    encode.py     a frozen text encoder, its vectors kept on disk
    signals.py    shares of words and pieces of words       features.py   the features of a pair
    losses.py     cross-entropy and Jensen-Shannon divergence     head.py   adapters, gate, classifier
    train.py      one training              arms.py       all arms on all folds
    artefact.py   a trained ranker as a folder
    rank.py       it in use                 evaluate.py   it on held-out queries

Needs the torch extra; nothing here is imported before it is used. A new arm is a line in `arms.ARMS`.
"""

from .config import RankConfig
from .errors import RankError

__all__ = ["RankConfig", "RankError"]
