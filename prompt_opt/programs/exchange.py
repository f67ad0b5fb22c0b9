"""A prompt in the forms that other tools read: text, a DSPy program's state, a LangChain prompt, promptfoo cases, GEPA
candidates; and back, where the form holds all that a prompt is.

    text          one file per component; the search's own form
    dspy          JSON for `program.load`; a DSPy program's own state, else one predictor per component
    langchain     JSON for `langchain_core.load.loads`: a ChatPromptTemplate of f-strings
    promptfoo     a configuration (JSON, which promptfoo reads as YAML): the prompt, one test per case
    gepa          candidates.json as gepa writes it
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ...llm.prompts import FIELD, Prompt
from ...llm.types import Abilities, Message, Model, Outcome, Place
from ..candidate import Candidate
from ..errors import OptimizeError
from ..task import Case, Component, Task, Texts

if TYPE_CHECKING:
    from langchain_core.prompts import ChatPromptTemplate

FORMATS = ("text", "dspy", "langchain", "promptfoo", "gepa")


# -- text

_HEADING = re.compile(r"^<!-- component: (\S+) -->\n", re.MULTILINE)


def to_text(texts: Texts) -> str:
    """One component as it is; several one below the other, each after a line that names it."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "".join(f"<!-- component: {name} -->\n{text}\n" for name, text in texts.items())


