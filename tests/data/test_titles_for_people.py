"""Titles read as they are spoken, and hold nothing that a terminal or a prompt would trip over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.data import normalise_title


@pytest.mark.parametrize(
    ("raw", "year", "spoken"),
    [
        ("Matrix, The (1999)", None, "The Matrix (1999)"),
        ("Matrix, The", 1999, "The Matrix (1999)"),
        ("Matrix, The", "1999.0", "The Matrix (1999)"),
        ("Matrix, The (1999)", 2003, "The Matrix (1999)"),
        ("Single Girl, A (La Fille Seule) (1995)", None, "A Single Girl (La Fille Seule) (1995)"),
        ("American Werewolf, An", None, "An American Werewolf"),
        ("Misérables, Les (1995)", None, "Les Misérables (1995)"),
        ("Star Maker, The (Uomo delle stelle, L') (1995)", None, "The Star Maker (L'Uomo delle stelle) (1995)"),
        ("Blue Angel, The (Blaue Engel, Der) (1930)", None, "The Blue Angel (Der Blaue Engel) (1930)"),
        ("Postino, Il (The Postman) (1994)", None, "Il Postino (The Postman) (1994)"),
        (
            "Professional, The (a.k.a. Leon: The Professional) (1994)",
            None,
            "The Professional (a.k.a. Leon: The Professional) (1994)",
        ),
        ("Associate, The (L'Associe)(1982)", None, "The Associate (L'Associe) (1982)"),
        ("Lord of the Rings: The Two Towers, The (2002)", None, "The Lord of the Rings: The Two Towers (2002)"),
        ("Goodbye, Mr. Chips (1939)", None, "Goodbye, Mr. Chips (1939)"),
        ("Now, Voyager", "", "Now, Voyager"),
        ("Girl, Interrupted (1999)", None, "Girl, Interrupted (1999)"),
        ("Tom Petty &amp; The Heartbreakers", None, "Tom Petty & The Heartbreakers"),
        ("R&amp;amp;B &#39;90s", None, "R&B '90s"),
        ("AT&T &notanentity; Q&A", None, "AT&T &notanentity; Q&A"),
        ("  Toy\n\tStory  ", 1995, "Toy Story (1995)"),
        ("\x1b[31mRed\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07", None, "Red link"),
        ("ab\u202ecd\u200b\x00\x7f", None, "abcd"),
        ("Dr. Who (2005–2022)", 2005, "Dr. Who (2005–2022)"),
        ("(500) Days of Summer (2009)", None, "(500) Days of Summer (2009)"),
        ("(Untitled)", 2009, "(Untitled) (2009)"),
        ("1984", 1984, "1984 (1984)"),
        ("", 1999, ""),
        (" \x00 ", None, ""),
    ],
)
def test_titles_are_spoken(raw, year, spoken):
    assert normalise_title(raw, year) == spoken


@given(st.text(max_size=80), st.sampled_from(["", "1999", "x"]))
def test_a_spoken_title_is_one_visible_line_and_stays_as_it_is(raw, year):
    spoken = normalise_title(raw, year)
    assert spoken == spoken.strip()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\ufeff" for c in spoken)
    assert "  " not in spoken
    assert spoken.encode("utf-8").decode("utf-8") == spoken


@given(st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{4,8}){0,3}", fullmatch=True), st.integers(1900, 2030))
def test_turning_back_an_article_undoes_the_turn(name, year):
    assert normalise_title(f"{name}, The ({year})") == f"The {name} ({year})"
    assert normalise_title(f"The {name} ({year})") == f"The {name} ({year})"
