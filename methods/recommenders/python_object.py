"""The user's own recommender as Python: an object with `top` or `scores`, a class or factory of one, a plain function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import BaseModel

from ...evaluators.ranking import FloatArray, ItemId, UserId
from .answers import item_name, most_read, read_answer
from .base import BlockRecommender
from .errors import RecommenderError, UnusableAnswer
from .open import read_config
from .own import OwnRecommender
from .past import Past
from .policy import policy_id
from .protocol import Recommender
from .top_k import top_k

if TYPE_CHECKING:
    from ...data import Dataset

SHAPES = """an object with top(user, k, exclude) or scores(user, items), and fit(data) if it learns;
    a class or factory of one, called without arguments (or with seed and the fields of config);
    a function (user_id, history_item_ids, k, exclude) -> ids, best first, or (id, score) pairs"""


def adapt(thing: Any, name: str, seed: int = 0, config: BaseModel | Mapping[str, Any] | None = None) -> Recommender:
    """`thing` as a `Recommender`. One built on our base classes is returned as it is.

    Raises `RecommenderError` for what is none of the `SHAPES`.
    """
    fields = config.model_dump() if isinstance(config, BaseModel) else dict(config or {})
    made_here = False
    if inspect.isclass(thing) or (callable(thing) and not _is_recommender(thing) and not _takes_a_question(thing)):
        thing, made_here = _make(thing, name, seed, fields), True
    elif fields:
        raise RecommenderError(
            f"{name} takes no configuration: it is ready made\n  name its class or a factory instead"
        )
    if isinstance(thing, OwnRecommender | BlockRecommender):
        return thing
    if not _is_recommender(thing) and not (callable(thing) and _takes_a_question(thing)):
        raise RecommenderError(
            f"{name} is no recommender: {type(thing).__name__} {thing!r:.80}\n  understood: {SHAPES}"
        )
    return PythonRecommender(thing, name, policy_id(name, fields, seed if made_here else None))


def _is_recommender(thing: Any) -> bool:
    return callable(getattr(thing, "top", None)) or callable(getattr(thing, "scores", None))


def _accepts(function: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # some compiled functions have no signature to read
        return True
    return True


def _takes_a_question(function: Callable[..., Any]) -> bool:
    """Whether it is a plain recommending function: it wants a question, where a factory can do without."""
    return _accepts(function, "user", (), 10, ()) and not _accepts(function)


def _make(factory: Callable[..., Any], name: str, seed: int, fields: dict[str, Any]) -> Any:
    if inspect.isclass(factory) and issubclass(factory, BlockRecommender):
        return factory(read_config(factory.config_type, fields, name), seed)
    if not _accepts(factory, **fields):
        raise RecommenderError(
            f"{name} cannot be called with {', '.join(fields) or 'no arguments'}: its signature is "
            f"{inspect.signature(factory)}\n  understood: {SHAPES}"
        )
    if "seed" not in fields and _names_seed(factory):
        fields = {**fields, "seed": seed}
    try:
        return factory(**fields)
    except (Exception, SystemExit) as error:
        raise RecommenderError(
            f"{name} could not be made: {type(error).__name__}: {error}\n  recloop --traceback shows where"
        ) from error


def _names_seed(factory: Callable[..., Any]) -> bool:
    try:
        return "seed" in inspect.signature(factory).parameters
    except ValueError:
        return False


class PythonRecommender(OwnRecommender):
    """The user's object or function behind the contract.

    `thing`: as in `SHAPES`. Its own exceptions are raised on as `RecommenderError`, naming the user asked for. A `top`
    that takes no `exclude` is asked for more items, and the excluded ones are left out here. One that draws its slates
    may have `propensity(user, page, item)`: the probability with which it shows the item there.
    """

    propensity: Callable[[UserId, int, ItemId], float] | None = None

    def __init__(self, thing: Any, name: str, policy_id: str) -> None:
        super().__init__(name, policy_id)
        self.thing = thing
        self._top = getattr(thing, "top", None)
        self._scores = getattr(thing, "scores", None)
        if callable(stated := getattr(thing, "propensity", None)):
            self.propensity = cast("Callable[[UserId, int, ItemId], float]", stated)
        self._excludes = ""
        if callable(self._top):
            named, third = _accepts(self._top, "user", 10, exclude=()), _accepts(self._top, "user", 10, ())
            self._excludes = "named" if named else "third" if third else ""
        asked = self._top or (None if self._scores else thing)
        if inspect.iscoroutinefunction(asked) or inspect.iscoroutinefunction(getattr(thing, "__call__", None)):  # noqa: B004
            raise RecommenderError(
                f"{name} is async\n  give a plain function, or serve it and name its http:// address"
            )

    def _guarded(self, what: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (Exception, SystemExit) as error:
            raise RecommenderError(
                f"{self.name} failed {what}: {type(error).__name__}: {error}\n  recloop --traceback shows where"
            ) from error

    def _fit(self, data: Dataset, past: Past) -> None:
        fit = getattr(self.thing, "fit", None)
        if callable(fit):
            self._guarded("in fit", fit, data)

    def _ask(self, user: UserId, history: tuple[ItemId, ...], k: int, exclude: tuple[ItemId, ...]) -> Any:
        what = f"for user {user!r}"
        if callable(self._top):
            if self._excludes == "named":
                return self._guarded(what, self._top, user, k, exclude=exclude)
            if self._excludes == "third":
                return self._guarded(what, self._top, user, k, exclude)
            answer = self._guarded(what, self._top, user, k + len(exclude))
            pairs = read_answer(answer, self.name, most_read(k, exclude), self.problems)
            return [pair for pair in pairs if item_name(pair[0]) not in exclude]
        if callable(self._scores):
            return self._best(user, k, exclude)
        return self._guarded(what, self.thing, user, list(history), k, list(exclude))

    def _best(self, user: UserId, k: int, exclude: tuple[ItemId, ...]) -> list[tuple[ItemId, float]]:
        past = self.past
        worth = self._own_scores(user, past.items)
        bad = ~np.isfinite(worth)
        if bad.any():
            self.problems.note("bad_score", f"item {past.items[int(bad.argmax())]!r} for user {user!r}", int(bad.sum()))
        if bad.all():
            raise UnusableAnswer(f"{self.name} scored no item for user {user!r} with a finite number")
        worth[bad] = -np.inf
        worth[past.known_columns(exclude)] = -np.inf
        best = top_k(worth[None, :], k)
        return [(past.items[column], float(score)) for column, score in zip(best.column, best.score, strict=True)]

    def _own_scores(self, user: UserId, items: Sequence[ItemId]) -> FloatArray:
        answer = self._guarded(f"for user {user!r}", self._scores or (lambda *_: ()), user, items)
        try:
            worth = np.array(answer, dtype=np.float32).ravel()
        except (TypeError, ValueError):
            raise UnusableAnswer(f"{self.name}: scores must be numbers, got {answer!r:.80}") from None
        if len(worth) != len(items):
            raise UnusableAnswer(
                f"{self.name} gave {len(worth)} scores for {len(items)} items: give one per item, in order"
            )
        return worth

    def scores(self, user: UserId, items: Sequence[ItemId]) -> FloatArray:
        if not callable(self._scores):
            return super().scores(user, items)
        self.past.columns(items)
        return self._own_scores(user, items)
