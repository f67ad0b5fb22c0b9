"""Guards: what a prompt must never do, checked before a single case is spent on it.

A candidate keeps the task's contract (components, fields, length), holds no text of the cases (their words, their items'
titles, sentences that an item's text brought in), and is not what is there already. What the seed holds is allowed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..llm.errors import PromptError
from ..llm.fence import plain
from ..llm.prompts import FIELD, Prompt
from .candidate import Candidate
from .context import Context
from .overlap import folded, ngrams, normal, words
from .task import Component

RUN = 8
"""Words in a row, shared with a case, that are a leak."""

SENTENCE = 5
"""A sentence of an item's text with fewer words than this is not told from ordinary speech."""

BYTES_PER_TOKEN = 4

_YEAR = re.compile(r"\s*[(\[]\d{4}[)\]]\s*$")
_ARTICLE_LAST = re.compile(r"^(.*), (The|A|An)$")
_SENTENCE_ENDS = re.compile(r"[.!?:;\n]+")
_QUOTES = "\"'“”‘’«»„`*_"


def problems(candidate: Candidate, context: Context, known: Iterable[Candidate] = ()) -> list[str]:
    """What speaks against a candidate, in words; empty where nothing does. `known`: candidates that are in already."""
    found: list[str] = []
    if candidate.texts.keys() != context.components.keys():
        return [f"has texts for {_names(candidate.texts)}, but the task has {_names(context.components)}"]
    for name, component in context.components.items():
        found += [f"{name}: {what}" for what in contract(candidate.texts[name], component)]
    if found:
        return found
    others = [each for each in (context.seed_candidate, *known) if candidate.operator != "seed"]
    if twin := duplicate(candidate, others):
        return [f"is {'the seed' if twin.id == context.seed_candidate.id else twin.id} but for capitals and blanks"]
    leaks = _leaks(context)
    for name, text in candidate.texts.items():
        found += [f"{name}: {what}" for what in leaks.of(text)]
    return found


def duplicate(candidate: Candidate, known: Iterable[Candidate]) -> Candidate | None:
    """The first of `known` that says the same but for capitals and blanks; the candidate itself does not count."""
    spelled = _spelled(candidate)
    return next((k for k in known if k is not candidate and _spelled(k) == spelled), None)


