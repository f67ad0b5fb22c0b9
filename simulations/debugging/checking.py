"""Whether edits can be: held against the run that is forked, before anything is written."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_origin

from pydantic import ValidationError

from ...agents.ask_generate import PLANS, load_prompts
from ...agents.ask_score import NODES as SCORE_NODES
from ...agents.personas import Persona
from ...llm import PromptError
from ...runs import CallRecord, Event, Run
from ...runs.redact import redact
from ..config import SimulateConfig, SimulateError, checked
from .callviews import fits
from .edits import AnswerEdit, ConfigEdit, Edit, MemoryEdit, ModelEdit, PromptEdit, SlateEdit, StateEdit, TraitEdit
from .errors import DebugError
from .in_force import Edits, event_of
from .near import near, near_or_all
from .reading import known_agent, titles

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE = {"satisfaction": (1.0, 10.0), "watched": (0.0, 1e6), "bad_pages": (0.0, 2.0)}
"""Field of the state -> the least and the most that it can be."""
SETTINGS = frozenset(
    {
        *("pages", "page_size", "interviews", "shuffle_slots", "recommender", "recommender_config"),
        *("fatigue", "show_mean", "memory", "chance", "watch_rate", "say"),
        *("budget", "price", "concurrency", "timeout", "base_url"),
    }
)
"""Settings that can change on the way; all others say who the people are, and what was before the first page."""
FOR_SCRIPTED = ("activity", "conformity", "diversity")
"""What scripted users go by."""
MANY = 200
"""Agents beyond whom a memory that is not there is not looked for before the fork."""


class Plan(NamedTuple):
    """A fork that can be made."""

    agents: tuple[str, ...]
    """Those who live on otherwise; empty: everybody."""
    events: list[Event]
    config: dict[str, Any]
    """Settings in place of the parent's."""
    notes: list[str]


def plan(run: Run, page: int, edits: Sequence[Edit], agents: Sequence[str] | None) -> Plan:
    """What a fork with these edits comes to. Raises `DebugError` for what cannot be."""
    check = _Check(run, page)
    for each in [*(agents or ()), *(edit.agent for edit in edits if edit.agent)]:
        known_agent(run, each)
    owned = [check.owned(edit) for edit in edits]
    named = [edit.agent for edit in owned if edit.agent]
    touched = tuple(dict.fromkeys(named if agents is None else agents))
    if outside := sorted(set(named) - set(touched)):
        raise DebugError(f"{outside[0]} is edited, and is not among those who live on\n  name it among the agents too")
    if set(touched) == set(check.personas):
        touched = ()
    check.independent(touched)
    check.here(touched)
    settled = [check.settled(edit, touched) for edit in owned]
    events = [event_of(each, check.page_of(each)) for edit in settled for each in _owners(edit, touched)]
    config = {edit.key: edit.value for edit in settled if isinstance(edit, ConfigEdit)}
    check.recommends(config)
    return Plan(touched, events, config | check.interviews(config), check.notes)


def _owners(edit: Edit, touched: Sequence[str]) -> list[Edit]:
    """The edit, once for each agent whose it is; one of everybody where everybody lives on."""
    if edit.agent or not touched:
        return [edit]
    return [edit.model_copy(update={"agent": agent}) for agent in touched]


