"""What `recloop stability` shows: tables for people, one JSON document for machines, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Phrasings, SearchSet
from ..evaluators import Estimate
from ..evaluators.stability import FIGURES, RAW, Figure, top_overlap
from ..methods.search.phrasing import Measured
from .output import bar, number, print_table, say, short, visible

CONTROLS = ("random", "constant")
_LABELS: dict[Figure, str] = {
    "raw": "NDCG@{k}, as given",
    "ndcg": "NDCG@{k}, mean of all wordings",
    "worst": "NDCG@{k}, worst wording",
    "variance": "variance over wordings",
    "vnap": "VNAP",
    "tau_min": "Kendall tau, least alike",
    "overlap": "top-{k} overlap",
    "spread": "spread of scores",
}


@dataclass(frozen=True)
class Shown:
    """`measured` and `controls`: retriever -> what was measured. `problems`: retriever -> what was wrong with its answers."""

    data: SearchSet
    wordings: Phrasings
    k: int
    measured: Mapping[str, Measured]
    controls: Mapping[str, Measured]
    problems: Mapping[str, Mapping[str, int]]

    @property
    def queries(self) -> tuple[str, ...]:
        return next(iter(self.measured.values())).stability.queries

    @property
    def judged(self) -> int:
        """Queries with something relevant."""
        raw = next(iter(self.measured.values())).stability.values("raw")
        return int(np.count_nonzero(~np.isnan(raw)))

    def label(self, figure: Figure) -> str:
        return _LABELS[figure].format(k=self.k)


def show(shown: Shown, fragile: int, picture: Path | None) -> None:
    """Tables on stdout."""
    forms = shown.wordings.count
    say(
        f"stability: {shown.data.name}, {len(shown.queries):,} queries in {forms:,} other wordings"
        + (f", {shown.judged:,} of them judged" if shown.judged < len(shown.queries) else ""),
        style="bold",
    )
    if shown.wordings.fell_back:
        share = shown.wordings.fell_back / (shown.wordings.fell_back + forms)
        say(f"{shown.wordings.fell_back:,} wordings left out that fell back to the raw query ({100 * share:.1f} %)")
    for name, measured in shown.measured.items():
        say()
        _figures(shown, name, measured)
    _against(shown)
    if shown.judged:
        _forms(shown)
    for name, measured in shown.measured.items():
        _fragile(shown, name, measured, fragile)
    say()
    for note in shown.data.report.notes if shown.data.report is not None else ():
        say(f"note: {note}", style="dim")
    if picture is not None:
        say(f"picture: {short(picture)}")


def _figures(shown: Shown, name: str, measured: Measured) -> None:
    controls = [shown.controls[control].stability for control in CONTROLS]
    rows = []
    for figure in _LABELS:
        found = measured.stability.estimate(figure)
        if found is not None:
            beside = [each.estimate(figure) for each in controls]
            rows.append((shown.label(figure), _mean(found), _bounds(found), *map(_mean, beside)))
    if shown.judged:
        v_ndcg = [number(each.v_ndcg) for each in (measured.stability, *controls)]
        rows.insert(5, ("V-NDCG over forms", v_ndcg[0], "", *v_ndcg[1:]))
    columns = ["", "value", "95 % interval", "random", "constant"]
    print_table(name, columns, rows, right=["value", "random", "constant"], whole=columns)
    found = measured.stability
    if found.tells_apart:
        say(
            f"scores tell documents apart in {found.rankings - found.flat:,} of {found.rankings:,} rankings",
            style="dim",
        )
    else:
        say(
            f"in {found.flat:,} of {found.rankings:,} rankings all documents have one score: steady, and worth nothing",
            style="yellow",
        )
    if measured.empty:
        say(f"nothing was found for {measured.empty:,} wording{'' if measured.empty == 1 else 's'}", style="dim")
    for problem, count in shown.problems.get(name, {}).items():
        say(f"{count:,} x {problem} in what it answered", style="dim")


def _against(shown: Shown) -> None:
    """The first retriever held against each other one, on the same queries."""
    (first, mine), *others = shown.measured.items()
    figures: tuple[Figure, ...] = ("variance", "worst", "raw") if shown.judged else ("tau_min", "overlap")
    rows = [
        (f"{first} - {name}", shown.label(figure), mine.stability.against(other.stability, figure))
        for name, other in others
        for figure in figures
    ]
    if rows:
        say()
        print_table("Paired, over queries", ["", "", "difference"], rows)


def _forms(shown: Shown) -> None:
    means = {name: measured.stability.form_means() for name, measured in shown.measured.items()}
    only = next(iter(means.values())) if len(means) == 1 else None
    forms = next(iter(means.values())).keys()
    rows = [
        (form, *(number(means[name][form]) for name in means), *([bar(only[form], 24)] if only is not None else []))
        for form in forms
    ]
    if any(not np.isnan(list(each.values())).all() for each in means.values()):
        say()
        print_table(
            f"NDCG@{shown.k} by form (queries that have all of them)",
            ["form", *means, *([" "] if only is not None else [])],
            rows,
            right=list(means),
        )


def _fragile(shown: Shown, name: str, measured: Measured, n: int) -> None:
    found = measured.stability.fragile(n)
    if not found:
        return
    say()
    depth = f"NDCG@{shown.k}"
    rows: list[tuple[str, ...]] = []
    for query in found:
        rows += [("",) * 4] if rows else []
        rows += [
            (each["form"], number(each["ndcg"], 2), number(each["overlap"], 2), each["text"])
            for each in _wordings(shown, measured, query)
        ]
    print_table(
        f"{name}: the most fragile queries", ["form", depth, "overlap", "wording"], rows, right=[depth, "overlap"]
    )


def _wordings(shown: Shown, measured: Measured, query: str) -> list[dict[str, Any]]:
    """Each form of a query: its text, its NDCG, and what its top k has in common with the raw query's."""
    result = measured.stability
    row, rankings = result.queries.index(query), measured.rankings[query]
    texts = {RAW: shown.data.queries[query], **shown.wordings.forms[query]}
    return [
        {
            "form": form,
            "text": text,
            "ndcg": float(result.ndcg[row, result.forms.index(form)]),
            "overlap": top_overlap(rankings[form], rankings[RAW], shown.k),
            "found": len(rankings[form]),
        }
        for form, text in texts.items()
    ]


