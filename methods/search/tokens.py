"""Words of any script, for a lexical index."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

Stem = Literal["none", "s"]

_UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"  # Han, kana, Hangul
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\U00020000-\U0003ffff"  # rarer Han
)


_ASCII = re.compile("[a-z0-9]+")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A word; a run of a script that puts no spaces between words."""
    # Python's \w leaves out the marks that are vowels in Hindi, Tamil or Arabic, and would cut words at each of them.
    marks = "".join(chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    return re.compile(rf"[\w{re.escape(marks)}]+"), re.compile(f"[{_UNSPACED}]+")


def tokens(text: str, stem: Stem = "none") -> list[str]:
    """Words of `text` in order, folded to one case and one form of each letter.

    Where a script puts no spaces between words (Chinese, Japanese, Korean, Thai, ...), its characters and their bigrams.
    `stem`: "s" takes off English plurals (Harman 1991).
    """
    if text.isascii():  # most texts in English, at a tenth of the cost
        plain = _ASCII.findall(text.lower())
        return plain if stem == "none" else [_without_s(word) for word in plain]
    word, unspaced = _patterns()
    found: list[str] = []
    for run in word.findall(unicodedata.normalize("NFKC", text).casefold().replace("_", " ")):
        if run.isascii() or not unspaced.search(run):
            found.append(run if stem == "none" else _without_s(run))
            continue
        past = 0
        for part in unspaced.finditer(run):
            if part.start() > past:
                found.append(run[past : part.start()])
            characters = part.group()
            found += characters
            found += (characters[i : i + 2] for i in range(len(characters) - 1))
            past = part.end()
        if past < len(run):
            found.append(run[past:])
    return found


def _without_s(word: str) -> str:
    """Harman's S stemmer: -ies to -y, -es to -e, -s off, each with its exceptions."""
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and len(word) > 2 and not word.endswith(("us", "ss")):
        return word[:-1]
    return word
