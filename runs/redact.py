"""Takes credentials out of what a run writes down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    [
        "key",
        "keys",
        "apikey",
        "apikeys",
        "secret",
        "secrets",
        "password",
        "passwords",
        "passwd",
        "passphrase",
        "pwd",
        "token",
        "authorization",
        "bearer",
        "credential",
        "credentials",
        "cookie",
    ]
)
# Names that hold a secret's word but not a secret: `api_key_env`, `key_column`, `eos_token`, `sort_key`.
_HARMLESS_WORDS = frozenset(
    ["env", "column", "columns", "field", "name", "sort", "eos", "bos", "pad", "unk", "sep", "mask", "stop", "special"]
)
_GLUED = re.compile(r"(api|access|secret|private|auth)[-_ ]?(key|token)|password|authorization|secret", re.IGNORECASE)

_IN_TEXT = (
    (re.compile(r"(?<=://)[^/\s@:]*(:[^/\s@]*)?@"), f"{REDACTED}@"),
    (
        re.compile(
            r"([?&][\w.-]*(?:key|token|secret|password|passwd|pwd|signature|sig|credentials?|auth|code)=)[^&#\s]+", re.I
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.I), rf"\1 {REDACTED}"),
    (re.compile(r"\b(?:sk|pk|rk|hf|gsk|xai|ghp|gho|glpat)[-_](?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{16,}"), REDACTED),
    (re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"), REDACTED),
)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a credential (`api_key`, `Authorization`, `hf_token`; not `max_tokens`)."""
    words = {word.lower() for word in _WORDS.findall(name)}
    if words & _HARMLESS_WORDS:
        return False
    return bool(words & _SECRET_WORDS) or _GLUED.search(name) is not None


def scrub(text: str) -> str:
    """The text without what looks like a credential: URL userinfo, key parameters, bearer tokens, provider keys."""
    for pattern, instead in _IN_TEXT:
        text = pattern.sub(instead, text)
    return text


def redact(value: Any, secret: bool = False) -> Any:
    """A copy of a JSON value without credentials: by the names of settings, and by `scrub` in every string."""
    if isinstance(value, str):
        return REDACTED if secret and value else scrub(value)
    if isinstance(value, Mapping):
        return {key: redact(inner, secret or is_secret_name(str(key))) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner, secret) for inner in value]
    return value
