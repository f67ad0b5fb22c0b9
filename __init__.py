"""RecLoop: rehearse a recommender or search system with LLM agents before real people meet it.

Floors, lowest first; a folder imports from itself and from lower floors only:

    0  runs/                        run folder, event log, call cassette, checkpoints
    1  llm/  data/                  one door to every model; datasets and splits
    2  evaluators/                  metrics and paired statistics
    3  methods/                     recommenders and methods that agents call
    4  agents/                      personas, memory, the user's LangGraph graph
    5  simulations/  prompt_opt/    Mesa populations and studies; search over prompts
    7  cli/                         the `recloop` command

This module stays light: no heavy package is imported before it is used.
"""

import os

__version__ = "0.1.0"

# litellm otherwise fetches a price map from the network at import (26 s without one).
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
# A run records itself; nothing is sent to a hosted tracer unless the user asks for it.
os.environ.setdefault("LANGSMITH_TRACING", "false")

__all__ = ["__version__"]
