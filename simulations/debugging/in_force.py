"""The edits that are in force in a run: what they make of a person, a state, a slate, a prompt, on a page.

All follows from the run's `edit` events, so a fork that goes on, one that is resumed after a kill and a replay of it
see the same. An event's page is the first that the edit bears on; its node says `once` where that is the only one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...agents.actions import Exposure, Slate
from ...agents.memory import Memory
from ...agents.personas import Persona
from ...llm.fence import fence, one_line
from ...runs import Event
from .edits import (
    LASTING,
    AnswerEdit,
    ConfigEdit,
    Edit,
    MemoryEdit,
    ModelEdit,
    PromptEdit,
    SlateEdit,
    StateEdit,
    TraitEdit,
    read,
)

if TYPE_CHECKING:
    from ...agents.embedding import Embed
    from ...runs import Run

KIND = "edit"
BY_HAND = "by hand"
"""The policy of a slate that nobody recommended."""
USUAL = 5
"""Importance of a memory put in without one."""
WHOLE = frozenset({"watched", "bad_pages"})
"""Fields of the state that are counts."""


class InForce(NamedTuple):
    """An edit and the page from which, or on which alone, it bears."""

    page: int
    edit: Edit


def event_of(edit: Edit, page: int) -> Event:
    """The edit as the log keeps it."""
    node = "" if isinstance(edit, LASTING) else "once"
    return Event(KIND, agent=edit.agent, page=page, node=node, data=edit.json_dict())


class Edits:
    """The edits of a run, of those it was forked from too, in the order in which they were made."""

    def __init__(self, found: Iterable[InForce] = ()) -> None:
        self.all: tuple[InForce, ...] = tuple(found)
        self._of: dict[str, tuple[InForce, ...]] = {}
        self._named = {each.edit.agent for each in self.all}
        self._settings: dict[str, list[tuple[int, ConfigEdit]]] = {}
        for at, edit in self.all:
            if isinstance(edit, ConfigEdit):
                self._settings.setdefault(edit.key, []).append((at, edit))

    @classmethod
    def of(cls, run: Run, *, own: bool = False) -> Edits:
        """All of a run, or (`own`) those that were made with this fork. Raises `DebugError` for an event that holds no edit."""
        events = run.events(kind=KIND, since=run.log.first - 1 if own else -1)
        return cls(InForce(event.page, read(event.data, event.agent)) for event in events)

    def __bool__(self) -> bool:
        return bool(self.all)

    def _bearing(self, agent: str, page: int) -> list[Edit]:
        """Those that bear on an agent's page."""
        who = agent if agent in self._named else ""
        if who not in self._of:
            self._of[who] = tuple(each for each in self.all if each.edit.agent in ("", who))
        return [e for at, e in self._of[who] if at == page or (at < page and isinstance(e, LASTING))]

    def persona(self, persona: Persona, page: int) -> Persona:
        """Who somebody is on this page. A field is given as the models of prompts see it: texts stay data."""
        changed = {e.field: e.value for e in self._bearing(persona.user, page) if isinstance(e, TraitEdit)}
        if not changed:
            return persona
        if "rating_tendency" in changed:  # the one text of a person that prompts do not fence themselves
            changed["rating_tendency"] = fenced(str(changed["rating_tendency"]))
        return Persona.model_validate({**persona.json_dict(), **changed})

    def changes_state(self, agent: str, page: int) -> bool:
        """Whether this page begins with another state than the one before ended with."""
        return any(isinstance(each, StateEdit | MemoryEdit) for each in self._bearing(agent, page))

    def state(self, agent: str, page: int, before: Mapping[str, Any], embed: Embed | None = None) -> dict[str, Any]:
        """The channels of an agent's state that are others on this page than `before` has them."""
        changed: dict[str, Any] = {}
        for each in self._bearing(agent, page):
            if isinstance(each, StateEdit):
                changed[each.field] = int(each.value) if each.field in WHOLE else float(each.value)
            elif isinstance(each, MemoryEdit):
                changed["memory"] = remembered(changed.get("memory", before.get("memory") or {}), each, page, embed)
        return changed

    def satisfaction(self, agent: str, page: int, before: float | None) -> float | None:
        """How satisfied an agent comes to this page."""
        found = [e for e in self._bearing(agent, page) if isinstance(e, StateEdit) and e.field == "satisfaction"]
        return float(found[-1].value) if found else before

    def slate(self, agent: str, page: int) -> Slate | None:
        """What an agent is shown on this page, where that was put in by hand: in this order, with certainty."""
        found = [e for e in self._bearing(agent, page) if isinstance(e, SlateEdit)]
        if not found:
            return None
        shown = [
            Exposure(item, slot=place, shown_at=place, propensity=1.0, policy=BY_HAND)
            for place, item in enumerate(found[-1].items)
        ]
        return Slate(agent, page, tuple(shown))

    def prompts(self, agent: str, page: int) -> dict[str, str]:
        """Name -> text of the prompts that are others for an agent on this page."""
        return {e.name: e.text for e in self._bearing(agent, page) if isinstance(e, PromptEdit)}

    def model(self, agent: str, page: int) -> str | None:
        """The model that answers for an agent on this page, where it is not the run's own."""
        found = [e.model for e in self._bearing(agent, page) if isinstance(e, ModelEdit)]
        return found[-1] if found else None

    def settings(self, agent: str, page: int) -> dict[str, Any]:
        """Settings that are not in force for an agent on this page (it lives in another line of forks, or they came later),
        with what is: by name; empty where all are."""
        found: dict[str, Any] = {}
        for key, made in self._settings.items():
            bearing = [each for at, each in made if at <= page and each.agent in ("", agent)]
            if not bearing or bearing[-1].value != made[-1][1].value:
                found[key] = bearing[-1].value if bearing else made[0][1].was
        return found

    def begun(self, setting: str, now: Any) -> Any:
        """What a setting was before the first edit of it; `now` where there is none."""
        made = self._settings.get(setting)
        return made[0][1].was if made else now

    def epoch(self, page: int) -> int:
        """The last page, up to this one, from which on people are others; 0: as it began."""
        return max((at for at, each in self.all if isinstance(each, TraitEdit) and at <= page), default=0)

    @property
    def answers(self) -> list[InForce]:
        """The calls that were answered by hand."""
        return [each for each in self.all if isinstance(each.edit, AnswerEdit)]


def remembered(memory: Mapping[str, Any], edit: MemoryEdit, page: int, embed: Embed | None = None) -> dict[str, Any]:
    """A memory's state with an edit done to it. A memory that is put in counts as one of the page before."""
    if edit.do == "add":
        mind = Memory.from_json(memory, embed=embed)
        mind.write(edit.of, one_line(edit.text), page=max(0, page - 1), importance=edit.importance or USUAL)
        return mind.json()

    rows = [list(row) for row in memory.get("records", ()) if not (edit.do == "drop" and row[0] == edit.id)]
    for row in rows:
        if row[0] == edit.id:
            row[2:4] = (
                one_line(edit.text),
                edit.importance or row[3],
            )  # as `Memory.json` has it: id, kind, text, importance
    return {**memory, "records": rows}


def fenced(text: str) -> str:
    """A person's words where a prompt has no fence of its own for them."""
    return fence(one_line(text), "tendency")
