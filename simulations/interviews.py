"""Interviews: any agent of a run, at any page, asked from outside. The run stays as it is, to the byte.

Answers are kept beside it, one JSON line each, in `<run>/interviews.jsonl`; they are no part of its digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agents.ask import LONGEST_TITLE, SERVICES
from ..agents.personas import Persona
from ..agents.questions import AnswerForm, OneOf, QuestionError, Shaped, Visitor, answer_form, put
from ..agents.randomness import uniform
from ..evaluators import Estimate, bootstrap_mean, proportion
from ..llm import Budget, open_model
from ..llm.fence import one_line
from ..runs import Run
from .config import SimulateError
from .debugging.in_force import Edits
from .settling import all_settled
from .tables import KIND

if TYPE_CHECKING:
    from ..llm import Door

FILE = "interviews.jsonl"


class InterviewError(SimulateError):
    """A question that cannot be put; the message says what to do next."""


@dataclass(frozen=True)
class Answer:
    """One agent's answer. `value` None: there is none, and `status` and `error` say why. `cost` in US dollars (None: the
    price is unknown), `seconds` that the call took."""

    at: str
    agent: str
    pages: int
    """Pages the agent had seen."""
    question: str
    model: str
    status: str
    value: Any = None
    reason: str = ""
    likelihoods: Mapping[str, float] | None = None
    tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Part:
    """What was answered to one part of the question ("" where it has one only): counts by answer, with the share's interval
    by Wilson, and the mean where answers are numbers."""

    name: str
    counts: Mapping[str, int]
    shares: Mapping[str, Estimate]
    mean: Estimate | None


@dataclass
class Survey:
    """The answers of a survey, in the order in which agents stand in the run."""

    question: str
    model: str
    plumbing: bool
    """The model is too small to stand for people: answers show the machinery."""
    answers: list[Answer] = field(default_factory=list)
    unasked: int = 0
    """Agents whom the budget left out."""
    form: AnswerForm | None = None

    @property
    def parts(self) -> list[Part]:
        """One for a question with options; for a JSON schema one per field that can be counted; none for free answers."""
        values = [answer.value for answer in self.answers if answer.value is not None]
        if isinstance(self.form, OneOf):
            return [_part("", values, self.form.options, self.form.numeric)]
        if not isinstance(self.form, Shaped):
            return []
        found = []
        for name, schema in (self.form.json_schema().get("properties") or {}).items():
            own = [value[name] for value in values if isinstance(value, dict) and name in value]
            numeric = schema.get("type") in ("integer", "number")
            if numeric or schema.get("type") == "boolean" or "enum" in schema:
                given = [json.dumps(each) if isinstance(each, bool) else str(each) for each in own]
                options = [json.dumps(o) if isinstance(o, bool) else str(o) for o in schema.get("enum", ())]
                found.append(_part(name, own if numeric else given, options or sorted(set(given)), numeric))
        return found

    def json(self) -> dict[str, Any]:
        """As plain values."""
        parts = [asdict(part) for part in self.parts]
        plain = {"question": self.question, "model": self.model, "plumbing": self.plumbing, "unasked": self.unasked}
        return plain | {"parts": parts, "answers": [asdict(answer) for answer in self.answers]}


def _part(name: str, values: Sequence[Any], options: Sequence[str], numeric: bool) -> Part:
    given = [str(value) for value in values]
    counts = {option: given.count(option) for option in options}
    shares = {option: proportion(count, len(given)) for option, count in counts.items()} if given else {}
    mean = bootstrap_mean([float(value) for value in values]) if numeric and values else None
    return Part(name, counts, shares, mean)


async def interview(
    run_path: str | Path,
    question: str,
    *,
    agent: str | Sequence[str] | None = None,
    page: int | None = None,
    schema: str | None = None,
    model: str | None = None,
    sample: int | None = None,
    keep: bool = True,
    budget: str = "",
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int = 64,
    heard: Callable[[Answer, int], None] = lambda answer, asked: None,
) -> Survey:
    """Ask one agent, some, or all (`agent` None) what `question` says, as they were after `page` pages (None: at the end).

    `schema`: `1-10`, `yes/no`, `a|b|c`, a JSON-schema file, or nothing for a few sentences. `model`: another than the run's
    own. `sample`: so many of the agents, drawn by the run's seed. `heard(answer, how many are asked)` is called with each
    answer as it comes; what has come is kept when the rest is cancelled. Raises `InterviewError` before anybody is asked.
    """
    path = Path(run_path)
    try:
        form = answer_form(schema)
    except QuestionError as error:
        raise InterviewError(str(error)) from None
    if not question.strip():
        raise InterviewError("there is no question\n  give it in quotes")
    with Run.open(path) as run:
        visitors = recall(run, [agent] if isinstance(agent, str) else agent, page, sample)
        config, seed = run.manifest.config, run.manifest.seed
    if model is None and config.get("model") == "scripted":
        raise InterviewError("scripted users have no words of their own\n  name a model that speaks for them: --model")
    address = base_url if model is not None else base_url or config.get("base_url")
    name = model or str(config["model"])
    service, noun, _ = SERVICES.get(str(config.get("actions")), ("a recommendation service", "items", "an item"))
    door = open_model(
        name,
        budget=Budget.parse(budget) if budget else None,
        base_url=address,
        api_key=api_key,
        concurrency=concurrency,
        timeout=float(config.get("timeout", 60)),
    )
    file = _side_file(path) if keep else None
    try:
        await door.check()
        survey = Survey(question, door.name, door.abilities.plumbing_grade, form=form)

        async def one(visitor: Visitor) -> Answer:
            answer = await _answer(door, visitor, question, form, service, noun, seed)
            if answer.status != "budget":
                _write(file, answer, schema)
                heard(answer, len(visitors))
            return answer

        answers = await all_settled(one(visitor) for visitor in visitors)
    finally:
        await door.close()
    survey.answers = [answer for answer in answers if answer.status != "budget"]
    survey.unasked = len(answers) - len(survey.answers)
    return survey


async def _answer(
    door: Door, visitor: Visitor, question: str, form: AnswerForm, service: str, noun: str, seed: int
) -> Answer:
    heard = await put(door, visitor, question, form, service=service, noun=noun, seed=seed)
    outcome = heard.outcome
    return Answer(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        agent=visitor.persona.user,
        pages=visitor.pages,
        question=question,
        model=door.name,
        status=outcome.status,
        value=heard.value,
        reason=heard.reason,
        likelihoods=heard.likelihoods,
        tokens=outcome.usage.total,
        cost=outcome.cost,
        seconds=round(outcome.latency, 3),
        error=outcome.error[:300],
    )


def recall(run: Run, agents: Sequence[str] | None, page: int | None, sample: int | None = None) -> list[Visitor]:
    """The agents as they were after `page` pages (None: the last): persona and memory, from the run's log alone.

    Raises `InterviewError` for a run of another kind, an unknown agent, a page that the run has not.
    """
    if run.kind != KIND:
        raise InterviewError(
            f"{run.path} is a run of kind {run.kind!r}: nobody is in it\n  give a rehearsal (those of a sweep or a study lie in {run.path / 'runs'})"
        )
    last = max(0, run.barrier)
    if page is not None and not 0 <= page <= last:
        raise InterviewError(
            f"{run.path} has {last} pages, so nobody was anywhere after page {page}\n  --page takes 0 to {last}"
        )
    until = last if page is None else page
    edits = Edits.of(run)
    personas = {
        event.agent: edits.persona(Persona.model_validate(event.data), until) for event in run.events(kind="persona")
    }
    wanted = list(personas) if agents is None else list(dict.fromkeys(agents))
    if unknown := [each for each in wanted if each not in personas]:
        some = ", ".join(list(personas)[:5])
        raise InterviewError(f"no agent {unknown[0]!r} in {run.path}\n  there are {len(personas)}: {some}, …")
    if not wanted:
        raise InterviewError(f"{run.path} stopped before anybody was in it\n  go on with it: recloop resume {run.path}")
    if sample is not None:
        drawn = sorted(wanted, key=lambda each: uniform(run.manifest.seed, "interview", each))[:sample]
        wanted = [each for each in wanted if each in set(drawn)]
    reference = next((event.data for event in run.events(kind="reference")), {})
    titles = reference.get("titles") or {}
    pages: dict[str, list[Mapping[str, Any]]] = {each: [] for each in wanted}
    for event in run.events(kind="page", agent=wanted[0] if len(wanted) == 1 else None):
        if event.agent in pages and event.page < until:
            pages[event.agent].append(event.data)
    return [
        Visitor(
            personas[each],
            _memories(run, edits, each, pages[each], titles),
            len(pages[each]),
            [titles.get(item, item) for item in personas[each].liked],
        )
        for each in wanted
    ]


def _memories(
    run: Run, edits: Edits, agent: str, pages: Sequence[Mapping[str, Any]], titles: Mapping[str, str]
) -> list[str]:
    """What is remembered, oldest first: the agent's state after these pages; where that has been pruned away, or a scripted
    user has none, what its pages say."""
    from ..runs.checkpoints import places

    if pages and places(run.log, agent, ""):
        for each in run.saver().list({"configurable": {"thread_id": agent, "checkpoint_ns": ""}}):  # newest first
            values = each.checkpoint["channel_values"]
            if values.get("page") == len(pages) - 1:
                memory = edits.state(agent, len(pages), values).get("memory", values["memory"])
                return [str(record[2]) for record in memory.get("records", ())]
    return list(_told(pages, titles))


def _told(pages: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> Iterator[str]:
    def named(action: Mapping[str, Any]) -> str:
        rating = action.get("rating")
        name = one_line(titles.get(action["item"], action["item"]), LONGEST_TITLE)
        return name if rating is None else f"{name} (rated {rating:g})"

    for number, page in enumerate(pages, 1):
        if page["memories"]:
            yield from (str(memory["text"]) for memory in page["memories"])
        elif page["actions"]:
            done = "; ".join(named(a) for a in page["actions"] if a.get("positive")) or "nothing"
            passed = "; ".join(named(a) for a in page["actions"] if not a.get("positive"))
            yield f"Page {number}: chose {done}" + (f"; passed over {passed}." if passed else ".")


def _side_file(path: Path) -> Path:
    file = path / FILE
    if file.is_symlink():
        raise InterviewError(f"{file} is a symbolic link; answers are not written through one\n  --no-keep writes none")
    try:
        file.open("a", encoding="utf-8").close()
    except OSError as error:
        raise InterviewError(f"{file} cannot be written ({error.strerror})\n  --no-keep writes none") from None
    return file


def _write(file: Path | None, answer: Answer, schema: str | None) -> None:
    """One line at the end of the file, at once: what has been answered outlives whatever comes next."""
    if file is not None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(answer) | {"schema": schema}, ensure_ascii=False) + "\n")
