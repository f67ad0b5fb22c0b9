"""Agents: who simulated users are, what they remember, and the LangGraph graph in which they live a page.

    personas.py, traits.py, trait_texts.py, tastes.py, llm_tastes.py   who a user is, from training rows alone
    memory.py, embedding.py                                            what a user remembers, and how it comes back
    fatigue.py, satisfaction.py                                        how a user tires, and how content they are
    actions.py, action_sets.py                                         slates, actions, decisions as data; what a page offers
    user_graph.py, user_steps.py, user_state.py                        observe, react, remember, reflect, decide
    ask.py, ask_generate.py, ask_score.py, ask_preference.py, answers.py   who answers for the user: text, or likelihoods
    calibration.py, calibration_items.py, rating_calibration.py        what a small model's likelihoods mean
    scripted.py, affinity.py, planted.py                               users without a model; planted truth for controls
    questions.py, unmet.py                                             questions from outside; items that a user never met
    randomness.py                                                      chance from (seed, user, page), never from a shared stream
    prompts/                                                           one file per question asked of a model

A new kind of agent is a graph file beside `user_graph.py`, its steps as plain functions. The names below load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .action_sets import ActionSet, ActionSpec, action_set, add_to
    from .actions import Action, Decision, Exposure, Slate
    from .ask import Asker, BudgetReached, Reaction, World
    from .ask_generate import GenerateAsker
    from .ask_score import ScoreAsker, ScoreReader
    from .memory import Memory, MemoryConfig
    from .personas import Persona, build_personas, load_personas, sample_users, save_personas
    from .scripted import ScriptedConfig, ScriptedPopulation
    from .traits import Traits
    from .user_graph import page_graph
    from .user_state import UserState, new_state, page_input
    from .user_steps import UserContext

_LAZY = {
    "Action": "actions",
    "ActionSet": "action_sets",
    "ActionSpec": "action_sets",
    "Asker": "ask",
    "BudgetReached": "ask",
    "Decision": "actions",
    "Exposure": "actions",
    "GenerateAsker": "ask_generate",
    "Memory": "memory",
    "MemoryConfig": "memory",
    "Persona": "personas",
    "Reaction": "ask",
    "ScoreAsker": "ask_score",
    "ScoreReader": "ask_score",
    "ScriptedConfig": "scripted",
    "ScriptedPopulation": "scripted",
    "Slate": "actions",
    "Traits": "traits",
    "UserContext": "user_steps",
    "UserState": "user_state",
    "World": "ask",
    "action_set": "action_sets",
    "add_to": "action_sets",
    "build_personas": "personas",
    "load_personas": "personas",
    "new_state": "user_state",
    "page_graph": "user_graph",
    "page_input": "user_state",
    "sample_users": "personas",
    "save_personas": "personas",
}

__all__ = [
    "Action",
    "ActionSet",
    "ActionSpec",
    "Asker",
    "BudgetReached",
    "Decision",
    "Exposure",
    "GenerateAsker",
    "Memory",
    "MemoryConfig",
    "Persona",
    "Reaction",
    "ScoreAsker",
    "ScoreReader",
    "ScriptedConfig",
    "ScriptedPopulation",
    "Slate",
    "Traits",
    "UserContext",
    "UserState",
    "World",
    "action_set",
    "add_to",
    "build_personas",
    "load_personas",
    "new_state",
    "page_graph",
    "page_input",
    "sample_users",
    "save_personas",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
