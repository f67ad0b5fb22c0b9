"""What the bank of edits can say: sentences of ours for instructions, and phrases for raw text that a title continues.

`{noun}` and `{Noun}` stand for what is ranked; the bank puts the task's field there where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Ending(NamedTuple):
    """The same lead-in after a list with one title a line, and after titles in one line."""

    lines: str
    inline: str


ROLES = (
    "You know {noun} well and have a feeling for what one person takes up next.",
    "You are a careful recommender: you go by the evidence in front of you and by nothing else.",
    "You are the friend who knows this person's taste best.",
)

TASKS = (
    "Your task: find out what this person is after, and order the candidates by how well they serve it.",
    "Predict which of the candidates this person will choose next.",
    "Decide for every candidate how well it suits this person, then put them in order.",
)

PROCESSES = (
    "Go about it like this: name the topics of what the person took up; name the topics of each candidate; put those "
    "candidates first whose topics match most.",
    "First find groups among what the person took up, and what each group says about the person. Decide which group "
    "counts most now. Then order the candidates by how close they are to it.",
    "Compare each candidate with everything the person took up. Count what they share: kind, theme, mood, time, makers. "
    "The more is shared, the higher it goes.",
    "Look for the candidate that would be the least surprising next step, then for the next one, until all are placed.",
)

ORDERS = (
    "The order in which the candidates are listed means nothing. Judge each for itself.",
    "Do not favour candidates because they stand at the beginning or at the end.",
)

RECENCIES = (
    "What the person took up last says most about what comes next.",
    "Weigh the last few choices twice, and the older ones once.",
    "Look at the whole history: an interest that keeps coming back counts more than the latest choice.",
)

POPULARITIES = (
    "Between two that suit equally well, the better known goes first.",
    "Do not go by fame: a little-known candidate that suits the person goes before a famous one that does not.",
)

OUTPUTS = (
    "Name every candidate exactly once. Leave none out and add none.",
    "Check before you answer: each candidate appears once, and nothing appears that was not listed.",
    "Answer with the order only.",
)

RANKING: Mapping[str, Sequence[str]] = {
    "role": ROLES,
    "task": TASKS,
    "process": PROCESSES,
    "recency": RECENCIES,
    "popularity": POPULARITIES,
    "order": ORDERS,
    "output": OUTPUTS,
}
"""Slot -> sentences, for texts that speak of candidates."""

ANYTHING: Mapping[str, Sequence[str]] = {
    "role": ("You are careful and exact.", "You put yourself in this person's place."),
    "process": (
        "First gather what the material says about this, then weigh it, then answer.",
        "Think of the strongest reason for and the strongest reason against, then decide.",
        "Go by what is written here, not by what is usual.",
    ),
    "recency": (
        "What happened last counts most.",
        "What happened again and again counts more than what happened once.",
    ),
    "output": ("Answer with what is asked for and nothing else.", "Check that the answer has the form asked for."),
}
"""The same for other texts."""

HEADERS = (
    "{Noun} this person liked:",
    "{Noun} this person loved, in this order:",
    "My favourite {noun}:",
    "{Noun} that belong together:",
    "{Noun} I took up lately:",
    "If you like these {noun}:",
    "Similar {noun}:",
)

ENDINGS = (
    Ending("\n-", ","),
    Ending("\nThe same person also liked:\n-", ". The same person also liked"),
    Ending("\nMore of the same kind:\n-", ". More of the same kind:"),
    Ending("\nNext:\n-", ". Next:"),
    Ending("\n{Noun} to take up after these:\n-", ", and after these"),
    Ending("\nYou will also like:\n-", ". You will also like"),
)

PREFIXES = (
    "One person's taste in {noun}.",
    "People choose {noun} that resemble those they chose before.",
    "Below, every line goes with the lines above it.",
    "Recommendations from someone who knows this taste.",
)

NOUNS = (
    ("films", "movies", "titles"),
    ("headlines", "stories", "news articles"),
    ("books", "novels", "titles"),
    ("songs", "tracks", "titles"),
    ("games", "titles", "video games"),
    ("products", "items", "things"),
)
"""Plural nouns of one domain; a text that has one of them may have the others."""

ANY_NOUN = ("titles", "favourites", "picks")
"""In place of a field that holds the noun."""
