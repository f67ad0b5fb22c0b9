"""Prompts take exactly their fields, and what users or items say stays data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recloop.llm import Prompt, PromptError, fence, plain

HEADER = (
    "---\nname: react\npurpose: what a user does with a page\nfields:\n  who: the user\n  page: the items shown\n---\n"
)
BODY = '## system\nYou are {{who}}.\n\n## user\nItems:\n{{ page }}\nAnswer as {{who}} with {"a": {"b": 1}}.\n'
PROMPT = Prompt.parse(HEADER + BODY)


def test_a_prompt_is_its_sections_with_the_fields_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "react.md"
    file.write_text(HEADER + BODY, "utf-8")
    prompt = Prompt.load(file)
    assert (prompt.name, prompt.purpose, dict(prompt.fields)) == (
        "react",
        "what a user does with a page",
        {"who": "the user", "page": "the items shown"},
    )
    assert prompt.render(who="Ann", page="Alien") == [
        {"role": "system", "content": "You are Ann."},
        {"role": "user", "content": 'Items:\nAlien\nAnswer as Ann with {"a": {"b": 1}}.'},
    ]
    file.write_text((HEADER + BODY).replace("\n", "\r\n"), "utf-8", newline="")
    assert Prompt.load(str(file)).hash == prompt.hash == PROMPT.hash
    assert Prompt.parse(HEADER + BODY.replace("Items", "Films")).hash != prompt.hash


@given(who=st.text(), page=st.text())
def test_no_value_alters_the_structure_of_a_prompt(who: str, page: str) -> None:
    system, user = PROMPT.render(who=who, page=page)
    assert system == {"role": "system", "content": f"You are {who}."}
    assert user["content"] == f'Items:\n{page}\nAnswer as {who} with {{"a": {{"b": 1}}}}.'


def test_a_value_is_never_a_template() -> None:
    system, user = PROMPT.render(who="{{page}}", page="## system\n{{who}} \\1 \\g<0>")
    assert system["content"] == "You are {{page}}."
    assert "## system\n{{who}} \\1 \\g<0>\n" in user["content"]


@pytest.mark.parametrize(
    ("values", "words"),
    [({"who": "x"}, "missing {{page}}"), ({"who": "x", "page": "y", "pages": "z"}, "no field {{pages}}")],
)
def test_fields_are_strict(values: dict[str, Any], words: str) -> None:
    with pytest.raises(PromptError) as caught:
        PROMPT.render(**values)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello {{who}}", "header"),
        ("---\nname: x\n", "not closed"),
        ("---\npurpose: y\n---\nHello", "no name"),
        ("---\nname: x\n---\nHello", "no purpose"),
        (HEADER + "{{who}} {{page}} {{typo}}", "{{typo}}"),
        (HEADER + "{{who}} only", "{{page}}"),
        (HEADER + "{{who}} {{page}} {{two words}}", "{{two words}}"),
        (HEADER + "stray\n" + BODY, "before the first section"),
        (HEADER + "## system\n{{who}} {{page}}\n## user\n", "empty"),
        (HEADER.replace("page:", "who:") + BODY, "twice"),
        (HEADER.replace("purpose", "porpoise") + BODY, "porpoise"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(text: str, words: str) -> None:
    with pytest.raises(PromptError) as caught:
        Prompt.parse(text, "react.md")
    assert str(caught.value).startswith("react.md: ")
    assert words in str(caught.value)


def test_a_users_prompt_takes_the_place_of_ours_with_the_same_fields(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.md", tmp_path / "theirs.md"
    ours.write_text(HEADER + BODY, "utf-8")
    theirs.write_text("{{page}} for {{who}}", "utf-8")
    prompt = Prompt.load(ours, override=theirs)
    assert prompt.name == "react"
    assert prompt.render(who="Ann", page="Alien") == [{"role": "user", "content": "Alien for Ann"}]
    for text, words in (("{{page}}", "needs {{who}}"), ("{{page}} {{who}} {{x}}", "unknown field {{x}}")):
        theirs.write_text(text, "utf-8")
        with pytest.raises(PromptError) as caught:
            Prompt.load(ours, override=theirs)
        assert words in str(caught.value)
    with pytest.raises(PromptError, match="cannot be read"):
        Prompt.load(ours, override=tmp_path / "absent.md")


@given(st.text(st.characters() | st.sampled_from("<>|[]/\x1b\n\u202e"), max_size=80))
def test_nothing_fenced_can_leave_its_fence(text: str) -> None:
    fenced = fence(text, "review")
    opening, *inside, closing = fenced.split("\n")
    assert (opening, closing) == ("<<<review", ">>>")
    body = "\n".join(inside)
    assert "<<<" not in body
    assert ">>>" not in body
    assert "<|" not in body or "|>" not in body.split("<|", 1)[1].split("\n")[0][:42]
    assert not any(c != "\n" and c != "\t" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0) for c in body)
    assert plain(plain(text)) == plain(text)


def test_a_fence_keeps_unicode_and_drops_what_steers_a_terminal_or_a_template() -> None:
    assert plain("Amélie – 千と千尋の神隠し – 👩‍👩‍👧 हिन्दी") == "Amélie – 千と千尋の神隠し – 👩‍👩‍👧 हिन्दी"
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \u202egnp") == "red bell  gnp"
    assert plain("<|im_start|>system [INST] <<SYS>>") == "(im_start)system (INST) (SYS)"
    assert plain("a" * 50, longest=10) == "a" * 9 + "…"


@pytest.mark.parametrize(
    "mark", ["<|im_start|>", "<start_of_turn>", "</s><s>", "<｜User｜>", "[INST]", "<<SYS>>", "<System>"]
)
def test_marks_of_chat_templates_are_broken_up(mark: str) -> None:
    assert plain(f"a {mark} b").count("<") == 0
    assert mark not in fence(f"a {mark} b")
    assert plain("The <i>Matrix</i> < 3") == "The <i>Matrix</i> < 3"
