"""What a user likes, read from the user's own rows without a model: genres or title words, decades, example titles.

Every sentence can be counted: plain words of frequency (most often, seldom, most, many) follow the share of the user's
own rows, and a comparison with the catalogue says that it is one.

A term (genre, title word or decade) is judged three times, a decade not by ratings:

    share    rows with the term / all rows of the user
    choice   log-odds of the term among the user's items against the catalogue, with an informative prior of `PRIOR`
             catalogue items (Monroe, Colaresi and Quinn 2008, eq. 16), in standard errors
    rating   mean of (rating - own mean) over its items, shrunk by `SHRINK` items at 0, in the user's own standard deviations

The base rate is the catalogue's, each item once, and not what other users chose: nobody else's rows can change a
user's tastes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..llm.fence import one_line

if TYPE_CHECKING:
    from ..data import Dataset, RatingScale

Summariser: TypeAlias = Literal["genres", "keywords"]

PRIOR = 5.0
SHRINK = 3.0
CHOICE_SURE = 1.0
"""Standard errors of the log-odds from which on a term counts as chosen more, or less, than its share."""
SELDOM = 0.1
"""Share of the rows up to which a term can be called seldom chosen."""
RATING_SURE = 0.25
"""Own standard deviations from which on a term counts as rated higher, or lower, than usual."""
MOST = 3
"""Terms named per sentence."""

_YEAR = re.compile(r"\((\d{4})(?:\s*[-–][^)]*)?\)\s*$")
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "from",
        "that",
        "this",
        "into",
        "out",
        "der",
        "die",
        "das",
        "und",
        "les",
        "des",
        "une",
        "los",
        "las",
        "del",
        "part",
        "vol",
        "volume",
        "edition",
        "season",
        "episode",
        "set",
        "pack",
        "new",
        "you",
        "your",
        "his",
        "her",
        "its",
        "our",
        "all",
        "not",
        "one",
        "two",
        "are",
        "was",
        "what",
        "who",
        "how",
    ]
)


@dataclass(frozen=True, slots=True)
class Tastes:
    """`sentences` go into a prompt, likes and dislikes both; `likes` and `dislikes` are the terms behind them."""

    sentences: tuple[str, ...]
    likes: tuple[str, ...]
    dislikes: tuple[str, ...]
    source: str


class Vocabulary:
    """The terms of a catalogue and how common each is in it; built once and used for every user.

    `source` says what terms are: "genres", or "keywords" where they were asked for or no item has a genre.
    """

    def __init__(self, data: Dataset, summariser: Summariser = "genres") -> None:
        if summariser not in ("genres", "keywords"):
            raise ValueError(f"no summariser '{summariser}': choose 'genres' or 'keywords' (an LLM: see llm_tastes)")
        ids, catalogue = data.items.ids, data.catalogue
        genres = {item: tuple(dict.fromkeys(catalogue.genres(item))) for item in ids} if summariser == "genres" else {}
        self.source: Summariser = "genres" if any(genres.values()) else "keywords"
        self.title = {item: one_line(catalogue.title(item), 80) for item in ids}
        self.terms = genres if self.source == "genres" else {item: title_words(self.title[item]) for item in ids}
        self.decade = {item: decade_of(self.title[item]) for item in ids}
        self.size = len(ids)
        self.term_counts = Counter(term for terms in self.terms.values() for term in terms)
        self.decade_counts = Counter(decade for decade in self.decade.values() if decade)


def title_words(title: str) -> tuple[str, ...]:
    """The telling words of a title: letters only, three or more, lower case, without the most common small words."""
    return tuple(dict.fromkeys(word for word in _WORD.findall(title.casefold()) if word not in _STOP))


def decade_of(title: str) -> str:
    """The decade of a title's year, "Heat (1995)" -> "1990s"; empty where it has none."""
    found = _YEAR.search(title)
    return f"{found[1][:3]}0s" if found else ""


def choice_score(own: int, n_own: int, base: int, n_base: int) -> float:
    """Log-odds of a term among `own` of `n_own` items against `base` of `n_base`, in standard errors (see the module)."""
    rate = (base + 0.5) / (n_base + 1.0)
    yes, no = own + PRIOR * rate, n_own - own + PRIOR * (1.0 - rate)
    log_odds = math.log(yes / no) - math.log(rate / (1.0 - rate))
    return log_odds / math.sqrt(1.0 / yes + 1.0 / no)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _best(scores: dict[str, float], above: float) -> tuple[str, ...]:
    # Rounded and then by name: the same order on every machine.
    ranked = sorted((-round(score, 9), term) for term, score in scores.items() if score >= above)
    return tuple(term for _, term in ranked[:MOST])


