"""Keeps keys out of every text that a person or a log may see."""

from __future__ import annotations

import re

_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|AIza|key)[-_][A-Za-z0-9_*\-]{6,}|\bAIza[A-Za-z0-9_\-]{10,}|(?i:bearer\s+)[^\s\"',]{4,}"
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_LONGEST = 400


def redact(text: str, *secrets: str | None) -> str:
    """`text` as one line of bounded length, without the secrets and without anything shaped like a key."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    text = _USER_INFO.sub("", _LOOKS_LIKE_A_KEY.sub("[key]", text))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
