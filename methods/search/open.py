"""From a name, `module:object` or URL to a retriever."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

from .errors import SearchError, UnknownRetriever
from .protocol import Retriever

RETRIEVERS: dict[str, tuple[str, str]] = {
    "bm25": (".bm25", "BM25"),
    "dense": (".dense", "Dense"),
    "random": (".controls", "RandomOrder"),
    "constant": (".controls", "Constant"),
}
"""Name -> where it lives: a class with a `config_type`. A new retriever is one more line."""


def open_retriever(spec: str | object, config: BaseModel | Mapping[str, Any] | None = None) -> Retriever:
    """The retriever that `spec` names, not yet fitted. `config`: fields of its configuration.

    Raises `UnknownRetriever` for a name that is not known, `SearchError` for a configuration that is not fitting.
    """
    if not isinstance(spec, str):
        raise SearchError(f"cannot open {type(spec).__name__}: give a name")
    text = spec.strip()
    if text.lower() in RETRIEVERS:
        module, name = RETRIEVERS[text.lower()]
        kind = getattr(import_module(module, __package__), name)
        return kind(_config(kind.config_type, config, text))
    near = difflib.get_close_matches(text.lower(), RETRIEVERS, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownRetriever(f"no retriever {text!r}{hint}\n  known: {', '.join(RETRIEVERS)}")


def _config(kind: type[BaseModel], config: BaseModel | Mapping[str, Any] | None, whose: str) -> Any:
    if isinstance(config, kind):
        return config
    try:
        return kind.model_validate(config.model_dump() if isinstance(config, BaseModel) else dict(config or {}))
    except ValidationError as error:
        # The value given is left out of the message: it may be a secret.
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SearchError(f"configuration of {whose}: {faults}\n  fields: {', '.join(kind.model_fields)}") from None
