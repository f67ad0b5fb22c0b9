"""The name of a call: a hash over its place, its model and everything that was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..runs.jsonform import quick
from .types import Place


def canonical(value: Any) -> str:
    """One JSON text for equal values: sorted names, no spaces, no NaN."""
    return spelled(value).decode("utf-8", "surrogatepass")


def spelled(value: Any) -> bytes:
    """`canonical` as UTF-8. Raises `ValueError` for NaN and infinities, `TypeError` for what is no JSON."""
    if (raw := quick(value, sort=True)) is not None:
        return raw
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def call_key(place: Place, model: str, kind: str, request: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of place, model, kind and request."""
    return key_and_size(place, model, kind, request)[0]


def key_and_size(place: Place, model: str, kind: str, request: Mapping[str, Any]) -> tuple[str, int]:
    """The call's key, and how many bytes it was made of: a little more than what is sent."""
    at = [place.agent, place.page, place.node, place.sample]
    text = spelled([at, model, kind, request])
    return hashlib.sha256(text).hexdigest(), len(text)


def key_of(place: Place, model: str, kind: str, request: bytes) -> str:
    """`call_key` of a request that is in canonical form already."""
    head = spelled([[place.agent, place.page, place.node, place.sample], model, kind])
    return hashlib.sha256(b"%b,%b]" % (head[:-1], request)).hexdigest()


def jitter(key: str, attempt: int) -> float:
    """A number in [0, 1) that depends on the call and the attempt only, so that waiting is repeatable too."""
    return int.from_bytes(hashlib.blake2b(f"{key}/{attempt}".encode(), digest_size=4).digest(), "big") / 2**32
