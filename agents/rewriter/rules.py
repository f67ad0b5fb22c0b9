"""Rewriters without a model, by family: the same query, seed and family give the same texts on every machine.

    typo      one or two slips of the finger, in any script         order     the same words, put elsewhere
    synonym   words for words, from a table of ours                 verbose   a whole sentence around the need
    register  formally, or as one chats                             terse     what carries the need, and nothing else
    question  as a question

Chance comes from the address (seed, family, query, try), so families can be left out, or held out, without changing others.
What is written around a query is English; a query in another script gets slips and other orders only. No rule knows what
a query means: of a need with several parts some rewrites are odd, and a few are wrong. Whoever needs more has a judge.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, get_args

from ..randomness import shuffled, uniform
from .rule_words import (
    BEHIND,
    CASUAL,
    CASUAL_QUESTION,
    FORMAL,
    FORMAL_QUESTION,
    FUNCTION,
    KEYBOARD,
    NEGATIONS,
    POLITE,
    QUESTION_WORDS,
    QUESTIONS,
    QUESTIONS_AGAIN,
    SHORT,
    SYNONYMS,
    VERBOSE,
    VERBOSE_QUESTION,
)

Family = Literal["typo", "order", "synonym", "verbose", "register", "terse", "question", "formal", "casual"]
ALL: tuple[Family, ...] = get_args(Family)
FAMILIES: tuple[Family, ...] = ALL[:7]
"""The families; `formal` and `casual` are the two halves of `register`, for personas who are one of them."""

TRIES = 12
"""Draws for each rewrite asked for, before a rule is held to have nothing more to say."""

LONGEST = 2000
"""Characters of a query that rules look at; a longer one gets no rewrite (it is no query any more)."""

_TABLE: dict[str, tuple[str, ...]] = {}
for _group in SYNONYMS:
    for _word in _group:
        _TABLE[_word] = (*_TABLE.get(_word, ()), *(other for other in _group if other != _word))
_PHRASES = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, sorted(_TABLE, key=len, reverse=True))) + r")(?!\w)", re.I)
_POLITE = tuple(re.compile(each, re.I) for each in POLITE)
_NEIGHBOURS: dict[str, str] = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in KEYBOARD
    for place, letter in enumerate(row)
}


def rule_rewrites(query: str, family: Family, seed: int = 0, n: int = 1) -> list[str]:
    """Up to `n` rewrites of a family, all different and none the query itself; none where the family has nothing to say.

    Raises `ValueError` for an unknown family.
    """
    if family not in _RULES:
        raise ValueError(f"no family of rules called {family!r}: there are {', '.join(ALL)}")
    text = " ".join(query.split())
    found: dict[str, str] = {_same(text): text}
    if not text or len(text) > LONGEST:
        return []
    for attempt in range(TRIES * n):
        if len(found) > n:
            break
        draw = _Draw(seed, family, text, attempt)
        rewritten = " ".join((_RULES[family](text, draw) or "").split())
        if rewritten:
            found.setdefault(_same(rewritten), rewritten)
    return list(found.values())[1:]


def proposals(query: str, families: Iterable[Family] = FAMILIES, seed: int = 0, n: int = 2) -> list[tuple[Family, str]]:
    """Up to `n` rewrites of each family, in the families' order, each text once."""
    found: dict[str, Family] = {}
    for family in families:
        for text in rule_rewrites(query, family, seed, n):
            found.setdefault(text, family)
    return [(family, text) for text, family in found.items()]


class _Draw:
    """Chance of one try: each question has an address of its own."""

    def __init__(self, seed: int, family: str, query: str, attempt: int) -> None:
        self.address = (seed, "rewrite", family, query, attempt)

    def unit(self, what: str) -> float:
        return uniform(*self.address, what)

    def below(self, n: int, what: str) -> int:
        return int(self.unit(what) * n)

    def pick(self, options: Sequence[str], what: str) -> str:
        return options[self.below(len(options), what)]

    def order(self, n: int, what: str) -> list[int]:
        return shuffled(n, *self.address, what).tolist()


def _same(text: str) -> str:
    """What two texts share that differ only in case, blanks and marks at the end."""
    return " ".join(text.casefold().split()).rstrip("?.! ")


def _letters(word: str) -> list[str]:
    """A word as letters with the marks that belong to them (accents, vowel signs)."""
    found: list[str] = []
    for character in word:
        if found and (unicodedata.category(character).startswith("M") or character in "\u200c\u200d"):
            found[-1] += character
        else:
            found.append(character)
    return found


def _typo(query: str, draw: _Draw) -> str:
    """Slips inside words of three letters or more, never in numbers and model names; the first letter mostly stands."""
    words = query.split()
    open_words = [i for i, word in enumerate(words) if len(_letters(word)) > 3 and _only_letters(word)]
    open_words = open_words or [i for i, word in enumerate(words) if len(_letters(word)) > 1 and _only_letters(word)]
    if not open_words:
        return ""
    slips = 1 + (len(words) > 5 and draw.unit("two") < 0.5)
    for place in draw.order(len(open_words), "words")[:slips]:
        i = open_words[place]
        words[i] = _slip(words[i], draw, i)
    return " ".join(words)