class _Check:
    """One run and the page before which it is forked."""

    def __init__(self, run: Run, page: int) -> None:
        self.run, self.page, self.notes = run, page, list[str]()
        self.config = checked(run.manifest.config)
        self.personas: Mapping[str, Mapping[str, Any]] = {e.agent: e.data for e in run.events(kind="persona")}
        self.before = Edits.of(run)

    @property
    def mode(self) -> str:
        """Who decides: `scripted`, `score` or `generate`."""
        if self.config.scripted or self.config.mode != "auto":
            return "scripted" if self.config.scripted else self.config.mode
        return "score" if next(self.run.events(kind="calibration"), None) else "generate"

    def independent(self, touched: Sequence[str]) -> None:
        """Raises where some agents cannot do what they did while others do not."""
        if touched and self.config.refit_every:
            raise DebugError(
                f"agents of {self.run.path} are not independent: its recommender learns from all of them every "
                f"{self.config.refit_every} pages\n  fork everybody: leave the agents out, of the edits too"
            )

    def here(self, touched: Sequence[str]) -> None:
        """Raises where one of these has left before the page."""
        for agent in touched:
            row = self.run.log.row(
                "SELECT max(page) FROM events WHERE kind = 'page' AND agent = ? AND page < ?", (agent, self.page)
            )
            seen = -1 if row is None or row[0] is None else row[0]
            data = next((e.data for e in self.run.events("page", agent) if e.page == seen), None) if seen >= 0 else None
            if seen < self.page - 1 or (data is not None and not data["decision"]["next"]):
                raise DebugError(
                    f"{agent} is not there any more on page {self.page}: page {max(seen, 0)} was their last\n"
                    f"  fork at page {max(seen, 0)} or before"
                )

    def owned(self, edit: Edit) -> Edit:
        """An edit of one call is of whose call it is, and names it in full."""
        if not isinstance(edit, AnswerEdit):
            return edit
        call = self.call(edit.key)
        if edit.agent and edit.agent != call.agent:
            raise DebugError(
                f"call {edit.key[:12]} is one of {call.agent!r}, not of {edit.agent!r}\n  leave AGENT: out"
            )
        return edit.model_copy(update={"agent": call.agent, "key": call.key})

    def call(self, key: str) -> CallRecord:
        """A call by its key or an unambiguous beginning. Raises `DebugError`."""
        low = key.lower()
        rows = self.run.log.rows("SELECT key FROM calls WHERE key >= ? AND key < ? LIMIT 2", (low, low + "\U0010ffff"))
        if not low or len(rows) != 1:
            what = "names no call" if not rows else "begins several keys"
            raise DebugError(f"{key[:64]!r} {what} of {self.run.path}\n  an agent's page names the keys of its calls")
        found = self.run.calls.get(rows[0][0])
        assert found is not None
        if not found.agent or found.page < self.page:
            where = "before the first page" if found.page < 0 else f"on page {found.page}"
            raise DebugError(
                f"call {found.key[:12]} was made {where}, and the fork begins at page {self.page}\n"
                "  fork at the call's own page, or before"
            )
        return found

    def page_of(self, edit: Edit) -> int:
        """The first page that an edit bears on."""
        return self.call(edit.key).page if isinstance(edit, AnswerEdit) else self.page

    def settled(self, edit: Edit, touched: Sequence[str]) -> Edit:
        """The edit as it will be in force. Raises `DebugError`."""
        if isinstance(edit, TraitEdit | ConfigEdit) and not finite(edit.value):
            raise DebugError(f"{edit.written[:100]!r} is beyond all numbers\n  another value")
        if isinstance(edit, TraitEdit):
            return self._trait(edit, [edit.agent] if edit.agent else touched or list(self.personas))
        if isinstance(edit, ConfigEdit):
            return self._config(edit, touched)
        if isinstance(edit, MemoryEdit):
            self._memory(edit, [edit.agent] if edit.agent else touched)
        elif isinstance(edit, StateEdit):
            self._state(edit)
        elif isinstance(edit, SlateEdit):
            self._slate(edit)
        elif isinstance(edit, PromptEdit):
            self._prompt(edit)
        elif isinstance(edit, ModelEdit):
            self._model(edit)
        else:
            self._answer(edit)
        return edit

    def _trait(self, edit: TraitEdit, agents: Sequence[str]) -> Edit:
        fields = [name for name in Persona.model_fields if name != "user"]
        if edit.field not in fields:
            raise DebugError(f"a persona has no field {edit.field[:60]!r}\n  {near_or_all(edit.field, fields)}")
        if self.mode == "scripted" and edit.field not in FOR_SCRIPTED:
            raise DebugError(
                f"scripted users do not go by {edit.field}\n  they go by {', '.join(FOR_SCRIPTED)}, and by what they chose"
            )
        value = edit.value
        if isinstance(value, str) and get_origin(Persona.model_fields[edit.field].annotation) is tuple:
            value = [value]
        settled = edit.model_copy(update={"value": value})
        try:
            Persona.model_validate({**self.personas[agents[0]], edit.field: value})
        except ValidationError as error:
            about = Persona.model_fields[edit.field].metadata
            ends = [getattr(each, end) for end in ("ge", "le") for each in about if hasattr(each, end)]
            hint = f"it goes from {ends[0]} to {ends[1]}" if len(ends) == 2 else error.errors()[0]["msg"]
            raise DebugError(f"{edit.field} cannot be {json.dumps(value)[:60]}\n  {hint}") from None
        return settled

    def _memory(self, edit: MemoryEdit, agents: Sequence[str]) -> None:
        if self.mode == "scripted":
            raise DebugError("scripted users remember nothing\n  they go by traits and satisfaction")
        if edit.do != "drop" and not edit.text.strip():
            raise DebugError("a memory without words is none\n  to take one out: memory drop N")
        if edit.do == "add":
            return
        if not agents:
            raise DebugError(
                f"{edit.written!r} is of one person: memories are numbered for each\n  say whose: AGENT: {edit.written}"
            )
        for agent in agents[:MANY]:
            there = {row[0]: row[2] for row in self.memory(agent).get("records", ())}
            if edit.id not in there:
                shown = "; ".join(f"{id} {text[:40]!r}" for id, text in list(there.items())[-5:])
                raise DebugError(
                    f"{agent} has no memory {edit.id} before page {self.page}\n  "
                    + (f"the newest are: {shown}" if there else "there are none yet")
                )

    def memory(self, agent: str) -> Mapping[str, Any]:
        """An agent's memory before the page."""
        return state_before(self.run, agent, self.page).get("memory") or {}

    def _state(self, edit: StateEdit) -> None:
        fields = ["satisfaction"] if self.mode == "scripted" else list(STATE)
        if edit.field not in fields:
            raise DebugError(
                f"no field {edit.field[:60]!r} of the state can be set\n  {near_or_all(edit.field, fields)}"
            )
        low, high = STATE[edit.field]
        if not low <= edit.value <= high or (edit.field != "satisfaction" and edit.value % 1):
            raise DebugError(f"{edit.field} cannot be {edit.value:g}\n  it goes from {low:g} to {high:g}")

    def _slate(self, edit: SlateEdit) -> None:
        there = titles(self.run)
        for item in edit.items:
            if item not in there:
                alike = near(item, there) or f"there are {len(there):,} items in the catalogue"
                raise DebugError(f"no item {item[:60]!r} in this run's catalogue\n  {alike}")
        if len(set(edit.items)) < len(edit.items) or not edit.items:
            raise DebugError("a page shows an item once, and at least one\n  slate = ITEM,ITEM,...")

    def _prompt(self, edit: PromptEdit) -> None:
        if self.mode == "scripted":
            raise DebugError("scripted users read no prompts\n  they go by traits and satisfaction")
        names = SCORE_NODES if self.mode == "score" else PLANS[self.config.plan]
        if edit.name not in names:
            raise DebugError(f"no prompt {edit.name[:60]!r} is read on a page here\n  {near_or_all(edit.name, names)}")
        try:
            load_prompts({}, (edit.name,))[edit.name].with_text(edit.text, f"prompt {edit.name}")
        except PromptError as error:
            raise DebugError(str(error)) from None
        if self.mode == "score":
            self.notes.append("margins were calibrated with the prompts that the run began with")

    def _model(self, edit: ModelEdit) -> None:
        from ...llm.opening import SPELLINGS

        if self.mode != "generate" or edit.model == "scripted":
            why = {
                "scripted": "nobody in this run asks a model, and has no memory that one could go by",
                "score": "the margins of this run were learnt from its own model, before the first page",
            }.get(self.mode, "scripted users are of another kind")
            raise DebugError(f"no other model can go on: {why}\n  rehearse anew: recloop simulate --model …")
        if not re.search(r"[/:][^/:\s]", edit.model):
            raise DebugError(f"no model {edit.model[:60]!r}\n  write it as one of {SPELLINGS}")
        if redact({"model": edit.model}) != {"model": edit.model}:
            raise DebugError(
                "a model's address with a password in it would be written down\n  give keys by environment"
            )

    def _config(self, edit: ConfigEdit, touched: Sequence[str]) -> Edit:
        if edit.agent:
            raise DebugError(f"a setting is of the whole fork, not of {edit.agent!r}\n  leave AGENT: out")
        if edit.key not in SimulateConfig.model_fields:
            raise DebugError(f"no such setting: {edit.key[:60]!r}\n  {near_or_all(edit.key, sorted(SETTINGS))}")
        if edit.key not in SETTINGS:
            raise DebugError(
                f"{edit.key} stands from the beginning of a rehearsal\n"
                f"  what can change on the way: {', '.join(sorted(SETTINGS))}"
            )
        if edit.key == "watch_rate" and self.mode == "score":
            raise DebugError("watch_rate is what margins were calibrated to, before the first page\n  rehearse anew")
        try:
            new = checked({**self.run.manifest.config, edit.key: edit.value})
        except SimulateError as error:
            raise DebugError(str(error)) from None
        if edit.key == "pages" and new.pages <= self.page:
            raise DebugError(
                f"a fork that begins at page {self.page} cannot end after {new.pages} pages\n  give more than {self.page}"
            )
        if edit.key in ("pages", "interviews") and touched:
            raise DebugError(
                f"{edit.key} is of everybody: those who do what they did keep what they had\n  leave the agents out"
            )
        value = new.model_dump(mode="json")[edit.key]
        if edit.key == "interviews":  # those that have been stand
            had = [after for after in self.config.interviews if after <= self.page]
            value = sorted({*had, *(after for after in value if after > self.page)})
        was = self.run.manifest.config.get(
            edit.key, SimulateConfig.model_fields[edit.key].get_default(call_default_factory=True)
        )
        kept = redact({"value": {edit.key: value}, "was": {edit.key: was}})
        return edit.model_copy(update={"value": kept["value"][edit.key], "was": kept["was"][edit.key]})

    def recommends(self, config: Mapping[str, Any]) -> None:
        """Raises for a recommender, or settings of one, that there is none of."""
        from ...methods.recommenders import RecommenderError, open_recommender

        if config.keys() & {"recommender", "recommender_config"}:
            new = checked({**self.run.manifest.config, **config})
            try:
                open_recommender(new.recommender, seed=new.seed, config=new.recommender_config or None)
            except RecommenderError as error:
                raise DebugError(str(error)) from None

    def interviews(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """More pages after what was the last one: everybody was interviewed there, and that stands."""
        if "pages" not in config or self.page < self.config.pages:
            return {}
        return {"interviews": sorted({*(config.get("interviews") or self.config.interviews), self.config.pages})}

    def _answer(self, edit: AnswerEdit) -> None:
        record_of(self.call(edit.key), edit.text)


def finite(value: Any) -> bool:
    """Whether a value is JSON without infinities and numbers that are none."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def record_of(call: CallRecord, text: str) -> CallRecord:
    """The call with this answer in place of its own; it took nothing. Raises `DebugError` for scores of another shape."""
    from dataclasses import replace

    said: dict[str, Any]
    status = "ok"
    if call.kind == "score":
        said = {"values": _scores(call, text), "floored": 0, "model": call.model}
    else:
        said = {"text": text, "finish_reason": "stop", "model": call.model}
        status = "ok" if fits(text, call.request.get("schema")) else "parse_fail"
    took: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0, "latency": 0.0, "attempts": 0}
    return replace(call, response=said, status=status, error="", at=0.0, **took)


def _scores(call: CallRecord, text: str) -> list[list[float]]:
    sizes = [len(labels) for _, labels, *_ in call.request["questions"]]
    try:
        values = json.loads(text)
        values = values["values"] if isinstance(values, dict) else values
        rows = [[float(value) for value in row] for row in values]
        rows = rows if finite(rows) else []
    except (ValueError, TypeError, KeyError, RecursionError):
        rows = []
    if [len(row) for row in rows] != sizes:
        raise DebugError(
            f"the answer to call {call.key[:12]} is log-probabilities\n"
            f"  give JSON: {len(sizes)} lists of {', '.join(map(str, sizes[:8]))}{', …' * (len(sizes) > 8)} numbers"
        )
    return rows


def state_before(run: Run, agent: str, page: int) -> dict[str, Any]:
    """What an agent was before `page`, as its graph kept it; empty where it had seen nothing (or that was pruned)."""
    row = run.log.row(
        "SELECT id FROM checkpoints WHERE thread = ? AND ns = '' AND barrier <= ? ORDER BY barrier DESC, id DESC LIMIT 1",
        (agent, page),
    )
    if row is None or page == 0:
        return {}
    place = {"thread_id": agent, "checkpoint_ns": "", "checkpoint_id": row[0]}
    found = run.saver().get_tuple({"configurable": place})
    values = {} if found is None else dict(found.checkpoint["channel_values"])
    return values if values.get("page") == page - 1 else {}
