"""Conditions: small expressions over named values, read by a parser of their own. Nothing in a text is ever executed.

    condition   or
    or          and { "or" and }
    and         not { "and" not }
    not         "not" not | comparison
    comparison  sum [ ( == != < <= > >= in, not in, has ) sum ]
    sum         minus { ( + - ) minus }
    minus       "-" minus | atom
    atom        number | "text" | true | false | none | name | [ or, … ] | ( or )

What they mean:

    == !=       equal values of one kind; a text equals the number that is spelled so (agent == 196)
    < <= > >=   two numbers, or two texts; false for anything else, none included
    in          an equal element of a list; a part of a text
    has         a text, or any element of a list of texts, contains this, in small or capital letters
    + -         numbers; none with anything else
    a value by itself holds unless it is false, none, 0, empty
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeAlias

LONGEST = 2_000
"""Characters of a condition."""
DEEPEST = 40
"""Parentheses, lists, `not` and `-` inside one another."""
LARGEST = 2**63
"""Numbers are smaller than this; longer ones (ids) are written as texts."""
_WIDTH = 100
"""Characters of a text that are shown around a mistake in it."""


class ConditionProblem(ValueError):
    """A text that is no condition. Three or four lines: what is wrong, the text, a caret below the place, what to write."""

    def __init__(self, what: str, text: str, start: int, end: int, next_step: str = "") -> None:
        self.what, self.start, self.next_step = what, start, next_step
        super().__init__("\n".join([what, *_pointed(text, start, end), *([f"  {next_step}"] if next_step else [])]))


def _pointed(text: str, start: int, end: int) -> tuple[str, str]:
    first = max(0, start - _WIDTH // 2) if len(text) > _WIDTH else 0
    window = "".join(c if c.isprintable() else " " for c in text[first : first + _WIDTH])
    dots = ("…" if first else "", "…" if first + _WIDTH < len(text) else "")
    carets = "^" * max(1, min(end, first + _WIDTH) - start)
    return f"    {dots[0]}{window}{dots[1]}", " " * (4 + len(dots[0]) + start - first) + carets


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false or none. `span`: where it stands."""

    value: Any
    span: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A named value."""

    name: str
    span: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of values."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-` before one value."""

    sign: str
    of: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Sum:
    """Numbers added up and taken off, each with its sign; flat, so that a long one is not deep."""

    parts: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Several conditions with `and`, or with `or`, between them."""

    sign: str
    parts: tuple[Expression, ...]


Expression: TypeAlias = Literal | Name | Listed | Unary | Binary | Sum | Chain


class Condition:
    """A condition that has been read. `str` gives it back in one spelling; reading that again gives an equal one."""

    __slots__ = ("names", "root")

    def __init__(self, root: Expression) -> None:
        self.root = root
        self.names: frozenset[str] = frozenset(each.name for each in _walk(root) if isinstance(each, Name))

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> Condition:
        """Read a condition over these names. Raises `ConditionProblem`, pointing at the place."""
        if len(text) > LONGEST:
            raise ConditionProblem(
                f"a condition of {len(text):,} characters", text, LONGEST, LONGEST + 1, f"{LONGEST:,} are the most"
            )
        return cls(_Parser(text, names).whole())

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds for these values: numbers, texts, truths, None, and lists of them. Raises `KeyError` for a
        name that is missing."""
        return bool(_value(self.root, values))

    def parts(self) -> tuple[Condition, ...]:
        """The conditions that all have to hold, where it is several with `and` between them; else itself."""
        if isinstance(self.root, Chain) and self.root.sign == "and":
            return tuple(Condition(part) for part in self.root.parts)
        return (self,)

    def comparisons(self) -> Iterator[tuple[str, Name, Literal]]:
        """Every comparison of a name with a value as it stands: sign, name, value (also those of a list after `in`)."""
        for each in _walk(self.root):
            if not isinstance(each, Binary):
                continue
            for name, other in ((each.left, each.right), (each.right, each.left)):
                if isinstance(name, Name):
                    values = other.parts if isinstance(other, Listed) else (other,)
                    yield from ((each.sign, name, value) for value in values if isinstance(value, Literal))

    def __str__(self) -> str:
        return _spelled(self.root)

    def __repr__(self) -> str:
        return f"Condition({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)


def _walk(root: Expression) -> Iterator[Expression]:
    stack = [root]
    while stack:
        each = stack.pop()
        yield each
        if isinstance(each, Listed | Chain):
            stack += each.parts
        elif isinstance(each, Unary):
            stack.append(each.of)
        elif isinstance(each, Binary):
            stack += (each.left, each.right)
        elif isinstance(each, Sum):
            stack += (part for _, part in each.parts)


