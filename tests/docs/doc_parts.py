"""The parts of the documentation that are written from the code. To write them again:

python tests/docs/doc_parts.py            settings, options and tables of docs/*.md
python tests/docs/doc_parts.py --excerpt  the README's excerpt too (runs `recloop simulate`: about a minute)
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).parent))

from doc_pages import ROOT, with_section

SHOWN = (
    "Pages seen per user",
    "Left before the last page",
    "Watch rate",
    "In held-out rows, of watched",
    "Mean rating",
    "Pages with an unusable answer",
)
"""Rows of the summary that the README shows."""
WIDTH = 100


def commands() -> dict[str, Any]:
    """Every command that does something, by what one types after `recloop`."""
    from recloop.cli.app import app
    from typer.main import get_command

    def leaves(command: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return {" ".join(path): command}
        found = {" ".join(path): command} if path and command.invoke_without_command else {}
        return found | {name: leaf for key, each in inner.items() for name, leaf in leaves(each, (*path, key)).items()}

    return leaves(get_command(app))


def settings(command: str = "simulate") -> str:
    """One row per setting of a command: name, flag, default, and its docstring (or the flag's help where it has none)."""
    from recloop.prompt_opt.asked import OptimizeConfig
    from recloop.simulations import SimulateConfig

    config: Any = {"simulate": SimulateConfig, "optimize": OptimizeConfig}[command]
    flags = {option.name: option for option in commands()[command].params}
    said, defaults = docstrings(config), config()
    lines = ["| setting | flag | default | what it does |", "| --- | --- | --- | --- |"]
    for name, field in config.model_fields.items():
        option = flags[name]
        value = option.metavar or "|".join(get_args(field.annotation))
        flag = ", ".join(f"`{text}`" for text in [f"{option.opts[0]} {value}".strip(), *option.secondary_opts])
        text = said.get(name) or re.sub(r" \(default: [^)]*\)", "", option.help)
        cells = [f"`{name}`", flag, _default(getattr(defaults, name)), text]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if value in (None, "", {}, ()):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{','.join(map(str, value)) if isinstance(value, tuple) else value}`"


def options(configs: dict[str, type]) -> str:
    """One row per field that some configurations themselves declare, by the name of what they configure."""
    lines = ["| | option | default | what it does |", "| --- | --- | --- | --- |"]
    for owner, config in configs.items():
        said, first = docstrings(config), f"`{owner}`"
        fields: dict[str, Any] = config.model_fields  # type: ignore[attr-defined]
        for name in (name for name in fields if name in config.__annotations__):
            cells = [
                first,
                f"`{name}`",
                _default(fields[name].get_default(call_default_factory=True)),
                said.get(name, ""),
            ]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            first = ""
    return "\n".join(lines) + "\n"


def task_options() -> str:
    """The options of every task that is found by name."""
    from importlib import import_module

    from recloop.prompt_opt.tasks.building import ListOptions
    from recloop.prompt_opt.tasks.open import TASKS

    found = {name: (f"recloop.prompt_opt.tasks{module}", kind) for name, (module, _, kind) in TASKS.items()}
    own = {name: getattr(import_module(module), kind) for name, (module, kind) in found.items()}
    return options({"session`, `news`, `rerank": ListOptions, **own})


def optimizer_options() -> str:
    """The options of every optimizer of ours, and those that the others share."""
    from recloop.prompt_opt.optimizers.po4isr import PO4ISRConfig
    from recloop.prompt_opt.optimizers.racing import RacingConfig
    from recloop.prompt_opt.optimizers.recprompt import RecPromptConfig
    from recloop.prompt_opt.programs.rivals import RivalConfig

    ours = {"racing": RacingConfig, "recprompt": RecPromptConfig, "po4isr": PO4ISRConfig}
    return options({**ours, "mipro`, `gepa`, `copro`, `simba": RivalConfig})


def debug_fields() -> str:
    """The names that a breakpoint's condition may use."""
    from recloop.simulations.debugging.fields import describe_fields

    return describe_fields() + "\n"


def debug_edits() -> str:
    """How edits of a fork are written."""
    from recloop.simulations.debugging.edits import FORMS

    rows = [f"| {verb} | {form.replace('|', chr(92) + '|')} |" for verb, form in FORMS.items()]
    return "\n".join(["| edit | written |", "| --- | --- |", *rows]) + "\n"


def search_fields() -> str:
    """The names that a breakpoint of a prompt search may use."""
    from recloop.prompt_opt.debugging.fields import describe_fields

    return describe_fields() + "\n"


def search_edits() -> str:
    """How edits of a prompt search are written."""
    from recloop.prompt_opt.debugging.edits import describe_edits

    return describe_edits() + "\n"


def docstrings(model: type) -> dict[str, str]:
    """Field -> the string that stands under it in the class."""
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found


def tables(kind: str = "simulate") -> str:
    """The tables of one kind of run with their columns, from their specs."""
    import recloop.prompt_opt.tables
    import recloop.simulations
    import recloop.simulations.sweep  # noqa: F401  (all register theirs)
    from recloop.runs import describe_tables

    return re.sub(r"^### ", "#### ", describe_tables(kind), flags=re.M).strip() + "\n"


def simulate(folder: Path, *flags: str) -> str:
    """What `recloop simulate` prints."""
    recloop = Path(sys.executable).with_name("recloop")
    done = subprocess.run(
        [recloop, "simulate", "--out", "run", *flags],
        cwd=folder, capture_output=True, text=True, timeout=280, env={**os.environ, "COLUMNS": str(WIDTH)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def excerpt(output: str, labels: list[str]) -> str:
    """The summary shortened: its head, the rows `SHOWN` whole, the line about the model. `labels`: of all its rows."""
    kept, keep = [], True
    for line in (line.rstrip() for line in output.splitlines()):
        label = next((label for label in labels if line.startswith(label)), "")
        if label:
            keep = label in SHOWN
            if not keep and kept[-1] != "...":
                kept.append("...")
        elif not line:
            break
        if keep:
            kept.append(line)
    banner = next(line for line in output.splitlines() if line.startswith("plumbing-grade"))
    return "```\n" + "\n".join([*kept, banner.rstrip()]) + "\n```\n"


def _excerpt_of_a_run() -> str:
    from recloop.runs import Run
    from recloop.simulations import summarise

    with tempfile.TemporaryDirectory() as folder:
        output = simulate(Path(folder))
        with Run.open(Path(folder) / "run") as run:
            return excerpt(output, [row.label for row in summarise(run).rows])


def main() -> None:
    """Write the parts into their pages."""
    parts = {
        ("docs/simulate.md", "settings"): settings,
        ("docs/simulate.md", "tables"): tables,
        ("docs/sweep.md", "tables"): lambda: tables("sweep"),
        ("docs/optimize.md", "settings"): lambda: settings("optimize"),
        ("docs/optimize.md", "task options"): task_options,
        ("docs/optimize.md", "optimizer options"): optimizer_options,
        ("docs/optimize.md", "tables"): lambda: tables("optimize"),
        ("docs/debug.md", "fields"): debug_fields,
        ("docs/debug.md", "edits"): debug_edits,
        ("docs/debug.md", "search fields"): search_fields,
        ("docs/debug.md", "search edits"): search_edits,
    }
    if "--excerpt" in sys.argv[1:]:
        parts["README.md", "excerpt"] = _excerpt_of_a_run
    for (page, name), write in parts.items():
        (ROOT / page).write_text(with_section(page, name, write()), encoding="utf-8")


if __name__ == "__main__":
    main()
