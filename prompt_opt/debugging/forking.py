"""Forks of a search. An optimizer is a function of the answers it was sent, so a fork is: the recorded answers up to a step,
an edit, and on. Before a fork is made the search is run again over those answers, without a call: whatever the edit changes
must begin where the fork leaves, and an edited candidate must pass the guards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ...runs import Event, Manifest, Run, RunError, fork_run, forks_of
from ...runs.folders import folder_size, run_info
from ...runs.overlay import FORKS
from ...runs.progress import Silent
from .. import journal as log
from ..account import Account
from ..asked import OptimizeConfig, checked, configured, opened_for, seed_texts_of
from ..by_hand import edited, opened_before
from ..candidate import Candidate
from ..conductor import Conductor
from ..errors import OptimizeError, SearchChanged
from ..guards import problems
from ..history import read_history
from ..search import first_candidate, make_context
from ..splits import draw_splits
from ..steps import Choice
from .edits import CandidateEdit, Edit, SettingEdit, parse
from .errors import DebugError
from .showing import check_search, full_id, left_at, own_edits, steps_of, written
from .views import SearchFork

ANY_STEP = frozenset({"optimizer", "optimizer_options", "selector", "as_released", "metric", "approve"})
AT_THE_START = frozenset({"model", "base_url", "price", "proposer_model", "proposer_base_url", "proposer_price"})
"""Settings that a fork before step 0 may change: scores of two models are not comparable, and a replay asks one of them."""
STALE = "the sealed test split had been opened before this fork was made: its verdict is no fresh test"


class Reenacted(Conductor):
    """The search up to a step, from its recording: nothing is asked, nothing is written."""

    def _commit(self, events: list[Event], stopped: str = "") -> None:
        self.n += 1

    def _end(self, choice: Choice) -> None:
        self.current, self.choice = None, choice

    def problems_of(self, candidate: str) -> list[str]:
        """Why the guards keep a candidate out that enters here; empty where they do not."""
        refused = [e for e in self._aside if e.kind == log.REFUSED and e.agent == candidate]
        return list(refused[0].data["problems"]) if refused else []


@asynccontextmanager
async def reenacted(
    run: Run, config: OptimizeConfig, upto: int, edits: Sequence[Event] = ()
) -> AsyncIterator[Reenacted]:
    """The search of `run`, as `config` has it, up to step `upto`, with edits put in. Raises `DebugError` where it parts from
    the recording before."""
    same = all(
        getattr(config, name) == run.manifest.config.get(name) for name in ("model", "proposer_model", "base_url")
    )
    async with opened_for(config, "not-used", "not-used", replay_of=run, ask=same) as opened:
        splits = draw_splits(opened.task, config.sizes, config.seed)
        first = first_candidate(opened.task, seed_texts_of(config, opened.task))
        account = Account(None, 0, first.id)
        context = make_context(
            opened.task, splits, first, config.seed, can_write=not opened.proposer.abilities.plumbing_grade,
            proposer=opened.proposer.name, remaining=account.remaining,
        )  # fmt: skip
        opened.optimizer.forecast(context)
        again = Reenacted(
            run, opened.task, context, opened.optimizer.search(context), splits, account,
            model=opened.model, proposer=opened.proposer, approve=config.approve, progress=Silent(),
        )  # fmt: skip
        again.journal.steps = {n: events for n, events in again.journal.steps.items() if n < upto}
        again.journal.choice = None
        again.by_hand.put(edits)
        try:
            again.begin()
        except SearchChanged:
            raise _parts(again.n, upto) from None
        if again.n < upto:
            raise _parts(again.n, upto)
        yield again


def _parts(step: int, upto: int) -> DebugError:
    return DebugError(
        f"so changed, the search parts from its recording at step {step}, before step {upto}\n"
        f"  fork it before step {step} or earlier"
    )


def _config(run: Run) -> OptimizeConfig:
    if not configured(run.manifest):
        raise DebugError(
            f"{run.path} was started from Python: no setting names its task and optimizer, so nothing goes on from here\n"
            "  it can be looked at; searches that `recloop optimize` or optimize_as(...) began can be forked"
        )
    return checked(run.manifest.config)


async def check_texts(run: Run, candidate: str, texts: Mapping[str, str]) -> dict[str, str]:
    """A person's texts in place of a candidate that is to be accepted; all of them. Raises `DebugError` for what the guards
    refuse."""
    original = read_history(run).candidates[candidate]
    texts = _parts_of(original, texts)
    mine = edited(original, texts, "")
    async with reenacted(run, _config(run), steps_of(run)) as again:
        known = [each for each in again.candidates.values() if each.id != original.id]
        if mine.id not in again.candidates and (wrong := problems(mine, again.context, known)):
            raise _refused(candidate, wrong)
    return dict(mine.texts)


def _refused(candidate: str, wrong: Sequence[str]) -> DebugError:
    return DebugError(
        f"the guards refuse the edited text of {candidate}: it {'; it '.join(wrong)}\n  write it otherwise"
    )


def _parts_of(candidate: Candidate, texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by the names of the candidate's parts; "" names the only one."""
    found: dict[str, str] = {}
    for part, text in texts.items():
        if not part and len(candidate.texts) == 1:
            (part,) = candidate.texts
        if part not in candidate.texts:
            raise DebugError(
                f"candidate {candidate.id} has no text {part!r}\n  it has {', '.join(candidate.texts)}: name one of them"
            )
        found[part] = text
    return found


