"""What a lexical index takes for a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.methods.search.tokens import tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Non-stick PAN, 16GB!", ["non", "stick", "pan", "16gb"]),
        ("Straße ﬁne Ｗｉｄｅ", ["strasse", "fine", "wide"]),
        ("हिन्दी में खोज", ["हिन्दी", "में", "खोज"]),
        ("قَهْوَة عربية", ["قَهْوَة", "عربية"]),
        ("東京ホテル", ["東", "京", "ホ", "テ", "ル", "東京", "京ホ", "ホテ", "テル"]),
        ("iPhone手机壳 12", ["iphone", "手", "机", "壳", "手机", "机壳", "12"]),
        ("ไทย", ["ไ", "ท", "ย", "ไท", "ทย"]),
        ("", []),
        ("🙂 ... __ !", []),
    ],
)
def test_words_are_found_in_any_script(text: str, words: list[str]) -> None:
    assert tokens(text) == words


def test_plurals_go_where_asked() -> None:
    assert tokens("ladies shoes glass bus toes dresses kids' s", stem="s") == (
        ["lady", "shoe", "glass", "bus", "toe", "dresse", "kid", "s"]
    )
    assert tokens("shoes") == ["shoes"]


@given(st.text())
def test_any_text_gives_words_without_spaces_and_in_one_case(text: str) -> None:
    for word in tokens(text):
        assert word
        assert not any(character.isspace() for character in word)
        assert word == word.casefold() or word.casefold() != word.casefold().casefold()


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_texts_have_the_same_words_as_in_other_company(text: str) -> None:
    assert [*tokens(text), "é"] == tokens(f"{text} é")