def _slip(word: str, draw: _Draw, number: int) -> str:
    letters = _letters(word)
    last = len(letters) - 1
    at = min(1, last - 1) + draw.below(max(1, last - 1), f"letter {number}")
    near = _NEIGHBOURS.get(letters[at].lower(), "")
    kinds = ["swap", "drop", "double", *(["key"] * 2 if near else [])] if last > 2 else ["swap"]
    match draw.pick(kinds, f"slip {number}"):
        case "swap":
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        case "drop":
            del letters[at]
        case "double":
            letters.insert(at, letters[at])
        case _:
            letters[at] = draw.pick(near, f"key {number}")
    return "".join(letters)


def _only_letters(word: str) -> bool:
    return all(unicodedata.category(character)[0] in "LM" or character in "\u200c\u200d" for character in word)


def _order(query: str, draw: _Draw) -> str:
    """The query's pieces in another order; a number stays with its unit, a preposition and a negation with their word."""
    ending = query[-1] if query[-1] in "?.!" else ""
    pieces = _pieces(query.rstrip("?.! ").split())
    if len(pieces) < 2:
        return ""
    return " ".join(pieces[i] for i in draw.order(len(pieces), "order")) + ending


def _pieces(words: Sequence[str]) -> list[str]:
    pieces: list[str] = []
    waiting: list[str] = []
    for word in words:
        bare = word.strip("\"',;:").casefold()
        if bare in BEHIND and pieces and not waiting:
            pieces[-1] += f" {word}"
            continue
        waiting.append(word)
        if (
            bare in FUNCTION
            or bare in NEGATIONS
            or re.fullmatch(r"[\d.,/-]+", bare)
            or sum(each.count('"') for each in waiting) % 2
        ):
            continue
        pieces.append(" ".join(waiting))
        waiting = []
    if waiting:
        if pieces:
            pieces[-1] += " " + " ".join(waiting)
        else:
            pieces.append(" ".join(waiting))
    return pieces


def _synonym(query: str, draw: _Draw) -> str:
    """One or two words, or phrases, for others."""
    places = list(_PHRASES.finditer(query))
    if not places:
        return ""
    wanted = 1 + (len(places) > 1 and draw.unit("two") < 0.5)
    chosen = {places[i].start() for i in draw.order(len(places), "places")[:wanted]}

    def other(match: re.Match[str]) -> str:
        if match.start() not in chosen:
            return match[0]
        word = draw.pick(_TABLE[match[0].lower()], f"word {match.start()}")
        return word.capitalize() if match[0][0].isupper() else word

    return _PHRASES.sub(other, query)


def _verbose(query: str, draw: _Draw) -> str:
    return _around(query, draw, VERBOSE, VERBOSE_QUESTION)


def _register(query: str, draw: _Draw) -> str:
    return (_formal if draw.unit("formal") < 0.5 else _casual)(query, draw)


def _formal(query: str, draw: _Draw) -> str:
    return _around(query, draw, FORMAL, FORMAL_QUESTION)


def _casual(query: str, draw: _Draw) -> str:
    """As one chats, with the abbreviations that chats have."""
    if not _latin(query):
        return ""
    words = [SHORT.get(word, word) for word in _bare(query.lower()).split()]
    return _around(" ".join(words), draw, CASUAL, CASUAL_QUESTION)


def _terse(query: str, draw: _Draw) -> str:
    """Without what is said around the need, and without function words; negations stay. `draw` chooses how much goes."""
    text = _bare(query)
    words = text.split()
    kept = [w for w in words if w.strip("\"',;:").casefold() not in FUNCTION or w.isupper()]
    if draw.unit("some") < 0.3:
        return text
    return " ".join(kept) if kept else ""


def _bare(query: str) -> str:
    """The query without what politeness puts around it."""
    text, before = query.rstrip("?.! "), ""
    while text != before:
        before = text
        for each in _POLITE:
            text = each.sub("", text).strip() or text
    return text


def _question(query: str, draw: _Draw) -> str:
    return _around(query, draw, QUESTIONS, QUESTIONS_AGAIN)


def _around(query: str, draw: _Draw, about: Sequence[str], again: Sequence[str]) -> str:
    """A sentence of ours around the query: one for things, another for what is a question already."""
    if not _latin(query):
        return ""
    text = _bare(query)
    if not text:
        return ""
    asks = text.split()[0].casefold() in QUESTION_WORDS
    return draw.pick(again if asks else about, "sentence").replace("{q}", text)


def _latin(query: str) -> bool:
    """Whether the query's letters are Latin ones, most of them: English around others would be no sentence."""
    letters = [character for character in query if character.isalpha()]
    return 2 * sum(unicodedata.name(each, "").startswith("LATIN") for each in letters) > len(letters)


_RULES: dict[str, Callable[[str, _Draw], str]] = {
    "typo": _typo,
    "order": _order,
    "synonym": _synonym,
    "verbose": _verbose,
    "register": _register,
    "terse": _terse,
    "question": _question,
    "formal": _formal,
    "casual": _casual,
}
