"""Recommenders: the user's own behind one contract, and baselines to stand beside it.

    protocol.py        the `Recommender` contract
    open.py            `open_recommender`: from a name, `module:object`, URL or file to a recommender
    own.py             what every recommender of the user's goes through: answers are checked, problems counted
      python_object.py   an object, class, factory or plain function
      endpoint.py        an HTTP endpoint
      top_k_file.py      a file of precomputed lists
      answers.py         reading and checking what came back
    base.py            what ours share: popularity for cold users, top-k in blocks
      random_order.py, pop.py, itemknn.py, ease.py, bpr.py, ials.py
      epochs.py        learning in epochs with torch (the `torch` extra; adam.py): lightgcn.py, multvae.py
    early_stop.py      held-out pairs that say when to stop learning
    past.py            who saw and liked what, as `fit` remembers it
    top_k.py           the best k of each row, with a running threshold
    held_out.py        metrics on held-out interactions

A new baseline is one file: a config with a docstring under each field, `_train` and `_score_block`; then one line in the
table of `open.py`. This package is light; scipy, aiohttp and pyarrow load with the file that needs them, torch with the first fit.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...evaluators.ranking import FloatArray, ItemId, Ranking, UserId
from .errors import (
    CatalogueTooLarge,
    NotFitted,
    RecommenderError,
    UnknownItem,
    UnknownRecommender,
    UnusableAnswer,
)
from .open import open_recommender
from .problems import Problems
from .protocol import Recommender

if TYPE_CHECKING:
    from .base import BlockRecommender, RecommenderConfig
    from .bpr import BPR, BPRConfig
    from .ease import EASE, EASEConfig
    from .endpoint import EndpointConfig, HTTPRecommender
    from .epochs import Epoch, EpochConfig
    from .held_out import held_out_quality, held_out_truth
    from .ials import IALS, IALSConfig
    from .itemknn import ItemKNN, ItemKNNConfig
    from .lightgcn import LightGCN, LightGCNConfig
    from .multvae import MultVAE, MultVAEConfig
    from .own import OwnRecommender
    from .pop import Pop
    from .python_object import PythonRecommender
    from .random_order import Random
    from .top_k_file import TopKFile, TopKFileConfig

_WHERE = {
    "base": ("BlockRecommender", "RecommenderConfig"),
    "bpr": ("BPR", "BPRConfig"),
    "ease": ("EASE", "EASEConfig"),
    "endpoint": ("EndpointConfig", "HTTPRecommender"),
    "epochs": ("Epoch", "EpochConfig"),
    "held_out": ("held_out_quality", "held_out_truth"),
    "ials": ("IALS", "IALSConfig"),
    "itemknn": ("ItemKNN", "ItemKNNConfig"),
    "lightgcn": ("LightGCN", "LightGCNConfig"),
    "multvae": ("MultVAE", "MultVAEConfig"),
    "own": ("OwnRecommender",),
    "pop": ("Pop",),
    "python_object": ("PythonRecommender",),
    "random_order": ("Random",),
    "top_k_file": ("TopKFile", "TopKFileConfig"),
}
_LAZY = {public: module for module, names in _WHERE.items() for public in names}

__all__ = [
    "BPR",
    "EASE",
    "IALS",
    "BPRConfig",
    "BlockRecommender",
    "CatalogueTooLarge",
    "EASEConfig",
    "EndpointConfig",
    "Epoch",
    "EpochConfig",
    "FloatArray",
    "HTTPRecommender",
    "IALSConfig",
    "ItemId",
    "ItemKNN",
    "ItemKNNConfig",
    "LightGCN",
    "LightGCNConfig",
    "MultVAE",
    "MultVAEConfig",
    "NotFitted",
    "OwnRecommender",
    "Pop",
    "Problems",
    "PythonRecommender",
    "Random",
    "Ranking",
    "Recommender",
    "RecommenderConfig",
    "RecommenderError",
    "TopKFile",
    "TopKFileConfig",
    "UnknownItem",
    "UnknownRecommender",
    "UnusableAnswer",
    "UserId",
    "held_out_quality",
    "held_out_truth",
    "open_recommender",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
