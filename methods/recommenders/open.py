"""From a name, `module:object`, URL or file to a recommender."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from .errors import RecommenderError, UnknownRecommender
from .protocol import Recommender

BASELINES: dict[str, tuple[str, str]] = {
    "random": (".random_order", "Random"),
    "pop": (".pop", "Pop"),
    "itemknn": (".itemknn", "ItemKNN"),
    "ease": (".ease", "EASE"),
    "bpr": (".bpr", "BPR"),
    "ials": (".ials", "IALS"),
    "lightgcn": (".lightgcn", "LightGCN"),
    "multvae": (".multvae", "MultVAE"),
}
"""Name -> where it lives. A new baseline is one more line."""

FILE_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".tsv.gz", ".jsonl.gz")


def open_recommender(
    spec: str | object, seed: int = 0, config: BaseModel | Mapping[str, Any] | None = None
) -> Recommender:
    """The recommender that `spec` names, not yet fitted.

    `spec`: a baseline's name; `module:object` or `path/to/file.py:object` (an instance, class, factory or plain function);
    an `http(s)://` endpoint; a file of precomputed lists (CSV, TSV, JSONL, Parquet); or the object itself. `config`: the
    fields of the baseline's, endpoint's or file's configuration; keyword arguments where `spec` is a class or factory.
    Raises `UnknownRecommender` for a name that is not known, `RecommenderError` for what cannot be opened.
    """
    if not isinstance(spec, str):
        from .python_object import adapt

        return adapt(spec, getattr(spec, "__name__", type(spec).__name__), seed, config)
    text = spec.strip()
    check_address(text)
    if _is_address(text):
        from .endpoint import EndpointConfig, HTTPRecommender

        return HTTPRecommender(text, read_config(EndpointConfig, config, "the endpoint"))
    if text.lower().endswith(FILE_ENDINGS):
        from .top_k_file import TopKFile, TopKFileConfig

        return TopKFile(text, read_config(TopKFileConfig, config, "the file"))
    if ":" in text:
        from .load_object import load_object
        from .python_object import adapt

        # A folder says where this machine keeps the file; the name in tables and logs should not.
        return adapt(load_object(text), text.replace("\\", "/").rpartition("/")[2], seed, config)
    if text.lower() in BASELINES:
        module, name = BASELINES[text.lower()]
        baseline = getattr(import_module(module, __package__), name)
        return baseline(read_config(baseline.config_type, config, text), seed)
    near = difflib.get_close_matches(text.lower(), BASELINES, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise UnknownRecommender(
        f"no recommender {text!r}{hint}\n  known: {', '.join(BASELINES)}\n"
        "  your own: module:object, path/to/file.py:object, http://host/path, or a file ending in "
        + ", ".join(FILE_ENDINGS[:4])
    )


def check_opens(spec: str) -> None:
    """Raises `RecommenderError` where `open_recommender` would, before it is needed; an object is imported, but not made."""
    if ":" in spec and not _is_address(spec.strip()) and not spec.strip().lower().endswith(FILE_ENDINGS):
        from .load_object import load_object

        load_object(spec.strip())
    else:
        open_recommender(spec)


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def check_address(spec: str) -> None:
    """Raises `RecommenderError` for an address with a user, password, query or fragment, none of which it repeats.

    What names a recommender is printed, and written down with every run: no place for a credential.
    """
    text = spec.strip()
    if not _is_address(text):
        return
    try:
        parts = urlsplit(text)
        host = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:  # its own words would show what was taken for a port
        raise RecommenderError(
            "cannot read the endpoint's address\n  it is written http://host:port/path or https://host/path"
        ) from None
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise RecommenderError(
            f"the address of the recommender at {host} holds a user, password or query, and an address is written down"
            " with every run\n  give the bare address, and a bearer token by the variable that holds it:"
            " --recommender-config auth_env=VARIABLE"
        )


def read_config(kind: type[BaseModel], config: BaseModel | Mapping[str, Any] | None, whose: str) -> Any:
    """`config` as a `kind`. Raises `RecommenderError` that lists every fault and the fields there are."""
    if isinstance(config, kind):
        return config
    try:
        return kind.model_validate(config.model_dump() if isinstance(config, BaseModel) else dict(config or {}))
    except ValidationError as error:
        # The value given is left out of the message: it may be a secret.
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise RecommenderError(
            f"configuration of {whose}: {faults}\n  fields: {', '.join(kind.model_fields)}"
        ) from None
