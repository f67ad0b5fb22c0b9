"""Who the users are and who answers for them: tastes and calibration, where a model is asked for them, then the asker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..agents.ask import Asker, World
from ..agents.ask_generate import PLANS, GenerateAsker, load_prompts
from ..agents.ask_score import NODES as SCORE_NODES
from ..agents.ask_score import ScoreAsker, ScoreReader
from ..agents.calibration_items import calibration_sets, withheld_items
from ..agents.fatigue import FatigueConfig
from ..agents.llm_tastes import NODE as TASTES
from ..agents.llm_tastes import PROMPT as TASTES_PROMPT
from ..agents.llm_tastes import llm_tastes
from ..agents.personas import Persona, build_personas
from ..agents.scripted import ScriptedConfig, ScriptedPopulation
from ..llm import Door, Prompt
from ..runs.progress import Progress
from .calibrate import NODE as CALIBRATE
from .calibrate import calibrate
from .config import SimulateConfig, SimulateError
from .minds import ScriptedMind
from .preparation import Prepared
from .settling import all_settled


class Players(NamedTuple):
    """The users of a rehearsal and who answers for them. `calibration`: what score mode's report shows of its own."""

    personas: list[Persona]
    asker: Asker
    calibration: dict[str, Any] | None = None


async def players(
    prepared: Prepared,
    door: Door,
    prompts: Mapping[str, Prompt],
    progress: Progress,
    answered: Callable[[str], None] = lambda node: None,
) -> Players:
    """Ask the model what is asked before the first page. `answered(node)` is called after each round of such calls, and may
    raise where too many of them were lost."""
    config, world, train = prepared.config, prepared.world, prepared.split.train
    if mode_of(config, door) != "score":
        personas = await _tastes(prepared, prepared.personas, door, prompts, progress)
        answered(TASTES)
        return Players(personas, GenerateAsker(door, world, plan=config.plan, prompts=prompts))
    users = [p.user for p in prepared.personas]
    sets = calibration_sets(train, users, config.calibration_items // 2, config.seed)
    personas = build_personas(train, users, withheld=withheld_items(sets))
    personas = await _tastes(prepared, personas, door, prompts, progress)
    answered(TASTES)
    reader = ScoreReader(door, world, prompts, config.reads)
    found = await calibrate(prepared, personas, sets, reader, progress)
    answered(CALIBRATE)
    return Players(personas, ScoreAsker(reader, found.watching, found.ratings, say=config.say), found.report)


def recast(asker: Asker, model: Door, world: World, prompts: Mapping[str, Prompt], *, say: bool) -> Asker:
    """The same asker with another model, world or prompts; what was calibrated before the first page stands."""
    from copy import copy

    if isinstance(asker, GenerateAsker):
        other = copy(asker)
        other.model, other.world, other.prompts = model, world, dict(prompts)
        return other
    assert isinstance(asker, ScoreAsker)
    reader = copy(asker.reader)
    reader.model, reader.world, reader.prompts = model, world, dict(prompts)
    return ScoreAsker(reader, asker.calibration, asker.ratings, say=say)


async def _tastes(
    prepared: Prepared, personas: list[Persona], door: Door, prompts: Mapping[str, Prompt], progress: Progress
) -> list[Persona]:
    """The personas with tastes in the model's words, where that was asked for; withheld rows stay out of them too."""
    config, train = prepared.config, prepared.split.train
    if config.tastes != "llm":
        return personas
    progress.stage("summarising tastes", len(personas))

    async def one(persona: Persona) -> Persona:
        told = await llm_tastes(persona, train, door, seed=config.seed, prompt=prompts[TASTES])
        progress.advance()
        return told

    return await all_settled(one(persona) for persona in personas)


def mode_of(config: SimulateConfig, door: Door | None) -> str:
    """The mode really used: `auto` scores with plumbing-grade models and generates with all others."""
    if door is None:
        return "scripted"
    if config.mode != "auto":
        return config.mode
    return "score" if door.abilities.plumbing_grade else "generate"


def can_play(config: SimulateConfig, door: Door) -> None:
    """Raises `SimulateError` where the model (checked) has not what the mode needs."""
    if mode_of(config, door) != "score":
        return
    if not door.abilities.score:
        raise SimulateError(
            f"{door.name} lists no log-probabilities, so it cannot play users in score mode\n"
            "  take --mode generate, or a local model"
        )
    if config.reads == "title" and door.provider.remote:
        raise SimulateError(
            f"{door.name} lists single next tokens, and --signal title reads whole titles\n"
            "  take --signal yesno, or a local model"
        )


def prompts_of(config: SimulateConfig, mode: str) -> dict[str, Prompt]:
    """The prompts of a mode and plan, the user's files in place of ours. Raises `SimulateError` for a name there is none of."""
    nodes = {"generate": PLANS[config.plan], "score": SCORE_NODES}.get(mode, ())
    tastes = (TASTES,) if config.tastes == "llm" and not config.scripted else ()
    unknown = sorted(set(config.prompts) - {*nodes, *tastes})
    if unknown:
        plan = f", plan {config.plan}" if mode == "generate" else ""
        others = [name for name, own in PLANS.items() if mode == "generate" and set(unknown) & set(own)]
        other = f"; --plan {others[0]} has {', '.join(sorted(set(unknown) & set(PLANS[others[0]])))}" if others else ""
        raise SimulateError(
            f"no prompt named {', '.join(unknown)} in {mode} mode{plan}\n  there are: {', '.join([*nodes, *tastes])}{other}"
            if nodes
            else "scripted users read no prompts\n  leave --prompt out, or name a model with --model"
        )
    prompts = load_prompts(config.prompts, nodes)
    return prompts | {node: Prompt.load(TASTES_PROMPT, override=config.prompts.get(node)) for node in tastes}


def scripted_mind(prepared: Prepared, personas: Sequence[Persona]) -> ScriptedMind:
    """Scripted users in place of a model: the rates and the fatigue are those of the settings."""
    config, (low, high) = prepared.config, prepared.config.watch_rate
    rules = ScriptedConfig(rate_low=low, rate_high=high, fatigue=FatigueConfig(strength=config.fatigue))
    return ScriptedMind(
        prepared.world, ScriptedPopulation(prepared.split.train, personas, rules, config.seed, luck=config.luck)
    )
