"""Writes the shop-search set anew: `python make.py [FOLDER]`. Seeded: the same files, byte for byte.

Products are drawn from the attribute tables below, grades follow the attributes, and each query is worded in the words of
the titles, in everyday words that no title has, or in a mixture. Needs the standard library only.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

SEED = 7
PER_TYPE = 20
"""Products of one type."""


class Need(NamedTuple):
    """One value of an attribute, in several wordings."""

    title: str
    """As titles have it."""
    everyday: str
    """As people who have not read the titles say it."""
    clause: str
    """After the noun in a sentence: "something that ..."."""


class Type(NamedTuple):
    """One type of product. `noun` as titles have it, `everyday` as no title has it, `short` for people in a hurry."""

    noun: str
    everyday: str
    short: str
    article: str
    group: int
    """Types of one group stand in for one another."""


PEOPLE = (
    Need("men's", "for him", "for my husband"),
    Need("women's", "for her", "for my wife"),
    Need("kids'", "for children", "for my little one"),
)
SIZES = (
    Need("compact", "small", "that takes up little room"),
    Need("large", "big", "that is enough for the whole family"),
)
COLOURS = (
    Need("navy", "dark blue", "in a deep blue"),
    Need("charcoal", "dark grey", "in a greyish tone"),
    Need("burgundy", "wine red", "in a dark red"),
    Need("olive", "army green", "in a muted green"),
    Need("ivory", "off-white", "in a creamy white"),
    Need("teal", "blue-green", "between blue and green"),
)

TYPES = (
    Type("running shoes", "sneakers", "runners", "a pair of", 0),
    Type("hiking boots", "walking footwear", "hikers", "a pair of", 0),
    Type("sandals", "open summer footwear", "flipflops", "a pair of", 1),
    Type("slippers", "house shoes", "pantofles", "a pair of", 1),
    Type("jacket", "anorak", "coat", "a", 2),
    Type("sweater", "pullover", "jumper", "a", 2),
    Type("headphones", "headset", "cans", "a pair of", 3),
    Type("earbuds", "in-ear buds", "pods", "a pair of", 3),
    Type("power bank", "portable battery", "powerpack", "a", 4),
    Type("wall charger", "plug adapter", "charger", "a", 4),
    Type("desk lamp", "reading light", "lamp", "a", 5),
    Type("camping lantern", "outdoor light", "lantern", "a", 5),
    Type("backpack", "rucksack", "pack", "a", 6),
    Type("duffel bag", "holdall", "duffel", "a", 6),
    Type("frying pan", "skillet", "pan", "a", 7),
    Type("saucepan", "cooking pot", "pot", "a", 7),
    Type("kettle", "water boiler", "boiler", "a", 8),
    Type("coffee maker", "espresso machine", "brewer", "a", 8),
    Type("blanket", "throw", "cover", "a", 9),
    Type("sleeping bag", "bedroll", "mummy bag", "a", 9),
)

# One row per group: what its products can do.
FEATURES = (
    (
        Need("waterproof", "rainproof", "that keeps out the rain"),
        Need("cushioned", "soft-soled", "that is easy on the knees"),
        Need("breathable", "airy", "that does not get sweaty"),
        Need("wide-fit", "roomy", "for broad feet"),
    ),
    (
        Need("non-slip", "grippy", "that does not slide on wet tiles"),
        Need("memory-foam", "squishy", "that moulds itself to the foot"),
        Need("machine-washable", "easy-clean", "that can go in the laundry"),
        Need("vegan", "animal-free", "made without any leather"),
    ),
    (
        Need("waterproof", "rainproof", "for bad weather"),
        Need("insulated", "warm", "for freezing days"),
        Need("lightweight", "thin", "that weighs next to nothing"),
        Need("hooded", "with a cap", "that covers the head as well"),
    ),
    (
        Need("wireless", "cordless", "without any cable"),
        Need("noise-cancelling", "silence-making", "that shuts out the train"),
        Need("sweat-resistant", "gym-proof", "for working out"),
        Need("long-life", "all-day", "that lasts for hours and hours"),
    ),
    (
        Need("fast-charging", "quick", "that fills a phone in no time"),
        Need("multi-port", "several-sockets", "for many gadgets at once"),
        Need("foldable", "collapsible", "that folds away"),
        Need("solar", "sun-powered", "that works off the sun"),
    ),
    (
        Need("dimmable", "adjustable", "that can be turned down at night"),
        Need("rechargeable", "refillable", "that needs no new batteries"),
        Need("waterproof", "rainproof", "that survives a shower"),
        Need("magnetic", "clinging", "that sticks to metal"),
    ),
    (
        Need("anti-theft", "pickpocket-safe", "that thieves cannot open"),
        Need("waterproof", "rainproof", "that keeps things dry in a storm"),
        Need("padded", "cushiony", "that protects a laptop"),
        Need("expandable", "stretchy", "that grows when there is more to carry"),
    ),
    (
        Need("non-stick", "easy-release", "that nothing burns onto"),
        Need("induction", "magnet-stove", "for a glass-top cooker"),
        Need("oven-safe", "bake-proof", "that can go in at 200 degrees"),
        Need("cast-iron", "heavy", "that holds its heat"),
    ),
    (
        Need("programmable", "timed", "that is ready when I get up"),
        Need("quiet", "noiseless", "that does not wake the baby"),
        Need("insulated", "heat-keeping", "that keeps it hot all morning"),
        Need("cordless", "lift-off", "that can be taken to the table"),
    ),
    (
        Need("weighted", "heavy", "that feels like a hug"),
        Need("fleece", "fluffy", "that is soft on the skin"),
        Need("machine-washable", "easy-clean", "that can go in the laundry"),
        Need("packable", "squashable", "that goes into a tiny sack"),
    ),
)

BRANDS = ("Alderfin", "Brissmoor", "Corvale", "Dunmarrow", "Estwick", "Fenholt", "Garrowby", "Hestane")
MODELS = ("Arc", "Beacon", "Cirrus", "Delta", "Ember", "Fjord", "Grove", "Halo", "Iris", "Juniper")
OPENINGS = (
    "Designed for daily use and tested by our own staff.",
    "A favourite of our returning customers.",
    "New this season, with a two-year guarantee.",
    "Plain, sturdy and made to be repaired.",
)

VOCABULARIES = ("titles", "everyday", "mixed")
FAMILIES = ("typo", "order", "synonym", "verbose", "terse", "question")
KEYS = {
    "a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o", "j": "k", "k": "l", "l": "k", "m": "n",
    "n": "m", "o": "p", "p": "o", "q": "w", "r": "t", "s": "d", "t": "y", "u": "i", "v": "b", "w": "e", "x": "c", "y": "u", "z": "x",
}  # fmt: skip


class Product(NamedTuple):
    id: str
    type: Type
    features: tuple[Need, Need]
    whom: Need
    """Whom it is for, or how large it is."""
    colour: Need
    title: str
    text: str

    @property
    def values(self) -> frozenset[Need]:
        return frozenset((*self.features, self.whom, self.colour))


class Query(NamedTuple):
    id: str
    type: Type
    needs: tuple[Need, ...]
    vocabulary: str


def whom_or_size(type: Type) -> tuple[Need, ...]:
    return PEOPLE if type.group <= 2 else SIZES


def make_products(rng: random.Random) -> list[Product]:
    made = []
    for type in TYPES:
        for place in range(PER_TYPE):
            features = tuple(rng.sample(FEATURES[type.group], 2))
            whom, colour = rng.choice(whom_or_size(type)), COLOURS[place % len(COLOURS)]
            head = f"{rng.choice(BRANDS)} {rng.choice(MODELS)}"
            title = f"{head} {whom.title} {features[0].title} {type.noun}, {colour.title}"
            # Some shops write more than the title says, and a few use everyday words: no vocabulary is ever quite apart.
            parts = [rng.choice(OPENINGS), f"Also {features[1].title}."]
            if place % 4 == 0:
                parts.append(f"Some call it {type.everyday}; it is {features[0].everyday}.")
            if place % 5 == 1:
                parts.append(f"The colour is a {colour.everyday}.")
            made.append(
                Product(f"p{len(made) + 1:03d}", type, (features[0], features[1]), whom, colour, title, " ".join(parts))
            )
    return made


def grade(query: Query, product: Product) -> int:
    """3: the type and every need; 2: the type and half of two needs; 1: the type alone, or a type that may stand in for it
    and has every need; 0: the rest."""
    met = sum(need in product.values for need in query.needs)
    if product.type == query.type:
        return 1 + 2 * met // len(query.needs)
    return int(product.type.group == query.type.group and met == len(query.needs))


def make_queries(rng: random.Random, products: Sequence[Product]) -> list[Query]:
    """Four of each type: one feature; a feature and a person or size; a feature and a colour; two features."""
    made: list[Query] = []
    for type in TYPES:
        features = FEATURES[type.group]
        for kind in range(4):
            while True:
                first, second = rng.sample(features, 2)
                others = ((), (rng.choice(whom_or_size(type)),), (rng.choice(COLOURS),), (second,))
                query = Query(f"q{len(made) + 1:02d}", type, (first, *others[kind]), VOCABULARIES[len(made) % 3])
                best = sum(grade(query, product) == 3 for product in products)
                new = all(query[1:3] != other[1:3] for other in made)
                if new and 1 <= best <= 14:
                    break
            made.append(query)
    return made


def placed(needs: Sequence[tuple[Need, str]], noun: str) -> str:
    """Words before and after the noun: "for him" stands behind it, "dark blue" before."""
    behind = [word for _, word in needs if word.startswith(("for ", "with "))]
    before = [word for _, word in needs if not word.startswith(("for ", "with "))]
    return " ".join([*before, noun, *behind])


def raw(query: Query) -> str:
    """The query as its vocabulary has it; "mixed" has the everyday noun and the titles' words for what is needed."""
    noun = query.type.noun if query.vocabulary == "titles" else query.type.everyday
    words = [(need, need.everyday if query.vocabulary == "everyday" else need.title) for need in query.needs]
    return placed(words, noun)