def summarise(
    items: Sequence[str], values: Sequence[float] | None, vocabulary: Vocabulary, n_examples: int = 2
) -> Tastes:
    """Tastes from one user's own items, oldest first, and their ratings (None where there are none)."""
    if not items:
        return Tastes(("Nothing is known of your tastes yet.",), (), (), vocabulary.source)
    n = len(items)
    counts = Counter(term for item in items for term in vocabulary.terms[item])
    decades = Counter(vocabulary.decade[item] for item in items if vocabulary.decade[item])
    main = _most_frequent(counts)
    above, below = _rated(items, values, vocabulary, counts)
    over = _over(counts, vocabulary.term_counts, n, vocabulary.size)
    over = tuple(t for t in over if t not in below)
    eras = _over(decades, vocabulary.decade_counts, n, vocabulary.size)[:1]
    seldom = _seldom(counts, vocabulary, n, but=(*main, *above))
    name = str if vocabulary.source == "genres" else "titles with “{}”".format
    compared = [*map(name, over), *(f"the {era}" for era in eras)]
    examples = [f"“{vocabulary.title[item]}”" for item in favourites(items, values)[:n_examples]]
    sentences = [
        f"You most often choose {_shares(main, counts, n, name)}." if main else "",
        f"Your choices hold a larger share of {_listed(compared)} than the catalogue does." if compared else "",
        f"You rate {_named(above, name)} higher than you usually rate." if above else "",
        f"You rate {_named(below, name)} lower than you usually rate." if below else "",
        f"You seldom or never choose {_named(seldom, name)}." if seldom else "",
        _main_decades(decades, n),
        f"You {'gave your highest ratings to' if values is not None else 'recently chose'} {_listed(examples)}."
        if examples
        else "",
    ]
    return Tastes(
        tuple(s for s in sentences if s),
        tuple(dict.fromkeys((*above, *over))),
        tuple(dict.fromkeys((*below, *seldom))),
        vocabulary.source,
    )


def _most_frequent(counts: Counter[str]) -> tuple[str, ...]:
    return _best({term: count for term, count in counts.items() if count >= 2}, 2)


def _over(counts: Counter[str], base: Counter[str], n: int, size: int) -> tuple[str, ...]:
    """Terms that make up more of the `n` rows than of the catalogue, by more than chance would."""
    more = {t: c for t, c in counts.items() if c >= 2 and c * size > base[t] * n}
    return _best({t: choice_score(c, n, base[t], size) for t, c in more.items()}, CHOICE_SURE)


def _seldom(counts: Counter[str], vocabulary: Vocabulary, n: int, but: Sequence[str]) -> tuple[str, ...]:
    """Terms of the catalogue that are rare among the `n` rows, in plain numbers and for their share of the catalogue."""
    size = vocabulary.size
    rare = {
        t: base
        for t, base in vocabulary.term_counts.items()
        if counts[t] <= SELDOM * n and base >= 0.05 * size and n * base >= 2 * size and t not in but
    }
    return _best({t: -choice_score(counts[t], n, base, size) for t, base in rare.items()}, CHOICE_SURE)


def _main_decades(decades: Counter[str], n: int) -> str:
    """The decade with the most rows, or those that share the first place."""
    count = max(decades.values(), default=0)
    tops = sorted(decade for decade, c in decades.items() if c == count)
    if count < 2 or len(tops) > MOST:
        return ""
    listed = _shares(tops, decades, n, "the {}".format)
    if 2 * count > n:
        return f"Most of your choices are from {listed}."
    return f"Many of your choices are from {listed}." if 3 * count >= n else f"You choose most from {listed}."


def _named(terms: Sequence[str], name: Callable[[str], str]) -> str:
    return _listed([name(term) for term in terms])


def _shares(terms: Sequence[str], counts: Counter[str], n: int, name: Callable[[str], str]) -> str:
    """The terms with their share of the user's rows."""
    shares = {term: 100 * counts[term] / n for term in terms}
    return _listed([f"{name(t)} ({f'{x:.0f} %' if x >= 1 else 'under 1 %'})" for t, x in shares.items()])


def _rated(
    items: Sequence[str], values: Sequence[float] | None, vocabulary: Vocabulary, counts: Counter[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Terms rated above and below the user's own mean."""
    if values is None:
        return (), ()
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    if deviation < 1e-9:
        return (), ()
    sums: dict[str, float] = {}
    for item, value in zip(items, values, strict=True):
        for term in vocabulary.terms[item]:
            sums[term] = sums.get(term, 0.0) + (value - mean) / deviation
    lift = {t: s / (counts[t] + SHRINK) for t, s in sums.items() if counts[t] >= 2}
    return _best(lift, RATING_SURE), _best({t: -x for t, x in lift.items()}, RATING_SURE)


def favourites(items: Sequence[str], values: Sequence[float] | None) -> tuple[str, ...]:
    """The user's own items best first: those rated at or above the own mean, highest first, later ones first among
    equals; without ratings all of them, latest first."""
    if values is None:
        return tuple(reversed(items))
    mean = sum(values) / max(len(values), 1)
    order = sorted(range(len(items)), key=lambda i: (-values[i], -i))
    return tuple(items[i] for i in order if values[i] >= mean - 1e-9)


_LEVEL: tuple[tuple[float, str], ...] = (
    (0.40, "You are a strict rater"),
    (0.55, "You rate around the middle of the scale"),
    (0.75, "You rate rather kindly"),
    (1.01, "You rate generously"),
)
_SPREAD: tuple[tuple[float, str], ...] = (
    (0.10, "your ratings differ little"),
    (0.20, "your ratings differ somewhat"),
    (9.99, "you use much of the scale"),
)


def rating_tendency(values: Sequence[float] | None, scale: RatingScale | None) -> str:
    """How a user rates, in one sentence from the user's own ratings; empty where there are no ratings at all."""
    if values is None or scale is None or not len(values):
        return ""
    if len(values) < 3:
        return f"You have rated too little to say how you rate; the scale runs from {scale.low:g} to {scale.high:g}."
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) / (scale.high - scale.low)
    low = sum(scale.unit(v) < 0.5 for v in values) / len(values)
    level = next(text for bound, text in _LEVEL if scale.unit(mean) < bound)
    width = next(text for bound, text in _SPREAD if spread < bound)
    return (
        f"{level}, {mean:.1f} on average from {scale.low:g} to {scale.high:g}, and {width}; "
        f"{100 * low:.0f} % of your ratings are in the lower half."
    )