# Reading


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>==|!=|<=|>=|[<>()\[\],+-])""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"\s*")
_WORDS = {"true": True, "false": False, "none": None}
RESERVED = frozenset({*_WORDS, "and", "or", "not", "in", "has"})
"""Words of the language, which name nothing."""
_COMPARE = ("==", "!=", "<", "<=", ">", ">=", "in", "has")
_MEANT = {"=": "==", "&": "and", "|": "or", "!": "not", ";": "and"}
"""What is written elsewhere, and what it is here."""


class _Parser:
    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text, self.known, self.depth, self.at = text, names, 0, 0
        self.tokens = list(self._tokens())

    def _tokens(self) -> Iterator[_Token]:
        text, at = self.text, 0
        while (at := _BLANK.match(text, at).end()) < len(text):  # type: ignore[union-attr]
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._stray(at)
            yield _Token(str(found.lastgroup), found[0], at, found.end())
            at = found.end()
        yield _Token("end", "", len(text), len(text) + 1)

    def _stray(self, at: int) -> ConditionProblem:
        mark = self.text[at]
        if mark in "\"'":
            return ConditionProblem("a text that does not end", self.text, at, at + 1, f"close it with {mark}")
        if mark in _MEANT:
            return ConditionProblem(f"no sign {mark}", self.text, at, at + 1, f"write {_MEANT[mark]}")
        shown = mark if mark.isprintable() else f"U+{ord(mark):04X}"
        return ConditionProblem(f"{shown} means nothing here", self.text, at, at + 1, 'put texts in quotes: "…"')

    def whole(self) -> Expression:
        if self._now.kind == "end":
            raise ConditionProblem("no condition", self.text, 0, 1, "write one, for example satisfaction < 3")
        found = self._chain("or", lambda: self._chain("and", self._not))
        if self._now.kind != "end":
            raise self._unexpected()
        return found

    @property
    def _now(self) -> _Token:
        return self.tokens[self.at]

    def _take(self, *texts: str) -> _Token | None:
        """The token in turn, where it is one of these signs or words."""
        token = self._now
        if token.kind in ("sign", "word") and token.text in texts:
            self.at += 1
            return token
        return None

    def _unexpected(self, wanted: str = "") -> ConditionProblem:
        token = self._now
        if token.kind == "end":
            what = "the condition ends too early"
        elif token.text in _COMPARE:
            what = f"a second comparison: {token.text}"
            wanted = wanted or "compare two values at a time: 1 < page and page < 5"
        else:
            what = f"{token.text[:40]} is not expected here"
            wanted = wanted or "put and, or, or a comparison before it"
        return ConditionProblem(what, self.text, token.start, token.end, wanted)

    def _deeper(self, token: _Token, inner: Callable[[], Expression]) -> Expression:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ConditionProblem(
                f"more than {DEEPEST} levels inside one another", self.text, token.start, token.end, "make it simpler"
            )
        found = inner()
        self.depth -= 1
        return found

    def _chain(self, sign: str, inner: Callable[[], Expression]) -> Expression:
        parts = [inner()]
        while self._take(sign):
            parts.append(inner())
        return parts[0] if len(parts) == 1 else Chain(sign, tuple(parts))

    def _any(self) -> Expression:
        return self._chain("or", lambda: self._chain("and", self._not))

    def _not(self) -> Expression:
        if token := self._take("not"):
            return Unary("not", self._deeper(token, self._not))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        if self._now.text == "not" and self._now.kind == "word" and self.tokens[self.at + 1].text == "in":
            self.at += 2
            sign = "not in"
        elif token := self._take(*_COMPARE):
            sign = token.text
        else:
            return left
        return Binary(sign, left, self._sum())

    def _sum(self) -> Expression:
        parts = [("+", self._minus())]
        while token := self._take("+", "-"):
            parts.append((token.text, self._minus()))
        return parts[0][1] if len(parts) == 1 else Sum(tuple(parts))

    def _minus(self) -> Expression:
        if token := self._take("-"):
            return Unary("-", self._deeper(token, self._minus))
        return self._atom()

    def _atom(self) -> Expression:
        token, span = self._now, (self._now.start, self._now.end)
        if token.kind == "number":
            self.at += 1
            return Literal(self._number(token), span)
        if token.kind == "text":
            self.at += 1
            return Literal(re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL), span)
        if token.kind == "word" and token.text not in RESERVED:
            self.at += 1
            return self._name(token)
        if token.kind == "word" and token.text in _WORDS:
            self.at += 1
            return Literal(_WORDS[token.text], span)
        if self._take("("):
            found = self._deeper(token, self._any)
            if not self._take(")"):
                raise self._open(token, ")")
            return found
        if self._take("["):
            return self._deeper(token, lambda: self._list(token))
        raise self._unexpected("a value belongs here: a name, a number, a text in quotes")

    def _list(self, opened: _Token) -> Expression:
        parts: list[Expression] = []
        while not self._take("]"):
            parts.append(self._any())
            if not self._take(",") and self._now.text != "]":
                raise self._open(opened, "]")
        return Listed(tuple(parts))

    def _open(self, opened: _Token, close: str) -> ConditionProblem:
        if self._now.kind != "end":
            return self._unexpected()
        return ConditionProblem(
            f"{opened.text} is not closed", self.text, opened.start, opened.end, f"close it with {close}"
        )

    def _number(self, token: _Token) -> int | float:
        text = token.text
        if self._now.kind in ("word", "number") and self._now.start == token.end:
            raise ConditionProblem(
                "a number runs into a word",
                self.text,
                token.start,
                self._now.end,
                'put an id in quotes: agent == "12ab"',
            )
        if text.isdecimal() and text.isascii():
            if len(text) > 1 and text[0] == "0":
                raise ConditionProblem(
                    f"a number with a 0 before it: {text[:40]}",
                    self.text,
                    token.start,
                    token.end,
                    f'an id? "{text[:40]}"',
                )
            value: int | float = int(text) if len(text) < 20 else LARGEST
        else:
            value = float(text)
        if value >= LARGEST:
            raise ConditionProblem(
                "a number that is too large", self.text, token.start, token.end, "put an id in quotes"
            )
        return value

    def _name(self, token: _Token) -> Name:
        if token.text in self.known:
            return Name(token.text, (token.start, token.end))
        near = get_close_matches(token.text[:80], list(self.known), n=3)
        if token.text.lower() in RESERVED:
            hint = f"write {token.text.lower()}"
        elif near:
            hint = f"did you mean {', '.join(near)}?"
        else:
            hint = (
                f"a text? put it in quotes; names: {', '.join(sorted(self.known)[:12])}{', …' * (len(self.known) > 12)}"
            )
        raise ConditionProblem(f"no name {token.text[:80]!r}", self.text, token.start, token.end, hint)


