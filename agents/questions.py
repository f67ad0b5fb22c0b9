"""A question put to a user agent from outside: what an answer may be, and how it is got. Nothing is remembered of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, WithJsonSchema, create_model

from ..llm.fence import fence, one_line, plain
from ..llm.prompts import Prompt
from ..llm.schemas import Schema, UnfitAnswer
from ..llm.types import Model, Outcome, Place, Question
from .ask import sampling_seed
from .ask_generate import LONGEST_VISIT, PROMPTS
from .ask_score import LIKED_SHOWN
from .personas import Persona
from .trait_texts import persona_text

MOST_LEVELS = 101
LONGEST_ANSWER = 300
"""Tokens of one answer."""
LONGEST_TEXT = 1000
"""Characters that are kept of a free answer."""
SMALL_READS = 400
"""Characters of memories, the newest, that a small model is given."""

_RANGE = re.compile(r"\s*(-?\d+)\s*(?:-|\.\.|to)\s*(-?\d+)\s*")


class QuestionError(ValueError):
    """What an answer may be cannot be understood; the text says what to give instead."""


@dataclass(frozen=True)
class Free:
    """A few sentences."""

    @property
    def told(self) -> str:
        return "Answer in one or two sentences."

    @property
    def schema(self) -> Schema | None:
        return None


@dataclass(frozen=True)
class OneOf:
    """One of these options. `numeric`: they are whole numbers, and have a mean."""

    options: tuple[str, ...]
    numeric: bool = False

    @property
    def told(self) -> str:
        shown = (
            f"a whole number from {self.options[0]} to {self.options[-1]}" if self.numeric else ", ".join(self.options)
        )
        return f"Answer with one of: {shown}. Give the reason in a few words."

    @property
    def schema(self) -> Schema | None:
        return _choice(self.options, self.numeric)


@dataclass(frozen=True)
class Shaped:
    """What a JSON schema of the asker's own allows; a `Form`."""

    text: str

    @property
    def told(self) -> str:
        return "Answer in JSON as asked for."

    @property
    def schema(self) -> Schema | None:
        return self

    def json_schema(self) -> dict[str, Any]:
        return json.loads(self.text)

    def read(self, text: str) -> Any:
        import jsonschema

        try:
            value = json.loads(text)
            jsonschema.validate(value, self.json_schema())
        except json.JSONDecodeError as error:
            raise UnfitAnswer(f"no JSON: {error}") from None
        except jsonschema.ValidationError as error:
            raise UnfitAnswer(f"{error.json_path}: {error.message}") from None
        return value


AnswerForm = Free | OneOf | Shaped


def answer_form(given: str | None) -> AnswerForm:
    """From `1-10`, `yes/no`, `a|b|c` or a JSON-schema file to what an answer may be; nothing: a few sentences.

    Raises `QuestionError`.
    """
    text = (given or "").strip()
    if not text:
        return Free()
    if text.endswith(".json") or Path(text).is_file():
        return _shaped(Path(text))
    if span := _RANGE.fullmatch(text):
        low, high = int(span[1]), int(span[2])
        if not 0 < high - low < MOST_LEVELS:
            raise QuestionError(f"no scale from {low} to {high}\n  give two whole numbers, the lower one first: 1-10")
        return OneOf(tuple(str(level) for level in range(low, high + 1)), numeric=True)
    options = tuple(one_line(part.strip(), 80) for part in re.split(r"[|/]", text))
    if len(options) < 2 or len(set(options)) < len(options) or not all(options):
        raise QuestionError(f"no answers can be read from {text!r}\n  give 1-10, yes/no, a|b|c, or a JSON-schema file")
    return OneOf(options)