def tokens(texts: Mapping[str, str]) -> int:
    """Length of a prompt in tokens of four bytes, rounded up."""
    return sum(-(-len(text.encode()) // BYTES_PER_TOKEN) for text in texts.values())


def contract(text: str, component: Component) -> Iterator[str]:
    """How one text breaks what its component promises: fields, length, no marks of its own."""
    if not text.strip():
        yield "is empty"
        return
    if component.fields:
        try:
            Prompt.parse(text, known=component.fields)
        except PromptError as problem:
            yield str(problem).removeprefix("prompt: ").replace("\n ", ";")
            return
    elif unknown := set(FIELD.findall(text)) - set(FIELD.findall(component.text)):
        yield f"unknown field {_names(unknown)}: this text takes none"
    held = set(FIELD.findall(text))
    for group in component.required:
        if not held & set(group.split("|")):
            yield f"lost its field {' or '.join('{{' + name + '}}' for name in group.split('|'))}"
    size = tokens({"": text})
    if size > component.max_tokens:
        yield f"{size} tokens long, and {component.max_tokens} are the most"
    if plain(text, len(text)) != text and plain(component.text, len(component.text)) == component.text:
        yield "holds marks of fences or chat templates, or control characters"


@dataclass(frozen=True)
class _Title:
    """A title that can be told from ordinary words, as the words of a text are looked through for it."""

    spelled: tuple[str, ...]
    folds: tuple[str, ...]
    capitals: bool
    long: bool


@dataclass(frozen=True)
class _Leaks:
    """Everything of the cases that a prompt must not hold, less what the seed holds."""

    runs: NDArray[np.uint64]
    titles: Mapping[tuple[str, str], Sequence[_Title]]
    sentences: Mapping[int, Sequence[tuple[str, ...]]]

    def of(self, text: str) -> Iterator[str]:
        spelled, folds = words(text), folded(text)
        copied = np.flatnonzero(np.isin(ngrams(folds, RUN), self.runs))
        if len(copied):
            yield f"copies {RUN} words of a case: {' '.join(spelled[copied[0] : copied[0] + RUN])!r}"
        for said in dict.fromkeys(self._titles_in(text, spelled, folds)):
            yield f"names an item of the cases: {said!r}"
        for said in self._sentences_in(spelled, folds):
            yield f"repeats a sentence of an item's text: {said!r}"

    def _titles_in(self, text: str, spelled: list[str], folds: list[str]) -> Iterator[str]:
        for i in range(len(folds) - 1):
            for title in self.titles.get((folds[i], folds[i + 1]), ()):
                n = len(title.folds)
                if tuple(folds[i : i + n]) != title.folds:
                    continue
                said = spelled[i : i + n]
                as_written = title.capitals and tuple(said) == title.spelled
                if as_written or title.long or _marked(text, said):
                    yield " ".join(said)

    def _sentences_in(self, spelled: list[str], folds: list[str]) -> Iterator[str]:
        for i, start in enumerate(ngrams(folds, SENTENCE)):
            for sentence in self.sentences.get(int(start), ()):
                if tuple(folds[i : i + len(sentence)]) == sentence:
                    yield " ".join(spelled[i : i + len(sentence)])


@lru_cache(maxsize=4)
def _leaks(context: Context) -> _Leaks:
    seed = "\n".join(context.seed_candidate.texts.values())
    common = max(2, (len(context.cases) + 1) // 2)  # what half of the cases hold is the task's own wording
    runs: list[NDArray[np.uint64]] = []
    sentences: Counter[tuple[str, ...]] = Counter()
    titles: dict[str, None] = {}
    for case in context.cases.values():
        strings = [*_strings(case.shown), *_strings(case.truth), *case.titles]
        texts = [context.story(case), *strings]
        runs.append(np.unique(np.concatenate([ngrams(folded(text), RUN) for text in texts])))
        parts = (tuple(folded(part)) for text in strings for part in _SENTENCE_ENDS.split(text))
        sentences.update({part: 1 for part in parts if len(part) >= SENTENCE}.keys())
        titles |= dict.fromkeys(case.titles)
    hashes, counts = np.unique(np.concatenate(runs), return_counts=True) if runs else (ngrams([], RUN), np.zeros(0))
    held = set(ngrams(folded(seed), RUN).tolist())
    leaks = _Leaks(np.array([h for h in hashes[counts < common].tolist() if h not in held], dtype=np.uint64), {}, {})
    starts: dict[int, list[tuple[str, ...]]] = leaks.sentences  # type: ignore[assignment]
    in_seed = " ".join(folded(seed))
    for sentence, count in sentences.items():
        if count < common and " ".join(sentence) not in in_seed:
            starts.setdefault(int(ngrams(sentence, SENTENCE)[0]), []).append(sentence)
    by_start: dict[tuple[str, str], list[_Title]] = leaks.titles  # type: ignore[assignment]
    for text in titles:
        title = _title(text)
        if title is not None and " ".join(title.folds) not in in_seed:
            by_start.setdefault((title.folds[0], title.folds[1]), []).append(title)
    return leaks


def _title(text: str) -> _Title | None:
    """A title as it is looked for; None where it is too short to be told from ordinary words.

    At least two words and ten letters. It counts as named where it stands with its capitals (a name in which at least
    two words have one), between quotes or before a year; from four words and twenty letters on, however it is spelled.
    """
    text = _ARTICLE_LAST.sub(r"\2 \1", _YEAR.sub("", text))
    spelled = tuple(words(text))
    letters = sum(character.isalpha() for character in text)
    if len(spelled) < 2 or letters < 10:
        return None
    capitals = sum(word[:1].isupper() or word[:1].isdigit() for word in spelled) >= 2
    return _Title(spelled, tuple(folded(text)), capitals, len(spelled) >= 4 and letters >= 20)


def _marked(text: str, said: Sequence[str]) -> bool:
    """Whether the words stand between quotes or before a year in brackets."""
    middle = r"\W+".join(map(re.escape, said))
    quotes = f"[{re.escape(_QUOTES)}]"
    return re.search(rf"{quotes}{middle}\W*(?:\(\d{{4}}\))?{quotes}|{middle}\W*[(\[]\d{{4}}[)\]]", text) is not None


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _strings(part)


def _spelled(candidate: Candidate) -> dict[str, str]:
    return {name: normal(text) for name, text in candidate.texts.items()}


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