def typo(text: str, rng: random.Random) -> str:
    """Two slips of the finger, in the longest words."""
    words = text.split()
    for place in sorted(range(len(words)), key=lambda i: -len(words[i]))[:2]:
        word = words[place]
        at = rng.randrange(1, max(2, len(word) - 2))
        slips = (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :] if at + 1 < len(word) else word + word[-1],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + KEYS.get(word[at], "e") + word[at + 1 :],
        )
        # A slip on two equal letters changes nothing: the next kind does.
        start = rng.randrange(len(slips))
        words[place] = next(slip for slip in (*slips[start:], *slips[:start]) if slip != word)
    return " ".join(words)


def order(text: str, rng: random.Random) -> str:
    """The words turned round, with a small word dropped as people do who think of the product first."""
    words = [word for word in text.split() if word not in ("for", "with", "a")]
    turned = words[::-1] if len(words) < 3 else words[-2:] + words[:-2]
    return " ".join(turned if turned != text.split() else words[::-1])


def phrasings(query: Query, rng: random.Random) -> Iterable[tuple[str, str]]:
    """(family, text), one of each family."""
    text, type = raw(query), query.type
    other = query._replace(vocabulary="titles" if query.vocabulary == "everyday" else "everyday")
    clauses = " and ".join(need.clause for need in query.needs)
    yield "typo", typo(text, rng)
    yield "order", order(text, rng)
    yield "synonym", raw(other)
    opening = rng.choice(("Hello, I am looking for", "I would like to buy", "Please show me", "We have long wanted"))
    ending = rng.choice(
        ("It should not be too expensive.", "Thank you.", "It is meant as a present.", "Any brand will do.")
    )
    # A long-winded person uses the noun of the query and describes the rest.
    noun = type.noun if query.vocabulary == "titles" else type.everyday
    article = "an" if type.article == "a" and noun[0] in "aeiou" else type.article
    yield "verbose", f"{opening} {article} {noun} {clauses}. {ending}"
    shortest = [min((need.title, need.everyday.removeprefix("for ")), key=len) for need in query.needs]
    yield "terse", " ".join([type.short, *shortest])
    wanted = " and ".join(need.title if query.vocabulary == "titles" else need.everyday for need in query.needs)
    several = type.article != "a"
    it_has, is_a_good = ("they have", "are good") if several else ("it has", "is a good")
    asked = rng.choice(
        (f"which {{}} should I get if {it_has} to be {{}}?", f"what {is_a_good} {{}}, {{}} if possible?")
    )
    yield "question", asked.format(noun, wanted)


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main(folder: Path) -> None:
    rng = random.Random(SEED)
    products = make_products(rng)
    queries = make_queries(rng, products)
    write(
        folder / "documents.csv",
        ("document_id", "title", "text", "type", "features", "whom_or_size", "colour"),
        (
            (p.id, p.title, p.text, p.type.noun, "|".join(f.title for f in p.features), p.whom.title, p.colour.title)
            for p in products
        ),
    )
    write(folder / "queries.csv", ("query_id", "query", "vocabulary"), ((q.id, raw(q), q.vocabulary) for q in queries))
    judged = ((q.id, p.id, grade(q, p)) for q in queries for p in products)
    write(folder / "judgements.csv", ("query_id", "document_id", "grade"), (row for row in judged if row[2]))
    said = ((q.id, text, family) for q in queries for family, text in phrasings(q, rng))
    write(folder / "phrasings.csv", ("query_id", "phrasing", "family"), said)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