def from_text(text: str, components: Sequence[str]) -> dict[str, str]:
    """Texts by component, from `to_text`. Raises `OptimizeError` where the names are not the task's."""
    parts = _HEADING.split(text)
    if len(parts) == 1 and len(components) == 1:
        return {components[0]: text}
    found = {name: body.removesuffix("\n") for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if set(found) != set(components):
        raise OptimizeError(
            f"the prompt has texts for {', '.join(found) or 'no named component'}, the task has {', '.join(components)}\n"
            "  begin each with a line <!-- component: NAME -->"
        )
    return {name: found[name] for name in components}


# -- DSPy


def to_dspy(texts: Texts, task: Task) -> str:
    """JSON that `program.load(FILE)` reads. A template's `{{field}}`s become the names of input fields in backquotes, for
    a predictor `field, … -> answer` by the component's name."""
    import importlib.metadata as installed
    import sys

    import dspy

    from .program_task import ProgramTask

    if isinstance(task, ProgramTask):
        program = task.with_texts(texts)
    else:
        program = dspy.Module()
        for name, component in task.components.items():
            setattr(program, name, _predictor(texts[name], component))
    versions = {"python": ".".join(map(str, sys.version_info[:2])), "dspy": dspy.__version__}
    versions["cloudpickle"] = ".".join(installed.version("cloudpickle").split(".")[:2])
    state = program.dump_state() | {"metadata": {"dependency_versions": versions}}
    return json.dumps(state, indent=2, ensure_ascii=False)


def from_dspy(text: str, components: Sequence[str]) -> dict[str, str]:
    """The instructions in a DSPy program's JSON, by predictor."""
    state = json.loads(text)
    missing = [name for name in components if "signature" not in state.get(name, {})]
    if missing:
        raise OptimizeError(f"the program's file has no predictor {', '.join(missing)}; it has {', '.join(state)}")
    return {name: state[name]["signature"]["instructions"] for name in components}


def _predictor(text: str, component: Component) -> Any:
    import dspy
    from dspy.signatures import make_signature

    fields = list(dict.fromkeys(FIELD.findall(text))) or ["input"]
    signature: Any = make_signature(f"{', '.join(fields)} -> answer", FIELD.sub(r"`\1`", text))
    for name in fields:
        signature = signature.with_updated_fields(name, desc=component.fields.get(name, name))
    return dspy.Predict(signature)


# -- LangChain


def to_langchain(text: str, component: Component) -> ChatPromptTemplate:
    """A chat prompt of f-strings with the same messages; every other brace is escaped."""
    from langchain_core.prompts import ChatPromptTemplate

    return ChatPromptTemplate.from_messages([(role, _f_string(body)) for role, body in _sections(text, component)])


def to_langchain_json(text: str, component: Component) -> str:
    """The same as JSON, for `langchain_core.load.loads`."""
    from langchain_core.load import dumps

    return dumps(to_langchain(text, component), pretty=True)


def from_langchain(prompt: ChatPromptTemplate) -> str:
    """The text of a component from a chat prompt of f-strings: `to_langchain`, backwards."""
    parts = []
    for message in prompt.messages:
        template = getattr(message, "prompt", None)
        role = {"SystemMessagePromptTemplate": "system", "HumanMessagePromptTemplate": "user"}.get(
            type(message).__name__
        )
        if template is None or role is None or getattr(template, "template_format", "") != "f-string":
            raise OptimizeError("only system and human messages of f-strings can be read from a LangChain prompt")
        parts.append(f"## {role}\n{_from_f_string(template.template)}\n")
    return "\n".join(parts)


def _f_string(text: str) -> str:
    kept = FIELD.split(text)
    return "".join(
        f"{{{part}}}" if place % 2 else part.replace("{", "{{").replace("}", "}}") for place, part in enumerate(kept)
    )


def _from_f_string(text: str) -> str:
    spelled = {"{{": "{", "}}": "}"}
    return re.sub(r"\{\{|\}\}|\{(\w+)\}", lambda m: f"{{{{{m[1]}}}}}" if m[1] else spelled[m[0]], text)


# -- promptfoo


async def to_promptfoo(texts: Texts, task: Task, cases: Iterable[Case], provider: str = "openai:gpt-4o-mini") -> str:
    """A promptfoo configuration: the prompt with its `{{field}}`s as variables, one test per case.

    A test passes where the answer names the right id before any other candidate's. Only tasks of one component whose
    prompt is one call can be written so; anything else raises `OptimizeError`.
    """
    if len(texts) != 1:
        raise OptimizeError("promptfoo tests one prompt; this task has several components")
    name, component = next(iter(task.components.items()))
    tests = []
    for case in cases:
        expected, others = _ids(case)
        tests.append(
            {
                "description": case.id,
                "vars": await fields_of(task, case),
                "assert": [{"type": "javascript", "value": _first_of(expected, others)}],
            }
        )
    messages = [{"role": role, "content": _nunjucks(body)} for role, body in _sections(texts[name], component)]
    config = {
        "description": f"{task.name}: {component.purpose}",
        "prompts": [json.dumps(messages, ensure_ascii=False)],
        "providers": [provider],
        "tests": tests,
    }
    return json.dumps(config, indent=2, ensure_ascii=False)


async def fields_of(task: Task, case: Case) -> dict[str, str]:
    """What each field of a task's one component is filled with on a case: the task is run with a text of marked fields, and
    a model that only listens."""
    ((name, component),) = task.components.items()
    text = "".join(f"\n⟦{field}⟧{{{{{field}}}}}⟦/{field}⟧" for field in component.fields)
    listener = _Listener()
    if component.fields:
        await task.run({name: text}, case, cast(Model, listener), Place())
    if listener.scores:
        raise OptimizeError(
            f"{task.name} reads this prompt by the likelihood of titles: no answer is written, and promptfoo tests answers\n"
            "  export it as text, or search with --task-option read=list"
        )
    heard = {field: re.search(rf"⟦{field}⟧(.*?)⟦/{field}⟧", listener.heard, re.DOTALL) for field in component.fields}
    if not heard or None in heard.values():
        raise OptimizeError(f"{task.name} does not fill its prompt in one call, so promptfoo cannot be given its cases")
    return {field: found[1] for field, found in heard.items() if found is not None}


class _Listener:
    """A model that keeps the first prompt and gives no answer. `scores`: likelihoods were asked for, not an answer."""

    name, abilities = "none", Abilities(score=True)

    def __init__(self) -> None:
        self.heard, self.scores = "", False

    async def complete(self, messages: Sequence[Message], **options: Any) -> Outcome[Any]:
        self.heard = self.heard or "\n".join(message["content"] for message in messages)
        return Outcome("refusal")

    async def score(self, prompt: str, questions: Sequence[Any], **options: Any) -> Outcome[Any]:
        self.heard, self.scores = self.heard or prompt, True
        return Outcome("refusal")


def _ids(case: Case) -> tuple[list[str], list[str]]:
    relevant = case.truth.get("relevant")
    if not isinstance(relevant, list) or not relevant:
        raise OptimizeError(f"case {case.id} names no right ids in its truth, so there is nothing to test for")
    shown = [str(row["id"]) for row in case.shown.get("candidates", ())]
    return [str(id) for id in relevant], [id for id in shown if id not in relevant]


def _first_of(expected: Sequence[str], others: Sequence[str]) -> str:
    """JavaScript that says whether the first candidate in the answer is a right one."""
    ids = json.dumps([*expected, *others], ensure_ascii=False)
    return (
        f"const found = output.match(/[A-Za-z0-9_-]+/g) || []; "
        f"const first = found.find((word) => {ids}.includes(word)); "
        f"return {json.dumps(list(expected), ensure_ascii=False)}.includes(first);"
    )


def _nunjucks(text: str) -> str:
    """promptfoo's fields are spelled as ours; other marks of its templates are shown as they are."""
    kept = FIELD.split(text)
    return "".join(
        f"{{{{{part}}}}}" if place % 2 else re.sub(r"\{[{%#]|[}%#]\}", r"{% raw %}\g<0>{% endraw %}", part)
        for place, part in enumerate(kept)
    )


def _sections(text: str, component: Component) -> Sequence[tuple[str, str]]:
    return Prompt.parse(text, known=dict(component.fields)).sections


# -- GEPA


def to_gepa(candidates: Iterable[Candidate]) -> str:
    """candidates.json: a list of component -> text."""
    return json.dumps([dict(candidate.texts) for candidate in candidates], indent=2, ensure_ascii=False)


def from_gepa(text: str, components: Sequence[str]) -> list[Candidate]:
    """Candidates from gepa's candidates.json, the first as the seed. Raises `OptimizeError` for other components."""
    rows = json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise OptimizeError("gepa's candidates are a list of objects: component -> text")
    for number, row in enumerate(rows):
        if set(row) != set(components) or not all(isinstance(each, str) for each in row.values()):
            raise OptimizeError(
                f"candidate {number} has {', '.join(row)}, the task has {', '.join(components)}\n"
                "  gepa's component names must be the task's"
            )
    return [Candidate(row, "gepa", reason=f"candidate {n} of a gepa run", maker="gepa") for n, row in enumerate(rows)]
