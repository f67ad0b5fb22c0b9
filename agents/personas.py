"""Personas: who a simulated user is, computed from that user's train rows (traits, tastes, how they rate)."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .randomness import uniform
from .tastes import Summariser, Vocabulary, favourites, rating_tendency, summarise
from .traits import DiversityMethod, Traits, traits

if TYPE_CHECKING:
    from ..data import Dataset


class Persona(BaseModel):
    """One simulated user. Immutable, JSON both ways; name, age, gender and occupation are left out on purpose.

    Texts (`tastes`, `likes`, `dislikes`, `rating_tendency`, `liked`) are made without the rows in `withheld`; numbers
    (traits, `mean_rating`, `rating_histogram`) and `history` are of all train rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str
    activity: int = Field(ge=1, le=3)
    conformity: int | None = Field(default=None, ge=1, le=3)
    """None where the data has no ratings."""
    diversity: int | None = Field(default=None, ge=1, le=3)
    """None where the data has no genres."""
    a: int = 0
    c: float | None = None
    d: int | None = None
    """The statistics behind the levels: A_u, C_u, D_u (see `traits`)."""
    n_history: int = 0
    mean_rating: float | None = None
    rating_histogram: tuple[tuple[float, int], ...] = ()
    """(level, how often) for each level of the scale that occurs, lowest first."""
    tastes: tuple[str, ...] = ()
    """Sentences for a prompt: likes and dislikes. They can hold titles, so a prompt treats them as data."""
    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()
    """The terms (genres, words, an LLM's phrases) behind the sentences."""
    tastes_source: str = "genres"
    """"genres" or "keywords"; "llm:<model>"; after a failed call the deterministic source with the reason."""
    rating_tendency: str = ""
    liked: tuple[str, ...] = ()
    """Own items to show or remember, best first."""
    history: tuple[str, ...] = ()
    """Every train item, oldest first: what the user has seen and must not be recommended again."""
    withheld: tuple[str, ...] = ()
    """Train items kept out of every text, so that a calibration may ask about them."""

    @property
    def statistics(self) -> dict[str, float | None]:
        """The raw statistics by trait."""
        return {"activity": self.a, "conformity": self.c, "diversity": self.d}

    @property
    def shown_history(self) -> tuple[str, ...]:
        """The train items a prompt may use, oldest first: `history` without `withheld`."""
        hidden = set(self.withheld)
        return tuple(item for item in self.history if item not in hidden)

    def json_dict(self) -> dict[str, Any]:
        """A JSON-able dict; `Persona.model_validate` reads it back."""
        return self.model_dump(mode="json")


def build_personas(
    train: Dataset,
    users: Iterable[str] | None = None,
    summariser: Summariser = "genres",
    *,
    withheld: Mapping[str, Collection[str]] | None = None,
    method: DiversityMethod = "mass80",
    n_liked: int = 20,
) -> list[Persona]:
    """One persona per user (all users with train rows by default), in the order asked for, from TRAIN rows alone.

    Trait levels compare the user with all users of `train`; every other field depends on the user's own rows and the
    catalogue only. `withheld` maps users to train items that no text may show (see `calibration_items`). Tastes by an
    LLM: `llm_tastes` on the result.
    """
    measured = traits(train, method)
    vocabulary = Vocabulary(train, summariser)
    chosen = [u for u, a in zip(train.users.ids, measured.a, strict=True) if a > 0] if users is None else list(users)
    hidden = withheld or {}
    return [_persona(train, user, measured, vocabulary, frozenset(hidden.get(user, ())), n_liked) for user in chosen]


def _persona(
    train: Dataset, user: str, measured: Traits, vocabulary: Vocabulary, hidden: frozenset[str], n_liked: int
) -> Persona:
    row = train.users.index(user)
    history = train.history(user)
    rated = train.scale is not None
    # Through text, so that 3.6 stored as float32 is 3.6 again.
    values = [float(str(v)) for v in history.values] if rated else None
    kept = [i for i, item in enumerate(history.items) if item not in hidden]
    items = [history.items[i] for i in kept]
    own = None if values is None else [values[i] for i in kept]
    found = summarise(items, own, vocabulary)
    histogram: dict[float, int] = {}
    for value in sorted(values or ()):
        histogram[value] = histogram.get(value, 0) + 1
    return Persona(
        user=user,
        activity=max(1, int(measured.activity[row])),
        conformity=int(measured.conformity[row]) or None,
        diversity=int(measured.diversity[row]) or None,
        a=int(measured.a[row]),
        c=float(measured.c[row]) if measured.conformity[row] else None,
        d=int(measured.d[row]) if measured.diversity[row] else None,
        n_history=len(history.items),
        mean_rating=sum(values) / len(values) if values else None,
        rating_histogram=tuple(histogram.items()),
        tastes=found.sentences,
        likes=found.likes,
        dislikes=found.dislikes,
        tastes_source=found.source,
        rating_tendency=rating_tendency(own, train.scale),
        liked=favourites(items, own)[:n_liked],
        history=tuple(history.items),
        withheld=tuple(item for item in history.items if item in hidden),
    )


def sample_users(
    train: Dataset,
    n: int,
    seed: int,
    *,
    min_history: int = 5,
    how: Literal["uniform", "stratified"] = "uniform",
) -> list[str]:
    """`n` users with at least `min_history` train items. Samples nest: the first 10 of a sample of 20 are the sample of 10.

    "stratified" keeps the shares of the activity levels among the eligible as nearly as n allows (and does not nest).
    Raises `ValueError` where fewer than n users are eligible.
    """
    measured = traits(train)
    eligible = [u for u, a in zip(train.users.ids, measured.a, strict=True) if a >= max(1, min_history)]
    if len(eligible) < n:
        hint = f"ask for at most {len(eligible)} users" if eligible else "hold out a smaller share, or bring more rows"
        raise ValueError(
            f"{n} users were asked for, but only {len(eligible)} have {min_history} or more training rows\n  {hint}"
        )
    drawn = sorted(eligible, key=lambda user: (uniform(seed, "sample users", user), user))
    if how == "uniform":
        return drawn[:n]
    if how != "stratified":
        raise ValueError(f"sampling '{how}': choose 'uniform' or 'stratified'")
    groups: dict[int, list[str]] = {1: [], 2: [], 3: []}
    for user in drawn:
        groups[int(measured.activity[train.users.index(user)])].append(user)
    # Largest remainder: whole seats first, then one each by the size of the fraction lost.
    exact = {level: n * len(members) / len(eligible) for level, members in groups.items()}
    seats = {level: int(share) for level, share in exact.items()}
    for level in sorted(groups, key=lambda g: (seats[g] - exact[g], g))[: n - sum(seats.values())]:
        seats[level] += 1
    chosen = {user for level, members in groups.items() for user in members[: seats[level]]}
    return [user for user in drawn if user in chosen]


def save_personas(personas: Sequence[Persona], path: str | Path) -> Path:
    """Write personas as JSON Lines, one per line; the file appears whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_text("".join(json.dumps(p.json_dict(), ensure_ascii=False) + "\n" for p in personas), encoding="utf-8")
    part.replace(target)
    return target


def load_personas(path: str | Path) -> list[Persona]:
    """Read what `save_personas` wrote. Raises `ValueError` naming the file, the line and the field that is wrong."""
    personas: list[Persona] = []
    # Not splitlines: a title may hold a Unicode line separator.
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            personas.append(Persona.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise ValueError(f"{path}, line {number}: not a persona ({where}: {first['msg']})") from None
    return personas
