"""A study's page: one self-contained HTML file with verdict, numbers, pictures, notes and settings. Foreign text is data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from ...runs import Manifest, Run, is_run
from ...runs.visible import visible
from ..outcome.canvas import CHART_CSS
from ..outcome.facts import PLUMBING
from ..outcome.printed import BANNER
from .carry import result_of
from .plots import PLOT_CSS, draw
from .study import Result
from .table import open_study

PAGE = "report.html"


class Rehearsal(NamedTuple):
    """One of the study's runs: where it lies from the page, how it stands, what was asked."""

    name: str
    href: str
    status: str
    what: str


def write_page(run: Run) -> Path:
    """Write `<study>/report.html` and return its path; an older one is replaced in one step. Works on paused studies."""
    path = run.path / PAGE
    half = path.with_name(f".{path.name}.tmp")
    half.write_text(render(run), encoding="utf-8")
    half.replace(path)
    return path


def render(run: Run) -> str:
    """The page's HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    manifest, kept = run.manifest, result_of(run)
    result = None if kept is None else Result.of(kept)
    name = str(manifest.config["study"])
    plumbing = result is not None and any(note.startswith(PLUMBING) for note in result.notes)
    return template.render(
        title=manifest.name,
        study=name,
        question=open_study(name).question,
        seed=manifest.seed,
        status=manifest.status,
        reason=manifest.reason,
        result=result,
        banner=BANNER if plumbing else "",
        charts=[] if result is None else [draw(plot, i) for i, plot in enumerate(result.plots)],
        settings=settings(manifest),
        rehearsals=rehearsals(run.path),
        chart_css=CHART_CSS,
        plot_css=PLOT_CSS,
    )


def settings(manifest: Manifest) -> list[tuple[str, str]]:
    """What was asked, by name; the rehearsals' settings under their own names; the digest and versions it ran with."""
    config: Mapping[str, Any] = manifest.config["config"]
    asked = {key: value for key, value in config.items() if key != "rehearsal"}
    inner = {f"rehearsal.{key}": value for key, value in (config.get("rehearsal") or {}).items()}
    told = [(key, _shown(value)) for key, value in {**asked, **inner}.items()]
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return [*told, ("created", manifest.created), ("versions", versions)]


def rehearsals(study: Path) -> list[Rehearsal]:
    """The runs below a study, by name."""
    found = []
    for path in sorted((study / "runs").glob("*")):
        if not is_run(path):
            continue
        manifest = Manifest.read(path)
        config = manifest.config
        what = ", ".join(
            f"{key} {config[key]}" for key in ("recommender", "model", "users", "pages", "seed") if key in config
        )
        page = "report.html" if (path / "report.html").exists() else ""
        found.append(Rehearsal(path.name, f"runs/{quote(path.name)}/{page}", manifest.status, what))
    return found


def _shown(value: Any) -> str:
    if value in (None, "", [], {}):
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