async def fork(run: Run, step: int | None, edits: Sequence[Edit | str], name: str = "") -> Path:
    """See `SearchDebugger.fork`."""
    check_search(run)
    before = _config(run)
    said = [parse(each) if isinstance(each, str) else each for each in edits]
    step = _leaves(run, step, said)
    changed, events = _settings(run, [each for each in said if isinstance(each, SettingEdit)], step)
    config = checked({**run.manifest.config, **changed})
    mine = _candidates(run, [each for each in said if isinstance(each, CandidateEdit)], step)
    events += [event for event, _ in mine]
    hashes: dict[str, str] = {}
    async with reenacted(run, config, step, [event for event, _ in mine]) as again:
        for _, candidate in mine:
            if wrong := again.problems_of(candidate.id):
                raise _refused(candidate.parents[0], wrong)
            if candidate.id not in again.candidates:
                raise DebugError(f"candidate {candidate.parents[0]} does not enter before step {step} any more")
        if config.metric != before.metric:
            hashes["task"] = again.task.hash
            data = {**next(reversed(list(run.events(kind=log.TASK)))).data, "metric": again.task.metric}
            events.append(Event(log.TASK, data=data))
    stale = bool(opened_before(run)) or run.log.row("SELECT 1 FROM events WHERE kind = ?", (log.OPENED,)) is not None
    notes = ["; ".join([f"forked before step {step}", *(written(event) for event in events if event.kind == log.EDIT)])]
    try:
        return fork_run(
            run.path,
            _barrier(run, step),
            name=name or _free(run.path, f"at-{step}"),
            events=events,
            config=changed,
            hashes=hashes,
            notes=[*notes, *[STALE] * stale],
        )
    except RunError as error:
        raise DebugError(str(error)) from error


def _free(path: Path, first: str) -> str:
    name, number = first, 2
    while (path / FORKS / name).exists():
        name, number = f"{first}-{number}", number + 1
    return name


def _leaves(run: Run, step: int | None, edits: Sequence[Edit]) -> int:
    """The step before which a fork leaves: as given, or where the edited candidate enters."""
    last, first = steps_of(run), left_at(run) or 0
    began = read_history(run).began
    if step is None:
        named = [began.get(full_id(run, each.id), -1) for each in edits if isinstance(each, CandidateEdit)]
        if not named:
            raise DebugError("no step is named\n  say before which one the fork leaves, or look at one first")
        step = max(named)
        if step < 0:
            raise _seed(run)
    if not 0 <= step <= last or run.barrier < 0:
        raise DebugError(f"{run.path} cannot be forked before step {step}\n  it has {last} steps: give 0 to {last}")
    if run.fork is not None and step < first:
        raise DebugError(
            f"{run.path} is itself a fork, and begins at step {first}: what lies before is its parent's\n"
            f"  fork that: {run.fork.parent}"
        )
    return step


