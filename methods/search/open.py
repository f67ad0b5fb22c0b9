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
    "minilm": (".dense", "DenseMiniLM"),
    "random": (".controls", "RandomOrder"),
    "constant": (".controls", "Constant"),
}
"""Name -> where it lives: a class with a `config_type`. A new retriever is one more line."""


def open_retriever(spec: str | object, config: BaseModel | Mapping[str, Any] | None = None) -> Retriever:
    """The retriever that `spec` names, not yet fitted.

    `spec`: a name of the table; `module:object` or `path/to/file.py:object` (a retriever, a class or factory of one, or a
    function (query, k) -> ids); an `http(s)://` endpoint; names joined by "+" (`bm25+dense`), which are fused;
    `module:function@NAME`, a function (query, texts) -> scores over the best of another; or the object itself. `config`: fields
    of its configuration (of the fusion or the reranking, where there is one).
    Raises `UnknownRetriever` for a name that is not known, `SearchError` for what cannot be opened.
    """
    if not isinstance(spec, str):
        from .own import adapt

        return adapt(spec, getattr(spec, "name", None) or getattr(spec, "__name__", type(spec).__name__), config)
    text = spec.strip()
    if text.lower().startswith(("http://", "https://")):
        from ..recommenders.endpoint import EndpointConfig
        from .endpoint import open_endpoint

        return open_endpoint(text, _config(EndpointConfig, config, "the endpoint"))
    if "+" in text:
        from .fusion import Fusion, FusionConfig

        return Fusion([open_retriever(part) for part in text.split("+")], _config(FusionConfig, config, text))
    if ":" in text:
        return _from_python(text, config)
    if text.lower() in RETRIEVERS:
        module, name = RETRIEVERS[text.lower()]
        kind = getattr(import_module(module, __package__), name)
        return kind(_config(kind.config_type, config, text))
    near = difflib.get_close_matches(text.lower(), RETRIEVERS, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownRetriever(
        f"no retriever {text!r}{hint}\n  known: {', '.join(RETRIEVERS)}; joined by + they are fused (bm25+dense)\n"
        "  your own: module:object, path/to/file.py:object, http://host/path; module:function@bm25 scores another's best anew"
    )


def _from_python(text: str, config: BaseModel | Mapping[str, Any] | None) -> Retriever:
    from ..recommenders.errors import RecommenderError
    from ..recommenders.load_object import load_object
    from .own import adapt

    spec, at, first = text.rpartition("@")
    try:
        thing = load_object(spec if at else text)
    except RecommenderError as error:  # its words are about modules and files
        raise SearchError(str(error)) from error
    # A folder says where this machine keeps the file; the name in tables should not.
    name = (spec if at else text).replace("\\", "/").rpartition("/")[2]
    if not at:
        return adapt(thing, name, config)
    from .rerank import Rerank, RerankConfig

    if not callable(thing):
        raise SearchError(f"{name} is no function\n  it must be one of (query, texts) -> scores")
    return Rerank(open_retriever(first), thing, name, _config(RerankConfig, config, text))


def _config(kind: type[BaseModel], config: BaseModel | Mapping[str, Any] | None, whose: str) -> Any:
    if isinstance(config, kind):
        return config
    try:
        return kind.model_validate(config.model_dump() if isinstance(config, BaseModel) else dict(config or {}))
    except ValidationError as error:
        # The value given is left out of the message: it may be a secret.
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SearchError(f"configuration of {whose}: {faults}\n  fields: {', '.join(kind.model_fields)}") from None
