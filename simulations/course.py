"""The course of a rehearsal: from where its log stands to the end, page by page, each committed before the next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mesa

from ..agents.actions import ActionSet
from ..agents.ask import BudgetReached
from ..agents.personas import Persona
from ..llm import Door, ModelConfigError, Prompt
from ..runs import DiskFull, Event, Run
from ..runs.progress import Progress
from .minds import GraphMind, ReplayMind
from .players import players, scripted_mind
from .population import Mind, PageRecord, Population
from .preparation import Prepared
from .stopping import EndpointLost, Watch, WatchStopped, answered, reachable

if TYPE_CHECKING:
    from .debugging.staging import Staging


@dataclass
class Course:
    """A run, what was prepared for it, and who looks on. `recording`: the run that this one replays."""

    run: Run
    prepared: Prepared
    door: Door | None
    prompts: Mapping[str, Prompt]
    progress: Progress
    population: type[Population] = Population
    recording: Run | None = None
    watch: Watch | None = None
    api_key: str | None = None
    """For a model that an edit names."""

    async def carry_out(self) -> None:
        """Drive to the end (a replay: to the end of its recording) and leave the run in a state that says what happened."""
        run, recording = self.run, self.recording
        try:
            await self._drive()
            if recording is not None:
                run.calls.adopt(recording.calls)
            run.write_tables()
            run.set_status("finished", "")
        except (BudgetReached, EndpointLost, WatchStopped) as stop:
            run.set_status("paused", str(stop))
        except (asyncio.CancelledError, KeyboardInterrupt):
            run.set_status("paused", "interrupted")
            raise
        except ModelConfigError as wrong:  # mended outside of the run: a key
            run.set_status("paused", str(wrong))
            raise
        except DiskFull:
            raise  # the run's own exit says so, if there is room to
        except Exception as error:
            run.set_status("failed", f"{type(error).__name__}: {error}")
            raise

    async def _drive(self) -> None:
        run, prepared, config = self.run, self.prepared, self.prepared.config
        staging = self._staging()
        try:
            personas, mind, setup = await self._mind(staging)
            if run.barrier < 0:
                reference = prepared.reference if staging is None else staging.reference()
                events = [Event("reference", data=reference), *setup]
                events += [Event("persona", agent=p.user, data=p.json_dict()) for p in personas]
                if staging is not None:
                    events = staging.as_recorded(0, events)
                run.commit(0, events=events, states={"clock": {"page": 0}})
            population = self.population(
                personas,
                prepared.policy if staging is None else staging.policy,
                mind,
                prepared.world.actions,
                pages=config.pages,
                seed=config.seed,
                interviews=config.interviews,
            )
            try:
                await self._restore(population)
                active = len(population.active_users())
                self.progress.stage("browsing", population.pages * len(personas))
                self.progress.advance(population.pages * (len(personas) - active) + population.page * active)
                await self._browse(population, staging)
                for (
                    line
                ) in prepared.policy.problems:  # what was dropped from a recommender's answers is told, not hidden
                    run.note(line)
                    self.progress.note(line)
            finally:
                mesa.Agent._ids.pop(population, None)  # Mesa counts agents there, and would keep every model alive
        finally:
            if staging is not None:
                await staging.close()

    def _staging(self) -> Staging | None:
        """What a fork and its edits make of all this; None for a run that is none and has none."""
        source = self.recording or self.run
        if source.fork is None and (source.barrier < 0 or next(source.events(kind="edit"), None) is None):
            return None
        from .debugging.staging import Staging

        replayed = self.recording is not None
        return Staging(source, self.prepared, self.door, self.prompts, api_key=self.api_key, replayed=replayed)

    async def _browse(self, population: Population, staging: Staging | None) -> None:
        """Page by page to the end, or to the recording's: think, then commit to the log what Mesa has committed."""
        run, until = self.run, None if self.recording is None else self.recording.barrier
        while not population.finished and (until is None or run.barrier < until):
            await asyncio.sleep(0)  # scripted users wait for nothing: here a cancelled run stops
            active = len(population.active_users())
            records = await population.astep(self.progress.advance)
            if staging is not None:
                records = staging.own(records)
            await reachable(records, self.door)
            page = population.page - 1
            events = [Event("page", agent=user, page=page, data=slim(r, population.actions)) for user, r in records]
            if staging is not None:
                events = staging.as_recorded(population.page, events)
            run.commit(population.page, events=events, states={"clock": {"page": population.page}})
            self.progress.advance((population.pages - population.page) * (active - len(population.active_users())))
            reason = (
                "" if self.watch is None else self.watch(run)
            )  # asked of the last page too: there is something to see
            if reason and not population.finished:
                raise WatchStopped(reason)

    async def _restore(self, population: Population) -> None:
        """Bring the Mesa model to the last barrier from the log alone."""
        run, pages = self.run, dict[int, dict[str, PageRecord]]()
        for event in run.events(kind="page"):
            pages.setdefault(event.page, {})[event.agent] = dict(event.data)
        for page in range(run.barrier):
            await population.restore(pages.pop(page, {}))
        if population.other_past:
            run.note(f"the recommender has changed: {population.other_past}; what was shown stands")
            self.progress.note(f"the recommender has changed since: {population.other_past}")

    async def _mind(self, staging: Staging | None) -> tuple[list[Persona], Mind, list[Event]]:
        """Who the users are, who thinks for them, and what is to be logged of how that was found out."""
        run, prepared, door = self.run, self.prepared, self.door
        config, world, personas = prepared.config, prepared.world, prepared.personas
        if door is None:
            mind = scripted_mind(prepared, personas) if staging is None else staging.scripted()
            return personas, mind if staging is None else staging.mind(mind), []
        found = await players(
            prepared, door, self.prompts, self.progress, lambda node: answered(run, node, len(personas))
        )
        setup = [] if found.calibration is None else [Event("calibration", data=found.calibration)]
        if staging is not None:
            staging.cast(found.asker)
        if door.replay_only:
            return found.personas, ReplayMind(world, found.asker, run.saver(), staging=staging), setup
        # Twice as many as calls in flight: the next ones are ready when a call comes back. A user who waits takes 100 kB.
        mind = GraphMind(world, found.asker, run.saver(), at_once=2 * config.concurrency, staging=staging)
        return found.personas, mind if staging is None else staging.mind(mind), setup


def slim(record: PageRecord, actions: ActionSet) -> PageRecord:
    """A page as the log keeps it: recalled memories by id and score (their texts are in earlier events), and which
    actions were positive (so that tables need not know the action set)."""
    recalled = [{"id": r["id"], "score": r["score"]} for r in record["recalled"]]
    acted = [{**a, "positive": actions[a["action"]].positive} for a in record["actions"]]
    return {**record, "recalled": recalled, "actions": acted}
