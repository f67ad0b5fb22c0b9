"""Foreign text made visible: what a terminal, an XML reader or a reader of right-to-left marks would act on becomes a sign."""

from __future__ import annotations

import unicodedata

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
_KEPT = frozenset("\u200c\u200d\ufe0f")
"""Joiners and the emoji selector: words of several scripts and many emoji fall apart without them."""


def visible(text: object) -> str:
    """`text` with every control, direction and other invisible character as a visible sign; nothing is left out.

    The result is legal XML and does nothing in a terminal. Markup is not escaped here: that is the page's task.
    """
    value = str(text)
    if value.isascii() and value.isprintable():
        return value
    return "".join(map(_sign, value))


def visible_lines(text: object) -> str:
    """The same with the text's own line breaks kept, for prompts and other long texts."""
    return "\n".join(map(visible, str(text).split("\n")))


def _sign(character: str) -> str:
    code = ord(character)
    if code in _PICTURES:
        return _PICTURES[code]
    category = unicodedata.category(character)
    hidden = category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and character not in _KEPT
    return f"⟨U+{code:04X}⟩" if hidden else character
