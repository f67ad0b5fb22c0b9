"""`Span`: one thing that took time, as OpenTelemetry has it; ids are hashes of addresses, so that they are the same next time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | bool | int | float


@dataclass(frozen=True, slots=True)
class Span:
    """`trace` has 16 bytes, `id` and `parent` 8 (empty: the trace's root). `start` and `end` are seconds since the epoch.
    `error`: what went wrong; empty where nothing did."""

    trace: bytes
    id: bytes
    parent: bytes
    name: str
    start: float
    end: float
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""


def hashed(size: int, *address: object) -> bytes:
    """`size` bytes that stand for an address."""
    text = "\x1f".join(map(str, address))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()