# Meaning


def _value(root: Expression, values: Mapping[str, Any]) -> Any:
    match root:
        case Literal(value):
            return value
        case Name(name):
            return values[name]
        case Chain("and", parts):
            return all(_value(part, values) for part in parts)
        case Chain(_, parts):
            return any(_value(part, values) for part in parts)
        case Listed(parts):
            return [_value(part, values) for part in parts]
        case Unary("not", of):
            return not _value(of, values)
        case Unary(_, of):
            found = _value(of, values)
            return -found if _is_number(found) else None
        case Sum(parts):
            found = [_value(part, values) for _, part in parts]
            signed = zip(parts, found, strict=True)
            return sum(-n if sign == "-" else n for (sign, _), n in signed) if all(map(_is_number, found)) else None
        case Binary(sign, left, right):
            return _SIGNS[sign](_value(left, values), _value(right, values))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    if _is_number(a) and _is_number(b):
        return a == b
    if isinstance(a, str) and _is_number(b):
        return a == str(b)
    if isinstance(b, str) and _is_number(a):
        return b == str(a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(a: Any, b: Any) -> bool:
        alike = (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str))
        return alike and holds(a, b)

    return compare


def _within(a: Any, b: Any) -> bool:
    if isinstance(b, list | tuple):
        return any(_same(a, each) for each in b)
    return isinstance(a, str) and isinstance(b, str) and a in b


def _has(a: Any, b: Any) -> bool:
    wanted = str(b).casefold() if isinstance(b, str) or _is_number(b) else None
    texts = a if isinstance(a, list | tuple) else (a,)
    return wanted is not None and any(isinstance(each, str) and wanted in each.casefold() for each in texts)


_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _same,
    "!=": lambda a, b: not _same(a, b),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "in": _within,
    "not in": lambda a, b: not _within(a, b),
    "has": _has,
}


# Writing

_BINDS = {"or": 1, "and": 2, "not": 3}
_COMPARISON, _SUM, _MINUS, _ATOM = 4, 5, 6, 7


def _spelled(root: Expression, needed: int = 0) -> str:
    """In one spelling, with parentheses where they change what is meant. `needed`: how strongly it has to hold together."""
    match root:
        case Literal(value):
            text, binds = _literal(value), _ATOM
        case Name(name):
            text, binds = name, _ATOM
        case Listed(parts):
            text, binds = f"[{', '.join(map(_spelled, parts))}]", _ATOM
        case Unary("not", of):
            text, binds = f"not {_spelled(of, _BINDS['not'])}", _BINDS["not"]
        case Unary(_, of):
            text, binds = f"-{_spelled(of, _MINUS)}", _MINUS
        case Chain(sign, parts):
            binds = _BINDS[sign]
            text = f" {sign} ".join(_spelled(part, binds + 1) for part in parts)
        case Binary(sign, left, right):
            text, binds = f"{_spelled(left, _SUM)} {sign} {_spelled(right, _SUM)}", _COMPARISON
        case Sum(parts):
            rest = "".join(f" {sign} {_spelled(part, _MINUS)}" for sign, part in parts[1:])
            text, binds = _spelled(parts[0][1], _MINUS) + rest, _SUM
    return text if binds >= needed else f"({text})"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return next((word for word, meant in _WORDS.items() if meant is value), None) or repr(value)