def _shaped(path: Path) -> Shaped:
    import jsonschema
    from jsonschema.validators import validator_for

    try:
        text = path.read_text(encoding="utf-8")
        schema = json.loads(text)
        validator_for(schema).check_schema(schema)
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(
            f"{path} cannot be read ({error})\n  give 1-10, yes/no, a|b|c, or a JSON-schema file"
        ) from None
    except (json.JSONDecodeError, jsonschema.SchemaError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise QuestionError(
            f"{path} is no JSON schema ({first})\n  see https://json-schema.org for what one looks like"
        ) from None
    if schema.get("type") != "object":
        raise QuestionError(f"{path} asks for {schema.get('type')!r}\n  endpoints answer with objects: wrap it in one")
    return Shaped(text)


@lru_cache(maxsize=64)
def _choice(options: tuple[str, ...], numeric: bool) -> type[BaseModel]:
    values: tuple[Any, ...] = tuple(int(option) for option in options) if numeric else options
    # An enum also where there is one answer: not every endpoint takes a const.
    kind: Any = Annotated[
        Literal[values], WithJsonSchema({"enum": list(values), "type": "integer" if numeric else "string"})
    ]
    return create_model("Answer", __config__=ConfigDict(extra="forbid"), answer=(kind, ...), reason=(str, ...))


@dataclass(frozen=True)
class Heard:
    """An answer. `value` is a text, an option, a number or what the schema says; None where there is none, and `outcome`
    says why. `likelihoods`: of each option, where they were read instead of words."""

    value: Any
    reason: str
    outcome: Outcome[Any]
    likelihoods: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Visitor:
    """Who is asked: the persona, what it remembers (oldest first), how many pages it has seen, what it was shown liked."""

    persona: Persona
    memories: Sequence[str]
    pages: int
    liked: Sequence[str] = ()
    """Titles the person rated well, best first."""


async def put(
    model: Model, visitor: Visitor, question: str, form: AnswerForm, *, service: str, noun: str, seed: int
) -> Heard:
    """Ask one visitor. A small model that can be read is read by the likelihood of the options, any other one writes."""
    at = Place(visitor.persona.user, visitor.pages, "question")
    abilities = model.abilities
    if isinstance(form, OneOf) and abilities.score and abilities.plumbing_grade:
        return await _read(model, visitor, question, form, noun, at)
    memories = list(visitor.memories)
    while sum(map(len, memories)) > LONGEST_VISIT:
        memories = memories[1:]
    messages = Prompt.load(PROMPTS / "question.md").render(
        service=service,
        traits=persona_text(visitor.persona),
        tastes=_fenced([one_line(t) for t in visitor.persona.tastes] or ["No particular tastes are known."], "tastes"),
        memories=_fenced(memories, "memories") if memories else "Nothing yet.",
        pages=str(visitor.pages),
        question=plain(question),
        answer=form.told,
    )
    outcome = await model.complete(
        messages,
        schema=form.schema,
        at=at,
        temperature=0.2,
        max_tokens=LONGEST_ANSWER if not isinstance(form, Shaped) else 4 * LONGEST_ANSWER,
        seed=sampling_seed(seed, at),
    )
    if not outcome.ok or outcome.value is None:
        return Heard(None, "", outcome)
    if isinstance(form, OneOf):
        return Heard(outcome.value.answer, one_line(outcome.value.reason), outcome)
    return Heard(
        outcome.value if isinstance(form, Shaped) else plain(str(outcome.value), LONGEST_TEXT).strip(), "", outcome
    )


async def _read(model: Model, visitor: Visitor, question: str, form: OneOf, noun: str, at: Place) -> Heard:
    """The option that this person makes likelier than nobody in particular does (content-free correction)."""
    prompt = Prompt.load(PROMPTS / "question_score.md")
    asked = one_line(question)
    memories = " ".join(one_line(memory) for memory in visitor.memories)[-SMALL_READS:]
    about = {
        "noun": noun.capitalize(),
        "tastes": "\n".join(one_line(taste) for taste in visitor.persona.tastes),
        "liked": "\n".join(f"- {one_line(title, 120)}" for title in visitor.liked[:LIKED_SHOWN]) or "-",
        "memories": f"On this visit: {memories}" if memories else "",
    }
    text = str(prompt.render(**about, question=asked)[-1]["content"]).strip()
    nobody = f"Question: {asked}\nAnswer of this person:"
    labels = tuple(f" {option}" for option in form.options)
    outcome = await model.score(text, [Question("", labels), Question(nobody, labels, alone=True)], at=at)
    if not outcome.ok or outcome.value is None:
        return Heard(None, "", outcome)
    own, free = (np.array(each) for each in outcome.value)
    weights = np.exp((own - free) - (own - free).max())
    weights /= weights.sum()
    best = form.options[int(np.argmax(weights))]
    likelihoods = dict(zip(form.options, np.round(weights, 6).tolist(), strict=True))
    return Heard(int(best) if form.numeric else best, "", outcome, likelihoods)


def _fenced(lines: Sequence[str], label: str) -> str:
    text = "\n".join(lines)
    return fence(text, label, longest=len(text))
