"""Rewriters without a model: repeatable, different from the query, and careful with what a need hangs on."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
from recloop.agents.rewriter.rules import FAMILIES, LONGEST, proposals, rule_rewrites

SHOES = "cheap waterproof running shoes for women without laces"


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_addresses_give_equal_texts_in_another_process_too(family: str) -> None:
    code = f"from recloop.agents.rewriter.rules import rule_rewrites; print(rule_rewrites({SHOES!r}, {family!r}, 7, 3))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.strip() == str(rule_rewrites(SHOES, family, 7, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_something_else_than_the_query(family: str) -> None:
    texts = rule_rewrites(SHOES, family, 0, 3)  # type: ignore[arg-type]
    assert texts
    assert len({text.casefold() for text in (*texts, SHOES)}) == len(texts) + 1


def test_seeds_differ() -> None:
    assert len({tuple(rule_rewrites(SHOES, "typo", seed)) for seed in range(5)}) > 1


def test_families_do_not_hang_on_one_another() -> None:
    alone = [text for family, text in proposals(SHOES, ["order"], 3)]
    among = [text for family, text in proposals(SHOES, FAMILIES, 3) if family == "order"]
    assert alone == among


def test_negations_numbers_and_prepositions_stay_with_their_word() -> None:
    for seed in range(20):
        for text in rule_rewrites("sugar free cookies for kids without nuts 5 kg", "order", seed):
            assert {"sugar free", "for kids", "without nuts", "5 kg"} <= set(_pairs(text))


def _pairs(text: str) -> list[str]:
    words = text.split()
    return [" ".join(pair) for pair in itertools.pairwise(words)]


def test_a_terse_query_keeps_its_negation() -> None:
    (text,) = rule_rewrites("I am looking for shoes without laces please", "terse", 0)
    assert text.split()[-3:] == ["shoes", "without", "laces"]


def test_model_names_and_numbers_get_no_typo() -> None:
    for seed in range(20):
        for text in rule_rewrites("wx-4410b 12 laptop stand", "typo", seed):
            assert text.split()[:2] == ["wx-4410b", "12"]


def test_a_question_gets_no_second_question_word_and_politeness_is_not_doubled() -> None:
    assert all("looking for i am" not in t.lower() for t in rule_rewrites("I am looking for a sofa", "verbose", 0, 4))
    assert all(t.count("?") == 1 for t in rule_rewrites("who painted this?", "question", 0, 3))


@pytest.mark.parametrize(
    "query", ["防水ランニングシューズ", "खाना पकाने का बर्तन", "беговые кроссовки", "حذاء للجري", "รองเท้าวิ่ง"]
)
def test_other_scripts_get_slips_and_no_english(query: str) -> None:
    assert rule_rewrites(query, "typo", 1)
    for family in ("verbose", "register", "question"):
        assert rule_rewrites(query, family) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["", "   ", "?", "!!!", "👟", "a", "x" * (LONGEST + 1), "{q}", "\x00\x1b[31m"])
def test_what_is_no_query_breaks_nothing(query: str) -> None:
    for family, text in proposals(query):
        assert text.strip(), family


def test_a_query_with_braces_is_text() -> None:
    assert all("{q} shelf" in text for text in rule_rewrites("{q} shelf", "verbose", 0, 3))


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(ValueError, match="no family of rules called 'loud'"):
        rule_rewrites("shoes", "loud")  # type: ignore[arg-type]
