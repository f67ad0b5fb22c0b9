"""The flags of `recloop simulate`: one per setting of `SimulateConfig`, under the same name; those it shares are in `options.py`.

Every flag is None unless given, so that a TOML file's value stays; the defaults stand in the help texts (a test holds them to
the settings' own). A new setting is a new flag here, a parameter of the command, and a row in docs/simulate.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from .options import CARRIED, flag, seed_flag

WHAT, WHO, ASKED, SWITCHES = "What is rehearsed", "Who browses", "Who answers for them", "Switches"


Config: TypeAlias = Annotated[
    Path | None,
    typer.Argument(metavar="CONFIG.toml", help="The same settings as a file; flags win over it.", show_default=False),
]

Data: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="NAME|PATH",
        panel=WHAT,
        text="Data set: a known name (recloop data list), a table, a folder (default: movietweetings).",
    ),
]
Columns: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="ROLE=NAME,...",
        panel=WHAT,
        text="Which column is what: user=uid,item=movie (roles: user, item, rating, time, title, genres, year).",
    ),
]
Core: TypeAlias = Annotated[
    int | None,
    flag(
        metavar="K", panel=WHAT, text="Keep users and items with K rows or more; 0: all (default: the data set's own)."
    ),
]
Split: TypeAlias = Annotated[
    Literal["user_time", "random", "leave_last", "global_time"] | None,
    flag(
        metavar="WAY",
        panel=WHAT,
        text="Hold rows out by user_time, random, leave_last or global_time (default: user_time).",
    ),
]
Test: TypeAlias = Annotated[
    float | None,
    flag(
        metavar="SHARE",
        panel=WHAT,
        text="Rows held out of everything a user or recommender is built from (default: 0.2).",
    ),
]
Recommender: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="SPEC",
        panel=WHAT,
        text="ease, itemknn, pop, random, bpr, ials, lightgcn, multvae; yours: module:object, file.py:object, http://..., a top-k file (default: ease).",
    ),
]
RecommenderConfig: TypeAlias = Annotated[
    list[str] | None,
    flag(
        "--recommender-config",
        metavar="KEY=VALUE",
        panel=WHAT,
        text="A field of its configuration: l2=100 (ease), timeout=30 or auth_env=MY_TOKEN (http), user=uid (file); repeatable.",
    ),
]
RefitEvery: TypeAlias = Annotated[
    int | None,
    flag(
        metavar="K", panel=WHAT, text="Refit the recommender on what was watched every K pages; 0: frozen (default: 0)."
    ),
]

Users: TypeAlias = Annotated[int | None, flag(metavar="N", panel=WHO, text="Simulated users (default: 10).")]
Pages: TypeAlias = Annotated[int | None, flag(metavar="N", panel=WHO, text="Pages each may browse (default: 3).")]
PageSize: TypeAlias = Annotated[int | None, flag(metavar="N", panel=WHO, text="Items on a page (default: 4).")]
Interviews: TypeAlias = Annotated[
    str | None,
    flag(metavar="PAGE,...", panel=WHO, text="Interview everybody after these pages too, not only at the exit."),
]
Seed: TypeAlias = Annotated[int | None, seed_flag(WHO)]
Chance: TypeAlias = Annotated[
    int | None, flag(metavar="N", panel=WHO, text="Another seed for what users do alone: same users, other chance.")
]
Tastes: TypeAlias = Annotated[
    Literal["genres", "llm"] | None,
    flag(panel=WHO, text="Who sums up tastes: a count of genres and words, or the model (default: genres)."),
]
Memory: TypeAlias = Annotated[
    Literal["words", "vectors"] | None,
    flag(panel=WHO, text="Relevance in memory by hashed words, or by text vectors, fetched once (default: words)."),
]
Actions: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="SET", panel=WHO, text="What can be done with an item: films, shop, or module:object (default: films)."
    ),
]
Fatigue: TypeAlias = Annotated[
    float | None, flag(metavar="0..1", panel=WHO, text="Weight of fatigue; 0 takes it out (default: 1.0).")
]

Model: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="NAME",
        panel=ASKED,
        text="local/smollm2, local:FILE.gguf, openai/NAME, http://HOST/v1#NAME, any LiteLLM provider/NAME, or scripted "
        "(default: local/smollm2).",
    ),
]
BaseUrl: TypeAlias = Annotated[
    str | None, flag(metavar="URL", panel=ASKED, text="Endpoint of an openai/... model that is not OpenAI's own.")
]
Mode: TypeAlias = Annotated[
    Literal["auto", "generate", "score"] | None,
    flag(panel=ASKED, text="The model writes answers, or its likelihoods are read and code decides (default: auto)."),
]
Plan: TypeAlias = Annotated[
    Literal["fused", "faithful"] | None,
    flag(panel=ASKED, text="generate: one call a page, or Agent4Rec's own sequence (default: fused)."),
]
Prompt: TypeAlias = Annotated[
    list[str] | None,
    flag("--prompt", metavar="NODE=FILE", panel=ASKED, text="Replace a prompt, e.g. page=mine.md (repeatable)."),
]
Signal: TypeAlias = Annotated[
    Literal["auto", "title", "yesno"] | None,
    flag(panel=ASKED, text="score: read titles' likelihoods or yes/no answers (default: auto)."),
]
CalibrationItems: TypeAlias = Annotated[
    int | None,
    flag(metavar="N", panel=ASKED, text="score: held-in items per user to learn the margins from (default: 8)."),
]
WatchRate: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="LOW,HIGH",
        panel=ASKED,
        text="score and scripted: expected watch rate of the least and most active users; a choice, not a measurement (default: 0.25,0.55).",
    ),
]

ShuffleSlots: TypeAlias = Annotated[
    bool | None, flag(panel=SWITCHES, text="Show each page in a drawn order (default: yes).")
]
ShowMean: TypeAlias = Annotated[
    bool | None, flag(panel=SWITCHES, text="Show mean ratings: leaks the answer (default: no).")
]
Strict: TypeAlias = Annotated[bool | None, flag(panel=SWITCHES, text="Refuse data with broken rows (default: no).")]
Say: TypeAlias = Annotated[
    bool | None, flag(panel=SWITCHES, text="score: a generated sentence at the exit (default: no).")
]

Budget: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="LIMITS",
        panel=CARRIED,
        text="Hard limits: usd=1,calls=500,tokens=1e5,seconds=600; the run pauses before one is overshot.",
    ),
]
Price: TypeAlias = Annotated[
    str | None,
    flag(
        metavar="in=$,out=$",
        panel=CARRIED,
        text="What an endpoint of your own takes, dollars per million tokens: in=0.2,out=0.6.",
    ),
]
Name: TypeAlias = Annotated[
    str | None, flag(metavar="NAME", panel=CARRIED, text="Name of the run (default: simulate).")
]
DryRun: TypeAlias = Annotated[
    bool, flag("--dry-run", panel=CARRIED, text="Say what it would take (calls, tokens, money) and stop.")
]
