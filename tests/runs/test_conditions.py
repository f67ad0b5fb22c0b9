"""Conditions: what they mean is held against Python, what they print is read again, what is wrong is pointed at."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recloop.runs.conditions import DEEPEST, LONGEST, Condition, ConditionProblem

NAMES = ("n", "m", "t", "u", "flag", "items", "texts", "gone")
VALUES = st.fixed_dictionaries(
    {
        "n": st.integers(-5, 5),
        "m": st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 1)),
        "t": st.sampled_from(["", "1", "-2", "abc", 'say "hi" \\', "Abc d"]),
        "u": st.text(max_size=4),
        "flag": st.booleans(),
        "items": st.lists(st.one_of(st.integers(0, 3), st.sampled_from(["1", "a", "b"])), max_size=3),
        "texts": st.lists(st.sampled_from(["Boring", "fine", "a bore", "STRASSE"]), max_size=3),
        "gone": st.none(),
    }
)

# A condition is drawn together with what it means: a text, and a function in plain Python that gives its value.
Drawn = tuple[str, Callable[[dict[str, Any]], Any]]


def number(value: Any) -> bool:
    return type(value) in (int, float)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if number(a) and number(b):
        return a == b
    if number(a) != number(b) and {type(a), type(b)} & {str} and (number(a) or number(b)):
        return str(a) == str(b)
    return type(a) is type(b) and a == b


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: ((number(a) and number(b)) or (type(a) is type(b) is str)) and compare(a, b)


def within(a: Any, b: Any) -> bool:
    return any(same(a, each) for each in b) if isinstance(b, list) else type(a) is type(b) is str and a in b


def has(a: Any, b: Any) -> bool:
    if not (isinstance(b, str) or number(b)):
        return False
    texts = [each for each in (a if isinstance(a, list) else [a]) if isinstance(each, str)]
    return any(str(b).casefold() in each.casefold() for each in texts)


ORACLE: dict[str, Callable[[Any, Any], bool]] = {
    "==": same,
    "!=": lambda a, b: not same(a, b),
    "<": ordered(operator.lt),
    "<=": ordered(operator.le),
    ">": ordered(operator.gt),
    ">=": ordered(operator.ge),
    "in": within,
    "not in": lambda a, b: not within(a, b),
    "has": has,
}


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


ATOMS: st.SearchStrategy[Drawn] = st.one_of(
    st.sampled_from(NAMES).map(lambda name: (name, lambda v: v[name])),
    st.integers(0, 12).map(lambda n: (str(n), lambda v: n)),
    st.sampled_from([0.5, 2.0, 1e-7, 3e20 / 1e3]).map(lambda x: (repr(x), lambda v: x)),
    st.text(max_size=5).map(lambda s: (quoted(s), lambda v: s)),
    st.sampled_from([("true", True), ("false", False), ("none", None)]).map(lambda p: (p[0], lambda v: p[1])),
)


def listed(parts: list[Drawn]) -> Drawn:
    return f"[{', '.join(text for text, _ in parts)}]", lambda v: [of(v) for _, of in parts]


def compared(drawn: tuple[Drawn, str, Drawn]) -> Drawn:
    (left, a), sign, (right, b) = drawn
    return f"({left}) {sign} ({right})", lambda v: ORACLE[sign](a(v), b(v))


def summed(drawn: tuple[Drawn, list[tuple[str, Drawn]]]) -> Drawn:
    (first, start), rest = drawn

    def total(v: dict[str, Any]) -> Any:
        values = [start(v), *(of(v) if sign == "+" or not number(of(v)) else -of(v) for sign, (_, of) in rest)]
        return sum(values) if all(map(number, values)) else None

    return f"({first})" + "".join(f" {sign} ({text})" for sign, (text, _) in rest), total


def negated(drawn: Drawn) -> Drawn:
    text, of = drawn
    return f"-({text})", lambda v: -of(v) if number(of(v)) else None


def chained(drawn: tuple[str, list[Drawn]]) -> Drawn:
    word, parts = drawn
    together = all if word == "and" else any
    return f" {word} ".join(f"({text})" for text, _ in parts), lambda v: together(bool(of(v)) for _, of in parts)


def grown(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    few = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        st.tuples(inner, st.sampled_from(list(ORACLE)), inner).map(compared),
        st.tuples(inner, st.lists(st.tuples(st.sampled_from("+-"), inner), min_size=1, max_size=3)).map(summed),
        st.tuples(st.sampled_from(["and", "or"]), few).map(chained),
        st.lists(inner, max_size=3).map(listed),
        inner.map(negated),
        inner.map(lambda d: (f"not ({d[0]})", lambda v: not d[1](v))),
    )


CONDITIONS = st.recursive(ATOMS, grown, max_leaves=10).filter(lambda drawn: len(drawn[0]) < LONGEST // 2)


@settings(max_examples=400)
@given(CONDITIONS, VALUES)
def test_a_condition_means_what_python_says_it_means(drawn: Drawn, values: dict[str, Any]) -> None:
    text, of = drawn
    assert Condition.parse(text, NAMES).holds(values) is bool(of(values)), text


@settings(max_examples=400)
@given(CONDITIONS, VALUES)
def test_what_is_printed_reads_as_the_same_condition(drawn: Drawn, values: dict[str, Any]) -> None:
    read = Condition.parse(drawn[0], NAMES)
    again = Condition.parse(str(read), NAMES)
    assert again == read
    assert str(again) == str(read)
    assert again.holds(values) == read.holds(values)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_problem_with_its_place(text: str) -> None:
    problem = None
    try:
        Condition.parse(text, NAMES)
    except ConditionProblem as found:
        problem = found
    if problem is not None:
        assert 0 <= problem.start <= len(text)
        assert set(str(problem).splitlines()[2].strip()) == {"^"}, str(problem)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("not flag and t == u", "(not flag) and (t == u)"),
        ("flag or flag and not flag", "flag or (flag and (not flag))"),
        ("not n < 2", "not (n < 2)"),
        ("n - 1 - 1 == 0", "((n - 1) - 1) == 0"),
        ("- n + 1 < m", "((-n) + 1) < m"),
    ],
)
def test_what_binds_more_strongly_needs_no_parentheses(written: str, meant: str) -> None:
    for n in (0, 1, 2):
        for flag in (True, False):
            values = {"n": n, "m": 0.5, "t": "a", "u": "a", "flag": flag}
            assert Condition.parse(written, NAMES).holds(values) == Condition.parse(meant, NAMES).holds(values)


def test_nothing_is_ever_less_or_more_than_none() -> None:
    for sign in ("<", "<=", ">", ">="):
        assert not Condition.parse(f"gone {sign} 3", NAMES).holds({"gone": None})
        assert not Condition.parse(f"3 {sign} gone", NAMES).holds({"gone": None})
    assert Condition.parse("gone == none", NAMES).holds({"gone": None})


def test_an_id_of_digits_needs_no_quotes() -> None:
    assert Condition.parse("t == 196", NAMES).holds({"t": "196"})
    assert Condition.parse("196 in items", NAMES).holds({"items": ["7", "196"]})
    assert not Condition.parse("t == 196", NAMES).holds({"t": "1960"})


@pytest.mark.parametrize(
    ("text", "below", "says"),
    [
        ("flg and n < 3", "flg", "did you mean flag?"),
        ("n < 3 adn flag", "adn", "adn is not expected"),
        ("n = 3", "=", "write =="),
        ("flag & n", "&", "write and"),
        ("1 < n < 3", "< 3", "1 < page and page < 5"),
        ("n <", "", "ends too early"),
        ("(n < 3", "(", "close it with )"),
        ("n in [1, 2", "[", "close it with ]"),
        ('t == "abc', '"abc', "does not end"),
        ("n == 007", "007", '"007"'),
        ("t == 12ab", "12ab", "in quotes"),
        ("n < 99999999999999999999", "99999999999999999999", "too large"),
        ("n < 1e999", "1e999", "too large"),
        ("__import__('os')", "__import__", "no name"),
        ("flag.n", ".n", "means nothing here"),
        ("flag == None", "None", "write none"),
        ("", "", "satisfaction < 3"),
    ],
)
def test_a_mistake_is_pointed_at_with_what_to_write(text: str, below: str, says: str) -> None:
    with pytest.raises(ConditionProblem) as told:
        Condition.parse(text, NAMES)
    lines = str(told.value).splitlines()
    assert says in str(told.value)
    at = lines[2].index("^") - 4
    assert lines[1][4:] == text
    assert at == (text.rindex(below) if below else len(text))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "n" + ")" * 10_000,
        "n < 1 and " * 100_000 + "flag",
        "x" * 1_000_000,
        '"' + "a" * 1_000_000,
        "9" * 1_000_000,
        "(" * (DEEPEST + 1) + "n" + ")" * (DEEPEST + 1),
        "not " * (DEEPEST + 1) + "flag",
        "-" * (DEEPEST + 1) + "n",
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        "n" + "(" * 900,
    ],
)
def test_a_hostile_text_is_refused_at_once_and_in_few_words(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ConditionProblem) as told:
        Condition.parse(text, NAMES)
    assert time.perf_counter() - began < 0.5
    assert len(str(told.value)) < 600


def test_the_longest_and_deepest_that_are_taken_are_worked_out() -> None:
    deep = "(" * DEEPEST + "n" + ")" * DEEPEST
    assert Condition.parse(deep, NAMES).holds({"n": 1})
    long = "n" + "+1" * (LONGEST // 2 - 4) + ">0"
    assert Condition.parse(long, NAMES).holds({"n": 1})
    wide = " or ".join(["n < 0"] * 190) + " or n > 0"
    assert Condition.parse(wide, NAMES).holds({"n": 1})


def test_only_the_names_in_a_condition_are_asked_for() -> None:
    condition = Condition.parse('n < 3 and "a" in items or not flag', NAMES)
    assert condition.names == {"n", "items", "flag"}
    assert [str(part) for part in Condition.parse("n < 3 and (flag or m > 1) and t == u", NAMES).parts()] == [
        "n < 3",
        "flag or m > 1",
        "t == u",
    ]
