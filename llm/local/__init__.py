"""Models in this process: llama.cpp for text and log-likelihoods, static vectors, where their files are kept.

    store.py      model files: the registry, fetching once, checking, the cache folder    wheels.py, locks.py
    llama.py      the provider behind `local/smollm2` and `local:/path/to.gguf`
    scoring.py    one scoring batch as a tree of tokens (tree.py)     generation.py   one chat answer
    crew.py       worker threads with an engine each          extra.py        the runtimes of the `local` extra
    cyllama_compat.py   the only file that knows cyllama's versions
    faster.py     a model file in the form that this processor reads quickest
    vectors.py    text vectors without a neural network      minilm.py   and with one
    status.py     rows for `recloop doctor`

A new model file is an entry of `store.MODELS`. Names are loaded when they are first used: nothing here is imported early.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .llama import LlamaProvider
    from .status import local_status
    from .store import MODELS, ModelFile, cache_folder, get, list_models
    from .vectors import StaticVectors, static_vectors

__all__ = [
    "MODELS",
    "LlamaProvider",
    "ModelFile",
    "StaticVectors",
    "cache_folder",
    "get",
    "list_models",
    "local_status",
    "static_vectors",
]

_LIVES_IN = {
    "LlamaProvider": "llama",
    "local_status": "status",
    "MODELS": "store",
    "ModelFile": "store",
    "cache_folder": "store",
    "get": "store",
    "list_models": "store",
    "StaticVectors": "vectors",
    "static_vectors": "vectors",
}


def __getattr__(name: str) -> Any:
    if name in _LIVES_IN:
        return getattr(importlib.import_module(f".{_LIVES_IN[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
