"""Keeps keys out of every text that a person or a log may see."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

HIDDEN = "[key]"

LONG = 8
"""Characters from which on a secret is taken out wherever it stands; a shorter one ("x", "none") only where no letter or
digit is beside it."""

_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|AIza|key)[-_][A-Za-z0-9_*\-]{6,}|\bAIza[A-Za-z0-9_\-]{10,}"
    r"|(?i:\bbearer\s+)[^\s\"',]{4,}"
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_NAMES = re.compile(r"(API|ACCESS|AUTH|SECRET)_?KEY|TOKEN|SECRET|PASSWORD")
_LONGEST = 400


def redact(text: str, *secrets: str) -> str:
    """`text` as one line of bounded length, without the secrets and without anything shaped like a key."""
    text = hidden(text, secrets)
    text = _USER_INFO.sub("", _LOOKS_LIKE_A_KEY.sub(HIDDEN, text))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def hidden(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, otherwise as it is."""
    for secret in secrets:
        if len(secret) >= LONG:
            text = text.replace(secret, HIDDEN)
        elif secret and secret in text:
            text = re.sub(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", HIDDEN, text)
    return text


def secrets_of(*given: str | None) -> tuple[str, ...]:
    """What must not be seen: the given, and what the environment calls a key, a token or a password; longest first, so
    that no secret is spoiled by one that is a part of it."""
    named = (
        value
        for name, value in os.environ.items()
        if _NAMES.search(name.upper()) and (len(value) >= LONG or name.upper().endswith("_API_KEY"))
    )
    found = {value for each in (*given, *named) if each for value in (each, each.removeprefix("Bearer ").strip())}
    return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))