def as_plain(shown: Shown, fragile: int) -> dict[str, Any]:
    """Everything, as JSON's plain values."""
    report = shown.data.report
    return {
        "data": shown.data.name,
        "hash": shown.data.hash,
        "k": shown.k,
        "queries": len(shown.queries),
        "judged": shown.judged,
        "wordings": shown.wordings.count,
        "fell_back": shown.wordings.fell_back,
        "rows_skipped": report.skipped if report is not None else 0,
        "notes": list(report.notes) if report is not None else [],
        "figures": dict(FIGURES),
        "retrievers": {name: _one(shown, name, each, fragile) for name, each in shown.measured.items()},
        "controls": {name: _summary(each) for name, each in shown.controls.items()},
        "paired": [
            {
                "a": first,
                "b": name,
                "figure": figure,
                "mean": d.mean,
                "low": d.low,
                "high": d.high,
                "p_value": d.p_value,
            }
            for first, mine in list(shown.measured.items())[:1]
            for name, other in list(shown.measured.items())[1:]
            for figure in FIGURES
            if mine.stability.estimate(figure) is not None and other.stability.estimate(figure) is not None
            for d in (mine.stability.against(other.stability, figure),)
        ],
    }


def _summary(measured: Measured) -> dict[str, Any]:
    result = measured.stability
    return {
        "figures": {
            figure: {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
            for figure in FIGURES
            if (found := result.estimate(figure)) is not None
        },
        "v_ndcg": result.v_ndcg,
        "forms": result.form_means(),
        "rankings": result.rankings,
        "flat": result.flat,
        "empty": measured.empty,
        "tells_apart": result.tells_apart,
    }


def _one(shown: Shown, name: str, measured: Measured, fragile: int) -> dict[str, Any]:
    result = measured.stability
    values = {figure: result.values(figure) for figure in FIGURES}
    return {
        **_summary(measured),
        "problems": dict(shown.problems.get(name, {})),
        "cases": [
            {"query": query, **{figure: float(values[figure][row]) for figure in FIGURES}}
            for row, query in enumerate(result.queries)
        ],
        "fragile": [
            {"query": query, "wordings": _wordings(shown, measured, query)} for query in result.fragile(fragile)
        ],
    }


def draw(shown: Shown) -> str:
    """A standalone SVG: NDCG of each form, and the figures of steadiness, of every retriever with its interval."""
    from ..evaluators import bootstrap_mean
    from ..simulations.studies.plots import draw as draw_plot
    from ..simulations.studies.study import Plot, Series

    plots = []
    everyone = {**shown.measured, **{name: shown.controls[name] for name in CONTROLS if name not in shown.measured}}
    if shown.judged:
        forms = next(iter(shown.measured.values())).stability.forms
        series = []
        for name, measured in shown.measured.items():
            columns = [column[~np.isnan(column)] for column in measured.stability.ndcg.T]
            found = [bootstrap_mean(column) if len(column) else None for column in columns]
            series.append(_series(Series, name, found))
        plots.append(Plot("forms", f"NDCG@{shown.k} by form", "dots", forms, series, axis=f"NDCG@{shown.k}"))
        plots.append(
            Plot(
                "worst",
                "As given, and in the worst wording",
                "dots",
                tuple(everyone),
                [
                    _series(Series, "as given", [each.stability.estimate("raw") for each in everyone.values()]),
                    _series(Series, "worst wording", [each.stability.estimate("worst") for each in everyone.values()]),
                ],
                axis=f"NDCG@{shown.k}",
            )
        )
        plots.append(
            Plot(
                "variance",
                "Variance over wordings, per query",
                "dots",
                tuple(everyone),
                [_series(Series, "variance", [each.stability.estimate("variance") for each in everyone.values()])],
                reference=(0.0, "steady"),
            )
        )
    plots.append(
        Plot(
            "order",
            f"Top-{shown.k} in common between wordings",
            "dots",
            tuple(everyone),
            [_series(Series, "overlap", [each.stability.estimate("overlap") for each in everyone.values()])],
            reference=(1.0, "the same"),
        )
    )
    subtitle = f"{len(shown.queries):,} queries, {shown.wordings.count:,} other wordings; 95 % intervals over queries"
    charts = [draw_plot(plot, number) for number, plot in enumerate(plots)]
    return _stacked(f"Stability on {shown.data.name}", subtitle, charts)


def _stacked(heading: str, subtitle: str, charts: Sequence[Any]) -> str:
    """One standalone SVG: a heading, and the charts one below the other."""
    from markupsafe import Markup

    from ..simulations.outcome.canvas import CHART_CSS, Canvas
    from ..simulations.studies.plots import PLOT_CSS, WIDTH

    gap, top = 16, 60
    width, height = WIDTH + 2 * gap, top + sum(chart.height + gap for chart in charts)
    canvas = Canvas()
    canvas.marks.append(Markup('<rect width="{}" height="{}" fill="var(--paper)"/>').format(width, height))
    canvas.text(gap + 14, 26, heading, "title")
    canvas.text(gap + 14, 44, subtitle, "soft")
    y = float(top)
    for chart in charts:
        canvas.marks.append(chart.at(gap, y))
        y += chart.height + gap
    return str(
        Markup(
            '<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
            "<title>{heading}</title><desc>{desc}</desc><style>{css}.chart .title{{font-size:17px;font-weight:650}}</style>"
            "{body}</svg>\n"
        ).format(
            w=width,
            h=height,
            heading=visible(heading),
            desc=visible(" ".join(f"{chart.title}: {chart.description}" for chart in charts)),
            css=CHART_CSS + PLOT_CSS,
            body=canvas.body(),
        )
    )


def _series(kind: Any, name: str, found: list[Estimate | None]) -> Any:
    return kind(
        name,
        [each and each.mean for each in found],
        [_finite(each and each.low) for each in found],
        [_finite(each and each.high) for each in found],
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _mean(found: Estimate | None) -> str:
    return number(None if found is None else found.mean)


def _bounds(found: Estimate) -> str:
    return f"[{number(found.low)}, {number(found.high)}]" if np.isfinite(found.low) else ""