def _barrier(run: Run, step: int) -> int:
    """The barrier after which step `step` is the next."""
    if step == 0:
        return 0
    row = run.log.row("SELECT barrier FROM events WHERE kind = ? AND page = ?", (log.STEP, step - 1))
    assert row is not None
    return row[0]


def _settings(run: Run, edits: Sequence[SettingEdit], step: int) -> tuple[dict[str, Any], list[Event]]:
    """The changed settings by their top-level names, and the events that say so."""
    config, changed, events = run.manifest.config, dict[str, Any](), list[Event]()
    for each in edits:
        top, dot, key = each.name.partition(".")
        if each.option:
            top, dot, key = "optimizer_options", ".", each.name
        if top in AT_THE_START and step:
            raise DebugError(
                f"{top} can be changed before step 0 only: scores of two models cannot be compared\n  fork before step 0"
            )
        if top not in ANY_STEP | AT_THE_START:
            known = ", ".join(sorted(ANY_STEP | AT_THE_START))
            hint = "give it to `live`" if top in ("budget", "concurrency") else "begin a new search: recloop optimize"
            raise DebugError(f"a fork cannot change {each.name!r}; it can change {known}\n  {hint}")
        value = each.value
        if dot:
            value = {**dict(changed.get(top, config.get(top) or {})), key: value}
        changed[top] = value
        events.append(
            Event(log.EDIT, "", step, "setting", {"name": each.name, "value": each.value, "written": str(each)})
        )
    try:
        checked({**config, **changed})
    except OptimizeError as error:
        raise DebugError(str(error)) from None
    return changed, events


def _candidates(run: Run, edits: Sequence[CandidateEdit], step: int) -> list[tuple[Event, Candidate]]:
    """Every edited candidate with the event that puts it in."""
    history = read_history(run)
    refused = {each.candidate.id: each for each in history.refused}
    texts: dict[str, dict[str, str]] = {}
    for each in edits:
        id = full_id(run, each.id)
        if id == history.seed_candidate.id:
            raise _seed(run)
        enters = history.began.get(id, refused[id].step if id in refused else -1)
        if enters != step:
            raise DebugError(f"candidate {id} enters before step {enters}, not before step {step}\n  fork there")
        texts.setdefault(id, {})[each.part] = each.text
    found = []
    for id, parts in texts.items():
        original = history.candidates[id] if id in history.candidates else refused[id].candidate
        parts = _parts_of(original, parts)
        mine = edited(original, parts, "")
        if mine.id == id:
            raise DebugError(f"the edited text of {id} is what it was\n  change it")
        data = {"texts": parts, "written": f"candidate {id} {', '.join(parts)}", "becomes": mine.id}
        found.append((Event(log.EDIT, id, step, "candidate", data), mine))
    return found


def _seed(run: Run) -> DebugError:
    return DebugError(
        "the seed prompt is where the search began: every step is held against it\n"
        "  begin a new search at yours: recloop optimize --seed-prompt FILE"
    )


def tree(path: Path) -> SearchFork:
    """The root of a search's forks, with all of them below. Forks that cannot be read are in it, with their status."""
    root = path.resolve()
    while root.parent.name == FORKS and _is_fork(root):
        root = root.parent.parent
    return _branch(root)


def _is_fork(path: Path) -> bool:
    try:
        return Manifest.read(path).fork is not None
    except (RunError, OSError):
        return False


def _branch(path: Path) -> SearchFork:
    info, below = run_info(path), tuple(_branch(each) for each in forks_of(path))
    at, steps, edits, verdict = None, 0, list[str](), ""
    try:
        with Run.open(path) as run:
            at, steps, edits = left_at(run), steps_of(run), [written(event) for event in own_edits(run)]
            verdict = next((str(event.data["text"]) for event in run.events(kind=log.VERDICT)), "")
    except RunError:
        pass  # its status says so
    name = info.manifest.name if info.manifest else path.name
    return SearchFork(path, name, info.status, at, steps, edits, verdict, folder_size(path), below)
