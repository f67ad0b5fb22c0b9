"""`recloop prompts`: the prompts of a search, what changed in them, and forms that other tools read."""

from __future__ import annotations

import difflib
import shlex
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json
from .output import CommandError, console, lines, note, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..prompt_opt.ancestry import Ancestry, Mean, Node
    from ..prompt_opt.history import History
    from ..prompt_opt.worddiff import Piece
    from ..runs import Run

app = typer.Typer(help="Prompts of a search: show, compare and export them.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A search's folder (`recloop optimize`).")]
NAMES = "winner, seed, or the start of a candidate's id"
SHORT = 6
"""Digits of an id in a table; any start that only one candidate has will do as its name."""


class Form(StrEnum):
    """What `export` writes (`prompt_opt/programs/exchange.py`)."""

    text = "text"
    dspy = "dspy"
    langchain = "langchain"
    promptfoo = "promptfoo"
    gepa = "gepa"


class Drawing(StrEnum):
    """What `lineage` writes."""

    html = "html"
    mermaid = "mermaid"
    json = "json"


@app.command()
def show(
    run: Folder,
    candidate: Annotated[
        str | None,
        typer.Argument(
            metavar="[CANDIDATE]", help=f"{NAMES} (default: the winner, then the seed).", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """A prompt's text, where it came from, how it fared and why.

    A candidate is named by the start of its id, or as winner or seed. While
    a search has not ended, winner is the best so far.

      recloop prompts show recloop-runs/2026-01-31-optimize
      recloop prompts show RUN seed
      recloop prompts show RUN 3f9a --json

    """
    with _opened(run) as opened:
        history, found = _read(opened)
        names = [candidate] if candidate is not None else ["winner", "seed"]
        nodes = list({node.id: node for name in names for node in [_find(history, found, name)]}.values())
    if as_json:
        print_json(nodes[0].json() if candidate is not None else [node.json() for node in nodes])
        return
    for i, node in enumerate(nodes):
        if i:
            say()
        _show(node, history.metric)


@app.command("list")
def list_(run: Folder, as_json: Json = False) -> None:
    """Every candidate of a search: how it was made, how it fared.

    Leads are over the seed, paired by case, with their 95 % interval; n
    counts the cases they stand on.

    """
    with _opened(run) as opened:
        history, found = _read(opened)
    if as_json:
        print_json([{k: v for k, v in node.json().items() if k != "scores"} for node in found.nodes.values()])
        return
    from ..prompt_opt.fates import FATES

    rows = [
        (
            f"{FATES[node.fate][0]} {node.id[:SHORT]}",
            node.fate,
            node.candidate.operator[:10],
            ", ".join(parent[:SHORT] for parent in node.candidate.parents),
            "" if (mean := node.stands.get("search") or node.stands.get("selection")) is None else f"{mean.mean:.3f}",
            _lead(node.lead),
            "" if node.lead is None else number(node.lead.n),
        )
        for node in found.nodes.values()
    ]
    heads = ["candidate", "fate", "made by", "from", history.metric, "lead over the seed", "n"]
    whole = [head for head in heads if head != "from"]
    print_table(f"Prompts of {run.resolve().name}", heads, rows, right=[history.metric, "n"], whole=whole)
    fates = {node.fate for node in found.nodes.values()}
    say("\n".join(f"{sign} {fate}: {meaning}" for fate, (sign, meaning) in FATES.items() if fate in fates), style="dim")
    say(
        f"{history.metric}: of the search cases it was asked (none: of the selection cases)\n"
        "lead, n: of the search and selection cases that the seed was asked as well",
        style="dim",
    )


@app.command()
def diff(
    run: Folder,
    a: Annotated[str, typer.Argument(metavar="[A]", help=f"{NAMES} (default: seed).", show_default=False)] = "seed",
    b: Annotated[str, typer.Argument(metavar="[B]", help="The same (default: winner).", show_default=False)] = "winner",
    as_json: Json = False,
) -> None:
    r"""What changed from one prompt to another, word by word.

    In a terminal with colours what is gone is struck out and what is new is
    underlined; elsewhere they stand as \[-gone-] and {+new+}.

      recloop prompts diff RUN
      recloop prompts diff RUN 3f9a 81c0

    """
    from ..prompt_opt.worddiff import texts_diff

    with _opened(run) as opened:
        history, found = _read(opened)
        old, new = _find(history, found, a), _find(history, found, b)
    pieces = texts_diff(old.candidate.texts, new.candidate.texts)
    if as_json:
        told = {name: [piece._asdict() for piece in each] for name, each in pieces.items()}
        print_json({"a": old.id, "b": new.id, "same": old.id == new.id, "components": told})
        return
    if (a, b) == ("seed", "winner") and old.id == new.id:
        say("the seed stands: there is nothing to compare")
        return
    say(f"{old.id} ({old.fate}) -> {new.id} ({new.fate})", style="bold")
    if old.id == new.id:
        say("the same prompt")
    for name, each in pieces.items():
        say(f"--- {name}", style="dim")
        console.print(_coloured(each), soft_wrap=True)


@app.command()
def export(
    run: Folder,
    candidate: Annotated[
        str | None,
        typer.Argument(
            metavar="[CANDIDATE]", help=f"{NAMES} (default: winner; gepa: all candidates).", show_default=False
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option("--as", help="text, dspy, langchain, promptfoo, gepa.", show_choices=False)
    ] = Form.text,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|DIR/", help="Where to, a new folder with its slash (default: stdout).", show_default=False
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import the module that a run of a DSPy program names (your own runs).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a prompt in a form that other tools read.

    text       the prompt itself: for --seed-prompt, simulate --prompt
    dspy       for program.load(FILE)
    langchain  for langchain_core.load.loads: a chat prompt, one per text
    promptfoo  a configuration with a test per case
    gepa       candidates.json

    recloop prompts export RUN --out best.md
    recloop prompts export RUN --as dspy --out program.json
    recloop prompts export RUN seed --as langchain --out prompts/

    """
    from ..prompt_opt.programs.exported import exported
    from .stopping import run_stoppable

    with _opened(run) as opened:
        history, found = _read(opened)
        wanted = None if candidate is None else _find(history, found, candidate).candidate
        files = run_stoppable(exported(opened, history, wanted, form.value, trust=trust))
    if as_json and out is None:
        print_json({"form": form.value, "files": files})
        return
    if out is None:
        if len(files) > 1:
            raise CommandError(
                f"{form.value} takes {len(files)} files: {', '.join(files)}\n  name a folder:  --out DIR/"
            )
        (text,) = files.values()
        if sys.stdout.isatty():
            say(text.removesuffix("\n"))
        else:  # to a file or another program: every character as it is
            sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return
    written = _write(files, out)
    if as_json:
        print_json({"form": form.value, "written": written})
    else:
        say("\n".join(f"written  {path}" for path in written))


@app.command()
def lineage(
    run: Folder,
    drawing: Annotated[Drawing, typer.Option("--as", help="html, mermaid, json.", show_choices=False)] = Drawing.html,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to (html: RUN/report.html; others: stdout).", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """How the prompts of a search descend from each other, and why each won or died.

    html     one page: verdict, plots, tree, every prompt with its diff
    mermaid  a flowchart for Markdown
    json     all of it: texts, scores case by case, leads, costs

    recloop prompts lineage RUN --open
    recloop prompts lineage RUN --as mermaid --out lineage.mmd

    """
    from ..prompt_opt.lineage import lineage_json, lineage_mermaid, write_lineage

    with _opened(run) as opened:
        if drawing is Drawing.html:
            page = write_lineage(opened, out)
            print_json({"run": run, "lineage": page}) if as_json else say(f"lineage  {page}")
            if show:
                typer.launch(str(page.resolve()))
            return
        whole = lineage_json(opened) if drawing is Drawing.json else {"mermaid": lineage_mermaid(opened)}
    if out is None:
        if as_json or drawing is Drawing.json:
            print_json(whole)
        else:
            say(whole["mermaid"].removesuffix("\n"))
        return
    import json

    text = whole["mermaid"] if drawing is Drawing.mermaid else json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    out.write_text(text, encoding="utf-8")
    print_json({"run": run, "lineage": out}) if as_json else say(f"lineage  {out}")


def report_search(run: Run, show: bool, as_json: bool) -> None:
    """`recloop report` of a search: its page."""
    from ..prompt_opt.lineage import write_lineage

    page = write_lineage(run)
    if as_json:
        print_json({"run": run.path, "report": page, "picture": None})
    else:
        say(f"report   {page}")
    if show:
        typer.launch(str(page.resolve()))


def _opened(path: Path) -> Run:
    """A search's run, open for reading. Raises `CommandError` for a run of another kind."""
    from ..runs import Run
    from .kinds import kind_of

    run = Run.open(path)
    try:
        name = kind_of(run).name
        if name != "optimize":
            raise CommandError(
                f"{path} is a run of `recloop {name}`: it has no prompts under search\n"
                f"  look at it:  recloop runs show {shlex.quote(str(path))}"
            )
    except BaseException:
        run.close()
        raise
    return run


def _read(run: Run) -> tuple[History, Ancestry]:
    from ..prompt_opt.ancestry import ancestry
    from ..prompt_opt.history import read_history

    history = read_history(run)
    if not history.begun:
        raise CommandError(
            f"{run.path} stopped before its first prompt was recorded\n"
            f"  go on with it:  recloop resume {shlex.quote(str(run.path))}"
        )
    return history, ancestry(run, history)


def _find(history: History, found: Ancestry, name: str) -> Node:
    """A candidate by "winner", "seed", its id or the start of it."""
    if name == "seed":
        return found.nodes[history.seed_candidate.id]
    if name == "winner":
        node = found.nodes[history.best.id]
        if node.fate != "winner":
            note(f"the search has not ended: {node.id} is the best so far, not yet tested")
        return node
    fitting = [id for id in found.nodes if name and id.startswith(name.lower())]
    if len(fitting) == 1:
        return found.nodes[fitting[0]]
    if fitting:
        raise CommandError(f"{len(fitting)} candidates begin with {name}\n  name one: {_some(fitting)}")
    near = difflib.get_close_matches(name.lower(), [*found.nodes, "winner", "seed"], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are winner, seed, {_some(list(found.nodes))}"
    raise CommandError(f"no candidate {name!r} in this search\n  {hint}")


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _lead(lead: Mean | None) -> str:
    if lead is None:
        return ""
    between = "" if lead.low is None or lead.high is None else f" [{lead.low:+.3f}, {lead.high:+.3f}]"
    return f"{lead.mean:+.3f}{between}"


def _show(node: Node, metric: str) -> None:
    made = node.candidate
    facts = [("fate", f"{node.fate}" + (f": {node.why}" if node.why else "")), ("made by", made.operator)]
    if made.parents:
        facts[-1] = ("made by", f"{made.operator} from {', '.join(made.parents)}, by {made.maker or 'the search'}")
    facts.append(("reason", made.reason))
    for split, mean in node.stands.items():
        between = "" if mean.low is None or mean.high is None else f" [{mean.low:.3f}, {mean.high:.3f}]"
        facts.append((split, f"{metric} {mean.mean:.3f}{between}, {mean.n} cases"))
    for words, lead in (("over seed", node.lead), ("over parent", node.over_parent)):
        if lead is not None:
            facts.append((words, f"{_lead(lead)}, {lead.n} cases"))
    if node.tokens_per_case is not None:
        facts.append(("tokens", f"{node.tokens_per_case:,.0f} a case"))
    print_table(f"Prompt {node.id}", ["", ""], [(name, text) for name, text in facts if text])
    for name, text in made.texts.items():
        say(f"--- {name}", style="dim")
        say(text.removesuffix("\n"))


def _coloured(pieces: list[Piece]) -> Any:
    """A diff for the terminal: by colour and line where it has them, else by marks."""
    from rich.text import Text

    plain = console.color_system is None
    text = Text()
    for piece in pieces:
        shown = lines(piece.text)
        if piece.what == "same":
            text.append(shown)
        elif plain:
            text.append(f"[-{shown}-]" if piece.what == "gone" else f"{{+{shown}+}}")
        else:
            text.append(shown, style="red strike" if piece.what == "gone" else "green underline")
    return text


def _write(files: Mapping[str, str], out: str) -> list[Path]:
    """Into a folder by their names where `out` is one (or ends like one, or there are several), else the one as `out`."""
    if strange := [name for name in files if not name.strip(".") or set(name) & set("/\\\0")]:
        raise CommandError(
            f"this search names a text {strange[0]!r}, which is no name for a file\n  look at it:  --json, without --out"
        )
    place = Path(out)
    folder = place.is_dir() or out.endswith(("/", "\\")) or len(files) > 1
    if folder:
        place.mkdir(parents=True, exist_ok=True)
    paths = {(place / name if folder else place): text for name, text in files.items()}
    for path, text in paths.items():
        path.write_text(text, encoding="utf-8")
    return list(paths)
