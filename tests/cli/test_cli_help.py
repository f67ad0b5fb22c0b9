"""Help teaches: every setting has a flag, every default is visible, nothing is wider than 80 columns."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

import pytest
from recloop.cli import simulate_options
from recloop.simulations import SimulateConfig
from recloop.simulations.studies.table import STUDIES
from typer.main import get_command

COMMANDS: tuple[tuple[str, ...], ...] = (
    (),
    ("simulate",),
    ("sweep",),
    ("study",),
    ("study", "list"),
    *(("study", name) for name in STUDIES),
    ("augment",),
    ("interview",),
    ("stability",),
    ("rank",),
    *(("rank", verb) for verb in ("fit", "eval", "query")),
    ("resume",),
    ("rewrite",),
    ("replay",),
    ("report",),
    ("doctor",),
    ("debug",),
    *(("debug", verb) for verb in ("show", "agents", "go", "step", "find", "break", "live", "fork", "edit", "ask")),
    *(("debug", verb) for verb in ("diff", "tree", "replay")),
    ("runs",),
    ("runs", "list"),
    ("runs", "show"),
    ("runs", "digest"),
    ("runs", "export"),
    ("runs", "prune"),
    ("runs", "compare"),
    ("optimize",),
    ("optimize", "compare"),
    ("prompts",),
    ("prompts", "show"),
    ("prompts", "list"),
    ("prompts", "diff"),
    ("prompts", "export"),
    ("prompts", "lineage"),
    ("data",),
    ("data", "list"),
    ("data", "describe"),
    ("personas",),
    ("personas", "build"),
    ("personas", "show"),
    ("models",),
    ("models", "list"),
    ("models", "get"),
)


def flags() -> dict[str, Any]:
    """Setting -> its parameter of `recloop simulate`."""
    from recloop.cli.app import app

    command: Any = get_command(app)
    return {p.name: p for p in command.commands["simulate"].params if p.name in SimulateConfig.model_fields}


def leaves(command: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    return {path}.union(*(leaves(each, (*path, name)) for name, each in inner.items()))


def typed(command: tuple[str, ...]) -> tuple[str, ...]:
    """What one types for it: the verbs of `debug` stand behind a run."""
    return ("debug", "RUN", *command[1:]) if command[:1] == ("debug",) else command


def test_this_file_knows_every_command() -> None:
    from recloop.cli.app import app

    assert leaves(get_command(app)) == set(COMMANDS)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_the_terminal_and_nothing_is_cut_off(
    cli: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    result = cli(*typed(command), "--help")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= width
    assert "…" not in result.out
    assert "Usage: recloop" in result.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_every_word_that_was_written(cli: Any, command: tuple[str, ...]) -> None:
    from recloop.cli.app import app

    found: Any = get_command(app)
    for name in command:
        found = found.commands[name]
    written = " ".join([found.help, *(getattr(each, "help", None) or "" for each in found.params)])
    shown = " ".join(cli(*typed(command), "--help").out.replace("│", " ").split())
    assert [word for word in written.replace("\\[", "[").split() if word not in shown] == [], "markup ate it"


def test_the_first_help_names_exit_codes_and_first_steps(cli: Any) -> None:
    text = " ".join(cli("--help").out.split())
    assert "recloop simulate" in text
    assert all(f"{code} " in text for code in (0, 1, 2, 3, 130, 143))


def test_every_setting_has_a_flag_and_every_flag_a_setting() -> None:
    assert set(flags()) == set(SimulateConfig.model_fields)


@pytest.mark.parametrize("name", SimulateConfig.model_fields)
def test_a_flag_shows_the_default_of_its_setting(name: str) -> None:
    default = SimulateConfig().model_dump()[name]
    shown = re.search(r"\(default: ([^)]*)\)", flags()[name].help)
    if default in (None, "", {}, ()):
        assert shown is None or shown[1] == "the data set's own"
        return
    words = {True: "yes", False: "no"}
    wanted = words[default] if isinstance(default, bool) else str(default)
    if isinstance(default, tuple):
        wanted = ",".join(map(str, default))
    assert shown is not None, flags()[name].help
    assert shown[1] == wanted


LITERALS = {
    name: get_args(f.annotation)
    for name, f in SimulateConfig.model_fields.items()
    if get_origin(f.annotation) is Literal
}


@pytest.mark.parametrize("name", LITERALS)
def test_an_unknown_choice_is_answered_with_those_there_are(cli: Any, name: str) -> None:
    result = cli("simulate", f"--{name}", "nonsense")
    assert result.code == 2
    assert result.out == ""
    assert all(f"'{choice}'" in result.err for choice in LITERALS[name])


@pytest.mark.parametrize("name", LITERALS)
def test_every_choice_of_a_setting_is_taken(cli: Any, name: str) -> None:
    for choice in LITERALS[name]:
        result = cli("simulate", f"--{name}", choice, "--data", "nowhere.csv")
        assert result.code == 2
        assert "no dataset called 'nowhere.csv'" in result.err


def test_flags_stand_in_groups() -> None:
    panels = {simulate_options.WHAT, simulate_options.WHO, simulate_options.ASKED, simulate_options.SWITCHES}
    assert {p.rich_help_panel for p in flags().values()} == {*panels, simulate_options.CARRIED}


def test_version(cli: Any) -> None:
    import recloop

    assert cli("--version").out == f"recloop {recloop.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_switch_shows_no_type(cli: Any, command: tuple[str, ...]) -> None:
    assert "bool" not in cli(*typed(command), "--help").out.lower()
