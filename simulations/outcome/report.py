"""The picture of a run: one self-contained HTML page, and one standalone SVG. Neither asks anything of the network.

The page is report.html (Jinja2, autoescaped): titles, names and what models wrote are data there. Charts come from
report_charts.py, the users shown page by page from report_users.py, every number from `summarise`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...runs import Run, table_specs
from ...runs.visible import visible
from .charts import CHART_CSS, picture
from .printed import BANNER
from .report_charts import (
    calibration_words,
    chart_exits,
    chart_failures,
    chart_genres,
    chart_groups,
    chart_margins,
    chart_popularity,
    chart_ratings,
    chart_satisfaction,
    chart_slots,
    chart_work,
    main_charts,
)
from .report_users import sample_users
from .summary import Summary, degenerate, summarise

REPORT, PICTURE = "report.html", "summary.svg"
TILES = ("watch_rate", "lift", "rating", "rating_jsd", "satisfaction_said", "slot_bias", "invalid", "cost")
"""The numbers at the top of the page; all others follow in the table."""


def write_report(run: Run) -> Path:
    """Write `<run>/report.html` and return its path. Works on paused runs; replaces an older page in one step."""
    return _write(run.path / REPORT, render(run))


def write_picture(run: Run) -> Path:
    """Write `<run>/summary.svg`, the four main charts in one standalone picture, and return its path."""
    summary = summarise(run)
    users = summary["agents"].n or 0
    heading = f"{visible(summary.name)}: {summary.recommender} on {summary.dataset}"
    subtitle = f"{users:,} simulated users, {summary.asked}, seed {summary.seed}"
    if summary.status != "finished":
        subtitle += f", {summary.status}"
    banner = BANNER if summary.plumbing else ""
    return _write(run.path / PICTURE, str(picture(heading, subtitle, banner, main_charts(summary))))


def render(run: Run) -> str:
    """The report's HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    environment.filters["number"] = _number
    template = environment.from_string((Path(__file__).parent / "report.html").read_text(encoding="utf-8"))
    summary = summarise(run)
    return template.render(
        summary=summary,
        rows=summary.rows,
        tiles=[summary[key] for key in TILES],
        banner=BANNER if summary.plumbing else "",
        problem=degenerate(summary),
        asked=_asked(run, summary),
        settings=_settings(run),
        chart_css=CHART_CSS,
        behaviour=[
            chart_ratings(summary),
            chart_slots(summary),
            chart_exits(summary),
            chart_satisfaction(summary),
            chart_popularity(summary),
            chart_genres(summary),
        ],
        by_group=chart_groups(summary),
        margins=chart_margins(summary),
        calibration=calibration_words(summary),
        machinery=[chart_work(summary), chart_failures(summary)],
        users=sample_users(run, summary.words["done"]),
        tables=[(name, spec.doc, spec.columns) for name, spec in table_specs(run.kind).items()],
        notes=[note for note in run.manifest.notes if note != BANNER],
    )


def _asked(run: Run, summary: Summary) -> list[tuple[str, str]]:
    """What was asked, in the order a reader wants it."""
    manifest, config = run.manifest, run.manifest.config
    reference: dict[str, Any] = next((dict(event.data) for event in run.events(kind="reference")), {})
    size = "not recorded (the run stopped before its first page)"
    if reference:
        size = f"{reference['users']:,} users, {reference['items']:,} items, {reference['interactions']:,} rows of {reference['feedback']}"
        if reference.get("scale"):
            low, high, step = reference["scale"]
            size += f", {low:g} to {high:g} in steps of {step:g}"
    reason = f": {manifest.reason}" if manifest.reason else ""
    return [
        ("data", f"{summary.dataset} ({size})"),
        ("licence of the data", str(reference.get("licence") or "not stated")),
        ("recommender", f"{summary.recommender} ({reference.get('policy', 'policy not recorded')})"),
        (
            "users",
            f"{config.get('users', '?')} users, up to {config.get('pages', '?')} pages of {config.get('page_size', '?')} items",
        ),
        ("model", summary.asked),
        ("seed", str(manifest.seed)),
        ("status", f"{manifest.status}{reason}"),
        ("created", manifest.created),
        ("digest", run.digest()),
        ("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    ]


def _settings(run: Run) -> list[tuple[str, str]]:
    manifest = run.manifest
    hashes = [(f"hash of {name}", value) for name, value in manifest.hashes.items()]
    return [
        (name, "–" if value is None or value in ("", {}) else str(value)) for name, value in manifest.config.items()
    ] + hashes


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _write(path: Path, text: str) -> Path:
    half = path.with_name(f".{path.name}.tmp")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
    return path
